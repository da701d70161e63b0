//! `rotate`: a new login for a wire, without a moment in which neither works.
//!
//! A wire has two places for a login. The new one is made in the free place, the consumers are
//! rolled over to it, and only then is the old one taken away: so a consumer with one copy works
//! throughout as well. Passwords are in Secrets only. Where next: `composer`'s `Turn`, which says
//! what a turn becomes, and `go.rs`.

use composer::{Facts, Turn};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use composer::graph::{Slot, Wire};

use crate::event::{Event, Events};
use crate::go::{self, GoOptions, Settled};
use crate::images::Built;
use crate::live::Key;
use crate::progress::Clock;
use crate::release::{self, Release};
use crate::{Error, Result, Target, apply, back, changes, live, load};

/// The result of `rotate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateReport {
    /// The app.
    pub app: String,
    /// The wire, `block.socket`.
    pub wire: String,
    /// The block that gives the login.
    pub provider: String,
    /// The Secret with the new login.
    pub secret: String,
}

/// A secret of an app, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretReport {
    /// The Secret.
    pub name: String,
    /// The wire whose login it is, `block.socket`, if it is one.
    pub wire: Option<String>,
    /// The block whose disk it was born with, if it was.
    pub keep_with: Option<String>,
    /// The names of its values.
    pub keys: Vec<String>,
    /// When it was made, RFC 3339.
    pub since: Option<String>,
}

/// The secrets of an app: names, never values.
///
/// # Errors
/// There is no such app, or the target does not answer.
pub async fn secret_list(target: &Target, app: &str) -> Result<Vec<SecretReport>> {
    let live = live::list(target, app).await?;
    if live.is_empty() {
        return Err(Error::Absent(app.to_owned()));
    }
    let report = |(key, object): (&Key, &Value)| SecretReport {
        name: key.name.clone(),
        wire: changes::annotation(object, "shelf.dev/wire").map(str::to_owned),
        keep_with: changes::annotation(object, "shelf.dev/keep-with").map(str::to_owned),
        keys: object["data"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key.clone())
            .collect(),
        since: object["metadata"]["creationTimestamp"].as_str().map(str::to_owned),
    };
    Ok(live.iter().filter(|(key, _)| key.kind == "Secret").map(report).collect())
}

/// Where the logins of an app's wires are, as its last release left them.
pub(crate) fn stay(facts: Facts, recorded: Option<&Release>) -> Facts {
    let second = recorded.map(|one| one.second.as_slice()).unwrap_or_default();
    let turns = second.iter().map(|wire| (wire.clone(), Turn::In(Slot::B))).collect();
    Facts { turns, ..facts }
}

/// The wires whose login is in the second slot.
pub(crate) fn second(facts: &Facts) -> Vec<String> {
    let second = |turn: &Turn| matches!(turn, Turn::In(Slot::B) | Turn::To(Slot::B));
    facts.turns.iter().filter(|(_, turn)| second(turn)).map(|(wire, _)| wire.clone()).collect()
}

/// Gives a wire a new login and takes the old one away.
///
/// # Errors
/// There is no such wire, its provider has no second login, its program fails, or the consumers
/// do not come up with the new login: then they have the old one, which still works.
pub async fn rotate(
    target: &Target,
    app: &str,
    wire: &str,
    by: &str,
    events: Events<'_>,
) -> Result<RotateReport> {
    let live = live::list(target, app).await?;
    let Some(release) = release::read(&live).filter(|one| !one.text.is_empty()) else {
        return Err(Error::Absent(app.to_owned()));
    };
    let loaded = load::of_release(&release)?;
    let wire = find(&loaded.graph.wires, app, wire)?;
    let plain = wire.plain_name();
    let from = if release.second.contains(&plain) { Slot::B } else { Slot::A };
    let settle = async |turn: Turn, events: Events<'_>| {
        let built = Built { images: back::still_there(target, &release), ..Built::default() };
        let settled = Settled {
            turn: Some((plain.clone(), turn)),
            record: matches!(turn, Turn::In(_)),
            ..Settled::new(&loaded, built, release.sources.clone())
        };
        let options = GoOptions { snapshot: false, by: by.to_owned(), ..GoOptions::default() };
        go::settle(target, settled, &options, &Clock::start(), events).await
    };
    if let Err(error) = settle(Turn::To(from.other()), events).await {
        events(Event::Note { text: "the old login still works; back to it".into() });
        settle(Turn::In(from), events).await?;
        return Err(error);
    }
    settle(Turn::In(from.other()), events).await?;
    // With its Secret the old password is gone everywhere; the next turn makes another.
    let name = |slot: Slot| {
        let mut there = wire.clone();
        there.slot = slot;
        there.secret_name()
    };
    let old = Key { kind: "Secret".into(), name: name(from) };
    apply::delete(target, app, &old).await?;
    Ok(RotateReport {
        app: app.to_owned(),
        wire: wire.end(),
        provider: wire.provider.clone(),
        secret: name(from.other()),
    })
}

fn find<'a>(wires: &'a [Wire], app: &str, name: &str) -> Result<&'a Wire> {
    let Some(wire) = wires.iter().find(|one| one.end() == name || one.plain_name() == name) else {
        let known: Vec<String> = wires.iter().filter(|one| one.rotates()).map(Wire::end).collect();
        return Err(Error::Data {
            code: "wire/absent",
            message: format!("{app} has no wire {name}"),
            hint: Some(format!("those that can be rotated: {}", known.join(", "))),
        });
    };
    if !wire.rotates() {
        return Err(Error::Data {
            code: "wire/slots",
            message: format!(
                "{name} cannot be rotated: {} of {} gives no second login",
                wire.offer.interface, wire.provider
            ),
            hint: None,
        });
    }
    Ok(wire)
}
