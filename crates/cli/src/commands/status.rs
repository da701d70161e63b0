//! `shelf status` and `shelf url`.

use std::process::ExitCode;
use std::time::Duration;

use apps::StatusReport;
use http::Method;
use serde_json::{Value, json};

use super::{Outcome, app_status, say, say_list};
use crate::app;
use crate::arguments::Status;
use crate::error::{Code, Failure};
use crate::settings::Global;
use crate::table;

/// Shows the blocks of the app meant, or all apps where none is.
pub(crate) async fn status(global: &Global, options: &Status) -> Outcome {
    if app::name(global).is_err() && global.app.is_none() {
        return all(global).await;
    }
    let mut last = String::new();
    loop {
        let report = app_status(global).await?;
        let text = if global.json {
            json!({"schema": "shelf/status/1", "result": report}).to_string()
        } else {
            draw(global, &report)
        };
        if !options.watch {
            say(&text)?;
            return Ok(ExitCode::SUCCESS);
        }
        if text != last {
            say(&text)?;
            last = text;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            _ = tokio::signal::ctrl_c() => return Err(Failure::silent(Code::Cancelled)),
        }
    }
}

fn draw(global: &Global, report: &StatusReport) -> String {
    if global.quiet {
        return report.blocks.iter().map(|block| format!("{}\n", block.name)).collect();
    }
    let rows: Vec<Vec<String>> = report
        .blocks
        .iter()
        .map(|block| {
            let age = block.since.as_deref().map(table::age).unwrap_or_default();
            vec![
                block.name.clone(),
                block.from.clone(),
                word(&json!(block.state)),
                format!("{}/{}", block.ready, block.wanted),
                block.restarts.to_string(),
                age,
                block.detail.clone(),
            ]
        })
        .collect();
    let heading = ["BLOCK", "FROM", "STATE", "COPIES", "RESTARTS", "AGE", ""];
    let mut text = table::draw(&heading, &rows);
    let place = report.url.as_deref().unwrap_or("no address: no process has a path");
    text.push_str(&format!("{}: {}   {place}\n", report.app, word(&json!(report.state))));
    for warning in &report.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

async fn all(global: &Global) -> Outcome {
    let client = global.client();
    let value = client.json(Method::GET, "/v1/apps", None).await?;
    if global.json {
        say(&json!({"schema": "shelf/apps/1", "result": value}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let apps = value["apps"].as_array().cloned().unwrap_or_default();
    if apps.is_empty() && !global.quiet {
        say("no app here yet: go into a folder with an app.toml and say  shelf go")?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = apps
        .iter()
        .map(|app| vec![word(&app["app"]), word(&app["state"]), word(&app["url"])])
        .collect();
    say_list(global, &["APP", "STATE", "URL"], &rows)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints where the app lives.
pub(crate) async fn url(global: &Global) -> Outcome {
    let report = app_status(global).await?;
    let Some(url) = report.url else {
        return Err(Failure::new(
            Code::NotFound,
            "url/none",
            format!("{} has no address: no process of it has a path", report.app),
        )
        .hint("give a process one in app.toml:  web = { port = 8080, path = \"/\" }"));
    };
    say(&url)?;
    Ok(ExitCode::SUCCESS)
}
