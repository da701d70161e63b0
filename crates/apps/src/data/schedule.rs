//! Backups made by themselves: when, and how many are kept. One small file per app.
//!
//! The clock is not here: whoever runs the server asks what is set and calls when it is due.

use std::sync::{Mutex, PoisonError};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::store;
use crate::{Error, Result, Target};

/// The label of scheduled backups.
const LABEL: &str = "schedule";
const FILE: &str = "schedule.json";
/// One writer at a time: what was ended does not come back with the note that a backup was made.
static WRITING: Mutex<()> = Mutex::new(());

/// Schedules that have a name instead of five fields.
const NAMED: [&str; 7] =
    ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// When an app is backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Five fields as cron has them, in UTC.
    pub every: String,
    /// How many scheduled backups are kept.
    pub keep: usize,
    /// When the last one was made or tried, RFC 3339; before that, when this was set.
    pub last: String,
    /// What went wrong with the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// The schedule of an app, if it has one.
///
/// # Errors
/// Its file cannot be read.
pub fn schedule(target: &Target, app: &str) -> Result<Option<Schedule>> {
    let path = store::folder(target, app)?.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::File {
            what: format!("read {}", path.display()),
            source: std::io::Error::other(error),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::File { what: format!("read {}", path.display()), source }),
    }
}

/// Every schedule that is set, by app.
///
/// # Errors
/// The folder of backups cannot be read.
pub fn schedules(target: &Target) -> Result<Vec<(String, Schedule)>> {
    let folder = target.kept().join("backups");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::File { what: "read the backups".into(), source }),
    };
    let mut all = Vec::new();
    for entry in entries.flatten() {
        let app = entry.file_name().to_string_lossy().into_owned();
        match schedule(target, &app) {
            Ok(Some(schedule)) => all.push((app, schedule)),
            Ok(None) => {}
            // One that cannot be read keeps no other from being made.
            Err(error) => tracing::warn!(%error, app, "no backup is made by itself"),
        }
    }
    Ok(all)
}

/// Sets or ends the schedule of an app.
///
/// # Errors
/// It is none that cron could have, or its file cannot be written.
pub fn set_schedule(target: &Target, app: &str, schedule: Option<&Schedule>) -> Result<()> {
    if let Some(Schedule { every, .. }) = schedule
        && every.split_whitespace().count() != 5
        && !NAMED.contains(&every.as_str())
    {
        return Err(Error::Data {
            code: "schedule/form",
            message: format!("{every:?} is no schedule"),
            hint: Some("minute hour day month weekday, in UTC, such as 0 3 * * *".into()),
        });
    }
    let _one = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    write(target, app, schedule)
}

fn write(target: &Target, app: &str, schedule: Option<&Schedule>) -> Result<()> {
    let path = store::folder(target, app)?.join(FILE);
    let Some(schedule) = schedule else {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::File { what: format!("delete {}", path.display()), source: error })
            }
            _ => Ok(()),
        };
    };
    let text = serde_json::to_vec_pretty(schedule).unwrap_or_default();
    store::write(&path, &text)
}

/// Notes that a scheduled backup was made or failed, and forgets the oldest.
///
/// # Errors
/// The files cannot be written or deleted.
pub fn was_made(target: &Target, app: &str, trouble: Option<String>) -> Result<()> {
    let one = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(schedule) = schedule(target, app)? else { return Ok(()) };
    let last = jiff::Timestamp::now().to_string();
    let schedule = Schedule { last, trouble, ..schedule };
    write(target, app, Some(&schedule))?;
    drop(one);
    store::prune(target, app, LABEL, schedule.keep)
}
