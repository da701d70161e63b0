//! `shelf undo` and `shelf redo`: your last edit taken back, or made again.

use std::process::ExitCode;

use apps::HistoryEntry;
use serde_json::json;

use super::{Outcome, edit, say};
use crate::app;
use crate::arguments::edits::Undo;
use crate::settings::{Global, person};
use crate::table;

/// Takes back the last edit of who asks.
pub(crate) fn undo(global: &Global, options: &Undo) -> Outcome {
    if options.list {
        return list(global);
    }
    let folder = app::folder(global)?;
    let report = apps::undo(&folder, &person()).map_err(|error| app::failure(&error))?;
    edit::print(global, false, &report)
}

/// Makes again what was taken back last.
pub(crate) fn redo(global: &Global) -> Outcome {
    let folder = app::folder(global)?;
    let report = apps::redo(&folder, &person()).map_err(|error| app::failure(&error))?;
    edit::print(global, false, &report)
}

fn list(global: &Global) -> Outcome {
    let folder = app::folder(global)?;
    let on = global.on.as_deref().unwrap_or(apps::HERE);
    let entries = apps::history(&folder, on).map_err(|error| app::failure(&error))?;
    if global.json {
        say(&json!({"schema": "shelf/history/1", "result": {"entries": entries}}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let state = |entry: &HistoryEntry| match &entry.released {
        _ if entry.undone => "undone".to_owned(),
        Some(release) if !entry.waits => format!("in {release}"),
        _ => "to go".to_owned(),
    };
    let row = |entry: &HistoryEntry| {
        vec![table::age(&entry.at), entry.by.clone(), state(entry), entry.summary.clone()]
    };
    let rows: Vec<Vec<String>> = entries.iter().rev().map(row).collect();
    if rows.is_empty() {
        say("nothing was edited here yet")?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&table::draw(&["AGO", "BY", "STATE", "WHAT"], &rows))?;
    Ok(ExitCode::SUCCESS)
}
