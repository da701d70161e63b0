//! `WWW-Authenticate` (RFC 9110, 11.6.1): what a registry wants to see before it answers.
//!
//! Bytes of strangers: everything is parsed or left out, nothing is trusted. Where next: `token.rs`.

use std::collections::BTreeMap;

/// One challenge of one header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// In lower case: `bearer`, `basic`.
    pub(crate) scheme: String,
    /// Names in lower case.
    pub(crate) parameters: BTreeMap<String, String>,
}

/// Longest header that is looked at, in bytes.
const HEADER_MAX: usize = 8 << 10;
/// Challenges and parameters that are looked at.
const COUNT_MAX: usize = 32;

/// All challenges of a header, in order; what is no challenge ends the list.
pub(crate) fn parse(header: &str) -> Vec<Challenge> {
    let mut rest = header.get(..header.len().min(HEADER_MAX)).unwrap_or_default();
    let mut found: Vec<Challenge> = Vec::new();
    for _ in 0..COUNT_MAX {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let Some((word, after)) = token(rest) else { break };
        let spaced = after.trim_start_matches([' ', '\t']);
        if let Some(value) = spaced.strip_prefix('=')
            && let Some(current) = found.last_mut()
        {
            let Some((value, after)) = value_of(value.trim_start_matches([' ', '\t'])) else {
                break;
            };
            // The first of two wins: a repeated parameter is an error of the sender.
            current.parameters.entry(word.to_ascii_lowercase()).or_insert(value);
            rest = after;
            continue;
        }
        if spaced.starts_with('=') {
            break;
        }
        found.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: BTreeMap::new() });
        rest = after;
    }
    found
}

fn token(text: &str) -> Option<(&str, &str)> {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let end = text.bytes().position(|b| !inside(b)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return token(text).map(|(word, rest)| (word.to_owned(), rest));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(letters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_registries_send_is_understood() {
        let docker = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        let [one] = &parse(docker)[..] else { panic!("one challenge") };
        assert_eq!(one.scheme, "bearer");
        assert_eq!(one.parameters["realm"], "https://auth.docker.io/token");
        assert_eq!(one.parameters["scope"], "repository:a/b:pull,push");
        let two = parse(r#"Basic realm="a \"b\"", BEARER Realm = x , service=y"#);
        assert_eq!(two.len(), 2);
        assert_eq!(two[0].parameters["realm"], "a \"b\"");
        assert_eq!(two[1].parameters["service"], "y");
        assert_eq!(parse("Negotiate")[0].scheme, "negotiate");
    }

    #[test]
    fn what_is_none_ends_the_list() {
        assert!(parse("").is_empty());
        assert!(parse("=x").is_empty());
        assert!(parse("Bearer realm=\"open").iter().all(|one| one.parameters.is_empty()));
    }

    proptest! {
        #[test]
        fn any_header_is_parsed_in_bounds(text in "\\PC{0,200}|[A-Za-z=\", \\\\]{0,200}") {
            let found = parse(&text);
            prop_assert!(found.len() <= COUNT_MAX);
            prop_assert!(found.iter().all(|one| one.parameters.len() <= COUNT_MAX));
        }

        #[test]
        fn a_quoted_value_comes_back_as_it_was(value in "\\PC{0,60}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let parsed = parse(&format!("Bearer realm=\"{quoted}\",service=x"));
            prop_assert_eq!(&parsed[0].parameters["realm"], &value);
            prop_assert_eq!(&parsed[0].parameters["service"], "x");
        }
    }
}
