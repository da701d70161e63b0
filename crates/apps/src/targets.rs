//! The targets a server knows: one private file each, and which one is meant if none is named.
//!
//! A kubeconfig is read once and kept with everything it names, so that a target stays the same
//! cluster whatever happens to the file. Where next: `cluster.rs`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fs_err as fs;
use kube::config::Kubeconfig;
use serde::{Deserialize, Serialize};

use crate::cluster::{Cluster, Settings};
use crate::registry::write_private;
use crate::survey::{Finding, survey};
use crate::target::HERE;
use crate::{Error, Result, Target};

/// The files.
#[derive(Debug, Clone)]
pub struct Targets {
    folder: PathBuf,
}

/// A target as it is listed; never what opens it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetReport {
    /// Its name.
    pub name: String,
    /// The API's address; nothing for this machine.
    pub server: Option<String>,
    /// Where its images go.
    pub registry: Option<String>,
    /// Addresses of its apps.
    pub address: Option<String>,
    /// Whether every change must name it.
    pub protected: bool,
    /// Whether it is meant when none is named.
    pub used: bool,
}

/// The result of asking a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetCheck {
    /// Its name.
    pub name: String,
    /// Whether apps can run there at all.
    pub fit: bool,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Targets {
    /// Opens the folder, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(folder: &Path) -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let what = || failed(format!("make {}", folder.display()));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(what())?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Every target, this machine first.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn list(&self) -> Result<Vec<TargetReport>> {
        let used = self.used()?;
        let mut all = vec![TargetReport {
            name: HERE.to_owned(),
            server: None,
            registry: None,
            address: None,
            protected: false,
            used: used == HERE,
        }];
        let mut names: Vec<String> = fs::read_dir(&self.folder)
            .map_err(failed("read the targets"))?
            .flatten()
            .filter_map(|one| Some(one.file_name().to_str()?.strip_suffix(".json")?.to_owned()))
            .collect();
        names.sort();
        for name in names {
            let settings = self.get(&name)?;
            all.push(TargetReport {
                used: used == settings.name,
                name: settings.name,
                server: Some(settings.server),
                registry: settings.registry,
                address: settings.address,
                protected: settings.protected,
            });
        }
        Ok(all)
    }

    /// What is kept of a target.
    ///
    /// # Errors
    /// There is none of that name, or its file cannot be read.
    pub fn get(&self, name: &str) -> Result<Settings> {
        let path = self.path(name)?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(absent(name)),
            Err(source) => return Err(Error::Read { path, source }),
        };
        serde_json::from_str(&text).map_err(|error| Error::Data {
            code: "target/file",
            message: format!("{} cannot be read: {error}", path.display()),
            hint: Some(format!("add it anew:  shelf target add {name} --kubeconfig FILE")),
        })
    }

    /// Keeps a target.
    ///
    /// # Errors
    /// Its name is none, or its file cannot be written.
    pub fn put(&self, settings: &Settings) -> Result<()> {
        let path = self.path(&settings.name)?;
        let wrong = |what: &str, value: &str, example: &str| Error::Data {
            code: "target/setting",
            message: format!("{value:?} is no {what} of a target"),
            hint: Some(format!("such as {example}")),
        };
        if let Some(address) = &settings.address {
            let host = address.strip_prefix("https://").or(address.strip_prefix("http://"));
            let fine =
                host.is_some_and(|host| host.matches('*').count() == 1 && !host.contains('/'));
            if !fine {
                return Err(wrong("address", address, "https://*.example.org"));
            }
        }
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._/:".contains(c);
        if let Some(registry) = &settings.registry
            && (registry.contains("://") || registry.is_empty() || !registry.chars().all(good))
        {
            return Err(wrong("registry", registry, "registry.example.org/apps"));
        }
        let text = serde_json::to_string_pretty(settings).unwrap_or_default();
        write_private(&path, text.as_bytes()).map_err(|source| Error::Write { path, source })
    }

    /// Forgets a target. What runs there goes on.
    ///
    /// # Errors
    /// There is none of that name, or its file cannot be deleted.
    pub fn remove(&self, name: &str) -> Result<()> {
        let settings = self.get(name)?;
        if self.used()? == settings.name {
            self.use_(HERE)?;
        }
        fs::remove_file(self.path(name)?).map_err(failed(format!("forget {name}")))
    }

    /// The target that is meant if none is named.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn used(&self) -> Result<String> {
        let path = self.folder.join("used");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(HERE.to_owned()),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    /// Says which target is meant if none is named.
    ///
    /// # Errors
    /// There is none of that name, or the file cannot be written.
    pub fn use_(&self, name: &str) -> Result<()> {
        if name != HERE {
            self.get(name)?;
        }
        let path = self.folder.join("used");
        write_private(&path, name.as_bytes()).map_err(|source| Error::Write { path, source })
    }

    fn path(&self, name: &str) -> Result<PathBuf> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 40 || name == HERE || !name.chars().all(good) {
            return Err(Error::Data {
                code: "target/name",
                message: format!("\"{name}\" cannot be the name of a target"),
                hint: Some(
                    "small letters, digits and -, such as prod; local is this machine".into(),
                ),
            });
        }
        Ok(self.folder.join(format!("{name}.json")))
    }
}

/// One context of a kubeconfig with everything it needs, and where it leads.
///
/// # Errors
/// The file cannot be read, or has no such context.
pub fn kubeconfig(path: &Path, context: Option<&str>) -> Result<(String, String)> {
    let wrong = |message: String, hint: Option<String>| Error::Data {
        code: "target/kubeconfig",
        message: format!("{}: {message}", path.display()),
        hint,
    };
    // Names of files in it count from where it is.
    let all = Kubeconfig::read_from(path).map_err(|error| wrong(error.to_string(), None))?;
    let known: Vec<String> = all.contexts.iter().map(|one| one.name.clone()).collect();
    let known = known.join(", ");
    let Some(name) = context.map(str::to_owned).or(all.current_context.clone()) else {
        return Err(wrong(
            "no context is the current one".into(),
            Some(format!("--context: {known}")),
        ));
    };
    let Some(one) = all.contexts.iter().find(|one| one.name == name) else {
        return Err(wrong(
            format!("there is no context {name}"),
            Some(format!("there are: {known}")),
        ));
    };
    let said = one.context.clone().unwrap_or_default();
    let mut kept = Kubeconfig {
        current_context: Some(name.clone()),
        contexts: vec![one.clone()],
        clusters: all.clusters.iter().filter(|one| one.name == said.cluster).cloned().collect(),
        auth_infos: all
            .auth_infos
            .iter()
            .filter(|one| said.user.as_ref() == Some(&one.name))
            .cloned()
            .collect(),
        ..Kubeconfig::default()
    };
    let inline = |file: &mut Option<String>| -> Result<Option<String>> {
        let Some(path) = file.take() else { return Ok(None) };
        let bytes =
            fs::read(&path).map_err(|source| Error::Read { path: PathBuf::from(&path), source })?;
        Ok(Some(STANDARD.encode(bytes)))
    };
    let mut server = None;
    for cluster in kept.clusters.iter_mut().filter_map(|one| one.cluster.as_mut()) {
        server = cluster.server.clone();
        if let Some(data) = inline(&mut cluster.certificate_authority)? {
            cluster.certificate_authority_data = Some(data);
        }
    }
    for user in kept.auth_infos.iter_mut().filter_map(|one| one.auth_info.as_mut()) {
        if let Some(data) = inline(&mut user.client_certificate)? {
            user.client_certificate_data = Some(data);
        }
        if let Some(data) = inline(&mut user.client_key)? {
            user.client_key_data = Some(data.into());
        }
    }
    let server = server.ok_or_else(|| wrong(format!("context {name} names no cluster"), None))?;
    let text = serde_saphyr::to_string(&kept).map_err(|error| wrong(error.to_string(), None))?;
    Ok((text, server))
}

/// A target as the verbs want it: reached, and asked what it can do.
///
/// # Errors
/// It cannot be reached.
pub async fn reach(here: &Target, settings: Settings) -> Result<Target> {
    let client = settings.client().await?;
    let survey = survey(&client, &settings).await?;
    let cluster = Some(Arc::new(Cluster { settings, survey }));
    Ok(Target { client, cluster, ..here.clone() })
}

/// What was found out about a target.
///
/// # Errors
/// It cannot be reached.
pub async fn check_target(here: &Target, settings: Settings) -> Result<TargetCheck> {
    let reached = reach(here, settings).await?;
    let findings =
        reached.cluster.as_ref().map(|one| one.survey.findings.clone()).unwrap_or_default();
    Ok(TargetCheck {
        name: reached.name().to_owned(),
        fit: findings.iter().all(|one| one.state != "wrong"),
        findings,
    })
}

/// The same of this machine, which nobody has to add.
///
/// # Errors
/// Its own API does not answer.
pub async fn check_here(here: &Target) -> Result<TargetCheck> {
    let settings = Settings {
        name: HERE.to_owned(),
        kubeconfig: String::new(),
        server: "this machine".to_owned(),
        registry: Some("none needed: images stay here".to_owned()),
        address: Some(here.url("*")),
        ingress_class: None,
        storage_class: None,
        shared_storage_class: None,
        protected: false,
    };
    let findings = survey(&here.client, &settings).await?.findings;
    let fit = findings.iter().all(|one| one.state != "wrong");
    Ok(TargetCheck { name: settings.name, fit, findings })
}

fn absent(name: &str) -> Error {
    Error::Data {
        code: "target/absent",
        message: format!("there is no target {name}"),
        hint: Some("those there are:  shelf target list        another:  shelf target add NAME --kubeconfig FILE".into()),
    }
}

fn failed(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
    let what = what.into();
    move |source| Error::File { what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "apiVersion: v1\nkind: Config\ncurrent-context: one\ncontexts:\n- name: one\n  context: {cluster: a, user: b}\n- name: two\n  context: {cluster: c, user: b}\nclusters:\n- name: a\n  cluster: {server: 'https://a.example.org', certificate-authority: ca.pem}\n- name: c\n  cluster: {server: 'https://c.example.org'}\nusers:\n- name: b\n  user: {token: secret}\n";

    #[test]
    fn a_kubeconfig_is_kept_with_what_it_names_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ca.pem"), "PEM").unwrap();
        let path = dir.path().join("config");
        fs::write(&path, CONFIG).unwrap();
        let (text, server) = kubeconfig(&path, None).unwrap();
        assert_eq!(server, "https://a.example.org");
        assert!(
            text.contains(&STANDARD.encode("PEM")) && !text.contains("c.example.org"),
            "{text}"
        );
        let kept = Kubeconfig::from_yaml(&text).unwrap();
        assert_eq!(kept.contexts.len(), 1);
        assert_eq!(kubeconfig(&path, Some("two")).unwrap().1, "https://c.example.org");
        assert!(
            kubeconfig(&path, Some("three")).unwrap_err().report().hint.unwrap().contains("two")
        );
    }

    #[test]
    fn a_target_is_kept_listed_used_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let targets = Targets::open(&dir.path().join("targets")).unwrap();
        let settings = |name: &str| Settings {
            name: name.into(),
            kubeconfig: CONFIG.into(),
            server: "https://a.example.org".into(),
            registry: Some("registry.example.org/apps".into()),
            address: Some("https://*.example.org".into()),
            ingress_class: None,
            storage_class: None,
            shared_storage_class: None,
            protected: true,
        };
        targets.put(&settings("prod")).unwrap();
        for wrong in ["", "local", "../x", "A", "a b"] {
            assert!(targets.put(&settings(wrong)).is_err(), "{wrong}");
        }
        let odd = Settings { address: Some("example.org".into()), ..settings("odd") };
        assert!(targets.put(&odd).is_err());
        let odd = Settings { registry: Some("http://x".into()), ..settings("odd") };
        assert!(targets.put(&odd).is_err());
        assert_eq!(targets.used().unwrap(), "local");
        targets.use_("prod").unwrap();
        let names: Vec<(String, bool)> =
            targets.list().unwrap().into_iter().map(|one| (one.name, one.used)).collect();
        assert_eq!(names, [("local".to_owned(), false), ("prod".to_owned(), true)]);
        let listed = serde_json::to_string(&targets.list().unwrap()).unwrap();
        assert!(!listed.contains("secret"), "what opens it is not listed");
        targets.remove("prod").unwrap();
        assert_eq!(targets.used().unwrap(), "local");
        assert!(targets.use_("prod").is_err());
    }
}
