//! One repository of one registry: manifests, tags, and asking for them with the right pass.
//!
//! Blobs are in `blob.rs` (from there) and `upload.rs` (to there), referrers in `referrers.rs`.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode, Uri};
use serde::Deserialize;

use crate::document::{self, ACCEPTED, DOCUMENT_MAX, Fields};
use crate::wire::{Answer, Ask, Payload, Wire};
use crate::{Descriptor, Error, Login, Manifest, Result, host};

/// Tags that are read of one repository.
const TAGS_MAX: usize = 10_000;
/// Tags that are shown when one is missing.
const NEAR: usize = 5;

/// A repository; clones share its pass.
#[derive(Clone)]
pub struct Repository {
    pub(crate) wire: Arc<Wire>,
    pub(crate) host: String,
    /// Name of the repository at its registry, such as `team/app`.
    pub(crate) path: String,
    pub(crate) login: Option<Login>,
    /// The `Authorization` that was good last.
    pub(crate) pass: Arc<Mutex<Option<String>>>,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repository({}/{})", self.host, self.path)
    }
}

impl Repository {
    pub(crate) fn new(wire: Arc<Wire>, host: &str, path: &str, login: Option<&Login>) -> Self {
        let (host, path) = (host.to_owned(), path.to_owned());
        Self { wire, host, path, login: login.cloned(), pass: Arc::default() }
    }

    /// The manifest or index under a tag or digest (`sha256:…`), checked against its digest.
    ///
    /// # Errors
    /// [`Error::Missing`] with the tags that are nearest, [`Error::Denied`], [`Error::Wrong`]
    /// when the bytes are not what the digest says.
    pub async fn manifest(&self, tag_or_digest: &str) -> Result<Manifest> {
        let what = self.what(tag_or_digest);
        let answer = match self.get_manifest(Method::GET, tag_or_digest).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.with_near(error, tag_or_digest).await),
        };
        let headers = answer.headers.clone();
        let wrong = |reason: String| self.wrong(&what, reason);
        let bytes = answer.read(DOCUMENT_MAX).await.map_err(|error| wrong(error.to_string()))?;
        let mut descriptor = Descriptor::of("", &bytes);
        let promised = match document::is_digest(tag_or_digest) {
            true => Some(tag_or_digest.to_owned()),
            false => text(&headers, "docker-content-digest").filter(|it| document::is_digest(it)),
        };
        if let Some(promised) = promised.filter(|promised| *promised != descriptor.digest) {
            return Err(wrong(format!("its digest is {}, not {promised}", descriptor.digest)));
        }
        let fields = Fields::parse(&bytes).map_err(wrong)?;
        let said = text(&headers, "content-type").unwrap_or_default();
        let said = said.split(';').next().unwrap_or_default().trim().to_owned();
        descriptor.media_type = fields.media_type.clone().unwrap_or(said);
        descriptor.artifact_type = fields.artifact_type;
        Ok(Manifest { descriptor, bytes })
    }

    /// What a tag stands for, without fetching it.
    ///
    /// # Errors
    /// As [`Repository::manifest`].
    pub async fn resolve(&self, tag_or_digest: &str) -> Result<Descriptor> {
        let answer = match self.get_manifest(Method::HEAD, tag_or_digest).await {
            Ok(answer) => answer,
            // An answer to HEAD has no words in it.
            Err(Error::Missing { .. } | Error::Denied { .. } | Error::Answer { .. }) => {
                return Ok(self.manifest(tag_or_digest).await?.descriptor);
            }
            Err(error) => return Err(error),
        };
        let digest = text(&answer.headers, "docker-content-digest");
        let size = text(&answer.headers, "content-length").and_then(|size| size.parse().ok());
        match (digest.filter(|digest| document::is_digest(digest)), size) {
            (Some(digest), Some(size)) => {
                let media_type = text(&answer.headers, "content-type").unwrap_or_default();
                Ok(Descriptor { media_type, digest, size, ..Descriptor::default() })
            }
            _ => Ok(self.manifest(tag_or_digest).await?.descriptor),
        }
    }

    /// Puts a manifest or index, byte for byte, under a tag; None for its digest only. Blobs and
    /// manifests it points to must be there. One with a `subject` is found by
    /// [`Repository::referrers`] of that subject from now on.
    ///
    /// # Errors
    /// The registry does not take it.
    pub async fn push_manifest(
        &self,
        tag: Option<&str>,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Descriptor> {
        let mut descriptor = Descriptor::of(media_type, bytes);
        let place = tag.unwrap_or(&descriptor.digest).to_owned();
        let what = format!("taking {}", self.what(&place));
        let fields = Fields::parse(bytes).map_err(|reason| self.wrong(&what, reason))?;
        let mut ask = Ask::new(Method::PUT, self.at(&format!("manifests/{place}")).await?, &what)
            .header(header::CONTENT_TYPE, media_type);
        ask.body = Payload::Bytes(Bytes::copy_from_slice(bytes));
        let answer = self.call(ask, &[]).await?;
        if let Some(got) = text(&answer.headers, "docker-content-digest")
            && document::is_digest(&got)
            && got != descriptor.digest
        {
            let reason = format!("it kept {got} in place of {}", descriptor.digest);
            return Err(self.wrong(&what, reason));
        }
        let config = fields.config.as_ref().map(|config| config.media_type.clone());
        descriptor.artifact_type = fields.artifact_type.or(config);
        descriptor.annotations = fields.annotations.unwrap_or_default();
        if let Some(subject) = fields.subject
            && !answer.headers.contains_key("oci-subject")
        {
            self.note_referrer(&subject.digest, &descriptor).await?;
        }
        Ok(descriptor)
    }

    /// All tags, in the registry's order; at most 10,000.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is no such repository.
    pub async fn tags(&self) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }
        let what = format!("tags of {}", self.path);
        let mut url = Some(self.at("tags/list?n=1000").await?);
        let mut all = Vec::new();
        while let Some(at) = url.take() {
            let answer = self.call(Ask::new(Method::GET, at.clone(), &what), &[]).await?;
            url = next_page(&at, &answer.headers);
            let wrong = |reason: String| self.wrong(&what, reason);
            let bytes =
                answer.read(DOCUMENT_MAX).await.map_err(|error| wrong(error.to_string()))?;
            let page: Page =
                serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
            let tags = page.tags.unwrap_or_default();
            if tags.is_empty() || all.len() + tags.len() > TAGS_MAX {
                url = None;
            }
            all.extend(tags.into_iter().filter(|tag| !tag.chars().any(char::is_control)));
        }
        all.truncate(TAGS_MAX);
        Ok(all)
    }

    /// Asks for nothing but to be let in.
    pub(crate) async fn greet(&self) -> Result<()> {
        let url = format!("{}/v2/", self.wire.base(&self.host).await?);
        self.call(Ask::new(Method::GET, url, "to log in"), &[]).await.map(drop)
    }

    async fn get_manifest(&self, method: Method, tag_or_digest: &str) -> Result<Answer> {
        let url = self.at(&format!("manifests/{tag_or_digest}")).await?;
        let mut ask = Ask::new(method, url, self.what(tag_or_digest));
        for accepted in ACCEPTED {
            ask = ask.header(header::ACCEPT, accepted);
        }
        self.call(ask, &[]).await
    }

    /// Adds the tags that are nearest to the missing one.
    async fn with_near(&self, error: Error, wanted: &str) -> Error {
        let Error::Missing { registry, what, answer, .. } = error else { return error };
        let mut near = match document::is_digest(wanted) {
            true => Vec::new(),
            // Without the list the error is as true as before.
            false => self.tags().await.unwrap_or_default(),
        };
        near.sort_by_cached_key(|tag| (distance(tag, wanted), tag.clone()));
        near.truncate(NEAR);
        Error::Missing { registry, what, answer, near }
    }

    /// Sends a request with our pass, gets a new one if it is asked for, and wants success.
    pub(crate) async fn call(&self, ask: Ask, more_scopes: &[String]) -> Result<Answer> {
        let pass = self.pass.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut answer = self.wire.send(&ask, pass.as_deref()).await?;
        if answer.status == StatusCode::UNAUTHORIZED
            && self.satisfy(&answer.headers, &ask.what, more_scopes).await?
        {
            let pass = self.pass.lock().unwrap_or_else(PoisonError::into_inner).clone();
            answer = self.wire.send(&ask, pass.as_deref()).await?;
        }
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(answer.refusal(&self.host, &ask.what, self.login.as_ref()).await)
    }

    /// `https://host/v2/path/rest`.
    pub(crate) async fn at(&self, rest: &str) -> Result<String> {
        Ok(format!("{}/v2/{}/{rest}", self.wire.base(&self.host).await?, self.path))
    }

    pub(crate) fn what(&self, tag_or_digest: &str) -> String {
        let sign = if document::is_digest(tag_or_digest) { '@' } else { ':' };
        format!("{}{sign}{tag_or_digest}", self.path)
    }

    pub(crate) fn wrong(&self, what: &str, reason: impl Into<String>) -> Error {
        let registry = host::familiar(&self.host).to_owned();
        Error::Wrong { registry, what: what.to_owned(), reason: reason.into() }
    }
}

/// A header's text.
pub(crate) fn text(headers: &HeaderMap, name: &'static str) -> Option<String> {
    let value = headers.get(HeaderName::from_static(name))?;
    value.to_str().ok().map(str::to_owned)
}

/// Where the next page of a list is (RFC 8288): on the same host, or nowhere.
pub(crate) fn next_page(from: &str, headers: &HeaderMap) -> Option<String> {
    let from: Uri = from.parse().ok()?;
    let link = text(headers, "link")?;
    let (place, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    let next: String =
        rest.contains("next").then(|| crate::wire::resolve(&from, place).ok()).flatten()?;
    let to: Uri = next.parse().ok()?;
    (to.authority() == from.authority() && to != from).then_some(next)
}

/// Edits between two texts (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = corner + usize::from(a != *b);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_on_the_same_host() {
        let page = |link: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("link", link.parse().unwrap());
            next_page("https://r.lan/v2/a/tags/list?n=2", &headers)
        };
        let next = "https://r.lan/v2/a/tags/list?n=2&last=b";
        assert_eq!(page(r#"</v2/a/tags/list?n=2&last=b>; rel="next""#).as_deref(), Some(next));
        assert_eq!(page(r#"<https://evil.lan/v2>; rel="next""#), None);
        assert_eq!(page(r#"</v2/a/tags/list?n=2>; rel="next""#), None);
        assert_eq!(page("nonsense"), None);
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(distance("1.0", "1.0"), 0);
        assert_eq!(distance("1.0.1", "1.0"), 2);
        assert_eq!(distance("latest", "lates"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
