//! What the parts of the import have in common: the services, where they go, the app so far, and
//! the account. Where next: `block.rs`, which makes one block.

use std::collections::BTreeMap;

use composer::Catalogue;

use super::place::Place;
use super::refer::{self, Provider};
use super::service::Service;
use super::{Given, labels};
use crate::draft::{self, Draft};
use crate::ledger::Ledger;
use crate::yaml::Node;

/// Ports that are known not to speak HTTP.
const NOT_HTTP: [u16; 16] =
    [21, 22, 25, 389, 636, 1433, 1521, 2181, 3306, 5432, 5672, 6379, 9092, 11211, 27017, 28015];

/// Where a service listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listen {
    pub(super) port: u16,
    pub(super) http: bool,
    /// Whether the file itself says the port.
    pub(super) said: bool,
}

pub(super) struct Work<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) files: &'a BTreeMap<String, String>,
    pub(super) root: Node,
    pub(super) services: Vec<Service>,
    pub(super) places: Vec<Place>,
    pub(super) listens: Vec<Option<Listen>>,
    pub(super) providers: Vec<Provider>,
    /// The provider that each service is, if it is one.
    pub(super) provider_of: Vec<Option<usize>>,
    /// The block that people see, and the port it was published on.
    pub(super) front: Option<(String, u16)>,
    pub(super) draft: Draft,
    pub(super) ledger: Ledger,
    pub(super) given: Vec<Given>,
}

impl Work<'_> {
    /// Finds out where each service listens, and how others reach it.
    pub(super) fn find_providers(&mut self) {
        self.listens = (0..self.services.len()).map(|index| self.listen(index)).collect();
        for index in 0..self.services.len() {
            let provider = self.provider(index);
            self.provider_of.push(provider.is_some().then_some(self.providers.len()));
            self.providers.extend(provider);
        }
    }

    fn listen(&self, index: usize) -> Option<Listen> {
        let service = &self.services[index];
        if let Some(known) = service.known {
            return Some(Listen { port: known.port, http: false, said: true });
        }
        let spoken = self.services.iter().flat_map(|one| &one.env);
        let spoken = spoken.filter_map(|one| one.value.as_deref()).flat_map(refer::hosts_in);
        let spoken: Vec<(Option<u16>, bool)> = spoken
            .filter(|(host, _, _)| service.hosts.contains(host))
            .map(|(_, port, web)| (port, web))
            .collect();
        let label = service.node.get("labels").and_then(|one| labels::read(one).port);
        let published = service.ports.iter().filter(|one| !one.udp);
        let mut published: Vec<(u16, bool)> =
            published.map(|one| (one.inside, one.published)).collect();
        // TLS is the front door's; what else there is comes first.
        published.sort_by_key(|(port, published)| (*port == 443, !published));
        let said = label.or(published.first().map(|(port, _)| *port));
        let own = service.value(&["PORT", "HTTP_PORT"]).and_then(|value| value.parse().ok());
        let spoken_port = spoken.iter().find_map(|(port, _)| *port);
        let routed = service.node.get("labels").is_some_and(labels::is_routed);
        let port = said.or(spoken_port).or(own).or_else(|| self.exposed(service))?;
        let web = routed || spoken.is_empty() || spoken.iter().any(|(_, web)| *web);
        let http = !NOT_HTTP.contains(&port) && web;
        Some(Listen { port, http, said: said.is_some() })
    }

    /// The first port that a service's Dockerfile exposes.
    fn exposed(&self, service: &Service) -> Option<u16> {
        let mut port = None;
        for line in self.dockerfile(service)?.lines() {
            let mut words = line.split_whitespace();
            match words.next().map(str::to_ascii_uppercase).as_deref() {
                Some("FROM") => port = None,
                Some("EXPOSE") if port.is_none() => {
                    let first = words.next().and_then(|word| word.split('/').next()?.parse().ok());
                    port = first;
                }
                _ => {}
            }
        }
        port
    }

    /// The text of the Dockerfile that a service is built from, if it was given.
    pub(super) fn dockerfile(&self, service: &Service) -> Option<&str> {
        let build = service.build.as_ref()?;
        let context = build.context.as_str();
        let short = context.strip_prefix("./").unwrap_or(context);
        let file = build.file.as_deref().unwrap_or("Dockerfile");
        let names = [format!("{context}/{file}"), format!("{short}/{file}"), file.to_owned()];
        let names = if context == "." { &names[..] } else { &names[..2] };
        names.iter().find_map(|name| self.files.get(name)).map(String::as_str)
    }

    fn provider(&self, index: usize) -> Option<Provider> {
        let service = &self.services[index];
        let listen = self.listens[index]?;
        let block = match &self.places[index] {
            Place::Module(block) | Place::Block(block) => block.clone(),
            _ => return None,
        };
        let interface = match (service.known, listen.http) {
            (Some(known), _) => known.interface,
            (None, true) => "http/1",
            (None, false) => "tcp/1",
        };
        let known = self.catalogue.interface(interface)?;
        let fields = known.fields.iter().filter(|field| !field.optional);
        let url = known.fields.iter().find(|field| field.name == "url");
        let url = url.and_then(|field| match &field.kind {
            composer::interface::FieldKind::Derived { template, .. } => Some(template.clone()),
            _ => None,
        });
        Some(Provider {
            hosts: service.hosts.clone(),
            socket: block.clone(),
            target: block,
            interface: interface.to_owned(),
            fields: fields.map(|field| field.name.clone()).collect(),
            url,
            port: Some(listen.port),
        })
    }

    /// Those that a block may speak of; itself is none of them.
    pub(super) fn others(&self, block: &str) -> Vec<Provider> {
        self.providers.iter().filter(|one| one.target != block).cloned().collect()
    }

    /// Gives a block the socket that reaches a provider.
    pub(super) fn need(&mut self, block: &str, provider: &Provider) {
        if let Some(draft) = self.draft.block(block) {
            draft.need(&provider.socket, &provider.interface, &provider.target);
        }
    }

    /// Whether a block has a socket for what a service gives.
    pub(super) fn is_wired(&self, block: &str, service: usize) -> bool {
        let Some(target) = self.places[service].block() else { return false };
        let mut drafts = self.draft.blocks.iter().filter(|draft| draft.name == block);
        drafts.any(|draft| draft.needs.iter().any(|(socket, _, _)| socket == target))
    }

    /// Whether consumers of an interface wait for it.
    pub(super) fn waits_for(&self, interface: &str) -> bool {
        self.catalogue.interface(interface).is_some_and(|one| one.before_start)
    }

    /// A secret that a person gives, and its value if the foreign files have it.
    pub(super) fn give(
        &mut self,
        block: &str,
        name: &str,
        value: Option<String>,
        at: Option<String>,
    ) {
        let Some(draft) = self.draft.block(block) else { return };
        if draft.secrets.iter().any(|one| one.name == name) {
            return;
        }
        draft.secrets.push(draft::Secret { name: name.to_owned(), generate: None, at });
        self.given.push(Given { block: block.to_owned(), name: name.to_owned(), value });
    }
}
