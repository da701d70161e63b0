//! A rehearsal: a backup of the block restored into a throwaway app of the version that runs,
//! upgraded there as the app would be, every wire probed, the data said once more, and all of it
//! taken away again. The app itself goes on undisturbed.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::stage::Stage;
use crate::data::{self, BackupOptions, RestoreOptions, StandIn};
use crate::destroy::{self, DestroyOptions};
use crate::event::{Event, Events, WireState};
use crate::go::{self, GoOptions, Settled};
use crate::live::{self, Key};
use crate::progress::Clock;
use crate::{Error, Result, Target, apply, images, load, release};

/// On the namespace of a throwaway app: the app it is a rehearsal of.
const MARK: &str = "shelf.dev/rehearsal-of";
const LABEL: &str = "rehearsal";

/// A wire of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// `block.socket`.
    pub wire: String,
    /// Whether the new version answered its probe, with the wire's own login.
    pub answered: bool,
}

/// What a rehearsal said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// The block.
    pub block: String,
    /// What runs, such as `postgres 15.1.0`.
    pub from: String,
    /// The version that was tried.
    pub to: String,
    /// Whether everything went well.
    pub good: bool,
    /// Seconds from the first new object until every copy was ready: what the app would be without
    /// the block, at most.
    pub seconds: f64,
    /// Seconds for the whole rehearsal.
    pub all_seconds: f64,
    /// What the blocks said of their data before, in bytes.
    pub bytes_before: u64,
    /// What they said of it afterwards; the form of two versions may differ.
    pub bytes_after: Option<u64>,
    /// Its wires.
    pub wires: Vec<Tried>,
    /// What went wrong, with the last lines.
    pub error: Option<String>,
}

/// Rehearses; the app is not changed, whatever happens.
pub(super) async fn rehearse(
    target: &Target,
    stage: &Stage,
    events: Events<'_>,
) -> Result<Rehearsal> {
    let clock = Clock::start();
    let mut rehearsal = Rehearsal {
        block: stage.block.clone(),
        from: stage.from.clone(),
        to: stage.to.clone(),
        good: false,
        seconds: 0.0,
        all_seconds: 0.0,
        bytes_before: 0,
        bytes_after: None,
        wires: Vec::new(),
        error: None,
    };
    // What does not even fit is not worth a copy.
    if let Err(error) = load::of_release(&stage.after) {
        rehearsal.error = Some(error.report().rendered.trim_end().to_owned());
        rehearsal.all_seconds = clock.seconds();
        return Ok(rehearsal);
    }
    sweep(target, stage, events).await?;
    note(events, format!("rehearsal of {} {} on a copy of its data", stage.block, stage.to));
    let options = BackupOptions {
        label: LABEL.into(),
        only: Some(stage.real.clone()),
        ..BackupOptions::default()
    };
    let made = data::backup(target, &stage.of, &options, events).await?;
    rehearsal.bytes_before = made.parts.iter().map(|(_, bytes)| bytes).sum();
    let played = play(target, stage, &made.name, &mut rehearsal, events).await;
    note(events, "the rehearsal is taken away".to_owned());
    let swept = sweep(target, stage, events).await;
    if let Err(error) = played {
        rehearsal.error = Some(error.report().rendered.trim_end().to_owned());
    }
    swept?;
    rehearsal.good = rehearsal.error.is_none();
    rehearsal.all_seconds = clock.seconds();
    Ok(rehearsal)
}

fn note(events: Events<'_>, text: String) {
    events(Event::Note { text });
}

/// From the empty throwaway app to the upgraded one.
async fn play(
    target: &Target,
    stage: &Stage,
    backup: &str,
    rehearsal: &mut Rehearsal,
    events: Events<'_>,
) -> Result<()> {
    mark(target, stage).await?;
    let restoring = RestoreOptions {
        into: Some(stage.app.clone()),
        by: LABEL.into(),
        ..RestoreOptions::default()
    };
    let from = data::From::Kept(stage.of.clone(), backup.to_owned());
    let other = StandIn {
        text: stage.before.clone(),
        images: stage.images.clone(),
        sources: std::collections::BTreeMap::new(),
        around: None,
    };
    data::restore_in(target, &from, &restoring, Some(&other), events).await?;
    let live = live::list(target, &stage.app).await?;
    let mut known = release::read(&live).map(|one| one.images).unwrap_or_default();
    known.remove(&stage.block);
    let loaded = load::of_release(&stage.after)?;
    let clock = Clock::start();
    let built = images::build_missing(target, &loaded, known, false, &clock, events).await?;
    note(events, format!("{} becomes {} there", stage.block, stage.to));
    let settled = Settled::new(&loaded, built, std::collections::BTreeMap::new());
    let options = GoOptions { snapshot: false, by: LABEL.into(), ..GoOptions::default() };
    let mut answered = Vec::new();
    let clock = Clock::start();
    let done = go::settle(target, settled, &options, &clock, &mut |event| {
        if let Event::Wire { consumer, state: WireState::Probed, .. } = &event {
            answered.push(consumer.clone());
        }
        events(event);
    })
    .await;
    rehearsal.seconds = clock.seconds();
    let tried = |wire: &String| Tried { answered: answered.contains(wire), wire: wire.clone() };
    rehearsal.wires = stage.wires.iter().map(tried).collect();
    done?;
    if let Some(silent) = rehearsal.wires.iter().find(|one| !one.answered) {
        return Err(Error::Data {
            code: "upgrade/probe",
            message: format!("{} was not probed against {}", silent.wire, stage.to),
            hint: None,
        });
    }
    // That it can say its data is what the next backup, and the way back, depend on.
    let options = BackupOptions {
        label: LABEL.into(),
        only: Some(vec![stage.block.clone()]),
        ..BackupOptions::default()
    };
    let made = data::backup(target, &stage.app, &options, events).await?;
    rehearsal.bytes_after = Some(made.parts.iter().map(|(_, bytes)| bytes).sum());
    Ok(())
}

/// Makes the namespace, so that what is in it is known to be a rehearsal's from the first moment.
async fn mark(target: &Target, stage: &Stage) -> Result<()> {
    let key = Key { kind: "Namespace".into(), name: stage.app.clone() };
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": stage.app, "labels": {
            "app.kubernetes.io/managed-by": "shelf",
            "app.kubernetes.io/part-of": stage.app,
        } },
    });
    apply::apply(target, &stage.app, &namespace).await?;
    let mark = json!({ "metadata": { "annotations": { MARK: stage.of } } });
    apply::merge(target, &stage.app, &key, &mark).await.map(|_| ())
}

/// Takes away what a rehearsal made, or what one that was cut off left behind.
async fn sweep(target: &Target, stage: &Stage, events: Events<'_>) -> Result<()> {
    let live = live::list(target, &stage.app).await?;
    if !live.is_empty() {
        let key = Key { kind: "Namespace".into(), name: stage.app.clone() };
        let of = live.get(&key).and_then(|one| one["metadata"]["annotations"][MARK].as_str());
        if of != Some(stage.of.as_str()) {
            return Err(Error::Data {
                code: "upgrade/taken",
                message: format!("there is an app {} that is no rehearsal", stage.app),
                hint: Some("it has the name a rehearsal needs; nothing was changed".into()),
            });
        }
        let options = DestroyOptions { data: true, ..DestroyOptions::default() };
        destroy::destroy(target, &stage.app, &options, &mut |_| ()).await?;
    }
    data::forget_but(target, &stage.of, LABEL, 0)?;
    data::forget_all(target, &stage.app)?;
    let prefix = stage.image_prefix();
    let failed = |source| Error::Image { what: "look at the images of a rehearsal".into(), source };
    for image in target.images.list().map_err(failed)? {
        for name in image.names.iter().filter(|name| name.starts_with(&prefix)) {
            if let Err(error) = target.images.remove(name) {
                note(events, format!("! the image {name} stays: {error}"));
            }
        }
    }
    Ok(())
}
