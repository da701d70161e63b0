//! Changing the text of an app file in place: a value put at a path, or taken away. What is not
//! touched keeps its bytes. Where next: `layout.rs`.

use std::ops::Range;

use toml_edit::{Item, Value};

use super::judge::refusal;
use super::layout::{Layout, Leaf};
use crate::diagnostic::Diagnostic;

/// The text of an app file while it is being changed.
pub(super) struct Draft {
    text: String,
}

type Step<T = ()> = Result<T, Vec<Diagnostic>>;

impl Draft {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn layout(&self) -> Step<Layout> {
        Layout::read(&self.text).map_err(|error| {
            let why = error.message().lines().next().unwrap_or_default().to_owned();
            vec![
                refusal("edit/form", "this edit does not fit the way the file is written")
                    .side("the parser says", why)
                    .help("write it by hand in", "app.toml"),
            ]
        })
    }

    /// Puts a value (as TOML) at a path whose first part is a block that exists.
    pub(super) fn put(&mut self, path: &[&str], value: &str) -> Step {
        let layout = self.layout()?;
        match layout.item(path) {
            Some(Item::Value(old)) if old.span().is_some() => {
                self.text.replace_range(old.span().unwrap_or_default(), value);
                return Ok(());
            }
            Some(_) => {
                self.take(path)?;
                return self.put(path, value);
            }
            None => {}
        }
        let Some((key, parent)) = path.split_last() else { return Ok(()) };
        match layout.item(parent) {
            Some(Item::Value(Value::InlineTable(table))) if !table.is_dotted() => {
                let key = toml_key(key);
                let last = table.iter().filter_map(|(_, value)| value.span()).map(|s| s.end).max();
                match (last, table.span()) {
                    (Some(end), _) => self.text.insert_str(end, &format!(", {key} = {value}")),
                    (None, Some(span)) => {
                        self.text.replace_range(span, &format!("{{ {key} = {value} }}"));
                    }
                    (None, None) => {}
                }
            }
            Some(Item::Table(_) | Item::Value(Value::InlineTable(_))) => {
                self.put_line(&layout, parent, key, value);
            }
            Some(_) => {
                let message = format!("{} is no table", parent.join("."));
                return Err(vec![
                    refusal("edit/form", message).help("write it by hand in", "app.toml"),
                ]);
            }
            None => return self.put(parent, &format!("{{ {} = {value} }}", toml_key(key))),
        }
        Ok(())
    }

    /// Puts another key with its value in the place of one that is there; the line keeps its
    /// comment, and its sign its column where that is possible.
    pub(super) fn exchange(&mut self, path: &[&str], key: &str, value: &str) -> Step {
        let layout = self.layout()?;
        let Some((old, parent)) = path.split_last() else { return Ok(()) };
        let leaf = layout.leaves.iter().find(|leaf| leaf.path == path);
        let member = || {
            let table = layout.item(parent)?.as_inline_table()?;
            let (key, item) = table.get_key_value(old)?;
            Some((key.span()?, item.span()?))
        };
        let place = leaf.map(|leaf| (leaf.key.clone(), leaf.value.clone())).or_else(member);
        let Some((old_key, old_value)) = place else {
            let message = format!("{} has no place of its own", path.join("."));
            return Err(vec![
                refusal("edit/form", message).help("write it by hand in", "app.toml"),
            ]);
        };
        let sign = &self.text[old_key.end..old_value.start];
        let blanks = sign.len() - sign.trim_start_matches(' ').len();
        let new_blanks = (blanks + old_key.len()).saturating_sub(key.len()).max(blanks.min(1));
        let rest = &sign[blanks..];
        let text = format!("{key}{}{rest}{value}", " ".repeat(new_blanks));
        self.text.replace_range(old_key.start..old_value.end, &text);
        Ok(())
    }

    /// A new line in a table: under its header, beside its dotted keys, or under a new header.
    fn put_line(&mut self, layout: &Layout, parent: &[&str], key: &str, value: &str) {
        let owned: Vec<String> = parent.iter().map(|part| (*part).to_owned()).collect();
        if let Some(header) = layout.headers.iter().find(|header| header.path == owned) {
            let before = layout.lines_under(&owned).last();
            let at = before.map_or(header.range.end, |leaf| leaf.value.end);
            let line = format!("{} = {value}", padded(&self.text, before, &toml_key(key)));
            self.insert_line(layout.line_end(at), &line);
            return;
        }
        let beside = layout.leaves.iter().rev().find(|leaf| leaf.path.starts_with(&owned));
        if let Some(leaf) = beside
            && !layout
                .section(leaf.key.start)
                .is_some_and(|section| section.path.starts_with(&owned))
        {
            let known = layout.section(leaf.key.start).map_or(0, |section| section.path.len());
            let keys: Vec<String> =
                parent[known..].iter().chain([&key]).map(|part| toml_key(part)).collect();
            self.insert_line(
                layout.line_end(leaf.value.end),
                &format!("{} = {value}", keys.join(".")),
            );
            return;
        }
        let first = layout.headers.iter().find(|header| header.path.starts_with(&owned));
        let at = first.map_or(self.text.len(), |header| layout.region_start(header));
        let head: Vec<String> = parent.iter().map(|part| toml_key(part)).collect();
        let end = self.line_break();
        self.insert_line(at, &format!("[{}]{end}{} = {value}{end}", head.join("."), toml_key(key)));
    }

    /// Takes away what stands at a path, and the table around it if nothing else is in it.
    pub(super) fn take(&mut self, path: &[&str]) -> Step {
        let layout = self.layout()?;
        let owned: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for header in layout.headers.iter().filter(|header| header.path.starts_with(&owned)) {
            ranges.push(layout.region_start(header)..layout.region_end(header));
        }
        let lines = layout.leaves.iter().filter(|leaf| leaf.path.starts_with(&owned));
        let inside = |at: usize, ranges: &[Range<usize>]| ranges.iter().any(|r| r.contains(&at));
        for leaf in lines {
            if !inside(leaf.key.start, &ranges) {
                ranges.push(layout.line_start(leaf.key.start)..layout.line_end(leaf.value.end));
            }
        }
        ranges.sort_by_key(|range| range.start);
        ranges.dedup_by(|next, range| {
            let joined = next.start <= range.end;
            if joined {
                range.end = range.end.max(next.end);
            }
            joined
        });
        for range in ranges.iter().rev() {
            self.cut(range.clone());
        }
        if !ranges.is_empty() {
            return Ok(());
        }
        // Not a line of its own: a member of an inline table.
        let Some((_, parent)) = path.split_last() else { return Ok(()) };
        let Some(Item::Value(Value::InlineTable(table))) = layout.item(parent) else {
            return Ok(());
        };
        let Some((key, Item::Value(value))) = path.last().and_then(|key| table.get_key_value(key))
        else {
            return Ok(());
        };
        if table.len() == 1 && parent.len() > 1 {
            return self.take(parent);
        }
        let (Some(key), Some(value)) = (key.span(), value.span()) else { return Ok(()) };
        let members = table.iter().filter_map(|(_, value)| value.span()).map(|span| span.end);
        let before = members.filter(|end| *end <= key.start).max();
        self.cut_member(key.start..value.end, before);
        Ok(())
    }

    /// Takes an element out of an array.
    pub(super) fn take_element(&mut self, path: &[&str], element: &str) -> Step {
        let layout = self.layout()?;
        let Some(array) = layout.item(path).and_then(Item::as_array) else { return Ok(()) };
        let spans = array.iter().filter_map(|value| Some((value.as_str()?, value.span()?)));
        let mut before = None;
        for (text, span) in spans {
            if text == element {
                self.cut_member(span, before);
                break;
            }
            before = Some(span.end);
        }
        Ok(())
    }

    /// Puts an element at the end of an array.
    pub(super) fn put_element(&mut self, path: &[&str], element: &str) -> Step {
        let layout = self.layout()?;
        let Some(array) = layout.item(path).and_then(Item::as_array) else { return Ok(()) };
        match (array.iter().last().and_then(Value::span), array.span()) {
            (Some(last), _) => {
                self.text.insert_str(last.end, &format!(", {}", toml_string(element)))
            }
            (None, Some(span)) => {
                self.text.replace_range(span, &format!("[{}]", toml_string(element)))
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Cuts a member with one of the commas beside it; `before` is the end of the member before.
    fn cut_member(&mut self, member: Range<usize>, before: Option<usize>) {
        let rest = &self.text[member.end..];
        if rest.trim_start_matches([' ', '\t']).starts_with(',') {
            let comma = member.end + rest.find(',').unwrap_or_default() + 1;
            let after = &self.text[comma..];
            let blank = after.len() - after.trim_start_matches([' ', '\t']).len();
            self.text.replace_range(member.start..comma + blank, "");
            return;
        }
        let comma = before.and_then(|end| Some(end + self.text[end..member.start].find(',')?));
        let plain = comma.is_some_and(|at| self.text[at + 1..member.start].trim().is_empty());
        match comma {
            Some(at) if plain => self.text.replace_range(at..member.end, ""),
            Some(at) => {
                self.text.replace_range(member, "");
                self.text.replace_range(at..=at, "");
            }
            None => self.text.replace_range(member, ""),
        }
    }

    /// Cuts whole lines. Blank lines before what was last go as well.
    fn cut(&mut self, range: Range<usize>) {
        let mut start = range.start;
        if range.end == self.text.len() {
            let before = self.text[..start].trim_end_matches([' ', '\t', '\r', '\n']).len();
            start = self.text[before..].find('\n').map_or(start, |at| (before + at + 1).min(start));
        }
        self.text.replace_range(start..range.end, "");
    }

    fn insert_line(&mut self, at: usize, line: &str) {
        let end = self.line_break();
        let open = at > 0 && !self.text[..at].ends_with('\n');
        let lead = if open { end } else { "" };
        self.text.insert_str(at, &format!("{lead}{line}{end}"));
    }

    /// Puts a block's text at the end, after one blank line.
    pub(super) fn append(&mut self, lines: &[String]) {
        let end = self.line_break();
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push_str(end);
        }
        if !self.text.is_empty() && !self.text.ends_with("\n\n") && !self.text.ends_with("\n\r\n") {
            self.text.push_str(end);
        }
        for line in lines {
            self.text.push_str(line);
            self.text.push_str(end);
        }
    }

    /// Puts a block's text back at byte `at`, or where it can stand if the file changed since.
    pub(super) fn paste(&mut self, toml: &str, at: usize) -> Step {
        let layout = self.layout()?;
        let headed = toml.lines().map(str::trim_start).any(|line| line.starts_with('['));
        let mut places: Vec<usize> =
            layout.headers.iter().map(|header| layout.region_start(header)).collect();
        if !headed {
            places.truncate(1);
        }
        // After the last line of what stands above all headers, or after everything.
        if headed || places.is_empty() {
            places.push(self.text.len());
        }
        let blank_end = self.text.trim_end().len();
        let exact = at <= self.text.len()
            && self.text.is_char_boundary(at)
            && (at == 0 || self.text[..at].ends_with('\n') || at == self.text.len())
            && (places.contains(&at) || (headed && at > blank_end));
        let at = if exact {
            at
        } else {
            places.into_iter().min_by_key(|place| place.abs_diff(at)).unwrap_or(0)
        };
        let open = at > 0 && !self.text[..at].ends_with('\n') && !toml.starts_with(['\n', '\r']);
        let lead = if open { self.line_break() } else { "" };
        let tail =
            if at < self.text.len() && !toml.ends_with('\n') { self.line_break() } else { "" };
        self.text.insert_str(at, &format!("{lead}{toml}{tail}"));
        Ok(())
    }

    /// Replaces one key of a header or line by another.
    pub(super) fn rename(&mut self, block: &str, to: &str) -> Step {
        let layout = self.layout()?;
        let mut places: Vec<Range<usize>> = Vec::new();
        for header in layout.headers.iter().filter(|header| header.path[0] == block) {
            places.extend(first_key(&self.text, header.range.start + 1));
        }
        let lines = layout.leaves.iter().filter(|leaf| leaf.path[0] == block);
        for leaf in lines.filter(|leaf| layout.section(leaf.key.start).is_none()) {
            places.extend(first_key(&self.text, layout.line_start(leaf.key.start)));
        }
        self.replace(places.into_iter().map(|place| (place, toml_key(to))).collect());
        Ok(())
    }

    /// Replaces places that do not overlap.
    pub(super) fn replace(&mut self, mut places: Vec<(Range<usize>, String)>) {
        places.sort_by_key(|(place, _)| place.start);
        for (place, text) in places.into_iter().rev() {
            self.text.replace_range(place, &text);
        }
    }

    /// The bytes of a block's text as [`Draft::take`] cuts them, if that is one piece.
    pub(super) fn cut_piece(&self, block: &str) -> Option<Range<usize>> {
        let mut after = Self::new(&self.text);
        after.take(&[block]).ok()?;
        let same = self.text.bytes().zip(after.text.bytes()).take_while(|(a, b)| a == b).count();
        let start = (0..=same).rev().find(|at| {
            let whole = *at == 0 || self.text.as_bytes()[at - 1] == b'\n';
            whole && self.text.ends_with(&after.text[*at..])
        })?;
        Some(start..self.text.len() - (after.text.len() - start))
    }

    fn line_break(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }
}

/// The first key of a header or line, from `at` on.
fn first_key(text: &str, at: usize) -> Option<Range<usize>> {
    let start = at + text[at..].find(|c: char| !c.is_whitespace())?;
    let rest = &text[start..];
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let end = match quote {
        Some(quote) => 1 + rest[1..].find(quote)? + 1,
        None => rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))?,
    };
    Some(start..start + end)
}

/// The key, as wide as the one above it if that one was lined up.
fn padded(text: &str, above: Option<&Leaf>, key: &str) -> String {
    let Some(leaf) = above else { return key.to_owned() };
    let line = text[..leaf.key.start].rfind('\n').map_or(0, |at| at + 1);
    let sign = text[leaf.key.end..leaf.value.start].find('=').unwrap_or_default();
    let width = text[line..leaf.key.end + sign].trim_end_matches('=').chars().count();
    format!("{key:<0$}", width.saturating_sub(1))
}

/// A key as TOML.
pub(super) fn toml_key(key: &str) -> String {
    toml_edit::Key::new(key).display_repr().into_owned()
}

/// A string as TOML, in double quotes where that needs no escapes.
pub(super) fn toml_string(text: &str) -> String {
    Value::from(text).to_string()
}
