//! The server itself: ping, version, info; the networks and volumes there always are.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use serde_json::{Value, json};

use crate::api::{Door, NEWEST, OLDEST};
use crate::entry::Phase;
use crate::error::{Error, Result};
use crate::images;

pub(crate) async fn ping() -> Response {
    let headers = [
        (header::CONTENT_TYPE.as_str(), "text/plain; charset=utf-8"),
        // The classic builder is the one there is.
        ("Builder-Version", "1"),
        ("Swarm", "inactive"),
        ("Cache-Control", "no-cache, no-store, must-revalidate"),
    ];
    (headers, "OK").into_response()
}

fn dotted((major, minor): (u32, u32)) -> String {
    format!("{major}.{minor}")
}

pub(crate) async fn version(State(door): State<Door>) -> Json<Value> {
    let name = rustix::system::uname();
    let kernel = name.release().to_string_lossy();
    let version = &door.settings.version;
    Json(json!({
        "Platform": {"Name": "Shelf"},
        "Components": [{"Name": "Engine", "Version": version, "Details": {
            "ApiVersion": dotted(NEWEST), "MinAPIVersion": dotted(OLDEST),
            "Os": "linux", "Arch": images::architecture(), "KernelVersion": kernel,
            "Experimental": "false",
        }}],
        "Version": version, "ApiVersion": dotted(NEWEST), "MinAPIVersion": dotted(OLDEST),
        "GitCommit": "", "GoVersion": "", "Os": "linux", "Arch": images::architecture(),
        "KernelVersion": kernel, "Experimental": false, "BuildTime": "",
    }))
}

pub(crate) async fn info(State(door): State<Door>) -> Result<Json<Value>> {
    let name = rustix::system::uname();
    let machine = rustix::system::sysinfo();
    let (mut running, mut stopped) = (0, 0);
    for entry in door.containers.all() {
        match entry.phase(&door.settings.pods).0 {
            Phase::Running(_) => running += 1,
            Phase::Created | Phase::Exited(_) => stopped += 1,
        }
    }
    let count = door.settings.images.list().map_err(Error::image("list images"))?.len();
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or_else(|| "Linux".to_owned(), |text| text.trim_matches('"').to_owned());
    Ok(Json(json!({
        "ID": "", "Name": name.nodename().to_string_lossy(),
        "Containers": running + stopped, "ContainersRunning": running, "ContainersPaused": 0,
        "ContainersStopped": stopped, "Images": count,
        "Driver": "overlayfs", "DriverStatus": [], "LoggingDriver": "json-file",
        "DockerRootDir": door.settings.data_dir, "ServerVersion": door.settings.version,
        "OperatingSystem": system, "OSType": "linux",
        "Architecture": name.machine().to_string_lossy(),
        "KernelVersion": name.release().to_string_lossy(),
        "NCPU": std::thread::available_parallelism().map_or(1, usize::from),
        "MemTotal": machine.totalram.saturating_mul(u64::from(machine.mem_unit)),
        "MemoryLimit": true, "SwapLimit": true, "CpuCfsPeriod": true, "CpuCfsQuota": true,
        "CPUShares": true, "CPUSet": false, "PidsLimit": true, "OomKillDisable": false,
        "IPv4Forwarding": true, "BridgeNfIptables": false, "BridgeNfIp6tables": false,
        "Plugins": {"Volume": [], "Network": ["bridge", "null"], "Authorization": null, "Log": ["json-file"]},
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=userns", "name=cgroupns"],
        "Runtimes": {}, "DefaultRuntime": "shelf", "InitBinary": "", "Swarm": {"LocalNodeState": "inactive"},
        "RegistryConfig": {"IndexConfigs": {}, "InsecureRegistryCIDRs": [], "Mirrors": []},
        "CgroupDriver": "cgroupfs", "LiveRestoreEnabled": true, "Warnings": null, "Labels": [],
    })))
}

pub(crate) async fn networks() -> Json<Value> {
    let network = |name: &str, driver: &str| {
        json!({
            "Name": name, "Id": name, "Scope": "local", "Driver": driver, "EnableIPv6": false,
            "Internal": false, "Attachable": false, "Ingress": false, "IPAM": {"Driver": "default", "Config": []},
            "Containers": {}, "Options": {}, "Labels": {}, "Created": "0001-01-01T00:00:00Z",
        })
    };
    Json(json!([network("bridge", "bridge"), network("none", "null")]))
}

pub(crate) async fn volumes() -> Json<Value> {
    Json(json!({"Volumes": [], "Warnings": []}))
}
