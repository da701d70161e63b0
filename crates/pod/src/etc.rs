//! The files every container of a pod finds in `/etc`: `hosts`, `hostname`, `resolv.conf`.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;

use crate::disk::{failed, make_dir};
use crate::{Dns, Error, Spec};

/// File name below `etc/` and where it is mounted.
pub(crate) const FILES: [(&str, &str); 3] =
    [("hosts", "/etc/hosts"), ("hostname", "/etc/hostname"), ("resolv.conf", "/etc/resolv.conf")];

/// Writes the three files into `dir`.
pub(crate) fn write(dir: &Path, spec: &Spec, ip: Option<Ipv4Addr>) -> Result<(), Error> {
    make_dir(dir)?;
    for (name, text) in [
        ("hosts", hosts(spec, ip)),
        ("hostname", format!("{}\n", spec.hostname)),
        ("resolv.conf", resolv_conf(&spec.dns)),
    ] {
        let path = dir.join(name);
        fs_err::write(&path, text).map_err(failed("write", &path))?;
    }
    Ok(())
}

fn hosts(spec: &Spec, ip: Option<Ipv4Addr>) -> String {
    let mut text = String::from("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n");
    let own = match &spec.fqdn {
        Some(fqdn) => format!("{fqdn}\t{}", spec.hostname),
        None => spec.hostname.clone(),
    };
    if let Some(ip) = ip {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{ip}\t{own}");
    }
    for alias in &spec.host_aliases {
        let _ = writeln!(text, "{}\t{}", alias.ip, alias.hostnames.join("\t"));
    }
    text
}

fn resolv_conf(dns: &Dns) -> String {
    let mut text = String::new();
    for server in &dns.nameservers {
        let _ = writeln!(text, "nameserver {server}");
    }
    if !dns.searches.is_empty() {
        let _ = writeln!(text, "search {}", dns.searches.join(" "));
    }
    if !dns.options.is_empty() {
        let _ = writeln!(text, "options {}", dns.options.join(" "));
    }
    text
}

/// This machine's name resolution, for pods that are to share it. A server on the loopback is
/// out of a pod's reach, so `fallback` stands in for it.
pub(crate) fn host_dns(resolv_conf: &str, fallback: Ipv4Addr) -> Dns {
    let mut dns = Dns::default();
    for line in resolv_conf.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => dns.nameservers.extend(words.next().map(str::to_owned)),
            Some("search") => dns.searches = words.map(str::to_owned).collect(),
            Some("options") => dns.options = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    let reachable = |server: &String| {
        server.parse::<std::net::IpAddr>().is_ok_and(|ip| !ip.is_loopback() && ip.is_ipv4())
    };
    dns.nameservers.retain(reachable);
    if dns.nameservers.is_empty() {
        dns.nameservers.push(fallback.to_string());
    }
    dns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_server_is_replaced() {
        let text = "# c\nnameserver 127.0.0.53\nsearch a b\noptions edns0\n";
        let dns = host_dns(text, Ipv4Addr::new(10, 88, 0, 1));
        assert_eq!(resolv_conf(&dns), "nameserver 10.88.0.1\nsearch a b\noptions edns0\n");
        let dns = host_dns("nameserver 10.255.255.53", Ipv4Addr::new(10, 88, 0, 1));
        assert_eq!(dns.nameservers, ["10.255.255.53"]);
    }

    #[test]
    fn hosts_names_the_pod_and_its_aliases() {
        let spec = Spec {
            hostname: "db-0".into(),
            fqdn: Some("db-0.db.shop.svc.cluster.local".into()),
            host_aliases: vec![crate::HostAlias {
                ip: "1.2.3.4".into(),
                hostnames: vec!["a".into(), "b".into()],
            }],
            ..Spec::default()
        };
        let text = hosts(&spec, Some(Ipv4Addr::new(10, 88, 0, 7)));
        assert!(text.contains("10.88.0.7\tdb-0.db.shop.svc.cluster.local\tdb-0\n"), "{text}");
        assert!(text.ends_with("1.2.3.4\ta\tb\n"));
    }
}
