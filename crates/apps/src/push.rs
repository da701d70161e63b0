//! `push`: a folder that was sent goes live, or the app is again what it was.
//!
//! What arrives is an archive that anyone may have written: [`receive`] puts it into a fresh
//! folder, strictly. Where next: `go.rs`, which builds it, and `back.rs`.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use composer::graph::From;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;

use crate::back::{self, BackOptions};
use crate::event::Events;
use crate::go::{self, GoOptions};
use crate::release;
use crate::report::GoReport;
use crate::{Error, Result, Target, live, load};

/// More files than this are no source folder.
const MOST_FILES: usize = 200_000;
/// More bytes than this are no source folder.
const MOST_BYTES: u64 = 4 << 30;

/// How a push is done.
#[derive(Debug, Clone)]
pub struct PushOptions {
    /// The blocks whose code was sent; every other one keeps the image it runs with.
    pub only: Option<Vec<String>>,
    /// How long copies may take to become ready, after the images are built.
    pub timeout: Duration,
    /// Who says so; kept with the release.
    pub by: String,
}

/// Brings the app in `dir` to life; if its copies do not become ready, the release that ran before
/// is brought back.
///
/// # Errors
/// As [`go`](crate::go); [`Error::WentBack`] says that the app is what it was before.
pub async fn push(
    target: &Target,
    dir: &Path,
    options: &PushOptions,
    events: Events<'_>,
) -> Result<GoReport> {
    let only = options.only.as_deref();
    let loaded = load::load_some(target, dir, None, only).await?;
    let live = live::list(target, &loaded.graph.app).await?;
    let before = release::read(&live);
    if let Some(only) = only {
        let kept = before.as_ref().map(|one| back::still_there(target, one)).unwrap_or_default();
        if let Some(unknown) = only.iter().find(|name| loaded.graph.block(name).is_none()) {
            let reason = format!("{} has no such block", loaded.graph.app);
            return Err(Error::Source { block: unknown.clone(), reason });
        }
        let never = loaded.graph.blocks.iter().find(|part| {
            let source = matches!(part.from, From::Source { .. });
            source && !only.contains(&part.name) && !kept.contains_key(&part.name)
        });
        if let Some(part) = never {
            let reason = "its code was never sent; send all:  shelf push".to_owned();
            return Err(Error::Source { block: part.name.clone(), reason });
        }
    }
    let going = GoOptions {
        timeout: options.timeout,
        only: options.only.clone(),
        by: options.by.clone(),
        ..GoOptions::default()
    };
    let error = match go::go(target, dir, &going, events).await {
        Ok(report) => return Ok(report),
        Err(error) => error,
    };
    let Some(before) = before.filter(|one| started(&error) && !one.text.is_empty()) else {
        return Err(error);
    };
    let returning = BackOptions { by: options.by.clone(), ..BackOptions::default() };
    let cause = Box::new(error);
    match back::return_to(target, &before, &returning, events).await {
        Ok(_) => Err(Error::WentBack { cause, release: before.release, at: before.at }),
        Err(back) => Err(Error::Stuck { cause, back: Box::new(back), release: before.release }),
    }
}

/// Whether an error came after the first object was written.
fn started(error: &Error) -> bool {
    matches!(
        error,
        Error::Start { .. }
            | Error::Step { .. }
            | Error::Grant { .. }
            | Error::Timeout { .. }
            | Error::Address { .. }
            | Error::Api { .. }
    )
}

/// What [`receive`] put on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// Files and links.
    pub file_count: usize,
    /// Their bytes.
    pub size_bytes: u64,
}

/// Unpacks a tar archive of files, folders and symbolic links into `folder`, which must be new
/// and nobody else's. Nothing is written outside of it, and no link is ever followed.
///
/// # Errors
/// The archive breaks off, or holds anything else: a path that leaves the folder, leads through a
/// link or comes twice, a device, a hard link, too much.
pub fn receive(archive: impl Read, folder: &Path) -> Result<Received> {
    let failed =
        |source| Error::Code { reason: "the stream broke off".into(), source: Some(source) };
    let refuse = |reason: String| Error::Code { reason, source: None };
    let mut received = Received::default();
    let mut links: BTreeSet<PathBuf> = BTreeSet::new();
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let path = entry.path().map_err(failed)?.into_owned();
        let name = path.display().to_string();
        let inside: PathBuf = path.components().filter(|one| *one != Component::CurDir).collect();
        if inside.components().any(|one| !matches!(one, Component::Normal(_))) {
            return Err(refuse(format!("{name} does not lie inside the folder")));
        }
        if inside.ancestors().skip(1).any(|above| links.contains(above)) {
            return Err(refuse(format!("{name} leads through a link")));
        }
        let place = folder.join(&inside);
        let put =
            |source| Error::Code { reason: format!("cannot write {name}"), source: Some(source) };
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            fs::create_dir_all(&place).map_err(put)?;
            continue;
        }
        if let Some(above) = place.parent() {
            fs::create_dir_all(above).map_err(put)?;
        }
        received.file_count += 1;
        received.size_bytes =
            received.size_bytes.saturating_add(entry.header().size().unwrap_or(0));
        if received.file_count > MOST_FILES || received.size_bytes > MOST_BYTES {
            return Err(refuse(format!(
                "it has more than {MOST_FILES} files or {} GiB",
                MOST_BYTES >> 30
            )));
        }
        if kind.is_symlink() {
            let to = entry.link_name().map_err(failed)?.unwrap_or_default().into_owned();
            // A path that is there already is an error here, and for files below.
            std::os::unix::fs::symlink(to, &place).map_err(put)?;
            links.insert(inside);
        } else if kind.is_file() {
            let runs = entry.header().mode().unwrap_or(0) & 0o111 != 0;
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true).mode(if runs { 0o755 } else { 0o644 });
            let mut file = options.open(&place).map_err(put)?;
            std::io::copy(&mut entry, &mut file).map_err(put)?;
        } else {
            return Err(refuse(format!("{name} is neither a file, a folder nor a link")));
        }
    }
    Ok(received)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(add: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        add(&mut builder);
        builder.into_inner().unwrap()
    }

    fn file(builder: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, bytes: &[u8]) {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        // As written: the builder would refuse what a stranger would not.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, bytes).unwrap();
    }

    fn link(builder: &mut tar::Builder<Vec<u8>>, path: &str, to: &str, kind: tar::EntryType) {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(0);
        if to.is_empty() {
            header.set_path(path).unwrap();
            header.set_cksum();
            builder.append(&header, std::io::empty()).unwrap();
        } else {
            builder.append_link(&mut header, path, to).unwrap();
        }
    }

    #[test]
    fn files_arrive_with_their_mode_and_links_as_links() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = archive(|to| {
            file(to, "app.toml", 0o644, b"app = \"x\"");
            file(to, "web/bin/run", 0o755, b"#!/bin/sh");
            link(to, "web/latest", "bin/run", tar::EntryType::Symlink);
        });
        let received = receive(&bytes[..], dir.path()).unwrap();
        assert_eq!(received, Received { file_count: 3, size_bytes: 18 });
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(dir.path().join("web/bin/run")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert_eq!(fs::read_link(dir.path().join("web/latest")).unwrap(), Path::new("bin/run"));
    }

    #[test]
    fn an_archive_cannot_write_outside_of_its_folder() {
        let outside = tempfile::tempdir().unwrap();
        let canary = outside.path().join("canary");
        fs::write(&canary, "alive").unwrap();
        let to = outside.path().to_str().unwrap().to_owned();
        let hostile: Vec<(&str, Vec<u8>)> = vec![
            ("up", archive(|b| file(b, "../canary", 0o644, b"dead"))),
            ("absolute", archive(|b| file(b, canary.to_str().unwrap(), 0o644, b"dead"))),
            (
                "through a link",
                archive(|b| {
                    link(b, "a", &to, tar::EntryType::Symlink);
                    file(b, "a/canary", 0o644, b"dead");
                }),
            ),
            (
                "over a link",
                archive(|b| {
                    link(b, "a", canary.to_str().unwrap(), tar::EntryType::Symlink);
                    file(b, "a", 0o644, b"dead");
                }),
            ),
            (
                "hard link",
                archive(|b| link(b, "a", canary.to_str().unwrap(), tar::EntryType::Link)),
            ),
            ("device", archive(|b| link(b, "a", "", tar::EntryType::Char))),
        ];
        for (what, bytes) in hostile {
            let inside = tempfile::tempdir_in(outside.path()).unwrap();
            assert!(receive(&bytes[..], inside.path()).is_err(), "{what}");
            assert_eq!(fs::read_to_string(&canary).unwrap(), "alive", "{what}");
        }
    }

    #[test]
    fn an_archive_that_breaks_off_is_refused() {
        let bytes = archive(|to| file(to, "a", 0o644, &[7; 2000]));
        let dir = tempfile::tempdir().unwrap();
        assert!(receive(&bytes[..1200], dir.path()).is_err());
    }
}
