//! The standard way to write an app file: spacing, alignment, blank lines, and wires written out.
//! Comments, order and the inside of values stay as they are.

use super::draft::{Draft, toml_string};
use super::judge::Scene;
use super::layout::{Layout, Leaf};
use super::ties;
use crate::app::App;
use crate::catalogue::Catalogue;
use crate::diagnostic::Diagnostic;

/// Writes an app file the standard way. Sockets that tie themselves get their wire written out.
///
/// # Errors
/// The text is no app file.
pub fn format(path: &str, text: &str, catalogue: &Catalogue) -> Result<String, Vec<Diagnostic>> {
    App::parse(path, text)?;
    let mut draft = Draft::new(text);
    let scene = Scene::new(path, text, catalogue);
    if let Some(sketch) = scene.sketch() {
        for wire in &sketch.wires {
            let (block, socket) = (wire.consumer.as_str(), wire.socket.as_str());
            if ties::written(&draft.layout()?, block, socket).is_some() {
                continue;
            }
            let providers = sketch.providers(block, socket);
            let quoted: Vec<String> = providers.iter().map(|one| toml_string(one)).collect();
            let value = match quoted.as_slice() {
                [one] => one.clone(),
                many => format!("[{}]", many.join(", ")),
            };
            draft.put(&[block, "wire", socket], &value)?;
        }
    }
    Ok(spaced(&draft.layout()?))
}

/// A line of the file, or several if a value has several.
enum Line<'a> {
    Blank,
    Comment(&'a str),
    Header(&'a str),
    Key { key: &'a str, value: &'a str, comment: &'a str, column: usize, gap: usize },
}

fn lines(layout: &Layout) -> Vec<Line<'_>> {
    let text = layout.text();
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = layout.line_end(at);
        let leaf = layout.leaves.iter().find(|leaf| (at..end).contains(&leaf.key.start));
        let line = text[at..end].trim();
        if let Some(leaf) = leaf {
            let end = layout.line_end(leaf.value.end);
            found.push(key_line(text, at, leaf, end));
            at = end;
            continue;
        }
        found.push(match line.chars().next() {
            None => Line::Blank,
            Some('[') => Line::Header(line),
            Some(_) => Line::Comment(line),
        });
        at = end;
    }
    found
}

fn key_line<'a>(text: &'a str, start: usize, leaf: &Leaf, end: usize) -> Line<'a> {
    let sign = text[leaf.key.end..leaf.value.start].find('=').unwrap_or_default();
    let rest = &text[leaf.value.end..end];
    let gap = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    let last = text[..leaf.value.end].rfind('\n').map_or(start, |at| (at + 1).max(start));
    Line::Key {
        key: text[start..leaf.key.end + sign].trim(),
        value: &text[leaf.value.clone()],
        comment: rest.trim(),
        column: text[last..leaf.value.end + gap].chars().count(),
        gap,
    }
}

fn spaced(layout: &Layout) -> String {
    let lines = lines(layout);
    let end = if layout.text().contains("\r\n") { "\r\n" } else { "\n" };
    let mut out: Vec<String> = Vec::new();
    let mut index = 0;
    while index < lines.len() {
        match &lines[index] {
            Line::Blank => {
                if out.last().is_some_and(|last| !last.is_empty()) {
                    out.push(String::new());
                }
            }
            Line::Comment(text) => {
                // Comments right above a header stand with it, after a blank line.
                let above = lines[index..].iter().find(|line| !matches!(line, Line::Comment(_)));
                let first =
                    !matches!(index.checked_sub(1).map(|i| &lines[i]), Some(Line::Comment(_)));
                if first && matches!(above, Some(Line::Header(_))) {
                    blank_before(&mut out);
                }
                out.push((*text).to_owned());
            }
            Line::Header(text) => {
                let above = index.checked_sub(1).map(|i| &lines[i]);
                if !matches!(above, Some(Line::Comment(_))) {
                    blank_before(&mut out);
                }
                out.push((*text).to_owned());
            }
            Line::Key { .. } => {
                let keys =
                    lines[index..].iter().take_while(|line| matches!(line, Line::Key { .. }));
                let run = keys.count();
                aligned(&lines[index..index + run], &mut out);
                index += run;
                continue;
            }
        }
        index += 1;
    }
    while out.last().is_some_and(String::is_empty) {
        out.pop();
    }
    out.iter().map(|line| format!("{line}{end}")).collect()
}

fn blank_before(out: &mut Vec<String>) {
    if out.last().is_some_and(|last| !last.is_empty()) {
        out.push(String::new());
    }
}

/// Lines without anything between them have their signs in one column. A comment that stood apart
/// stays in its column as long as there is room.
fn aligned(run: &[Line<'_>], out: &mut Vec<String>) {
    let width = |line: &Line<'_>| match line {
        Line::Key { key, .. } => key.chars().count(),
        _ => 0,
    };
    let widest = run.iter().map(width).max().unwrap_or(0);
    for line in run {
        let Line::Key { key, value, comment, column, gap } = line else { continue };
        let mut text = format!("{key:<widest$} = {value}");
        if !comment.is_empty() {
            let last = text.rsplit('\n').next().unwrap_or_default().chars().count();
            let pad = if *gap <= 1 { 1 } else { column.saturating_sub(last).max(2) };
            text.extend(std::iter::repeat_n(' ', pad));
            text.push_str(comment);
        }
        out.push(text);
    }
}
