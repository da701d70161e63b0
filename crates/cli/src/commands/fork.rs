//! `shelf fork`: a block's module becomes yours. Cheaper ways are said before the price.

use std::process::ExitCode;

use serde_json::json;

use super::{Outcome, edit, say};
use crate::app;
use crate::arguments::modules::Fork;
use crate::settings::{Global, person};
use crate::table;

/// Copies the module and rewrites the block, or says what would be done.
pub(crate) fn fork(global: &Global, options: &Fork) -> Outcome {
    let folder = app::folder(global)?;
    let dry_run = options.trial.dry_run;
    let to = options.to.as_deref();
    let report = apps::fork(&folder, &options.block, to, &person(), dry_run)
        .map_err(|error| app::failure(&error))?;
    if global.json {
        let value = json!({"schema": "shelf/fork/1", "dry_run": dry_run, "result": report});
        say(&value.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    say("these keep upgrades, backups and tests as they are:")?;
    let rows: Vec<Vec<String>> = report
        .lower
        .iter()
        .map(|one| {
            let how = format!("{} {}", one.rung, one.how);
            vec![how, one.what.join(" "), one.command.clone()]
        })
        .collect();
    for line in table::rows(&rows) {
        say(&format!("  {line}"))?;
    }
    say(&format!(
        "  4 fork    {} files, {} lines, copied to {}",
        report.files, report.lines, report.to
    ))?;
    say(&format!("price: {}", report.price))?;
    edit::print(global, dry_run, &report.edit)
}

/// `3 lines of it are yours (ready.sh)`, and what would give the same.
pub(crate) fn story(block: &str, yours: &apps::Yours) -> Vec<String> {
    let files = yours.files.join(", ");
    let what = match (yours.lines, yours.files.len()) {
        (_, 0) => "none of it is changed".to_owned(),
        (Some(1), _) => format!("1 line is yours ({files})"),
        (Some(lines), _) => format!("{lines} lines are yours ({files})"),
        (None, 1) => format!("1 file is yours ({files})"),
        (None, count) => format!("{count} files are yours ({files})"),
    };
    let mut lines = vec![format!("{block} is a copy of {}: {what}", yours.origin)];
    if let Some(same) = &yours.same_as {
        lines.push(format!("  the same from a lower rung:  {}", same.replace("BLOCK", block)));
    }
    lines
}

/// What is yours in each block of the app in `folder` that is a copy.
pub(crate) fn stories(folder: &std::path::Path) -> Vec<(String, apps::Yours)> {
    let Ok(model) = apps::model(folder) else { return Vec::new() };
    let blocks = model.value["blocks"].as_array().cloned().unwrap_or_default();
    let story = |block: &serde_json::Value| {
        let yours = serde_json::from_value(block["from"]["yours"].clone()).ok()?;
        Some((block["name"].as_str()?.to_owned(), yours))
    };
    blocks.iter().filter_map(story).collect()
}
