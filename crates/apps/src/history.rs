//! The history of an app's file: every edit by whom, with its inverse, in `.shelf/history.jsonl`
//! beside the app file. One line is one record; it is on the disk before the app file changes, so
//! a crash loses nothing and a torn last line is a record that was never made. Each record holds
//! the text it led to. Format: `docs/formats/history.md`. Where next: `edit.rs`, the verbs.

use std::collections::HashSet;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use composer::Edit;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::target::HERE;
use crate::{Error, Result, load};

/// Beyond this size the older half is forgotten.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// One change by one person, as history shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Its name, such as `c12`.
    pub id: String,
    /// When, RFC 3339.
    pub at: String,
    /// Who; `file` for changes that an editor or git made.
    pub by: String,
    /// The verbs.
    pub edits: Vec<Edit>,
    /// In a few words.
    pub summary: String,
    /// The command that does the same.
    pub command: String,
    /// Whether it was taken back.
    pub undone: bool,
    /// The release it went out with, on whichever target that was.
    pub released: Option<String>,
    /// Whether it has yet to go out to the target that was asked about.
    pub waits: bool,
}

/// A line of the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub(crate) enum Record {
    /// The text that everything after it stands on.
    Begin { at: String, text: String },
    /// Somebody's change.
    Edit(Change),
    /// The change `of` was taken back.
    Undo { at: String, by: String, of: String, text: String },
    /// The change `of` was made again; its inverse is a new one.
    Redo { at: String, by: String, of: String, inverse: Vec<Edit>, text: String },
    /// Changes went out. `text` is what was released, not what the file holds.
    Released {
        at: String,
        ids: Vec<String>,
        release: String,
        text: String,
        /// The target.
        #[serde(default = "here", skip_serializing_if = "is_here")]
        on: String,
    },
}

/// A change as recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) id: String,
    pub(crate) at: String,
    pub(crate) by: String,
    pub(crate) edits: Vec<Edit>,
    /// Edits that take it back, in the order to apply them.
    pub(crate) inverse: Vec<Edit>,
    pub(crate) summary: String,
    pub(crate) command: String,
    /// The released change that this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) undoes: Option<String>,
    /// The app file after it.
    pub(crate) text: String,
}

impl Record {
    /// What the app file held after this record; `None` if it did not change it.
    fn text(&self) -> Option<&str> {
        match self {
            Self::Begin { text, .. } | Self::Undo { text, .. } | Self::Redo { text, .. } => {
                Some(text)
            }
            Self::Edit(change) => Some(&change.text),
            Self::Released { .. } => None,
        }
    }
}

/// A change with what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) change: Change,
    pub(crate) undone: bool,
    pub(crate) released: Option<String>,
}

/// The history of one app, read and locked: nobody else edits this app meanwhile.
pub(crate) struct Journal {
    folder: PathBuf,
    file: fs::File,
    good_bytes: u64,
    records: Vec<Record>,
    _lock: std::fs::File,
}

impl Journal {
    /// Opens the history in an app's folder, waiting for whoever edits it now.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let folder = dir.join(".shelf");
        let write = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Write { path, source }
        };
        fs::create_dir_all(&folder).map_err(write(&folder))?;
        let ignore = folder.join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").map_err(write(&ignore))?;
        }
        let path = folder.join("lock");
        let lock = std::fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(write(&path))?;
        lock.lock().map_err(write(&path))?;
        let path = folder.join("history.jsonl");
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(write(&path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|source| Error::Read { path: path.clone(), source })?;
        let (records, good_bytes) = parse(&bytes, &path);
        Ok(Self { folder, file, good_bytes, records, _lock: lock })
    }

    /// Adds a record; it is on the disk when this returns.
    pub(crate) fn push(&mut self, record: Record) -> Result<()> {
        let mut line = serde_json::to_vec(&record)
            .map_err(|error| self.wrong(std::io::Error::other(error)))?;
        line.push(b'\n');
        // What a crash left of a line is not the beginning of the next one.
        let added = self
            .file
            .set_len(self.good_bytes)
            .and_then(|()| self.file.seek(SeekFrom::Start(self.good_bytes)))
            .and_then(|_| self.file.write_all(&line))
            .and_then(|()| self.file.sync_data());
        added.map_err(|error| self.wrong(error))?;
        self.good_bytes += line.len() as u64;
        self.records.push(record);
        if self.good_bytes > MOST_BYTES {
            self.shorten()?;
        }
        Ok(())
    }

    fn wrong(&self, source: std::io::Error) -> Error {
        Error::Write { path: self.folder.join("history.jsonl"), source }
    }

    /// Forgets the older half, but for where it began and what went out last to each target: drafts
    /// are told by those.
    fn shorten(&mut self) -> Result<()> {
        let line = |record: &Record| {
            let mut line = serde_json::to_vec(record).map_err(|e| self.wrong(e.into()))?;
            line.push(b'\n');
            Ok(line)
        };
        let (mut cut, mut size) = (self.records.len(), 0);
        while let Some(record) = cut.checked_sub(1).and_then(|at| self.records.get(at)) {
            size += line(record)?.len() as u64;
            // The newest is kept, however long it is.
            if size > MOST_BYTES / 2 && cut < self.records.len() {
                break;
            }
            cut -= 1;
        }
        let (old, new) = self.records.split_at(cut);
        let begin = |text: Option<&str>| Record::Begin {
            at: now(),
            text: text.unwrap_or_default().to_owned(),
        };
        // Where it began is what counts as gone out until something did; how the old half ended is
        // what the new one stands on.
        let first = begin(old.iter().find_map(Record::text));
        let last = begin(old.iter().rev().find_map(Record::text));
        let records: Vec<Record> =
            [&first].into_iter().chain(last_out(old)).chain([&last]).chain(new).cloned().collect();
        let bytes = records.iter().map(line).collect::<Result<Vec<_>>>()?.concat();
        let path = self.folder.join("history.jsonl");
        replace(&path, &bytes)?;
        self.file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|source| Error::Read { path, source })?;
        self.good_bytes = bytes.len() as u64;
        self.records = records;
        Ok(())
    }

    /// The text the file should hold, if anything is known.
    pub(crate) fn text(&self) -> Option<&str> {
        self.records.iter().rev().find_map(Record::text)
    }

    /// The text of the last release on a target, or where history begins.
    pub(crate) fn base<'a>(&'a self, on: &'a str) -> Option<&'a str> {
        let last = gone_out(&self.records, on).next_back().map(|(_, text)| text);
        last.or_else(|| self.records.iter().find_map(Record::text))
    }

    /// The ids of changes that have yet to go out to a target.
    pub(crate) fn waiting(&self, entries: &[Entry], on: &str) -> HashSet<String> {
        let out: HashSet<&str> =
            gone_out(&self.records, on).flat_map(|(ids, _)| ids).map(String::as_str).collect();
        // What takes back something that never came there has nothing to do there.
        let idle = |change: &Change| {
            let of = change.undoes.as_ref().filter(|of| !out.contains(of.as_str()));
            let of = of.and_then(|of| entries.iter().find(|entry| entry.change.id == *of));
            of.is_some_and(|of| of.change.undoes.is_none())
        };
        let waits = |entry: &&Entry| {
            !entry.undone && !out.contains(entry.change.id.as_str()) && !idle(&entry.change)
        };
        entries.iter().filter(waits).map(|entry| entry.change.id.clone()).collect()
    }

    /// The text with this revision, if it was ever there.
    pub(crate) fn text_of(&self, wanted: &str) -> Option<&str> {
        self.records
            .iter()
            .rev()
            .filter_map(Record::text)
            .find(|text| load::revision(text) == wanted)
    }

    /// The last change, if the last record is one: then the text before it, too.
    pub(crate) fn last_change(&self) -> Option<(&Change, Option<&str>)> {
        let (last, rest) = self.records.split_last()?;
        let Record::Edit(change) = last else { return None };
        Some((change, rest.iter().rev().find_map(Record::text)))
    }

    /// All changes with what became of them, oldest first.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for record in &self.records {
            match record {
                Record::Begin { .. } => {}
                Record::Edit(change) => {
                    if let Some(undone) =
                        change.undoes.as_ref().and_then(|of| find(&mut entries, of))
                    {
                        undone.undone = true;
                    }
                    entries.push(Entry { change: change.clone(), undone: false, released: None });
                }
                Record::Undo { of, .. } => {
                    let undoes = find(&mut entries, of).and_then(|entry| {
                        entry.undone = true;
                        entry.change.undoes.clone()
                    });
                    if let Some(again) = undoes.as_ref().and_then(|of| find(&mut entries, of)) {
                        again.undone = false;
                    }
                }
                Record::Redo { of, inverse, .. } => {
                    if let Some(entry) = find(&mut entries, of) {
                        entry.undone = false;
                        entry.change.inverse.clone_from(inverse);
                    }
                }
                Record::Released { ids, release, .. } => {
                    for id in ids {
                        if let Some(entry) = find(&mut entries, id) {
                            entry.released = Some(release.clone());
                        }
                    }
                }
            }
        }
        entries
    }

    /// For each line of the file, the change that put it there; `None` if it was there before.
    pub(crate) fn blame(&self) -> Vec<Option<String>> {
        let mut seen: Vec<(&str, Vec<Option<String>>)> = Vec::new();
        for record in &self.records {
            let Some(text) = record.text() else { continue };
            // A text that comes back (undo, redo) has the makers it had.
            let known = seen.iter().rev().find(|(known, _)| *known == text);
            let makers = match (known, seen.last()) {
                (Some((_, makers)), _) => makers.clone(),
                (None, None) => vec![None; text.lines().count()],
                (None, Some((old, makers))) => {
                    let maker = match record {
                        Record::Edit(change) => Some(change.id.clone()),
                        Record::Undo { of, .. } | Record::Redo { of, .. } => Some(of.clone()),
                        _ => None,
                    };
                    let from = |old: Option<usize>| match old {
                        Some(at) => makers.get(at).cloned().flatten(),
                        None => maker.clone(),
                    };
                    composer::kept_lines(old, text).into_iter().map(from).collect()
                }
            };
            seen.push((text, makers));
        }
        seen.pop().map(|(_, makers)| makers).unwrap_or_default()
    }

    /// The changes this person may redo, the next one last.
    pub(crate) fn redoable(&self, by: &str) -> Vec<String> {
        let mut stack = Vec::new();
        for record in &self.records {
            match record {
                Record::Edit(change) if change.by == by => match &change.undoes {
                    // To redo what a new change took back is to take that change back.
                    Some(_) => stack.push(change.id.clone()),
                    None => stack.clear(),
                },
                Record::Undo { by: who, of, .. } if who == by => {
                    // Taking back a taking back is a redo itself.
                    if stack.last() == Some(of) {
                        stack.pop();
                    } else {
                        stack.push(of.clone());
                    }
                }
                Record::Redo { by: who, .. } if who == by => {
                    stack.pop();
                }
                _ => {}
            }
        }
        stack
    }

    /// A name for the next change.
    pub(crate) fn next_id(&self) -> String {
        let number = |record: &Record| match record {
            Record::Edit(change) => change.id.strip_prefix('c')?.parse::<u64>().ok(),
            _ => None,
        };
        format!("c{}", self.records.iter().filter_map(number).max().unwrap_or(0) + 1)
    }
}

fn find<'a>(entries: &'a mut [Entry], id: &str) -> Option<&'a mut Entry> {
    entries.iter_mut().rev().find(|entry| entry.change.id == id)
}

/// What went out to a target, the oldest first. Until something did, what went out anywhere counts:
/// the first go there sends the file as others have it, not all that ever happened to it.
fn gone_out<'a>(
    records: &'a [Record],
    on: &'a str,
) -> impl DoubleEndedIterator<Item = (&'a [String], &'a str)> {
    let went = |record: &Record| matches!(record, Record::Released { on: to, .. } if to == on);
    let first = records.iter().position(went).unwrap_or(records.len());
    records.iter().enumerate().filter_map(move |(at, record)| match record {
        Record::Released { ids, text, on: to, .. } if at < first || to == on => {
            Some((ids.as_slice(), text.as_str()))
        }
        _ => None,
    })
}

fn here() -> String {
    HERE.to_owned()
}

fn is_here(on: &str) -> bool {
    on == HERE
}

/// What went out last to each target, in the order of going.
fn last_out(records: &[Record]) -> impl Iterator<Item = &Record> {
    let to = |record: &Record| match record {
        Record::Released { on, .. } => Some(on.clone()),
        _ => None,
    };
    records.iter().enumerate().filter_map(move |(at, record)| {
        let on = to(record)?;
        let later = records[at + 1..].iter().any(|later| to(later).as_ref() == Some(&on));
        (!later).then_some(record)
    })
}

/// The records, and how many bytes of whole lines there are.
fn parse(bytes: &[u8], path: &Path) -> (Vec<Record>, u64) {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut records = Vec::new();
    for line in bytes[..end].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line) {
            Ok(record) => records.push(record),
            // The next record holds the whole text again, so one that is lost is only not shown.
            Err(error) => tracing::warn!("{}: a record is left out: {error}", path.display()),
        }
    }
    (records, end as u64)
}

/// The time now, RFC 3339.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().to_string()
}

/// Replaces a file in one step that survives a crash; its mode and owner stay.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let wrong = |source| Error::Write { path: path.to_owned(), source };
    // A link stays a link: what it leads to is replaced.
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut staged =
        tempfile::Builder::new().prefix(".shelf-").tempfile_in(folder).map_err(wrong)?;
    staged.write_all(bytes).map_err(wrong)?;
    if let Ok(known) = fs::metadata(path) {
        use std::os::unix::fs::MetadataExt;
        staged.as_file().set_permissions(known.permissions()).map_err(wrong)?;
        // Only root may, and only root needs to: anybody else is the owner already.
        let _kept =
            std::os::unix::fs::fchown(staged.as_file(), Some(known.uid()), Some(known.gid()));
    } else {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o644);
        staged.as_file().set_permissions(mode).map_err(wrong)?;
    }
    staged.as_file().sync_all().map_err(wrong)?;
    staged.persist(path).map_err(|error| wrong(error.error))?;
    let folder = std::fs::File::open(folder).map_err(wrong)?;
    folder.sync_all().map_err(wrong)
}
