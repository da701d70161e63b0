//! `shelf destroy`: remove the app. Asks first; data goes only when its name is typed.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use serde_json::json;

use super::{Outcome, decode, go, say};
use crate::app;
use crate::arguments::Destroy;
use crate::error::{Code, Failure};
use crate::settings::Global;

/// Removes the app meant, and its data if `--delete-data NAME` says so.
pub(crate) async fn destroy(global: &Global, options: &Destroy) -> Outcome {
    let name = app::name(global)?;
    if let Some(given) = &options.delete_data
        && *given != name
    {
        return Err(Failure::new(
            Code::Refused,
            "destroy/name",
            format!("--delete-data names {given}, but the app is {name}; nothing was removed"),
        ));
    }
    let data = options.delete_data.is_some();
    if !options.yes {
        confirm(&name, data)?;
    }
    let body = json!({"app": name, "data": data});
    let report: apps::DestroyReport = decode(go::verb(global, "destroy", &body).await?)?;
    if global.json {
        say(&json!({"schema": "shelf/destroy/1", "result": report}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("{name} is removed: {} objects", report.deleted.len()))?;
    if !report.kept.is_empty() {
        say(&format!(
            "kept: {}\n  shelf go takes them up again; to delete them:  shelf destroy --delete-data {name}",
            report.kept.join(", ")
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn confirm(name: &str, data: bool) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            Code::Refused,
            "prompt",
            format!("remove {name}? there is no terminal to ask on; nothing was removed"),
        )
        .hint("shelf destroy --yes"));
    }
    let what = if data { "and ALL ITS DATA" } else { "(its disks and passwords stay)" };
    eprint!("remove {name} {what}? [y/N] ");
    // A prompt that cannot be written is not seen, and then not answered with yes.
    let _unseen = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::new(Code::Cancelled, "destroy/no", "nothing was removed"))
}
