//! The syntax of Dockerfiles: text to instructions, every error with its line.
//!
//! A lexer of our own: the crates at hand drop the names of here-documents, which `COPY <<NAME`
//! needs, and stop at the first error. Nothing is substituted here. Next: `dockerfile/lines.rs`,
//! `dockerfile/instruction.rs`, then `plan.rs`.

mod instruction;
mod lines;

pub(crate) use instruction::parse_one;
pub(crate) use lines::HereDoc;

use crate::error::Problem;

/// Largest Dockerfile, in bytes.
const TEXT_MAX: usize = 1 << 20;

/// One instruction and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// Line of its first word, from 1.
    pub(crate) line: usize,
    /// As written, on one line.
    pub(crate) text: String,
    pub(crate) kind: Kind,
}

/// What an instruction says; words are as written, with quotes and variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    From { image: String, name: Option<String>, platform: Option<String> },
    Run(Run),
    Copy(Copy),
    Env(Vec<(String, String)>),
    Arg(Vec<(String, Option<String>)>),
    Workdir(String),
    User(String),
    Expose(Vec<String>),
    Volume(Vec<String>),
    Label(Vec<(String, String)>),
    Entrypoint(Command),
    Cmd(Command),
    Healthcheck(Healthcheck),
    Shell(Vec<String>),
    Stopsignal(String),
    Onbuild(String),
    Maintainer(String),
}

/// A command line in one of its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// `["program", "argument"]`.
    Exec(Vec<String>),
    /// Text for the shell.
    Shell(String),
}

/// `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) command: Command,
    pub(crate) heredocs: Vec<HereDoc>,
    /// `--network=none`.
    pub(crate) network: bool,
}

/// `COPY` and `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy {
    /// `ADD` unpacks archives.
    pub(crate) add: bool,
    pub(crate) sources: Vec<String>,
    pub(crate) heredocs: Vec<HereDoc>,
    pub(crate) to: String,
    pub(crate) from: Option<String>,
    pub(crate) chown: Option<String>,
    pub(crate) chmod: Option<String>,
}

/// `HEALTHCHECK`; durations in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Healthcheck {
    /// None for `NONE`.
    pub(crate) command: Option<Command>,
    pub(crate) interval: i64,
    pub(crate) timeout: i64,
    pub(crate) start_period: i64,
    pub(crate) start_interval: i64,
    pub(crate) retries: i64,
}

/// Parses a whole Dockerfile; on failure all problems, in order.
pub(crate) fn parse(text: &str) -> Result<Vec<Instruction>, Vec<Problem>> {
    if text.len() > TEXT_MAX {
        return Err(vec![Problem::new(1, "the file is over 1 MiB", "is this a Dockerfile?")]);
    }
    let mut problems = Vec::new();
    let mut instructions = Vec::new();
    for logical in lines::split(text, &mut problems) {
        match instruction::parse(&logical) {
            Ok(instruction) => instructions.push(instruction),
            Err(problem) => problems.push(problem),
        }
    }
    problems.sort_by_key(|problem| problem.line);
    if problems.is_empty() { Ok(instructions) } else { Err(problems) }
}

#[cfg(test)]
mod tests;
