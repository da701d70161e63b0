//! Rung 2: what an app adds at the points a module declares, checked against what they take.

use super::Node;
use crate::app::{Added, App, Extension};
use crate::diagnostic::Diagnostic;
use crate::graph;
use crate::shape::{Point, PointKind};
use crate::source::Spanned;

/// What is added to a block: files, and environment.
#[derive(Default)]
pub(super) struct Extended {
    pub(super) files: Vec<graph::Extension>,
    pub(super) env: Vec<(String, graph::Value)>,
}

pub(super) fn all(app: &App, node: &Node<'_>, found: &mut Vec<Diagnostic>) -> Extended {
    let mut extended = Extended::default();
    let points = node.module.map_or(&[][..], |module| &module.extend);
    for written in &node.block.extend {
        let name = &written.point;
        let Some(point) = points.iter().find(|point| point.name.value == name.value) else {
            let known = points.iter().map(|point| point.name.value.as_str());
            let message = format!("{} has no extension point \"{}\"", node.from, name.value);
            found.push(
                Diagnostic::new("extend/point", &name.span, message)
                    .did_you_mean(&name.value, known),
            );
            continue;
        };
        let asked = Asked { app, node, point, written };
        match (&point.kind, &written.value) {
            (PointKind::Files(pattern), Added::Words(paths)) => {
                extended.files.extend(asked.files(pattern, paths, found));
            }
            (PointKind::Text, Added::Words(words)) if words.len() == 1 => {
                extended.files.extend(asked.text(&words[0], found));
            }
            (PointKind::Keys, Added::Keys(pairs)) => {
                extended.files.extend(asked.keys(pairs, found));
            }
            (PointKind::Env, Added::Keys(pairs)) => extended.env.extend(asked.env(pairs, found)),
            _ => found.push(asked.wrong_form()),
        }
    }
    extended
}

struct Asked<'a> {
    app: &'a App,
    node: &'a Node<'a>,
    point: &'a Point,
    written: &'a Extension,
}

impl Asked<'_> {
    fn end(&self) -> String {
        format!("{}.{}", self.node.name(), self.point.name.value)
    }

    fn wrong_form(&self) -> Diagnostic {
        let name = &self.point.name.value;
        let example = match &self.point.kind {
            PointKind::Files(pattern) => {
                format!("{name} = [\"./{}\"]", pattern.replace('*', "one"))
            }
            PointKind::Keys => format!("{name} = {{ key = \"value\" }}"),
            PointKind::Env => format!("{name} = {{ NAME = \"value\" }}"),
            PointKind::Text => format!("{name} = \"./file\""),
        };
        Diagnostic::new(
            "extend/form",
            &self.written.point.span,
            format!("{} takes {}", self.end(), self.point.kind),
        )
        .help("such as", example)
    }

    fn files(
        &self,
        pattern: &str,
        paths: &[Spanned<String>],
        found: &mut Vec<Diagnostic>,
    ) -> Option<graph::Extension> {
        let mut files = Vec::new();
        for path in paths {
            let name = path.value.rsplit('/').next().unwrap_or_default();
            if !fits(pattern, name) {
                let message = format!("{} takes files called {pattern}", self.end());
                found.push(
                    Diagnostic::new("extend/file", &path.span, message).side("found", &path.value),
                );
            } else if files.iter().any(|(other, _)| other == name) {
                let message = format!("{} has two files called {name}", self.end());
                found.push(Diagnostic::new("extend/file", &path.span, message));
            } else if let Some(text) = self.read(path, found) {
                files.push((name.to_owned(), text));
            }
        }
        Some(graph::Extension {
            point: self.point.name.value.clone(),
            at: self.point.at.clone()?,
            folder: true,
            files,
        })
    }

    /// The text of a file beside the app file.
    fn read(&self, path: &Spanned<String>, found: &mut Vec<Diagnostic>) -> Option<String> {
        let text = self.app.files.get(&path.value);
        if text.is_none() {
            let message = format!("there is no file {} beside the app file", path.value);
            found.push(
                Diagnostic::new("extend/file", &path.span, message)
                    .help("texts only, inside the app's folder", ""),
            );
        }
        text.cloned()
    }

    fn text(
        &self,
        word: &Spanned<String>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<graph::Extension> {
        let text = match word.value.starts_with("./") && !word.value.contains('\n') {
            true => self.read(word, found)?,
            false => word.value.clone(),
        };
        self.one_file(text)
    }

    fn keys(
        &self,
        pairs: &[(Spanned<String>, Spanned<String>)],
        found: &mut Vec<Diagnostic>,
    ) -> Option<graph::Extension> {
        let mut text = String::new();
        for (key, value) in pairs {
            if let Some(wrong) = self.denied(key).or_else(|| self.odd(key, value)) {
                found.push(wrong);
                continue;
            }
            let line = self.point.line.replace("{key}", &key.value);
            text.push_str(&line.replace("{value}", &value.value));
            text.push('\n');
        }
        self.one_file(text)
    }

    fn one_file(&self, text: String) -> Option<graph::Extension> {
        let at = self.point.at.clone()?;
        let name = at.rsplit('/').next().unwrap_or_default().to_owned();
        Some(graph::Extension {
            point: self.point.name.value.clone(),
            at,
            folder: false,
            files: vec![(name, text)],
        })
    }

    fn env(
        &self,
        pairs: &[(Spanned<String>, Spanned<String>)],
        found: &mut Vec<Diagnostic>,
    ) -> Vec<(String, graph::Value)> {
        let mut env = Vec::new();
        for (key, value) in pairs {
            let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let own = key.value.starts_with("SETTING_")
                || self.node.shape.secrets.iter().any(|one| one.name.value == key.value);
            if let Some(wrong) = self.denied(key) {
                found.push(wrong);
            } else if own || !key.value.chars().all(good) || key.value.is_empty() {
                let message = format!("{} cannot be {}", self.end(), key.value);
                found.push(
                    Diagnostic::new("extend/env", &key.span, message)
                        .help("a name of your own, of letters, digits and _", ""),
                );
            } else {
                let text = graph::Piece::Text(value.value.clone());
                env.push((key.value.clone(), graph::Value(vec![text])));
            }
        }
        env
    }

    fn denied(&self, key: &Spanned<String>) -> Option<Diagnostic> {
        let denied = self.point.deny.contains(&key.value);
        denied.then(|| {
            let message = format!("{} does not take {}", self.end(), key.value);
            Diagnostic::new("extend/deny", &key.span, message)
                .side("the module keeps for itself", self.point.deny.join(", "))
                .help("what else changes it", "shelf explain")
        })
    }

    /// A key or value that would be more than its own line.
    fn odd(&self, key: &Spanned<String>, value: &Spanned<String>) -> Option<Diagnostic> {
        let split = |text: &str| text.contains(['\n', '\r', '\0']);
        let quote = self.point.line.contains('\'') && value.value.contains(['\'', '\\']);
        (split(&key.value) || split(&value.value) || quote).then(|| {
            let message = format!("{} of {} does not fit on a line", key.value, self.end());
            Diagnostic::new("extend/value", &value.span, message)
                .side("found", value.value.escape_debug().to_string())
        })
    }
}

/// Whether a name fits a pattern with at most one `*`.
fn fits(pattern: &str, name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let good = !name.is_empty() && name.chars().all(plain) && !name.starts_with('.');
    good && match pattern.split_once('*') {
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        }
        None => name == pattern,
    }
}
