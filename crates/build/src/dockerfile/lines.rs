//! Physical lines to logical ones: directives, comments, continuations, here-documents.

use crate::error::Problem;

/// One instruction's text before it is parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logical {
    /// Line of its first word, from 1.
    pub(crate) line: usize,
    /// Continuations joined, without here-documents.
    pub(crate) text: String,
    pub(crate) heredocs: Vec<HereDoc>,
}

/// A here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HereDoc {
    /// The word that ends it; the file's name for `COPY`.
    pub(crate) name: String,
    /// Variables in it are substituted: the word was not quoted.
    pub(crate) expand: bool,
    /// The word as written, for the shell: `<<-"EOF"`.
    pub(crate) word: String,
    /// The lines, each with its newline; leading tabs are gone if `<<-` said so.
    pub(crate) content: String,
}

/// Splits the text; what cannot be split is added to `problems`.
pub(crate) fn split(text: &str, problems: &mut Vec<Problem>) -> Vec<Logical> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> =
        text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    let escape = directives(&lines, problems);
    let mut logical = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let first = lines[at].trim_start();
        if first.is_empty() || first.starts_with('#') {
            at += 1;
            continue;
        }
        let line = at + 1;
        let mut joined = String::new();
        loop {
            let piece = if joined.is_empty() { lines[at].trim_start() } else { lines[at] };
            at += 1;
            let Some(head) = piece.trim_end().strip_suffix(escape) else {
                joined.push_str(piece.trim_end());
                break;
            };
            joined.push_str(head);
            // Comments and empty lines inside a continued instruction are left out.
            while at < lines.len()
                && matches!(lines[at].trim_start().chars().next(), None | Some('#'))
            {
                at += 1;
            }
            if at == lines.len() {
                break;
            }
        }
        let mut heredocs = words(&joined);
        for heredoc in &mut heredocs {
            let strip = heredoc.word.contains("<<-");
            let mut ended = false;
            while at < lines.len() {
                let text = if strip { lines[at].trim_start_matches('\t') } else { lines[at] };
                at += 1;
                if text == heredoc.name {
                    ended = true;
                    break;
                }
                heredoc.content.push_str(text);
                heredoc.content.push('\n');
            }
            if !ended {
                let what = format!("the here-document `{}` does not end", heredoc.name);
                let help = format!("put a line with only `{}` after its text", heredoc.name);
                problems.push(Problem::new(line, what, help));
            }
        }
        logical.push(Logical { line, text: joined, heredocs });
    }
    logical
}

/// Reads `# escape=` and `# syntax=` at the top; gives the escape character.
fn directives(lines: &[&str], problems: &mut Vec<Problem>) -> char {
    let mut escape = '\\';
    for (at, line) in lines.iter().enumerate() {
        let directive = line.trim().strip_prefix('#').and_then(|text| text.split_once('='));
        let Some((name, value)) = directive else { break };
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "escape" => match value {
                "\\" => escape = '\\',
                "`" => escape = '`',
                _ => problems.push(Problem::new(
                    at + 1,
                    format!("escape character `{value}` is not possible"),
                    "use \\ or `",
                )),
            },
            "syntax" => {
                let known = value.strip_prefix("docker.io/").unwrap_or(value);
                let known = known.split([':', '@']).next().unwrap_or_default();
                if known != "docker/dockerfile" {
                    problems.push(Problem::new(
                        at + 1,
                        format!("syntax image `{value}` is not supported"),
                        "remove the line: other front ends than docker/dockerfile are never run",
                    ));
                }
            }
            "check" => {}
            _ => break,
        }
    }
    escape
}

/// The here-documents an instruction begins, in order.
fn words(text: &str) -> Vec<HereDoc> {
    let mut rest = text;
    let keyword = rest.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    if !matches!(keyword.as_str(), "RUN" | "COPY" | "ADD") {
        return Vec::new();
    }
    rest = rest[keyword.len()..].trim_start();
    if rest.starts_with('[') {
        return Vec::new();
    }
    let mut found = Vec::new();
    for word in unquoted_words(rest) {
        let digits = word.trim_start_matches(|c: char| c.is_ascii_digit());
        let Some(name) = digits.strip_prefix("<<") else { continue };
        let name = name.strip_prefix('-').unwrap_or(name);
        let quoted = name.len() >= 2
            && (name.starts_with('"') && name.ends_with('"')
                || name.starts_with('\'') && name.ends_with('\''));
        let bare = if quoted { &name[1..name.len() - 1] } else { name };
        let valid = !bare.is_empty()
            && bare.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
        if valid {
            found.push(HereDoc {
                name: bare.to_owned(),
                expand: !quoted,
                word: word.to_owned(),
                content: String::new(),
            });
        }
    }
    found
}

/// Words split at white space and shell separators outside of quotes, quotes kept.
fn unquoted_words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut quote, mut escaped) = (None, None, false);
    for (at, c) in text.char_indices() {
        let separator = quote.is_none()
            && !escaped
            && (c.is_whitespace() || matches!(c, ';' | '|' | '&' | '(' | ')' | '>'));
        if separator {
            if let Some(start) = start.take() {
                words.push(&text[start..at]);
            }
            continue;
        }
        start.get_or_insert(at);
        match quote {
            _ if escaped => escaped = false,
            Some(open) if c == open => quote = None,
            Some('\'') => {}
            _ if c == '\\' => escaped = true,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            _ => {}
        }
    }
    if let Some(start) = start {
        words.push(&text[start..]);
    }
    words
}
