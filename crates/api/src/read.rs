//! Get and list, from memory, at one revision.

use crate::Api;
use crate::call::{Call, Query};
use crate::encode;
use crate::filter::Filter;
use crate::output::{self, Render};
use crate::status::Failure;
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Entries looked at in one step while a selector searches for a page's worth of matches.
const SCAN_LENGTH: usize = 1000;

/// One object.
pub(crate) fn get(api: &Api, call: &Call) -> Result<Response, Failure> {
    let asked = revision(&call.query)?;
    let name = call.name()?;
    let key = encode::key(call.kind, call.namespace.as_deref(), name);
    if let Some(asked) = asked {
        check_reached(api, asked)?;
    }
    let entry = api.store().get(&key).ok_or_else(|| Failure::not_found(call.kind, name))?;
    Ok(output::json(StatusCode::OK, Render::new(call)?.object(&entry.value)))
}

/// `resourceVersion` of the query; 0 and absent both mean "any".
pub(crate) fn revision(query: &Query) -> Result<Option<u64>, Failure> {
    match query.text("resourceVersion") {
        None | Some("" | "0") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            Failure::bad_request(format!(
                "resourceVersion: Invalid value: {text:?}: must be a revision this server gave out"
            ))
        }),
    }
}

pub(crate) fn check_reached(api: &Api, asked: u64) -> Result<(), Failure> {
    let current = api.store().revision();
    if asked > current {
        return Err(Failure::future_revision(asked, current));
    }
    Ok(())
}

/// Where the next page begins, and at which revision. 0: at whatever is current then.
#[derive(Serialize, Deserialize)]
struct Page {
    revision: u64,
    after: String,
}

impl Page {
    fn parse(text: &str) -> Result<Self, Failure> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        bytes
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| Failure::bad_request("continue key is not valid"))
    }

    fn token(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(json!(self).to_string())
    }
}

/// Objects of one kind, all or one page of them.
pub(crate) fn list(api: &Api, call: &Call) -> Result<Response, Failure> {
    let found = find(api, call)?;
    let mut metadata = json!({"resourceVersion": found.revision.to_string()});
    if let Some(token) = found.resume {
        metadata["continue"] = json!(token);
    }
    if let Some(count) = found.remaining_count {
        metadata["remainingItemCount"] = json!(count);
    }
    Ok(output::json(StatusCode::OK, Render::new(call)?.list(&found.items, metadata)))
}

/// What a list found.
pub(crate) struct Found {
    pub(crate) items: Vec<Bytes>,
    pub(crate) revision: u64,
    resume: Option<String>,
    remaining_count: Option<usize>,
}

/// Finds what a list, or a deletion of many, is about.
pub(crate) fn find(api: &Api, call: &Call) -> Result<Found, Failure> {
    let filter = Filter::parse(&call.query)?;
    let prefix = filter.prefix(call.kind, call.namespace.as_deref());
    let limit = call.query.number("limit")?.filter(|limit| *limit > 0);
    let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let token = call.query.text("continue").filter(|text| !text.is_empty());
    let page = token.map(Page::parse).transpose()?;
    let at = at_revision(api, call, page.as_ref())?;
    let mut after = page.map(|page| page.after);
    let mut items = Vec::new();
    let (mut resume, mut remaining_count) = (None, None);
    let mut revision = at;
    loop {
        let step = match limit {
            Some(limit) if filter.is_empty() => Some(limit),
            Some(_) => Some(SCAN_LENGTH),
            None => None,
        };
        let list = api.store().list(&prefix, step, after.as_deref(), revision).map_err(
            |error| match (error, &after) {
                (store::Error::Compacted { .. }, Some(after)) if token.is_some() => {
                    Failure::expired_page(Page { revision: 0, after: after.clone() }.token())
                }
                (error, _) => error.into(),
            },
        )?;
        revision = Some(list.revision);
        let count = list.entries.len();
        for (index, entry) in list.entries.into_iter().enumerate() {
            after = Some(entry.key.to_string());
            if filter.matches(&entry.value) {
                items.push(entry.value);
            }
            if Some(items.len()) == limit && (list.more || index + 1 < count) {
                resume = Some(Page { revision: list.revision, after: entry.key.to_string() });
                break;
            }
        }
        if resume.is_some() || !list.more {
            break;
        }
    }
    let revision = revision.unwrap_or_else(|| api.store().revision());
    if let (Some(page), true) = (&resume, filter.is_empty()) {
        let rest = api.store().list(&prefix, None, Some(&page.after), Some(revision));
        remaining_count = rest.ok().map(|rest| rest.entries.len());
    }
    Ok(Found { items, revision, resume: resume.map(|page| page.token()), remaining_count })
}

/// The revision a list must be consistent with; `None` is the current one.
fn at_revision(api: &Api, call: &Call, page: Option<&Page>) -> Result<Option<u64>, Failure> {
    let asked = revision(&call.query)?;
    let rule = call.query.text("resourceVersionMatch").filter(|text| !text.is_empty());
    if let Some(page) = page {
        if rule.is_some() || asked.is_some() {
            return Err(Failure::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        return Ok(Some(page.revision).filter(|revision| *revision > 0));
    }
    match (rule, asked) {
        (Some("Exact"), Some(revision)) => Ok(Some(revision)),
        (Some("Exact"), None) => Err(Failure::bad_request(
            "resourceVersionMatch: Forbidden: \"Exact\" needs a resourceVersion greater than 0",
        )),
        (Some("NotOlderThan"), None) if call.query.text("resourceVersion").is_none() => {
            Err(Failure::bad_request(
                "resourceVersionMatch: Forbidden: \
                 resourceVersionMatch is forbidden unless resourceVersion is provided",
            ))
        }
        (None | Some("NotOlderThan"), asked) => {
            if let Some(asked) = asked {
                check_reached(api, asked)?;
            }
            Ok(None)
        }
        (Some(other), _) => Err(Failure::bad_request(format!(
            "resourceVersionMatch: Unsupported value: \"{other}\": \
             supported values: \"Exact\", \"NotOlderThan\""
        ))),
    }
}
