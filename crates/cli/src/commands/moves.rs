//! `shelf move`: the app with its data to another target.

use std::process::ExitCode;

use serde_json::json;

use super::{Outcome, decode, go, say};
use crate::app;
use crate::arguments::targets::Move;
use crate::settings::Global;
use crate::table;

/// Moves the app meant from the target that is meant.
pub(crate) async fn move_app(global: &Global, options: &Move) -> Outcome {
    let name = app::name(global)?;
    // The file laid over it for the other target lies in its folder, if that is here.
    let body = json!({
        "app": name, "to": options.to, "dir": app::folder(global).ok(),
        "dry_run": options.dry_run, "undo": options.undo,
    });
    let report: apps::MoveReport = decode(go::verb(global, "move", &body).await?)?;
    if global.json {
        say(&json!({"schema": "shelf/move/1", "result": report}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    if report.dry_run {
        say("nothing was done; the same without --dry-run does it")?;
        return Ok(ExitCode::SUCCESS);
    }
    if report.undone {
        say(&format!("{name} is at {} as it was   {:.1} s", report.from, report.seconds))?;
        return Ok(ExitCode::SUCCESS);
    }
    let url = report.url.map(|url| format!(": {url}")).unwrap_or_default();
    say(&format!("{name} is at {}{url}   {:.1} s", report.to, report.seconds))?;
    let parts =
        report.parts.iter().map(|(block, bytes)| format!("{block} {}", table::size(*bytes)));
    let parts = parts.collect::<Vec<_>>().join(", ");
    let parts = if parts.is_empty() { "no data".to_owned() } else { parts };
    say(&format!("  went along: {parts}; nobody could write for {:.1} s", report.still_seconds))?;
    if let Some(kept) = report.kept {
        say(&format!("  kept at {}: the backup {kept}, and the app, stopped", report.from))?;
    }
    say(&format!(
        "  and back:  shelf --on {0} -a {name} move --to {1}        it is not needed any more:  shelf --on {1} -a {name} destroy --delete-data {name}",
        report.to, report.from
    ))?;
    Ok(ExitCode::SUCCESS)
}
