//! Where backups lie: `<data>/kept/backups/<app>/<name>.backup`, each a file of mode 0600.
//!
//! A name is the time it was begun and why it was made. Where next: `archive.rs`.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use serde::{Deserialize, Serialize};

use super::archive::Header;
use super::unpack;
use crate::{Error, Result, Target};

const ENDING: &str = "backup";
/// In front of the names of what was sent.
const INCOMING: &str = "incoming-";

/// A backup that is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its name, for `restore`.
    pub name: String,
    /// The app it was made of.
    pub app: String,
    /// When it was begun, RFC 3339.
    pub at: String,
    /// Why it was made: `backup`, `schedule`, `snapshot`, `before-go`, `before-restore`, `copy`.
    pub label: String,
    /// The release that ran.
    pub release: Option<String>,
    /// The release that was about to come, for one made before a go.
    #[serde(default)]
    pub before: Option<String>,
    /// The file's size in bytes.
    pub size_bytes: u64,
    /// Whether it needs a key.
    pub sealed: bool,
}

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
    let what = what.into();
    move |source| Error::File { what, source }
}

/// The folder of an app's backups, which is there afterwards.
pub(super) fn folder(target: &Target, app: &str) -> Result<PathBuf> {
    plain(app)?;
    let folder = target.kept().join("backups").join(app);
    fs::create_dir_all(&folder).map_err(failed("make the folder of backups"))?;
    Ok(folder)
}

/// A name becomes part of a path only if it cannot lead anywhere else.
fn plain(name: &str) -> Result<()> {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.len() <= 100 && name.chars().all(safe) {
        return Ok(());
    }
    Err(Error::Data {
        code: "backup/absent",
        message: format!("there is no backup {name:?}"),
        hint: Some("there are:  shelf backup list".into()),
    })
}

/// A path for a new backup.
pub(super) fn new_path(target: &Target, header: &Header) -> Result<PathBuf> {
    let folder = folder(target, &header.app)?;
    let at: String = header.at.chars().take(19).filter(char::is_ascii_alphanumeric).collect();
    let free = (1..1000).map(|number| match number {
        1 => folder.join(format!("{at}Z-{}.{ENDING}", header.label)),
        _ => folder.join(format!("{at}Z-{}-{number}.{ENDING}", header.label)),
    });
    let taken = || failed("name a backup")(io::ErrorKind::AlreadyExists.into());
    free.into_iter().find(|path| !path.exists()).ok_or_else(taken)
}

pub(super) fn name_of(path: &Path) -> String {
    path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The file of a backup.
///
/// # Errors
/// There is none of that name.
pub fn backup_file(target: &Target, app: &str, name: &str) -> Result<PathBuf> {
    plain(name)?;
    let path = folder(target, app)?.join(format!("{name}.{ENDING}"));
    if path.is_file() {
        return Ok(path);
    }
    let known: Vec<String> = backups(target, app)?.into_iter().map(|one| one.name).collect();
    Err(Error::Data {
        code: "backup/absent",
        message: format!("there is no backup {name} of {app}"),
        hint: Some(match known.is_empty() {
            true => "there is none; make one:  shelf backup".into(),
            false => format!("there are: {}", known.join(", ")),
        }),
    })
}

/// The backups of an app, the newest first.
///
/// # Errors
/// Their folder cannot be read.
pub fn backups(target: &Target, app: &str) -> Result<Vec<Kept>> {
    let folder = folder(target, app)?;
    let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut kept = Vec::new();
    for entry in entries.map_err(failed("read the folder of backups"))? {
        let path = entry.path();
        if path.extension().is_none_or(|ending| ending != ENDING) {
            continue;
        }
        match unpack::header(&path) {
            Ok(header) => kept.push(Kept {
                name: name_of(&path),
                app: header.app.clone(),
                at: header.at.clone(),
                label: header.label.clone(),
                release: header.release.clone(),
                before: header.before.clone(),
                size_bytes: entry.metadata().map(|about| about.len()).unwrap_or(0),
                sealed: header.is_sealed(),
            }),
            Err(error) => tracing::warn!(path = %path.display(), %error, "not a backup"),
        }
    }
    kept.sort_by(|one, other| (&other.at, &other.name).cmp(&(&one.at, &one.name)));
    Ok(kept)
}

/// Deletes a backup.
///
/// # Errors
/// There is none of that name, or it cannot be deleted.
pub fn forget(target: &Target, app: &str, name: &str) -> Result<()> {
    let path = backup_file(target, app, name)?;
    fs::remove_file(path).map_err(failed(format!("delete the backup {name}")))
}

/// Deletes all but the newest `keep` of one label.
pub(crate) fn prune(target: &Target, app: &str, label: &str, keep: usize) -> Result<()> {
    let mut old = backups(target, app)?.into_iter().filter(|one| one.label == label).skip(keep);
    old.try_for_each(|one| forget(target, app, &one.name))
}

/// Deletes every backup of an app that does not exist any more, and their folder.
pub(crate) fn forget_all(target: &Target, app: &str) -> Result<()> {
    fs::remove_dir_all(folder(target, app)?).map_err(failed(format!("delete the backups of {app}")))
}

/// A backup that came from elsewhere, until it is restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenIn {
    /// What it is called until then.
    pub name: String,
    /// The app it was made of.
    pub app: String,
    /// When it was begun, RFC 3339.
    pub at: String,
}

/// Keeps a backup that comes from elsewhere until it is restored. Only its first lines are looked
/// at; the rest is verified then.
///
/// # Errors
/// It is no backup, it breaks off, or the disk is full.
pub fn take_in(target: &Target, mut from: impl Read) -> Result<TakenIn> {
    let what = "take the backup in";
    let mut file = tempfile::Builder::new()
        .prefix(INCOMING)
        .tempfile_in(&target.keep)
        .map_err(failed(what))?;
    io::copy(&mut from, file.as_file_mut()).map_err(failed(what))?;
    file.flush().map_err(failed(what))?;
    let header = unpack::header(file.path())
        .map_err(|source| Error::Backup { name: "that was sent".into(), source })?;
    let (_, path) = file.keep().map_err(|error| failed(what)(error.error))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(TakenIn { name: name.unwrap_or_default(), app: header.app, at: header.at })
}

/// The file of a backup that was taken in.
///
/// # Errors
/// There is none of that name.
pub fn taken_in(target: &Target, name: &str) -> Result<PathBuf> {
    plain(name)?;
    let path = target.keep.join(name);
    if name.starts_with(INCOMING) && path.is_file() {
        return Ok(path);
    }
    Err(Error::Data {
        code: "backup/absent",
        message: format!("no backup {name} was sent here"),
        hint: Some("send it again:  shelf restore FILE".into()),
    })
}

/// Deletes what was sent, or on its way, when the last server ended.
///
/// # Errors
/// The folder cannot be read.
pub fn sweep(target: &Target) -> Result<()> {
    let entries = fs::read_dir(&target.keep).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    for entry in entries.map_err(failed("read what is kept"))? {
        let name = entry.file_name().to_string_lossy().into_owned();
        let left = match (name.starts_with(INCOMING), name.starts_with("code-")) {
            (true, _) => fs::remove_file(entry.path()),
            (_, true) => fs::remove_dir_all(entry.path()),
            _ => Ok(()),
        };
        left.map_err(failed("delete what was left over"))?;
    }
    Ok(())
}

/// Writes a small file of ours completely or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let what = || failed(format!("write {}", path.display()));
    let beside = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let mut file =
        options.write(true).create(true).truncate(true).mode(0o600).open(&beside).map_err(what())?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(what())?;
    fs::rename(&beside, path).map_err(what())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        for bad in ["", "..", "a/b", "../x", "a.b", "\0", "a b"] {
            assert!(plain(bad).is_err(), "{bad:?}");
        }
        assert!(plain("20260101T000000Z-before-go-2").is_ok());
    }
}
