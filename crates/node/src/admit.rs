//! What this machine refuses to run, with the reason in the pod's own words.
//!
//! Everything listed here reaches outside the pod or is not there yet. All violations are named
//! at once, so that nobody has to find them one by one.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, Probe, Volume};

use crate::status::Failure;

/// Sysctls that belong to the pod's own namespaces and cannot hurt others, as upstream's list.
const SAFE_SYSCTLS: &[&str] = &[
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
];

/// Why the pod cannot run here, if it cannot.
pub(crate) fn refusal(pod: &Pod) -> Option<Failure> {
    let spec = pod.spec.as_ref()?;
    let mut why = Vec::new();
    of_pod(spec, &mut why);
    for volume in spec.volumes.iter().flatten() {
        of_volume(volume, &mut why);
    }
    for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
        of_container(container, &mut why);
    }
    if why.is_empty() {
        return None;
    }
    Some(Failure { reason: "NotAllowed".to_owned(), message: why.join("; ") })
}

fn of_pod(spec: &PodSpec, why: &mut Vec<String>) {
    for (field, asked) in [
        ("hostNetwork", spec.host_network),
        ("hostPID", spec.host_pid),
        ("hostIPC", spec.host_ipc),
        ("shareProcessNamespace", spec.share_process_namespace),
    ] {
        if asked == Some(true) {
            why.push(format!("spec.{field}: not allowed on this node"));
        }
    }
    let context = spec.security_context.iter();
    for sysctl in context.flat_map(|c| c.sysctls.iter().flatten()) {
        if !SAFE_SYSCTLS.contains(&sysctl.name.as_str()) {
            why.push(format!("spec.securityContext.sysctls: {} is not allowed", sysctl.name));
        }
    }
    let pod_profile = spec.security_context.as_ref().and_then(|c| c.seccomp_profile.as_ref());
    if pod_profile.is_some_and(|profile| profile.type_ != "RuntimeDefault") {
        why.push("spec.securityContext.seccompProfile: only RuntimeDefault is allowed".into());
    }
}

fn of_volume(volume: &Volume, why: &mut Vec<String>) {
    let known = volume.empty_dir.is_some()
        || volume.config_map.is_some()
        || volume.secret.is_some()
        || volume.projected.is_some()
        || volume.downward_api.is_some()
        || volume.persistent_volume_claim.is_some();
    if volume.host_path.is_some() {
        why.push(format!("volume {}: hostPath is not allowed, claim a volume", volume.name));
    } else if !known {
        why.push(format!("volume {}: this type of volume is not supported", volume.name));
    }
    let tokens = volume.projected.iter().flat_map(|p| p.sources.iter().flatten());
    for source in tokens {
        let known =
            source.config_map.is_some() || source.secret.is_some() || source.downward_api.is_some();
        if !known {
            why.push(format!("volume {}: this projected source is not supported", volume.name));
        }
    }
}

fn of_container(container: &Container, why: &mut Vec<String>) {
    let name = &container.name;
    if let Some(context) = &container.security_context {
        if context.privileged == Some(true) {
            why.push(format!("container {name}: privileged is not allowed"));
        }
        if context.proc_mount.as_deref().is_some_and(|mount| mount != "Default") {
            why.push(format!("container {name}: procMount is not allowed"));
        }
        if context.seccomp_profile.as_ref().is_some_and(|p| p.type_ != "RuntimeDefault") {
            why.push(format!("container {name}: only seccompProfile RuntimeDefault is allowed"));
        }
        let changes = context.capabilities.clone().unwrap_or_default();
        let chosen = pod::capabilities::choose(
            changes.add.as_deref().unwrap_or_default(),
            changes.drop.as_deref().unwrap_or_default(),
        );
        if let Err(capability) = chosen {
            why.push(format!("container {name}: capability {capability} is not allowed"));
        }
    }
    if container.volume_devices.iter().flatten().next().is_some() {
        why.push(format!("container {name}: volumeDevices are not supported"));
    }
    if container.ports.iter().flatten().any(|port| port.host_port.is_some_and(|p| p != 0)) {
        why.push(format!("container {name}: hostPort is not allowed, use a Service"));
    }
    let probes = [
        ("startupProbe", &container.startup_probe),
        ("livenessProbe", &container.liveness_probe),
        ("readinessProbe", &container.readiness_probe),
    ];
    for (field, probe) in probes {
        if probe.as_ref().is_some_and(unsupported) {
            why.push(format!("container {name}: {field}: grpc and https are not supported yet"));
        }
    }
}

fn unsupported(probe: &Probe) -> bool {
    let https = probe.http_get.as_ref().is_some_and(|h| h.scheme.as_deref() == Some("HTTPS"));
    probe.grpc.is_some() || https
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_violation_is_named_at_once() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {}, "spec": {
            "hostNetwork": true, "hostPID": true,
            "volumes": [{"name": "v", "hostPath": {"path": "/"}}],
            "containers": [{"name": "c", "securityContext":
                {"privileged": true, "capabilities": {"add": ["SYS_ADMIN"]}}}]}}))
        .unwrap();
        let failure = refusal(&pod).unwrap();
        for part in ["hostNetwork", "hostPID", "volume v", "privileged", "CAP_SYS_ADMIN"] {
            assert!(failure.message.contains(part), "{part}: {}", failure.message);
        }
    }

    #[test]
    fn an_ordinary_pod_is_welcome() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {}, "spec": {
            "volumes": [{"name": "v", "emptyDir": {}}],
            "containers": [{"name": "c", "securityContext": {"capabilities": {"drop": ["ALL"]}},
                "readinessProbe": {"httpGet": {"port": 80, "scheme": "HTTP"}}}]}}))
        .unwrap();
        assert_eq!(refusal(&pod), None);
    }
}
