//! A module's folder as one archive, and back. The same folder gives the same bytes; an archive may
//! have been made by anybody.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use fs_err as fs;

use crate::{Error, Result};

/// Files of a module: more is no module but a download.
pub(super) const MOST_BYTES: u64 = 64 << 20;
const MOST_FILES: usize = 4096;

/// A module's folder.
pub(super) struct Folder {
    /// `module.toml`.
    pub(super) face: Vec<u8>,
    /// All of it, a tar packed with gzip.
    pub(super) archive: Vec<u8>,
    /// How many files.
    pub(super) count: usize,
}

/// A file: whether it can be run, and its bytes.
pub(crate) type Entry = (bool, Vec<u8>);

/// Files by their paths in the folder.
pub(crate) type Files = BTreeMap<String, Entry>;

/// Packs a folder of plain files; links lead elsewhere and are refused.
pub(super) fn pack(dir: &Path) -> Result<Folder> {
    let fails =
        |source| Error::File { what: format!("read the module in {}", dir.display()), source };
    let files = files_of(dir).map_err(fails)?;
    let archive = archive(&files).map_err(fails)?;
    let face = files.get("module.toml").map(|(_, bytes)| bytes.clone()).unwrap_or_default();
    Ok(Folder { face, archive, count: files.len() })
}

/// An archive of files, packed with gzip; the same files give the same bytes.
///
/// # Errors
/// A name is none that an archive can have.
pub(super) fn archive(files: &Files) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for (name, (runs, bytes)) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(if *runs { 0o755 } else { 0o644 });
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        tar.append_data(&mut header, name, bytes.as_slice())?;
    }
    tar.into_inner().and_then(GzEncoder::finish)
}

fn collect(dir: &Path, inside: &str, files: &mut Files, left: &mut u64) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let name = entry.file_name().into_string();
        let name = name.map_err(|name| wrong(format!("{} is no text", name.to_string_lossy())))?;
        let path = format!("{inside}{name}");
        if kind.is_dir() {
            if name != ".git" {
                collect(&entry.path(), &format!("{path}/"), files, left)?;
            }
            continue;
        }
        if !kind.is_file() {
            return Err(wrong(format!("{path} is neither a file nor a folder")));
        }
        let data = entry.metadata()?;
        let too_large = || wrong(format!("the folder has more than {MOST_BYTES} bytes"));
        *left = left.checked_sub(data.len()).ok_or_else(too_large)?;
        if files.len() >= MOST_FILES {
            return Err(wrong(format!("the folder has more than {MOST_FILES} files")));
        }
        let runs = data.permissions().mode() & 0o111 != 0;
        files.insert(path, (runs, fs::read(entry.path())?));
    }
    Ok(())
}

/// The files of a folder: what [`pack`] takes of it.
///
/// # Errors
/// The folder has links or too much in it.
pub(crate) fn files_of(dir: &Path) -> std::io::Result<Files> {
    let mut files = BTreeMap::new();
    collect(dir, "", &mut files, &mut MOST_BYTES.clone())?;
    Ok(files)
}

fn wrong(text: String) -> std::io::Error {
    std::io::Error::other(text)
}

/// Reads an archive: plain files with names that stay inside, within the limits, each once.
pub(super) fn unpack(archive: &[u8]) -> std::io::Result<Files> {
    let mut files = BTreeMap::new();
    // Headers count too: an archive of empty files is as long as its names.
    let most = MOST_BYTES + (MOST_FILES as u64) * 4096;
    let mut tar = tar::Archive::new(GzDecoder::new(archive).take(most));
    for entry in tar.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let shown = path.display().to_string();
        let Some(name) = path.to_str().map(str::to_owned) else {
            return Err(wrong(format!("{shown} is no text")));
        };
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(wrong(format!("{shown} is no plain file")));
        }
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if !path.components().all(plain) || path.as_os_str().is_empty() {
            return Err(wrong(format!("{shown} is not inside the module's folder")));
        }
        if files.len() >= MOST_FILES {
            return Err(wrong(format!("it has more than {MOST_FILES} files")));
        }
        let runs = entry.header().mode()? & 0o111 != 0;
        let size = entry.header().size()?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        if bytes.len() as u64 != size {
            return Err(wrong(format!("it has more than {MOST_BYTES} bytes, or is cut off")));
        }
        if files.insert(name, (runs, bytes)).is_some() {
            return Err(wrong(format!("{shown} is there twice")));
        }
    }
    Ok(files)
}

/// Writes files into a new folder.
///
/// # Errors
/// It is there already, or cannot be written.
pub(crate) fn write(to: &Path, files: &Files) -> std::io::Result<()> {
    fs::create_dir(to)?;
    for (name, (runs, bytes)) in files {
        let path = to.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, bytes)?;
        let mode = if *runs { 0o755 } else { 0o644 };
        fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        for (name, kind, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            // The crate refuses to write what others have written.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_entry_type(*kind);
            header.set_cksum();
            out.write_all(header.as_bytes()).unwrap();
            out.write_all(bytes).unwrap();
            out.write_all(&vec![0; (512 - bytes.len() % 512) % 512]).unwrap();
        }
        out.write_all(&[0; 1024]).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn a_folder_comes_back_as_it_was_and_gives_the_same_bytes_twice() {
        let stock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../modules/redis");
        let (one, two) = (pack(&stock).unwrap(), pack(&stock).unwrap());
        assert_eq!(one.archive, two.archive);
        let files = unpack(&one.archive).unwrap();
        assert_eq!(files.len(), one.count);
        assert_eq!(files["module.toml"].1, one.face);
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("again");
        write(&to, &files).unwrap();
        assert_eq!(pack(&to).unwrap().archive, one.archive);
    }

    #[test]
    fn a_copy_of_a_folder_is_what_would_be_published() {
        let stock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../modules/redis");
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("copy");
        let copy = |from: &Path, to: &Path| files_of(from).and_then(|files| write(to, &files));
        copy(&stock, &to).unwrap();
        assert_eq!(pack(&to).unwrap().archive, pack(&stock).unwrap().archive);
        let again = copy(&stock, &to).unwrap_err();
        assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
        std::os::unix::fs::symlink("/etc/shadow", to.join("shadow")).unwrap();
        let said = copy(&to, &dir.path().join("next")).unwrap_err().to_string();
        assert!(said.contains("shadow is neither a file nor a folder"), "{said}");
        assert!(!dir.path().join("next").exists());
    }

    #[test]
    fn links_are_not_packed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/shadow", dir.path().join("module.toml")).unwrap();
        let said = pack(dir.path()).err().unwrap().report();
        let cause = said.cause.unwrap_or_default();
        assert!(cause.contains("neither a file nor a folder"), "{cause}");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        use tar::EntryType::{Link, Regular, Symlink};
        for (name, kind) in [
            ("../up", Regular),
            ("/etc/passwd", Regular),
            ("a/../../b", Regular),
            ("link", Symlink),
            ("hard", Link),
        ] {
            let said = unpack(&archive(&[(name, kind, b"")])).unwrap_err().to_string();
            assert!(said.contains("inside") || said.contains("no plain file"), "{name}: {said}");
        }
        let twice = archive(&[("a", Regular, b"1"), ("a", Regular, b"2")]);
        assert!(unpack(&twice).unwrap_err().to_string().contains("twice"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_files_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(&bytes).unwrap();
            let _either = unpack(&packed.finish().unwrap());
            let _either = unpack(&bytes);
        }
    }
}
