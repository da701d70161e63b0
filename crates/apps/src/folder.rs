//! Whether a source folder changed: a hash over names, modes and contents. It errs on the side of
//! "changed": a file that `.dockerignore` leaves out counts as well, and the build then finds
//! every step in its cache.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fs_err as fs;
use sha2::{Digest, Sha256};

/// Hashes a folder. Folders of version control and of the app's own history, and the app's lock,
/// which has this hash in it, are left out.
pub(crate) fn hash(folder: &Path) -> std::io::Result<String> {
    let mut hasher = Hasher::default();
    walk(folder, "", &mut hasher)?;
    Ok(hasher.finish())
}

/// Hashes files that are in memory: path, executable, contents.
pub(crate) fn hash_of<'a>(files: impl Iterator<Item = (&'a str, bool, &'a [u8])>) -> String {
    let mut hasher = Hasher::default();
    for (path, executable, bytes) in files {
        hasher.file(path, executable, bytes);
    }
    hasher.finish()
}

#[derive(Default)]
struct Hasher(Sha256);

impl Hasher {
    fn file(&mut self, path: &str, executable: bool, bytes: &[u8]) {
        // Lengths keep one file's end from being read as another's beginning.
        self.0.update((path.len() as u64).to_le_bytes());
        self.0.update(path.as_bytes());
        self.0.update([u8::from(executable)]);
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn finish(self) -> String {
        let digest = self.0.finalize();
        digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

fn walk(folder: &Path, inside: &str, hasher: &mut Hasher) -> std::io::Result<()> {
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{inside}/{name}");
        if path == "/app.lock" {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if ![".git", ".shelf", "__pycache__"].contains(&name.as_str()) {
                hasher.file(&path, true, b"folder");
                walk(&entry.path(), &path, hasher)?;
            }
        } else if kind.is_symlink() {
            let to = fs::read_link(entry.path())?;
            hasher.file(&path, true, to.to_string_lossy().as_bytes());
        } else if kind.is_file() {
            let executable = entry.metadata()?.permissions().mode() & 0o111 != 0;
            hasher.file(&path, executable, &fs::read(entry.path())?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_names_and_modes_count() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        fs::write(&file, "x").unwrap();
        let first = hash(dir.path()).unwrap();
        assert_eq!(first, hash(dir.path()).unwrap());
        fs::write(&file, "y").unwrap();
        let second = hash(dir.path()).unwrap();
        assert_ne!(first, second);
        fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let third = hash(dir.path()).unwrap();
        assert_ne!(second, third);
        fs::create_dir(dir.path().join(".git")).unwrap();
        fs::write(dir.path().join(".git/x"), "z").unwrap();
        fs::create_dir(dir.path().join(".shelf")).unwrap();
        fs::write(dir.path().join(".shelf/history.jsonl"), "{}").unwrap();
        assert_eq!(third, hash(dir.path()).unwrap());
        fs::rename(&file, dir.path().join("b")).unwrap();
        assert_ne!(third, hash(dir.path()).unwrap());
    }
}
