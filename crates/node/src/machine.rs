//! The machine itself: its Node object, its signs of life, what it has to give.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::downward::Facts;
use crate::error::Error;
use crate::host::{Host, api_error};

/// Pods one machine takes, as upstream.
const PODS: u32 = 110;

/// The address other machines reach this one by: that of the default route. No packet is sent.
pub(crate) fn address() -> Ipv4Addr {
    let probe = || -> std::io::Result<SocketAddr> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        // Any address outside works: connecting a datagram socket only looks the route up.
        socket.connect((Ipv4Addr::new(198, 51, 100, 1), 9))?;
        socket.local_addr()
    };
    match probe() {
        Ok(SocketAddr::V4(address)) => *address.ip(),
        // Without a default route the machine is alone.
        _ => Ipv4Addr::LOCALHOST,
    }
}

fn cpu_millis() -> i128 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as i128) * 1000
}

fn memory_bytes() -> i128 {
    memory("MemTotal:").map_or(0, i128::from)
}

/// Bytes of memory as the kernel tells them under a name, such as `MemAvailable:`.
pub(crate) fn memory(name: &str) -> Option<u64> {
    let text = fs_err::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}

/// What a pod may be told of itself and this machine.
pub(crate) fn facts(pod_ip: Ipv4Addr, host_ip: Ipv4Addr) -> Facts {
    Facts {
        pod_ip: pod_ip.to_string(),
        host_ip: host_ip.to_string(),
        cpu_millis: cpu_millis(),
        memory_bytes: memory_bytes(),
    }
}

/// Makes the Node object, or finds it, and says that the machine is ready.
pub(crate) async fn register(host: &Host) -> Result<(), Error> {
    let name = host.settings.name.as_str();
    let nodes: Api<Node> = Api::all(host.client.clone());
    let node: Node = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": architecture(),
        }},
        "spec": {},
    }))
    .unwrap_or_default();
    match nodes.create(&PostParams::default(), &node).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        Err(error) => return Err(api_error("register node", name)(error)),
    }
    tell(host, full_status(host)).await
}

/// Says that the machine is alive, for ever.
pub(crate) async fn heartbeat(host: Arc<Host>) {
    let mut ticks = tokio::time::interval(host.settings.heartbeat);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match tell(&host, json!({"conditions": conditions(&host)})).await {
            Ok(()) => {}
            // Somebody deleted the object: a machine that is there has one.
            Err(Error::Api { source, .. }) if matches!(&*source, kube::Error::Api(status) if status.code == 404) => {
                if let Err(error) = register(&host).await {
                    tracing::warn!(error = error.chain(), "node not registered");
                }
            }
            Err(error) => tracing::warn!(error = error.chain(), "no sign of life given"),
        }
    }
}

async fn tell(host: &Host, status: Value) -> Result<(), Error> {
    let nodes: Api<Node> = Api::all(host.client.clone());
    let name = host.settings.name.as_str();
    let patch = Patch::Merge(json!({"status": status}));
    let told = nodes.patch_status(name, &PatchParams::default(), &patch).await;
    told.map(drop).map_err(api_error("write status of node", name))
}

fn conditions(host: &Host) -> Vec<Value> {
    host.conditions.now(&host.settings.data_dir)
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn full_status(host: &Host) -> Value {
    let resources = json!({
        "cpu": (cpu_millis() / 1000).to_string(),
        "memory": format!("{}Ki", memory_bytes() / 1024),
        "pods": PODS.to_string(),
    });
    let read = |path: &str| {
        fs_err::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
    };
    let os = read("/etc/os-release");
    let os = os.lines().find_map(|l| l.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux");
    let version = concat!("shelf-", env!("CARGO_PKG_VERSION"));
    json!({
        "capacity": resources, "allocatable": resources, "conditions": conditions(host),
        "addresses": [
            {"type": "InternalIP", "address": host.host_ip.to_string()},
            {"type": "Hostname", "address": host.settings.name},
        ],
        "nodeInfo": {
            "architecture": architecture(), "operatingSystem": "linux",
            "osImage": os.trim_matches('"'),
            "kernelVersion": read("/proc/sys/kernel/osrelease"),
            "machineID": read("/etc/machine-id"), "systemUUID": read("/etc/machine-id"),
            "bootID": read("/proc/sys/kernel/random/boot_id"),
            "containerRuntimeVersion": format!("shelf://{}", env!("CARGO_PKG_VERSION")),
            "kubeletVersion": version, "kubeProxyVersion": "",
        },
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
    })
}
