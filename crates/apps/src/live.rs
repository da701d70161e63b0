//! The objects of an app as they are on the target, and the one table of kinds an app is made of.

use std::collections::BTreeMap;

use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use serde_json::Value;

use crate::{Error, Result, Target};

/// Group, version, kind, plural, in the order in which objects are deleted.
const KINDS: [(&str, &str, &str, &str); 12] = [
    ("networking.k8s.io", "v1", "Ingress", "ingresses"),
    ("batch", "v1", "CronJob", "cronjobs"),
    ("batch", "v1", "Job", "jobs"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("apps", "v1", "Deployment", "deployments"),
    ("apps", "v1", "StatefulSet", "statefulsets"),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    ("", "v1", "Service", "services"),
    ("", "v1", "ConfigMap", "configmaps"),
    ("", "v1", "Secret", "secrets"),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
];

/// What names an object within an app.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) kind: String,
    pub(crate) name: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.kind, self.name)
    }
}

impl Key {
    /// The key of a compiled object.
    pub(crate) fn of(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self { kind: text(&object["kind"]), name: text(&object["metadata"]["name"]) }
    }
}

/// All objects of an app.
pub(crate) type Live = BTreeMap<Key, Value>;

/// The resource of a kind that apps are made of.
pub(crate) fn resource(kind: &str) -> ApiResource {
    let (group, version, kind, plural) = KINDS
        .iter()
        .find(|(_, _, known, _)| *known == kind)
        .copied()
        .unwrap_or(("", "v1", "Namespace", "namespaces"));
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

/// The door to objects of a kind in an app's namespace.
pub(crate) fn door(target: &Target, app: &str, kind: &str) -> Api<DynamicObject> {
    let resource = resource(kind);
    match kind {
        "Namespace" => Api::all_with(target.client.clone(), &resource),
        _ => Api::namespaced_with(target.client.clone(), app, &resource),
    }
}

/// The label selector of everything that belongs to an app.
pub(crate) fn selector(app: &str) -> String {
    format!("app.kubernetes.io/managed-by=shelf,app.kubernetes.io/part-of={app}")
}

/// Lists everything that belongs to an app, its namespace included.
pub(crate) async fn list(target: &Target, app: &str) -> Result<Live> {
    let params = ListParams::default().labels(&selector(app));
    let kinds = KINDS.iter().map(|(_, _, kind, _)| *kind).chain(["Namespace"]);
    let lists = kinds.map(|kind| {
        let (params, door) = (params.clone(), door(target, app, kind));
        async move {
            match door.list(&params).await {
                Ok(list) => Ok((kind, list.items)),
                // A target that does not serve a kind has no objects of it.
                Err(kube::Error::Api(status)) if status.code == 404 => Ok((kind, Vec::new())),
                Err(error) => Err(Error::api(format!("list {kind} of {app}"))(error)),
            }
        }
    });
    let mut live = Live::new();
    for (kind, items) in futures::future::try_join_all(lists).await? {
        for item in items {
            let name = item.metadata.name.clone().unwrap_or_default();
            if kind == "Namespace" && name != app {
                continue;
            }
            let value = serde_json::to_value(&item).unwrap_or_default();
            live.insert(Key { kind: kind.to_owned(), name }, value);
        }
    }
    Ok(live)
}

/// Kinds in the order in which objects are deleted.
pub(crate) fn deletion_order() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(_, _, kind, _)| *kind)
}
