//! Volume files swapped in one step, so that a reader sees all old or all new ones.
//!
//! The layout is Kubernetes' own, since programs that watch their configuration know it: files in
//! `..<time>/`, a link `..data` to that directory, and for each top-level name a link into
//! `..data/`. Replacing `..data` by rename is the swap.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;

/// One file of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) mode: u32,
    pub(crate) content: Vec<u8>,
}

/// Files by path relative to the volume.
pub(crate) type Files = BTreeMap<String, File>;

/// Whether the path stays inside its volume and clear of our own names.
pub(crate) fn valid(path: &str) -> bool {
    let parts: Vec<_> = Path::new(path).components().collect();
    !parts.is_empty()
        && !path.starts_with("..")
        && parts.iter().all(|part| matches!(part, Component::Normal(_)))
}

/// Makes `dir` hold exactly `files`, owned by `group` if given. Returns whether anything changed.
pub(crate) fn write(dir: &Path, files: &Files, group: Option<u32>) -> io::Result<bool> {
    fs_err::create_dir_all(dir)?;
    let data = dir.join("..data");
    let old = fs_err::read_link(&data).ok();
    if let Some(old) = &old
        && read(&dir.join(old), group)? == *files
    {
        return Ok(false);
    }
    let fresh = format!("..{}", Timestamp::now().as_nanosecond());
    let place = dir.join(&fresh);
    make_dir(&place, group)?;
    for (path, file) in files {
        if !valid(path) {
            return Err(io::Error::other(format!("{path:?} is not a path inside the volume")));
        }
        let mut parent = place.clone();
        for part in Path::new(path).parent().into_iter().flat_map(Path::components) {
            parent.push(part);
            if !parent.exists() {
                make_dir(&parent, group)?;
            }
        }
        let target = place.join(path);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut handle = options.open(&target)?;
        io::Write::write_all(&mut handle, &file.content)?;
        own(&target, group)?;
        handle.set_permissions(std::fs::Permissions::from_mode(file.mode))?;
    }
    let staged = dir.join("..data_tmp");
    remove_file(&staged)?;
    symlink(&fresh, &staged)?;
    fs_err::rename(&staged, &data)?;
    link_names(dir, files)?;
    if let Some(old) = old {
        pod::tree::remove(&dir.join(old))?;
    }
    Ok(true)
}

fn make_dir(path: &Path, group: Option<u32>) -> io::Result<()> {
    std::fs::DirBuilder::new().mode(0o755).create(path)?;
    own(path, group)
}

fn own(path: &Path, group: Option<u32>) -> io::Result<()> {
    match group {
        Some(_) => std::os::unix::fs::lchown(path, None, group),
        None => Ok(()),
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// One link for each top-level name, and none for names that are gone.
fn link_names(dir: &Path, files: &Files) -> io::Result<()> {
    let names: BTreeSet<&str> = files.keys().filter_map(|path| path.split('/').next()).collect();
    for name in &names {
        let link = dir.join(name);
        if fs_err::symlink_metadata(&link).is_err() {
            symlink(Path::new("..data").join(name), &link)?;
        }
    }
    for entry in fs_err::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("..") && !names.contains(name.as_str()) {
            remove_file(&entry.path())?;
        }
    }
    Ok(())
}

/// What is there now; anything odd reads as different and is written anew.
fn read(dir: &Path, group: Option<u32>) -> io::Result<Files> {
    let mut files = Files::new();
    let mut left = vec![PathBuf::new()];
    while let Some(at) = left.pop() {
        let Ok(entries) = fs_err::read_dir(dir.join(&at)) else { return Ok(Files::new()) };
        for entry in entries {
            let entry = entry?;
            let path = at.join(entry.file_name());
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                left.push(path);
            } else if group.is_none_or(|group| group == metadata.gid()) {
                let mode = metadata.mode() & 0o7777;
                let content = fs_err::read(entry.path())?;
                files.insert(path.to_string_lossy().into_owned(), File { mode, content });
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Files {
        list.iter()
            .map(|(path, text)| {
                ((*path).to_owned(), File { mode: 0o644, content: text.as_bytes().to_vec() })
            })
            .collect()
    }

    #[test]
    fn a_swap_shows_new_files_drops_old_ones_and_leaves_no_rest() {
        let dir = std::env::temp_dir().join(format!("node-atomic-{}", std::process::id()));
        assert!(write(&dir, &files(&[("a", "1"), ("sub/b", "2")]), None).unwrap());
        assert!(!write(&dir, &files(&[("a", "1"), ("sub/b", "2")]), None).unwrap());
        assert_eq!(fs_err::read_to_string(dir.join("sub/b")).unwrap(), "2");
        assert!(write(&dir, &files(&[("a", "3"), ("c", "4")]), None).unwrap());
        assert_eq!(fs_err::read_to_string(dir.join("a")).unwrap(), "3");
        assert!(fs_err::symlink_metadata(dir.join("sub")).is_err());
        let mut names: Vec<_> = fs_err::read_dir(&dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names.len(), 4, "{names:?}");
        pod::tree::remove(&dir).unwrap();
    }

    #[test]
    fn paths_that_leave_the_volume_are_refused() {
        for bad in ["", "/a", "../a", "a/../b", "..data", "."] {
            assert!(!valid(bad), "{bad}");
        }
        assert!(valid("a/b.c") && valid(".hidden"));
    }
}
