//! What can go wrong with a verb, and how it is told: what was tried, why not, what next.
//! Where next: `failure.rs`, which finds out why a copy does not come up.

use std::fmt::Write as _;
use std::path::PathBuf;

use composer::Diagnostic;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Why a verb did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the app could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of the app could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An edit was made for a text that is not there any more.
    #[error("{what}")]
    Stale {
        /// What was to be changed, and how it stands now.
        what: String,
    },
    /// There is nothing that this person could undo or redo.
    #[error("there is nothing to {verb} for {by}")]
    NoHistory {
        /// `undo` or `redo`.
        verb: &'static str,
        /// The person.
        by: String,
    },
    /// The app is wrong; every reason is listed.
    #[error("{}", summary(.0))]
    Wrong(Vec<Diagnostic>),
    /// A block's source folder is missing, or has no Dockerfile.
    #[error("block {block} cannot be built: {reason}")]
    Source {
        /// The block.
        block: String,
        /// What is missing.
        reason: String,
    },
    /// There is no such app on the target.
    #[error("there is no app {0} here")]
    Absent(String),
    /// An app of this name is there already.
    #[error("there is an app {app} already, in {dir}")]
    Taken {
        /// The name.
        app: String,
        /// Its folder.
        dir: PathBuf,
    },
    /// A secret that a person has to give was not given.
    #[error("{block} wants the secret {name}, and nobody gave it")]
    NotGiven {
        /// The block.
        block: String,
        /// The secret.
        name: String,
    },
    /// Something was asked for that cannot be.
    #[error("{message}")]
    Unfit {
        /// The stable code.
        code: &'static str,
        /// What cannot be, and why not.
        message: String,
    },
    /// An image could not be built.
    #[error("cannot build {block}")]
    Build {
        /// The block, or the name of the image.
        block: String,
        /// Why.
        #[source]
        source: Box<build::Error>,
        /// The last lines that the failing step printed.
        lines: Vec<String>,
    },
    /// The image store refused something.
    #[error("image store: {what}")]
    Image {
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: image::Error,
    },
    /// The Kubernetes API refused something or could not be reached.
    #[error("cannot {what}")]
    Api {
        /// What was tried on which object.
        what: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// Watching the app's objects failed.
    #[error("cannot watch the objects of {app}")]
    Watch {
        /// The app.
        app: String,
        /// Why.
        #[source]
        source: Box<kube::runtime::watcher::Error>,
    },
    /// A copy of a block does not stay up, or cannot be started at all.
    #[error("{block} {what}")]
    Start {
        /// The block.
        block: String,
        /// What happened to which pod.
        what: String,
        /// The last lines it printed.
        lines: Vec<String>,
        /// Where an older version still answers, if one does.
        still_at: Option<String>,
    },
    /// A step before the start failed.
    #[error("the step {step} of {block} failed; no new copy was started")]
    Step {
        /// The block.
        block: String,
        /// The step.
        step: String,
        /// The last lines it printed.
        lines: Vec<String>,
    },
    /// The login of a wire could not be made.
    #[error("{provider} could not make a login for {wire}")]
    Grant {
        /// `consumer.socket`.
        wire: String,
        /// The block that gives.
        provider: String,
        /// The last lines its program printed.
        lines: Vec<String>,
    },
    /// A password that was born with a disk is gone, and the disk is not.
    #[error("the secret {secret} is gone, but the disk it was made for is there: {disk}")]
    Lost {
        /// The Secret.
        secret: String,
        /// The disk.
        disk: String,
    },
    /// The Secret that a service from outside is known by is not there, or lacks values.
    #[error("the secret {secret} of a service from outside lacks {}", keys.join(", "))]
    Outside {
        /// The app, whose namespace the Secret must be in.
        app: String,
        /// The Secret.
        secret: String,
        /// The keys it lacks.
        keys: Vec<String>,
    },
    /// Something was not ready in time; it goes on starting.
    #[error("not ready after {seconds} s: {waiting}")]
    Timeout {
        /// How long was waited.
        seconds: u64,
        /// What is missing.
        waiting: String,
        /// The last lines of what is missing.
        lines: Vec<String>,
    },
    /// The copies are ready, but nothing answers at the app's address.
    #[error("{app} is up, but nothing answers at {address}: {why}")]
    Address {
        /// The app.
        app: String,
        /// Where it should answer.
        address: String,
        /// What came instead.
        why: String,
    },
    /// There is no release to return to.
    #[error("{app} has no release {wanted}")]
    NoRelease {
        /// The app.
        app: String,
        /// What was asked for.
        wanted: String,
        /// The releases there are, the newest first.
        known: Vec<String>,
    },
    /// The image of an earlier release is no longer in the store.
    #[error("the image of {block} in release {release} is gone from the store")]
    ImageGone {
        /// The block.
        block: String,
        /// The release.
        release: String,
    },
    /// What was sent is no source folder.
    #[error("the code that was sent cannot be taken: {reason}")]
    Code {
        /// What is wrong with it.
        reason: String,
        /// Why, if the stream or the disk said so.
        #[source]
        source: Option<std::io::Error>,
    },
    /// What was pushed did not become ready, and the app is what it was before.
    #[error("{cause}; went back to release {release}")]
    WentBack {
        /// Why it did not become ready.
        cause: Box<Error>,
        /// The release that runs again.
        release: String,
        /// When that was complete, RFC 3339.
        at: String,
    },
    /// What was pushed did not become ready, and the release before did not either.
    #[error("{cause}; and release {release} could not be brought back: {back}")]
    Stuck {
        /// Why it did not become ready.
        cause: Box<Error>,
        /// Why the one before could not be brought back.
        back: Box<Error>,
        /// The release that was to run again.
        release: String,
    },
    /// A shell in a copy could not be used.
    #[error("cannot {what} a shell in {block}")]
    Shell {
        /// The block.
        block: String,
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: Box<pod::Error>,
    },
    /// A file of ours could not be read or written.
    #[error("cannot {what}")]
    File {
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A program that says or takes a block's data failed.
    #[error("{verb} of {block} failed: {why}")]
    Program {
        /// The block.
        block: String,
        /// `backup`, `restore`, `measure` or `mount`.
        verb: &'static str,
        /// How it failed.
        why: String,
        /// The last lines it printed.
        lines: Vec<String>,
    },
    /// A backup cannot be used.
    #[error("the backup {name} cannot be used; nothing was changed")]
    Backup {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: crate::data::Damage,
    },
    /// Something about data that is refused before anything is changed.
    #[error("{message}")]
    Data {
        /// A stable code.
        code: &'static str,
        /// What, and why not.
        message: String,
        /// What next.
        hint: Option<String>,
    },
    /// A restore failed after it had begun; what was there before is kept.
    #[error("{cause}; {app} is half restored")]
    Half {
        /// What failed.
        cause: Box<Error>,
        /// The app.
        app: String,
        /// The backup of what was there.
        kept: String,
    },
    /// A task of ours ended badly; this is a bug.
    #[error("a task of {what} ended badly")]
    Task {
        /// What it did.
        what: String,
        /// How it ended.
        #[source]
        source: tokio::task::JoinError,
    },
}

/// An error as data: for `--json`, for HTTP, and as text for a terminal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// A stable code such as `start/crash`.
    pub code: String,
    /// One line.
    pub message: String,
    /// The causes below it, joined.
    pub cause: Option<String>,
    /// The next thing to try.
    pub hint: Option<String>,
    /// Everything as text, at most one screen, without colour.
    pub rendered: String,
    /// Every diagnostic, if the app itself is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
}

impl Error {
    pub(crate) fn api(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Api { what, source: Box::new(source) }
    }

    /// The error as data.
    pub fn report(&self) -> ErrorReport {
        if let Self::Wrong(diagnostics) = self {
            return ErrorReport {
                code: diagnostics.first().map_or("app/wrong".into(), |one| one.code.clone()),
                message: self.to_string(),
                cause: None,
                hint: None,
                rendered: composer::render(diagnostics),
                diagnostics: diagnostics.clone(),
            };
        }
        if let Self::WentBack { cause, release, at } = self {
            return went_back(cause.report(), self.to_string(), release, at);
        }
        let (code, message, cause) = (self.code(), self.to_string(), self.cause());
        let hint = self.hint();
        let mut rendered = format!("error[{code}]: {message}\n");
        if let Some(cause) = &cause {
            let _ = writeln!(rendered, "  {cause}");
        }
        for (index, line) in self.lines().iter().enumerate() {
            let lead = if index == 0 { "last lines:" } else { "" };
            let _ = writeln!(rendered, "  {lead:<11} {line}");
        }
        if let Self::Start { still_at: Some(url), .. } = self {
            let _ = writeln!(rendered, "  the old version still serves {url}");
        }
        if let Some(hint) = &hint {
            let _ = writeln!(rendered, "help: {hint}");
        }
        ErrorReport {
            code: code.to_owned(),
            message,
            cause,
            hint,
            rendered,
            diagnostics: Vec::new(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "app/read",
            Self::Write { .. } => "app/write",
            Self::Stale { .. } => "edit/stale",
            Self::NoHistory { .. } => "edit/history",
            Self::Wrong(_) => "app/wrong",
            Self::Source { .. } => "block/source",
            Self::Absent(_) => "app/absent",
            Self::NotGiven { .. } => "secret/given",
            Self::Taken { .. } => "app/taken",
            Self::Unfit { code, .. } => code,
            Self::Build { .. } => "build/failed",
            Self::Image { .. } => "image/store",
            Self::Api { .. } => "api/refused",
            Self::Watch { .. } => "api/watch",
            Self::Start { .. } => "start/crash",
            Self::Step { .. } => "start/step",
            Self::Grant { .. } => "wire/grant",
            Self::Timeout { .. } => "start/timeout",
            Self::Lost { .. } => "secret/lost",
            Self::Outside { .. } => "secret/outside",
            Self::Address { .. } => "start/address",
            Self::NoRelease { .. } => "release/absent",
            Self::ImageGone { .. } => "release/image",
            Self::Code { .. } => "push/code",
            Self::WentBack { .. } => "push/back",
            Self::Stuck { .. } => "push/stuck",
            Self::Shell { .. } => "copy/shell",
            Self::File { .. } => "data/file",
            Self::Program { .. } => "data/program",
            Self::Backup { source: crate::data::Damage::Key(_), .. } => "backup/key",
            Self::Backup { .. } => "backup/damaged",
            Self::Data { code, .. } => code,
            Self::Half { .. } => "restore/half",
            Self::Task { .. } => "internal/task",
        }
    }

    fn lines(&self) -> &[String] {
        match self {
            // A failed step's own message ends with them already.
            Self::Build { source, .. } if matches!(**source, build::Error::Failed { .. }) => &[],
            Self::Half { cause, .. } => cause.lines(),
            Self::Build { lines, .. }
            | Self::Start { lines, .. }
            | Self::Step { lines, .. }
            | Self::Grant { lines, .. }
            | Self::Program { lines, .. }
            | Self::Timeout { lines, .. } => lines,
            _ => &[],
        }
    }

    fn cause(&self) -> Option<String> {
        let mut causes: Vec<String> = Vec::new();
        let mut next = std::error::Error::source(self);
        while let Some(error) = next {
            let text = error.to_string();
            // Some libraries repeat their source in their own message.
            if causes.last().is_none_or(|last| !last.contains(&text)) {
                causes.push(text);
            }
            next = error.source();
        }
        (!causes.is_empty()).then(|| causes.join(": "))
    }

    /// Whether the target could not be reached at all.
    pub fn unreachable(&self) -> bool {
        match self {
            Self::Api { source, .. } => !matches!(**source, kube::Error::Api(_)),
            _ => false,
        }
    }

    /// Whether the kernel said so; rooms below pass its words on, not all as an `io::Error`.
    fn disk_full(&self) -> bool {
        self.cause().is_some_and(|cause| cause.contains("No space left on device"))
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Stale { .. } => "look at the file as it is now, then say it again".into(),
            Self::NoHistory { .. } => "what was done by whom:  shelf undo --list".into(),
            Self::NotGiven { block, name } => {
                format!("shelf set {block} --secret {name}   then   shelf go")
            }
            Self::Absent(app) => format!("go into the folder of {app} and say:  shelf go"),
            Self::Taken { .. } => "choose another name, or open that folder".into(),
            Self::Build { .. } if self.disk_full() => {
                "make room where the server's data directory is, then:  shelf go        what is kept:  shelf images".into()
            }
            Self::Build { .. } => {
                "every finished step is cached; correct it, then:  shelf go".into()
            }
            Self::Start { block, .. } => format!(
                "correct it, then:  shelf go        whole log:  shelf logs {block} --previous"
            ),
            Self::Step { block, .. } => {
                format!("correct it, then:  shelf go        whole log:  shelf logs {block}")
            }
            Self::Grant { provider, .. } => format!("look:  shelf logs {provider}"),
            Self::Timeout { .. } => {
                "it goes on starting; look:  shelf status        wait longer:  shelf go".into()
            }
            Self::Source { .. } => "give it a Dockerfile".into(),
            Self::Data { hint, .. } => return hint.clone(),
            Self::Half { app, kept, .. } => format!(
                "what was there:  shelf -a {app} restore {kept} --no-backup        or once more what you wanted"
            ),
            Self::Backup { source: crate::data::Damage::Key(_), .. } => {
                "give its key:  --key-file FILE, or - for standard input".into()
            }
            Self::Backup { .. } => "use another:  shelf backup list".into(),
            Self::Program { block, .. } => format!("look:  shelf logs {block}"),
            Self::NoRelease { known, .. } if known.is_empty() => {
                "nothing was released yet:  shelf go".into()
            }
            Self::NoRelease { known, .. } => format!("there are: {}", known.join(", ")),
            Self::ImageGone { .. } => "build it again from its source:  shelf go".into(),
            Self::Stuck { .. } => "look:  shelf status        back to an earlier release:  shelf open".into(),
            Self::Outside { app, secret, keys } => {
                let values: Vec<String> =
                    keys.iter().map(|key| format!("--from-literal={key}=…")).collect();
                format!(
                    "make it:  shelf kubectl -n {app} create secret generic {secret} {}",
                    values.join(" ")
                )
            }
            Self::Lost { secret, disk } => format!(
                "a new one would not open the data, so none was made; restore {secret}, or delete {disk}"
            ),
            _ => return None,
        })
    }
}

/// Diagnostics for a program that draws them beside the text: places as numbers, a command where
/// the way out is one.
pub fn diagnostics_value(diagnostics: &[Diagnostic]) -> Value {
    let one = |diagnostic: &Diagnostic| {
        let mut value = json!({ "code": diagnostic.code, "message": diagnostic.message });
        if let Some(span) = &diagnostic.span {
            value["file"] = span.file.clone().into();
            value["line"] = span.line.into();
            value["column"] = span.column.into();
            value["end_column"] = (span.column + span.length).into();
        }
        let side = |side: &composer::Side| {
            let mut value = json!({ "label": side.label, "value": side.value });
            let at = side.at.as_ref().and_then(|at| at.rsplit_once(':'));
            if let Some((file, line)) = at {
                value["file"] = file.into();
                value["line"] = line.parse::<usize>().unwrap_or(0).into();
            }
            value
        };
        let help = |help: &composer::Help| {
            let mut value = json!({ "text": help.text });
            if !help.action.is_empty() {
                value["command"] = help.action.clone().into();
            }
            value
        };
        value["sides"] = diagnostic.sides.iter().map(side).collect();
        value["help"] = diagnostic.help.iter().map(help).collect();
        value
    };
    diagnostics.iter().map(one).collect()
}

/// The report of what went wrong, with what was done about it.
fn went_back(cause: ErrorReport, message: String, release: &str, at: &str) -> ErrorReport {
    let hint = "correct it, then:  shelf push".to_owned();
    let said = cause.rendered.lines().filter(|line| {
        // What was true while it failed: now there is a better answer to both.
        !line.starts_with("help: ")
            && !line.trim_start().starts_with("the old version still serves")
    });
    let mut rendered = said.collect::<Vec<_>>().join("\n");
    let _ = write!(
        rendered,
        "\n  went back to release {release} of {at}; it serves as before\nhelp: {hint}\n"
    );
    ErrorReport { code: "push/back".into(), message, hint: Some(hint), rendered, ..cause }
}

fn summary(diagnostics: &[Diagnostic]) -> String {
    match diagnostics {
        [] => "the app is wrong".to_owned(),
        [one] => one.message.clone(),
        [first, rest @ ..] => format!("{}, and {} more", first.message, rest.len()),
    }
}
