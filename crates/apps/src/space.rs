//! What is left of the disk that images, volumes and the store lie on. Where next: `go.rs`, and
//! `failure.rs`, which says it beside what was not ready in time.

use std::path::Path;

/// Less than this is little: one image of a language's runtime, or one start of a database's log.
const LITTLE: u64 = 1 << 30;

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// How many bytes it has.
    pub bytes: u64,
    /// How many of them others than root may still take, as databases are.
    pub free: u64,
}

/// The file system that `dir` lies on.
///
/// # Errors
/// There is no such place.
pub fn space(dir: &Path) -> std::io::Result<Space> {
    let system = rustix::fs::statvfs(dir)?;
    Ok(Space { bytes: system.f_blocks * system.f_frsize, free: system.f_bavail * system.f_frsize })
}

/// Says so if little is left of the disk that `dir` lies on.
pub(crate) fn little(dir: &Path) -> Option<String> {
    told(dir, space(dir).ok()?.free)
}

fn told(dir: &Path, free: u64) -> Option<String> {
    (free < LITTLE).then(|| {
        format!(
            "less than {} MB are left on the disk of {}: what starts may fail without a word; make room",
            // In steps, so that a status does not change with every block that is written.
            (free / 100_000_000 + 1) * 100,
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
        assert!(
            said.starts_with("less than 100 MB are left on the disk of /var/lib/shelf"),
            "{said}"
        );
        assert!(little(Path::new("/no/such/place")).is_none());
    }
}
