//! What is translated, and that the rest is refused by name.

use serde_json::{Value, json};

use super::*;

fn parse(host: Value) -> Result<Request> {
    Request::parse(&json!({"Image": "debian:12", "HostConfig": host}))
}

fn refused(host: Value) -> String {
    parse(host).unwrap_err().to_string()
}

#[test]
fn what_the_command_line_sends_for_nothing_is_accepted() {
    let body = json!({
        "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": true,
        "AttachStderr": true, "Tty": false, "OpenStdin": false, "StdinOnce": false, "Env": null,
        "Cmd": ["true"], "Image": "debian:12", "Volumes": {}, "WorkingDir": "", "Entrypoint": null,
        "OnBuild": null, "Labels": {},
        "HostConfig": {"Binds": null, "LogConfig": {"Type": "", "Config": {}},
            "NetworkMode": "default", "PortBindings": {}, "RestartPolicy": {"Name": "no",
            "MaximumRetryCount": 0}, "ConsoleSize": [0, 0], "CapAdd": null, "Privileged": false,
            "MemorySwappiness": -1, "Ulimits": [], "MaskedPaths": null, "Init": null},
        "NetworkingConfig": {"EndpointsConfig": {"default": {"Aliases": null, "GwPriority": 0}}},
    });
    let request = Request::parse(&body).unwrap();
    let container = request.container(0).unwrap();
    assert_eq!(container.args, Some(vec!["true".to_owned()]));
    assert_eq!((container.command, container.mounts.len()), (None, 0));
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    assert!(refused(json!({"Privileged": true})).contains("privileged"));
    assert!(refused(json!({"NetworkMode": "host"})).contains("network host"));
    assert!(refused(json!({"PidMode": "host"})).contains("PidMode"));
    assert!(refused(json!({"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}})).contains("-p"));
    assert!(refused(json!({"RestartPolicy": {"Name": "always"}})).contains("--restart"));
    assert!(refused(json!({"Binds": ["data:/data"]})).contains("named volume"));
    assert!(refused(json!({"CapAdd": ["SYS_ADMIN"]})).contains("CAP_SYS_ADMIN"));
    assert!(refused(json!({"Devices": [{"PathOnHost": "/dev/kvm"}]})).contains("Devices"));
    assert!(refused(json!({"SomethingNew": 1})).contains("SomethingNew"));
}

#[test]
fn binds_have_a_source_a_place_and_a_mode() {
    let mounts =
        |bind: &str| parse(json!({"Binds": [bind]})).map(|r| r.host_config.mounts().unwrap());
    let mount = mounts("/srv:/data:ro").unwrap().remove(0);
    assert!(mount.read_only && mount.destination == Path::new("/data"));
    assert!(!mounts("/srv:/data").unwrap()[0].read_only);
    for wrong in ["/srv:/", "/srv:data", "/srv:/../x", "/srv", "/a:/b:c:d", "/srv:/d:shared"] {
        assert!(mounts(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn limits_are_translated() {
    let limits = |host| parse(host).unwrap().host_config.limits().unwrap();
    let found = limits(json!({"Memory": 67_108_864, "NanoCpus": 500_000_000, "PidsLimit": 50}));
    assert_eq!(
        (found.memory_bytes, found.cpu_millis, found.pids),
        (Some(64 << 20), Some(500), Some(50))
    );
    assert_eq!(limits(json!({"CpuQuota": 50_000})).cpu_millis, Some(500));
    assert_eq!(limits(json!({"PidsLimit": -1})).pids, None);
    assert_eq!(size("64m").unwrap(), 64 << 20);
}

#[test]
fn an_empty_entry_point_takes_the_images_away() {
    let body = json!({"Image": "x", "Entrypoint": [""], "Cmd": "ls"});
    let container = Request::parse(&body).unwrap().container(0).unwrap();
    assert_eq!(container.command, Some(Vec::new()));
    assert_eq!(container.args, Some(vec!["ls".to_owned()]));
}
