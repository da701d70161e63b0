//! One request, decoded: which objects, which verb, which options, which form of answer.
//!
//! This is the choke point of the API: what is not understood here has no effect.

use crate::status::Failure;
use http::{HeaderMap, Method, header, request::Parts};
use kinds::Kind;
use std::borrow::Cow;

/// What is done, whatever the HTTP method was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl Verb {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

/// A request to objects of one kind.
pub(crate) struct Call {
    pub(crate) verb: Verb,
    pub(crate) kind: &'static Kind,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
    pub(crate) query: Query,
    pub(crate) accept: Accept,
    pub(crate) user_agent: String,
}

impl Call {
    /// Decodes a path below `/api` or `/apis`, already split and unescaped.
    pub(crate) fn parse(segments: &[Cow<'_, str>], parts: &Parts) -> Result<Self, Failure> {
        let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(Failure::no_route()),
        };
        let (namespace, rest) = match rest {
            // A namespace itself, or a part of it.
            ["namespaces"] | ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => {
                (None, rest)
            }
            ["namespaces", namespace, rest @ ..] => (Some(*namespace), rest),
            _ => (None, rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (*plural, None, None),
            [plural, name] => (*plural, Some(*name), None),
            [plural, name, subresource] => (*plural, Some(*name), Some(*subresource)),
            _ => return Err(Failure::no_route()),
        };
        let kind = kinds::find(group, version, plural).ok_or_else(Failure::no_route)?;
        if namespace.is_some() && !kind.namespaced {
            return Err(Failure::no_route());
        }
        for segment in [namespace, name].into_iter().flatten() {
            check_segment(segment)?;
        }
        let query = Query::parse(parts.uri.query().unwrap_or(""))?;
        let verb = verb(&parts.method, name.is_some(), query.flag("watch")?)?;
        let by_name = kind.namespaced && namespace.is_none() && name.is_some();
        if by_name || (kind.namespaced && namespace.is_none() && verb == Verb::Create) {
            return Err(Failure::method_not_allowed());
        }
        Ok(Self {
            verb,
            kind,
            namespace: namespace.map(Into::into),
            name: name.map(Into::into),
            subresource: subresource.map(Into::into),
            query,
            accept: Accept::parse(&parts.headers),
            user_agent: user_agent(&parts.headers),
        })
    }

    /// Who writes, as `managedFields` records it.
    pub(crate) fn manager(&self) -> String {
        let named = self.query.text("fieldManager").filter(|name| !name.is_empty());
        let name = named.unwrap_or_else(|| self.user_agent.split('/').next().unwrap_or(""));
        let name = if name.is_empty() { "unknown" } else { name };
        name.chars().take(128).collect()
    }

    /// Whether the write is only tried.
    pub(crate) fn dry_run(&self) -> Result<bool, Failure> {
        match self.query.text("dryRun") {
            None | Some("") => Ok(false),
            Some("All") => Ok(true),
            Some(other) => {
                Err(Failure::bad_request(format!("dryRun: Unsupported value: \"{other}\"")))
            }
        }
    }

    /// The name that a call to one object carries.
    pub(crate) fn name(&self) -> Result<&str, Failure> {
        self.name.as_deref().ok_or_else(Failure::method_not_allowed)
    }
}

fn verb(method: &Method, named: bool, watch: bool) -> Result<Verb, Failure> {
    Ok(match (method, named) {
        (&Method::GET | &Method::HEAD, true) => Verb::Get,
        (&Method::GET | &Method::HEAD, false) if watch => Verb::Watch,
        (&Method::GET | &Method::HEAD, false) => Verb::List,
        (&Method::POST, _) => Verb::Create,
        (&Method::PUT, true) => Verb::Update,
        (&Method::PATCH, true) => Verb::Patch,
        (&Method::DELETE, true) => Verb::Delete,
        (&Method::DELETE, false) => Verb::DeleteCollection,
        _ => return Err(Failure::method_not_allowed()),
    })
}

/// Refuses what could never be a name: it must not become a key.
fn check_segment(segment: &str) -> Result<(), Failure> {
    let bad = segment.is_empty()
        || segment == "."
        || segment == ".."
        || segment.len() > 253
        || segment.contains(['/', '%'])
        || segment.chars().any(char::is_control);
    if bad {
        return Err(Failure::bad_request(format!("invalid name {segment:?} in the path")));
    }
    Ok(())
}

pub(crate) fn user_agent(headers: &HeaderMap) -> String {
    let text = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    text.unwrap_or("").chars().take(512).collect()
}

/// Splits a path at its slashes, then unescapes each segment: `%2f` never splits.
pub(crate) fn segments(path: &str) -> Result<Vec<Cow<'_, str>>, Failure> {
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').skip(1).map(|segment| unescape(segment, false)).collect()
}

fn unescape(text: &str, plus_is_space: bool) -> Result<Cow<'_, str>, Failure> {
    let escaped = text.contains('%') || (plus_is_space && text.contains('+'));
    if !escaped {
        return Ok(Cow::Borrowed(text));
    }
    let bad = || Failure::bad_request(format!("invalid URL escape in {text:?}"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| {
                    byte.and_then(|byte| char::from(byte).to_digit(16)).ok_or_else(bad)
                };
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).map_err(|_| bad())?
            }
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| bad())
}

/// The query, unescaped, in the order given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

/// Pairs one query may have.
const QUERY_LENGTH: usize = 1000;

impl Query {
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == QUERY_LENGTH {
                return Err(Failure::bad_request("too many query parameters"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((unescape(name, true)?.into_owned(), unescape(value, true)?.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// The first value of a parameter.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str())
    }

    /// A yes or no; absent is no.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.text(name) {
            None | Some("false" | "False" | "0") => Ok(false),
            Some("" | "true" | "True" | "1") => Ok(true),
            Some(other) => {
                Err(Failure::bad_request(format!("{name}: {other:?} is not true or false")))
            }
        }
    }

    /// A number that is not negative.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        match self.text(name) {
            None | Some("") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| {
                Failure::bad_request(format!(
                    "invalid {name}: Invalid value: {text:?}: must be a number of at least 0"
                ))
            }),
        }
    }
}

/// The form in which objects are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The object or list itself.
    Whole,
    /// A `meta.k8s.io/v1` Table for people.
    Table,
    /// Only the metadata.
    Metadata,
    /// All groups and resources in one list; the version of that list.
    Discovery(&'static str),
}

/// What the client can read, best first.
#[derive(Debug, Clone)]
pub(crate) struct Accept(Vec<Form>);

impl Accept {
    pub(crate) fn parse(headers: &HeaderMap) -> Self {
        let mut forms = Vec::new();
        for value in headers.get_all(header::ACCEPT) {
            let text = value.to_str().unwrap_or("");
            forms.extend(text.split(',').filter_map(form));
        }
        Self(forms)
    }

    /// The first form both sides know. Whoever names none of them gets JSON: clients that
    /// prefer protobuf read the content type of the answer.
    pub(crate) fn form(&self, known: &[Form]) -> Form {
        let found = self.0.iter().find(|form| known.contains(form));
        found.copied().unwrap_or(Form::Whole)
    }
}

fn form(text: &str) -> Option<Form> {
    let mut parts = text.split(';').map(str::trim);
    if !matches!(parts.next()?, "application/json" | "application/*" | "*/*") {
        return None;
    }
    let (mut named, mut version) = (None, None);
    for part in parts {
        match part.split_once('=') {
            Some(("as", value)) => named = Some(value),
            Some(("v", value)) => version = Some(value),
            _ => {}
        }
    }
    match (named, version) {
        (None, _) => Some(Form::Whole),
        (Some("Table"), Some("v1")) => Some(Form::Table),
        (Some("PartialObjectMetadata" | "PartialObjectMetadataList"), Some("v1")) => {
            Some(Form::Metadata)
        }
        (Some("APIGroupDiscoveryList"), Some("v2")) => Some(Form::Discovery("v2")),
        (Some("APIGroupDiscoveryList"), Some("v2beta1")) => Some(Form::Discovery("v2beta1")),
        _ => None,
    }
}
