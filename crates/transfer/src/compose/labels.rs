//! Labels that say where a service is reached: what Traefik reads is common enough to be read here.
//! Where next: `front.rs`.

use crate::yaml::Node;

/// What labels say of a service's address.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Routed {
    pub(super) host: Option<String>,
    pub(super) path: Option<String>,
    pub(super) port: Option<u16>,
    /// Numbers of the labels that were used.
    pub(super) ids: Vec<usize>,
}

/// Whether a label asks for a route.
pub(super) fn is_routed(labels: &Node) -> bool {
    all(labels).iter().any(|(name, _, _)| name.starts_with("traefik.http.routers."))
}

pub(super) fn read(labels: &Node) -> Routed {
    let mut routed = Routed::default();
    for (name, value, id) in all(labels) {
        if name.starts_with("traefik.http.routers.") && name.ends_with(".rule") {
            routed.host = argument(&value, "Host(").or(routed.host);
            routed.path = argument(&value, "PathPrefix(").or(routed.path);
            routed.ids.push(id);
        } else if name.starts_with("traefik.http.services.") && name.ends_with("server.port") {
            routed.port = value.parse().ok();
            routed.ids.push(id);
        }
    }
    routed
}

fn argument(rule: &str, call: &str) -> Option<String> {
    let rest = &rule[rule.find(call)? + call.len()..];
    let quote = rest.chars().next().filter(|c| ['`', '"', '\''].contains(c))?;
    let inside = rest[1..].split(quote).next()?;
    Some(inside.to_owned()).filter(|one| !one.is_empty())
}

fn all(labels: &Node) -> Vec<(String, String, usize)> {
    let pairs = labels.entries().map(|(name, value)| {
        (name.to_owned(), value.text().unwrap_or_default().to_owned(), value.id)
    });
    let list = labels.items().iter().filter_map(|one| {
        let (name, value) = one.text()?.split_once('=')?;
        Some((name.to_owned(), value.to_owned(), one.id))
    });
    pairs.chain(list).collect()
}
