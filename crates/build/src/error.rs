//! The one error type of this room: where in the Dockerfile, what failed, what to try.

use std::fmt;
use std::path::PathBuf;

/// What failed in a build.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The Dockerfile has errors; nothing was run. All of them, one line each.
    #[error("{}", lines(path, problems))]
    Syntax {
        /// The Dockerfile.
        path: PathBuf,
        /// In order of their lines.
        problems: Vec<Problem>,
    },
    /// The request cannot be carried out.
    #[error("{what}; {help}")]
    Request {
        /// What is wrong.
        what: String,
        /// What to do.
        help: String,
    },
    /// An instruction failed before or without running anything.
    #[error("{}:{line}: {text}: {reason}", path.display())]
    Instruction {
        /// The Dockerfile.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// The instruction.
        text: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The image store or a mount failed under an instruction.
    #[error("{}:{line}: {text}", path.display())]
    Image {
        /// The Dockerfile.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// The instruction.
        text: String,
        /// Why.
        #[source]
        source: Box<image::Error>,
    },
    /// An image that is not here could not be fetched.
    #[error("{}:{line}: {text}: {}", path.display(), why.line())]
    Registry {
        /// The Dockerfile.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// The instruction.
        text: String,
        /// Why; its code says what kind of failure. The message has it all.
        why: Box<registry::Error>,
    },
    /// A step could not be started.
    #[error("{}:{line}: {text}: cannot be run", path.display())]
    Start {
        /// The Dockerfile.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// The instruction.
        text: String,
        /// Why.
        #[source]
        source: Box<pod::Error>,
    },
    /// A step ran and failed.
    #[error("{}", failed(path, *line, text, *code, *oom_killed, last))]
    Failed {
        /// The Dockerfile.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// The instruction.
        text: String,
        /// Exit code; 128 + signal when a signal ended it.
        code: i32,
        /// The kernel killed it for lack of memory.
        oom_killed: bool,
        /// The last lines it printed.
        last: Vec<String>,
    },
    /// A file of the request could not be read.
    #[error("{operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The image store failed outside of an instruction.
    #[error("image store")]
    Store(#[source] Box<image::Error>),
    /// The caller stopped the build.
    #[error("the build was cancelled")]
    Cancelled,
}

/// One error in a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: String,
}

impl Problem {
    pub(crate) fn new(line: usize, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { line, what: what.into(), help: help.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.help)
    }
}

fn lines(path: &std::path::Path, problems: &[Problem]) -> String {
    let line = |problem: &Problem| format!("{}:{}: {problem}", path.display(), problem.line);
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn failed(
    path: &std::path::Path,
    line: usize,
    text: &str,
    code: i32,
    oom_killed: bool,
    last: &[String],
) -> String {
    let mut message = format!("{}:{line}: {text}\n  ended with exit code {code}", path.display());
    if !last.is_empty() {
        message.push_str("; the last it said:");
        for line in last {
            message.push_str("\n    ");
            message.push_str(line);
        }
    }
    let hint = match code {
        _ if oom_killed => {
            "it was killed for lack of memory: give the machine more, or build less at once"
        }
        126 => "the program cannot be executed: check its mode and its first line (#!)",
        127 => "the program was not found: is its package installed in an earlier step?",
        100 if text.contains("apt-get") && !text.contains("apt-get update") => {
            "put `apt-get update &&` before `apt-get install` in the same RUN: package lists are not in the image"
        }
        100 if text.contains("apt-get") => {
            "check the package names, and that the network reaches the mirror"
        }
        137 => "it was killed from outside",
        _ => "run the command by hand in a container of the step before to see more",
    };
    message.push_str("\n  try: ");
    message.push_str(hint);
    message
}
