//! Where the things of an app file stand in its text: headers, and the lines under them.

use std::ops::Range;

use toml_edit::{Document, Item, TableLike, Value};

/// A `[header]`: its path, and the bytes from bracket to bracket.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) path: Vec<String>,
    pub(super) range: Range<usize>,
}

/// A `key = value` line outside any value: its full path, and the bytes of key and value.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) path: Vec<String>,
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
}

/// A parsed app file with places.
pub(super) struct Layout {
    document: Document<String>,
    /// In the order of the text.
    pub(super) headers: Vec<Header>,
    /// In the order of the text.
    pub(super) leaves: Vec<Leaf>,
}

impl Layout {
    pub(super) fn read(text: &str) -> Result<Self, toml_edit::TomlError> {
        let document = Document::parse(text.to_owned())?;
        let (mut headers, mut leaves) = (Vec::new(), Vec::new());
        walk(document.as_table(), &mut Vec::new(), &mut headers, &mut leaves);
        headers.sort_by_key(|header| header.range.start);
        leaves.sort_by_key(|leaf| leaf.key.start);
        Ok(Self { document, headers, leaves })
    }

    pub(super) fn text(&self) -> &str {
        self.document.raw()
    }

    /// What stands at a path, inside values too.
    pub(super) fn item<S: AsRef<str>>(&self, path: &[S]) -> Option<&Item> {
        let mut item = self.document.as_item();
        for key in path {
            item = item.as_table_like()?.get(key.as_ref())?;
        }
        Some(item)
    }

    /// The names of the blocks, in order.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &str> {
        let tables = self.document.as_table().iter();
        tables.filter(|(_, item)| item.is_table_like()).map(|(name, _)| name)
    }

    /// The header under which a byte stands.
    pub(super) fn section(&self, at: usize) -> Option<&Header> {
        self.headers.iter().rev().find(|header| header.range.start <= at)
    }

    /// The lines right under the header of exactly this path.
    pub(super) fn lines_under(&self, path: &[String]) -> impl Iterator<Item = &Leaf> {
        let header = self.headers.iter().find(move |header| header.path == path);
        let start = header.map_or(0, |header| header.range.start);
        let under = move |leaf: &&Leaf| match self.section(leaf.key.start) {
            Some(section) => section.range.start == start && header.is_some(),
            None => path.is_empty(),
        };
        self.leaves.iter().filter(under)
    }

    /// The end of the line that holds a byte, its line break included.
    pub(super) fn line_end(&self, at: usize) -> usize {
        self.text()[at..].find('\n').map_or(self.text().len(), |found| at + found + 1)
    }

    /// The start of the line that holds a byte.
    pub(super) fn line_start(&self, at: usize) -> usize {
        self.text()[..at].rfind('\n').map_or(0, |found| found + 1)
    }

    /// Where the text that belongs to a header begins: comments right above it are its own.
    pub(super) fn region_start(&self, header: &Header) -> usize {
        let mut start = self.line_start(header.range.start);
        while start > 0 {
            let above = self.line_start(start - 1);
            if !self.text()[above..start].trim_start().starts_with('#') {
                break;
            }
            start = above;
        }
        start
    }

    /// Where the text that belongs to a header ends: where the next one's begins.
    pub(super) fn region_end(&self, header: &Header) -> usize {
        let next = self.headers.iter().find(|other| other.range.start > header.range.start);
        next.map_or(self.text().len(), |next| self.region_start(next))
    }
}

fn walk(
    table: &dyn TableLike,
    path: &mut Vec<String>,
    headers: &mut Vec<Header>,
    leaves: &mut Vec<Leaf>,
) {
    for (name, _) in table.iter() {
        let Some((key, item)) = table.get_key_value(name) else { continue };
        path.push(name.to_owned());
        match item {
            Item::Value(value) => {
                if let (Some(key), Some(value)) = (key.span(), value.span()) {
                    leaves.push(Leaf { path: path.clone(), key, value });
                }
                // `a.b = 1` inside a block is a value of a dotted table, which has no place.
                if let Value::InlineTable(inner) = value
                    && inner.is_dotted()
                {
                    leaves.retain(|leaf| leaf.path != *path);
                    walk(inner, path, headers, leaves);
                }
            }
            Item::Table(inner) => {
                let header = !inner.is_dotted() && !inner.is_implicit();
                if let Some(range) = inner.span().filter(|_| header) {
                    headers.push(Header { path: path.clone(), range });
                }
                walk(inner, path, headers, leaves);
            }
            Item::ArrayOfTables(array) => {
                for inner in array {
                    headers.extend(inner.span().map(|range| Header { path: path.clone(), range }));
                    walk(inner, path, headers, leaves);
                }
            }
            Item::None => {}
        }
        path.pop();
    }
}
