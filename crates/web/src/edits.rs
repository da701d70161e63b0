//! Changes of an app file from the canvas: verbs, the file as a whole, undo and redo.
//!
//! Everyone who looks is told after each change; who made it gets the new drawing at once. Where
//! next: `apps::edit`, which changes the file and keeps the history.

use std::path::{Path, PathBuf};

use apps::{Edit, EditReport, HistoryEntry};
use axum::Json;
use axum::extract::{Extension, Path as Parts, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Door;
use crate::answer::Refusal;
use crate::app::blocking;
use crate::person::{Caller, initials};

/// Verbs in one request; they happen all or not at all.
const MOST_EDITS: usize = 200;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditsRequest {
    #[serde(default)]
    revision: Option<String>,
    edits: Vec<Edit>,
}

/// Edits the app file by verbs.
pub(crate) async fn edit(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Parts(app): Parts<String>,
    Json(request): Json<EditsRequest>,
) -> Result<Response, Refusal> {
    if request.edits.is_empty() || request.edits.len() > MOST_EDITS {
        let message = format!("one request has from 1 to {MOST_EDITS} edits");
        return Err(Refusal::unfit("edit/count", message));
    }
    let named = |edit: &Edit| match edit {
        Edit::Add { use_: Some(used), .. } | Edit::Use { module: used, .. } => Some(used.clone()),
        _ => None,
    };
    let used: Vec<String> =
        request.edits.iter().filter_map(named).filter(|used| used.contains('/')).collect();
    if !used.is_empty() {
        apps::take_modules(&door.target, &door.registry.dir(&app)?, &used).await?;
    }
    changed(&door, &caller, &app, move |dir, by| {
        apps::edit(dir, &request.edits, by, request.revision.as_deref())
    })
    .await
}

/// Which block's module becomes the app's own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForkRequest {
    block: String,
    /// The folder inside the app's; that of the block's name without.
    #[serde(default)]
    to: Option<String>,
    /// Whether it is only said what it would be, and what costs less.
    #[serde(default)]
    dry_run: bool,
}

/// Copies a block's module into the app's folder.
pub(crate) async fn fork(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Parts(app): Parts<String>,
    Json(request): Json<ForkRequest>,
) -> Result<Response, Refusal> {
    let dir = door.registry.dir(&app)?;
    let by = caller.person.name.clone();
    let ForkRequest { block, to, dry_run } = request;
    let report = blocking(move || apps::fork(&dir, &block, to.as_deref(), &by, dry_run)).await?;
    if !dry_run {
        door.tell_model(&app).await;
    }
    Ok(Json(report).into_response())
}

/// Takes back this person's last change.
pub(crate) async fn undo(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Parts(app): Parts<String>,
) -> Result<Response, Refusal> {
    changed(&door, &caller, &app, apps::undo).await
}

/// Makes again what this person took back last.
pub(crate) async fn redo(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Parts(app): Parts<String>,
) -> Result<Response, Refusal> {
    changed(&door, &caller, &app, apps::redo).await
}

/// Every change of the app file, the oldest first.
pub(crate) async fn history(
    State(door): State<Door>,
    Parts(app): Parts<String>,
) -> Result<Response, Refusal> {
    let (dir, on) = (door.registry.dir(&app)?, door.target.name().to_owned());
    let entries = blocking(move || apps::history(&dir, &on)).await?;
    Ok(Json(json!({ "entries": entries })).into_response())
}

/// The app file as it is.
pub(crate) async fn file(
    State(door): State<Door>,
    Parts(app): Parts<String>,
) -> Result<Response, Refusal> {
    let dir = door.registry.dir(&app)?;
    let text = blocking(move || apps::text(&dir)).await?;
    let revision = apps::revision(&text);
    Ok(Json(json!({ "text": text, "revision": revision })).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileRequest {
    text: String,
    #[serde(default)]
    revision: Option<String>,
}

/// Writes the app file as a whole, as an editor does.
pub(crate) async fn write(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Parts(app): Parts<String>,
    Json(request): Json<FileRequest>,
) -> Result<Response, Refusal> {
    changed(&door, &caller, &app, move |dir, by| {
        apps::write_text(dir, &request.text, request.revision.as_deref(), by)
    })
    .await
}

/// Writes the app file the standard way; says so if it is that already.
pub(crate) async fn format(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Parts(app): Parts<String>,
) -> Result<Response, Refusal> {
    let dir = door.registry.dir(&app)?;
    let Some(tidy) = blocking(move || apps::formatted(&dir)).await? else {
        return Ok(Json(json!({ "summary": null })).into_response());
    };
    changed(&door, &caller, &app, move |dir, by| apps::write_text(dir, &tidy, None, by)).await
}

/// Does a change, tells everyone, and answers with the drawing it led to.
async fn changed(
    door: &Door,
    caller: &Caller,
    app: &str,
    change: impl FnOnce(&Path, &str) -> Result<EditReport, apps::Error> + Send + 'static,
) -> Result<Response, Refusal> {
    let dir = door.registry.dir(app)?;
    let by = caller.person.name.clone();
    let report = blocking(move || change(&dir, &by)).await?;
    let model = door.tell_and_draw(app, &caller.person.name).await?;
    Ok(Json(json!({
        "model": model,
        "id": report.id,
        "lines": report.lines,
        "summary": report.summary,
        "command": report.command,
        "creates": report.creates,
    }))
    .into_response())
}

/// What was changed since the last go to the target `on`, for `person`: the list, and what undo and
/// redo would do.
pub(crate) fn pending(dir: &Path, on: &str, person: &str) -> Result<Pending, apps::Error> {
    let entries = apps::history(dir, on)?;
    let change = |entry: &HistoryEntry| {
        json!({
            "id": entry.id, "by": entry.by, "initials": initials(&entry.by), "at": entry.at,
            "summary": entry.summary, "command": entry.command, "mine": entry.by == person,
            "blocks": blocks_of(entry),
        })
    };
    let changes = entries.iter().filter(|entry| entry.waits).map(change).collect();
    let mut own = entries.iter().rev().filter(|entry| entry.by == person).peekable();
    let mut redo = None;
    while let Some(entry) = own.next_if(|entry| entry.undone) {
        redo = Some(entry.summary.clone());
    }
    let undo = own.next().map(|entry| entry.summary.clone());
    Ok(Pending { changes, undo, redo })
}

/// See [`pending`].
pub(crate) struct Pending {
    pub(crate) changes: Vec<Value>,
    pub(crate) undo: Option<String>,
    pub(crate) redo: Option<String>,
}

/// The blocks that an entry is about, by the names they had then.
fn blocks_of(entry: &HistoryEntry) -> Vec<String> {
    let edits = entry.edits.iter().filter_map(|edit| serde_json::to_value(edit).ok());
    let named = |edit: Value| -> Vec<String> {
        let name = |key: &str| edit[key].as_str().map(str::to_owned);
        // A block that was renamed is drawn under its new name.
        name("to").or_else(|| name("block")).into_iter().collect()
    };
    let mut blocks: Vec<String> = edits.flat_map(named).collect();
    blocks.sort();
    blocks.dedup();
    blocks
}

/// How many changes have not gone out; an app whose history cannot be read has none to show.
pub(crate) fn changes_of(dir: &Path, on: &str) -> usize {
    if !has_history(dir) {
        return 0;
    }
    pending(dir, on, "").map(|pending| pending.changes.len()).unwrap_or(0)
}

/// The text with only the wanted changes (`None`: the file as it is), and those changes.
pub(crate) async fn chosen(
    dir: &Path,
    on: &str,
    caller: &Caller,
    wanted: Option<Vec<String>>,
) -> Result<(Option<String>, Vec<Value>), Refusal> {
    let (dir, on, person) = (dir.to_owned(), on.to_owned(), caller.person.name.clone());
    blocking(move || {
        let mut changes = pending(&dir, &on, &person)?.changes;
        let Some(wanted) = wanted else { return Ok((None, changes)) };
        let text = apps::text_with(&dir, &wanted, &on)?;
        changes.retain(|change| wanted.iter().any(|id| change["id"] == id.as_str()));
        Ok((Some(text), changes))
    })
    .await
}

/// The ids of changes as [`chosen`] gives them.
pub(crate) fn ids(changes: &[Value]) -> Vec<String> {
    changes.iter().filter_map(|change| change["id"].as_str()).map(str::to_owned).collect()
}

/// The changes that a go of the whole file takes along; nothing for an app without a history.
pub(crate) async fn going_out(dir: &Path, on: &str) -> Option<Vec<String>> {
    if !has_history(dir) {
        return None;
    }
    let (dir, on) = (dir.to_owned(), on.to_owned());
    let pending = blocking(move || pending(&dir, &on, "")).await.ok()?;
    Some(ids(&pending.changes))
}

/// Looking must not make a history where there is none.
fn has_history(dir: &Path) -> bool {
    dir.join(".shelf/history.jsonl").is_file()
}

/// Notes that changes went out to the target `on`.
pub(crate) async fn released(dir: PathBuf, on: String, ids: Vec<String>, release: String) {
    let marked = blocking(move || apps::mark_released(&dir, &ids, &release, &on)).await;
    if let Err(refusal) = marked {
        // The app runs; only the list of changes is longer than it should be.
        tracing::warn!(error = refusal.message(), "changes that went out were not marked");
    }
}
