//! Objects that the real kubectl generates must fit our schemas without a remark.

use serde_json::Value;
use std::process::Command;

fn generated(arguments: &str, port: u16) -> Value {
    let (own, command) = arguments.split_once(" -- ").unwrap_or((arguments, ""));
    let mut kubectl = Command::new("kubectl");
    kubectl.args(own.split(' ')).args(["--dry-run=client", "-o", "json"]);
    // Some generators ask the server which resources there are.
    let cache = std::env::temp_dir().join(format!("kinds-generate-{port}"));
    kubectl.arg(format!("--server=http://127.0.0.1:{port}"));
    kubectl.arg(format!("--cache-dir={}", cache.display()));
    if !command.is_empty() {
        kubectl.arg("--").args(command.split(' '));
    }
    let output = kubectl
        .env("KUBECONFIG", "/dev/null")
        .output()
        .expect("kubectl is installed where tests run");
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_generator_of_kubectl_makes_valid_objects() {
    let port = crate::server::start();
    for arguments in [
        "create namespace a",
        "create deployment web --image=nginx --replicas=3 --port=80",
        "create job one --image=busybox -- date",
        "create cronjob often --image=busybox --schedule=*/5_*_*_*_* -- date",
        "create service clusterip s --tcp=80:8080",
        "create service nodeport s --tcp=80:8080",
        "create service loadbalancer s --tcp=80",
        "create service externalname s --external-name=example.org",
        "create ingress i --class=shelf --rule=a.localhost/x*=web:80",
        "create ingress i --default-backend=web:http",
        "create poddisruptionbudget p --selector=app=web --min-available=50%",
        "create role r --verb=get,list --resource=pods",
        "create clusterrole r --verb=get --resource=nodes",
        "create rolebinding r --role=r --serviceaccount=a:b",
        "create clusterrolebinding r --clusterrole=r --user=u --group=g",
        "create configmap c --from-literal=a=b",
        "create secret generic s --from-literal=a=b",
        "create secret docker-registry s --docker-username=u --docker-password=p --docker-server=r",
        "create serviceaccount sa",
        "run p --image=debian:12 --env=A=B --port=80 --labels=a=b -- sleep 1",
    ] {
        let mut object = generated(arguments, port);
        if let Some(schedule) = object.pointer_mut("/spec/schedule") {
            // Arguments above are split at blanks.
            *schedule = Value::from(schedule.as_str().unwrap().replace('_', " "));
        }
        let api_version = object["apiVersion"].as_str().unwrap();
        let (group, version) = api_version.split_once('/').unwrap_or(("", "v1"));
        let kind = kinds::find_kind(group, version, object["kind"].as_str().unwrap()).unwrap();
        if kind.namespaced {
            object["metadata"]["namespace"] = "default".into();
        }
        assert_eq!(kind.unknown_fields(&object), Vec::<String>::new(), "{arguments}");
        assert_eq!(kind.type_errors(&object), Vec::<String>::new(), "{arguments}");
        kind.default(&mut object);
        kind.prepare_create(&mut object);
        let faults: Vec<String> =
            kind.validate(&object, None).iter().map(ToString::to_string).collect();
        assert_eq!(faults, Vec::<String>::new(), "{arguments}: {object}");
        assert!(object["metadata"].get("creationTimestamp").is_none(), "{arguments}");
    }
    std::fs::remove_dir_all(std::env::temp_dir().join(format!("kinds-generate-{port}"))).ok();
}
