//! What happens, as it happens, to every page that looks: `GET /v1/stream`, server-sent events.
//!
//! One ring of numbered events for all. A page that comes back says the last number it saw and
//! gets what it missed; one that was away for too long, or comes from before a restart, gets the
//! present state instead. Where next: `watch.rs`, which looks at files and copies while someone
//! looks here.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Extension, Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::Door;
use crate::person::Caller;

/// Events kept for pages that come back.
const MOST_EVENTS: usize = 4096;
/// Their text altogether.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Events that may wait for one slow page before it must come back by number.
const QUEUE: usize = 1024;
/// A page that hears nothing for three of these knows that the connection is dead.
const PING: Duration = Duration::from_secs(5);
/// How long a page waits before it comes back.
const RETRY: Duration = Duration::from_secs(1);

/// One event.
#[derive(Debug)]
pub(crate) struct Message {
    id: u64,
    /// The app it is about; pages of other apps do not get it.
    app: String,
    kind: &'static str,
    data: String,
}

/// All events of one server.
pub(crate) struct Hub {
    inside: Mutex<Inside>,
    sender: broadcast::Sender<Arc<Message>>,
}

struct Inside {
    next: u64,
    ring: VecDeque<Arc<Message>>,
    bytes: usize,
}

/// What a page gets first.
enum Start {
    /// What it missed.
    Missed(Vec<Arc<Message>>),
    /// The present state, which counts as of this event.
    Fresh(u64),
}

impl Hub {
    /// `first` is the number of the first event; above that of every event of earlier servers.
    pub(crate) fn new(first: u64) -> Self {
        let inside = Inside { next: first, ring: VecDeque::new(), bytes: 0 };
        Self { inside: Mutex::new(inside), sender: broadcast::channel(QUEUE).0 }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // A half-done push loses an old event at most.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everyone who looks at `app`.
    pub(crate) fn tell(&self, app: &str, kind: &'static str, data: &Value) {
        let mut inside = self.inside();
        let message = Arc::new(Message {
            id: inside.next,
            app: app.to_owned(),
            kind,
            data: data.to_string(),
        });
        inside.next += 1;
        inside.bytes += message.data.len();
        inside.ring.push_back(message.clone());
        while inside.ring.len() > MOST_EVENTS || inside.bytes > MOST_BYTES {
            let Some(old) = inside.ring.pop_front() else { break };
            inside.bytes -= old.data.len();
        }
        // Nobody may be looking.
        let _unseen = self.sender.send(message);
    }

    /// What comes first, and everything after it without a gap.
    fn follow(&self, last: Option<u64>) -> (Start, broadcast::Receiver<Arc<Message>>) {
        let inside = self.inside();
        let receiver = self.sender.subscribe();
        let oldest = inside.ring.front().map_or(inside.next, |message| message.id);
        let start = match last {
            Some(last) if last + 1 >= oldest && last < inside.next => Start::Missed(
                inside.ring.iter().filter(|message| message.id > last).cloned().collect(),
            ),
            _ => Start::Fresh(inside.next - 1),
        };
        (start, receiver)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamQuery {
    #[serde(default)]
    app: Option<String>,
    /// Read on the way here (`targets.rs`).
    #[serde(default, rename = "target")]
    _target: Option<String>,
}

/// The stream of one page.
pub(crate) async fn stream(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
) -> Response {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    // While this lives, files and copies of the app are looked at, and the person is present.
    let looking = query.app.as_ref().map(|app| door.looking(app, &caller));
    if let Some(app) = &query.app {
        // What happened while nobody looked is told now, and counts as told.
        door.tell_model(app).await;
    }
    let (start, receiver) = door.hub.follow(last);
    let first = match start {
        Start::Missed(missed) => {
            let own = missed.into_iter().filter(|message| concerns(message, query.app.as_deref()));
            own.map(|message| sse(&message)).collect()
        }
        Start::Fresh(id) => fresh(&door, query.app.as_deref(), id).await,
    };
    let state = Following { receiver, app: query.app, _looking: looking };
    let later = futures::stream::unfold(state, |mut state| async move {
        let event = state.next().await?;
        Some((event, state))
    });
    let begun = Event::default().retry(RETRY).comment("shelf");
    let events = futures::stream::iter([begun]).chain(futures::stream::iter(first)).chain(later);
    let mut answer = Sse::new(events.map(Ok::<_, Infallible>)).into_response();
    let no_buffer = axum::http::HeaderValue::from_static("no");
    answer.headers_mut().insert("x-accel-buffering", no_buffer);
    answer
}

/// A page that follows.
struct Following {
    receiver: broadcast::Receiver<Arc<Message>>,
    app: Option<String>,
    _looking: Option<crate::watch::Looking>,
}

impl Following {
    /// The next event, or the end for a page that is too slow: it comes back by number.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                message = self.receiver.recv() => match message {
                    Ok(message) if concerns(&message, self.app.as_deref()) => {
                        return Some(sse(&message));
                    }
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => {
                        return None;
                    }
                },
                () = tokio::time::sleep(PING) => {
                    return Some(Event::default().event("ping").data("{}"));
                }
            }
        }
    }
}

fn concerns(message: &Message, app: Option<&str>) -> bool {
    app.is_none_or(|app| message.app == app)
}

fn sse(message: &Message) -> Event {
    Event::default().id(message.id.to_string()).event(message.kind).data(&message.data)
}

/// The present state as events, so that a page needs only one way to take news.
async fn fresh(door: &Door, app: Option<&str>, id: u64) -> Vec<Event> {
    let event = |kind: &str, data: &Value| {
        Event::default().id(id.to_string()).event(kind).data(data.to_string())
    };
    let mut events = Vec::new();
    if let Some(app) = app {
        if let Some(news) = door.model_news(app).await {
            events.push(event("model", &news));
        }
        match apps::status(&door.target, app).await {
            Ok(status) => events.push(event("status", &json!(status))),
            Err(apps::Error::Absent(_)) => events.push(event("status", &json!(apps::draft(app)))),
            // The page shows no state until the target answers again.
            Err(error) => tracing::debug!(%error, app, "no status for a page"),
        }
        events.push(event("people", &json!({ "people": door.watch.people(app) })));
    }
    for told in door.operations.replay(app) {
        events.push(event("operation", &told));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(start: Start) -> Vec<u64> {
        match start {
            Start::Missed(missed) => missed.iter().map(|message| message.id).collect(),
            Start::Fresh(id) => panic!("a fresh start at {id}"),
        }
    }

    #[test]
    fn a_page_that_comes_back_gets_what_it_missed() {
        let hub = Hub::new(100);
        for _ in 0..5 {
            hub.tell("shop", "layout", &json!({}));
        }
        assert_eq!(ids(hub.follow(Some(102)).0), [103, 104]);
        assert_eq!(ids(hub.follow(Some(104)).0), Vec::<u64>::new());
        assert!(matches!(hub.follow(None).0, Start::Fresh(104)));
        assert!(matches!(hub.follow(Some(50)).0, Start::Fresh(_)), "of an earlier server");
        assert!(matches!(hub.follow(Some(105)).0, Start::Fresh(_)), "of a later one");
    }

    #[test]
    fn the_ring_is_bounded_by_count_and_by_size() {
        let hub = Hub::new(1);
        for _ in 0..MOST_EVENTS + 10 {
            hub.tell("shop", "layout", &json!({}));
        }
        assert_eq!(hub.inside().ring.len(), MOST_EVENTS);
        assert!(matches!(hub.follow(Some(3)).0, Start::Fresh(_)), "too old");
        hub.tell("shop", "layout", &json!("x".repeat(MOST_BYTES - 100)));
        let inside = hub.inside();
        assert!(inside.bytes <= MOST_BYTES && inside.ring.len() < 100);
        assert_eq!(
            inside.bytes,
            inside.ring.iter().map(|message| message.data.len()).sum::<usize>()
        );
    }
}
