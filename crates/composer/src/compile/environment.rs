//! A container's environment: what its wires deliver, its secrets and settings, then its own names.
//!
//! A secret never stands in a value: a variable either refers to a key of a Secret, or is put
//! together in the container from variables that do, by Kubernetes' own `$(NAME)`.

use serde_json::{Value as Json, json};

use super::{Input, secrets};
use crate::graph::{Part, Piece, Value, Wire};

/// The environment of a process or step of a block; `own` comes after the block's.
pub(super) fn of(input: &Input<'_>, part: &Part, own: &[(String, Value)]) -> Vec<Json> {
    let wires: Vec<&Wire> = input.graph.wires_of(&part.name).collect();
    let mut list = Vec::new();
    if !wires.is_empty() {
        list.push(json!({ "name": "SERVICE_BINDING_ROOT", "value": "/bindings" }));
    }
    list.extend(many(&wires));
    for wire in &wires {
        list.extend(fields(wire, &upper(&wire.binding)));
    }
    let secret_name = secrets::block_secret(&part.name);
    for secret in part.secrets.iter().filter(|secret| is_upper(&secret.name)) {
        list.push(from_secret(&secret.name, &secret_name, &secret.name));
    }
    for (name, _) in &part.settings {
        list.push(json!({
            "name": format!("SETTING_{}", upper(name)),
            "valueFrom": { "configMapKeyRef": { "name": settings_name(&part.name), "key": name } },
        }));
    }
    let values = || part.env.iter().chain(own);
    for name in joined_secrets(values().map(|(_, value)| value)) {
        if !is_upper(&name) {
            list.push(from_secret(&secret_variable(&name), &secret_name, &name));
        }
    }
    for (name, value) in values() {
        let own = variable(input, part, name, value);
        if list.contains(&own) {
            continue;
        }
        // Who names a variable as a wire does means that one: no list has a name twice.
        list.retain(|other| other["name"] != own["name"]);
        list.push(own);
    }
    list
}

/// `WIRE_<FIELD>` for a program of the provider that works on one wire.
pub(super) fn of_wire(wire: &Wire, secret: &str) -> Vec<Json> {
    let mut list = fields_of(wire, "WIRE", secret);
    if let Some(port) = wire.offer.admin_port {
        list.push(json!({ "name": "WIRE_ADMIN_PORT", "value": port.to_string() }));
    }
    if let Some(probe) = &wire.probe {
        list.push(json!({ "name": "WIRE_PROBE", "value": escape(probe) }));
    }
    list
}

/// `WIRE_NEXT_<FIELD>` for a program that makes a second login: what differs from the first.
pub(super) fn of_next(wire: &Wire) -> Vec<Json> {
    let mut next = wire.clone();
    let differs = |field: &crate::graph::WireField| {
        Some(&field.name) == wire.login.as_ref()
            || matches!(field.value, crate::secret::SecretValue::Generated(_))
    };
    next.fields.retain(differs);
    fields_of(&next, "WIRE_NEXT", &wire.secret_name())
}

/// The text of a value that holds no secret.
pub(super) fn plain(input: &Input<'_>, value: &Value) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Text(text) => escape(text),
        Piece::Url => escape(input.url()),
        // The checker lets no secret into a plain place.
        Piece::Field(..) | Piece::Secret(_) => String::new(),
    };
    value.0.iter().map(text).collect()
}

/// The ConfigMap with a block's settings.
pub(super) fn settings_name(block: &str) -> String {
    format!("{block}-settings")
}

fn fields(wire: &Wire, prefix: &str) -> Vec<Json> {
    fields_of(wire, prefix, &wire.secret_name())
}

/// The values of a wire as environment, from a Secret that holds them.
pub(super) fn fields_of(wire: &Wire, prefix: &str, secret: &str) -> Vec<Json> {
    let one = |field: &crate::graph::WireField| {
        let mut variable =
            from_secret(&format!("{prefix}_{}", upper(&field.name)), secret, &field.name);
        if field.optional {
            variable["valueFrom"]["secretKeyRef"]["optional"] = true.into();
        }
        variable
    };
    wire.fields.iter().map(one).collect()
}

/// A socket that takes many wires also delivers the names of its providers.
fn many(wires: &[&Wire]) -> Vec<Json> {
    let mut sockets: Vec<&str> =
        wires.iter().filter(|wire| wire.many).map(|wire| wire.socket.as_str()).collect();
    sockets.dedup();
    let names = |socket: &str| {
        let own = wires.iter().filter(|wire| wire.socket == socket);
        own.map(|wire| wire.provider_name()).collect::<Vec<_>>().join(",")
    };
    sockets.iter().map(|one| json!({ "name": upper(one), "value": names(one) })).collect()
}

fn variable(input: &Input<'_>, part: &Part, name: &str, value: &Value) -> Json {
    match value.0.as_slice() {
        [Piece::Field(binding, field)] => {
            from_secret(name, &format!("{}-{binding}", part.name), field)
        }
        [Piece::Secret(secret)] => from_secret(name, &secrets::block_secret(&part.name), secret),
        pieces => {
            let text = |piece: &Piece| match piece {
                Piece::Text(text) => escape(text),
                Piece::Url => escape(input.url()),
                Piece::Field(binding, field) => format!("$({}_{})", upper(binding), upper(field)),
                Piece::Secret(secret) => format!("$({})", secret_variable(secret)),
            };
            json!({ "name": name, "value": pieces.iter().map(text).collect::<String>() })
        }
    }
}

/// Secrets that are joined with other text and so need a variable of their own.
fn joined_secrets<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut names = Vec::new();
    for value in values.filter(|value| value.0.len() > 1) {
        for piece in &value.0 {
            if let Piece::Secret(name) = piece
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
    }
    names
}

fn secret_variable(name: &str) -> String {
    if is_upper(name) { name.to_owned() } else { format!("SECRETS_{}", upper(name)) }
}

fn from_secret(variable: &str, secret: &str, key: &str) -> Json {
    json!({
        "name": variable,
        "valueFrom": { "secretKeyRef": { "name": secret, "key": key } },
    })
}

/// A `$` that Kubernetes would read is doubled; any other stays as it is.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '$' && matches!(chars.peek(), None | Some('$' | '(')) {
            out.push('$');
        }
    }
    out
}

fn upper(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

fn is_upper(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_dollar_that_would_be_read_is_doubled() {
        assert_eq!(escape("echo $HOME"), "echo $HOME");
        assert_eq!(escape("$(date)"), "$$(date)");
        assert_eq!(escape("a$$b$"), "a$$$b$$");
    }
}
