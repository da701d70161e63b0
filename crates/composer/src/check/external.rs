//! A service from outside: it gives one interface, and all its wires share the login that one
//! Secret holds, for nobody here may make others.

use super::{Node, blocks};
use crate::app::Block;
use crate::catalogue::Catalogue;
use crate::diagnostic::Diagnostic;
use crate::graph::{From, Offer};
use crate::interface::{Interface, InterfaceName};
use crate::shape::Shape;
use crate::source::Spanned;

/// What the block says: interface, where its login is, and facts.
type Said<'a> =
    (&'a Spanned<String>, &'a Spanned<String>, &'a [(Spanned<String>, Vec<Spanned<String>>)]);

/// Nothing of its own: no process, no disk.
static NOTHING: Shape = Shape::NOTHING;

pub(super) fn node<'a>(
    block: &'a Block,
    (interface, from, facts): Said<'_>,
    catalogue: &'a Catalogue,
    found: &mut Vec<Diagnostic>,
) -> Option<Node<'a>> {
    let Some(name) = InterfaceName::parse(&interface.value) else {
        let message = format!("\"{}\" is no interface", interface.value);
        found.push(
            Diagnostic::new("interface/name", &interface.span, message)
                .help("a name and its major", "use = \"external:postgres/1\""),
        );
        return None;
    };
    let name = Spanned::new(name, interface.span.clone());
    let interface = blocks::interface(&name, catalogue).map_err(|wrong| found.push(wrong)).ok()?;
    let held_in = held_in(from, interface).map_err(|wrong| found.push(wrong)).ok()?;
    for (fact, words) in facts {
        found.extend(blocks::wrong_fact(&block.name.value, interface, fact, words));
    }
    let join = |words: &[Spanned<String>]| {
        words.iter().map(|word| word.value.as_str()).collect::<Vec<_>>().join(",")
    };
    let mut stated: Vec<(String, String)> =
        facts.iter().map(|(fact, words)| (fact.value.clone(), join(words))).collect();
    if interface.is_disk() && !stated.iter().any(|(fact, _)| fact == "access") {
        stated.push(("access".to_owned(), "shared".to_owned()));
    }
    let offer = Offer {
        name: "external".to_owned(),
        interface: interface.name.clone(),
        service: block.name.value.clone(),
        port: None,
        admin_port: None,
        grant: None,
        probe: None,
        facts: stated,
        max: None,
    };
    Some(Node {
        block,
        from: From::External { interface: interface.name.clone(), held_in },
        shape: &NOTHING,
        assumes: &[],
        settings: Vec::new(),
        offers: vec![offer],
        module: None,
    })
}

/// The Secret of `secret:prod-db`, or the claim of `claim:media` for a folder.
fn held_in(from: &Spanned<String>, interface: &Interface) -> Result<String, Diagnostic> {
    let (kind, example) = match interface.is_disk() {
        true => ("claim", "from = \"claim:media\""),
        false => ("secret", "from = \"secret:prod-db\""),
    };
    let name = from.value.split_once(':').filter(|(word, _)| *word == kind).map(|(_, name)| name);
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    match name.filter(|name| !name.is_empty() && name.len() <= 253 && name.chars().all(good)) {
        Some(name) => Ok(name.to_owned()),
        None => Err(Diagnostic::new(
            "block/external",
            &from.span,
            format!("\"{}\" does not say where {} is", from.value, interface.name),
        )
        .help("such as", example)),
    }
}
