//! The last go taken back: what that would mean, and doing it.
//!
//! Without data it is the release before once more; with data it is the snapshot that was made when
//! that release was left, restored with its code. Where next: `snapshot.rs`, `../back.rs`.

use serde::{Deserialize, Serialize};

use super::archive::{LeftOut, What};
use super::restore::{self, From, RestoreOptions};
use super::snapshot::LABEL;
use super::store::{self, Kept};
use super::unpack::Opened;
use crate::back::{self, BackOptions};
use crate::event::Events;
use crate::live::Live;
use crate::release::{self, Release, Story};
use crate::{Error, Result, Target, live, plan};

/// A release, in a few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The release.
    pub release: String,
    /// When it was complete, RFC 3339.
    pub at: String,
    /// Who made it.
    pub by: String,
    /// What it changed.
    pub summary: String,
}

impl Moment {
    fn of((release, story): &(Release, Story)) -> Self {
        Self {
            release: release.release.clone(),
            at: release.at.clone(),
            by: story.by.clone(),
            summary: story.summary.clone(),
        }
    }
}

/// The data that would come back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UndoData {
    /// The snapshot's name, for `restore`.
    pub snapshot: String,
    /// When it was begun, RFC 3339: what was written after that is lost.
    pub at: String,
    /// Block and bytes.
    pub parts: Vec<(String, u64)>,
    /// Blocks whose data stays as it is now, and why.
    pub left_out: Vec<LeftOut>,
}

/// What taking back the last go would mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UndoPlan {
    /// The app.
    pub app: String,
    /// The release that runs and would go.
    pub running: Moment,
    /// The release that would run again.
    pub before: Moment,
    /// What that changes, as `plan` says it.
    pub lines: Vec<String>,
    /// The data that could come back with it, if a snapshot of that moment is there.
    pub data: Option<UndoData>,
}

/// How the last go is taken back.
#[derive(Debug, Clone, Default)]
pub struct UndoOptions {
    /// Brings the data of the snapshot back as well.
    pub data: bool,
    /// The release that must be running, or nothing is done.
    pub expect: Option<String>,
    /// Who says so; kept with the release.
    pub by: String,
}

/// The result of `undo --go`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UndoReport {
    /// The app.
    pub app: String,
    /// The release that runs now.
    pub release: String,
    /// The release that was taken back.
    pub undone: String,
    /// What each block was given, in bytes; empty if its data stayed.
    pub parts: Vec<(String, u64)>,
    /// The backup of the data that was replaced.
    pub kept: Option<String>,
    /// The app's address, if it has one.
    pub url: Option<String>,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// Says what taking back the last go would mean, and changes nothing.
///
/// # Errors
/// There is no such app, no release before the running one, or its snapshot is damaged.
pub async fn undo_plan(target: &Target, app: &str) -> Result<UndoPlan> {
    let live = found(target, app).await?;
    let (running, before) = pair(app, &live)?;
    let plan = plan::plan_back(target, &before.0).await?;
    let data = match snapshot(target, app, &running, &before)? {
        Some(kept) => Some(contents(target, app, kept).await?),
        None => None,
    };
    Ok(UndoPlan {
        app: app.to_owned(),
        running: Moment::of(&running),
        before: Moment::of(&before),
        lines: plan.lines,
        data,
    })
}

/// Takes the last go back: its code and wiring, and with `data` the rows and secrets too.
///
/// # Errors
/// There is no release before, another one runs than was expected, or data is wanted and no
/// snapshot was made when that release was left.
pub async fn undo_go(
    target: &Target,
    app: &str,
    options: &UndoOptions,
    events: Events<'_>,
) -> Result<UndoReport> {
    let live = found(target, app).await?;
    let (running, before) = pair(app, &live)?;
    let undone = running.0.release.clone();
    if options.expect.as_ref().is_some_and(|expected| *expected != undone) {
        return Err(Error::Data {
            code: "undo/stale",
            message: format!("release {undone} runs now; nothing was taken back"),
            hint: Some("look again:  shelf undo --go --dry-run".into()),
        });
    }
    if !options.data {
        let going = BackOptions {
            to: Some(before.0.release.clone()),
            by: options.by.clone(),
            ..BackOptions::default()
        };
        let done = back::return_to(target, &before.0, &going, events).await?;
        return Ok(UndoReport {
            app: done.app,
            release: done.release,
            undone,
            parts: Vec::new(),
            kept: None,
            url: done.url,
            seconds: done.seconds,
        });
    }
    let Some(kept) = snapshot(target, app, &running, &before)? else {
        return Err(Error::Data {
            code: "undo/snapshot",
            message: format!(
                "no snapshot was made when release {} was left: that go touched no data, or its snapshot is not kept any more",
                before.0.release
            ),
            hint: Some(
                "code and wiring alone:  shelf undo --go        a backup:  shelf restore NAME"
                    .into(),
            ),
        });
    };
    let restoring =
        RestoreOptions { with_code: true, by: options.by.clone(), ..RestoreOptions::default() };
    let from = From::Kept(app.to_owned(), kept.name);
    let done = restore::restore(target, &from, &restoring, events).await?;
    Ok(UndoReport {
        app: done.app,
        release: done.release,
        undone,
        parts: done.parts,
        kept: done.kept,
        url: done.url,
        seconds: done.seconds,
    })
}

async fn found(target: &Target, app: &str) -> Result<Live> {
    let live = live::list(target, app).await?;
    if live.is_empty() { Err(Error::Absent(app.to_owned())) } else { Ok(live) }
}

/// The release that runs, and the one before it.
fn pair(app: &str, live: &Live) -> Result<((Release, Story), (Release, Story))> {
    let before = back::choose(app, live, None)?;
    let mut past = release::past(live);
    let mut take = |name: &str| {
        let place = past.iter().position(|(one, _)| one.release == name)?;
        Some(past.swap_remove(place))
    };
    let running = release::read(live).ok_or_else(|| Error::Absent(app.to_owned()))?;
    let running = take(&running.release).unwrap_or((running, Story::default()));
    let before = take(&before.release).unwrap_or((before, Story::default()));
    Ok((running, before))
}

/// The snapshot made when `before` was left for `running`.
fn snapshot(
    target: &Target,
    app: &str,
    running: &(Release, Story),
    before: &(Release, Story),
) -> Result<Option<Kept>> {
    Ok(store::backups(target, app)?.into_iter().find(|one| {
        one.label == LABEL
            && one.release.as_ref() == Some(&before.0.release)
            && one.before.as_ref() == Some(&running.0.release)
    }))
}

/// What is in a snapshot, verified.
async fn contents(target: &Target, app: &str, kept: Kept) -> Result<UndoData> {
    let path = store::backup_file(target, app, &kept.name)?;
    let opening = tokio::task::spawn_blocking(move || Opened::open(&path, None));
    let opened = opening
        .await
        .map_err(|source| Error::Task { what: "reading a snapshot".into(), source })?;
    let opened = opened.map_err(|source| Error::Backup { name: kept.name.clone(), source })?;
    let parts = opened.manifest.parts.iter().filter_map(|part| match &part.what {
        What::Program { block, .. } | What::Files { block, .. } => {
            Some((block.clone(), part.bytes))
        }
        _ => None,
    });
    Ok(UndoData {
        snapshot: kept.name,
        at: kept.at,
        parts: parts.collect(),
        left_out: opened.manifest.left_out,
    })
}
