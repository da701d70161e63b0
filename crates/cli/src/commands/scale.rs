//! `shelf stop`, `shelf start` and `shelf restart`.

use std::process::ExitCode;

use serde_json::json;

use super::{Outcome, decode, go, say};
use crate::app;
use crate::settings::Global;

/// Stops or starts the app meant; its data stays either way.
pub(crate) async fn scale(global: &Global, verb: &str) -> Outcome {
    let name = app::name(global)?;
    let report: apps::ScaleReport = decode(go::verb(global, verb, &json!({"app": name})).await?)?;
    if global.json {
        say(&json!({"schema": format!("shelf/{verb}/1"), "result": report}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let done = match (verb, report.changed.is_empty()) {
        (_, true) => format!("nothing to do: {name} was so already"),
        ("stop", false) => format!("{name} is stopped; its data stays   (again: shelf start)"),
        (_, false) => match &report.url {
            Some(url) => format!("{name} is at {url}"),
            None => format!("{name} is up"),
        },
    };
    say(&format!("{done}   {:.1} s", report.seconds))?;
    Ok(ExitCode::SUCCESS)
}

/// Gives blocks of the app meant new copies, one block after the other, and ends with the first that
/// does not come up.
pub(crate) async fn restart(global: &Global, blocks: &[String]) -> Outcome {
    let name = app::name(global)?;
    let mut reports: Vec<apps::ScaleReport> = Vec::new();
    for block in blocks {
        let body = json!({"app": name, "block": block});
        reports.push(decode(go::verb(global, "restart", &body).await?)?);
    }
    if global.json {
        say(&json!({"schema": "shelf/restart/1", "result": reports}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let seconds: f64 = reports.iter().map(|report| report.seconds).sum();
    say(&format!("{} of {name} has new copies   {seconds:.1} s", blocks.join(", ")))?;
    Ok(ExitCode::SUCCESS)
}
