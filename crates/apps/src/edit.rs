//! Edits of an app file on disk, one history of verbs per person. An edit carries the revision it
//! saw; if the file changed since, it is applied to the new text as long as the fields it is about
//! are still the same. Where next: `history.rs`, and `composer`'s `edit.rs` for the verbs.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashSet;
use std::path::Path;

use composer::{App, Catalogue, Diagnostic, Edit};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::history::{self, Change, Entry, HistoryEntry, Journal, Record};
use crate::target::HERE;
use crate::{Error, Result, layout, load};

/// Who changed what no verb changed: an editor, or git.
const FILE: &str = "file";

/// What an edit did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EditReport {
    /// The change in the history; absent if the file was so already.
    pub id: Option<String>,
    /// The app file now.
    pub text: String,
    /// Its revision.
    pub revision: String,
    /// First and last changed line, counted from 1.
    pub lines: (usize, usize),
    /// What changed, in a few words.
    pub summary: String,
    /// The command that does the same.
    pub command: String,
    /// What it creates, one line each: `web.db -> db  postgres/1 ok (15)   own login, 7 values`.
    pub creates: Vec<String>,
    /// What the app still lacks before it can go.
    pub missing: Vec<Diagnostic>,
}

/// An app file open for editing: what it holds is what the journal says it holds.
struct Desk<'a> {
    dir: &'a Path,
    journal: Journal,
    text: String,
    shelf: OnceCell<Catalogue>,
}

impl<'a> Desk<'a> {
    /// Opens app and journal, and makes them agree: an edit that a crash kept from the file is
    /// taken back, and a change that came from outside becomes an entry of its own.
    fn open(dir: &'a Path) -> Result<Self> {
        let mut journal = Journal::open(dir)?;
        let path = dir.join("app.toml");
        let text = fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
        let at = history::now();
        if journal.text().is_none() {
            journal.push(Record::Begin { at, text: text.clone() })?;
        } else if journal.text() != Some(&text) {
            let record = match journal.last_change() {
                Some((change, Some(before))) if before == text => Record::Undo {
                    at,
                    by: change.by.clone(),
                    of: change.id.clone(),
                    text: text.clone(),
                },
                _ => Record::Edit(outside(&journal, FILE, text.clone())),
            };
            journal.push(record)?;
        }
        Ok(Self { dir, journal, text, shelf: OnceCell::new() })
    }

    /// The shelf as the app's folder has it.
    fn shelf(&self) -> Result<&Catalogue> {
        if let Some(shelf) = self.shelf.get() {
            return Ok(shelf);
        }
        let shelf = load::shelf_for(self.dir, &self.text)?;
        Ok(self.shelf.get_or_init(|| shelf))
    }

    fn apply(&self, text: &str, edits: &[Edit]) -> Result<Applied> {
        let shelf = with_forks(self.dir, self.shelf()?, edits)?;
        apply(&shelf, text, edits)
    }

    /// Writes a record, then the file, and says what changed.
    fn commit(
        mut self,
        record: Record,
        id: Option<String>,
        applied: Applied,
    ) -> Result<EditReport> {
        let report = self.report(id, &applied)?;
        if applied.text != self.text {
            self.journal.push(record)?;
            history::replace(&self.dir.join("app.toml"), applied.text.as_bytes())?;
            if let Err(error) = layout::follow(self.dir, &applied.edits) {
                // The app is what it should be; a block is only drawn elsewhere.
                tracing::warn!(%error, "the places of renamed blocks were not kept");
            }
        }
        Ok(report)
    }

    fn report(&self, id: Option<String>, applied: &Applied) -> Result<EditReport> {
        let shelf = self.shelf()?;
        // What a fork copied was not there when the shelf was read.
        let forked = with_forks(self.dir, shelf, &applied.edits);
        Ok(report(&forked.unwrap_or(Cow::Borrowed(shelf)), &self.text, id, applied))
    }
}

fn report(catalogue: &Catalogue, old: &str, id: Option<String>, applied: &Applied) -> EditReport {
    let graph = |text: &str| -> Result<composer::Graph, Vec<Diagnostic>> {
        composer::check(&App::parse("app.toml", text)?, catalogue)
    };
    let before = graph(old).map(|graph| graph.wires).unwrap_or_default();
    let (wires, missing) = match graph(&applied.text) {
        Ok(graph) => (graph.wires, Vec::new()),
        Err(missing) => (Vec::new(), missing),
    };
    let new = wires.iter().filter(|wire| !before.contains(wire));
    EditReport {
        id: id.filter(|_| applied.text != old),
        revision: load::revision(&applied.text),
        lines: composer::changed_lines(old, &applied.text),
        summary: applied.summaries.join(", "),
        command: applied.commands.join("; "),
        creates: new.map(load::wire_creates).collect(),
        missing,
        text: applied.text.clone(),
    }
}

#[derive(Default)]
struct Applied {
    text: String,
    edits: Vec<Edit>,
    inverse: Vec<Edit>,
    summaries: Vec<String>,
    commands: Vec<String>,
}

/// Applies edits to a text: the new text, the completed edits, and what takes them back.
fn apply(catalogue: &Catalogue, text: &str, edits: &[Edit]) -> Result<Applied> {
    let mut applied = Applied { text: text.to_owned(), ..Applied::default() };
    for edit in edits {
        let done =
            composer::edit("app.toml", &applied.text, edit, catalogue).map_err(stale_or_wrong)?;
        applied.inverse.splice(0..0, done.inverse);
        applied.edits.push(done.edit);
        applied.summaries.push(done.summary);
        applied.commands.push(done.command);
        applied.text = done.text;
    }
    Ok(applied)
}

/// The change that leads from the journal's text to one that somebody wrote.
fn outside(journal: &Journal, by: &str, text: String) -> Change {
    let old = journal.text().unwrap_or_default();
    let edit = Edit::rewriting(old, &text);
    let count = match &edit {
        Edit::Restore { pieces } => pieces.iter().map(composer::Piece::lines).sum(),
        _ => 0,
    };
    let lines = if count == 1 { "1 line".to_owned() } else { format!("{count} lines") };
    Change {
        id: journal.next_id(),
        at: history::now(),
        by: by.to_owned(),
        inverse: vec![Edit::rewriting(&text, old)],
        edits: vec![edit],
        summary: format!("app.toml: {lines} changed"),
        command: "$EDITOR app.toml".to_owned(),
        undoes: None,
        text,
    }
}

/// Lines that are not there any more are a clash of two people, not a mistake of one.
fn stale_or_wrong(wrong: Vec<Diagnostic>) -> Error {
    match wrong.iter().find(|one| one.code == "edit/stale") {
        Some(stale) => Error::Stale { what: stale.message.clone() },
        None => Error::Wrong(wrong),
    }
}

/// Edits the app in `dir`. All of `edits` happen, or none. `revision` is the text they were made
/// for.
///
/// # Errors
/// An edit is refused (every diagnostic is in the error), the fields it is about have changed
/// since `revision` (`edit/stale`), or the folder cannot be read or written.
pub fn edit(dir: &Path, edits: &[Edit], by: &str, revision: Option<&str>) -> Result<EditReport> {
    let desk = Desk::open(dir)?;
    let edits = &with_ports(dir, edits);
    fresh(&desk, edits, revision)?;
    let applied = desk.apply(&desk.text, edits)?;
    let id = desk.journal.next_id();
    let change = change(id.clone(), by, &applied, None);
    desk.commit(Record::Edit(change), Some(id), applied)
}

/// What an edit would do; nothing is written.
///
/// # Errors
/// As [`edit`].
pub fn try_edit(dir: &Path, edits: &[Edit], revision: Option<&str>) -> Result<EditReport> {
    let edits = &with_ports(dir, edits);
    let path = dir.join("app.toml");
    let text = fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
    if revision.is_some_and(|wanted| wanted != load::revision(&text)) {
        let desk = Desk::open(dir)?;
        fresh(&desk, edits, revision)?;
        return desk.report(None, &desk.apply(&desk.text, edits)?);
    }
    // Even the folder of the history is not made for a trial.
    let shelf = load::shelf_for(dir, &text)?;
    let catalogue = with_forks(dir, &shelf, edits)?;
    let applied = apply(&catalogue, &text, edits)?;
    Ok(report(&catalogue, &text, None, &applied))
}

/// The shelf with the folders that edits take modules from.
fn with_forks<'a>(
    dir: &Path,
    catalogue: &'a Catalogue,
    edits: &[Edit],
) -> Result<Cow<'a, Catalogue>> {
    let mut catalogue = Cow::Borrowed(catalogue);
    for edit in edits {
        let Edit::Fork { to, .. } = edit else { continue };
        if let Ok(text) = fs::read_to_string(dir.join(to).join("module.toml")) {
            catalogue.to_mut().add_local(to, &text).map_err(Error::Wrong)?;
        }
    }
    Ok(catalogue)
}

/// A source block that comes without a port gets the one that its Dockerfile exposes, as `init`
/// gives it: a block that nobody can reach is not what was meant.
fn with_ports(dir: &Path, edits: &[Edit]) -> Vec<Edit> {
    let mut edits = edits.to_vec();
    for edit in &mut edits {
        if let Edit::Add { source: Some(source), port: port @ None, .. } = edit {
            *port = crate::init::exposed(&dir.join(source));
        }
    }
    edits
}

/// Refuses edits of fields that somebody else has changed since `revision`.
fn fresh(desk: &Desk<'_>, edits: &[Edit], revision: Option<&str>) -> Result<()> {
    let Some(wanted) = revision.filter(|wanted| *wanted != load::revision(&desk.text)) else {
        return Ok(());
    };
    let Some(seen) = desk.journal.text_of(wanted) else {
        return Err(Error::Stale {
            what: format!("the app file is not at revision {wanted} any more"),
        });
    };
    for edit in edits {
        if composer::touched(seen, edit) != composer::touched(&desk.text, edit) {
            let entries = desk.journal.entries();
            let last = entries.iter().rev().find(|entry| !entry.undone);
            let who = last.map(|last| format!(": {} ({})", last.change.summary, last.change.by));
            return Err(Error::Stale {
                what: format!("somebody changed the same field since{}", who.unwrap_or_default()),
            });
        }
    }
    Ok(())
}

fn change(id: String, by: &str, applied: &Applied, undoes: Option<String>) -> Change {
    Change {
        id,
        at: history::now(),
        by: by.to_owned(),
        edits: applied.edits.clone(),
        inverse: applied.inverse.clone(),
        summary: applied.summaries.join(", "),
        command: applied.commands.join("; "),
        undoes,
        text: applied.text.clone(),
    }
}

/// Takes back this person's last change that still stands. What went out already is taken back by
/// a new change, to go out in its turn.
///
/// # Errors
/// There is none, or what it changed was changed again since (`edit/stale`).
pub fn undo(dir: &Path, by: &str) -> Result<EditReport> {
    let desk = Desk::open(dir)?;
    let entries = desk.journal.entries();
    let standing =
        |entry: &&Entry| entry.change.by == by && !entry.undone && entry.change.undoes.is_none();
    let Some(entry) = entries.iter().rev().find(standing) else {
        return Err(Error::NoHistory { verb: "undo", by: by.to_owned() });
    };
    let mut applied = desk.apply(&desk.text, &entry.change.inverse)?;
    applied.summaries = vec![format!("undone: {}", entry.change.summary)];
    applied.commands = vec!["shelf undo".to_owned()];
    let of = entry.change.id.clone();
    if entry.released.is_some() {
        let id = desk.journal.next_id();
        let change = change(id.clone(), by, &applied, Some(of));
        return desk.commit(Record::Edit(change), Some(id), applied);
    }
    let text = applied.text.clone();
    let record = Record::Undo { at: history::now(), by: by.to_owned(), of: of.clone(), text };
    desk.commit(record, Some(of), applied)
}

/// Makes again what this person took back last.
///
/// # Errors
/// There is nothing, they made another change since, or it does not fit any more.
pub fn redo(dir: &Path, by: &str) -> Result<EditReport> {
    let desk = Desk::open(dir)?;
    let next = desk.journal.redoable(by).pop();
    let entry =
        desk.journal.entries().into_iter().find(|entry| Some(&entry.change.id) == next.as_ref());
    let Some(Entry { change, released, .. }) = entry else {
        return Err(Error::NoHistory { verb: "redo", by: by.to_owned() });
    };
    let at = history::now();
    if change.undoes.is_some() {
        // It took back what had gone out; taken back itself, that stands again.
        let mut applied = desk.apply(&desk.text, &change.inverse)?;
        applied.summaries = vec![change.summary.replacen("undone", "redone", 1)];
        applied.commands = vec!["shelf redo".to_owned()];
        let (text, of) = (applied.text.clone(), change.id.clone());
        if released.is_some() {
            let id = desk.journal.next_id();
            let change = self::change(id.clone(), by, &applied, Some(of));
            return desk.commit(Record::Edit(change), Some(id), applied);
        }
        let record = Record::Undo { at, by: by.to_owned(), of: of.clone(), text };
        return desk.commit(record, Some(of), applied);
    }
    let mut applied = desk.apply(&desk.text, &change.edits)?;
    applied.summaries = vec![format!("redone: {}", change.summary)];
    applied.commands = vec!["shelf redo".to_owned()];
    let (inverse, text) = (applied.inverse.clone(), applied.text.clone());
    let of = change.id.clone();
    let record = Record::Redo { at, by: by.to_owned(), of: of.clone(), inverse, text };
    desk.commit(record, Some(of), applied)
}

/// Every change of the app in `dir`, oldest first, those that came from outside as well; and
/// whether each has yet to go out to the target `on`.
///
/// # Errors
/// The folder cannot be read or written.
pub fn history(dir: &Path, on: &str) -> Result<Vec<HistoryEntry>> {
    let desk = Desk::open(dir)?;
    let entries = desk.journal.entries();
    let waiting = desk.journal.waiting(&entries, on);
    Ok(entries.into_iter().map(|entry| shown(entry, &waiting)).collect())
}

fn shown(entry: Entry, waiting: &HashSet<String>) -> HistoryEntry {
    HistoryEntry {
        waits: waiting.contains(&entry.change.id),
        id: entry.change.id,
        at: entry.change.at,
        by: entry.change.by,
        edits: entry.change.edits,
        summary: entry.change.summary,
        command: entry.change.command,
        undone: entry.undone,
        released: entry.released,
    }
}

/// For each line of the app file, the change that put it there; `None` for those that were there
/// when the history began.
///
/// # Errors
/// The folder cannot be read or written.
pub fn blame(dir: &Path) -> Result<Vec<Option<HistoryEntry>>> {
    let desk = Desk::open(dir)?;
    let entries = desk.journal.entries();
    let waiting = desk.journal.waiting(&entries, HERE);
    let named = |id: String| {
        let entry = entries.iter().find(|entry| entry.change.id == id).cloned();
        entry.map(|entry| shown(entry, &waiting))
    };
    Ok(desk.journal.blame().into_iter().map(|id| id.and_then(named)).collect())
}

/// Notes that changes went out with a release on the target `on`.
///
/// # Errors
/// One of them is not known or does not stand alone, or the folder cannot be written.
pub fn mark_released(dir: &Path, ids: &[String], release: &str, on: &str) -> Result<()> {
    let mut desk = Desk::open(dir)?;
    let text = chosen(&desk, ids, on)?;
    desk.journal.push(Record::Released {
        at: history::now(),
        ids: ids.to_vec(),
        release: release.to_owned(),
        text,
        on: on.to_owned(),
    })
}

/// The app file as it last went out to the target `on`, with only the chosen changes.
///
/// # Errors
/// One of them is not known, or stands on a change that was not chosen (`edit/stale`).
pub fn text_with(dir: &Path, ids: &[String], on: &str) -> Result<String> {
    chosen(&Desk::open(dir)?, ids, on)
}

fn chosen(desk: &Desk<'_>, ids: &[String], on: &str) -> Result<String> {
    let entries = desk.journal.entries();
    if let Some(unknown) = ids.iter().find(|id| !entries.iter().any(|e| e.change.id == **id)) {
        return Err(Error::Stale { what: format!("there is no change {unknown} in the history") });
    }
    let waiting = desk.journal.waiting(&entries, on);
    if waiting.iter().all(|id| ids.contains(id)) {
        return Ok(desk.text.clone());
    }
    let mut text = desk.journal.base(on).unwrap_or(&desk.text).to_owned();
    let wanted =
        |entry: &&Entry| waiting.contains(&entry.change.id) && ids.contains(&entry.change.id);
    for entry in entries.iter().filter(wanted) {
        text = match desk.apply(&text, &entry.change.edits) {
            Ok(applied) => applied.text,
            Err(error) => {
                let Change { id, summary, .. } = &entry.change;
                return Err(Error::Stale {
                    what: format!(
                        "{summary} ({id}) stands on a change that was not chosen: {error}"
                    ),
                });
            }
        };
    }
    Ok(text)
}

/// Writes the whole app file, as an editor does. A text that is no app file is refused, and the
/// file stays; an app that lacks something is a draft and may.
///
/// # Errors
/// The file changed since `revision` (`edit/stale`), the text is wrong, or it cannot be written.
pub fn write_text(dir: &Path, text: &str, revision: Option<&str>, by: &str) -> Result<EditReport> {
    let desk = Desk::open(dir)?;
    if revision.is_some_and(|wanted| wanted != load::revision(&desk.text)) {
        return Err(Error::Stale { what: "the app file has been changed since".to_owned() });
    }
    App::parse("app.toml", text).map_err(Error::Wrong)?;
    let change = outside(&desk.journal, by, text.to_owned());
    let applied = Applied {
        text: text.to_owned(),
        summaries: vec![change.summary.clone()],
        commands: vec![change.command.clone()],
        ..Applied::default()
    };
    let id = Some(change.id.clone());
    desk.commit(Record::Edit(change), id, applied)
}

/// The app file the standard way; `None` if it is so already.
///
/// # Errors
/// The file cannot be read, or is no app file.
pub fn formatted(dir: &Path) -> Result<Option<String>> {
    let path = dir.join("app.toml");
    let text = fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
    let shelf = load::shelf_for(dir, &text)?;
    let tidy = composer::format("app.toml", &text, &shelf).map_err(Error::Wrong)?;
    Ok((tidy != text).then_some(tidy))
}

#[cfg(test)]
mod tests;
