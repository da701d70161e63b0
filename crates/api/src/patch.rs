//! The four patch formats; each ends in the same change as an update.

use crate::Api;
use crate::body::{self, Decoded};
use crate::call::Call;
use crate::encode;
use crate::object;
use crate::status::Failure;
use crate::write::{Ownership, Write};
use bytes::Bytes;
use jiff::Timestamp;
use kinds::FieldError;
use kinds::apply::ApplyError;
use serde_json::Value;

/// Operations one JSON patch may have, as in Kubernetes.
const OPERATION_COUNT: usize = 10_000;

/// A decoded patch.
pub(crate) enum Patch {
    Json(json_patch::Patch),
    Merge(Value),
    Strategic(Value),
    Apply(Value),
}

impl Patch {
    pub(crate) fn decode(bytes: &[u8], media_type: &str) -> Result<(Self, Vec<String>), Failure> {
        let decoded = match media_type {
            "application/json-patch+json" => {
                let patch: json_patch::Patch = serde_json::from_slice(bytes).map_err(|error| {
                    Failure::bad_request(format!("invalid JSON patch: {error}"))
                })?;
                if patch.0.len() > OPERATION_COUNT {
                    return Err(Failure::bad_request(format!(
                        "the JSON patch has {} operations, the limit is {OPERATION_COUNT}",
                        patch.0.len()
                    )));
                }
                return Ok((Self::Json(patch), Vec::new()));
            }
            "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
                body::json(bytes)?
            }
            "application/apply-patch+yaml" | "application/apply-patch+json" => body::yaml(bytes)?,
            _ => {
                return Err(Failure::unsupported_media(
                    "the body of the request was in an unknown format - accepted media types \
                     include: application/json-patch+json, application/merge-patch+json, \
                     application/strategic-merge-patch+json, application/apply-patch+yaml",
                ));
            }
        };
        let Decoded { value, duplicates } = decoded;
        if !value.is_object() {
            return Err(Failure::bad_request("the patch is not an object"));
        }
        let patch = match media_type {
            "application/merge-patch+json" => Self::Merge(value),
            "application/strategic-merge-patch+json" => Self::Strategic(value),
            _ => Self::Apply(value),
        };
        Ok((patch, duplicates))
    }

    /// `live` with the patch applied; not for [`Patch::Apply`], which knows owners.
    pub(crate) fn apply_to(&self, kind: &kinds::Kind, live: &Value) -> Result<Value, Failure> {
        let mut new = live.clone();
        match self {
            Self::Json(patch) => {
                // The error names the index of the operation and its path.
                json_patch::patch(&mut new, patch)
                    .map_err(|error| Failure::unprocessable(error.to_string()))?;
            }
            Self::Merge(patch) => json_patch::merge(&mut new, patch),
            Self::Strategic(patch) => {
                new = kinds::merge::strategic(kind.schema(), live, patch)
                    .map_err(|error| Failure::bad_request(error.to_string()))?;
            }
            Self::Apply(_) => {}
        }
        if !new.is_object() {
            return Err(Failure::unprocessable("the patch leaves no object"));
        }
        Ok(new)
    }
}

/// What a patch led to.
pub(crate) struct Patched {
    pub(crate) bytes: Bytes,
    pub(crate) created: bool,
}

/// Patches one object; an apply of an absent one creates it.
pub(crate) async fn patch(
    api: &Api,
    call: &Call,
    write: &mut Write<'_>,
    patch: Patch,
) -> Result<Patched, Failure> {
    let name = call.name()?;
    if let Patch::Apply(applied) = patch {
        return apply(api, call, write, applied).await;
    }
    let kind = call.kind;
    let bytes = write
        .change(name, Ownership::Track, |_, live| {
            let mut new = patch.apply_to(kind, live)?;
            // A patch may not move the object; saying so beats a confusing "not found".
            if object::name(&new).is_empty() {
                object::metadata(&mut new).insert("name".into(), name.into());
            }
            Ok(new)
        })
        .await?;
    Ok(Patched { bytes, created: false })
}

async fn apply(
    api: &Api,
    call: &Call,
    write: &mut Write<'_>,
    applied: Value,
) -> Result<Patched, Failure> {
    let name = call.name()?;
    let force = call.query.flag("force")?;
    if call.query.text("fieldManager").is_none_or(str::is_empty) {
        let error = FieldError::required("fieldManager", "is required for apply patch");
        return Err(Failure::invalid_named("PatchOptions", "meta.k8s.io", "", &[error]));
    }
    let mut applied = write.accept(Decoded { value: applied, duplicates: Vec::new() })?;
    let managed = &applied["metadata"]["managedFields"];
    if managed.as_array().is_some_and(|list| !list.is_empty()) {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    object::metadata(&mut applied).remove("managedFields");
    check_name(&mut applied, name)?;
    write.check_fields(&mut applied)?;
    let key = encode::key(call.kind, call.namespace.as_deref(), name);
    // Created and deleted again by others while we try: a few rounds settle it.
    for _ in 0..5 {
        if api.store().get(&key).is_none() {
            match create(call, write, &applied).await {
                Err(failure) if failure.code() == http::StatusCode::CONFLICT => continue,
                result => return result.map(|bytes| Patched { bytes, created: true }),
            }
        }
        let subresource = call.subresource.as_deref();
        let kind = call.kind;
        let result = write
            .change(name, Ownership::Applied, |write, live| {
                let mut new = kinds::apply::server_side_subresource(
                    kind,
                    Some(live),
                    &applied,
                    write.manager(),
                    subresource,
                    force,
                    Timestamp::now(),
                )
                .map_err(|error| refusal(&error))?;
                // The applied revision and uid are conditions, not content.
                for field in ["resourceVersion", "uid"] {
                    let asked = &applied["metadata"][field];
                    let value = if asked.is_null() { &live["metadata"][field] } else { asked };
                    object::metadata(&mut new).insert(field.into(), value.clone());
                }
                Ok(new)
            })
            .await;
        match result {
            Err(failure) if failure.code() == http::StatusCode::NOT_FOUND => {}
            result => return result.map(|bytes| Patched { bytes, created: false }),
        }
    }
    Err(Failure::modified(call.kind, name))
}

async fn create(call: &Call, write: &mut Write<'_>, applied: &Value) -> Result<Bytes, Failure> {
    let name = call.name()?;
    if call.subresource.is_some() {
        return Err(Failure::not_found(call.kind, name));
    }
    let metadata = &applied["metadata"];
    if metadata["uid"].is_string() || metadata["resourceVersion"].is_string() {
        let detail = "uid mismatch: the provided object specified a uid or resourceVersion, \
                      and no existing object was found";
        return Err(Failure::conflict(call.kind, name, detail));
    }
    let new = kinds::apply::server_side(
        call.kind,
        None,
        applied,
        write.manager(),
        false,
        Timestamp::now(),
    )
    .map_err(|error| refusal(&error))?;
    write.create(new, Ownership::Applied).await
}

fn check_name(applied: &mut Value, name: &str) -> Result<(), Failure> {
    let found = object::name(applied);
    if !found.is_empty() && found != name {
        return Err(Failure::bad_request(format!(
            "the name of the object ({found}) does not match the name on the URL ({name})"
        )));
    }
    object::metadata(applied).insert("name".into(), name.into());
    Ok(())
}

fn refusal(error: &ApplyError) -> Failure {
    match error {
        ApplyError::Conflicts(conflicts) => Failure::apply_conflicts(conflicts),
        error @ ApplyError::Invalid { .. } => Failure::bad_request(error.to_string()),
    }
}
