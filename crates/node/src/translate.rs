//! The border between Kubernetes' words and the pod room's: two functions, no state.

use std::collections::BTreeMap;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::{Container, Pod, ResourceRequirements};
use kinds::quantity;
use kube::ResourceExt;
use pod::{Dns, HostAlias, Limits, Mount, MountSource, RunAs};

use crate::env::expand;
use crate::error::Error;
use crate::host::uid;
use crate::start::Settings;
use crate::volumes::Ready;

/// Longest host name the kernel takes.
const HOSTNAME: usize = 63;

/// The pod's sandbox.
pub(crate) fn sandbox(pod: &Pod, settings: &Settings) -> pod::Spec {
    let spec = pod.spec.clone().unwrap_or_default();
    let namespace = pod.namespace().unwrap_or_default();
    let mut hostname = spec.hostname.clone().unwrap_or_else(|| pod.name_any());
    hostname.truncate(HOSTNAME);
    let hostname = hostname.trim_end_matches(['-', '.']).to_owned();
    let fqdn = spec.subdomain.as_ref().map(|subdomain| {
        format!("{hostname}.{subdomain}.{namespace}.svc.{}", settings.cluster_domain)
    });
    let context = spec.security_context.clone().unwrap_or_default();
    pod::Spec {
        id: uid(pod),
        name: pod.name_any(),
        dns: dns(pod, &namespace, settings),
        namespace,
        hostname,
        fqdn,
        sysctls: context.sysctls.into_iter().flatten().map(|s| (s.name, s.value)).collect(),
        host_aliases: spec
            .host_aliases
            .into_iter()
            .flatten()
            .map(|a| HostAlias { ip: a.ip, hostnames: a.hostnames.unwrap_or_default() })
            .collect(),
        user_namespace: true,
        isolated: false,
    }
}

fn dns(pod: &Pod, namespace: &str, settings: &Settings) -> Dns {
    let spec = pod.spec.clone().unwrap_or_default();
    let mut dns = match spec.dns_policy.as_deref() {
        // The machine's own servers are put in where none are named.
        Some("Default" | "None") => Dns::default(),
        _ => {
            let domain = &settings.cluster_domain;
            Dns {
                nameservers: vec![settings.cluster_dns.to_string()],
                searches: vec![
                    format!("{namespace}.svc.{domain}"),
                    format!("svc.{domain}"),
                    domain.clone(),
                ],
                options: vec!["ndots:5".to_owned()],
            }
        }
    };
    let Some(config) = spec.dns_config else { return dns };
    dns.nameservers.extend(config.nameservers.into_iter().flatten());
    dns.searches.extend(config.searches.into_iter().flatten());
    for option in config.options.into_iter().flatten() {
        let name = option.name.unwrap_or_default();
        dns.options.retain(|known| known.split(':').next() != Some(name.as_str()));
        dns.options.push(match option.value {
            Some(value) => format!("{name}:{value}"),
            None => name,
        });
    }
    dns
}

/// One container, ready to be started.
pub(crate) fn container(
    pod: &Pod,
    container: &Container,
    env: Vec<(String, String)>,
    volumes: &BTreeMap<String, Ready>,
    termination_log: PathBuf,
    attempt: u32,
) -> Result<pod::Container, Error> {
    let context = container.security_context.clone().unwrap_or_default();
    let changes = context.capabilities.clone().unwrap_or_default();
    let capabilities = pod::capabilities::choose(
        changes.add.as_deref().unwrap_or_default(),
        changes.drop.as_deref().unwrap_or_default(),
    )
    .map_err(|name| Error::Config { reason: format!("capability {name} is not allowed") })?;
    let expanded = |list: &Option<Vec<String>>| {
        list.as_ref()
            .filter(|list| !list.is_empty())
            .map(|list| list.iter().map(|text| expand(text, &env)).collect::<Vec<_>>())
    };
    let mut mounts = mounts(container, &env, volumes)?;
    mounts.push(Mount {
        source: MountSource::Host(termination_log),
        sub_path: None,
        destination: PathBuf::from(
            container.termination_message_path.as_deref().unwrap_or("/dev/termination-log"),
        ),
        read_only: false,
        idmap: true,
        adopt_owner: false,
    });
    Ok(pod::Container {
        name: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        command: expanded(&container.command),
        args: expanded(&container.args),
        working_dir: container.working_dir.clone().filter(|d| !d.is_empty()).map(PathBuf::from),
        run_as: run_as(pod, container)?,
        mounts,
        limits: limits(container.resources.as_ref())?,
        capabilities,
        allow_privilege_escalation: context.allow_privilege_escalation == Some(true),
        seccomp_unconfined: false,
        read_only_root: context.read_only_root_filesystem == Some(true),
        terminal: container.tty == Some(true),
        stdin: container.stdin == Some(true),
        attempt,
        oom_score_adj: None,
        env,
    })
}

fn mounts(
    container: &Container,
    env: &[(String, String)],
    volumes: &BTreeMap<String, Ready>,
) -> Result<Vec<Mount>, Error> {
    let mut mounts = Vec::new();
    for mount in container.volume_mounts.iter().flatten() {
        let volume = volumes.get(&mount.name).ok_or_else(|| Error::Config {
            reason: format!("volume {} of container {} is not there", mount.name, container.name),
        })?;
        let sub_path = match &mount.sub_path_expr {
            Some(text) => Some(expand(text, env)),
            None => mount.sub_path.clone(),
        };
        mounts.push(Mount {
            source: MountSource::Host(volume.path.clone()),
            sub_path: sub_path.filter(|path| !path.is_empty()),
            destination: PathBuf::from(&mount.mount_path),
            read_only: volume.read_only || mount.read_only == Some(true),
            idmap: true,
            adopt_owner: volume.adopt_owner,
        });
    }
    // Outer mounts first, or they would hide the inner ones.
    mounts.sort_by_key(|mount| mount.destination.components().count());
    Ok(mounts)
}

fn run_as(pod: &Pod, container: &Container) -> Result<RunAs, Error> {
    let of_pod = pod.spec.as_ref().and_then(|s| s.security_context.clone()).unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let id = |value: i64| {
        u32::try_from(value)
            .map_err(|_| Error::Config { reason: format!("{value} is not a user or group id") })
    };
    let user = own.run_as_user.or(of_pod.run_as_user).map(id).transpose()?;
    let group = own.run_as_group.or(of_pod.run_as_group).map(id).transpose()?;
    let extra = of_pod.supplemental_groups.into_iter().flatten().chain(of_pod.fs_group);
    Ok(RunAs {
        user: user.map(|user| user.to_string()),
        group,
        supplemental: extra.map(id).collect::<Result<_, _>>()?,
        non_root: own.run_as_non_root.or(of_pod.run_as_non_root) == Some(true),
    })
}

fn limits(resources: Option<&ResourceRequirements>) -> Result<Limits, Error> {
    let Some(resources) = resources else { return Ok(Limits::default()) };
    let read = |map: &Option<BTreeMap<String, _>>, name: &str| {
        let text = map
            .as_ref()
            .and_then(|m| m.get(name))
            .map(|q: &k8s_openapi::apimachinery::pkg::api::resource::Quantity| q.0.clone());
        text.map(|text| quantity::parse(&text).map_err(|e| Error::Config { reason: e.to_string() }))
            .transpose()
    };
    let memory = read(&resources.limits, "memory")?;
    let cpu = read(&resources.limits, "cpu")?;
    let request = read(&resources.requests, "cpu")?.or(cpu);
    let positive = |value: i128| u64::try_from(value).ok().filter(|value| *value > 0);
    Ok(Limits {
        memory_bytes: memory.and_then(|q| positive(q.value())),
        cpu_millis: cpu.and_then(|q| positive(q.milli())),
        cpu_shares: request.and_then(|q| positive(q.milli() * 1024 / 1000)).map(|s| s.max(2)),
        pids: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings() -> Settings {
        let path = std::path::Path::new("/nowhere");
        Settings::new("n", path, path, std::net::Ipv4Addr::new(10, 88, 0, 1))
    }

    #[test]
    fn a_set_pod_has_a_name_under_its_service() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "db-0", "namespace": "shop", "uid": "u"},
            "spec": {"hostname": "db-0", "subdomain": "db", "containers": [],
                "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]}}}))
        .unwrap();
        let sandbox = sandbox(&pod, &settings());
        assert_eq!(sandbox.fqdn.as_deref(), Some("db-0.db.shop.svc.cluster.local"));
        assert_eq!(sandbox.dns.options, ["ndots:2"]);
        assert_eq!(sandbox.dns.searches[0], "shop.svc.cluster.local");
    }

    #[test]
    fn the_containers_context_overrides_the_pods() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {}, "spec": {
            "securityContext": {"runAsUser": 5, "fsGroup": 7, "runAsNonRoot": true},
            "containers": [{"name": "c", "args": ["$(A)"],
                "resources": {"limits": {"memory": "64Mi", "cpu": "500m"}},
                "volumeMounts": [{"name": "v", "mountPath": "/a/b"}, {"name": "v", "mountPath": "/a",
                    "subPathExpr": "x/$(A)"}],
                "securityContext": {"runAsUser": 6, "capabilities": {"drop": ["ALL"]}}}]}}))
        .unwrap();
        let spec = pod.spec.clone().unwrap();
        let volume = Ready { path: "/data/v".into(), read_only: false, adopt_owner: true };
        let volumes = BTreeMap::from([("v".to_owned(), volume)]);
        let env = vec![("A".to_owned(), "1".to_owned())];
        let made = container(&pod, &spec.containers[0], env, &volumes, "/t".into(), 3).unwrap();
        assert_eq!(made.run_as.user.as_deref(), Some("6"));
        assert_eq!((made.run_as.supplemental, made.run_as.non_root), (vec![7], true));
        assert_eq!(made.args.unwrap(), ["1"]);
        assert_eq!(made.limits.memory_bytes, Some(64 << 20));
        assert_eq!((made.limits.cpu_millis, made.limits.cpu_shares), (Some(500), Some(512)));
        assert!(made.capabilities.is_empty() && !made.allow_privilege_escalation);
        let order: Vec<_> =
            made.mounts.iter().map(|m| m.destination.display().to_string()).collect();
        assert_eq!(order, ["/a", "/a/b", "/dev/termination-log"]);
        assert_eq!(made.mounts[0].sub_path.as_deref(), Some("x/1"));
    }
}
