//! Volumes from objects, and persistent ones.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::json;

use crate::Test;
use crate::cluster::{Cluster, pod_path, script};

pub(crate) const TESTS: &[Test] = &[
    ("root_objects_become_files", root_objects_become_files),
    (
        "root_disks_keep_their_content_and_go_when_released",
        root_disks_keep_their_content_and_go_when_released,
    ),
    ("root_groups_own_shared_volumes", root_groups_own_shared_volumes),
    ("root_pods_share_a_disk_and_agree_on_owners", root_pods_share_a_disk_and_agree_on_owners),
    ("root_a_volume_has_no_more_than_its_limit", root_a_volume_has_no_more_than_its_limit),
];

/// A volume and a claim bound to it, as the control room would leave them.
pub(crate) fn claim(cluster: &Cluster, name: &str, path: &Path) {
    let spec = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
        "storageClassName": "local", "persistentVolumeReclaimPolicy": "Delete",
        "hostPath": {"path": path},
        "claimRef": {"namespace": "test", "name": name}});
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": name}, "spec": spec});
    cluster.create("/api/v1/persistentvolumes", &volume);
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "local",
            "volumeName": name, "resources": {"requests": {"storage": "1Gi"}}}});
    cluster.create("/api/v1/namespaces/test/persistentvolumeclaims", &claim);
    let path = format!("/api/v1/namespaces/test/persistentvolumeclaims/{name}/status");
    cluster.merge(&path, &json!({"status": {"phase": "Bound"}}));
}

fn root_objects_become_files() {
    let cluster = Cluster::new();
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"},
        "data": {"a.conf": "one", "b": "two"}});
    cluster.create("/api/v1/namespaces/test/configmaps", &map);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "stringData": {"password": "pass-w0rd-on-no-disk"}});
    cluster.create("/api/v1/namespaces/test/secrets", &secret);
    let mut main = script(
        "main",
        "cat /m/a.conf /single /s/password /p/all/name /p/all/b; echo; stat -L -c %a /s/password; \
         ls /only; touch /m/x 2>/dev/null || echo read-only; sleep 100",
    );
    main["volumeMounts"] = json!([
        {"name": "m", "mountPath": "/m"}, {"name": "only", "mountPath": "/only"},
        {"name": "m", "mountPath": "/single", "subPath": "b"},
        {"name": "s", "mountPath": "/s"}, {"name": "p", "mountPath": "/p"}]);
    cluster.pod("files", json!({"containers": [main], "volumes": [
        {"name": "m", "configMap": {"name": "m"}},
        {"name": "only", "configMap": {"name": "m", "items": [{"key": "b", "path": "deep/er"}]}},
        {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o400}},
        {"name": "p", "projected": {"sources": [
            {"downwardAPI": {"items": [{"path": "all/name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            {"configMap": {"name": "m", "items": [{"key": "b", "path": "all/b"}]}}]}}]}));
    cluster.wait_ready("files");
    let expected = "onetwopass-w0rd-on-no-diskfilestwo\n400\ndeep\n";
    crate::world::until("text", || cluster.logs("files", "").contains("read-only\n"));
    let text = cluster.logs("files", "");
    assert!(text.starts_with(expected), "{text}");
    // The secret is in memory only.
    let grep = std::process::Command::new("grep")
        .args(["-rlF", "pass-w0rd-on-no-disk"])
        .arg(cluster.world.place.dir.join("data/pods"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&grep.stdout), "");
    cluster.check_nothing_is_left();
}

fn root_disks_keep_their_content_and_go_when_released() {
    let cluster = Cluster::new();
    let disk = cluster.world.place.dir.join("data/volumes/test-disk");
    claim(&cluster, "disk", &disk);
    let volumes = json!([{"name": "d", "persistentVolumeClaim": {"claimName": "disk"}}]);
    for (name, text) in [("writes", "stat -c %u /d; echo kept > /d/file"), ("reads", "cat /d/file")]
    {
        let mut main = script("main", text);
        main["volumeMounts"] = json!([{"name": "d", "mountPath": "/d"}]);
        main["securityContext"] = json!({"runAsUser": 1000});
        cluster
            .pod(name, json!({"restartPolicy": "Never", "containers": [main], "volumes": volumes}));
        cluster.wait_phase(name, "Succeeded");
        let expected = if name == "reads" { "kept\n" } else { "1000\n" };
        assert_eq!(cluster.logs(name, ""), expected);
        cluster.delete(&pod_path(name), 1);
        cluster.wait_gone(name);
    }
    assert_eq!(std::fs::metadata(disk.join("file")).unwrap().uid(), 1000);
    cluster
        .merge("/api/v1/persistentvolumes/disk/status", &json!({"status": {"phase": "Released"}}));
    crate::world::until("removal", || {
        !disk.exists() && cluster.get("/api/v1/persistentvolumes/disk").is_none()
    });
    cluster.check_nothing_is_left();
}

fn root_groups_own_shared_volumes() {
    let cluster = Cluster::new();
    let disk = cluster.world.place.dir.join("data/volumes/shared");
    std::fs::create_dir_all(disk.join("sub")).unwrap();
    claim(&cluster, "shared", &disk);
    let mut main = script("main", "echo x > /d/sub/f && echo y > /e/f && stat -c %g /d/sub/f /e/f");
    main["volumeMounts"] =
        json!([{"name": "d", "mountPath": "/d"}, {"name": "e", "mountPath": "/e"}]);
    cluster.pod(
        "g",
        json!({"restartPolicy": "Never", "containers": [main],
        "securityContext": {"runAsUser": 1000, "fsGroup": 700},
        "volumes": [{"name": "e", "emptyDir": {}},
            {"name": "d", "persistentVolumeClaim": {"claimName": "shared"}}]}),
    );
    cluster.wait_phase("g", "Succeeded");
    assert_eq!(cluster.logs("g", ""), "700\n700\n");
    cluster.check_nothing_is_left();
}

/// Each pod has a range of user ids of its own; on the disk and in all of them a file has the same
/// owner, and a file moves from one directory of it to another.
fn root_pods_share_a_disk_and_agree_on_owners() {
    let cluster = Cluster::new();
    let disk = cluster.world.place.dir.join("data/volumes/folder");
    claim(&cluster, "folder", &disk);
    let pod = |name: &str, text: &str| {
        let mut main = script(name, text);
        main["volumeMounts"] = json!([{"name": "d", "mountPath": "/d"}]);
        cluster.pod(
            name,
            json!({"restartPolicy": "Never", "containers": [main],
            "securityContext": {"runAsUser": 700, "runAsGroup": 700, "fsGroup": 700},
            "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "folder"}}]}),
        );
    };
    // Both run at the same time: one waits for what the other does next.
    pod(
        "one",
        "mkdir -p /d/tmp /d/media && echo a > /d/tmp/f && until [ -e /d/media/f ]; do sleep 0.1; done; \
         stat -c %u:%g /d/media/f; cat /d/media/f; touch /d/done",
    );
    pod(
        "two",
        "until [ -s /d/tmp/f ]; do sleep 0.1; done; stat -c %u:%g /d/tmp/f; echo b >> /d/tmp/f; \
         mv /d/tmp/f /d/media/f; \
         until [ -e /d/done ]; do sleep 0.1; done",
    );
    cluster.wait_phase("one", "Succeeded");
    cluster.wait_phase("two", "Succeeded");
    assert_eq!(cluster.logs("one", ""), "700:700\na\nb\n");
    assert_eq!(cluster.logs("two", ""), "700:700\n");
    assert_eq!(std::fs::metadata(disk.join("media/f")).unwrap().uid(), 700);
    cluster.check_nothing_is_left();
}

/// In memory the write fails; on disk the pod is evicted with the words that upstream has.
fn root_a_volume_has_no_more_than_its_limit() {
    let cluster = Cluster::new();
    let fill = "dd if=/dev/zero of=/v/f bs=64k count=64 2>/dev/null && echo whole || echo full";
    let pod = |name: &str, text: &str, source: serde_json::Value| {
        let mut main = script("main", text);
        main["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
        cluster.pod(
            name,
            json!({"restartPolicy": "Never", "containers": [main], "terminationGracePeriodSeconds": 1,
            "volumes": [{"name": "v", "emptyDir": source}]}),
        );
    };
    pod("memory", fill, json!({"medium": "Memory", "sizeLimit": "1Mi"}));
    pod("fits", fill, json!({"sizeLimit": "8Mi"}));
    pod("disk", &format!("{fill}; sleep 600"), json!({"sizeLimit": "1Mi"}));
    cluster.wait_phase("memory", "Succeeded");
    assert_eq!(cluster.logs("memory", ""), "full\n");
    cluster.wait_phase("fits", "Succeeded");
    assert_eq!(cluster.logs("fits", ""), "whole\n");
    cluster.wait_phase("disk", "Failed");
    let status = &cluster.get(&pod_path("disk")).unwrap()["status"];
    assert_eq!(status["reason"], "Evicted");
    assert_eq!(status["message"], "Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". ");
    cluster.check_nothing_is_left();
}
