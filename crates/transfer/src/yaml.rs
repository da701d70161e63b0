//! YAML as it stands in a file: every value with its line, every scalar as it was written.
//!
//! A report on a foreign file must name lines, and `1.10`, `0644` and `yes` must stay what they
//! are; so this reads the parser's events, not typed values. Foreign bytes: everything is bounded,
//! aliases included. Where next: `ledger.rs`, which keeps account of every value.

use granit_parser::{Event, Parser, ScalarStyle};

use crate::{Error, Result};

/// Bytes of one file.
const MOST_BYTES: usize = 1024 * 1024;
/// Values of one file, each use of an alias counted in full.
const MOST_NODES: usize = 100_000;
/// Values inside each other.
const MOST_DEPTH: usize = 64;

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its number, in the order of the file; each use of an alias has its own.
    pub id: usize,
    /// Its line, from 1.
    pub line: usize,
    /// The value.
    pub value: Value,
}

/// What a [`Node`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// One word or text, as written; `plain` if it has no quotes.
    Scalar {
        /// The text, with quotes and escapes resolved.
        text: String,
        /// Whether it stood without quotes.
        plain: bool,
    },
    /// Values one after the other.
    List(Vec<Node>),
    /// Keys with values, in order.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The value of a key; the last, if it is there twice.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().rev().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Keys and values of a map; nothing of anything else.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = (&str, &Node)> {
        let pairs = match &self.value {
            Value::Map(pairs) => pairs.as_slice(),
            _ => &[],
        };
        pairs.iter().map(|(key, value)| (key.scalar().unwrap_or_default(), value))
    }

    /// The values of a list; a scalar is a list of itself.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            Value::Scalar { .. } if !self.is_null() => std::slice::from_ref(self),
            _ => &[],
        }
    }

    /// The text of a scalar that says something.
    pub fn text(&self) -> Option<&str> {
        self.scalar().filter(|_| !self.is_null())
    }

    /// The text of a scalar.
    fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether it is `null`, `~` or nothing at all.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Whether it is a map.
    pub fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        matches!(self.value, Value::List(_))
    }

    /// Whether it is true, as YAML 1.1 and 1.2 write it.
    pub fn is_true(&self) -> bool {
        matches!(self.text(), Some("true" | "True" | "TRUE" | "yes" | "on"))
    }

    /// Every value that has no values inside, with its path such as `services.web.ports.0`.
    pub fn leaves(&self) -> Vec<(String, &Node)> {
        let mut found = Vec::new();
        self.walk("", &mut found);
        found
    }

    fn walk<'a>(&'a self, path: &str, found: &mut Vec<(String, &'a Node)>) {
        let below = |name: &str| match path.is_empty() {
            true => name.to_owned(),
            false => format!("{path}.{name}"),
        };
        match &self.value {
            Value::List(items) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    item.walk(&below(&index.to_string()), found);
                }
            }
            Value::Map(pairs) if !pairs.is_empty() => {
                for (key, value) in pairs {
                    value.walk(&below(key.scalar().unwrap_or("?")), found);
                }
            }
            _ => found.push((path.to_owned(), self)),
        }
    }
}

/// Reads the documents of a file. `path` is only used in messages.
///
/// # Errors
/// The text is no YAML, or beyond what is read of a foreign file.
pub fn read(path: &str, text: &str) -> Result<Vec<Node>> {
    read_on(path, text, &mut 0)
}

/// The same; numbers go on from `last`, so that several files have no number in common.
pub(crate) fn read_on(path: &str, text: &str, last: &mut usize) -> Result<Vec<Node>> {
    let wrong = |line: usize, why: String| Error::Yaml { path: path.to_owned(), line, why };
    if text.len() > MOST_BYTES {
        return Err(wrong(1, format!("it has {} bytes, more than {MOST_BYTES}", text.len())));
    }
    let mut reader = Reader { next: *last, most: *last + MOST_NODES, ..Reader::default() };
    for event in Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        let (event, span) = event.map_err(|error| wrong(error.marker().line(), error.info()))?;
        let line = span.start.line();
        reader.take(event, line).map_err(|why| wrong(line, why))?;
    }
    *last = reader.next;
    Ok(reader.documents)
}

/// A collection that is not complete yet.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<Node>,
    depth: usize,
}

#[derive(Default)]
struct Reader {
    documents: Vec<Node>,
    open: Vec<Open>,
    /// What an alias stands for, by the parser's number, with how deep it is.
    anchors: std::collections::BTreeMap<usize, (Node, usize)>,
    next: usize,
    most: usize,
}

impl Reader {
    fn id(&mut self) -> Result<usize, String> {
        self.next += 1;
        match self.next > self.most {
            true => Err(format!("it has more than {MOST_NODES} values")),
            false => Ok(self.next),
        }
    }

    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let value = Value::Scalar { text: text.into_owned(), plain };
                let node = Node { id: self.id()?, line, value };
                self.put(node, anchor, 1)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(Value::List(Vec::new()), anchor, line),
            Event::MappingStart(_, anchor, _) => self.begin(Value::Map(Vec::new()), anchor, line),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(done) => self.put(done.node, done.anchor, done.depth + 1),
                None => Ok(()),
            },
            Event::Alias(anchor) => {
                let Some((node, depth)) = self.anchors.get(&anchor).cloned() else {
                    return Err("an alias inside what it stands for".to_owned());
                };
                let node = self.anew(node)?;
                self.put(node, 0, depth)
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, value: Value, anchor: usize, line: usize) -> Result<(), String> {
        if self.open.len() >= MOST_DEPTH {
            return Err(format!("more than {MOST_DEPTH} values inside each other"));
        }
        let node = Node { id: self.id()?, line, value };
        self.open.push(Open { node, anchor, key: None, depth: 0 });
        Ok(())
    }

    /// Every use of an alias has values of its own, on the lines they are written.
    fn anew(&mut self, mut node: Node) -> Result<Node, String> {
        node.id = self.id()?;
        node.value = match node.value {
            Value::List(items) => Value::List(
                items.into_iter().map(|item| self.anew(item)).collect::<Result<_, _>>()?,
            ),
            Value::Map(pairs) => Value::Map(
                pairs
                    .into_iter()
                    .map(|(key, value)| Ok((self.anew(key)?, self.anew(value)?)))
                    .collect::<Result<_, String>>()?,
            ),
            scalar => scalar,
        };
        Ok(node)
    }

    fn put(&mut self, node: Node, anchor: usize, depth: usize) -> Result<(), String> {
        if self.open.len() + depth > MOST_DEPTH {
            return Err(format!("more than {MOST_DEPTH} values inside each other"));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), depth));
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        open.depth = open.depth.max(depth);
        match &mut open.node.value {
            Value::List(items) => items.push(node),
            Value::Map(pairs) => match open.key.take() {
                Some(key) => pairs.push((key, node)),
                None => open.key = Some(node),
            },
            Value::Scalar { .. } => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_as_written_and_know_their_lines() {
        let text = "a: 1.10\nb:\n  - 0644\n  - \"yes\"\nc: &x {d: ~, e: []}\nf: *x\n";
        let read = read("x", text).unwrap().remove(0);
        let leaves: Vec<_> = read
            .leaves()
            .into_iter()
            .map(|(path, node)| (path, node.line, node.text().map(str::to_owned)))
            .collect();
        let of =
            |path: &str, line, text: Option<&str>| (path.to_owned(), line, text.map(str::to_owned));
        assert_eq!(
            leaves,
            [
                of("a", 1, Some("1.10")),
                of("b.0", 3, Some("0644")),
                of("b.1", 4, Some("yes")),
                of("c.d", 5, None),
                of("c.e", 5, None),
                of("f.d", 5, None),
                of("f.e", 5, None),
            ]
        );
        assert_ne!(read.get("c").unwrap().id, read.get("f").unwrap().id);
    }

    #[test]
    fn what_grows_without_end_is_refused() {
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..9 {
            let uses = vec![format!("*a{}", n - 1); 10].join(", ");
            laughs.push_str(&format!("a{n}: &a{n} [{uses}]\n"));
        }
        assert!(read("x", &laughs).unwrap_err().to_string().contains("100000 values"));
        let mut tower = "a0: &a0 [x]\n".to_owned();
        for n in 1..200 {
            tower.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
        }
        assert!(read("x", &tower).unwrap_err().to_string().contains("inside each other"));
        assert!(read("x", &"[".repeat(100_000)).is_err());
        assert!(read("x", "a: *nothing").is_err());
        assert!(read("x", "a: &a [*a]").is_err());
        assert!(read("x", "\u{0}: [").is_err());
    }
}
