//! What an edit may not do: make something wrong that was not wrong before. The words are the
//! checker's own; only places that the refused edit would have made are left out.

use super::lines::{self, Hunk};
use super::{Edit, apply, layout::Layout};
use crate::app::{App, Origin};
use crate::catalogue::Catalogue;
use crate::check::{self, Sketch};
use crate::diagnostic::Diagnostic;

/// The app before the edit.
pub(super) struct Scene<'a> {
    pub(super) catalogue: &'a Catalogue,
    app: Option<App>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(path: &str, text: &str, catalogue: &'a Catalogue) -> Self {
        Self { catalogue, app: App::parse(path, text).ok() }
    }

    /// Blocks and wires as far as they can be known; nothing if the file cannot be read.
    pub(super) fn sketch(&self) -> Option<Sketch<'_>> {
        self.app.as_ref().map(|app| check::sketch(app, self.catalogue))
    }

    /// Whether a block runs an image of a registry.
    pub(super) fn runs_image(&self, block: &str) -> bool {
        let found = self.app.iter().flat_map(|app| &app.blocks);
        found.filter(|one| one.name.value == block).any(|one| matches!(one.from, Origin::Image(_)))
    }
}

/// A refusal that has no place in the file.
pub(super) fn refusal(code: &str, message: impl Into<String>) -> Diagnostic {
    Diagnostic {
        code: code.to_owned(),
        message: message.into(),
        span: None,
        sides: Vec::new(),
        help: Vec::new(),
    }
}

/// Everything that is wrong with a text.
fn wrongs(path: &str, text: &str, catalogue: &Catalogue) -> Vec<Diagnostic> {
    match App::parse(path, text) {
        Ok(app) => check::check(&app, catalogue).err().unwrap_or_default(),
        Err(wrong) => wrong,
    }
}

/// Refuses an edit that makes something wrong. What is only not there yet is a draft.
pub(super) fn judge(
    path: &str,
    old: &str,
    new: &str,
    edit: &Edit,
    catalogue: &Catalogue,
) -> Result<(), Vec<Diagnostic>> {
    if let Err(error) = Layout::read(new) {
        let why = error.message().lines().next().unwrap_or_default().to_owned();
        return Err(vec![
            refusal("edit/form", "this edit does not fit the way the file is written")
                .side("the parser says", why)
                .help("write it by hand in", path),
        ]);
    }
    // What is put back was there before: it is as right as it was then.
    if matches!(edit, Edit::Restore { .. } | Edit::Paste { .. }) {
        return Ok(());
    }
    let wired = matches!(edit, Edit::Wire { .. });
    let unfinished =
        |one: &Diagnostic| one.code == "wire/missing" || (one.code == "wire/ambiguous" && !wired);
    let mut wrong = wrongs(path, new, catalogue);
    wrong.retain(|one| !unfinished(one));
    if wrong.is_empty() {
        return Ok(());
    }
    let before = wrongs(path, old, catalogue);
    let known = |one: &Diagnostic| {
        before.iter().any(|other| other.code == one.code && other.message == one.message)
    };
    let hunks = lines::hunks(old, new);
    let wrong: Vec<Diagnostic> = wrong
        .into_iter()
        .filter(|one| !known(one))
        .map(|one| as_asked(one, &hunks, edit))
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// A diagnostic about the text as it would be, told about the text as it is.
fn as_asked(mut one: Diagnostic, hunks: &[Hunk], edit: &Edit) -> Diagnostic {
    if let Some(span) = one.span.take()
        && let Some(line) = lines::old_line(hunks, span.line)
    {
        one.span = Some(span);
        if let Some(span) = &mut one.span {
            span.line = line;
        }
    }
    for side in &mut one.sides {
        let place = side.at.as_deref().and_then(|at| at.rsplit_once(':'));
        side.at = place.and_then(|(file, line)| {
            let line = lines::old_line(hunks, line.parse().ok()?)?;
            Some(format!("{file}:{line}"))
        });
    }
    let end = one.message.split(' ').next().unwrap_or_default().to_owned();
    for help in &mut one.help {
        if let Some(command) = as_command(&help.action, &end) {
            help.action = command;
        }
    }
    if one.help.is_empty() && apply::block_of(edit).is_none() {
        one = one.help("look", "shelf check");
    }
    one
}

/// A line of the file that would help, as the command that writes it.
fn as_command(action: &str, end: &str) -> Option<String> {
    let (block, socket) = end.split_once('.')?;
    if let Some(rest) = action.strip_prefix(&format!("wire = {{ {socket} = \"")) {
        return Some(format!("shelf wire {block}.{socket} {}", rest.strip_suffix("\" }")?));
    }
    let module = action.strip_prefix(&format!("[{socket}] use = \""))?.strip_suffix('"')?;
    Some(format!("shelf add {module} --as {socket} --wire {end}"))
}
