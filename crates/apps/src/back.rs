//! `back`: an earlier release once more, with its app file and its images.
//!
//! Nothing is built from source: the images of a release stay in the store, and the app file is
//! kept with it. Where next: `release.rs`, which keeps them, and `go.rs`, which settles the app.

use std::time::Duration;

use composer::Images;
use composer::graph::From;

use crate::event::{Event, Events};
use crate::go::{self, GoOptions, Settled};
use crate::progress::Clock;
use crate::release::{self, Release};
use crate::report::GoReport;
use crate::{Error, Result, Target, images, live, load};

/// Which release is returned to.
#[derive(Debug, Clone)]
pub struct BackOptions {
    /// The release, or its first letters; the one before the running one if absent.
    pub to: Option<String>,
    /// How long copies may take to become ready.
    pub timeout: Duration,
    /// Who says so; kept with the release.
    pub by: String,
}

impl Default for BackOptions {
    fn default() -> Self {
        Self { to: None, timeout: Duration::from_secs(600), by: String::new() }
    }
}

/// Makes an earlier release the one that runs. Data and passwords stay as they are.
///
/// # Errors
/// There is no such app or release, one of its images is gone, or its copies do not come up.
pub async fn back(
    target: &Target,
    app: &str,
    options: &BackOptions,
    events: Events<'_>,
) -> Result<GoReport> {
    let live = live::list(target, app).await?;
    if live.is_empty() {
        return Err(Error::Absent(app.to_owned()));
    }
    let release = choose(app, &live, options.to.as_deref())?;
    return_to(target, &release, options, events).await
}

/// The release meant by its first letters, or the one before the running one.
pub(crate) fn choose(app: &str, live: &live::Live, to: Option<&str>) -> Result<Release> {
    let past: Vec<Release> = release::past(live).into_iter().map(|(one, _)| one).collect();
    let running = release::read(live).map(|one| one.release);
    let fits = |one: &&Release| match to {
        Some(to) => !to.is_empty() && one.release.starts_with(to),
        None => Some(&one.release) != running.as_ref(),
    };
    let found = past.iter().find(fits).cloned();
    found.filter(|one| !one.text.is_empty()).ok_or_else(|| Error::NoRelease {
        app: app.to_owned(),
        wanted: to.map_or_else(|| "before the running one".to_owned(), str::to_owned),
        known: past.into_iter().map(|one| one.release).collect(),
    })
}

/// Settles the app as `release` was.
pub(crate) async fn return_to(
    target: &Target,
    release: &Release,
    options: &BackOptions,
    events: Events<'_>,
) -> Result<GoReport> {
    let clock = Clock::start();
    let loaded = load::of_release(release)?;
    events(Event::Note { text: format!("back to release {} of {}", release.release, release.at) });
    let known = still_there(target, release);
    for one in loaded.graph.builds() {
        if matches!(one.from, From::Source { .. }) && !known.contains_key(&one.block) {
            return Err(Error::ImageGone { block: one.block, release: release.release.clone() });
        }
    }
    let built = images::build_missing(target, &loaded, known, false, &clock, events).await?;
    let settled = Settled::new(&loaded, built, release.sources.clone());
    let options = GoOptions {
        timeout: options.timeout,
        by: options.by.clone(),
        snapshot: false,
        ..GoOptions::default()
    };
    go::settle(target, settled, &options, &clock, events).await
}

/// The images of a release that the store still has.
pub(crate) fn still_there(target: &Target, release: &Release) -> Images {
    let there = |image: &str| {
        // What nobody builds is fetched by its digest where it is missing.
        if !images::is_ours(image) {
            return image.contains('@');
        }
        let digest = image.split_once('@').map_or(image, |(_, digest)| digest);
        matches!(target.images.find(digest), Ok(Some(_)))
    };
    let kept = release.images.iter().filter(|(_, image)| there(image));
    kept.map(|(block, image)| (block.clone(), image.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{Key, Live};
    use serde_json::json;

    fn record(name: &str, release: &str, at: &str) -> (Key, serde_json::Value) {
        let text = json!({
            "release": release, "at": at, "url": null, "images": {}, "sources": {}, "from": {},
            "text": "app = \"x\"",
        });
        let key = Key { kind: "ConfigMap".into(), name: name.into() };
        (key, json!({ "data": { "release": text.to_string() } }))
    }

    #[test]
    fn back_and_back_again_changes_between_two_releases() {
        let mut live = Live::from([
            record("shelf-release", "bbb", "2026-01-02T00:00:00Z"),
            record("shelf-release.aaa", "aaa", "2026-01-01T00:00:00Z"),
            record("shelf-release.bbb", "bbb", "2026-01-02T00:00:00Z"),
        ]);
        assert_eq!(choose("x", &live, None).unwrap().release, "aaa");
        assert_eq!(choose("x", &live, Some("bb")).unwrap().release, "bbb");
        assert!(matches!(choose("x", &live, Some("c")), Err(Error::NoRelease { .. })));
        live.extend([
            record("shelf-release", "aaa", "2026-01-03T00:00:00Z"),
            record("shelf-release.aaa", "aaa", "2026-01-03T00:00:00Z"),
        ]);
        assert_eq!(choose("x", &live, None).unwrap().release, "bbb");
        assert!(choose("x", &Live::new(), None).is_err(), "nothing was released yet");
    }
}
