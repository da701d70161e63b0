//! Takes logins away that no wire has any more: those of an app at blocks of other apps when it is
//! destroyed, and those of wires that a go no longer has. By the provider's own program, where the
//! login was made. What it owned stays with the provider, and so does the Secret of a wire that a go
//! took away: tied again, it is the same login for the same data.
//!
//! The Job that made a login says how it is taken away: the same with another word. Where next:
//! `go/elsewhere.rs`, which runs it.

use std::collections::BTreeSet;
use std::time::Duration;

use composer::Compiled;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::changes::{annotation, component};
use crate::event::{Event, Events};
use crate::go::elsewhere;
use crate::live::{Key, Live};
use crate::{Target, apply};

/// A provider that does not answer keeps nobody from leaving for longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Revokes the logins whose Secrets in other apps' namespaces are `gone` in a moment. A login that
/// cannot be revoked is told and stays: its password is deleted with its Secret in any case.
pub(crate) async fn revoke(
    target: &Target,
    app: &str,
    live: &Live,
    gone: impl Fn(&Key) -> bool,
    events: Events<'_>,
) {
    for (key, job) in live.iter().filter(|(key, _)| key.kind == "Job" && key.is_elsewhere()) {
        let Some(revoking) = of(app, key, job, live).filter(|one| gone(&one.secret)) else {
            continue;
        };
        take_away(target, app, &revoking, events).await;
    }
}

/// Revokes the logins of wires that were there before a go and are not any more. The consumers run
/// without them by now, so nobody misses one; where the provider goes as well, it goes with it.
pub(crate) async fn unwired(target: &Target, live: &Live, compiled: &Compiled, events: Events<'_>) {
    for revoking in left_over(live, compiled) {
        take_away(target, &compiled.app, &revoking, events).await;
    }
}

/// The logins of a live app that nothing compiled asks for.
fn left_over<'a>(live: &'a Live, compiled: &Compiled) -> Vec<Revoking<'a>> {
    let wanted: Vec<&Value> = compiled.phases.iter().flat_map(|one| &one.objects).collect();
    let wire_of = |job: &'_ Value| {
        let text = |name| annotation(job, name).map(str::to_owned);
        Some((text("shelf.dev/wire")?, text("shelf.dev/provider")?))
    };
    let mut kept: BTreeSet<(String, String)> =
        wanted.iter().filter(|one| one["kind"] == "Job").filter_map(|job| wire_of(job)).collect();
    let mut found = Vec::new();
    for (key, job) in live.iter().filter(|(key, _)| key.kind == "Job") {
        let Some(wire) = wire_of(job) else { continue };
        let stays = |one: &&Value| component(one).is_some_and(|block| *block == block_of(&wire.1));
        if !key.is_elsewhere() && !wanted.iter().any(stays) {
            continue;
        }
        if let Some(revoking) = of(&compiled.app, key, job, live)
            && kept.insert(wire)
        {
            found.push(revoking);
        }
    }
    found
}

async fn take_away(target: &Target, app: &str, revoking: &Revoking<'_>, events: Events<'_>) {
    let (wire, provider) = (revoking.wire, revoking.provider);
    let text = match run(target, app, provider, &revoking.job).await {
        Ok(()) => format!("the login of {wire} at {provider} is taken away; its data stays there"),
        Err(why) => format!("! the login of {wire} at {provider} stays: {why}"),
    };
    events(Event::Note { text });
}

/// The block of a provider that is named `app/block.offer`, or a part of that.
fn block_of(provider: &str) -> &str {
    let block = provider.rsplit('/').next().unwrap_or_default();
    block.split('.').next().unwrap_or_default()
}

struct Revoking<'a> {
    wire: &'a str,
    provider: &'a str,
    /// The Secret with the login, where the Job reads it.
    secret: Key,
    job: Value,
}

/// What revokes the login that a Job made; nothing if the Job made none.
fn of<'a>(app: &str, key: &Key, job: &'a Value, live: &Live) -> Option<Revoking<'a>> {
    let (wire, provider) =
        (annotation(job, "shelf.dev/wire")?, annotation(job, "shelf.dev/provider")?);
    let (namespace, name) = key.place(app);
    let secret = annotation(job, "shelf.dev/secret")?;
    let name_there = match key.is_elsewhere() {
        true => format!("{namespace}/{app}-{secret}"),
        false => secret.to_owned(),
    };
    let secret = Key { kind: "Secret".into(), name: name_there };
    if !live.contains_key(&secret) {
        return None;
    }
    let mut spec = job.pointer("/spec/template/spec")?.clone();
    let program = spec.pointer("/containers/0/command/0")?.clone();
    *spec.pointer_mut("/containers/0/command")? = json!([program, "revoke"]);
    // The server put labels of its own on the pods of the Job that was.
    let own = |labels: &Value| -> Value {
        let known = labels.as_object().into_iter().flatten();
        known
            .filter(|(key, _)| !key.contains("controller-uid") && !key.contains("job-name"))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let labels = |at: &str| job.pointer(at).map(own).unwrap_or_else(|| json!({}));
    // Beside the Job that made it, whose name ends in its hash.
    let hash = name.rsplit_once('-').map_or(name, |(_, hash)| hash);
    let short: String = name.chars().take(45).collect();
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": format!("{}-revoke-{hash}", short.trim_end_matches(['-', '.'])),
            "namespace": namespace,
            "labels": labels("/metadata/labels"),
            "annotations": { "shelf.dev/revokes": wire },
        },
        "spec": {
            "backoffLimit": 1,
            "template": {
                "metadata": { "labels": labels("/spec/template/metadata/labels") },
                "spec": spec,
            },
        },
    });
    Some(Revoking { wire, provider, secret, job })
}

/// Runs it, and takes its traces away; why it did not end well otherwise.
async fn run(target: &Target, app: &str, provider: &str, job: &Value) -> Result<(), String> {
    let key = Key::of(job);
    if !serves(target, key.place(app).0, provider).await {
        return Err("nothing of it runs".to_owned());
    }
    let done = async {
        elsewhere::job(target, app, job, true).await?;
        elsewhere::wait(target, app, &key, Instant::now() + PATIENCE).await
    };
    let ended = done.await;
    // What is left of it carries the app's label and goes with the rest.
    let _left = apply::delete(target, app, &key).await;
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(lines)) => Err(lines.last().cloned().unwrap_or_else(|| "its program failed".into())),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether some copy of the provider is ready; who may not look tries.
async fn serves(target: &Target, namespace: &str, provider: &str) -> bool {
    let block = block_of(provider);
    let pods: Api<Pod> = Api::namespaced(target.client.clone(), namespace);
    let selector =
        format!("app.kubernetes.io/part-of={namespace},app.kubernetes.io/component={block}");
    let Ok(found) = pods.list(&ListParams::default().labels(&selector)).await else { return true };
    found.items.iter().any(|pod| {
        let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.into_iter().any(|one| one.type_ == "Ready" && one.status == "True")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_that_made_a_login_says_how_it_is_taken_away() {
        let key = |kind: &str, name: &str| Key { kind: kind.into(), name: name.into() };
        let made = json!({
            "kind": "Job",
            "metadata": {
                "name": "shop-web-db-grant-0a1b2c3d", "namespace": "billing", "uid": "1",
                "labels": { "app.kubernetes.io/part-of": "shop" },
                "annotations": { "shelf.dev/wire": "web.db", "shelf.dev/provider": "billing/db",
                    "shelf.dev/secret": "web-db" },
            },
            "spec": { "selector": {}, "template": {
                "metadata": { "labels": { "shelf.dev/job": "grant",
                    "batch.kubernetes.io/controller-uid": "1", "job-name": "x" } },
                "spec": { "containers": [{ "command": ["/module/grant.sh", "grant"] }] },
            } },
            "status": { "succeeded": 1 },
        });
        let at = key("Job", "billing/shop-web-db-grant-0a1b2c3d");
        let mut live = Live::from([(at.clone(), made.clone())]);
        assert!(of("shop", &at, &made, &live).is_none(), "a login without its password");
        live.insert(key("Secret", "billing/shop-web-db"), json!({}));
        let revoking = of("shop", &at, &made, &live).unwrap();
        assert_eq!((revoking.wire, revoking.provider), ("web.db", "billing/db"));
        let job = revoking.job;
        assert_eq!(job["metadata"]["name"], "shop-web-db-grant-0a1b2c3d-revoke-0a1b2c3d");
        assert_eq!(Key::of(&job).name, "billing/shop-web-db-grant-0a1b2c3d-revoke-0a1b2c3d");
        let template = &job["spec"]["template"];
        assert_eq!(template["metadata"]["labels"], json!({ "shelf.dev/job": "grant" }));
        let command = &template["spec"]["containers"][0]["command"];
        assert_eq!(*command, json!(["/module/grant.sh", "revoke"]));
    }

    #[test]
    fn a_login_goes_when_no_wire_has_it_and_its_provider_stays() {
        let key = |kind: &str, name: &str| Key { kind: kind.into(), name: name.into() };
        let job = |wire: &str, provider: &str| {
            json!({
                "kind": "Job",
                "metadata": { "name": format!("{provider}-grant-1"), "annotations": {
                    "shelf.dev/wire": wire, "shelf.dev/provider": provider,
                    "shelf.dev/secret": "web-db" } },
                "spec": { "template": { "spec": {
                    "containers": [{ "command": ["/module/grant.sh", "grant"] }] } } },
            })
        };
        let block = |name: &str| {
            json!({ "kind": "StatefulSet",
                "metadata": { "labels": { "app.kubernetes.io/component": name } } })
        };
        let live = Live::from([
            (key("Job", "db-grant-1"), job("web.db", "db")),
            (key("Secret", "web-db"), json!({})),
        ]);
        let gone = |objects: Vec<Value>| {
            let phase = composer::Phase { kind: composer::PhaseKind::Workloads, objects };
            let compiled = Compiled {
                app: "shop".into(),
                release: String::new(),
                url: None,
                secrets: Vec::new(),
                phases: vec![phase],
                assumptions: Vec::new(),
            };
            left_over(&live, &compiled).iter().map(|one| one.wire.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(gone(vec![block("db")]), ["web.db"]);
        assert_eq!(gone(vec![block("db"), block("db2"), job("web.db", "db2")]), ["web.db"]);
        assert!(gone(vec![block("db"), job("web.db", "db")]).is_empty(), "it is still tied");
        assert!(gone(vec![block("web")]).is_empty(), "it goes with its provider");
    }
}
