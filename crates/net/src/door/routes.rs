//! Which backends a request goes to: exact host first, then `*`; among a host's
//! routes the longest path prefix, on `/` boundaries (as Ingress pathType
//! Prefix). Pure.

use std::collections::HashMap;
use std::sync::Arc;

use super::backends::{Backends, Target};
use crate::model::Route;

/// The front door's table, immutable; a change makes a new one.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Longest path first.
    hosts: HashMap<String, Vec<(String, Arc<Target>)>>,
}

impl Table {
    /// Backends keep their counters from table to table.
    pub(crate) fn new(routes: &[Route], backends: &Backends) -> Self {
        let mut hosts: HashMap<String, Vec<(String, Arc<Target>)>> = HashMap::new();
        for route in routes {
            let path = route.path.trim_end_matches('/').to_owned();
            let list = hosts.entry(host_name(&route.host)).or_default();
            // Two routes for one place: the first has it.
            if !list.iter().any(|(known, _)| *known == path) {
                list.push((path, backends.target(route)));
            }
        }
        for list in hosts.values_mut() {
            list.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        }
        Self { hosts }
    }

    /// The target for a Host header's value and a path.
    pub(crate) fn find(&self, host: &str, path: &str) -> Option<&Arc<Target>> {
        let name = host_name(host);
        let of = |host: &str| {
            let list = self.hosts.get(host)?;
            list.iter().find(|(prefix, _)| is_below(path, prefix)).map(|(_, target)| target)
        };
        of(&name).or_else(|| of("*"))
    }

    /// Every target, for the counters.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.hosts.values().flatten().map(|(_, target)| target)
    }
}

/// A host as compared: lower case, no port, no final dot.
fn host_name(host: &str) -> String {
    let name = if host.starts_with('[') {
        host.find(']').map_or(host, |end| &host[..=end])
    } else {
        match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        }
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Whether `path` is `prefix` or goes on below it; `prefix` has no final slash.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        // `OPTIONS *` and the like have no path of their own.
        || prefix.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(routes: &[(&str, &str, &str)]) -> Table {
        let routes: Vec<Route> = routes
            .iter()
            .map(|(host, path, owner)| Route {
                host: (*host).into(),
                path: (*path).into(),
                backends: vec![],
                owner: (*owner).into(),
            })
            .collect();
        Table::new(&routes, &Backends::default())
    }

    fn owner<'a>(table: &'a Table, host: &str, path: &str) -> Option<&'a str> {
        table.find(host, path).map(|target| target.owner.as_str())
    }

    #[test]
    fn the_host_is_compared_without_port_case_and_final_dot() {
        let table = table(&[("Shop.localhost", "/", "shop")]);
        for host in ["shop.localhost", "SHOP.LOCALHOST:8080", "shop.localhost.", "shop.localhost:"]
        {
            assert_eq!(owner(&table, host, "/x"), Some("shop"), "{host}");
        }
        for host in ["", "x.shop.localhost", "shop.localhost.evil", "[::1]:80"] {
            assert_eq!(owner(&table, host, "/x"), None, "{host}");
        }
    }

    #[test]
    fn the_longest_prefix_wins_on_segment_boundaries() {
        let table = table(&[("a", "/", "root"), ("a", "/api/", "api"), ("a", "/api/v2", "v2")]);
        for (path, expected) in [
            ("/", "root"),
            ("/apix", "root"),
            ("/api", "api"),
            ("/api/", "api"),
            ("/api/v22", "api"),
            ("/api/v2/x", "v2"),
            ("*", "root"),
        ] {
            assert_eq!(owner(&table, "a", path), Some(expected), "{path}");
        }
    }

    #[test]
    fn any_host_comes_after_the_exact_one() {
        let table = table(&[("*", "/", "any"), ("a", "/only", "a")]);
        assert_eq!(owner(&table, "a", "/only"), Some("a"));
        assert_eq!(owner(&table, "a", "/else"), Some("any"));
        assert_eq!(owner(&table, "[::1]:80", "/"), Some("any"));
    }

    #[test]
    fn of_two_routes_for_one_place_the_first_has_it() {
        let table = table(&[("a", "/x", "first"), ("a", "/x/", "second")]);
        assert_eq!(owner(&table, "a", "/x"), Some("first"));
    }
}
