//! The body of `POST /containers/create`, checked and translated to a pod and its container.
//!
//! Every field that is not translated must be empty or have the value named here; anything else
//! is refused by name, because an isolation option that is ignored is worse than none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pod::{Container, HostAlias, Limits, Mount, MountSource, RunAs, Spec};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::values::is_empty;

/// The one container of a Docker container's pod.
pub(crate) const MAIN: &str = "main";

/// The request, as far as it is understood; the rest must be empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Request {
    #[serde(deserialize_with = "nullable")]
    pub(crate) image: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) hostname: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) user: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) tty: bool,
    #[serde(deserialize_with = "nullable")]
    pub(crate) open_stdin: bool,
    #[serde(deserialize_with = "nullable")]
    pub(crate) stdin_once: bool,
    #[serde(deserialize_with = "nullable")]
    pub(crate) attach_stdin: bool,
    #[serde(deserialize_with = "nullable")]
    pub(crate) attach_stdout: bool,
    #[serde(deserialize_with = "nullable")]
    pub(crate) attach_stderr: bool,
    #[serde(deserialize_with = "nullable")]
    pub(crate) env: Vec<String>,
    pub(crate) cmd: Option<Words>,
    pub(crate) entrypoint: Option<Words>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) working_dir: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) stop_signal: Option<String>,
    pub(crate) stop_timeout: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) network_disabled: bool,
    #[serde(deserialize_with = "nullable")]
    exposed_ports: Value,
    #[serde(deserialize_with = "nullable")]
    pub(crate) host_config: HostConfig,
    networking_config: Value,
    healthcheck: Value,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What Docker writes as one string or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Words {
    One(String),
    Many(Vec<String>),
}

impl Words {
    fn list(&self) -> Vec<String> {
        match self {
            Self::One(word) => vec![word.clone()],
            Self::Many(words) => words.clone(),
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct HostConfig {
    #[serde(deserialize_with = "nullable")]
    binds: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    mounts: Vec<HostMount>,
    #[serde(deserialize_with = "nullable")]
    tmpfs: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) network_mode: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) auto_remove: bool,
    #[serde(deserialize_with = "nullable")]
    memory: u64,
    #[serde(deserialize_with = "nullable")]
    nano_cpus: u64,
    #[serde(deserialize_with = "nullable")]
    cpu_shares: u64,
    #[serde(deserialize_with = "nullable")]
    cpu_quota: i64,
    #[serde(deserialize_with = "nullable")]
    cpu_period: i64,
    #[serde(deserialize_with = "nullable")]
    pids_limit: i64,
    #[serde(deserialize_with = "nullable")]
    cap_add: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    cap_drop: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    security_opt: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    readonly_rootfs: bool,
    #[serde(deserialize_with = "nullable")]
    extra_hosts: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    dns: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    dns_search: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    dns_options: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    sysctls: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    group_add: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    oom_score_adj: i32,
    #[serde(deserialize_with = "nullable")]
    pub(crate) console_size: (u16, u16),
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostMount {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(deserialize_with = "nullable")]
    source: String,
    target: String,
    #[serde(deserialize_with = "nullable")]
    read_only: bool,
    tmpfs_options: Value,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Go encoders write `null` for what is not set.
fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Options whose value says what happens anyway.
const ANYWAY: &[(&str, &[&str])] = &[
    ("IpcMode", &["private", "shareable"]),
    ("CgroupnsMode", &["private"]),
    ("Isolation", &["default"]),
    ("VolumeDriver", &["local"]),
];

impl Request {
    /// Reads the body and refuses what cannot be done.
    pub(crate) fn parse(body: &Value) -> Result<Self> {
        let request: Self = serde_json::from_value(body.clone())
            .map_err(|error| Error::bad(format!("invalid container configuration: {error}")))?;
        request.check()?;
        request.host_config.check()?;
        // Translated now, so that a start later cannot be refused for what was asked here.
        request.container(0)?;
        request.spec("0")?;
        if let Some(signal) = &request.stop_signal {
            crate::signal::number(signal)?;
        }
        Ok(request)
    }

    fn check(&self) -> Result<()> {
        if self.image.is_empty() {
            return Err(Error::bad("no image specified"));
        }
        for (name, value) in &self.rest {
            // Parts of an image's configuration that mean nothing for one container.
            if !matches!(name.as_str(), "OnBuild" | "Shell" | "ArgsEscaped") && !is_empty(value) {
                return Err(Error::unsupported(name));
            }
        }
        let none = self.healthcheck.pointer("/Test/0").and_then(Value::as_str) == Some("NONE");
        if !none && !is_empty(&self.healthcheck) {
            return Err(Error::unsupported("Healthcheck"));
        }
        let endpoints = self.networking_config.get("EndpointsConfig").and_then(Value::as_object);
        for (name, value) in endpoints.into_iter().flatten() {
            if !matches!(name.as_str(), "default" | "bridge" | "none") {
                return Err(Error::unsupported(format!("network {name}")));
            }
            if !is_empty(value) {
                return Err(Error::unsupported(format!("an address or alias in network {name}")));
            }
        }
        Ok(())
    }

    /// Whether it has a loopback only.
    pub(crate) fn isolated(&self) -> bool {
        self.network_disabled || self.host_config.network_mode == "none"
    }

    /// The pod it runs in.
    pub(crate) fn spec(&self, id: &str) -> Result<Spec> {
        let host = &self.host_config;
        let short: String = id.chars().take(12).collect();
        let mut host_aliases = Vec::new();
        for line in &host.extra_hosts {
            let (name, ip) = line
                .split_once('=')
                .or_else(|| line.split_once(':'))
                .ok_or_else(|| Error::bad(format!("invalid extra host {line:?}")))?;
            if ip == "host-gateway" {
                return Err(Error::unsupported("host-gateway"));
            }
            if ip.parse::<std::net::IpAddr>().is_err() {
                return Err(Error::bad(format!("invalid address in extra host {line:?}")));
            }
            host_aliases.push(HostAlias { ip: ip.to_owned(), hostnames: vec![name.to_owned()] });
        }
        Ok(Spec {
            id: id.to_owned(),
            // Of no namespace: the Kubernetes side leaves it alone.
            namespace: String::new(),
            name: short.clone(),
            hostname: if self.hostname.is_empty() { short } else { self.hostname.clone() },
            fqdn: None,
            dns: pod::Dns {
                nameservers: host.dns.clone(),
                searches: host.dns_search.clone(),
                options: host.dns_options.clone(),
            },
            sysctls: host.sysctls.clone().into_iter().collect(),
            host_aliases,
            user_namespace: true,
            isolated: self.isolated(),
        })
    }

    /// Its process. The image is named by the caller.
    pub(crate) fn container(&self, attempt: u32) -> Result<Container> {
        let host = &self.host_config;
        let words = |words: &Option<Words>| words.as_ref().map(Words::list);
        let command = words(&self.entrypoint).filter(|list| !list.is_empty()).map(|list| {
            // One empty word takes the image's entry point away.
            if list == [""] { Vec::new() } else { list }
        });
        let mut env = Vec::new();
        for line in &self.env {
            let Some((name, value)) = line.split_once('=') else {
                return Err(Error::unsupported(format!("removing the variable {line}")));
            };
            env.push((name.to_owned(), value.to_owned()));
        }
        let mut allow_privilege_escalation = true;
        let mut seccomp_unconfined = false;
        for option in &host.security_opt {
            match option.as_str() {
                "no-new-privileges" | "no-new-privileges:true" | "no-new-privileges=true" => {
                    allow_privilege_escalation = false;
                }
                "seccomp=unconfined" | "seccomp:unconfined" => seccomp_unconfined = true,
                other => return Err(Error::unsupported(format!("SecurityOpt {other}"))),
            }
        }
        let capabilities = pod::capabilities::choose(&host.cap_add, &host.cap_drop)
            .map_err(|name| Error::unsupported(format!("capability {name}")))?;
        let mut supplemental = Vec::new();
        for group in &host.group_add {
            supplemental.push(group.parse().map_err(|_| {
                Error::unsupported(format!("a group by name ({group}); a number is"))
            })?);
        }
        Ok(Container {
            name: MAIN.to_owned(),
            image: String::new(),
            command,
            args: words(&self.cmd).filter(|list| !list.is_empty()),
            env,
            working_dir: Some(PathBuf::from(&self.working_dir)).filter(|dir| dir.is_absolute()),
            run_as: RunAs {
                user: Some(self.user.clone()).filter(|user| !user.is_empty()),
                supplemental,
                ..RunAs::default()
            },
            mounts: host.mounts()?,
            limits: host.limits()?,
            capabilities,
            allow_privilege_escalation,
            seccomp_unconfined,
            read_only_root: host.readonly_rootfs,
            terminal: self.tty,
            stdin: self.open_stdin,
            attempt,
            oom_score_adj: Some(host.oom_score_adj).filter(|value| *value != 0),
        })
    }

    pub(crate) fn exposed_ports(&self) -> &Value {
        &self.exposed_ports
    }
}

impl HostConfig {
    fn check(&self) -> Result<()> {
        if !matches!(self.network_mode.as_str(), "" | "default" | "bridge" | "none") {
            return Err(Error::unsupported(format!("network {}", self.network_mode)));
        }
        for (name, value) in &self.rest {
            let text = value.as_str();
            let anyway = ANYWAY.iter().any(|(known, values)| {
                known == name && text.is_some_and(|text| values.contains(&text))
            });
            let fine = match name.as_str() {
                // -1: the kernel's choice, or no swap beyond what memory is.
                "MemorySwappiness" => value.as_i64() == Some(-1),
                "MemorySwap" => {
                    let swap = value.as_i64();
                    swap == Some(-1)
                        || swap.and_then(|n| u64::try_from(n).ok()) == Some(self.memory)
                }
                "ShmSize" => value.as_u64() == Some(64 << 20),
                "LogConfig" => {
                    let kind = value.get("Type").and_then(Value::as_str).unwrap_or_default();
                    matches!(kind, "" | "json-file") && value.get("Config").is_none_or(is_empty)
                }
                "RestartPolicy" => {
                    let name = value.get("Name").and_then(Value::as_str).unwrap_or_default();
                    matches!(name, "" | "no")
                }
                // Paths hidden by default, listed by clients that read another container's.
                "MaskedPaths" | "ReadonlyPaths" => false,
                _ => anyway,
            };
            if !fine && !is_empty(value) {
                let what = match name.as_str() {
                    "PortBindings" | "PublishAllPorts" => "publishing ports (-p, -P)",
                    "Privileged" => "a privileged container",
                    "RestartPolicy" => "a restart policy (--restart)",
                    other => other,
                };
                return Err(Error::unsupported(what));
            }
        }
        Ok(())
    }

    fn limits(&self) -> Result<Limits> {
        let positive = |value: u64| Some(value).filter(|value| *value > 0);
        if self.memory > 0 && self.memory < 6 << 20 {
            return Err(Error::bad("Minimum memory limit allowed is 6MB"));
        }
        let cpu_millis = match (self.nano_cpus, u64::try_from(self.cpu_quota)) {
            (nano @ 1.., _) => Some((nano / 1_000_000).max(1)),
            (0, Ok(quota @ 1..)) => {
                let period = u64::try_from(self.cpu_period).ok().filter(|period| *period > 0);
                Some((quota.saturating_mul(1_000) / period.unwrap_or(100_000)).max(1))
            }
            _ => None,
        };
        Ok(Limits {
            memory_bytes: positive(self.memory),
            cpu_millis,
            cpu_shares: positive(self.cpu_shares),
            pids: u64::try_from(self.pids_limit).ok().and_then(positive),
        })
    }

    fn mounts(&self) -> Result<Vec<Mount>> {
        let mut mounts = Vec::new();
        for bind in &self.binds {
            mounts.push(parse_bind(bind)?);
        }
        for mount in &self.mounts {
            mounts.push(mount.translate()?);
        }
        for (destination, options) in &self.tmpfs {
            mounts.push(parse_tmpfs(destination, options)?);
        }
        Ok(mounts)
    }
}

fn bind(source: &str, destination: &str, read_only: bool) -> Result<Mount> {
    if !Path::new(source).is_absolute() {
        return Err(Error::unsupported(format!("a named volume ({source})")));
    }
    Ok(Mount {
        source: MountSource::Host(PathBuf::from(source)),
        sub_path: None,
        destination: checked(destination)?,
        read_only,
        idmap: true,
        adopt_owner: false,
    })
}

fn checked(destination: &str) -> Result<PathBuf> {
    let path = PathBuf::from(destination);
    let plain = path.components().all(|part| part != std::path::Component::ParentDir);
    if !path.is_absolute() || !plain || path == Path::new("/") {
        return Err(Error::bad(format!(
            "invalid mount path {destination:?}: it must be absolute, and not the root"
        )));
    }
    Ok(path)
}

/// `/host:/inside[:ro]`.
fn parse_bind(text: &str) -> Result<Mount> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, destination, options) = match parts[..] {
        [source, destination] => (source, destination, ""),
        [source, destination, options] => (source, destination, options),
        _ => return Err(Error::bad(format!("invalid volume specification: {text:?}"))),
    };
    let mut read_only = false;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => read_only = true,
            // Labels of SELinux and propagation that is what happens anyway.
            "rw" | "z" | "Z" | "private" | "rprivate" => {}
            other => return Err(Error::unsupported(format!("volume option {other}"))),
        }
    }
    bind(source, destination, read_only)
}

/// `/run` with options such as `size=64m,mode=1777`.
fn parse_tmpfs(destination: &str, options: &str) -> Result<Mount> {
    let (mut size_bytes, mut mode, mut read_only) = (None, 0o1777, false);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) => size_bytes = Some(size(value)?),
            Some(("mode", value)) => {
                mode = u32::from_str_radix(value, 8)
                    .map_err(|_| Error::bad(format!("invalid tmpfs mode {value:?}")))?;
            }
            None if option == "ro" => read_only = true,
            // What a container's tmpfs has anyway.
            None if matches!(option, "rw" | "nosuid" | "nodev" | "noexec") => {}
            _ => return Err(Error::unsupported(format!("tmpfs option {option}"))),
        }
    }
    tmpfs(destination, size_bytes, mode, read_only)
}

fn tmpfs(destination: &str, size_bytes: Option<u64>, mode: u32, read_only: bool) -> Result<Mount> {
    Ok(Mount {
        source: MountSource::Tmpfs { size_bytes, mode },
        sub_path: None,
        destination: checked(destination)?,
        read_only,
        idmap: false,
        adopt_owner: false,
    })
}

fn size(text: &str) -> Result<u64> {
    let lower = text.to_ascii_lowercase();
    let (digits, shift) = match lower.trim_end_matches('b') {
        rest if rest.ends_with('k') => (rest.trim_end_matches('k'), 10),
        rest if rest.ends_with('m') => (rest.trim_end_matches('m'), 20),
        rest if rest.ends_with('g') => (rest.trim_end_matches('g'), 30),
        rest => (rest, 0),
    };
    let number: u64 =
        digits.parse().map_err(|_| Error::bad(format!("invalid tmpfs size {text:?}")))?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| Error::bad(format!("tmpfs size {text:?} is too large")))
}

impl HostMount {
    fn translate(&self) -> Result<Mount> {
        for (name, value) in &self.rest {
            let anyway = name == "BindOptions"
                && value.get("Propagation").and_then(Value::as_str) == Some("rprivate")
                || name == "Consistency";
            if !anyway && !is_empty(value) {
                return Err(Error::unsupported(format!("mount option {name}")));
            }
        }
        match self.kind.as_str() {
            "bind" => bind(&self.source, &self.target, self.read_only),
            "tmpfs" => {
                let number = |name: &str| self.tmpfs_options.get(name).and_then(Value::as_u64);
                let mode = number("Mode").and_then(|mode| u32::try_from(mode).ok());
                tmpfs(
                    &self.target,
                    number("SizeBytes").filter(|size| *size > 0),
                    mode.filter(|mode| *mode > 0).unwrap_or(0o1777),
                    self.read_only,
                )
            }
            other => Err(Error::unsupported(format!("a mount of type {other}"))),
        }
    }
}

#[cfg(test)]
#[path = "options/tests.rs"]
mod tests;
