//! Ties sockets to offers and checks that they fit: name and major, limits, how many.

use super::limits::{self, need_text};
use super::{Node, blocks, deliver};
use crate::app::App;
use crate::catalogue::Catalogue;
use crate::diagnostic::Diagnostic;
use crate::graph::{Beyond, From, Offer, Wire};
use crate::shape::{Cardinality, Need};
use crate::source::{Span, Spanned};

/// Everything that a wire can be tied to, and where wrong ones are noted.
struct Board<'a> {
    nodes: &'a [Node<'a>],
    catalogue: &'a Catalogue,
    /// False if some block could not be read, so that an offer may be missing for that reason.
    complete: bool,
}

type Candidate<'a> = (&'a Node<'a>, &'a Offer);

/// What a socket is tied to.
pub(super) struct Tied {
    /// The block that gives.
    pub(super) name: String,
    /// Where it is written.
    pub(super) span: Span,
    pub(super) offer: Offer,
    pub(super) reach: Reach,
}

/// Where what a socket is tied to is.
pub(super) enum Reach {
    /// In this app.
    Here,
    /// Outside of every app; the name of the Secret or the claim that it is known by.
    External(String),
    /// In another app.
    App(Beyond),
}

impl Tied {
    fn here((node, offer): Candidate<'_>) -> Self {
        let reach = match &node.from {
            From::External { held_in, .. } => Reach::External(held_in.clone()),
            _ => Reach::Here,
        };
        let span = node.block.name.span.clone();
        Self { name: node.name().to_owned(), span, offer: offer.clone(), reach }
    }

    pub(super) fn is_external(&self) -> bool {
        matches!(self.reach, Reach::External(_))
    }

    /// The provider's name within a binding's.
    pub(super) fn short(&self) -> String {
        match &self.reach {
            Reach::App(beyond) => format!("{}-{}", beyond.app, self.name),
            _ => self.name.clone(),
        }
    }
}

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
                    .filter_map(|(name, words)| limits::wrong(node, need, interface, name, words)),
            );
            found.extend(limits::wrong_place(node, need, interface));
            for tied in board.resolve(app, node, need, found) {
                found.extend(limits::unkept(node, need, interface, &tied));
                wires.push(deliver::wire(app.name(), node, need, interface, tied));
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
    ) -> Vec<Tied> {
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

    fn candidates(&self, node: &Node<'_>, need: &Need) -> Vec<Candidate<'a>> {
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
    ) -> Result<Vec<Tied>, Vec<Diagnostic>> {
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
    ) -> Result<Tied, Option<Diagnostic>> {
        let end = format!("{}.{}", node.name(), need.socket.value);
        if let Some((other, inside)) = target.value.split_once('/') {
            return self.beyond(need, &end, target, (other, inside)).map_err(Some);
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
            [one] => Ok(Tied::here((provider, one))),
            [] => Err(Some(self.wrong_type(node, need, provider, &target.span))),
            many => {
                let names = many.iter().map(|one| format!("{name}.{}", one.name));
                Err(Some(ambiguous(node, need, names.collect())))
            }
        }
    }

    /// A block of another app, as that app last came up.
    fn beyond(
        &self,
        need: &Need,
        end: &str,
        target: &Spanned<String>,
        (other, inside): (&str, &str),
    ) -> Result<Tied, Diagnostic> {
        let Some(graph) = self.catalogue.app(other) else {
            let known = self.catalogue.apps().map(|graph| graph.app.as_str());
            let message = format!("{end} is tied to app \"{other}\", which is not there");
            return Err(Diagnostic::new("wire/other-app", &target.span, message)
                .side("found", &target.value)
                .did_you_mean(other, known)
                .help("bring that app up first", "shelf go"));
        };
        let (name, offer) = match inside.split_once('.') {
            Some((name, offer)) => (name, Some(offer)),
            None => (inside, None),
        };
        let Some(part) = graph.block(name) else {
            let known = graph.blocks.iter().map(|part| part.name.as_str());
            let message = format!("{end} is tied to \"{inside}\", which {other} does not have");
            return Err(
                Diagnostic::new("wire/provider", &target.span, message).did_you_mean(name, known)
            );
        };
        let wanted = need.interface.value.to_string();
        let offers = part.all_offers();
        let fitting: Vec<&Offer> = offers
            .iter()
            .filter(|one| one.interface == wanted && one.port.is_some())
            .filter(|one| offer.is_none_or(|name| one.name == name))
            .collect();
        let [one] = fitting.as_slice() else {
            let gives: Vec<String> = offers
                .iter()
                .map(|one| format!("{} as {name}.{}", one.interface, one.name))
                .collect();
            let message = format!("{end} cannot be wired to {}", target.value);
            return Err(Diagnostic::new("wire/type", &target.span, message)
                .side_at("it needs", need_text(need), &need.interface.span)
                .side(format!("{other}/{name} gives"), gives.join(", "))
                .help("folders and services from outside are wired within their app", ""));
        };
        let process = part.processes.iter().find(|process| process.workload == one.service);
        Ok(Tied {
            name: name.to_owned(),
            span: target.span.clone(),
            offer: (*one).clone(),
            reach: Reach::App(Beyond {
                app: other.to_owned(),
                user: part.user,
                secrets: part.secrets.iter().map(|secret| secret.name.clone()).collect(),
                process: process.map(|process| process.name.clone()).unwrap_or_default(),
                public: process.is_some_and(|process| !process.paths.is_empty()),
            }),
        })
    }

    /// A socket without a wire ties itself to the block of its name, or to the only candidate.
    fn automatic(&self, node: &Node<'_>, need: &Need) -> Result<Vec<Tied>, Vec<Diagnostic>> {
        let candidates = self.candidates(node, need);
        let named = |(other, _): &&Candidate<'a>| other.name() == need.socket.value;
        let same: Vec<Candidate<'a>> = candidates.iter().filter(named).copied().collect();
        let fitting = if same.is_empty() { &candidates } else { &same };
        match fitting.as_slice() {
            _ if need.cardinality == Cardinality::Any => Ok(Vec::new()),
            [one] => Ok(vec![Tied::here(*one)]),
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

fn too_many(nodes: &[Node<'_>], wires: &[Wire], found: &mut Vec<Diagnostic>) {
    for node in nodes {
        for offer in &node.offers {
            let Some(max) = offer.max else { continue };
            let ends: Vec<String> = wires
                .iter()
                .filter(|wire| wire.beyond.is_none() && wire.provider == node.name())
                .filter(|wire| wire.offer.name == offer.name)
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
