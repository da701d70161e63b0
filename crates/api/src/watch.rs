//! Watches: JSON lines, one per event, with bookmarks and streaming lists.

use crate::Api;
use crate::call::Call;
use crate::encode;
use crate::filter::Filter;
use crate::output::{self, Render};
use crate::read;
use crate::status::Failure;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use rand::Rng;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use store::{Entry, Event, EventKind};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

/// How often an idle watch says how far it is.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(30);
/// Events are sent together until they have this many bytes.
const CHUNK_BYTES: usize = 64 << 10;
/// How long a watch lasts when the client does not say (drawn between the two).
const LASTS_SECONDS: std::ops::Range<u64> = 1800..3600;

/// Opens a watch.
pub(crate) fn watch(api: &Api, call: &Call) -> Result<Response, Failure> {
    let filter = Filter::parse(&call.query)?;
    let prefix = filter.prefix(call.kind, call.namespace.as_deref());
    let begin = Begin::parse(call)?;
    let bookmarks = call.query.flag("allowWatchBookmarks")?;
    let seconds = call.query.number("timeoutSeconds")?.filter(|seconds| *seconds > 0);
    let seconds = seconds.unwrap_or_else(|| rand::rng().random_range(LASTS_SECONDS));
    if let (Some(asked), true) = (begin.revision, begin.with_state) {
        read::check_reached(api, asked)?;
    }
    let (state, revision) = if begin.with_state {
        let list = api.store().list(&prefix, None, None, None)?;
        (list.entries.into(), list.revision)
    } else {
        (VecDeque::new(), begin.revision.unwrap_or_else(|| api.store().revision()))
    };
    let (watch, failure) = match api.store().watch(&prefix, revision) {
        Ok(watch) => (Some(watch), None),
        Err(store::Error::TooManyWatches { limit }) => {
            return Err(Failure::too_many(format!("too many watches: the limit is {limit}")));
        }
        // A revision of before a restored backup is as lost as a compacted one: list again.
        Err(store::Error::Future { asked, current }) => {
            let text = format!("too large resource version: {asked}, current: {current}");
            (None, Some(Failure::expired(text)))
        }
        Err(error) => (None, Some(error.into())),
    };
    let mut bookmark = interval_at(Instant::now() + BOOKMARK_INTERVAL, BOOKMARK_INTERVAL);
    bookmark.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stream = Stream {
        watch,
        failure,
        state,
        ends_state_at: (begin.streaming && bookmarks).then_some(revision),
        filter,
        render: Render::new(call)?,
        columns_sent: false,
        bookmark: bookmarks.then_some(bookmark),
        deadline: Instant::now() + Duration::from_secs(seconds.min(86_400)),
    };
    let body = futures::stream::unfold(stream, |mut stream| async move {
        let chunk = stream.next().await?;
        Some((Ok::<_, Infallible>(chunk), stream))
    });
    let media_type = HeaderValue::from_static("application/json");
    Ok(output::typed(StatusCode::OK, media_type, Body::from_stream(body)))
}

/// Where a watch begins.
struct Begin {
    /// Whether the present objects come first, as ADDED events.
    with_state: bool,
    /// Whether a bookmark tells their end.
    streaming: bool,
    revision: Option<u64>,
}

impl Begin {
    fn parse(call: &Call) -> Result<Self, Failure> {
        let revision = read::revision(&call.query)?;
        let rule = call.query.text("resourceVersionMatch").filter(|text| !text.is_empty());
        let streaming = call.query.text("sendInitialEvents").is_some();
        let initial = call.query.flag("sendInitialEvents")?;
        let bad = |field: &str, detail: &str| {
            let error = kinds::FieldError::forbidden(field, detail);
            Failure::invalid_named("ListOptions", "meta.k8s.io", "", &[error])
        };
        match (streaming, rule) {
            (true, Some("NotOlderThan")) | (false, None) => {}
            (true, _) => {
                let detail =
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
                return Err(bad("resourceVersionMatch", detail));
            }
            (false, Some(_)) => {
                let detail = "resourceVersionMatch is forbidden for watch \
                              unless sendInitialEvents is provided";
                return Err(bad("resourceVersionMatch", detail));
            }
        }
        if streaming && !initial {
            return Ok(Self { with_state: false, streaming: false, revision });
        }
        Ok(Self { with_state: initial || revision.is_none(), streaming: initial, revision })
    }
}

struct Stream {
    watch: Option<store::Watch>,
    /// What the watch ends with at once.
    failure: Option<Failure>,
    /// Present objects still to be sent.
    state: VecDeque<Entry>,
    /// The revision to name once they were sent.
    ends_state_at: Option<u64>,
    filter: Filter,
    render: Render,
    columns_sent: bool,
    bookmark: Option<Interval>,
    deadline: Instant,
}

impl Stream {
    /// The next lines; `None` ends the watch.
    async fn next(&mut self) -> Option<Bytes> {
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK_BYTES
            && let Some(entry) = self.state.pop_front()
        {
            if self.filter.matches(&entry.value) {
                self.line(&mut chunk, "ADDED", &entry.value);
            }
        }
        if self.state.is_empty()
            && let Some(revision) = self.ends_state_at.take()
        {
            line(&mut chunk, "BOOKMARK", &self.render.bookmark(revision, true));
        }
        if !chunk.is_empty() {
            return Some(chunk.into());
        }
        if let Some(failure) = self.failure.take() {
            line(&mut chunk, "ERROR", failure.status().to_string().as_bytes());
            return Some(chunk.into());
        }
        loop {
            let event = tokio::select! {
                event = self.watch.as_mut()?.next() => event,
                () = sleep_until(self.deadline) => None,
                () = tick(&mut self.bookmark) => {
                    let Some(revision) = self.watch.as_ref()?.progress() else { continue };
                    line(&mut chunk, "BOOKMARK", &self.render.bookmark(revision, false));
                    return Some(chunk.into());
                }
            };
            let Some(event) = event else {
                self.watch = None;
                return None;
            };
            self.event(&mut chunk, &event);
            while chunk.len() < CHUNK_BYTES
                && let Some(event) = self.watch.as_mut()?.try_next()
            {
                self.event(&mut chunk, &event);
            }
            // Nothing of it passed the selectors: go on waiting.
            if !chunk.is_empty() {
                return Some(chunk.into());
            }
        }
    }

    /// Writes what an event is to a client that only sees what matches.
    fn event(&mut self, chunk: &mut Vec<u8>, event: &Event) {
        let prev = event.prev.as_ref().map(|entry| &entry.value);
        let prev = prev.filter(|value| self.filter.matches(value));
        let matches = event.kind == EventKind::Put && self.filter.matches(&event.value);
        match (prev, matches) {
            (None, true) => self.line(chunk, "ADDED", &event.value),
            (Some(_), true) => self.line(chunk, "MODIFIED", &event.value),
            // Deleted, or left the selection: its last matching state, at this revision.
            (Some(prev), false) => {
                let last = encode::renumbered(prev, event.revision);
                self.line(chunk, "DELETED", &last);
            }
            (None, false) => {}
        }
    }

    fn line(&mut self, chunk: &mut Vec<u8>, kind: &str, stored: &Bytes) {
        let object = self.render.event(stored, !self.columns_sent);
        self.columns_sent = true;
        line(chunk, kind, &object);
    }
}

fn line(chunk: &mut Vec<u8>, kind: &str, object: &[u8]) {
    chunk.extend_from_slice(b"{\"type\":\"");
    chunk.extend_from_slice(kind.as_bytes());
    chunk.extend_from_slice(b"\",\"object\":");
    chunk.extend_from_slice(object);
    chunk.extend_from_slice(b"}\n");
}

async fn tick(bookmark: &mut Option<Interval>) {
    match bookmark {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}
