//! The Secrets of an app: one per wire, one per block with generated values.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Input, beyond, meta, rotate};
use crate::graph::{Part, Wire};
use crate::secret::{GeneratedSecret, SecretKey, SecretValue};

/// The Secret with a block's generated values.
pub(super) fn block_secret(block: &str) -> String {
    format!("{block}-secrets")
}

pub(super) fn all(input: &Input<'_>) -> Vec<GeneratedSecret> {
    let blocks = input.graph.blocks.iter().filter(|part| !part.secrets.is_empty());
    let wires = input.graph.wires.iter().filter_map(|wire| {
        let part = input.graph.block(&wire.consumer)?;
        let own = wire_secret(input, part, wire);
        let copy = beyond::copy(input, part, wire, &own);
        let before = rotate::left_behind(wire, input.facts);
        let before = before.map(|wire| wire_secret(input, part, &wire));
        Some(std::iter::once(own).chain(copy).chain(before))
    });
    blocks.map(|part| own_secret(input, part)).chain(wires.flatten()).collect()
}

fn own_secret(input: &Input<'_>, part: &Part) -> GeneratedSecret {
    let key = |secret: &crate::graph::Secret| SecretKey {
        name: secret.name.clone(),
        value: SecretValue::Generated(secret.recipe.clone()),
        show_after_go: secret.show_after_go,
    };
    let mut annotations = BTreeMap::new();
    let mut kept: Vec<&str> =
        part.secrets.iter().filter_map(|secret| secret.keep_with.as_deref()).collect();
    kept.sort_unstable();
    kept.dedup();
    if !kept.is_empty() {
        annotations.insert("shelf.dev/keep-with".to_owned(), kept.join(","));
    }
    let name = block_secret(&part.name);
    GeneratedSecret {
        labels: text_map(&meta::labels(input, part, &name)),
        annotations,
        keys: part.secrets.iter().map(key).collect(),
        namespace: None,
        name,
    }
}

/// A wire's values, with `type` and `provider` as the Service Binding specification wants them.
fn wire_secret(input: &Input<'_>, part: &Part, wire: &Wire) -> GeneratedSecret {
    let plain = |name: &str, text: &str| SecretKey {
        name: name.to_owned(),
        value: SecretValue::Plain(text.to_owned()),
        show_after_go: false,
    };
    let kind = wire.offer.interface.split('/').next().unwrap_or_default();
    let mut keys = vec![plain("type", kind), plain("provider", &wire.provider_name())];
    keys.extend(wire.fields.iter().map(|field| SecretKey {
        name: field.name.clone(),
        value: field.value.clone(),
        show_after_go: false,
    }));
    let name = wire.secret_name();
    GeneratedSecret {
        labels: text_map(&meta::labels(input, part, &name)),
        annotations: BTreeMap::from([("shelf.dev/wire".to_owned(), wire.end())]),
        keys,
        namespace: None,
        name,
    }
}

fn text_map(labels: &Value) -> BTreeMap<String, String> {
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    labels.as_object().into_iter().flatten().filter_map(text).collect()
}
