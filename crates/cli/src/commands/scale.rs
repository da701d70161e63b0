//! `shelf stop` and `shelf start`.

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
