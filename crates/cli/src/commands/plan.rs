//! `shelf check` and `shelf plan`: is it right, and what would happen.

use std::process::ExitCode;

use http::Method;
use serde_json::json;

use super::{Outcome, decode, say};
use crate::app;
use crate::arguments::Plan;
use crate::error::Code;
use crate::settings::Global;

/// Checks the app file, types and versions without a server.
pub(crate) async fn check(global: &Global) -> Outcome {
    let folder = app::folder(global)?;
    let report = match apps::check(&folder) {
        Err(error) if app::needs_target(global, &error) => {
            let folder = std::fs::canonicalize(&folder).unwrap_or(folder);
            let body = json!({"dir": folder});
            decode(global.client().json(Method::POST, "/v1/verbs/check", Some(&body)).await?)?
        }
        Ok(_) if global.on.is_some() => {
            let folder = std::fs::canonicalize(&folder).unwrap_or(folder);
            let body = json!({"dir": folder});
            decode(global.client().json(Method::POST, "/v1/verbs/check", Some(&body)).await?)?
        }
        other => other.map_err(|error| app::wrong(&error))?,
    };
    if global.json {
        say(&json!({"schema": "shelf/check/1", "result": report}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    for wire in &report.wires {
        say(&format!("  {wire}"))?;
    }
    for line in &report.broken {
        say(&format!("!! {line}"))?;
    }
    for assumption in &report.assumptions {
        say(&format!("! {assumption}"))?;
    }
    say(&format!("{} is right: {}", report.app, report.blocks.join(", ")))?;
    Ok(ExitCode::SUCCESS)
}

/// Says what `go` would do.
pub(crate) async fn plan(global: &Global, options: &Plan) -> Outcome {
    let folder = app::folder(global)?;
    let folder = std::fs::canonicalize(&folder).unwrap_or(folder);
    app::check_here(global, &folder)?;
    let client = global.client();
    let value = client.json(Method::POST, "/v1/verbs/plan", Some(&json!({"dir": folder}))).await?;
    let report: apps::PlanReport = decode(value)?;
    if global.json {
        say(&json!({"schema": "shelf/plan/1", "result": report}).to_string())?;
    } else {
        for line in &report.lines {
            say(line)?;
        }
    }
    if options.exit_code && report.has_changes {
        return Ok(ExitCode::from(Code::PlanHasChanges as u8));
    }
    Ok(ExitCode::SUCCESS)
}
