//! A target that is not this machine: any cluster that a kubeconfig leads to.
//!
//! What it is called, how it is reached and what its owner says of it are its settings; what it can
//! do is found out by asking it (`survey.rs`). Where next: `targets.rs`, which keeps the settings.

use composer::Front;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::{Deserialize, Serialize};

use crate::survey::Survey;
use crate::{Error, Result};

/// The registry in front of images that exist only on this machine.
const LOCAL: &str = "shelf.local/";

/// What is kept of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// A kubeconfig with one context and everything it needs, as YAML.
    pub kubeconfig: String,
    /// Where that context leads.
    pub server: String,
    /// Where its images go, such as `registry.example.org/shop`.
    #[serde(default)]
    pub registry: Option<String>,
    /// Addresses of its apps, such as `https://*.example.org`; the star is the app's name.
    #[serde(default)]
    pub address: Option<String>,
    /// The class of Ingresses, instead of the default one.
    #[serde(default)]
    pub ingress_class: Option<String>,
    /// The class of disks, instead of the default one.
    #[serde(default)]
    pub storage_class: Option<String>,
    /// A class of disks that many nodes write to at once.
    #[serde(default)]
    pub shared_storage_class: Option<String>,
    /// Whether every change must name it.
    #[serde(default)]
    pub protected: bool,
}

/// A cluster that was reached.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// What is kept of it.
    pub settings: Settings,
    /// What it said of itself.
    pub survey: Survey,
}

impl Cluster {
    /// The app's address there.
    pub(crate) fn url(&self, app: &str) -> Option<String> {
        self.settings.address.as_ref().map(|pattern| pattern.replace('*', app))
    }

    /// The name of an image there.
    pub(crate) fn image(&self, image: &str) -> String {
        match (&self.settings.registry, image.strip_prefix(LOCAL)) {
            (Some(registry), Some(rest)) => format!("{}/{rest}", registry.trim_end_matches('/')),
            _ => image.to_owned(),
        }
    }

    /// What the compiler must know of it.
    pub(crate) fn facts(&self, app: &str) -> composer::Facts {
        let (settings, survey) = (&self.settings, &self.survey);
        let url = self.url(app).unwrap_or_default();
        let host = url.split_once("://").map_or("", |(_, rest)| rest);
        let shared = settings.shared_storage_class.clone().or(survey.shared_class.clone());
        composer::Facts {
            host: host.split(':').next().unwrap_or_default().to_owned(),
            serves_tls: true,
            storage_class: settings.storage_class.clone(),
            shared_storage: shared.is_some() || survey.ours,
            shared_storage_class: shared,
            user_namespaces: survey.user_namespaces,
            scales_by_load: survey.measures_load,
            front: match &settings.ingress_class {
                Some(class) => Front::Ingress(Some(class.clone())),
                None => survey.front.clone().unwrap_or(Front::Ingress(None)),
            },
            namespace_given: !survey.makes_namespaces,
            enforces_network_policy: survey.network_policy.is_some(),
            url,
            ..composer::Facts::default()
        }
    }
}

impl Settings {
    /// A client of it. Nothing is asked yet.
    ///
    /// # Errors
    /// The kubeconfig leads nowhere.
    pub async fn client(&self) -> Result<Client> {
        let config = Kubeconfig::from_yaml(&self.kubeconfig).map_err(|error| self.wrong(&error))?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(config, &options).await;
        Client::try_from(config.map_err(|error| self.wrong(&error))?)
            .map_err(|error| self.wrong(&error))
    }

    fn wrong(&self, error: &dyn std::fmt::Display) -> Error {
        Error::Data {
            code: "target/kubeconfig",
            message: format!("the kubeconfig of {} cannot be used: {error}", self.name),
            hint: Some(format!("give it anew:  shelf target add {} --kubeconfig FILE", self.name)),
        }
    }
}
