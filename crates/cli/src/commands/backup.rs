//! `shelf backup`: now, list, schedule, delete. And `shelf snapshot`, which is a backup that is
//! restored with its code.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::{Outcome, decode, go, say, say_list};
use crate::app;
use crate::arguments::{Backup, BackupVerb, Snapshot, SnapshotVerb};
use crate::error::{Code, Failure};
use crate::settings::Global;
use crate::table;

/// Runs a subcommand; `now` without one.
pub(crate) async fn backup(global: &Global, options: &Backup) -> Outcome {
    match &options.verb {
        None => now(global, &options.now.key_file, options.now.to.as_deref()).await,
        Some(BackupVerb::Now(now_options)) => {
            now(global, &now_options.key_file, now_options.to.as_deref()).await
        }
        Some(BackupVerb::List) => list(global, |_| true).await,
        Some(BackupVerb::Schedule(options)) => schedule(global, options).await,
        Some(BackupVerb::Delete { name, yes }) => delete(global, name, *yes).await,
    }
}

/// Runs a subcommand; `list` without one.
pub(crate) async fn snapshot(global: &Global, options: &Snapshot) -> Outcome {
    match &options.verb {
        None | Some(SnapshotVerb::List) => {
            list(global, |label| ["snapshot", "before-go"].contains(&label)).await
        }
        Some(SnapshotVerb::Now) => {
            let body = json!({"app": app::name(global)?, "label": "snapshot"});
            print(global, &decode(go::verb(global, "backup", &body).await?)?, "shelf/snapshot/1")
        }
        Some(SnapshotVerb::Back { name, confirm, no_backup }) => {
            let app = app::name(global)?;
            let kept = kept(global, &app).await?;
            let name = match name {
                Some(name) => name.clone(),
                None => kept
                    .iter()
                    .find(|one| ["snapshot", "before-go"].contains(&one.label.as_str()))
                    .map(|one| one.name.clone())
                    .ok_or_else(|| {
                        Failure::new(
                            Code::NotFound,
                            "snapshot/absent",
                            format!("{app} has no snapshot"),
                        )
                        .hint(
                            "one is made before a go that touches data, or by:  shelf snapshot now",
                        )
                    })?,
            };
            super::restore::confirmed(&app, &name, confirm.as_deref())?;
            let body =
                json!({"app": app, "backup": name, "with_code": true, "no_backup": no_backup});
            super::restore::say_report(global, go::verb(global, "restore", &body).await?)
        }
    }
}

/// A passphrase from a file, or from standard input for `-`; never from the command line.
pub(crate) fn key(file: &Option<std::path::PathBuf>) -> Result<Option<String>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let fails = |error: &dyn std::fmt::Display| {
        Failure::new(
            Code::Failed,
            "key/read",
            format!("the key in {} cannot be read: {error}", file.display()),
        )
    };
    let mut text = String::new();
    let read = match file == Path::new("-") {
        true => std::io::stdin().lock().take(64 * 1024).read_to_string(&mut text).map(|_| ()),
        false => fs::read_to_string(file).map(|read| text = read),
    };
    read.map_err(|error| fails(&error))?;
    if text.trim().len() < 8 {
        return Err(fails(&"it has less than 8 characters"));
    }
    Ok(Some(text))
}

async fn now(global: &Global, key_file: &Option<std::path::PathBuf>, to: Option<&Path>) -> Outcome {
    let app = app::name(global)?;
    let body = json!({"app": app, "key": key(key_file)?});
    let report: apps::BackupReport = decode(go::verb(global, "backup", &body).await?)?;
    if let Some(to) = to {
        fetch(global, &app, &report.name, to).await?;
    }
    print(global, &report, "shelf/backup/1")
}

fn print(global: &Global, report: &apps::BackupReport, schema: &str) -> Outcome {
    if global.json {
        say(&json!({"schema": schema, "result": report}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let parts =
        report.parts.iter().map(|(block, bytes)| format!("{block} {}", table::size(*bytes)));
    let parts = parts.collect::<Vec<_>>().join(", ");
    let sealed = if report.sealed { ", sealed" } else { ", not sealed: it holds passwords" };
    say(&format!(
        "{}   {}{sealed}   {:.1} s\n  holds: {}\n  restore:  shelf restore {}",
        report.name,
        table::size(report.size_bytes),
        report.seconds,
        if parts.is_empty() { "app file and secrets" } else { &parts },
        report.name
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Brings a backup here: under another name until it is complete and on disk.
async fn fetch(global: &Global, app: &str, name: &str, to: &Path) -> Result<(), Failure> {
    let client = global.client();
    let answer = client.send(Method::GET, &format!("/v1/apps/{app}/backups/{name}"), None).await?;
    let fails = |error: &dyn std::fmt::Display| {
        Failure::new(
            Code::Failed,
            "backup/write",
            format!("cannot write {}: {error}", to.display()),
        )
        .hint(format!("the server has it under the name {name}"))
    };
    if !answer.status().is_success() {
        return Err(fails(&answer.status()));
    }
    let size: Option<u64> =
        answer.headers().get("content-length").and_then(|size| size.to_str().ok()?.parse().ok());
    let mut beside = to.as_os_str().to_owned();
    beside.push(".unfinished");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&beside).map_err(|error| fails(&error))?;
    let mut body = answer.into_body();
    let mut written = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| fails(&error))?;
        if let Ok(data) = frame.into_data() {
            std::io::Write::write_all(&mut file, &data).map_err(|error| fails(&error))?;
            written += data.len() as u64;
        }
    }
    if size != Some(written) {
        return Err(fails(&"the server broke off"));
    }
    file.sync_all().and_then(|()| fs::rename(&beside, to)).map_err(|error| fails(&error))
}

/// The backups of an app.
async fn kept(global: &Global, app: &str) -> Result<Vec<apps::Kept>, Failure> {
    let mut value = listed(global, app).await?;
    decode(value["backups"].take())
}

async fn listed(global: &Global, app: &str) -> Result<Value, Failure> {
    let client = global.client();
    client.json(Method::GET, &format!("/v1/apps/{app}/backups"), None).await
}

async fn list(global: &Global, wanted: impl Fn(&str) -> bool) -> Outcome {
    let app = app::name(global)?;
    let mut value = listed(global, &app).await?;
    if global.json {
        say(&json!({"schema": "shelf/backups/1", "result": value}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let schedule: Option<apps::Schedule> = decode(value["schedule"].take())?;
    let backups: Vec<apps::Kept> = decode(value["backups"].take())?;
    let backups = backups.into_iter().filter(|one| wanted(&one.label));
    let rows: Vec<Vec<String>> = backups
        .map(|one| {
            vec![
                one.name,
                table::age(&one.at),
                table::size(one.size_bytes),
                one.release.unwrap_or_default(),
                if one.sealed { "sealed".into() } else { String::new() },
            ]
        })
        .collect();
    say_list(global, &["NAME", "AGE", "SIZE", "RELEASE", ""], &rows)?;
    if let Some(schedule) = schedule.filter(|_| !global.quiet) {
        say(&format!("by itself: {} (UTC), the last {} are kept", schedule.every, schedule.keep))?;
        if let Some(trouble) = schedule.trouble {
            say(&format!("! the last one failed: {trouble}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn schedule(global: &Global, options: &crate::arguments::BackupSchedule) -> Outcome {
    let app = app::name(global)?;
    if let Some(every) = &options.every {
        control::Schedule::parse(every).map_err(|error| {
            Failure::new(Code::Usage, "schedule/form", error.to_string())
                .hint("minute hour day month weekday, in UTC:  shelf backup schedule \"0 3 * * *\"")
        })?;
    } else if !options.off {
        return list(global, |label| label == "schedule").await;
    }
    let body = json!({"every": options.every, "keep": options.keep});
    let client = global.client();
    let path = format!("/v1/apps/{app}/backups/schedule");
    let value = client.json(Method::PUT, &path, Some(&body)).await?;
    if global.json {
        say(&json!({"schema": "shelf/schedule/1", "result": value}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&match &options.every {
        Some(every) => {
            format!(
                "{app} is backed up by itself: {every} (UTC), the last {} are kept",
                options.keep
            )
        }
        None => format!("{app} is no longer backed up by itself; its backups stay"),
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn delete(global: &Global, name: &str, yes: bool) -> Outcome {
    let app = app::name(global)?;
    if !yes {
        return Err(Failure::new(
            Code::Refused,
            "prompt",
            format!("delete the backup {name}? nothing was deleted"),
        )
        .hint(format!("shelf backup delete {name} --yes")));
    }
    let client = global.client();
    client.json(Method::DELETE, &format!("/v1/apps/{app}/backups/{name}"), None).await?;
    say(&format!("{name} is deleted"))?;
    Ok(ExitCode::SUCCESS)
}
