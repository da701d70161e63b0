//! What each service becomes: a module's block, a block of its own, a process or a step of another
//! block, or nothing. Where next: `refer.rs`, which finds who speaks of whom.

use std::collections::{BTreeMap, BTreeSet};

use super::refer;
use super::service::Service;
use crate::words;

/// The place of a service in the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A block from the shelf.
    Module(String),
    /// A block of its own, whose first process is named like it.
    Block(String),
    /// A further process of the block of another service.
    Process(String, String),
    /// A step before another service's copies start.
    Step(String, String),
    /// Nothing, for a reason, and what to do about it.
    Left(String, String),
}

impl Place {
    /// The block it is, or is part of.
    pub(super) fn block(&self) -> Option<&str> {
        match self {
            Self::Module(block) | Self::Block(block) => Some(block),
            Self::Process(block, _) | Self::Step(block, _) => Some(block),
            Self::Left(..) => None,
        }
    }
}

/// Images of front doors, which every app has here.
const DOORS: [&str; 4] = ["traefik", "nginx-proxy", "caddy-docker-proxy", "acme-companion"];

pub(super) fn all(services: &[Service], profiles: &[String]) -> Vec<Place> {
    let mut places: Vec<Option<Place>> = services.iter().map(|one| left(one, profiles)).collect();
    let spoken = refer::spoken_of(services);
    let mut names = BTreeSet::new();
    // Those who are named first keep their names; then come the parts of others.
    for (index, service) in services.iter().enumerate() {
        if places[index].is_none() && is_main(service, services, &spoken) {
            let block = free(&words::name(&service.name), &mut names);
            places[index] = Some(match service.known {
                Some(_) => Place::Module(block),
                None => Place::Block(block),
            });
        }
    }
    let mut inner: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (index, service) in services.iter().enumerate() {
        if places[index].is_some() {
            continue;
        }
        let same = |other: &usize| same_image(service, &services[*other]) && *other != index;
        let block = |other: usize| match &places[other] {
            Some(Place::Block(block)) => Some(block.clone()),
            _ => None,
        };
        let host = (0..services.len()).filter(same).find_map(block);
        let once = ends(service, services);
        places[index] = Some(match (host, once) {
            (Some(block), true) if service.node.get("command").is_some() => {
                let used = inner.entry(block.clone()).or_default();
                let step = free(&words::name(&service.name), used);
                Place::Step(block, step)
            }
            (Some(block), false) => {
                let used =
                    inner.entry(block.clone()).or_insert_with(|| BTreeSet::from([block.clone()]));
                let process = free(&words::name(&service.name), used);
                Place::Process(block, process)
            }
            (_, true) => Place::Left(
                "it runs once and ends, and blocks run until they are stopped".into(),
                "give the block that waits for it a step:  before = { NAME = \"command\" }".into(),
            ),
            (None, false) => {
                let block = free(&words::name(&service.name), &mut names);
                match service.known {
                    Some(_) => Place::Module(block),
                    None => Place::Block(block),
                }
            }
        });
    }
    places.into_iter().map(|place| place.unwrap_or_else(nothing)).collect()
}

fn nothing() -> Place {
    Place::Left("it has neither an image nor a build".into(), "say where it comes from".into())
}

fn left(service: &Service, profiles: &[String]) -> Option<Place> {
    if service.image.is_none() && service.build.is_none() {
        return Some(nothing());
    }
    if !service.profiles.is_empty() && !service.profiles.iter().any(|one| profiles.contains(one)) {
        let first = &service.profiles[0];
        return Some(Place::Left(
            format!("it starts only with the profile {}", service.profiles.join(" or ")),
            format!("to have it:  shelf import compose FILE --profile {first}"),
        ));
    }
    let job = service.node.get("labels").and_then(|labels| labels.get("shelf.dev/job")?.text());
    if matches!(job, Some("wait" | "grant")) {
        return Some(Place::Left("a wire does this by itself".into(), "nothing".into()));
    }
    let last = service.image.as_deref().map(|image| super::known::parts(image).0);
    if service.build.is_none() && last.is_some_and(|last| DOORS.contains(&last)) {
        return Some(Place::Left(
            "every app has a front door here, which does this".into(),
            "give the blocks that people see a path:  shelf url BLOCK /".into(),
        ));
    }
    None
}

/// Whether it gets a block whatever else there is: it listens, or is the only one of its image.
fn is_main(service: &Service, services: &[Service], spoken: &BTreeSet<String>) -> bool {
    if ends(service, services) {
        return false;
    }
    let listens = !service.ports.is_empty()
        || service.hosts.iter().any(|host| spoken.contains(host))
        || service.node.get("labels").is_some_and(super::labels::is_routed);
    listens
        || !services.iter().any(|other| other.name != service.name && same_image(service, other))
}

/// Whether somebody waits for its end.
fn ends(service: &Service, services: &[Service]) -> bool {
    services.iter().flat_map(|one| &one.waits).any(|(name, condition, _)| {
        *name == service.name && condition == "service_completed_successfully"
    })
}

fn same_image(one: &Service, other: &Service) -> bool {
    match (&one.build, &other.build) {
        (Some(a), Some(b)) => a.context == b.context && a.rest == b.rest,
        // A service may run the image that another one builds.
        (None, Some(_)) | (Some(_), None) => one.image.is_some() && one.image == other.image,
        (None, None) => one.known.is_none() && one.image.is_some() && one.image == other.image,
    }
}

/// A name that is not taken yet, which is then.
fn free(wish: &str, taken: &mut BTreeSet<String>) -> String {
    let mut name = wish.to_owned();
    let mut number = 2;
    while !taken.insert(name.clone()) {
        let end = format!("-{number}");
        name = format!("{}{end}", &wish[..wish.len().min(30 - end.len())]);
        number += 1;
    }
    name
}
