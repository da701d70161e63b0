//! What a cluster can do, found out by asking it: version, storage, what leads requests in, who
//! enforces network policies, and what we may do there.
//!
//! Everything asked is read; what may not be read is said as unknown, never guessed in our favour.
//! Where next: `cluster.rs`, which turns it into facts for the compiler.

use composer::Front;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::networking::v1::IngressClass;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{ApiResource, DynamicObject, ListParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Resource, ResourceExt};
use serde::{Deserialize, Serialize};

use crate::cluster::Settings;
use crate::{Error, Result};

/// The oldest version whose API has everything that apps become.
const OLDEST_MINOR: u32 = 29;
/// From here on a cluster gives pods user namespaces by itself.
const USER_NAMESPACES_MINOR: u32 = 33;
/// Parts of names of provisioners whose disks many nodes write to at once.
const SHARED: [&str; 11] = [
    "nfs",
    "cephfs",
    "efs.csi",
    "azurefile",
    "file.csi.azure",
    "filestore",
    "glusterfs",
    "juicefs",
    "longhorn",
    "manila",
    "weka",
];
/// Parts of names of what enforces network policies.
const ENFORCERS: [&str; 8] =
    ["calico", "cilium", "antrea", "kube-router", "weave", "ovn", "canal", "kube-network-policies"];

/// What was found out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Survey {
    /// The version it says.
    pub version: String,
    /// Whether it is a server of ours.
    pub ours: bool,
    /// Whether there is a class of disks that is the default.
    pub default_class: Option<String>,
    /// A class whose disks many nodes write to at once.
    pub shared_class: Option<String>,
    /// What leads requests in, if something does.
    pub front: Option<Front>,
    /// Who enforces network policies, if somebody does.
    pub network_policy: Option<String>,
    /// Whether we may make namespaces.
    pub makes_namespaces: bool,
    /// Whether it measures load.
    pub measures_load: bool,
    /// Whether pods can have user namespaces of their own.
    pub user_namespaces: bool,
    /// Everything above in words.
    pub findings: Vec<Finding>,
}

/// One fact in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was asked: `version`, `disks`, `shared disks`, `addresses`…
    pub fact: String,
    /// What was found.
    pub value: String,
    /// `ok`, `missing` for what some apps will lack, or `wrong` for what no app can do without.
    pub state: String,
    /// The way out, if it is not ok.
    pub hint: Option<String>,
}

/// Asks a cluster.
///
/// # Errors
/// It cannot be reached, or lets nobody in who has this kubeconfig.
pub(crate) async fn survey(client: &Client, settings: &Settings) -> Result<Survey> {
    let said = client.apiserver_version().await;
    let said =
        said.map_err(Error::api(format!("reach {} at {}", settings.name, settings.server)))?;
    let minor = said.minor.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0);
    let mut found = Survey {
        ours: said.git_version.contains("+shelf"),
        version: said.git_version,
        user_namespaces: minor >= USER_NAMESPACES_MINOR,
        ..Survey::default()
    };
    let too_old = minor < OLDEST_MINOR;
    let state = if too_old { "wrong" } else { "ok" };
    let hint = too_old.then(|| format!("it must be 1.{OLDEST_MINOR} or newer"));
    found.note("version", found.version.clone(), state, hint);
    found.storage(client, settings).await?;
    found.addresses(client, settings).await?;
    found.policies(client).await?;
    found.rights(client).await?;
    let groups = client.list_api_groups().await.map(|list| list.groups).unwrap_or_default();
    found.measures_load = groups.iter().any(|group| group.name == "metrics.k8s.io");
    let load = if found.measures_load { "measured" } else { "not measured" };
    let hint = (!found.measures_load)
        .then(|| "without a metrics server the least number of copies runs".to_owned());
    found.note("load", load.into(), if found.measures_load { "ok" } else { "missing" }, hint);
    let registry = settings.registry.clone();
    let hint = registry.is_none().then(|| {
        format!(
            "say where its images go:  shelf target set {} --registry HOST/PREFIX",
            settings.name
        )
    });
    let state = if registry.is_some() { "ok" } else { "wrong" };
    found.note("registry", registry.unwrap_or_else(|| "none".into()), state, hint);
    Ok(found)
}

impl Survey {
    fn note(&mut self, fact: &str, value: String, state: &str, hint: Option<String>) {
        let (fact, state) = (fact.to_owned(), state.to_owned());
        self.findings.push(Finding { fact, value, state, hint });
    }

    async fn storage(&mut self, client: &Client, settings: &Settings) -> Result<()> {
        let classes: Vec<StorageClass> = all(client, "storage classes").await?;
        let is_default = |one: &&StorageClass| {
            let key = "storageclass.kubernetes.io/is-default-class";
            one.annotations().get(key).is_some_and(|value| value == "true")
        };
        self.default_class = classes.iter().find(is_default).map(ResourceExt::name_any);
        let shared = |one: &&StorageClass| {
            SHARED.iter().any(|name| one.provisioner.to_lowercase().contains(name))
        };
        self.shared_class = classes.iter().find(shared).map(ResourceExt::name_any);
        let named = |wanted: &String| classes.iter().any(|one| one.name_any() == *wanted);
        for wanted in settings.storage_class.iter().chain(&settings.shared_storage_class) {
            if !named(wanted) && !self.ours {
                let hint = format!("there are: {}", names(&classes));
                self.note("disks", format!("no class {wanted}"), "wrong", Some(hint));
            }
        }
        let class = settings.storage_class.clone().or(self.default_class.clone());
        match class {
            Some(class) => self.note("disks", class, "ok", None),
            None if self.ours => self.note("disks", "its own".into(), "ok", None),
            None => {
                let there = format!("no default class; there are: {}", names(&classes));
                let hint =
                    format!("say which:  shelf target set {} --storage-class NAME", settings.name);
                self.note("disks", there, "missing", Some(hint));
            }
        }
        match settings.shared_storage_class.clone().or(self.shared_class.clone()) {
            Some(class) => self.note("shared disks", class, "ok", None),
            None if self.ours => self.note("shared disks", "its own".into(), "ok", None),
            None => self.note(
                "shared disks",
                "none that is known".into(),
                "missing",
                Some(format!(
                    "all users of a shared disk stay on one node; or say which class can:  \
                     shelf target set {} --shared-storage-class NAME",
                    settings.name
                )),
            ),
        }
        Ok(())
    }

    async fn addresses(&mut self, client: &Client, settings: &Settings) -> Result<()> {
        let classes: Vec<IngressClass> = all(client, "ingress classes").await?;
        let is_default = |one: &&IngressClass| {
            let key = "ingressclass.kubernetes.io/is-default-class";
            one.annotations().get(key).is_some_and(|value| value == "true")
        };
        let chosen = settings.ingress_class.clone().or_else(|| {
            let one =
                classes.iter().find(is_default).or(classes.first().filter(|_| classes.len() == 1));
            one.map(ResourceExt::name_any)
        });
        let (value, front) = if let Some(class) = chosen {
            (format!("Ingress {class}"), Some(Front::Ingress(Some(class))))
        } else if self.ours {
            ("its own front door".into(), Some(Front::Shelf))
        } else if let Some((namespace, name)) = gateway(client).await? {
            let value = format!("Gateway {namespace}/{name}");
            (value, Some(Front::Gateway(namespace, name)))
        } else {
            ("nothing that leads requests in".to_owned(), None)
        };
        let state = if front.is_some() { "ok" } else { "missing" };
        let hint = front.is_none().then(|| {
            "install an ingress controller or a Gateway; an app without paths needs none".to_owned()
        });
        self.front = front;
        self.note("addresses", value, state, hint);
        let hint = settings.address.is_none().then(|| {
            format!(
                "shelf target set {} --address 'https://*.example.org', or url in app.{}.toml",
                settings.name, settings.name
            )
        });
        let state = if hint.is_none() { "ok" } else { "missing" };
        self.note("names", settings.address.clone().unwrap_or_else(|| "none".into()), state, hint);
        Ok(())
    }

    async fn policies(&mut self, client: &Client) -> Result<()> {
        if self.ours {
            self.network_policy = Some("shelf".into());
        } else {
            let sets: Vec<DaemonSet> = all(client, "daemon sets").await?;
            let names = sets.iter().map(ResourceExt::name_any);
            let by = |name: &String| ENFORCERS.iter().any(|one| name.contains(one));
            self.network_policy = names.into_iter().find(by);
        }
        match self.network_policy.clone() {
            Some(by) => self.note("network policy", format!("enforced by {by}"), "ok", None),
            None => self.note(
                "network policy",
                "nobody is known to enforce it".into(),
                "missing",
                Some("other pods can reach a provider's port; keep only apps you trust".into()),
            ),
        }
        Ok(())
    }

    async fn rights(&mut self, client: &Client) -> Result<()> {
        self.makes_namespaces = may(client, "create", "namespaces").await?;
        let hint = (!self.makes_namespaces).then(|| {
            "an admin makes each app's namespace, with a Role in it:  shelf target role APP"
                .to_owned()
        });
        let value = if self.makes_namespaces { "may be made" } else { "must be given" };
        self.note("namespaces", value.into(), "ok", hint);
        Ok(())
    }
}

/// Everything of a cluster-wide kind; nothing if it is not served or may not be seen.
async fn all<K>(client: &Client, what: &str) -> Result<Vec<K>>
where
    K: Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    match Api::<K>::all(client.clone()).list(&ListParams::default()).await {
        Ok(list) => Ok(list.items),
        Err(kube::Error::Api(status)) if [403, 404].contains(&status.code) => Ok(Vec::new()),
        Err(error) => Err(Error::api(format!("list {what}"))(error)),
    }
}

/// The first Gateway there is.
async fn gateway(client: &Client) -> Result<Option<(String, String)>> {
    let kind = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "Gateway");
    let resource = ApiResource::from_gvk_with_plural(&kind, "gateways");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    match api.list(&ListParams::default()).await {
        Ok(list) => {
            let place = |one: &DynamicObject| (one.namespace().unwrap_or_default(), one.name_any());
            Ok(list.items.first().map(place))
        }
        Err(kube::Error::Api(status)) if [403, 404].contains(&status.code) => Ok(None),
        Err(error) => Err(Error::api("list gateways")(error)),
    }
}

async fn may(client: &Client, verb: &str, resource: &str) -> Result<bool> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some(verb.to_owned()),
                resource: Some(resource.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    match api.create(&PostParams::default(), &review).await {
        Ok(answer) => Ok(answer.status.is_some_and(|status| status.allowed)),
        Err(kube::Error::Api(status)) if [403, 404].contains(&status.code) => Ok(false),
        Err(error) => Err(Error::api(format!("ask whether we may {verb} {resource}"))(error)),
    }
}

fn names<K: ResourceExt>(list: &[K]) -> String {
    let names: Vec<String> = list.iter().map(ResourceExt::name_any).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
