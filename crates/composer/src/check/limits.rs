//! Limits on what a provider states about itself, and where a folder is mounted.

use super::Node;
use super::wires::Tied;
use crate::diagnostic::Diagnostic;
use crate::interface::{AttributeKind, Interface};
use crate::shape::{Cardinality, Need};
use crate::source::Spanned;
use crate::version;

/// A limit that cannot be checked at all.
pub(super) fn wrong(
    node: &Node<'_>,
    need: &Need,
    interface: &Interface,
    name: &Spanned<String>,
    words: &[Spanned<String>],
) -> Option<Diagnostic> {
    let Some(attribute) = interface.attributes.iter().find(|one| one.name == name.value) else {
        let known = interface.attributes.iter().map(|one| one.name.as_str()).chain(["type"]);
        let message = format!("{} has no attribute \"{}\"", interface.name, name.value);
        return Some(
            Diagnostic::new("wire/limit", &name.span, message).did_you_mean(&name.value, known),
        );
    };
    let word = words.first()?;
    let bad =
        attribute.kind == AttributeKind::Version && version::keeps("0", &word.value).is_none();
    bad.then(|| {
        let end = format!("{}.{}", node.name(), need.socket.value);
        Diagnostic::new("wire/limit", &word.span, format!("{end} has a limit that cannot be read"))
            .side("found", &word.value)
            .help("such as", "version = \">=14, <16\"")
    })
}

/// A socket that takes a disk says where it is mounted, and no other does.
pub(super) fn wrong_place(
    node: &Node<'_>,
    need: &Need,
    interface: &Interface,
) -> Option<Diagnostic> {
    let end = format!("{}.{}", node.name(), need.socket.value);
    match &need.at {
        None if interface.is_disk() => {
            let message = format!("{end} does not say where the folder is mounted");
            Some(Diagnostic::new("wire/at", &need.interface.span, message).help(
                "such as",
                format!("{{ type = \"{}\", at = \"/srv/files\" }}", interface.name),
            ))
        }
        Some(at) if !interface.is_disk() => {
            let message = format!("{end} is not mounted: {} is no folder", interface.name);
            Some(Diagnostic::new("wire/at", &at.span, message).help("take away", "at"))
        }
        _ => None,
    }
}

/// The limits that a provider does not keep, with both sides' values.
pub(super) fn unkept(
    node: &Node<'_>,
    need: &Need,
    interface: &Interface,
    tied: &Tied,
) -> Vec<Diagnostic> {
    let mut wrong = Vec::new();
    for (name, words) in &need.limits {
        let Some(attribute) = interface.attributes.iter().find(|one| one.name == name.value) else {
            continue;
        };
        let fact = tied.offer.fact(&name.value);
        let given: Vec<&str> = fact.unwrap_or_default().split(',').collect();
        let wanted: Vec<&str> = words.iter().map(|word| word.value.as_str()).collect();
        let kept = match attribute.kind {
            // A limit that cannot be read was refused already.
            AttributeKind::Version => fact.is_some_and(|have| {
                wanted.iter().all(|limit| version::keeps(have, limit) != Some(false))
            }),
            AttributeKind::Set | AttributeKind::Text => {
                wanted.iter().all(|word| given.contains(word))
            }
        };
        if kept {
            continue;
        }
        let end = format!("{}.{}", node.name(), need.socket.value);
        let limit = format!("{} {}", name.value, wanted.join(", "));
        let have =
            fact.map_or_else(|| format!("no {}", name.value), |f| format!("{} {f}", name.value));
        let refused = Diagnostic::new(
            "wire/limit",
            words.first().map_or(&name.span, |word| &word.span),
            format!("{end} cannot be wired to {}", tied.name),
        )
        .side_at(
            format!("{} needs", node.name()),
            format!("{} {limit}", interface.name),
            &need.interface.span,
        )
        .side_at(
            format!("{} gives", tied.name),
            format!("{} {have}", interface.name),
            &tied.span,
        );
        wrong.push(match fact {
            None if tied.is_external() => {
                refused.help("say what it is", format!("facts = {{ {} = \"…\" }}", name.value))
            }
            _ => refused.help("use another version of the module, or change the limit", ""),
        });
    }
    wrong
}

/// What a socket needs, as one line.
pub(super) fn need_text(need: &Need) -> String {
    let sign = match need.cardinality {
        Cardinality::One => "",
        Cardinality::Optional => "?",
        Cardinality::Any => "*",
        Cardinality::Some => "+",
    };
    let mut text = format!("{}{sign}", need.interface.value);
    for limit in texts(need) {
        text.push(' ');
        text.push_str(&limit);
    }
    text
}

/// The limits of a socket, one line each.
pub(crate) fn texts(need: &Need) -> Vec<String> {
    need.limits
        .iter()
        .map(|(name, words)| {
            let words: Vec<&str> = words.iter().map(|word| word.value.as_str()).collect();
            format!("{} {}", name.value, words.join(", "))
        })
        .collect()
}
