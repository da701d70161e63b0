//! Secrets that a person gives: written into the block's Secret at the target, never into a file.
//! Where next: `secrets.rs`, which makes those that nobody gives.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::live::{self, Key, Live};
use crate::{Error, Result, Target, apply, changes};

/// Kubernetes keeps no object beyond this, and one value must leave room for the others.
const MOST_BYTES: usize = 256 * 1024;

/// Keeps a value for a secret of a block. Copies that run get it: they are replaced. Returns
/// whether any was.
///
/// # Errors
/// The value is empty or too long, the name is none, or the target refuses it.
pub async fn give(
    target: &Target,
    app: &str,
    block: &str,
    name: &str,
    value: &str,
) -> Result<bool> {
    let unfit = |message: String| Error::Unfit { code: "secret/value", message };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        return Err(unfit(format!("\"{name}\" is no name for a secret")));
    }
    if value.is_empty() || value.len() > MOST_BYTES {
        let size = value.len();
        return Err(unfit(format!(
            "a secret has from 1 to {MOST_BYTES} bytes, and this one {size}"
        )));
    }
    // The names come from outside; as names of an app file they are sound.
    let file = format!("app = \"{app}\"\n[{block}]\nsource = \"x\"\n");
    composer::App::parse("app.toml", &file).map_err(Error::Wrong)?;
    let live = live::list(target, app).await?;
    let labels = |name: &str| {
        json!({
            "app.kubernetes.io/name": name,
            "app.kubernetes.io/part-of": app,
            "app.kubernetes.io/managed-by": "shelf",
        })
    };
    if !live.contains_key(&key("Namespace", app)) {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": app, "labels": labels(app) },
        });
        apply::apply(target, app, &namespace).await?;
    }
    let secret = format!("{block}-secrets");
    let data = json!({ "data": { name: STANDARD.encode(value) } });
    if apply::merge(target, app, &key("Secret", &secret), &data).await?.is_none() {
        let mut labels = labels(&secret);
        labels["app.kubernetes.io/component"] = block.into();
        let object = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": { "name": secret, "namespace": app, "labels": labels },
            "data": data["data"],
        });
        apply::apply(target, app, &object).await?;
        return Ok(false);
    }
    roll(target, app, block, &live).await
}

fn key(kind: &str, name: &str) -> Key {
    Key { kind: kind.to_owned(), name: name.to_owned() }
}

/// Replaces the copies of a block, as `kubectl rollout restart` does.
async fn roll(target: &Target, app: &str, block: &str, live: &Live) -> Result<bool> {
    let now = jiff::Timestamp::now().to_string();
    let patch = json!({"spec": {"template": {"metadata": {"annotations": {
        "kubectl.kubernetes.io/restartedAt": now,
    }}}}});
    let own = |(key, object): &(&Key, &Value)| {
        ["Deployment", "StatefulSet"].contains(&key.kind.as_str())
            && changes::component(object).is_some_and(|name| name == block)
    };
    let mut rolled = false;
    for (key, _) in live.iter().filter(own) {
        rolled |= apply::merge(target, app, key, &patch).await?.is_some();
    }
    Ok(rolled)
}
