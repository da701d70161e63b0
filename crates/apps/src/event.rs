//! What a verb reports while it works: one closed enum, the same for a terminal, the canvas and
//! `--json` (one event a line). Where next: `progress.rs`, which makes most of them.

use serde::{Deserialize, Serialize};

/// One thing that happened while a verb ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// One line of what is about to change, ready to print.
    Plan {
        /// The line, without a line end.
        line: String,
    },
    /// A base image is being made or fetched for a block.
    Base {
        /// The block being built.
        block: String,
        /// What is happening, ready to print.
        text: String,
    },
    /// A build step starts, or was found in the cache.
    BuildStep {
        /// The block being built.
        block: String,
        /// From 1.
        index: usize,
        /// How many steps this build has.
        count: usize,
        /// The instruction as written.
        text: String,
        /// Whether the result was there already.
        cached: bool,
    },
    /// A line that a build step printed.
    BuildOutput {
        /// The block being built.
        block: String,
        /// The line, without a line end.
        line: String,
    },
    /// A block reached a state.
    Block {
        /// The block's name.
        name: String,
        /// The state reached.
        state: BlockState,
        /// A few words more: the image, the reason, the copies.
        detail: String,
        /// Seconds since the verb began.
        seconds: f64,
    },
    /// A wire reached a state.
    Wire {
        /// `block.socket` of the side that needs.
        consumer: String,
        /// The block that gives.
        provider: String,
        /// The interface with its major, such as `postgres/1`.
        interface: String,
        /// The state reached.
        state: WireState,
    },
    /// Something worth knowing that is no error.
    Note {
        /// One sentence.
        text: String,
    },
    /// The verb is done.
    Done {
        /// Where the app lives, if it has an address.
        url: Option<String>,
        /// Seconds since the verb began.
        seconds: f64,
    },
}

/// How far a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BlockState {
    /// Written in a file, never brought up.
    Draft,
    /// Its copies wait for what they are wired to.
    Waiting,
    /// Some wanted copies serve, others do not.
    Degraded,
    /// Its image is being built.
    Building,
    /// Its image is being fetched.
    Pulling,
    /// Its image is there.
    Built,
    /// Its objects are written; copies are coming up.
    Starting,
    /// Its `before` steps run.
    Preparing,
    /// All wanted copies are ready.
    Ready,
    /// Nothing had to change.
    Unchanged,
    /// It stops again and again, or is not ready in time.
    Failing,
    /// Scaled to nothing; the data stays.
    Stopped,
    /// Taken away.
    Removed,
}

/// How far a wire is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WireState {
    /// The provider made the wire's own login.
    Granted,
    /// The probe ran over the wire with the wire's own values.
    Probed,
}

/// Where a verb reports to while it works.
pub type Events<'a> = &'a mut (dyn FnMut(Event) + Send);
