//! The pod of an ordinal: its name, labels, claims. Pure.

use crate::object::Object;
use crate::pod;
use serde_json::{Value, json};

pub(super) const REVISION_LABEL: &str = "controller-revision-hash";
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// The ordinal of a pod of this set, by its name.
pub(super) fn ordinal(set: &Object, pod: &Object) -> Option<i64> {
    let digits = pod.name().strip_prefix(set.name())?.strip_prefix('-')?;
    let canonical = digits == "0" || !digits.starts_with('0');
    digits.parse().ok().filter(|_| canonical && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

pub(super) fn pod_name(set: &Object, ordinal: i64) -> String {
    format!("{}-{ordinal}", set.name())
}

/// The name of the claim a template makes for an ordinal.
fn claim_name(set: &Object, template: &Value, ordinal: i64) -> String {
    format!("{}-{}-{ordinal}", template["metadata"]["name"].as_str().unwrap_or(""), set.name())
}

/// The body of the pod of an ordinal, from the template of one revision.
pub(super) fn new_pod(set: &Object, template: &Value, revision: &str, ordinal: i64) -> Value {
    let name = pod_name(set, ordinal);
    let mut body = pod::from_template(template, set);
    body["metadata"]["name"] = json!(name);
    for (label, value) in
        [(REVISION_LABEL, revision), (POD_NAME, &name), (POD_INDEX, &ordinal.to_string())]
    {
        body["metadata"]["labels"][label] = json!(value);
    }
    body["spec"]["hostname"] = json!(name);
    if let Some(service) = set.text("/spec/serviceName").filter(|service| !service.is_empty()) {
        body["spec"]["subdomain"] = json!(service);
    }
    let templates = set.list("/spec/volumeClaimTemplates");
    if !templates.is_empty() {
        let mut volumes: Vec<Value> = templates
            .iter()
            .map(|template| {
                json!({
                    "name": template["metadata"]["name"],
                    "persistentVolumeClaim": {"claimName": claim_name(set, template, ordinal)},
                })
            })
            .collect();
        let own: Vec<Value> = body["spec"]["volumes"].as_array().cloned().unwrap_or_default();
        volumes.extend(own.into_iter().filter(|volume| {
            !templates.iter().any(|template| template["metadata"]["name"] == volume["name"])
        }));
        body["spec"]["volumes"] = Value::Array(volumes);
    }
    body
}

/// The claims of an ordinal: name and body.
pub(super) fn claims(set: &Object, ordinal: i64) -> Vec<(String, Value)> {
    let templates = set.list("/spec/volumeClaimTemplates").iter();
    templates
        .map(|template| {
            let name = claim_name(set, template, ordinal);
            let mut labels =
                template.pointer("/metadata/labels").filter(|labels| labels.is_object()).cloned();
            let labels = labels.get_or_insert_with(|| json!({}));
            for (key, value) in set
                .at("/spec/selector/matchLabels")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                labels[key] = value.clone();
            }
            let mut body =
                json!({"metadata": {"name": name, "labels": labels}, "spec": template["spec"]});
            if let Some(annotations) =
                template.pointer("/metadata/annotations").filter(|value| !value.is_null())
            {
                body["metadata"]["annotations"] = annotations.clone();
            }
            (name, body)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::STATEFUL_SET;

    fn set() -> Object {
        Object::from_api(STATEFUL_SET, serde_json::from_value(json!({
            "metadata": {"name": "db", "namespace": "a", "uid": "u"},
            "spec": {"serviceName": "db-nodes", "selector": {"matchLabels": {"app": "db"}},
                "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]},
        })).unwrap())
    }

    #[test]
    fn a_pod_has_the_name_host_and_claim_of_its_ordinal() {
        let template = json!({"metadata": {"labels": {"app": "db"}}, "spec": {"volumes": [
            {"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]}});
        let pod = new_pod(&set(), &template, "db-1", 2);
        assert_eq!(pod["metadata"]["name"], "db-2");
        assert_eq!(pod["metadata"]["labels"][POD_INDEX], "2");
        assert_eq!(pod["spec"]["hostname"], "db-2");
        assert_eq!(pod["spec"]["subdomain"], "db-nodes");
        assert_eq!(pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"], "data-db-2");
        assert_eq!(pod["spec"]["volumes"][1]["name"], "tmp");
        let claims = claims(&set(), 2);
        assert_eq!(claims[0].0, "data-db-2");
        assert_eq!(claims[0].1["metadata"]["labels"]["app"], "db");
    }

    #[test]
    fn only_names_this_set_would_give_have_an_ordinal() {
        let named = |name: &str| {
            ordinal(&set(), &crate::pod::tests::pod(json!({"metadata": {"name": name}})))
        };
        assert_eq!(named("db-12"), Some(12));
        assert_eq!(named("db-012"), None);
        assert_eq!(named("db-+1"), None);
        assert_eq!(named("other-1"), None);
    }
}
