//! What was brought up completely: one ConfigMap for the release that runs, and one for each of the
//! last releases, with the app file they were made from. Where next: `back.rs`, which returns to one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::around::Around;
use crate::live::{Key, Live};
use crate::report::ReleaseReport;
use crate::{Result, Target, apply, live};

/// The ConfigMap's name.
pub(crate) const NAME: &str = "shelf-release";
/// In front of the names of the ConfigMaps that keep past releases. No block has a dot in its name.
const PAST: &str = "shelf-release.";
/// How many releases can be returned to.
const KEPT: usize = 20;

/// A release, as recorded after the go that completed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Release {
    /// The hash of everything that was written.
    pub(crate) release: String,
    /// When it was complete, RFC 3339.
    pub(crate) at: String,
    /// The app's address, if it has one.
    pub(crate) url: Option<String>,
    /// Block to image by digest.
    pub(crate) images: BTreeMap<String, String>,
    /// Block to the hash of what its image was built from.
    pub(crate) sources: BTreeMap<String, String>,
    /// Block to a phrase that says where it comes from.
    pub(crate) from: BTreeMap<String, String>,
    /// The app file it was made from; empty in records of older versions.
    #[serde(default)]
    pub(crate) text: String,
    /// The files that the app file names, by their paths beside it: modules in its folder, and
    /// what it adds to modules.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) beside: BTreeMap<String, String>,
    /// What decided about it beside its file.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub(crate) around: Around,
    /// Wires whose login is in the second slot, by their plain names.
    #[serde(default)]
    pub(crate) second: Vec<String>,
}

fn is_nothing(around: &Around) -> bool {
    *around == Around::default()
}

/// What a release was, beside itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Story {
    /// Who made it, if that is known.
    pub(crate) by: String,
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
    /// What changed, in a few words.
    pub(crate) summary: String,
}

/// Whether an object is a record of this file.
pub(crate) fn is_record(key: &Key) -> bool {
    key.kind == "ConfigMap" && (key.name == NAME || key.name.starts_with(PAST))
}

/// The recorded release, if there is one that can be read.
pub(crate) fn read(live: &Live) -> Option<Release> {
    let key = Key { kind: "ConfigMap".into(), name: NAME.into() };
    let text = live.get(&key)?["data"]["release"].as_str()?;
    serde_json::from_str(text).ok()
}

/// The releases that can be returned to, the newest first; the first is the one that runs.
pub(crate) fn past(live: &Live) -> Vec<(Release, Story)> {
    let read = |(key, object): (&Key, &Value)| {
        let data = &object["data"];
        let release: Release = serde_json::from_str(data["release"].as_str()?).ok()?;
        let story = data["story"].as_str().and_then(|text| serde_json::from_str(text).ok());
        key.name.starts_with(PAST).then(|| (release, story.unwrap_or_default()))
    };
    let mut all: Vec<(Release, Story)> =
        live.iter().filter(|(key, _)| is_record(key)).filter_map(read).collect();
    // Times of RFC 3339 in UTC compare as they are.
    all.sort_by(|one, other| other.0.at.cmp(&one.0.at));
    all
}

/// The releases of an app, the newest first.
///
/// # Errors
/// The target does not answer.
pub async fn releases(target: &Target, app: &str) -> Result<Vec<ReleaseReport>> {
    let live = live::list(target, app).await?;
    let report = |(release, story): (Release, Story)| ReleaseReport {
        release: release.release,
        at: release.at,
        by: story.by,
        seconds: story.seconds,
        url: release.url,
        summary: story.summary,
        text: release.text,
    };
    Ok(past(&live).into_iter().map(report).collect())
}

/// Records a release, and forgets the oldest ones.
pub(crate) async fn write(
    target: &Target,
    app: &str,
    live: &Live,
    release: &Release,
    story: &Story,
) -> Result<()> {
    let text = serde_json::to_string_pretty(release).unwrap_or_default();
    let own = format!("{PAST}{}", release.release);
    // One that nothing had to change for keeps the story of how it came about.
    let earlier = past(live).into_iter().find(|(old, _)| old.release == release.release);
    let story = match &earlier {
        Some((_, earlier)) if story.summary.is_empty() => earlier,
        _ => story,
    };
    let story = serde_json::to_string(story).unwrap_or_default();
    apply::apply(target, app, &record(app, &own, json!({ "release": text, "story": story })))
        .await?;
    apply::apply(target, app, &record(app, NAME, json!({ "release": text }))).await?;
    let other = |(old, _): &(Release, Story)| old.release != release.release;
    for (old, _) in past(live).into_iter().filter(other).skip(KEPT - 1) {
        let key = Key { kind: "ConfigMap".into(), name: format!("{PAST}{}", old.release) };
        apply::delete(target, app, &key).await?;
    }
    Ok(())
}

fn record(app: &str, name: &str, data: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": app,
            "labels": {
                "app.kubernetes.io/name": NAME,
                "app.kubernetes.io/part-of": app,
                "app.kubernetes.io/managed-by": "shelf",
            },
        },
        "data": data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(name: &str, at: &str) -> (Key, Value) {
        let release = Release {
            release: name.into(),
            at: at.into(),
            url: None,
            images: BTreeMap::new(),
            sources: BTreeMap::new(),
            from: BTreeMap::new(),
            beside: BTreeMap::new(),
            text: "app = \"x\"".into(),
            around: Around::default(),
            second: Vec::new(),
        };
        let key = Key { kind: "ConfigMap".into(), name: format!("{PAST}{name}") };
        let text = serde_json::to_string(&release).unwrap();
        (key, json!({ "data": { "release": text } }))
    }

    #[test]
    fn the_newest_release_comes_first_and_strangers_are_not_read() {
        let mut live = Live::from([
            release("a", "2026-01-01T00:00:00Z"),
            release("b", "2026-03-01T00:00:00Z"),
            release("c", "2026-02-01T00:00:00Z"),
        ]);
        let odd = Key { kind: "ConfigMap".into(), name: "shelf-release.odd".into() };
        live.insert(odd, json!({ "data": { "release": "{" } }));
        let names: Vec<String> = past(&live).into_iter().map(|(one, _)| one.release).collect();
        assert_eq!(names, ["b", "c", "a"]);
        assert!(is_record(&Key { kind: "ConfigMap".into(), name: NAME.into() }));
        assert!(!is_record(&Key { kind: "ConfigMap".into(), name: "shelf-release-x".into() }));
    }
}
