//! Wires that reach into another app: the login is made where the provider is, in its namespace, by
//! its own program with its own secrets; the consumer keeps only what the wire delivers.
//!
//! For that the provider's namespace gets a copy of the wire's Secret, the Job that makes the
//! login, and the policy that lets this consumer in; all three carry this app's label, so that they
//! go with it. Where next: `jobs.rs`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Input, meta};
use crate::graph::{Beyond, Part, Wire};
use crate::secret::{GeneratedSecret, SecretKey, SecretValue, Taken};

/// The Secret with a wire's values where its login is made.
pub(super) fn secret_name(input: &Input<'_>, wire: &Wire) -> String {
    match wire.beyond {
        Some(_) => format!("{}-{}", input.graph.app, wire.secret_name()),
        None => wire.secret_name(),
    }
}

/// The copy of a wire's Secret in the provider's namespace.
pub(super) fn copy(
    input: &Input<'_>,
    part: &Part,
    wire: &Wire,
    own: &GeneratedSecret,
) -> Option<GeneratedSecret> {
    let beyond = wire.beyond.as_ref().filter(|_| wire.offer.grant.is_some())?;
    let key = |key: &SecretKey| SecretKey {
        name: key.name.clone(),
        value: SecretValue::Taken(Taken {
            app: Some(input.graph.app.clone()),
            secret: own.name.clone(),
            key: key.name.clone(),
            required: true,
            otherwise: None,
        }),
        show_after_go: false,
    };
    let name = secret_name(input, wire);
    let labels = meta::labels(input, part, &name);
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    Some(GeneratedSecret {
        namespace: Some(beyond.app.clone()),
        labels: labels.as_object().into_iter().flatten().filter_map(text).collect(),
        annotations: BTreeMap::from([("shelf.dev/wire".to_owned(), wire.end())]),
        keys: own.keys.iter().map(key).collect(),
        name,
    })
}

/// Lets the consumer, and the Job that makes its login, reach the provider.
pub(super) fn policy(
    input: &Input<'_>,
    consumer: &Part,
    wire: &Wire,
    beyond: &Beyond,
) -> Option<Value> {
    if beyond.public {
        return None;
    }
    let kind = ("networking.k8s.io/v1", "NetworkPolicy");
    let mut object = meta::object(input, consumer, kind, &secret_name(input, wire));
    object["metadata"]["namespace"] = beyond.app.as_str().into();
    let own = json!({
        "app.kubernetes.io/part-of": input.graph.app,
        "app.kubernetes.io/component": consumer.name,
    });
    let mut grant = own.clone();
    grant[meta::JOB] = "grant".into();
    let port = |port: i64| json!([{ "protocol": "TCP", "port": port }]);
    let space = json!({ "matchLabels": { "kubernetes.io/metadata.name": input.graph.app } });
    let mut ingress = vec![
        json!({
            "from": [{ "namespaceSelector": space, "podSelector": { "matchLabels": own } }],
            "ports": port(wire.offer.port?),
        }),
        json!({
            "from": [{ "podSelector": { "matchLabels": grant } }],
            "ports": port(wire.offer.port?),
        }),
    ];
    ingress.extend(wire.offer.admin_port.map(|admin| {
        json!({ "from": [{ "podSelector": { "matchLabels": grant } }], "ports": port(admin) })
    }));
    object["spec"] = json!({
        "podSelector": { "matchLabels": {
            "app.kubernetes.io/part-of": beyond.app,
            "app.kubernetes.io/component": wire.provider,
            meta::PROCESS: beyond.process,
        } },
        "policyTypes": ["Ingress"],
        "ingress": ingress,
    });
    Some(object)
}
