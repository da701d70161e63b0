//! Which machine a registry is, and whether plain HTTP will do for it.
//!
//! HTTPS everywhere, but for this machine's own registries and those that were named as insecure:
//! there plain HTTP is used when the other side does not speak TLS at all. A certificate that is
//! wrong is an error everywhere. Where next: `wire.rs`.

use std::net::IpAddr;

/// Docker Hub's name in references, and of the machine behind it.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// The host that answers for a reference's domain.
pub(crate) fn of(domain: &str) -> &str {
    if domain == HUB.0 { HUB.1 } else { domain }
}

/// The name by which people know a host.
pub(crate) fn familiar(host: &str) -> &str {
    if host == HUB.1 { HUB.0 } else { host }
}

/// Whether the host is this very machine: an address of the loopback, or a name that can mean
/// nothing else (RFC 6761, 6.3).
pub(crate) fn is_here(host: &str) -> bool {
    let name = without_port(host);
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether plain HTTP is good enough for it.
pub(crate) fn may_be_plain(host: &str, insecure: &[String]) -> bool {
    is_here(host) || insecure.iter().any(|known| known == host || known == without_port(host))
}

pub(crate) fn without_port(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inside, _)) => inside,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_and_what_was_named_is_plain() {
        let named = ["registry.lan".to_owned(), "other.lan:5000".to_owned()];
        for host in [
            "localhost",
            "localhost:5000",
            "pulp.localhost:8080",
            "127.0.0.1:1",
            "[::1]:9",
            "127.9.9.9",
            "registry.lan",
            "registry.lan:5000",
            "other.lan:5000",
        ] {
            assert!(may_be_plain(host, &named), "{host}");
        }
        for host in [
            "docker.io",
            "localhost.evil.org",
            "evil-localhost",
            "128.0.0.1",
            "other.lan",
            "10.0.0.1:5000",
            "127.0.0.1.evil.org",
        ] {
            assert!(!may_be_plain(host, &named), "{host}");
        }
    }
}
