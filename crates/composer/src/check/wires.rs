//! Ties sockets to offers and checks that they fit: name and major, limits, how many.

use super::{Node, blocks};
use crate::app::App;
use crate::catalogue::Catalogue;
use crate::diagnostic::Diagnostic;
use crate::graph::{Mount, Offer, Wire, WireField};
use crate::interface::{AttributeKind, FieldKind, Interface};
use crate::secret::{Recipe, SecretValue};
use crate::shape::{Cardinality, Need};
use crate::source::{Span, Spanned};
use crate::version;

/// Everything that a wire can be tied to, and where wrong ones are noted.
struct Board<'a> {
    nodes: &'a [Node<'a>],
    catalogue: &'a Catalogue,
    /// False if some block could not be read, so that an offer may be missing for that reason.
    complete: bool,
}

type Tied<'a> = (&'a Node<'a>, &'a Offer);

pub(super) fn tie(
    app: &App,
    nodes: &[Node<'_>],
    catalogue: &Catalogue,
    complete: bool,
    found: &mut Vec<Diagnostic>,
) -> Vec<Wire> {
    let board = Board { nodes, catalogue, complete };
    let mut wires = Vec::new();
    for node in nodes {
        unknown_sockets(node, found);
        for need in &node.shape.needs {
            let interface = match blocks::interface(&need.interface, catalogue) {
                Ok(interface) => interface,
                Err(wrong) => {
                    found.push(wrong);
                    continue;
                }
            };
            found.extend(
                need.limits
                    .iter()
                    .filter_map(|(name, words)| wrong_limit(node, need, interface, name, words)),
            );
            found.extend(wrong_place(node, need, interface));
            for (provider, offer) in board.resolve(app, node, need, found) {
                found.extend(unkept_limits(node, need, interface, provider, offer));
                wires.push(wire(node, need, interface, provider, offer));
            }
        }
    }
    too_many(nodes, &wires, found);
    wires
}

impl<'a> Board<'a> {
    fn resolve(
        &self,
        app: &App,
        node: &Node<'_>,
        need: &Need,
        found: &mut Vec<Diagnostic>,
    ) -> Vec<Tied<'a>> {
        let written = node.block.wire.iter().find(|(socket, _)| socket.value == need.socket.value);
        let result = match written {
            Some((_, targets)) => self.explicit(app, node, need, targets),
            None => self.automatic(node, need),
        };
        match result {
            Ok(tied) => tied,
            Err(wrong) => {
                found.extend(wrong);
                Vec::new()
            }
        }
    }

    fn candidates(&self, node: &Node<'_>, need: &Need) -> Vec<Tied<'a>> {
        let wanted = need.interface.value.to_string();
        self.nodes
            .iter()
            .filter(|other| other.name() != node.name())
            .flat_map(|other| other.offers.iter().map(move |offer| (other, offer)))
            .filter(|(_, offer)| offer.interface == wanted)
            .collect()
    }

    fn explicit(
        &self,
        app: &App,
        node: &Node<'_>,
        need: &Need,
        targets: &[Spanned<String>],
    ) -> Result<Vec<Tied<'a>>, Vec<Diagnostic>> {
        let mut tied = Vec::new();
        let mut wrong = Vec::new();
        for target in targets {
            match self.target(app, node, need, target) {
                Ok(one) => tied.push(one),
                Err(why) => wrong.extend(why),
            }
        }
        let end = format!("{}.{}", node.name(), need.socket.value);
        if targets.len() > 1 && !need.cardinality.takes_many() {
            let names: Vec<&str> = targets.iter().map(|target| target.value.as_str()).collect();
            wrong.push(
                Diagnostic::new("wire/count", &targets[1].span, format!("{end} takes one wire"))
                    .side_at("it needs", need_text(need), &need.interface.span)
                    .side("it is tied to", names.join(", "))
                    .help("to take many, write", format!("\"{}*\"", need.interface.value)),
            );
        }
        if targets.is_empty() && !need.cardinality.may_be_empty() {
            wrong.push(self.missing(node, need));
        }
        if wrong.is_empty() { Ok(tied) } else { Err(wrong) }
    }

    fn target(
        &self,
        app: &App,
        node: &Node<'_>,
        need: &Need,
        target: &Spanned<String>,
    ) -> Result<Tied<'a>, Option<Diagnostic>> {
        let end = format!("{}.{}", node.name(), need.socket.value);
        if target.value.contains('/') {
            let message = format!("{end} cannot be tied to another app yet");
            return Err(Some(
                Diagnostic::new("wire/other-app", &target.span, message)
                    .side("found", &target.value)
                    .help("put the provider into this app", ""),
            ));
        }
        let (name, offer) = match target.value.split_once('.') {
            Some((name, offer)) => (name, Some(offer)),
            None => (target.value.as_str(), None),
        };
        let Some(provider) = self.nodes.iter().find(|other| other.name() == name) else {
            if app.blocks.iter().any(|block| block.name.value == name) {
                return Err(None); // that block is wrong itself, and said so
            }
            let known = self.nodes.iter().map(Node::name).filter(|other| *other != node.name());
            let message = format!("{end} is tied to \"{name}\", and there is no such block");
            return Err(Some(
                Diagnostic::new("wire/provider", &target.span, message).did_you_mean(name, known),
            ));
        };
        let wanted = need.interface.value.to_string();
        let fitting: Vec<&Offer> = provider
            .offers
            .iter()
            .filter(|one| one.interface == wanted && offer.is_none_or(|name| one.name == name))
            .collect();
        match fitting.as_slice() {
            [one] => Ok((provider, one)),
            [] => Err(Some(self.wrong_type(node, need, provider, &target.span))),
            many => {
                let names = many.iter().map(|one| format!("{name}.{}", one.name));
                Err(Some(ambiguous(node, need, names.collect())))
            }
        }
    }

    /// A socket without a wire ties itself to the block of its name, or to the only candidate.
    fn automatic(&self, node: &Node<'_>, need: &Need) -> Result<Vec<Tied<'a>>, Vec<Diagnostic>> {
        let candidates = self.candidates(node, need);
        let named = |(other, _): &&Tied<'a>| other.name() == need.socket.value;
        let same: Vec<Tied<'a>> = candidates.iter().filter(named).copied().collect();
        let fitting = if same.is_empty() { &candidates } else { &same };
        match fitting.as_slice() {
            _ if need.cardinality == Cardinality::Any => Ok(Vec::new()),
            [one] => Ok(vec![*one]),
            [] => {
                let other = self
                    .nodes
                    .iter()
                    .find(|other| other.name() == need.socket.value && other.name() != node.name());
                match other {
                    Some(other) => {
                        Err(vec![self.wrong_type(node, need, other, &need.interface.span)])
                    }
                    None if need.cardinality.may_be_empty() => Ok(Vec::new()),
                    None if !self.complete => Ok(Vec::new()),
                    None => Err(vec![self.missing(node, need)]),
                }
            }
            many => {
                let names = many.iter().map(|(other, offer)| {
                    let alone = many.iter().filter(|(o, _)| o.name() == other.name()).count() == 1;
                    let name = other.name();
                    if alone { name.to_owned() } else { format!("{name}.{}", offer.name) }
                });
                Err(vec![ambiguous(node, need, names.collect())])
            }
        }
    }

    fn wrong_type(
        &self,
        node: &Node<'_>,
        need: &Need,
        provider: &Node<'_>,
        span: &Span,
    ) -> Diagnostic {
        let end = format!("{}.{}", node.name(), need.socket.value);
        let gives: Vec<&str> =
            provider.offers.iter().map(|offer| offer.interface.as_str()).collect();
        let gives = if gives.is_empty() { "nothing".to_owned() } else { gives.join(", ") };
        let message = format!("{end} cannot be wired to {}", provider.name());
        let wrong = Diagnostic::new("wire/type", span, message)
            .side_at(format!("{} needs", node.name()), need_text(need), &need.interface.span)
            .side_at(format!("{} gives", provider.name()), gives, &provider.block.name.span);
        self.way_out(wrong, node, need)
    }

    fn missing(&self, node: &Node<'_>, need: &Need) -> Diagnostic {
        let end = format!("{}.{}", node.name(), need.socket.value);
        let message = format!("{end} needs {} and nothing gives it", need.interface.value);
        let offers: Vec<String> = self
            .nodes
            .iter()
            .filter(|other| other.name() != node.name())
            .flat_map(|other| {
                other.offers.iter().map(|offer| format!("{} {}", other.name(), offer.interface))
            })
            .collect();
        let offers = if offers.is_empty() { "nothing".to_owned() } else { offers.join(", ") };
        let wrong = Diagnostic::new("wire/missing", &need.socket.span, message)
            .side_at(format!("{} needs", node.name()), need_text(need), &need.interface.span)
            .side("the others give", offers);
        self.way_out(wrong, node, need)
    }

    fn way_out(&self, mut wrong: Diagnostic, node: &Node<'_>, need: &Need) -> Diagnostic {
        let socket = &need.socket.value;
        for (other, offer) in self.candidates(node, need) {
            let name = other.name();
            let text = match offer.fact("version") {
                Some(version) => format!("{name} gives {} {version}", offer.interface),
                None => format!("{name} gives {}", offer.interface),
            };
            wrong = wrong.help(text, format!("wire = {{ {socket} = \"{name}\" }}"));
        }
        let gives = |module: &&crate::module::Module| {
            module.shape.provides.iter().any(|one| one.interface.value == need.interface.value)
        };
        for module in self.catalogue.modules().filter(gives) {
            let lead = if wrong.help.is_empty() { "add a block" } else { "or add one" };
            let major = module.version.split('.').next().unwrap_or_default();
            wrong = wrong.help(lead, format!("[{socket}] use = \"{}@{major}\"", module.name));
        }
        if need.interface.value.name == "http" && wrong.help.is_empty() {
            return wrong.help("a process with a port gives it", "run = { web = { port = 8080 } }");
        }
        wrong
    }
}

fn unknown_sockets(node: &Node<'_>, found: &mut Vec<Diagnostic>) {
    let sockets: Vec<&str> =
        node.shape.needs.iter().map(|need| need.socket.value.as_str()).collect();
    for (socket, _) in &node.block.wire {
        if !sockets.contains(&socket.value.as_str()) {
            let message = format!("{} has no socket \"{}\"", node.name(), socket.value);
            found.push(
                Diagnostic::new("wire/socket", &socket.span, message)
                    .did_you_mean(&socket.value, sockets.iter().copied()),
            );
        }
    }
}

fn ambiguous(node: &Node<'_>, need: &Need, names: Vec<String>) -> Diagnostic {
    let socket = &need.socket.value;
    let message = format!("{}.{socket} fits several blocks", node.name());
    let mut wrong = Diagnostic::new("wire/ambiguous", &need.socket.span, message)
        .side_at(format!("{} needs", node.name()), need_text(need), &need.interface.span)
        .side("it fits", names.join(", "));
    for name in names {
        wrong = wrong.help("say which", format!("wire = {{ {socket} = \"{name}\" }}"));
    }
    wrong
}

fn wrong_limit(
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
fn wrong_place(node: &Node<'_>, need: &Need, interface: &Interface) -> Option<Diagnostic> {
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

fn unkept_limits(
    node: &Node<'_>,
    need: &Need,
    interface: &Interface,
    provider: &Node<'_>,
    offer: &Offer,
) -> Vec<Diagnostic> {
    let mut wrong = Vec::new();
    for (name, words) in &need.limits {
        let Some(attribute) = interface.attributes.iter().find(|one| one.name == name.value) else {
            continue;
        };
        let fact = offer.fact(&name.value);
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
        let label = format!("{} gives", provider.name());
        wrong.push(
            Diagnostic::new(
                "wire/limit",
                words.first().map_or(&name.span, |word| &word.span),
                format!("{end} cannot be wired to {}", provider.name()),
            )
            .side_at(
                format!("{} needs", node.name()),
                format!("{} {limit}", interface.name),
                &need.interface.span,
            )
            .side_at(label, format!("{} {have}", interface.name), &provider.block.name.span)
            .help("use another version of the module, or change the limit", ""),
        );
    }
    wrong
}

fn too_many(nodes: &[Node<'_>], wires: &[Wire], found: &mut Vec<Diagnostic>) {
    for node in nodes {
        for offer in &node.offers {
            let Some(max) = offer.max else { continue };
            let ends: Vec<String> = wires
                .iter()
                .filter(|wire| wire.provider == node.name() && wire.offer.name == offer.name)
                .map(Wire::end)
                .collect();
            if i64::try_from(ends.len()).is_ok_and(|count| count > max) {
                let message = format!("{}.{} takes {max} wires at most", node.name(), offer.name);
                found.push(
                    Diagnostic::new("wire/count", &node.block.name.span, message)
                        .side("tied to it", ends.join(", "))
                        .help("add a second block of the same module", ""),
                );
            }
        }
    }
}

fn need_text(need: &Need) -> String {
    let sign = match need.cardinality {
        Cardinality::One => "",
        Cardinality::Optional => "?",
        Cardinality::Any => "*",
        Cardinality::Some => "+",
    };
    let mut text = format!("{}{sign}", need.interface.value);
    for limit in limit_texts(need) {
        text.push(' ');
        text.push_str(&limit);
    }
    text
}

fn limit_texts(need: &Need) -> Vec<String> {
    need.limits
        .iter()
        .map(|(name, words)| {
            let words: Vec<&str> = words.iter().map(|word| word.value.as_str()).collect();
            format!("{} {}", name.value, words.join(", "))
        })
        .collect()
}

fn wire(
    node: &Node<'_>,
    need: &Need,
    interface: &Interface,
    provider: &Node<'_>,
    offer: &Offer,
) -> Wire {
    let socket = need.socket.value.clone();
    let many = need.cardinality.takes_many();
    let binding = if many { format!("{socket}-{}", provider.name()) } else { socket.clone() };
    // 56 letters leave room for a suffix within PostgreSQL's 63.
    let login = crate::names::fit(&format!("{}_{binding}", node.name()).replace('-', "_"), 56);
    // Without a program that makes logins, there are only those that the provider states.
    let no_login = offer.grant.is_none();
    let value = |field: &crate::interface::Field| -> Option<SecretValue> {
        let fact = offer.fact(&field.name).map(str::to_owned);
        Some(match &field.kind {
            FieldKind::Host => SecretValue::Plain(offer.service.clone()),
            FieldKind::Port => SecretValue::Plain(offer.port?.to_string()),
            FieldKind::Name | FieldKind::Secret if no_login && field.optional => {
                SecretValue::Plain(fact?)
            }
            FieldKind::Name => SecretValue::Plain(fact.unwrap_or_else(|| login.clone())),
            FieldKind::Label => SecretValue::Plain(fact.unwrap_or_else(|| login.replace('_', "-"))),
            FieldKind::Path => SecretValue::Plain(need.at.as_ref()?.value.clone()),
            FieldKind::Text | FieldKind::Pem => SecretValue::Plain(fact?),
            FieldKind::Secret => SecretValue::Generated(Recipe::Random(32)),
            FieldKind::Derived { template, .. } => SecretValue::Derived(template.clone()),
        })
    };
    let field = |field: &crate::interface::Field| {
        let (name, secret) = (field.name.clone(), field.is_secret());
        Some(WireField { name, value: value(field)?, secret })
    };
    Wire {
        consumer: node.name().to_owned(),
        socket,
        binding,
        many,
        provider: provider.name().to_owned(),
        offer: offer.clone(),
        limits: limit_texts(need),
        before_start: interface.before_start,
        probe: interface.probe.clone(),
        fields: interface.fields.iter().filter_map(field).collect(),
        mount: need.at.as_ref().filter(|_| interface.is_disk()).map(|at| Mount {
            at: at.value.clone(),
            claim: crate::graph::claim(provider.name(), &offer.name),
            shared: offer.fact("access") == Some("shared"),
        }),
    }
}
