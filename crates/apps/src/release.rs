//! What was last brought up completely: one ConfigMap beside the app's objects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::live::{Key, Live};
use crate::{Result, Target, apply};

/// The ConfigMap's name.
pub(crate) const NAME: &str = "shelf-release";

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
}

/// The recorded release, if there is one that can be read.
pub(crate) fn read(live: &Live) -> Option<Release> {
    let key = Key { kind: "ConfigMap".into(), name: NAME.into() };
    let text = live.get(&key)?["data"]["release"].as_str()?;
    serde_json::from_str(text).ok()
}

/// Records a release.
pub(crate) async fn write(target: &Target, app: &str, release: &Release) -> Result<()> {
    let text = serde_json::to_string_pretty(release).unwrap_or_default();
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": NAME,
            "namespace": app,
            "labels": {
                "app.kubernetes.io/name": NAME,
                "app.kubernetes.io/part-of": app,
                "app.kubernetes.io/managed-by": "shelf",
            },
        },
        "data": { "release": text },
    });
    apply::apply(target, app, &object).await.map(|_| ())
}
