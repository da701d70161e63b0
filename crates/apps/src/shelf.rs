//! What is on the shelf, for who chooses from it: interfaces and modules with their icons.
//! Where next: `stock.rs`, which holds them.

use std::collections::BTreeSet;

use composer::interface::{FieldKind, Interface};
use composer::{Card, Catalogue};
use serde_json::{Map, Value, json};

use crate::{Result, stock};

/// Which part of the shelf an interface stands in.
const GROUPS: [(&str, &[&str]); 5] = [
    ("data", &["postgres", "mysql", "mongodb", "redis", "memcached"]),
    ("messaging", &["amqp", "nats", "mqtt", "kafka"]),
    ("storage", &["s3", "files", "nfs"]),
    ("web", &["http", "oidc", "smtp"]),
    ("observability", &["otlp", "metrics", "logs"]),
];

/// All interfaces and modules, as `docs/formats/verbs.md` describes them.
///
/// # Errors
/// A stock file is wrong, which is a bug of ours.
pub fn catalogue() -> Result<Value> {
    let catalogue = stock::catalogue()?;
    let letters = letters(&catalogue);
    let interfaces: Vec<Value> = catalogue
        .interfaces()
        .zip(letters)
        .map(|(interface, letter)| interface_value(interface, letter))
        .collect();
    let modules: Vec<Value> = composer::cards(&catalogue).iter().map(module_value).collect();
    Ok(json!({ "interfaces": interfaces, "modules": modules }))
}

/// The icon of a module, an SVG.
pub fn icon(module: &str) -> Option<&'static [u8]> {
    stock::file(module, "icon.svg")
}

/// One letter for each interface, all different: the first of its name that is still free.
fn letters(catalogue: &Catalogue) -> Vec<char> {
    let mut taken = BTreeSet::new();
    let alphabet = || ('A'..='Z').chain('0'..='9');
    catalogue
        .interfaces()
        .map(|interface| {
            let own = interface.name.chars().take_while(|letter| *letter != '/');
            let own = own.filter(char::is_ascii_alphanumeric).map(|one| one.to_ascii_uppercase());
            let free = own.chain(alphabet()).find(|letter| !taken.contains(letter));
            let letter = free.unwrap_or('#');
            taken.insert(letter);
            letter
        })
        .collect()
}

fn interface_value(interface: &Interface, letter: char) -> Value {
    let kind = |kind: &FieldKind| match kind {
        FieldKind::Host => "host",
        FieldKind::Port => "port",
        FieldKind::Name => "name",
        FieldKind::Secret | FieldKind::Derived { secret: true, .. } => "secret",
        FieldKind::Pem => "pem",
        _ => "text",
    };
    let fields = interface.fields.iter().map(|field| {
        json!({ "name": field.name, "type": kind(&field.kind), "optional": field.optional })
    });
    json!({
        "name": interface.name,
        "summary": interface.summary,
        "order": if interface.before_start { "before-start" } else { "any" },
        "letter": letter.to_string(),
        "fields": fields.collect::<Vec<Value>>(),
        "attributes": interface.attributes.iter().map(|one| one.name.clone()).collect::<Vec<_>>(),
    })
}

pub(crate) fn module_value(card: &Card) -> Value {
    let facts = |facts: &[(String, String)]| -> Map<String, Value> {
        facts.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect()
    };
    let plain = |interface: &str| interface.split('/').next().unwrap_or_default().to_owned();
    let mut aliases: Vec<String> = card.offers.iter().map(|one| plain(&one.interface)).collect();
    aliases.retain(|alias| *alias != card.name);
    aliases.dedup();
    let default = |name: &str| {
        let setting = card.settings.iter().find(|setting| setting.name == name);
        setting.map(|setting| setting.default.clone())
    };
    json!({
        "name": card.name,
        "version": card.version,
        "summary": card.summary,
        "aliases": aliases,
        "group": group(card),
        "icon": format!("/v1/catalogue/{}/icon.svg", card.name),
        "offers": card.offers.iter().map(|one| json!({
            "name": one.name, "interface": one.interface, "facts": facts(&one.facts), "max": one.max,
        })).collect::<Vec<Value>>(),
        "needs": card.needs.iter().map(|one| json!({
            "socket": one.name, "interface": one.interface, "limits": one.limits,
            "cardinality": one.cardinality,
        })).collect::<Vec<Value>>(),
        "settings": card.settings.iter().map(|one| json!({
            "name": one.name, "default": one.default, "help": one.help, "type": one.kind,
        })).collect::<Vec<Value>>(),
        "assumes": card.assumes,
        "extend": [],
        "memory": default("memory"),
        "size": default("size"),
    })
}

/// The group of the first thing a module gives, or of what it needs if it gives nothing.
fn group(card: &Card) -> &'static str {
    let gives = card.offers.iter().map(|one| &one.interface);
    let needs = card.needs.iter().map(|one| &one.interface);
    gives
        .chain(needs)
        .find_map(|interface| {
            let name = interface.split('/').next().unwrap_or_default();
            GROUPS.iter().find(|(_, names)| names.contains(&name)).map(|(group, _)| *group)
        })
        .unwrap_or("web")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_has_a_card_and_every_interface_a_letter_of_its_own() {
        let shelf = catalogue().unwrap();
        let letters: Vec<&str> = shelf["interfaces"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| one["letter"].as_str())
            .collect();
        let different: BTreeSet<&&str> = letters.iter().collect();
        assert_eq!(different.len(), letters.len(), "{letters:?}");
        let modules = shelf["modules"].as_array().unwrap();
        let postgres = modules.iter().find(|one| one["name"] == "postgres").unwrap();
        assert_eq!(postgres["offers"][0]["interface"], "postgres/1");
        assert_eq!((&postgres["memory"], &postgres["group"]), (&json!("512Mi"), &json!("data")));
        assert!(icon("postgres").is_some_and(|svg| svg.starts_with(b"<svg")));
        assert!(icon("../postgres").is_none());
    }
}
