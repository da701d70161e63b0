//! What an admin of a cluster gives to whoever runs one app there: the namespace, and one Role in
//! it. Nothing cluster-wide. Where next: `survey.rs`, which finds out whether it is needed.

use kube::api::ListParams;
use serde_json::{Value, json};

use crate::{Error, Result, Target, live};

const ALL: [&str; 8] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// The objects as YAML. `user` is who the cluster takes us for.
///
/// # Errors
/// The name is none of an app.
pub fn role(app: &str, user: &str) -> Result<String> {
    composer::App::parse("app.toml", &format!("app = \"{app}\"\n")).map_err(Error::Wrong)?;
    let labels = json!({
        "app.kubernetes.io/name": app,
        "app.kubernetes.io/part-of": app,
        "app.kubernetes.io/managed-by": "shelf",
    });
    let of = |api_version: &str, kind: &str| {
        json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": { "name": "shelf", "namespace": app, "labels": labels },
        })
    };
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": app, "labels": labels },
    });
    let mut rules: Vec<Value> = live::resources()
        .map(|(group, plural)| json!({ "apiGroups": [group], "resources": [plural], "verbs": ALL }))
        .collect();
    rules.push(json!({
        "apiGroups": [""],
        "resources": ["pods", "pods/exec", "pods/log", "events"],
        "verbs": ["create", "delete", "get", "list", "watch"],
    }));
    rules.push(json!({ "apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"] }));
    rules.push(json!({
        "apiGroups": ["metrics.k8s.io"], "resources": ["pods"], "verbs": ["get", "list"],
    }));
    let mut role = of("rbac.authorization.k8s.io/v1", "Role");
    role["rules"] = rules.into();
    let mut binding = of("rbac.authorization.k8s.io/v1", "RoleBinding");
    binding["roleRef"] =
        json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "shelf" });
    let account = user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    binding["subjects"] = match account {
        Some((namespace, name)) => {
            json!([{ "kind": "ServiceAccount", "namespace": namespace, "name": name }])
        }
        None => json!([{
            "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user,
        }]),
    };
    let mut yaml = String::new();
    for document in [&namespace, &role, &binding] {
        let text = serde_saphyr::to_string(document).map_err(|error| Error::Unfit {
            code: "objects/yaml",
            message: format!("an object cannot be written as YAML: {error}"),
        })?;
        yaml.push_str(&format!("---\n{}\n", text.trim_end()));
    }
    Ok(yaml)
}

/// Makes sure that an app's namespace is there and ours to use, where we may not make it.
///
/// # Errors
/// It is not, and who must make it.
pub(crate) async fn must_have_namespace(target: &Target, app: &str) -> Result<()> {
    if target.cluster.as_ref().is_none_or(|cluster| cluster.survey.makes_namespaces) {
        return Ok(());
    }
    let refused = |why: &str| Error::Data {
        code: "target/namespace",
        message: format!("{why} on {}, and this login may not make namespaces", target.name()),
        hint: Some(format!(
            "an admin of that cluster says:  shelf target role {app} | kubectl apply -f -"
        )),
    };
    let code = |error: &kube::Error| match error {
        kube::Error::Api(status) => status.code,
        _ => 0,
    };
    let what = format!("look for the namespace {app}");
    match live::door(target, app, "Namespace").get_opt(app).await {
        Ok(None) => return Err(refused(&format!("there is no namespace {app}"))),
        Ok(Some(_)) => {}
        Err(error) if code(&error) == 403 => {}
        Err(error) => return Err(Error::api(what)(error)),
    }
    match live::door(target, app, "Deployment").list(&ListParams::default().limit(1)).await {
        Ok(_) => Ok(()),
        Err(error) if code(&error) == 403 => {
            Err(refused(&format!("the namespace {app} is not there, or may not be used,")))
        }
        Err(error) => Err(Error::api(what)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_of_one_namespace_and_names_every_kind() {
        let yaml = role("shop", "system:serviceaccount:ci:deployer").unwrap();
        for word in ["deployments", "httproutes", "networkpolicies", "pods/exec", "namespace: ci"] {
            assert!(yaml.contains(word), "{word} in {yaml}");
        }
        assert!(!yaml.contains("ClusterRole") && !yaml.contains('*'), "{yaml}");
        assert!(role("Shop; rm", "ana").is_err());
    }
}
