//! `${NAME:-default}` in a compose file, filled from `.env` as Docker Compose does it. Where next:
//! `file.rs`, which asks for it.

use std::collections::{BTreeMap, BTreeSet};

/// Values of variables, and what was asked for.
#[derive(Default)]
pub(crate) struct Variables {
    values: BTreeMap<String, String>,
    /// Those that something used.
    pub(crate) used: BTreeSet<String>,
    /// Those that were used, have no value and no default.
    pub(crate) missing: BTreeSet<String>,
    /// Bytes that were put in.
    filled: usize,
}

/// How far a default inside a default is followed.
const MOST_NESTED: usize = 8;
/// Bytes that variables may add to a file; what is beyond stays empty.
const MOST_FILLED: usize = 4 * 1024 * 1024;

impl Variables {
    pub(crate) fn new(values: BTreeMap<String, String>) -> Self {
        Self { values, ..Self::default() }
    }

    /// A text with its variables filled in; `$$` is a dollar.
    pub(crate) fn fill(&mut self, text: &str) -> String {
        self.fill_within(text, 0)
    }

    fn fill_within(&mut self, text: &str, nested: usize) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some((inside, after)) = braced(rest) {
                out.push_str(&self.expand(inside, nested));
                rest = after;
            } else {
                let end = rest.find(|c: char| !named(c)).unwrap_or(rest.len());
                if end == 0 || rest.starts_with(|c: char| c.is_ascii_digit()) {
                    out.push('$');
                } else {
                    out.push_str(&self.value(&rest[..end], true).unwrap_or_default());
                    rest = &rest[end..];
                }
            }
        }
        out.push_str(rest);
        out
    }

    /// What stands between the braces: a name, and perhaps what to take without it.
    fn expand(&mut self, inside: &str, nested: usize) -> String {
        let end = inside.find(|c: char| !named(c)).unwrap_or(inside.len());
        let (name, rest) = inside.split_at(end);
        let (empty_counts, rest) = match rest.strip_prefix(':') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let other = |own: &mut Self, text: &str| match nested < MOST_NESTED {
            true => own.fill_within(text, nested + 1),
            false => text.to_owned(),
        };
        let Some(sign) = rest.chars().next() else {
            return self.value(name, true).unwrap_or_default();
        };
        let alternative = &rest[sign.len_utf8()..];
        let value =
            self.value(name, sign == '?').filter(|value| !(empty_counts && value.is_empty()));
        match (sign, value) {
            ('-' | '?', Some(value)) => value,
            ('-', None) | ('+', Some(_)) => other(self, alternative),
            _ => String::new(),
        }
    }

    fn value(&mut self, name: &str, wanted: bool) -> Option<String> {
        self.used.insert(name.to_owned());
        let value = self.values.get(name).filter(|value| self.filled + value.len() <= MOST_FILLED);
        let value = value.cloned();
        self.filled += value.as_ref().map_or(0, String::len);
        if value.is_none() && wanted {
            self.missing.insert(name.to_owned());
        }
        value
    }
}

fn named(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// What stands in `{…}` at the beginning, and what follows; braces inside count.
fn braced(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('{')?;
    let mut depth = 1usize;
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&inside[..at], &inside[at + 1..]));
        }
    }
    None
}

/// A line of an environment file: its number, the name, and the value if there is one.
pub(crate) type Line = (usize, String, Option<String>);

/// Reads a file such as `.env`: `NAME=value`, quotes, comments, `export`.
pub(crate) fn environment(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.trim(), Some(unquoted(value.trim()))),
            None => (line, None),
        };
        lines.push((index + 1, name.to_owned(), value));
    }
    lines
}

fn unquoted(value: &str) -> String {
    for quote in ['"', '\''] {
        let inside = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote));
        if let Some((inside, _)) = inside {
            return inside.to_owned();
        }
    }
    let end = value.find(" #").unwrap_or(value.len());
    value[..end].trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_fill_as_compose_fills_them() {
        let values = [("A", "1"), ("EMPTY", "")];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut all = Variables::new(BTreeMap::from(values));
        for (text, filled) in [
            ("$A-${A}", "1-1"),
            ("${B:-x}", "x"),
            ("${EMPTY:-x}${EMPTY-y}", "x"),
            ("${A:+on}${B:+off}", "on"),
            ("${B:-${C:-deep}}", "deep"),
            ("a$$b $ 5 $1", "a$b $ 5 $1"),
            ("${open", "${open"),
            ("{\"a\": ${A}}", "{\"a\": 1}"),
        ] {
            assert_eq!(all.fill(text), filled, "{text}");
        }
        assert!(all.missing.is_empty());
        assert_eq!(all.fill("${B:?give it}$D"), "");
        assert_eq!(all.missing.iter().collect::<Vec<_>>(), ["B", "D"]);
        assert!(all.used.contains("C"));
    }

    #[test]
    fn environment_files_have_quotes_and_comments() {
        let lines = environment("# x\nA=1 # one\nexport B=\"a # b\"\nC\nD='x=y'\n\nE=\n");
        let values: Vec<_> = lines.iter().map(|(n, k, v)| (*n, k.as_str(), v.as_deref())).collect();
        assert_eq!(
            values,
            [
                (2, "A", Some("1")),
                (3, "B", Some("a # b")),
                (4, "C", None),
                (5, "D", Some("x=y")),
                (7, "E", Some("")),
            ]
        );
    }
}
