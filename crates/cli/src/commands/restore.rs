//! `shelf restore`: a backup back into its app, or with its code into a new one; `shelf copy`.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Outcome, backup, decode, go, say};
use crate::app;
use crate::arguments::{Copy, Restore};
use crate::error::{Code, Failure};
use crate::settings::Global;
use crate::table;

/// Restores a backup that the server keeps, or a file.
pub(crate) async fn restore(global: &Global, options: &Restore) -> Outcome {
    let key = backup::key(&options.key_file)?;
    let client = global.client();
    let file = Path::new(&options.backup);
    let (app, name) = if file.is_file() {
        let opened = std::fs::File::open(file).map_err(|error| {
            let text = format!("cannot read {}: {error}", file.display());
            Failure::new(Code::Failed, "restore/read", text)
        })?;
        let answer = client
            .upload("/v1/backups", move |to| {
                let mut opened = opened;
                std::io::copy(&mut opened, to).map(|_| ())
            })
            .await?;
        let status = answer.status();
        let bytes = client.whole(answer.into_body()).await?;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if !status.is_success() {
            return Err(go::failed(&value["error"], status.as_str()));
        }
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        (text("app"), text("backup"))
    } else {
        (app::name(global)?, options.backup.clone())
    };
    if options.into.is_none() {
        confirmed(&app, &options.backup, options.confirm.as_deref())?;
    }
    let body = json!({
        "app": app, "backup": name, "into": options.into, "key": key,
        "with_code": options.with_code, "no_backup": options.no_backup,
    });
    say_report(global, go::verb(global, "restore", &body).await?)
}

/// The data of an app is replaced only by who names it.
pub(crate) fn confirmed(app: &str, backup: &str, given: Option<&str>) -> Result<(), Failure> {
    if given == Some(app) {
        return Ok(());
    }
    let message = match given {
        Some(given) => {
            format!("--confirm names {given}, but the app is {app}; nothing was changed")
        }
        None => format!(
            "this replaces the data of {app} by that of {backup}; what is there is kept in a backup first"
        ),
    };
    Err(Failure::new(Code::Refused, "restore/confirm", message).hint(format!(
        "shelf restore {backup} --confirm {app}        beside it, as a new app:  --as NAME"
    )))
}

/// Prints how a restore ended.
pub(crate) fn say_report(global: &Global, value: Value) -> Outcome {
    let report: apps::RestoreReport = decode(value)?;
    if global.json {
        say(&json!({"schema": "shelf/restore/1", "result": report}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let url = report.url.map(|url| format!(" at {url}")).unwrap_or_default();
    say(&format!("{} has the data of {}{url}   {:.1} s", report.app, report.of, report.seconds))?;
    say_parts(&report.parts)?;
    if let Some(kept) = report.kept {
        say(&format!("  what was there before:  shelf restore {kept} --confirm {}", report.app))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn say_parts(parts: &[(String, u64)]) -> Result<(), Failure> {
    let parts = parts.iter().map(|(block, bytes)| format!("{block} {}", table::size(*bytes)));
    let parts = parts.collect::<Vec<_>>().join(", ");
    if parts.is_empty() { Ok(()) } else { say(&format!("  given back: {parts}")) }
}

/// Copies an app with its data into a new one.
pub(crate) async fn copy(global: &Global, options: &Copy) -> Outcome {
    let app = match &options.from {
        Some(app) => app.clone(),
        None => app::name(global)?,
    };
    let body = json!({"app": app, "into": options.into});
    let report: apps::CopyReport = decode(go::verb(global, "copy", &body).await?)?;
    if global.json {
        say(&json!({"schema": "shelf/copy/1", "result": report}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let url = report.url.map(|url| format!(" at {url}")).unwrap_or_default();
    say(&format!("{} is {app} with its data{url}   {:.1} s", report.app, report.seconds))?;
    say_parts(&report.parts)?;
    for left in &report.left_out {
        say(&format!("! {} begins empty: {}", left.block, left.reason))?;
    }
    say(&format!(
        "  when it is not needed any more:  shelf -a {0} destroy --delete-data {0}",
        report.app
    ))?;
    Ok(ExitCode::SUCCESS)
}
