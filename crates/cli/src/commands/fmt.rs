//! `shelf fmt`: the app file written the standard way, its wires written out.

use std::process::ExitCode;

use serde_json::json;

use super::{Outcome, edit, say};
use crate::app;
use crate::arguments::edits::Fmt;
use crate::error::{Code, Failure};
use crate::settings::{Global, person};

/// Formats the app file, or says whether it is formatted.
pub(crate) fn fmt(global: &Global, options: &Fmt) -> Outcome {
    let folder = app::folder(global)?;
    let tidy = apps::formatted(&folder).map_err(|error| app::failure(&error))?;
    let Some(tidy) = tidy else {
        if global.json {
            say(&json!({"schema": "shelf/fmt/1", "result": {"changed": false}}).to_string())?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    if options.check {
        return Err(Failure::new(
            Code::Failed,
            "fmt/check",
            format!("{} is not written the standard way", folder.join("app.toml").display()),
        )
        .hint("shelf fmt"));
    }
    let report =
        apps::write_text(&folder, &tidy, None, &person()).map_err(|error| app::failure(&error))?;
    if global.json {
        return edit::print(global, false, &report);
    }
    say(&format!("{}   (undo: shelf undo)", report.summary))?;
    Ok(ExitCode::SUCCESS)
}
