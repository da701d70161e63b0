//! Where modules are made: a new folder, what a linter says of it, and a trial in an app of its own.
//!
//! A trial uses nothing but the verbs an app uses: what it shows is what a user will see. Where
//! next: `workshop/trial.rs`.

mod inspect;
mod new;
mod scratch;
mod trial;

use serde::{Deserialize, Serialize};

pub use inspect::inspect;
pub(crate) use inspect::look;
pub use new::{NewModule, new_module};
pub use scratch::end_trials;
pub use trial::{TrialOptions, trial};

/// How a check of a module ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckState {
    /// As it should be.
    Passed,
    /// Not as it should be.
    Failed,
    /// The module has nothing of the kind.
    None,
}

/// One thing that was looked at or tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What, such as `rotate sql`.
    pub name: String,
    /// How it ended.
    pub state: CheckState,
    /// How long it took.
    pub seconds: f64,
    /// A few words: what was seen, or what is wrong.
    pub detail: String,
}

/// What a trial of a module showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialReport {
    /// Its name.
    pub module: String,
    /// Its version.
    pub version: String,
    /// Whether no check failed.
    pub passed: bool,
    /// Everything that was looked at, in order. After a failed start nothing more is tried.
    pub checks: Vec<Check>,
}

impl TrialReport {
    fn add(&mut self, name: impl Into<String>, state: CheckState, detail: impl Into<String>) {
        self.timed(name, state, detail, 0.0);
    }

    fn timed(
        &mut self,
        name: impl Into<String>,
        state: CheckState,
        detail: impl Into<String>,
        seconds: f64,
    ) {
        self.passed &= state != CheckState::Failed;
        let (name, detail) = (name.into(), detail.into());
        self.checks.push(Check { name, state, seconds, detail });
    }
}
