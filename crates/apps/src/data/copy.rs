//! `copy`: an app with its data once more, under another name. Where next: `restore.rs`.

use serde::{Deserialize, Serialize};

use super::backup::{self, BackupOptions};
use super::restore::{self, From, RestoreOptions};
use super::store;
use crate::event::Events;
use crate::progress::Clock;
use crate::{Result, Target};

/// The result of `copy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CopyReport {
    /// The new app.
    pub app: String,
    /// Its address, if it has one.
    pub url: Option<String>,
    /// What each block was given, in bytes.
    pub parts: Vec<(String, u64)>,
    /// Blocks that hold data and began empty, and why.
    pub left_out: Vec<super::LeftOut>,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// Copies a running app with its data into a new one.
///
/// # Errors
/// As `backup` and `restore`.
pub async fn copy(
    target: &Target,
    app: &str,
    new: &str,
    by: &str,
    events: Events<'_>,
) -> Result<CopyReport> {
    let clock = Clock::start();
    let options = BackupOptions { label: "copy".into(), ..BackupOptions::default() };
    let made = backup::backup(target, app, &options, events).await?;
    let from = From::Kept(app.to_owned(), made.name.clone());
    let options = RestoreOptions {
        into: Some(new.to_owned()),
        by: by.to_owned(),
        ..RestoreOptions::default()
    };
    let restored = restore::restore(target, &from, &options, events).await;
    store::forget(target, app, &made.name)?;
    let restored = restored?;
    Ok(CopyReport {
        app: restored.app,
        url: restored.url,
        parts: restored.parts,
        left_out: made.left_out,
        seconds: clock.seconds(),
    })
}
