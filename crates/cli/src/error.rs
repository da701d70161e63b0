//! What a person sees when something fails, and the exit code that scripts see.
//!
//! Shape: what was tried, why not, what next (`design/cli.md` section 5); one screen at most.

use std::process::ExitCode;

use serde_json::json;

/// Exit codes, as in `shelf help exit-codes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    Refused = 4,
    PlanHasChanges = 5,
    TimedOut = 6,
    Unreachable = 7,
    Cancelled = 130,
}

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: Code,
    /// A stable name such as `port/taken`.
    pub(crate) name: String,
    /// What was tried and why it failed.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: Option<String>,
    /// The error as the room below drew it (with source lines), printed instead of the message.
    pub(crate) rendered: Option<String>,
    /// What only `--json` says: the cause, and every diagnostic if the app itself is wrong.
    pub(crate) more: Option<Box<serde_json::Map<String, serde_json::Value>>>,
    /// Nothing is printed: it has been said already.
    pub(crate) silent: bool,
}

impl Failure {
    /// An error with its exit code, its stable name and what was tried and why it failed.
    pub(crate) fn new(code: Code, name: &str, message: impl Into<String>) -> Failure {
        Failure {
            code,
            name: name.to_owned(),
            message: message.into(),
            hint: None,
            rendered: None,
            more: None,
            silent: false,
        }
    }

    /// Adds what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// An exit code alone; what there is to say has been printed.
    pub(crate) fn silent(code: Code) -> Failure {
        Failure { silent: true, ..Failure::new(code, "said", "") }
    }

    /// Prints the error and returns the exit code.
    pub(crate) fn print(&self, as_json: bool) -> ExitCode {
        if self.silent {
            return ExitCode::from(self.code as u8);
        }
        if as_json {
            let mut error = json!({
                "code": self.name, "message": self.message, "hint": self.hint,
            });
            for (key, value) in self.more.iter().flat_map(|more| more.iter()) {
                error[key] = value.clone();
            }
            eprintln!("{}", json!({ "error": error }));
        } else if let Some(rendered) = &self.rendered {
            let rendered = inert(rendered);
            eprint!("{rendered}");
            if !rendered.ends_with('\n') {
                eprintln!();
            }
        } else {
            eprintln!("error[{}]: {}", self.name, inert(&self.message));
            if let Some(hint) = &self.hint {
                eprintln!("help: {}", inert(hint));
            }
        }
        ExitCode::from(self.code as u8)
    }
}

/// Text that programs and files had a hand in, harmless to a terminal: control characters would
/// command it.
pub(crate) fn inert(text: &str) -> String {
    let safe = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
    text.chars().map(safe).collect()
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::new(Code::Failed, "shelf", format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::inert;

    #[test]
    fn the_last_lines_of_a_failed_step_do_not_command_the_terminal() {
        assert_eq!(
            inert("a\x1b]0;title\x07\r\n\tb\u{9b}2J é"),
            "a\u{fffd}]0;title\u{fffd}\u{fffd}\n\tb\u{fffd}2J é"
        );
    }
}
