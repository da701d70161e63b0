//! A file's text, and places in it. Every value read from an app, module or interface file keeps
//! its place, so that a refusal can point at it. Where next: `diagnostic.rs`.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A file as it was given to us: its name for messages, and its text.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    path: Arc<str>,
    text: Arc<str>,
    /// Where each line begins: each value has a place, and a search for each would be quadratic.
    lines: Arc<[usize]>,
}

/// A place in a file, for a person: line and column count from 1, in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// The file's name as it was given to the parser.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Length in characters within this line, at least 1.
    pub length: usize,
    /// The whole line, for the excerpt.
    pub text: String,
}

impl std::fmt::Display for Span {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

impl<T> Spanned<T> {
    pub(crate) fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        Self { path: path.into(), text: text.into(), lines }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The place of a byte range; a range past the end points at the end.
    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        let text = &*self.text;
        let mut start = range.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let line = self.lines.partition_point(|&begin| begin <= start);
        let line_start = line.checked_sub(1).and_then(|at| self.lines.get(at)).map_or(0, |at| *at);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let mut end = range.end.clamp(start, line_end);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Span {
            file: self.path.to_string(),
            line,
            column: text[line_start..start].chars().count() + 1,
            length: text[start..end].chars().count().max(1),
            text: text[line_start..line_end].trim_end_matches('\r').to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let source = Source::new("app.toml", "app = \"é\"\n[db]\nuse = \"x\"\n");
        let span = source.span(source.text().find("use").unwrap()..source.text().len());
        assert_eq!((span.line, span.column, span.length), (3, 1, 9));
        assert_eq!(span.text, "use = \"x\"");
        let inside = source.text().find('é').unwrap() + 1;
        assert_eq!(source.span(inside..inside + 1).column, 8);
    }

    #[test]
    fn a_range_past_the_end_is_the_end() {
        let span = Source::new("a", "x\n").span(90..99);
        assert_eq!((span.line, span.column, span.length), (2, 1, 1));
    }
}
