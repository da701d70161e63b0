//! The account of a foreign file: what became of every value in it.
//!
//! The account is opened with every value of the file, and whatever nobody speaks for is told as
//! not taken over. So nothing can be dropped in silence: a new key of the foreign language shows
//! up by itself. Where next: `compose.rs`, which fills it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::yaml::Node;

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The app does the same.
    Mapped,
    /// The app does what was probably meant.
    Guessed,
    /// The app does not do this.
    NotMapped,
}

/// One value of the foreign file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The file, as it was named.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// Its path, such as `services.web.ports.0`.
    pub path: String,
    /// What became of it.
    pub state: State,
    /// Where it is in the app file now, such as `web.run.web.port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub becomes: Option<String>,
    /// What it stands for now, or why not.
    pub why: String,
    /// What a person may do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What is said of a value.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    state: State,
    becomes: Option<String>,
    why: String,
    next: Option<String>,
}

impl Verdict {
    pub(crate) fn mapped(becomes: impl Into<String>) -> Self {
        Self { state: State::Mapped, becomes: Some(becomes.into()), why: String::new(), next: None }
    }

    /// The same is so here without a line in the app file.
    pub(crate) fn so_anyway(why: impl Into<String>) -> Self {
        Self { state: State::Mapped, becomes: None, why: why.into(), next: None }
    }

    pub(crate) fn guessed(becomes: impl Into<String>, why: impl Into<String>) -> Self {
        Self { state: State::Guessed, becomes: Some(becomes.into()), why: why.into(), next: None }
    }

    pub(crate) fn not(why: impl Into<String>) -> Self {
        Self { state: State::NotMapped, becomes: None, why: why.into(), next: None }
    }

    pub(crate) fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// A value that is accounted for.
struct Leaf {
    file: String,
    line: usize,
    path: String,
    id: usize,
}

/// The account.
#[derive(Default)]
pub(crate) struct Ledger {
    leaves: Vec<Leaf>,
    said: BTreeMap<usize, Verdict>,
    /// What is said of values that nobody spoke for by the end.
    rest: BTreeMap<usize, Verdict>,
    /// What else is to be told, of no value by itself.
    pub(crate) notes: Vec<String>,
}

impl Ledger {
    /// Opens the account of a file.
    pub(crate) fn open(&mut self, file: &str, document: &Node) {
        for (path, node) in document.leaves() {
            let (file, line) = (file.to_owned(), node.line);
            self.leaves.push(Leaf { file, line, path, id: node.id });
        }
    }

    /// One value of a file that is no YAML, such as a line of `.env`.
    pub(crate) fn line(&mut self, id: usize, file: &str, line: usize, path: &str) {
        self.leaves.push(Leaf { file: file.to_owned(), line, path: path.to_owned(), id });
    }

    /// Says what became of everything below `node` that nobody spoke for yet.
    pub(crate) fn say(&mut self, node: &Node, verdict: &Verdict) {
        for (_, leaf) in node.leaves() {
            self.said.entry(leaf.id).or_insert_with(|| verdict.clone());
        }
    }

    /// The same of one value.
    pub(crate) fn say_of(&mut self, id: usize, verdict: Verdict) {
        self.said.entry(id).or_insert(verdict);
    }

    /// Says what becomes of everything below `node` that nobody speaks for by the end.
    pub(crate) fn say_of_rest(&mut self, node: &Node, verdict: &Verdict) {
        for (_, leaf) in node.leaves() {
            self.rest.entry(leaf.id).or_insert_with(|| verdict.clone());
        }
    }

    /// Closes the account: one row for every value, in the order of the files.
    pub(crate) fn rows(self) -> (Vec<Row>, Vec<String>) {
        let rows = self.leaves.into_iter().map(|leaf| {
            let verdict =
                self.said.get(&leaf.id).or(self.rest.get(&leaf.id)).cloned().unwrap_or_else(|| {
                    Verdict::not("there is nothing here that it could become")
                        .next("see whether the app needs it; if it does, it is missing")
                });
            Row {
                file: leaf.file,
                line: leaf.line,
                path: leaf.path,
                state: verdict.state,
                becomes: verdict.becomes,
                why: verdict.why,
                next: verdict.next,
            }
        });
        (rows.collect(), self.notes)
    }
}
