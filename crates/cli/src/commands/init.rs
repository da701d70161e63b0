//! `shelf init`: an app begins here: from what is in the folder, from an example, or empty.

use std::path::PathBuf;
use std::process::ExitCode;

use apps::Start;
use serde_json::json;

use super::{Outcome, say};
use crate::app;
use crate::arguments::edits::Init;
use crate::error::{Code, Failure};
use crate::settings::Global;

/// Writes an `app.toml`, and says what it was made from.
pub(crate) fn init(global: &Global, options: &Init) -> Outcome {
    if options.example.as_deref() == Some("list") {
        return list(global);
    }
    let start = match (&options.example, options.empty) {
        (Some(example), _) => Start::Example(example.clone()),
        (None, true) => Start::Empty,
        (None, false) => Start::Folder,
    };
    let folder = match (&options.folder, &options.example) {
        (Some(folder), _) => folder.clone(),
        (None, Some(example)) => PathBuf::from(options.name.as_ref().unwrap_or(example)),
        (None, None) => PathBuf::from("."),
    };
    let report = apps::init(&folder, &start, options.name.as_deref(), options.trial.dry_run)
        .map_err(|error| {
            let mut failure = app::failure(&error);
            if failure.name == "example/unknown" {
                failure.code = Code::NotFound;
            }
            failure
        })?;
    if global.json {
        let value = json!({
            "schema": "shelf/init/1", "dry_run": options.trial.dry_run, "result": report,
        });
        say(&value.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    for (number, line) in report.text.lines().enumerate() {
        say(&format!("{:>3} | {line}", number + 1))?;
    }
    for note in &report.notes {
        say(&format!("! {note}"))?;
    }
    let done = if options.trial.dry_run { "would begin" } else { "begins" };
    let path = report.dir.join("app.toml");
    say(&format!("{} {done} in {}", report.app, path.display()))?;
    if !options.trial.dry_run {
        let lead = if report.dir.as_os_str() == "." {
            String::new()
        } else {
            format!("cd {}   then:   ", report.dir.display())
        };
        let next = if report.text.contains("\n[") { "shelf go" } else { "shelf add postgres" };
        say(&format!("next: {lead}{next}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list(global: &Global) -> Outcome {
    let names = apps::examples();
    if global.json {
        say(&json!({"schema": "shelf/examples/1", "result": {"examples": names}}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    if names.is_empty() {
        return Err(Failure::new(Code::NotFound, "example/none", "this binary has no examples"));
    }
    for name in names {
        say(&name)?;
    }
    Ok(ExitCode::SUCCESS)
}
