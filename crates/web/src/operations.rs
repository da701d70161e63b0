//! Verbs that are under way: which, on what, and how to end them.
//!
//! One verb that changes an app at a time: two `go` on one app would undo each other's work.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::task::AbortHandle;

/// The verbs under way.
#[derive(Default)]
pub(crate) struct Operations {
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    next: u64,
    running: HashMap<u64, Running>,
}

struct Running {
    verb: &'static str,
    subject: String,
    abort: Option<AbortHandle>,
}

impl Operations {
    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        // The map is whole after every statement, so a panic elsewhere cannot have broken it.
        self.inside.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes the subject (an app's name or folder) for `verb`.
    ///
    /// # Errors
    /// The verb that holds the subject, if one does.
    pub(crate) fn begin(&self, verb: &'static str, subject: &str) -> Result<u64, &'static str> {
        let mut inside = self.inside();
        if let Some(other) = inside.running.values().find(|running| running.subject == subject) {
            return Err(other.verb);
        }
        inside.next += 1;
        let id = inside.next;
        let running = Running { verb, subject: subject.to_owned(), abort: None };
        inside.running.insert(id, running);
        Ok(id)
    }

    /// Tells how to end the operation.
    pub(crate) fn running(&self, id: u64, abort: AbortHandle) {
        if let Some(running) = self.inside().running.get_mut(&id) {
            running.abort = Some(abort);
        }
    }

    /// Gives the subject free.
    pub(crate) fn end(&self, id: u64) {
        self.inside().running.remove(&id);
    }

    /// Ends the operation where it waits; false if there is none of that number.
    pub(crate) fn cancel(&self, id: u64) -> bool {
        let Some(running) = self.inside().running.remove(&id) else { return false };
        if let Some(abort) = running.abort {
            abort.abort();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_verb_at_a_time_on_one_app() {
        let operations = Operations::default();
        let first = operations.begin("go", "/a").expect("nothing runs yet");
        assert_eq!(operations.begin("stop", "/a"), Err("go"));
        assert!(operations.begin("go", "/b").is_ok());
        operations.end(first);
        assert!(operations.begin("stop", "/a").is_ok());
        assert!(!operations.cancel(first), "an ended operation cannot be cancelled");
    }
}
