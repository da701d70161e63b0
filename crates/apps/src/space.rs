//! What is left of the disk that images, volumes and the store lie on. Where next: `go.rs`.

use std::path::Path;

/// Less than this is little: one image of a language's runtime, or one start of a database's log.
const LITTLE: u64 = 1 << 30;

/// Says so if little is left of the disk that `dir` lies on. What counts is what others than root
/// may take, for databases are others.
pub(crate) fn little(dir: &Path) -> Option<String> {
    let system = rustix::fs::statvfs(dir).ok()?;
    told(dir, system.f_bavail * system.f_frsize)
}

fn told(dir: &Path, free: u64) -> Option<String> {
    (free < LITTLE).then(|| {
        format!(
            "only {} MB are left on the disk of {}: what starts may fail without a word; make room",
            free / 1_000_000,
            dir.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_named_when_little_is_left() {
        let dir = Path::new("/var/lib/shelf");
        assert_eq!(told(dir, LITTLE), None);
        let said = told(dir, 12_345_678).unwrap();
        assert!(said.starts_with("only 12 MB are left on the disk of /var/lib/shelf"), "{said}");
        assert!(little(Path::new("/no/such/place")).is_none());
    }
}
