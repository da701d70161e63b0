//! The files of a commit, written into a fresh folder: folders, files and links, nothing else. No
//! attribute, filter or hook has a say, and no link is ever followed.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;

use crate::object::{self, Kind, Mode};
use crate::{Error, Id, Repository, Result};

/// More files than this are no source folder.
const MOST_FILES: usize = 200_000;
/// More bytes than this are no source folder.
const MOST_BYTES: u64 = 4 << 30;
/// Folders in folders.
const MOST_DEPTH: usize = 64;

/// What was written.
#[derive(Debug, Default)]
pub struct Files {
    /// Files and links.
    pub file_count: usize,
    /// Their bytes.
    pub size_bytes: u64,
    /// Paths of other repositories, which are left out.
    pub left_out: Vec<String>,
    /// The first line of what the commit says.
    pub says: String,
}

pub(crate) fn checkout(from: &Repository, commit: Id, folder: &Path) -> Result<Files> {
    let found = from.object(commit)?;
    let refuse = |id: Id, reason: String| Error::Object { id, reason };
    if found.kind != Kind::Commit {
        return Err(refuse(commit, "it is no commit".into()));
    }
    let (tree, says) = object::commit(&found.bytes).map_err(|why| refuse(commit, why))?;
    let mut files = Files { says, ..Files::default() };
    let mut open = vec![(tree, PathBuf::new(), 0)];
    while let Some((id, inside, depth)) = open.pop() {
        if depth > MOST_DEPTH {
            return Err(refuse(id, "folders in folders without end".into()));
        }
        let found = from.object(id)?;
        if found.kind != Kind::Tree {
            return Err(refuse(id, "it is no tree".into()));
        }
        for entry in object::tree(&found.bytes).map_err(|why| refuse(id, why))? {
            let inside = inside.join(OsStr::from_bytes(&entry.name));
            files.file_count += 1;
            if files.file_count > MOST_FILES {
                return Err(Error::TooMuch(format!("more than {MOST_FILES} files")));
            }
            match entry.mode {
                Mode::Module => files.left_out.push(inside.display().to_string()),
                Mode::Folder => {
                    let place = folder.join(&inside);
                    fs::create_dir(&place).map_err(Error::disk("make", place))?;
                    open.push((entry.id, inside, depth + 1));
                }
                Mode::Link | Mode::File { .. } => {
                    let bytes = blob(from, entry.id)?;
                    files.size_bytes += bytes.len() as u64;
                    if files.size_bytes > MOST_BYTES {
                        return Err(Error::TooMuch(format!("more than {} GiB", MOST_BYTES >> 30)));
                    }
                    put(&folder.join(inside), entry.mode, &bytes)
                        .map_err(|reason| refuse(entry.id, reason))?;
                }
            }
        }
    }
    Ok(files)
}

fn blob(from: &Repository, id: Id) -> Result<Vec<u8>> {
    let found = from.object(id)?;
    match found.kind {
        Kind::Blob => Ok(found.bytes),
        other => Err(Error::Object { id, reason: format!("it is a {} and no file", other.word()) }),
    }
}

/// Writes one file or link; what is there already is an error.
fn put(place: &Path, mode: Mode, bytes: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("it cannot be written: {error}");
    if mode == Mode::Link {
        return fs_err::os::unix::fs::symlink(OsStr::from_bytes(bytes), place).map_err(failed);
    }
    let runs = mode == Mode::File { runs: true };
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(if runs { 0o755 } else { 0o644 });
    options.open(place).and_then(|mut file| file.write_all(bytes)).map_err(failed)
}
