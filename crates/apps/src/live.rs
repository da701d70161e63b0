//! The objects of an app as they are on the target, and the one table of kinds an app is made of.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use serde_json::Value;

use crate::{Error, Result, Target};

/// Group, version, kind, plural, in the order in which objects are deleted.
const KINDS: [(&str, &str, &str, &str); 13] = [
    ("networking.k8s.io", "v1", "Ingress", "ingresses"),
    ("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
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

/// Kinds of what a wire makes in its provider's namespace.
const ELSEWHERE: [&str; 3] = ["Job", "NetworkPolicy", "Secret"];

/// What names an object of an app.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) kind: String,
    /// Its name in the app's namespace, or `namespace/name` in another's: what a wire to another
    /// app makes where its provider is.
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
        let metadata = &object["metadata"];
        let namespace = metadata["namespace"].as_str();
        let own = metadata["labels"]["app.kubernetes.io/part-of"].as_str();
        let elsewhere = namespace.filter(|namespace| own.is_some_and(|own| own != *namespace));
        Self { kind: text(&object["kind"]), name: named(elsewhere, &text(&metadata["name"])) }
    }

    /// The namespace of an object of `app`, and its name in it.
    pub(crate) fn place<'a>(&'a self, app: &'a str) -> (&'a str, &'a str) {
        self.name.split_once('/').unwrap_or((app, &self.name))
    }

    /// Whether it is in another app's namespace.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.name.contains('/')
    }
}

/// The name of an object in a [`Key`]; `elsewhere` is the namespace if it is not the app's own.
pub(crate) fn named(elsewhere: Option<&str>, name: &str) -> String {
    match elsewhere {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
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

/// Lists everything that belongs to an app, its namespace included, and what its wires made in the
/// namespaces of others.
pub(crate) async fn list(target: &Target, app: &str) -> Result<Live> {
    let kinds = KINDS.iter().map(|(_, _, kind, _)| *kind);
    let mut live = list_in(target, app, app, kinds).await?;
    let found = door(target, app, "Namespace").get_opt(app).await;
    let found = match found {
        // Who may not look at namespaces was given one.
        Err(kube::Error::Api(status)) if status.code == 403 => None,
        other => other.map_err(Error::api(format!("read the namespace {app}")))?,
    };
    if let Some(value) = found.and_then(|one| serde_json::to_value(&one).ok()) {
        let labels = &value["metadata"]["labels"];
        let own = labels["app.kubernetes.io/managed-by"] == "shelf"
            && labels["app.kubernetes.io/part-of"] == app;
        if own {
            live.insert(Key { kind: "Namespace".into(), name: app.to_owned() }, value);
        }
    }
    for other in reached(&live) {
        live.extend(list_in(target, app, &other, ELSEWHERE.into_iter()).await?);
    }
    Ok(live)
}

/// The other apps that the wires of an app reach: each wire's Secret names its provider.
pub(crate) fn reached(live: &Live) -> BTreeSet<String> {
    let provider = |(key, object): (&Key, &Value)| {
        let bytes = STANDARD.decode(object["data"]["provider"].as_str()?).ok()?;
        let name = String::from_utf8(bytes).ok()?;
        let (app, _) = name.split_once('/').filter(|_| key.kind == "Secret")?;
        Some(app.to_owned())
    };
    live.iter().filter_map(provider).collect()
}

async fn list_in(
    target: &Target,
    app: &str,
    namespace: &str,
    kinds: impl Iterator<Item = &'static str>,
) -> Result<Live> {
    let params = ListParams::default().labels(&selector(app));
    let lists = kinds.map(|kind| {
        let (params, door) = (params.clone(), door(target, namespace, kind));
        async move {
            match door.list(&params).await {
                Ok(list) => Ok((kind, list.items)),
                // A target that does not serve a kind has no objects of it.
                Err(kube::Error::Api(status)) if status.code == 404 => Ok((kind, Vec::new())),
                Err(error) => {
                    Err(Error::api(format!("list {kind} of {app} in {namespace}"))(error))
                }
            }
        }
    });
    let mut live = Live::new();
    let elsewhere = Some(namespace).filter(|namespace| *namespace != app);
    for (kind, items) in futures::future::try_join_all(lists).await? {
        for item in items {
            let name = named(elsewhere, item.metadata.name.as_deref().unwrap_or_default());
            let value = serde_json::to_value(&item).unwrap_or_default();
            live.insert(Key { kind: kind.to_owned(), name }, value);
        }
    }
    Ok(live)
}

/// Group and plural of every kind that an app is made of.
pub(crate) fn resources() -> impl Iterator<Item = (&'static str, &'static str)> {
    KINDS.iter().map(|(group, _, _, plural)| (*group, *plural))
}

/// Kinds in the order in which objects are deleted.
pub(crate) fn deletion_order() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(_, _, kind, _)| *kind)
}
