//! Deletion: at once, after a grace period, or after the last finalizer.

use crate::Api;
use crate::body;
use crate::call::{Call, Query};
use crate::encode;
use crate::namespace;
use crate::object;
use crate::output;
use crate::read;
use crate::status::{self, Failure};
use crate::write;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use kinds::{FieldError, Kind};
use serde_json::{Value, json};
use store::Expect;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
/// How long a pod may take to end when neither it nor the caller says.
const GRACE_SECONDS: i64 = 30;
/// Times a deletion is tried again because the object changed meanwhile.
const RACE_RETRIES: usize = 30;

/// `DeleteOptions`, from the body or the query.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    grace_seconds: Option<i64>,
    propagation: Option<Propagation>,
    uid: Option<String>,
    revision: Option<String>,
    dry_run: bool,
}

/// What becomes of the objects this one owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Propagation {
    Background,
    Foreground,
    Orphan,
}

impl Options {
    /// From a request's body; an empty one leaves the query.
    pub(crate) fn decode(bytes: &[u8], media_type: &str, query: &Query) -> Result<Self, Failure> {
        let mut options = if bytes.iter().all(u8::is_ascii_whitespace) {
            Self::from_query(query)?
        } else {
            Self::from_value(&body::decode(bytes, media_type)?.value)?
        };
        options.dry_run(query.text("dryRun") == Some("All"));
        Ok(options)
    }

    fn from_query(query: &Query) -> Result<Self, Failure> {
        let grace = query.text("gracePeriodSeconds").map(str::parse).transpose();
        let grace =
            grace.map_err(|_| Failure::bad_request("gracePeriodSeconds: must be a number"))?;
        let orphans = query.text("orphanDependents").map(|_| query.flag("orphanDependents"));
        Ok(Self {
            grace_seconds: grace,
            propagation: propagation(query.text("propagationPolicy"), orphans.transpose()?)?,
            ..Self::default()
        })
    }

    /// From a `DeleteOptions` object.
    pub(crate) fn from_value(value: &Value) -> Result<Self, Failure> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let dry_run = value["dryRun"].as_array().is_some_and(|list| !list.is_empty());
        Ok(Self {
            grace_seconds: value["gracePeriodSeconds"].as_i64(),
            propagation: propagation(
                value["propagationPolicy"].as_str(),
                value["orphanDependents"].as_bool(),
            )?,
            uid: text(&value["preconditions"]["uid"]),
            revision: text(&value["preconditions"]["resourceVersion"]),
            dry_run,
        })
    }

    /// Makes it a trial when `dry_run` is set.
    pub(crate) fn dry_run(&mut self, dry_run: bool) {
        self.dry_run |= dry_run;
    }

    fn check(&self, kind: &Kind, live: &Value) -> Result<(), Failure> {
        let name = object::name(live);
        let conditions =
            [("UID", "uid", &self.uid), ("ResourceVersion", "resourceVersion", &self.revision)];
        for (label, field, asked) in conditions {
            let found = object::meta(live, field);
            if let Some(asked) = asked
                && asked != found
            {
                let detail = format!(
                    "Precondition failed: {label} in precondition: {asked}, \
                     {label} in object meta: {found}"
                );
                return Err(Failure::conflict(kind, name, &detail));
            }
        }
        Ok(())
    }
}

fn propagation(text: Option<&str>, orphans: Option<bool>) -> Result<Option<Propagation>, Failure> {
    Ok(match (text, orphans) {
        (Some("Background"), None) | (None, Some(false)) => Some(Propagation::Background),
        (Some("Foreground"), None) => Some(Propagation::Foreground),
        (Some("Orphan"), None) | (None, Some(true)) => Some(Propagation::Orphan),
        (None | Some(""), None) => None,
        (Some(other), _) => {
            let supported = &["Background", "Foreground", "Orphan"];
            let error = FieldError::not_supported("propagationPolicy", &json!(other), supported);
            return Err(Failure::invalid_named("DeleteOptions", "meta.k8s.io", "", &[error]));
        }
    })
}

/// Deletes one object, or begins to; answers with what is left of it or with a success Status.
pub(crate) async fn delete(
    api: &Api,
    kind: &'static Kind,
    namespace: Option<&str>,
    name: &str,
    options: &Options,
) -> Result<Bytes, Failure> {
    if namespace::is_namespace(kind) && namespace::FIRST[..3].contains(&name) {
        return Err(Failure::forbidden(kind, name, "this namespace may not be deleted"));
    }
    let key = encode::key(kind, namespace, name);
    for _ in 0..RACE_RETRIES {
        let entry = api.store().get(&key).ok_or_else(|| Failure::not_found(kind, name))?;
        let live = output::parse(&entry.value);
        options.check(kind, &live)?;
        let mut new = live.clone();
        mark(kind, &mut new, options);
        let expect = Expect::Revision(entry.mod_revision);
        let gone = write::is_released(kind, &new);
        if options.dry_run {
            return Ok(if gone { answer(kind, &live, &entry.value) } else { entry.value });
        }
        let result = if gone {
            api.store().delete(&key, expect).await
        } else if object::is_same(&live, &new) {
            return Ok(entry.value);
        } else {
            let (before, after) = encode::split(&new);
            let written = api.store().put_numbered(&key, before.clone(), after.clone(), expect);
            match written.await {
                Ok(revision) => return Ok(encode::numbered(&before, &after, revision)),
                Err(error) => Err(error),
            }
        };
        match result {
            Ok(revision) => {
                return Ok(answer(kind, &live, &encode::renumbered(&entry.value, revision)));
            }
            Err(store::Error::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::modified(kind, name))
}

/// What a finished deletion is answered with: some kinds show the object a last time.
fn answer(kind: &Kind, live: &Value, last: &Bytes) -> Bytes {
    let shown =
        ["pods", "services", "serviceaccounts", "persistentvolumes", "persistentvolumeclaims"];
    if kind.group.is_empty() && shown.contains(&kind.plural) {
        return last.clone();
    }
    status::success(kind, object::name(live), object::meta(live, "uid")).to_string().into()
}

/// Sets what says that the object is to go, and what holds it until then.
fn mark(kind: &Kind, new: &mut Value, options: &Options) {
    set_finalizers(new, options.propagation);
    let now = Timestamp::now();
    let grace = grace_seconds(kind, new, options);
    let deleting = object::is_deleting(new);
    let held = new["metadata"]["deletionGracePeriodSeconds"].as_i64();
    let metadata = object::metadata(new);
    if !deleting {
        let end = now.checked_add(SignedDuration::from_secs(grace)).unwrap_or(now);
        metadata.insert("deletionTimestamp".into(), object::time(end));
        metadata.insert("deletionGracePeriodSeconds".into(), json!(grace));
        if let Some(generation) = metadata.get("generation").and_then(Value::as_i64) {
            metadata.insert("generation".into(), json!(generation.saturating_add(1)));
        }
    } else if let Some(held) = held.filter(|held| grace < *held) {
        // A second deletion only ever brings the end nearer.
        let end: Option<Timestamp> = metadata
            .get("deletionTimestamp")
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok());
        let end = end.and_then(|end| end.checked_sub(SignedDuration::from_secs(held - grace)).ok());
        metadata.insert("deletionTimestamp".into(), object::time(end.unwrap_or(now)));
        metadata.insert("deletionGracePeriodSeconds".into(), json!(grace));
    }
    if namespace::is_namespace(kind) {
        object::map(new, "status").insert("phase".into(), json!("Terminating"));
    }
}

/// Seconds a pod on a node has to end; everything else goes at once.
fn grace_seconds(kind: &Kind, object: &Value, options: &Options) -> i64 {
    let is_pod = kind.group.is_empty() && kind.plural == "pods";
    let assigned = !object["spec"]["nodeName"].as_str().unwrap_or("").is_empty();
    let ended = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if !is_pod || !assigned || ended {
        return 0;
    }
    let own = object["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(GRACE_SECONDS);
    match options.grace_seconds {
        // A negative period means "as soon as possible, but tell the pod".
        Some(seconds) if seconds < 0 => 1,
        Some(seconds) => seconds.min(i64::from(u32::MAX)),
        None => own.clamp(0, i64::from(u32::MAX)),
    }
}

fn set_finalizers(object: &mut Value, propagation: Option<Propagation>) {
    let Some(propagation) = propagation else { return };
    let metadata = object::metadata(object);
    let mut list: Vec<Value> =
        metadata.get("finalizers").and_then(Value::as_array).cloned().unwrap_or_default();
    list.retain(|finalizer| finalizer != FOREGROUND && finalizer != ORPHAN);
    match propagation {
        Propagation::Background => {}
        Propagation::Foreground => list.push(json!(FOREGROUND)),
        Propagation::Orphan => list.push(json!(ORPHAN)),
    }
    if list.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".into(), Value::Array(list));
    }
}

/// Deletes everything a list would show; answers with that list.
pub(crate) async fn delete_collection(
    api: &Api,
    call: &Call,
    options: &Options,
) -> Result<Bytes, Failure> {
    let found = read::find(api, call)?;
    let mut items = Vec::with_capacity(found.items.len());
    for stored in found.items {
        let object = output::parse(&stored);
        let namespace = object["metadata"]["namespace"].as_str();
        match delete(api, call.kind, namespace, object::name(&object), options).await {
            Ok(_) => items.push(stored),
            // Somebody else deleted it: the outcome is the one asked for.
            Err(failure) if failure.code() == http::StatusCode::NOT_FOUND => {}
            Err(failure) => return Err(failure),
        }
    }
    let metadata = json!({"resourceVersion": found.revision.to_string()});
    Ok(output::Render::new(call)?.list(&items, metadata))
}
