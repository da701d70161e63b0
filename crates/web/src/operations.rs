//! Verbs that are under way: which, on what, by whom, what they have said, and how to end them.
//!
//! One verb that changes an app at a time: two `go` on one app would undo each other's work. What
//! an operation says is kept, so that a page which comes later sees all of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use crate::answer::Refusal;
use crate::stream::Hub;

/// Events kept of one operation; the oldest go first.
const MOST_EVENTS: usize = 2000;
/// Operations that ended and are still told of.
const MOST_ENDED: usize = 20;

/// The verbs under way, and the last that ended.
pub(crate) struct Operations {
    hub: Arc<Hub>,
    inside: Mutex<Inside>,
}

struct Inside {
    next: u64,
    known: BTreeMap<u64, Operation>,
}

struct Operation {
    verb: &'static str,
    /// The app, or what else it works on.
    subject: String,
    by: String,
    started: Timestamp,
    events: VecDeque<Value>,
    forgotten: usize,
    /// `{"result":…}` or `{"error":…}` once it has ended.
    end: Option<Value>,
    abort: Option<AbortHandle>,
    /// Who asked for it, and would not hear of its being cancelled from the task that is gone.
    asker: Option<UnboundedSender<Value>>,
}

impl Operation {
    /// What it said, in the form of the stream.
    fn told(&self, id: u64, what: &Value) -> Value {
        let mut told = json!({ "id": id, "verb": self.verb, "app": self.subject, "by": self.by,
            "started": self.started.to_string() });
        if let (Value::Object(told), Value::Object(what)) = (&mut told, what) {
            told.extend(what.clone());
        }
        told
    }
}

impl Operations {
    /// `first` is the number of the first operation, above those of earlier servers.
    pub(crate) fn new(hub: Arc<Hub>, first: u64) -> Self {
        let inside = Inside { next: first, known: BTreeMap::new() };
        Self { hub, inside: Mutex::new(inside) }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // The map is whole after every statement, so a panic elsewhere cannot have broken it.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the subject (an app's name or folder) for `verb`.
    ///
    /// # Errors
    /// The verb that holds the subject, if one does.
    pub(crate) fn begin(
        &self,
        verb: &'static str,
        subject: &str,
        by: &str,
    ) -> Result<u64, &'static str> {
        let mut inside = self.inside();
        let running = inside.known.values().filter(|one| one.end.is_none());
        if let Some(other) = running.into_iter().find(|one| one.subject == subject) {
            return Err(other.verb);
        }
        let id = inside.next;
        inside.next += 1;
        let operation = Operation {
            verb,
            subject: subject.to_owned(),
            by: by.to_owned(),
            started: Timestamp::now(),
            events: VecDeque::new(),
            forgotten: 0,
            end: None,
            abort: None,
            asker: None,
        };
        self.hub.tell(subject, "operation", &operation.told(id, &json!({ "began": true })));
        inside.known.insert(id, operation);
        let ended = inside.known.iter().filter(|(_, one)| one.end.is_some());
        let ended: Vec<u64> = ended.map(|(id, _)| *id).collect();
        for old in ended.iter().rev().skip(MOST_ENDED) {
            inside.known.remove(old);
        }
        Ok(id)
    }

    /// Tells how to end the operation, and whom to tell then.
    pub(crate) fn running(&self, id: u64, abort: AbortHandle, asker: UnboundedSender<Value>) {
        let mut inside = self.inside();
        if let Some(operation) = inside.known.get_mut(&id).filter(|one| one.end.is_none()) {
            operation.abort = Some(abort);
            operation.asker = Some(asker);
        }
    }

    /// Keeps what the operation said and tells everyone.
    pub(crate) fn said(&self, id: u64, event: Value) {
        let mut inside = self.inside();
        let Some(operation) = inside.known.get_mut(&id).filter(|one| one.end.is_none()) else {
            return;
        };
        let told = operation.told(id, &json!({ "event": event }));
        operation.events.push_back(event);
        if operation.events.len() > MOST_EVENTS {
            operation.events.pop_front();
            operation.forgotten += 1;
        }
        self.hub.tell(&operation.subject, "operation", &told);
    }

    /// Gives the subject free; `end` is `{"result":…}` or `{"error":…}`.
    pub(crate) fn end(&self, id: u64, end: Value) {
        let mut inside = self.inside();
        let Some(operation) = inside.known.get_mut(&id).filter(|one| one.end.is_none()) else {
            return;
        };
        let told = operation.told(id, &end);
        operation.end = Some(end);
        operation.abort = None;
        operation.asker = None;
        self.hub.tell(&operation.subject, "operation", &told);
    }

    /// Ends the operation where it waits; false if none of that number runs.
    pub(crate) fn cancel(&self, id: u64, by: &str) -> bool {
        let (abort, asker) = {
            let mut inside = self.inside();
            let running = inside.known.get_mut(&id).filter(|one| one.end.is_none());
            let Some(operation) = running else { return false };
            (operation.abort.take(), operation.asker.take())
        };
        if let Some(abort) = abort {
            abort.abort();
        }
        let message = format!("{by} ended it; what was already done stays");
        let error = Refusal::unfit("operation/cancelled", message)
            .hint("the same verb again carries on where it was");
        let end = json!({ "error": error.into_value() });
        self.end(id, end.clone());
        // Nobody may be listening any more.
        let _gone = asker.map(|asker| asker.send(end));
        true
    }

    /// All that are known, newest first.
    pub(crate) fn list(&self) -> Vec<Value> {
        let inside = self.inside();
        let line = |(id, one): (&u64, &Operation)| {
            let count = json!({ "running": one.end.is_none(),
                "events": one.events.len() + one.forgotten });
            one.told(*id, &count)
        };
        inside.known.iter().rev().map(line).collect()
    }

    /// One with all it said.
    pub(crate) fn one(&self, id: u64) -> Option<Value> {
        let inside = self.inside();
        let one = inside.known.get(&id)?;
        let mut value = one.told(id, one.end.as_ref().unwrap_or(&json!({})));
        value["running"] = one.end.is_none().into();
        value["forgotten"] = one.forgotten.into();
        value["events"] = one.events.iter().cloned().collect();
        Some(value)
    }

    /// What the operations under way have said until now, as the stream tells it.
    pub(crate) fn replay(&self, app: Option<&str>) -> Vec<Value> {
        let inside = self.inside();
        let mut told = Vec::new();
        let mine = |one: &&Operation| app.is_none_or(|app| one.subject == app) && one.end.is_none();
        for (id, one) in inside.known.iter().filter(|(_, one)| mine(one)) {
            told.push(one.told(*id, &json!({ "began": true })));
            told.extend(one.events.iter().map(|event| one.told(*id, &json!({ "event": event }))));
        }
        told
    }

    /// The verb that changes this app now.
    pub(crate) fn of(&self, app: &str) -> Option<&'static str> {
        let inside = self.inside();
        inside
            .known
            .values()
            .find(|one| one.end.is_none() && one.subject == app)
            .map(|one| one.verb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operations() -> Operations {
        Operations::new(Arc::new(Hub::new(1)), 1)
    }

    #[test]
    fn one_verb_at_a_time_on_one_app() {
        let operations = operations();
        let first = operations.begin("go", "a", "ana").expect("nothing runs yet");
        assert_eq!(operations.begin("stop", "a", "bo"), Err("go"));
        assert!(operations.begin("go", "b", "ana").is_ok());
        assert_eq!(operations.of("a"), Some("go"));
        operations.end(first, json!({ "result": 1 }));
        assert!(operations.begin("stop", "a", "ana").is_ok());
        assert!(!operations.cancel(first, "ana"), "an ended operation cannot be cancelled");
    }

    #[tokio::test]
    async fn who_asked_hears_that_it_was_cancelled() {
        let operations = operations();
        let id = operations.begin("go", "a", "ana").unwrap();
        let (asker, mut hears) = tokio::sync::mpsc::unbounded_channel();
        let task = tokio::spawn(std::future::pending::<()>());
        operations.running(id, task.abort_handle(), asker);
        assert!(operations.cancel(id, "bo"));
        assert!(task.await.is_err_and(|error| error.is_cancelled()));
        assert_eq!(hears.recv().await.unwrap()["error"]["code"], "operation/cancelled");
        assert!(hears.recv().await.is_none(), "nothing comes after the end");
    }

    #[test]
    fn who_comes_late_sees_all_of_it() {
        let operations = operations();
        let id = operations.begin("go", "a", "ana").unwrap();
        operations.said(id, json!({ "event": "note" }));
        let told = operations.replay(Some("a"));
        assert_eq!(told.len(), 2);
        assert_eq!(told[1]["event"]["event"], "note");
        assert!(operations.replay(Some("b")).is_empty());
        for _ in 0..MOST_EVENTS {
            operations.said(id, json!({ "event": "note" }));
        }
        assert_eq!(operations.list()[0]["events"], MOST_EVENTS + 1);
        assert_eq!(operations.one(id).unwrap()["forgotten"], 1);
        assert!(operations.cancel(id, "bo"));
        assert_eq!(operations.one(id).unwrap()["error"]["code"], "operation/cancelled");
        assert!(operations.replay(None).is_empty(), "it has ended");
    }

    #[test]
    fn what_ended_is_not_kept_for_ever() {
        let operations = operations();
        for _ in 0..MOST_ENDED * 2 {
            let id = operations.begin("go", "a", "ana").unwrap();
            operations.end(id, json!({ "result": 1 }));
        }
        assert!(operations.list().len() <= MOST_ENDED + 1);
    }
}
