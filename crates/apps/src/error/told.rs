//! An error as data and as text: its code, its causes, the next thing to try.

use std::fmt::Write as _;

use composer::Diagnostic;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Error;

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
