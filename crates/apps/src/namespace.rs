//! Everything in a namespace that some person or program put there, as text: what `import` reads.
//!
//! Nothing is left out in silence: what others made (a Pod of a Deployment) and what the cluster
//! itself writes is named. Where next: `import.rs`.

use std::collections::BTreeMap;

use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::discovery::verbs;
use kube::discovery::{Discovery, Scope};
use kube::{ResourceExt, core::TypeMeta};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Result, Target};

/// Kinds that only a cluster writes.
const ITS_OWN: [&str; 8] = [
    "Event",
    "Endpoints",
    "EndpointSlice",
    "Lease",
    "ControllerRevision",
    "PodMetrics",
    "CiliumEndpoint",
    "CSIStorageCapacity",
];
/// What a cluster writes into every object.
const WRITTEN: [&str; 6] =
    ["managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink"];
/// Annotations that tools write for themselves.
const TOOLS: [&str; 3] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "pv.kubernetes.io/bind-completed",
];

/// What is in a namespace.
#[derive(Clone, Serialize, Deserialize)]
pub struct NamespaceObjects {
    /// The namespace.
    pub namespace: String,
    /// `Kind/name` and the object as YAML. Secrets are among them.
    pub objects: Vec<(String, String)>,
    /// What is there and not among them, and why.
    pub left: Vec<String>,
}

/// Reads a namespace of a target.
///
/// # Errors
/// There is none of that name, it is an app of ours already, or the target does not answer.
pub async fn namespace_objects(target: &Target, namespace: &str) -> Result<NamespaceObjects> {
    let refused = |code, message: String, hint: &str| Error::Data {
        code,
        message,
        hint: Some(hint.to_owned()),
    };
    let found = Discovery::new(target.client.clone()).run().await;
    let found = found.map_err(Error::api(format!("ask {} what it serves", target.name())))?;
    let mut read = Read::default();
    let mut seen = std::collections::BTreeSet::new();
    for group in found.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            let listed = capabilities.scope == Scope::Namespaced
                && capabilities.supports_operation(verbs::LIST);
            // Ingresses and the like are served by two groups at once.
            if !listed || !seen.insert(resource.kind.clone()) {
                continue;
            }
            if ITS_OWN.contains(&resource.kind.as_str()) {
                continue;
            }
            let api: Api<DynamicObject> =
                Api::namespaced_with(target.client.clone(), namespace, &resource);
            match api.list(&ListParams::default()).await {
                Ok(list) => list.items.into_iter().for_each(|mut one| {
                    let (kind, api_version) = (resource.kind.clone(), resource.api_version.clone());
                    one.types = Some(TypeMeta { kind, api_version });
                    read.take(&one);
                }),
                Err(kube::Error::Api(status)) if [403, 404, 405].contains(&status.code) => {
                    read.left.push(format!(
                        "{} cannot be read with this login, and may be missing",
                        resource.plural
                    ));
                }
                Err(error) => {
                    let what = format!("list {} of {namespace}", resource.plural);
                    return Err(Error::api(what)(error));
                }
            }
        }
    }
    if read.ours {
        return Err(refused(
            "import/ours",
            format!("{namespace} is an app of Shelf already"),
            "look:  shelf -a NAME status        its file is kept with each release",
        ));
    }
    if read.objects.is_empty() {
        return Err(refused(
            "namespace/absent",
            format!("there is no namespace {namespace} on {}, or nothing in it", target.name()),
            "those there are:  shelf kubectl get namespaces",
        ));
    }
    for (owner, mut names) in read.owned {
        names.sort();
        read.left.push(format!("{} come with {owner}", names.join(", ")));
    }
    Ok(NamespaceObjects { namespace: namespace.to_owned(), objects: read.objects, left: read.left })
}

#[derive(Default)]
struct Read {
    objects: Vec<(String, String)>,
    left: Vec<String>,
    /// `Kind/name` to what it made.
    owned: BTreeMap<String, Vec<String>>,
    ours: bool,
}

impl Read {
    fn take(&mut self, object: &DynamicObject) {
        let mut value = serde_json::to_value(object).unwrap_or_default();
        let kind = value["kind"].as_str().unwrap_or_default().to_owned();
        let name = format!("{kind}/{}", object.name_any());
        if name == format!("ConfigMap/{}", crate::release::NAME) {
            self.ours = true;
        }
        if let Some(owner) = object.owner_references().first() {
            let owner = format!("{}/{}", owner.kind, owner.name);
            self.owned.entry(owner).or_default().push(name);
            return;
        }
        let form = value["type"].as_str().unwrap_or_default();
        let given = match (kind.as_str(), object.name_any().as_str()) {
            ("ConfigMap", "kube-root-ca.crt") | ("ServiceAccount", "default") => true,
            ("Secret", _) => form == "kubernetes.io/service-account-token",
            _ => false,
        };
        if given {
            self.left.push(format!("{name} is in every namespace"));
            return;
        }
        if form == "helm.sh/release.v1" {
            self.left.push(format!("{name} is what Helm remembers of a release"));
            return;
        }
        strip(&mut value);
        if let Ok(text) = serde_saphyr::to_string(&value) {
            self.objects.push((name, text));
        }
    }
}

/// Takes away what nobody wrote.
fn strip(value: &mut Value) {
    let Some(fields) = value.as_object_mut() else { return };
    fields.remove("status");
    let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    for key in WRITTEN {
        metadata.remove(key);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        for key in TOOLS {
            annotations.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn taken(objects: &[Value]) -> Read {
        let mut read = Read::default();
        for object in objects {
            read.take(&serde_json::from_value(object.clone()).unwrap());
        }
        read
    }

    #[test]
    fn what_others_made_is_named_and_what_nobody_wrote_is_not_there() {
        let owner =
            json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "u" });
        let read = taken(&[
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "spec": { "replicas": 2 },
                "metadata": { "name": "web", "uid": "a", "managedFields": [] }, "status": { "x": 1 } }),
            json!({ "apiVersion": "v1", "kind": "Pod",
                "metadata": { "name": "web-1-x", "ownerReferences": [owner] } }),
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "kube-root-ca.crt" } }),
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "own" }, "type": "Opaque" }),
        ]);
        let names: Vec<&str> = read.objects.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Deployment/web", "Secret/own"]);
        let text = &read.objects[0].1;
        assert!(text.contains("replicas: 2") && !text.contains("uid"), "{text}");
        assert!(!text.contains("status") && !text.contains("managedFields"), "{text}");
        assert_eq!(read.owned["ReplicaSet/web-1"], ["Pod/web-1-x"]);
        assert_eq!(read.left, ["ConfigMap/kube-root-ca.crt is in every namespace"]);
        assert!(!read.ours);
    }

    #[test]
    fn an_app_of_ours_is_known_by_its_record() {
        let record = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": crate::release::NAME } });
        assert!(taken(&[record]).ours);
    }
}
