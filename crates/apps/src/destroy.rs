//! `destroy`: takes an app away. Disks and the secrets born with them stay unless their loss is
//! asked for by name.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::ResourceExt;
use kube::api::{DynamicObject, ListParams};

use tokio::time::Instant;

use crate::changes;
use crate::event::{BlockState, Event, Events};
use crate::live::{self, Key, Live};
use crate::observe::{Observer, Verdict, Waited};
use crate::progress::Clock;
use crate::report::DestroyReport;
use crate::{Error, Result, Target, apply, revoke};

/// How much is taken away.
#[derive(Debug, Clone)]
pub struct DestroyOptions {
    /// Deletes disks and passwords as well. The caller has asked for confirmation.
    pub data: bool,
    /// How long copies may take to end.
    pub timeout: Duration,
}

impl Default for DestroyOptions {
    fn default() -> Self {
        Self { data: false, timeout: Duration::from_secs(180) }
    }
}

/// Takes an app away.
///
/// # Errors
/// There is no such app, or its copies did not end in time.
pub async fn destroy(
    target: &Target,
    app: &str,
    options: &DestroyOptions,
    events: Events<'_>,
) -> Result<DestroyReport> {
    let clock = Clock::start();
    let live = live::list(target, app).await?;
    if live.is_empty() {
        return Err(Error::Absent(app.to_owned()));
    }
    let users = users(target, app).await?;
    for user in &users {
        let text = format!("! {user} uses {app}: its wires have nobody at their other end now");
        events(Event::Note { text });
    }
    // A namespace that an admin gave is the admin's to take.
    let ours = target.cluster.as_ref().is_none_or(|cluster| cluster.survey.makes_namespaces);
    let given = |key: &Key| key.kind == "Namespace" && !ours;
    let (deleted, kept): (Vec<&Key>, Vec<&Key>) =
        live.keys().partition(|key| !given(key) && (options.data || !keeps_data(key, &live)));
    let gone = |key: &Key| deleted.contains(&key);
    revoke::revoke(target, app, &live, gone, events).await;
    for kind in live::deletion_order() {
        for key in deleted.iter().filter(|key| key.kind == kind) {
            apply::delete(target, app, key).await?;
        }
    }
    wait_for_pods(target, app, options.timeout).await?;
    for key in deleted.iter().filter(|key| key.kind == "Namespace") {
        // Last, and waited for: what is in it must be gone before the name can be used again.
        let gone = apply::delete_and_wait(target, app, key);
        match tokio::time::timeout(options.timeout, gone).await {
            Ok(result) => result?,
            Err(_) => return Err(too_long(options.timeout, format!("the end of {key}"))),
        }
    }
    let mut blocks: Vec<&String> = live.values().filter_map(changes::component).collect();
    blocks.sort();
    blocks.dedup();
    for block in blocks {
        let detail = if options.data { "with its data" } else { "its disks stay" };
        events(clock.block(block, BlockState::Removed, detail));
    }
    events(Event::Done { url: None, seconds: clock.seconds() });
    let text = |keys: Vec<&Key>| keys.iter().map(ToString::to_string).collect();
    let kept = kept.into_iter().filter(|key| key.kind != "Namespace").collect();
    Ok(DestroyReport { app: app.to_owned(), deleted: text(deleted), kept: text(kept), users })
}

/// The other apps whose wires end here: what those made in this namespace carries their name.
async fn users(target: &Target, app: &str) -> Result<Vec<String>> {
    let others = format!("app.kubernetes.io/managed-by=shelf,app.kubernetes.io/part-of!={app}");
    let mut users = BTreeSet::new();
    for kind in ["NetworkPolicy", "Secret"] {
        let list = live::door(target, app, kind).list(&ListParams::default().labels(&others)).await;
        let list = list.map_err(Error::api(format!("list who uses {app}")))?;
        let part_of = |one: &DynamicObject| one.labels().get("app.kubernetes.io/part-of").cloned();
        users.extend(list.items.iter().filter_map(part_of));
    }
    Ok(users.into_iter().collect())
}

/// Disks, secrets that were born with a disk, and the namespace that holds them.
fn keeps_data(key: &Key, live: &Live) -> bool {
    let disks = || live.keys().any(|other| other.kind == "PersistentVolumeClaim");
    match key.kind.as_str() {
        "PersistentVolumeClaim" => true,
        "Secret" => {
            let kept =
                live.get(key).and_then(|one| changes::annotation(one, "shelf.dev/keep-with"));
            kept.is_some() && disks()
        }
        "Namespace" => disks(),
        _ => false,
    }
}

async fn wait_for_pods(target: &Target, app: &str, timeout: Duration) -> Result<()> {
    let mut observer = Observer::start(target, app).await?;
    let waited = observer
        .until(Instant::now() + timeout, |world| {
            let left: Vec<&str> = world.pods.keys().map(String::as_str).collect();
            Ok(match left.is_empty() {
                true => Verdict::Done,
                false => Verdict::Waiting(format!("the end of {}", left.join(", "))),
            })
        })
        .await;
    match waited {
        Ok(()) => Ok(()),
        Err(Waited::Failed(error)) => Err(error),
        Err(Waited::TooLong(waiting)) => Err(too_long(timeout, waiting)),
    }
}

fn too_long(timeout: Duration, waiting: String) -> Error {
    Error::Timeout { seconds: timeout.as_secs(), waiting, lines: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn disks_and_what_was_born_with_them_stay() {
        let key = |kind: &str, name: &str| Key { kind: kind.into(), name: name.into() };
        let kept = json!({ "metadata": { "annotations": { "shelf.dev/keep-with": "db" } } });
        let mut live = Live::from([
            (key("PersistentVolumeClaim", "data-db-0"), json!({})),
            (key("Secret", "db-secrets"), kept),
            (key("Secret", "web-db"), json!({})),
            (key("Namespace", "shop"), json!({})),
            (key("Deployment", "web"), json!({})),
        ]);
        let stays = |live: &Live| -> Vec<String> {
            live.keys().filter(|key| keeps_data(key, live)).map(ToString::to_string).collect()
        };
        let all = ["Namespace/shop", "PersistentVolumeClaim/data-db-0", "Secret/db-secrets"];
        assert_eq!(stays(&live), all);
        live.remove(&key("PersistentVolumeClaim", "data-db-0"));
        assert!(stays(&live).is_empty(), "a password without its disk is of no use");
    }
}
