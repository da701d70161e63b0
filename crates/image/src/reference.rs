//! Image names: the reference grammar Docker and OCI distribution share, normalised.
//!
//! `debian:12` and `docker.io/library/debian:12` are the same name. No path is ever built from
//! a name: names live only inside `index.json`. Next: `images.rs`.

use std::fmt;

use crate::{Error, Result, digest};

/// A parsed, normalised image name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// Registry host, with its port if given; `docker.io` by default.
    pub domain: String,
    /// Path below the host; a single component of docker.io gets `library/`.
    pub path: String,
    /// The tag, if given.
    pub tag: Option<String>,
    /// `sha256:…`, if given: then it decides, not the tag.
    pub digest: Option<String>,
}

/// Longest domain and path together, as registries have it.
const NAME_MAX: usize = 255;
const TAG_MAX: usize = 128;

impl Reference {
    /// Parses `[host[:port]/]path[:tag][@sha256:…]`.
    pub fn parse(text: &str) -> Result<Self> {
        let fail = |reason, at: usize| Error::Reference {
            text: text.chars().take(300).collect(),
            reason,
            column: text.get(..at).map_or(at, |head| head.chars().count()) + 1,
        };
        let (name, digest_text) = match text.split_once('@') {
            Some((name, digest_text)) => (name, Some(digest_text)),
            None => (text, None),
        };
        if let Some(value) = digest_text
            && digest::hex(value).is_none()
        {
            return Err(fail("a digest is sha256: and 64 hexadecimal digits", name.len() + 1));
        }
        let last_slash = name.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match name[last_slash..].find(':') {
            Some(colon) => {
                let at = last_slash + colon;
                (&name[..at], Some((&name[at + 1..], at + 1)))
            }
            None => (name, None),
        };
        if let Some((tag, at)) = tag {
            check_tag(tag).map_err(|(reason, offset)| fail(reason, at + offset))?;
        }
        if name.is_empty() {
            return Err(fail("the name is empty", 0));
        }
        if name.len() > NAME_MAX {
            return Err(fail("the name is longer than 255 bytes", NAME_MAX));
        }
        let (domain, path, path_at) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
                check_domain(first).map_err(|(reason, offset)| fail(reason, offset))?;
                (first, rest, first.len() + 1)
            }
            _ => ("docker.io", name, 0),
        };
        let mut at = path_at;
        for component in path.split('/') {
            check_component(component).map_err(|(reason, offset)| fail(reason, at + offset))?;
            at += component.len() + 1;
        }
        let domain = if domain == "index.docker.io" { "docker.io" } else { domain };
        let path = if domain == "docker.io" && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        // Also with what was left out, or the name we print would not parse again.
        if domain.len() + 1 + path.len() > NAME_MAX {
            return Err(fail("the name is longer than 255 bytes", name.len()));
        }
        Ok(Self {
            domain: domain.to_owned(),
            path,
            tag: tag.map(|(tag, _)| tag.to_owned()),
            digest: digest_text.map(str::to_owned),
        })
    }

    /// The full name with its tag (`latest` by default) and without a digest.
    pub fn name(&self) -> String {
        format!("{}/{}:{}", self.domain, self.path, self.tag.as_deref().unwrap_or("latest"))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.domain, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

type Bad = (&'static str, usize);

fn check_tag(tag: &str) -> Result<(), Bad> {
    if tag.is_empty() {
        return Err(("the tag is empty", 0));
    }
    if tag.len() > TAG_MAX {
        return Err(("the tag is longer than 128 bytes", TAG_MAX));
    }
    let bad = tag.bytes().enumerate().position(|(at, byte)| {
        !(byte.is_ascii_alphanumeric() || byte == b'_' || at > 0 && matches!(byte, b'.' | b'-'))
    });
    bad.map_or(Ok(()), |at| Err(("a tag has only letters, digits, `_`, `.` and `-`", at)))
}

fn check_domain(domain: &str) -> Result<(), Bad> {
    let (host, port) = match domain.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (domain, None),
    };
    if let Some(port) = port
        && (port.len() > 5 || port.parse::<u16>().is_err())
    {
        return Err(("the port is no number up to 65535", host.len() + 1));
    }
    let mut at = 0;
    for label in host.split('.') {
        let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if label.is_empty() || !inner || label.starts_with('-') || label.ends_with('-') {
            return Err(("the host is no domain name", at));
        }
        at += label.len() + 1;
    }
    Ok(())
}

/// `[a-z0-9]+` joined by `.`, `_`, `__` or any number of `-`.
fn check_component(component: &str) -> Result<(), Bad> {
    if component.is_empty() {
        return Err(("a component of the name is empty", 0));
    }
    let bytes = component.as_bytes();
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        while at < bytes.len() && word(bytes[at]) {
            at += 1;
        }
        if at == start {
            return Err(("names have only a-z, 0-9 and single `.`, `_` or `-` between them", at));
        }
        if at == bytes.len() {
            return Ok(());
        }
        let separator = at;
        while at < bytes.len() && matches!(bytes[at], b'.' | b'_' | b'-') {
            at += 1;
        }
        let text = &component[separator..at];
        if !(matches!(text, "." | "_" | "__")
            || !text.is_empty() && text.bytes().all(|b| b == b'-'))
        {
            return Err((
                "names have only a-z, 0-9 and single `.`, `_` or `-` between them",
                separator,
            ));
        }
    }
    Err(("a component of the name ends with a separator", bytes.len() - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_names_are_docker_hub_names() {
        for text in [
            "debian:12",
            "docker.io/library/debian:12",
            "index.docker.io/debian:12",
            "library/debian:12",
        ] {
            assert_eq!(
                Reference::parse(text).unwrap().name(),
                "docker.io/library/debian:12",
                "{text}"
            );
        }
        assert_eq!(Reference::parse("a/b").unwrap().name(), "docker.io/a/b:latest");
        let local = Reference::parse("localhost:5000/x__y/z-1:V1.0_a").unwrap();
        assert_eq!(local.name(), "localhost:5000/x__y/z-1:V1.0_a");
        let shelf = Reference::parse("shelf.local/shop/web").unwrap();
        assert_eq!((shelf.domain.as_str(), shelf.path.as_str()), ("shelf.local", "shop/web"));
    }

    #[test]
    fn hostile_names_are_refused_with_a_column() {
        let long_tag = format!("a:{}", "t".repeat(129));
        let long_name = "x".repeat(300);
        for (text, column) in [
            ("UPPER/x", 1),
            ("a//b", 3),
            ("../x", 1),
            ("", 1),
            ("a:", 3),
            ("dеbian", 2),
            ("a/b/", 5),
            ("a\nb", 2),
            ("x@sha256:12", 3),
            ("a..b", 2),
            ("host.tld:99999/x", 10),
            ("-a", 1),
            (long_tag.as_str(), 131),
            (long_name.as_str(), 256),
        ] {
            match Reference::parse(text) {
                Err(Error::Reference { column: got, .. }) => assert_eq!(got, column, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_and_parsing_is_a_fixpoint(text in "\\PC{0,80}|[a-z0-9./:@_-]{0,60}") {
            if let Ok(reference) = Reference::parse(&text) {
                let printed = reference.to_string();
                prop_assert_eq!(Reference::parse(&printed).unwrap(), reference.clone());
                prop_assert!(reference.path.split('/').all(|name| !matches!(name, "" | "." | "..")));
            }
        }
    }

    #[test]
    fn a_name_is_not_too_long_only_when_printed() {
        let fits = "a".repeat(NAME_MAX - "docker.io/library/".len());
        let printed = Reference::parse(&fits).unwrap().to_string();
        assert_eq!(Reference::parse(&printed).unwrap().to_string(), printed);
        assert!(Reference::parse(&format!("{fits}a")).is_err());
    }
}
