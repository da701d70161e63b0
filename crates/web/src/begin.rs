//! How every verb begins: who says it and where, and what it says while it works. Two answers: to
//! the command line the news themselves, to the canvas the operation's number, the news being on
//! its stream. Where next: `verbs.rs`, `life.rs`.

use std::path::PathBuf;

use apps::{Event, Target};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::Door;
use crate::answer::{Refusal, report_value};
use crate::person::Caller;

/// Takes what a verb says of its work.
pub(crate) type Tell = Box<dyn FnMut(Event) + Send>;

/// Who says a verb, and at which door.
pub(crate) struct By {
    pub(crate) door: Door,
    pub(crate) caller: Caller,
}

impl FromRequestParts<Door> for By {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Response> {
        let caller = Extension::<Caller>::from_request_parts(parts, door).await;
        let Extension(caller) = caller.map_err(IntoResponse::into_response)?;
        Ok(Self { door: door.clone(), caller })
    }
}

impl By {
    /// The person's name, for histories.
    pub(crate) fn name(&self) -> String {
        self.caller.person.name.clone()
    }

    /// Runs a verb and streams what it says: `{"operation":ID}`, then each event, then one
    /// `{"result":…}` or `{"error":…}`.
    pub(crate) fn lines<Work, Doing, Done>(
        self,
        verb: &'static str,
        subject: &str,
        work: Work,
    ) -> Response
    where
        Work: FnOnce(Target, Tell) -> Doing,
        Doing: Future<Output = Result<Done, apps::Error>> + Send + 'static,
        Done: Serialize,
    {
        let receiver = match begin(&self.door, verb, subject, &self.caller, work) {
            Ok((_, receiver)) => receiver,
            Err(refusal) => return refusal.into_response(),
        };
        let body = UnboundedReceiverStream::new(receiver).map(|line| {
            let mut text = line.to_string();
            text.push('\n');
            Ok::<_, std::convert::Infallible>(Bytes::from(text))
        });
        ([(header::CONTENT_TYPE, "application/jsonl")], Body::from_stream(body)).into_response()
    }
}

/// Who says a verb, and on which app: the one in the request's path.
pub(crate) struct On {
    pub(crate) by: By,
    pub(crate) app: String,
}

impl FromRequestParts<Door> for On {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Response> {
        let by = By::from_request_parts(parts, door).await?;
        let app = Path::<String>::from_request_parts(parts, door).await;
        let Path(app) = app.map_err(IntoResponse::into_response)?;
        Ok(Self { by, app })
    }
}

impl On {
    /// The app's folder.
    pub(crate) fn dir(&self) -> Result<PathBuf, Refusal> {
        Ok(self.by.door.registry.dir(&self.app)?)
    }

    /// Begins a verb and answers with its number.
    pub(crate) fn begin<Work, Doing, Done>(self, verb: &'static str, work: Work) -> Response
    where
        Work: FnOnce(Target, String, Tell) -> Doing,
        Doing: Future<Output = Result<Done, apps::Error>> + Send + 'static,
        Done: Serialize,
    {
        let Self { by, app } = self;
        let name = app.clone();
        let work = |target, tell| work(target, name, tell);
        match begin(&by.door, verb, &app, &by.caller, work) {
            Ok((id, _unheard)) => Json(json!({ "operation": id })).into_response(),
            Err(refusal) => refusal.into_response(),
        }
    }
}

/// Turns events into values. A client that has gone away is no reason to stop the work.
fn report(said: mpsc::UnboundedSender<Value>) -> Tell {
    Box::new(move |event| {
        let value = serde_json::to_value(&event).unwrap_or(Value::Null);
        let _gone = said.send(value);
    })
}

/// Begins a verb as an operation of its own; its number, and what it says for who wants to hear.
pub(crate) fn begin<Work, Doing, Done>(
    door: &Door,
    verb: &'static str,
    subject: &str,
    caller: &Caller,
    work: Work,
) -> Result<(u64, mpsc::UnboundedReceiver<Value>), Refusal>
where
    Work: FnOnce(Target, Tell) -> Doing,
    Doing: Future<Output = Result<Done, apps::Error>> + Send + 'static,
    Done: Serialize,
{
    let id = door.operations.begin(verb, subject, &caller.person.name).map_err(|other| {
        Refusal::new(
            StatusCode::CONFLICT,
            "app/busy",
            format!("cannot {verb} {subject}: a {other} of it is under way"),
        )
        .hint("look:  shelf status        wait for it, or end it with Ctrl-C twice where it runs")
    })?;
    let (said, mut hears) = mpsc::unbounded_channel();
    let (lines, receiver) = mpsc::unbounded_channel();
    // The receiver lives as long as the answer, so this cannot fail yet.
    let _open = lines.send(json!({"operation": id}));
    let (operations, running) = (door.operations.clone(), door.operations.clone());
    let doing = work(door.target.clone(), report(said));
    let (keeps, copies, asker) = (operations.clone(), lines.clone(), lines.clone());
    // What is said is kept and told in order; the end comes after all of it.
    let telling = tokio::spawn(async move {
        while let Some(event) = hears.recv().await {
            let _gone = copies.send(event.clone());
            keeps.said(id, event);
        }
    });
    let (door, app) = (door.clone(), subject.to_owned());
    let task = tokio::spawn(async move {
        let line = match doing.await {
            Ok(done) => json!({"result": done}),
            Err(error) => {
                tracing::info!(verb, error = %error, "the verb failed");
                json!({"error": report_value(&error.report())})
            }
        };
        // The teller ends by itself once the verb's sender is gone; a panic in it loses news only.
        let _told = telling.await;
        operations.end(id, line.clone());
        door.tell_model(&app).await;
        // The release is part of the status, and no copy changes with it.
        if let Ok(status) = apps::status(&door.target, &app).await {
            door.hub.tell(&app, "status", &json!(status));
        }
        // Nobody may be listening any more; the work is done all the same.
        let _gone = lines.send(line);
    });
    running.running(id, task.abort_handle(), asker);
    Ok((id, receiver))
}
