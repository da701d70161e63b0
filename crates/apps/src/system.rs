//! The machine and what lies on it, for who looks after it.

use std::path::Path;

use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::space::{Space, space};
use crate::{Error, Result, Target, images, metrics};

/// The machine, the nodes, images and disks; `data_dir` is the server's.
///
/// # Errors
/// The target does not answer, or the image store cannot be read.
pub async fn system(target: &Target, data_dir: &Path) -> Result<Value> {
    let api: Api<Node> = Api::all(target.client.clone());
    let nodes = api.list(&ListParams::default()).await.map_err(Error::api("list nodes"))?;
    let disks = metrics::disks(target).await?;
    let images = images::images(target).await?;
    let image_bytes: u64 = images.iter().map(|image| image.size_bytes).sum();
    let dir = data_dir.to_owned();
    let work = move || {
        let disks: Vec<Value> = disks.iter().map(disk).collect();
        (disks, data(&dir), machine())
    };
    let looked = tokio::task::spawn_blocking(work).await;
    let (disks, mut data, machine) =
        looked.map_err(|source| Error::Task { what: "the machine's figures".into(), source })?;
    data["images_bytes"] = image_bytes.into();
    Ok(json!({
        "machine": machine,
        "nodes": nodes.iter().map(node).collect::<Vec<Value>>(),
        "images": images,
        "disks": disks,
        "data": data,
    }))
}

fn disk(disk: &metrics::FoundDisk) -> Value {
    json!({
        "app": disk.app, "block": disk.block, "disk": disk.claim, "size": disk.size,
        "used_bytes": disk.path.as_deref().and_then(metrics::bytes_in),
    })
}

fn node(node: &Node) -> Value {
    let status = node.status.as_ref();
    let ready = status.and_then(|status| status.conditions.as_ref()).is_some_and(|conditions| {
        conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True")
    });
    let addresses = status.and_then(|status| status.addresses.as_ref());
    json!({
        "name": node.name_any(),
        "ready": ready,
        "capacity": status.and_then(|status| status.capacity.clone()),
        "allocatable": status.and_then(|status| status.allocatable.clone()),
        "addresses": addresses.map(|all| all.iter().map(|one| one.address.clone()).collect::<Vec<_>>()),
        "version": status.and_then(|status| status.node_info.as_ref()).map(|info| info.kubelet_version.clone()),
        "kernel": status.and_then(|status| status.node_info.as_ref()).map(|info| info.kernel_version.clone()),
    })
}

/// Bytes in the parts of the data directory, and of the file system it lies on.
fn data(dir: &Path) -> Value {
    let part = |name: &str| metrics::bytes_in(&dir.join(name));
    let mut value = json!({
        "dir": dir,
        "volumes_bytes": part("volumes"),
        "store_bytes": part("store"),
        "logs_bytes": part("logs"),
        "apps_bytes": part("apps"),
    });
    if let Ok(Space { bytes, free }) = space(dir) {
        value["bytes"] = bytes.into();
        value["free_bytes"] = free.into();
    }
    value
}

fn machine() -> Value {
    let number = |text: &str, name: &str| -> Option<u64> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    };
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<f64> =
        load.split_whitespace().take(3).filter_map(|part| part.parse().ok()).collect();
    let name = rustix::system::uname();
    json!({
        "name": name.nodename().to_string_lossy(),
        "kernel": name.release().to_string_lossy(),
        "architecture": name.machine().to_string_lossy(),
        "cpus": std::thread::available_parallelism().map(std::num::NonZero::get).ok(),
        "memory_bytes": number(&memory, "MemTotal:"),
        "memory_available_bytes": number(&memory, "MemAvailable:"),
        "load": load,
    })
}
