//! Writing objects: server-side apply under one manager, deletes, and nothing else.

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use kube::runtime::wait::{await_condition, conditions};
use serde_json::{Value, json};

use crate::live::{self, Key};
use crate::{Error, Result, Target};

/// The field manager of everything that Shelf writes.
const MANAGER: &str = "shelf";

/// Applies one compiled object and returns it as stored.
pub(crate) async fn apply(target: &Target, app: &str, object: &Value) -> Result<DynamicObject> {
    let key = Key::of(object);
    let params = PatchParams::apply(MANAGER).force();
    let (namespace, name) = key.place(app);
    live::door(target, namespace, &key.kind)
        .patch(name, &params, &Patch::Apply(object))
        .await
        .map_err(Error::api(format!("write {key}")))
}

/// Changes some fields of an object; its generation afterwards, or nothing if it is not there.
pub(crate) async fn merge(
    target: &Target,
    app: &str,
    key: &Key,
    patch: &Value,
) -> Result<Option<i64>> {
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let (namespace, name) = key.place(app);
    let door = live::door(target, namespace, &key.kind);
    match door.patch(name, &params, &Patch::Merge(patch)).await {
        Ok(object) => Ok(Some(object.metadata.generation.unwrap_or(0))),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(Error::api(format!("change {key}"))(error)),
    }
}

/// Deletes an object with what it owns; one that is not there is no error.
pub(crate) async fn delete(target: &Target, app: &str, key: &Key) -> Result<()> {
    let (namespace, name) = key.place(app);
    let door = live::door(target, namespace, &key.kind);
    match door.delete(name, &DeleteParams::background()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(Error::api(format!("delete {key}"))(error)),
    }
}

/// Deletes an object and waits until it is gone, so that one of the same name can follow.
pub(crate) async fn delete_and_wait(target: &Target, app: &str, key: &Key) -> Result<()> {
    let (namespace, name) = key.place(app);
    let door = live::door(target, namespace, &key.kind);
    let found = door.get_opt(name).await.map_err(Error::api(format!("read {key}")))?;
    let Some(uid) = found.and_then(|object| object.metadata.uid) else { return Ok(()) };
    delete(target, app, key).await?;
    await_condition(door, name, conditions::is_deleted(&uid))
        .await
        .map(|_| ())
        .map_err(|error| wait_error(key, error))
}

fn wait_error(key: &Key, error: kube::runtime::wait::Error) -> Error {
    match error {
        kube::runtime::wait::Error::ProbeFailed(source) => {
            Error::Watch { app: key.to_string(), source: Box::new(source) }
        }
    }
}

/// Writes a Secret's values. Only the keys given are owned, and no value is ever logged.
pub(crate) async fn write_secret(
    target: &Target,
    app: &str,
    secret: &composer::GeneratedSecret,
    data: &std::collections::BTreeMap<String, String>,
) -> Result<()> {
    let object = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret.name,
            "namespace": secret.namespace.as_deref().unwrap_or(app),
            "labels": secret.labels,
            "annotations": secret.annotations,
        },
        "type": "Opaque",
        "data": data,
    });
    apply(target, app, &object).await.map(|_| ())
}
