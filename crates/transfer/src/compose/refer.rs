//! Values that speak of another service: URLs, `host:port`, a bare host name, connection strings.
//!
//! Each is taken apart and put together again from the fields of a wire, so that it keeps its own
//! form: `postgresql+asyncpg://…` stays that. Where next: `environment.rs`, which uses it.

use std::collections::BTreeSet;

use super::service::Service;
use crate::words::braces;

/// Somebody that values may speak of.
#[derive(Debug, Clone)]
pub(super) struct Provider {
    pub(super) hosts: Vec<String>,
    /// The name of the socket that reaches it, and what the socket is tied to.
    pub(super) socket: String,
    pub(super) target: String,
    pub(super) interface: String,
    /// Fields that the interface always has.
    pub(super) fields: Vec<String>,
    /// The template of its `url`, if it has one, as the interface writes it.
    pub(super) url: Option<String>,
    /// The port it listens on in the foreign file.
    pub(super) port: Option<u16>,
}

/// What a value is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) text: String,
    /// The place of the provider in the list.
    pub(super) provider: usize,
    /// What may not be as it was, if anything.
    pub(super) doubt: Option<String>,
}

impl Provider {
    fn is(&self, host: &str) -> bool {
        // A cluster's long name for a service begins with its short one.
        let host = match host.contains(".svc") {
            true => host.split('.').next().unwrap_or(host),
            false => host,
        };
        self.hosts.iter().any(|one| one.eq_ignore_ascii_case(host))
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.iter().any(|one| one == field)
    }

    /// `{db.host}`.
    pub(super) fn field(&self, field: &str) -> String {
        format!("{{{}.{field}}}", self.socket)
    }

    /// The first of these fields that it has.
    pub(super) fn first(&self, fields: &[&str]) -> Option<String> {
        fields.iter().find(|one| self.has(one)).map(|one| self.field(one))
    }

    fn login(&self) -> Option<(String, String)> {
        let user = self.first(&["username", "access-key"])?;
        Some((user, self.first(&["password", "secret-key"])?))
    }
}

/// A URL, taken apart.
struct Url<'a> {
    scheme: &'a str,
    login: Option<&'a str>,
    host: &'a str,
    port: Option<u16>,
    /// From the `/` on, perhaps nothing.
    path: &'a str,
    /// From the `?` or `#` on.
    tail: &'a str,
}

fn url(text: &str) -> Option<Url<'_>> {
    let at = text.find("://")?;
    let (scheme, rest) = (&text[..at], &text[at + 3..]);
    let word = |c: char| c.is_ascii_alphanumeric() || "+-.:".contains(c);
    if scheme.is_empty() || !scheme.chars().all(word) || rest.contains(char::is_whitespace) {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (path, tail) = rest.split_at(end);
    let (login, address) = match authority.rsplit_once('@') {
        Some((login, address)) => (Some(login), address),
        None => (None, authority),
    };
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (address, None),
    };
    Some(Url { scheme, login, host, port, path, tail })
}

/// Whether a URL has a password in it, whoever it is for: where it begins and ends.
pub(super) fn password_of(text: &str) -> Option<(usize, usize)> {
    let login = url(text)?.login?;
    let (_, password) = login.split_once(':')?;
    let start = password.as_ptr() as usize - text.as_ptr() as usize;
    (!password.is_empty()).then_some((start, start + password.len()))
}

/// What a value is if it speaks of one of `providers`. `hostlike`: its name says it is a host.
pub(super) fn resolve(value: &str, hostlike: bool, providers: &[Provider]) -> Option<Reference> {
    if value.contains("://") && value.contains(',') {
        return several(value, providers);
    }
    if let Some(url) = url(value) {
        return of_url(&url, providers);
    }
    if let Some(found) = of_pairs(value, providers).or_else(|| of_go(value, providers)) {
        return Some(found);
    }
    let of = |host: &str| providers.iter().position(|one| one.is(host));
    if let Some((host, rest)) = value.split_once(':') {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let port = rest[..digits].parse::<u16>().ok()?;
        let provider = of(host)?;
        let one = &providers[provider];
        let text =
            format!("{}:{}{}", one.field("host"), one.field("port"), braces(&rest[digits..]));
        return Some(Reference { text, provider, doubt: odd_port(one, Some(port)) });
    }
    let provider = of(value).filter(|_| hostlike)?;
    Some(Reference { text: providers[provider].field("host"), provider, doubt: None })
}

fn several(value: &str, providers: &[Provider]) -> Option<Reference> {
    let parts: Vec<&str> = value.split(',').collect();
    let found: Vec<Option<Reference>> =
        parts.iter().map(|part| of_url(&url(part.trim())?, providers)).collect();
    let first = found.iter().flatten().next()?.clone();
    let same = found.iter().flatten().all(|one| one.provider == first.provider);
    let texts: Vec<String> = found
        .iter()
        .zip(parts)
        .map(|(one, part)| one.as_ref().map_or_else(|| braces(part), |one| one.text.clone()))
        .collect();
    (same && texts.len() == found.iter().flatten().count())
        .then(|| Reference { text: texts.join(","), ..first })
}

fn odd_port(provider: &Provider, port: Option<u16>) -> Option<String> {
    let (own, port) = (provider.port?, port?);
    (own != port).then(|| format!("it named port {port}, and {} listens on {own}", provider.target))
}

fn of_url(url: &Url<'_>, providers: &[Provider]) -> Option<Reference> {
    let provider = providers.iter().position(|one| one.is(url.host))?;
    let one = &providers[provider];
    let doubt = odd_port(one, url.port);
    let scheme = url.scheme.to_ascii_lowercase();
    if one.interface == "s3/1" {
        let (path, tail) = (braces(url.path), braces(url.tail));
        let text = format!("{}{path}{tail}", one.field("endpoint"));
        return Some(Reference { text, provider, doubt });
    }
    if one.interface == "http/1" || one.interface == "tcp/1" || !one.has("password") {
        let login = url.login.map_or(String::new(), |login| format!("{}@", braces(login)));
        let (host, port) = (one.field("host"), one.field("port"));
        let head = match (one.has("url"), login.is_empty(), scheme.as_str()) {
            (true, true, "http" | "smtp") => one.field("url"),
            _ => format!("{}://{login}{host}:{port}", url.scheme),
        };
        let text = format!("{head}{}{}", braces(url.path), braces(url.tail));
        return Some(Reference { text, provider, doubt });
    }
    let own = one.url.as_deref().unwrap_or_default();
    let own_scheme = own.split("://").next().unwrap_or_default();
    let alike = scheme == own_scheme
        || (own_scheme == "postgresql" && scheme == "postgres")
        || (own_scheme == "mysql" && scheme == "mariadb")
        || (own_scheme == "mqtt" && scheme == "tcp");
    let inner = url.path.trim_start_matches('/');
    let field = one.first(&["database", "vhost"]);
    let plain_path = match &field {
        Some(_) => true,
        None => inner.is_empty() || inner == "0",
    };
    if alike && plain_path && url.tail.is_empty() && !own.is_empty() {
        return Some(Reference { text: one.field("url"), provider, doubt });
    }
    let (user, password) = one.login()?;
    let (host, port) = (one.field("host"), one.field("port"));
    // JDBC takes the login elsewhere.
    let login = match scheme.starts_with("jdbc:") && url.login.is_none() {
        true => String::new(),
        false => format!("{user}:{password}@"),
    };
    let path = match field {
        Some(field) => format!("/{field}"),
        None => braces(url.path),
    };
    let text = format!("{}://{login}{host}:{port}{path}{}", url.scheme, braces(url.tail));
    Some(Reference { text, provider, doubt })
}

/// `host=db user=app password=x dbname=app`, and the same with `;`.
fn of_pairs(value: &str, providers: &[Provider]) -> Option<Reference> {
    let separator = if value.contains(';') { ';' } else { ' ' };
    let pairs: Vec<(&str, &str)> = value
        .split(separator)
        .filter(|part| !part.trim().is_empty())
        .map(|part| part.split_once('='))
        .collect::<Option<_>>()?;
    let plain = |key: &str| key.to_ascii_lowercase().replace([' ', '_'], "");
    let host = pairs.iter().find(|(key, _)| {
        ["host", "server", "datasource", "addr", "address"].contains(&plain(key).as_str())
    })?;
    let name = host.1.split([',', ':']).next()?.trim();
    let provider = providers.iter().position(|one| one.is(name))?;
    let one = &providers[provider];
    let parts: Vec<String> = pairs
        .iter()
        .map(|(key, value)| {
            let field = match plain(key).as_str() {
                "host" | "server" | "datasource" | "addr" | "address" => Some(one.field("host")),
                "port" => Some(one.field("port")),
                "user" | "userid" | "username" | "uid" => one.first(&["username"]),
                "password" | "pwd" => one.first(&["password"]),
                "dbname" | "database" | "initialcatalog" => one.first(&["database"]),
                _ => None,
            };
            format!("{key}={}", field.unwrap_or_else(|| braces(value)))
        })
        .collect();
    let text = parts.join(&separator.to_string());
    Some(Reference { text, provider, doubt: None })
}

/// `app:secret@tcp(db:3306)/app?parseTime=true`, as Go's MySQL driver wants it.
fn of_go(value: &str, providers: &[Provider]) -> Option<Reference> {
    let at = value.find("@tcp(")?;
    let (address, rest) = value[at + 5..].split_once(")/")?;
    let host = address.split(':').next()?;
    let provider = providers.iter().position(|one| one.is(host))?;
    let one = &providers[provider];
    let (user, password) = one.login()?;
    let tail = rest.find('?').map_or("", |at| &rest[at..]);
    let (host, port, database) = (one.field("host"), one.field("port"), one.first(&["database"])?);
    let text = format!("{user}:{password}@tcp({host}:{port})/{database}{}", braces(tail));
    Some(Reference { text, provider, doubt: None })
}

/// Every host that a value may speak of, with its port.
pub(super) fn hosts_in(value: &str) -> Vec<(String, Option<u16>, bool)> {
    let mut found = Vec::new();
    for part in value.split([',', ' ']) {
        if let Some(url) = url(part) {
            let web = ["http", "https", "ws", "wss"].contains(&url.scheme);
            found.push((url.host.to_owned(), url.port, web));
        } else if let Some((host, port)) = part.split_once(':')
            && let Ok(port) = port.parse()
        {
            found.push((host.to_owned(), Some(port), false));
        } else {
            found.push((part.to_owned(), None, false));
        }
    }
    found
}

/// Names of hosts that any service's environment speaks of.
pub(super) fn spoken_of(services: &[Service]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for service in services {
        let values = service.env.iter().filter_map(|one| one.value.as_deref());
        let own = |host: &String| service.hosts.contains(host);
        let hosts = values.flat_map(hosts_in).map(|(host, _, _)| host);
        all.extend(hosts.filter(|host| !own(host)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(socket: &str, interface: &str, fields: &[&str], url: Option<&str>) -> Provider {
        Provider {
            hosts: vec![socket.to_owned()],
            socket: socket.to_owned(),
            target: socket.to_owned(),
            interface: interface.to_owned(),
            fields: fields.iter().map(|one| (*one).to_owned()).collect(),
            url: url.map(str::to_owned),
            port: None,
        }
    }

    #[test]
    fn values_keep_their_form() {
        let all = ["host", "port", "database", "username", "password", "url"];
        let providers = [
            provider("db", "postgres/1", &all, Some("postgresql://x")),
            provider(
                "cache",
                "redis/1",
                &["host", "port", "username", "password", "url"],
                Some("redis://x"),
            ),
            provider("api", "http/1", &["host", "port", "url"], Some("http://x")),
            provider("s3", "s3/1", &["host", "port", "endpoint", "access-key", "secret-key"], None),
        ];
        for (value, wanted) in [
            ("postgres://a:b@db:5432/x", "{db.url}"),
            (
                "postgres://a:b@db/x?sslmode=disable",
                "postgres://{db.username}:{db.password}@{db.host}:{db.port}/{db.database}?sslmode=disable",
            ),
            (
                "postgresql+asyncpg://a:b@db/x",
                "postgresql+asyncpg://{db.username}:{db.password}@{db.host}:{db.port}/{db.database}",
            ),
            ("jdbc:postgresql://db:5432/x", "jdbc:postgresql://{db.host}:{db.port}/{db.database}"),
            ("redis://cache:6379/0", "{cache.url}"),
            (
                "redis://cache/1",
                "redis://{cache.username}:{cache.password}@{cache.host}:{cache.port}/1",
            ),
            ("cache:6379", "{cache.host}:{cache.port}"),
            ("http://api:8000/v1?a={b}", "{api.url}/v1?a={{b}}"),
            ("ws://api:8000", "ws://{api.host}:{api.port}"),
            ("http://s3:9000", "{s3.endpoint}"),
            (
                "host=db user=a password=b dbname=c sslmode=disable",
                "host={db.host} user={db.username} password={db.password} dbname={db.database} sslmode=disable",
            ),
            (
                "Server=db;Database=c;User Id=a;Pooling=true",
                "Server={db.host};Database={db.database};User Id={db.username};Pooling=true",
            ),
            (
                "a:b@tcp(db:3306)/c?x=1",
                "{db.username}:{db.password}@tcp({db.host}:{db.port})/{db.database}?x=1",
            ),
            ("db", "{db.host}"),
        ] {
            let found = resolve(value, true, &providers).map(|one| one.text);
            assert_eq!(found.as_deref(), Some(wanted), "{value}");
        }
        for value in ["other", "http://example.org/db", "db/x", "", "a=b", "5432", "://", "db:x"] {
            assert_eq!(resolve(value, true, &providers), None, "{value}");
        }
        assert_eq!(resolve("db", false, &providers), None);
        assert_eq!(password_of("x://u:secret@h/"), Some((6, 12)));
    }
}
