//! Refusals: what was tried, why not, both sides' values, and the next thing to try.
//!
//! One shape for every error about an app, drawn by one function. Diagnostics are collected, so
//! that one run of `check` shows everything that is wrong. Where next: `check.rs`.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::source::Span;

/// One thing that is wrong with an app, a module or an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Diagnostic {
    /// A stable code such as `wire/type`.
    pub code: String,
    /// One sentence: what cannot be done.
    pub message: String,
    /// Where it was written.
    pub span: Option<Box<Span>>,
    /// The values that do not fit each other.
    pub sides: Vec<Side>,
    /// What to try next.
    pub help: Vec<Help>,
}

/// One side of a disagreement: who, and the value it has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Side {
    /// Who and what, such as `web needs`.
    pub label: String,
    /// The value.
    pub value: String,
    /// Where that value is written, as `file:line`.
    pub at: Option<String>,
}

/// A way out: a phrase, and what to type or write.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Help {
    /// A phrase, without a colon.
    pub text: String,
    /// A command or a line of the file; may be empty.
    pub action: String,
}

impl Diagnostic {
    pub(crate) fn new(code: &str, span: &Span, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            span: Some(Box::new(span.clone())),
            sides: Vec::new(),
            help: Vec::new(),
        }
    }

    pub(crate) fn side(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.sides.push(Side { label: label.into(), value: value.into(), at: None });
        self
    }

    pub(crate) fn side_at(
        mut self,
        label: impl Into<String>,
        value: impl Into<String>,
        span: &Span,
    ) -> Self {
        let at = Some(format!("{}:{}", span.file, span.line));
        self.sides.push(Side { label: label.into(), value: value.into(), at });
        self
    }

    pub(crate) fn help(mut self, text: impl Into<String>, action: impl Into<String>) -> Self {
        self.help.push(Help { text: text.into(), action: action.into() });
        self
    }

    /// Help that names the nearest known word, or all of them if none is near.
    pub(crate) fn did_you_mean<'a>(
        self,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        match crate::suggest::nearest(name, &known) {
            Some(near) => self.help("did you mean", near),
            None if known.is_empty() => self,
            None => self.help("known here", known.join(", ")),
        }
    }
}

/// Draws diagnostics as plain text, each with its place, the line itself and the way out.
///
/// ```
/// let error = composer::App::parse("app.toml", "app = \"shop\"\n[db]\nuze = \"postgres@15\"\n");
/// let text = composer::render(&error.unwrap_err());
/// assert!(text.contains("app.toml:3:1"));
/// assert!(text.contains("did you mean: use"));
/// ```
pub fn render(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(render_one).collect::<Vec<_>>().join("\n")
}

fn render_one(diagnostic: &Diagnostic) -> String {
    let mut out = format!("error[{}]: {}\n", diagnostic.code, diagnostic.message);
    if let Some(span) = &diagnostic.span {
        let gutter = span.line.to_string().len();
        let _ = writeln!(out, "{:gutter$}--> {span}", "");
        let _ = writeln!(out, "{:gutter$} |", "");
        let _ = writeln!(out, "{} | {}", span.line, span.text.replace('\t', " "));
        let indent = span.column - 1;
        let _ = writeln!(out, "{:gutter$} | {:indent$}{}", "", "", "^".repeat(span.length));
    }
    let width = diagnostic.sides.iter().map(|side| side.label.chars().count()).max().unwrap_or(0);
    let values = diagnostic.sides.iter().map(|side| side.value.chars().count()).max().unwrap_or(0);
    for side in &diagnostic.sides {
        let line = match &side.at {
            Some(at) => format!("  {:width$} {:values$}   ({at})", side.label, side.value),
            None => format!("  {:width$} {}", side.label, side.value),
        };
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let width = diagnostic.help.iter().map(|help| help.text.chars().count()).max().unwrap_or(0);
    for (index, help) in diagnostic.help.iter().enumerate() {
        let lead = if index == 0 { "help:" } else { "     " };
        let line = if help.action.is_empty() {
            format!("{lead} {}", help.text)
        } else {
            format!("{lead} {:<1$} {2}", format!("{}:", help.text), width + 1, help.action)
        };
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}
