//! Reading TOML with places: a thin layer over `toml_edit` that turns every surprise into a
//! diagnostic and goes on, so that one run shows all of them. Where next: `app.rs`, `module.rs`.

use std::cell::RefCell;

use toml_edit::{Document, Item, TableLike};

use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span, Spanned};

/// A file being read: its text, and what was wrong so far.
pub(crate) struct Reader {
    source: Source,
    found: RefCell<Vec<Diagnostic>>,
}

/// One table of the file.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    reader: &'a Reader,
    table: &'a dyn TableLike,
}

/// One key of a table with its value.
#[derive(Clone)]
pub(crate) struct Entry<'a> {
    reader: &'a Reader,
    pub(crate) key: Spanned<String>,
    item: &'a Item,
}

impl Reader {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { source: Source::new(path, text), found: RefCell::default() }
    }

    /// The parsed document, or the one syntax error a parser can give.
    pub(crate) fn document(&self) -> Result<Document<String>, Vec<Diagnostic>> {
        Document::parse(self.source.text().to_owned()).map_err(|error| {
            let span = self.source.span(error.span().unwrap_or(0..0));
            let first = error.message().lines().next().unwrap_or("not TOML").to_owned();
            vec![
                Diagnostic::new("file/syntax", &span, format!("cannot read {}", span.file))
                    .side("the parser says", first)
                    .help(
                        "mend this line; what may stand in the file",
                        "docs/guide/app-language.md",
                    ),
            ]
        })
    }

    pub(crate) fn root<'a>(&'a self, document: &'a Document<String>) -> Table<'a> {
        Table { reader: self, table: document.as_table() }
    }

    pub(crate) fn refuse(&self, diagnostic: Diagnostic) {
        self.found.borrow_mut().push(diagnostic);
    }

    /// What was read, unless something was wrong.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<Diagnostic>> {
        let found = self.found.into_inner();
        match value {
            Some(value) if found.is_empty() => Ok(value),
            _ => Err(found),
        }
    }

    /// The first place of the file, for what is missing altogether.
    pub(crate) fn top(&self) -> Span {
        self.source.span(0..1)
    }
}

impl<'a> Table<'a> {
    pub(crate) fn refuse(&self, diagnostic: Diagnostic) {
        self.reader.refuse(diagnostic);
    }

    /// The first place of the file, for what is missing from it.
    pub(crate) fn place(&self) -> Span {
        self.reader.top()
    }

    pub(crate) fn entries(&self) -> Vec<Entry<'a>> {
        let table = self.table;
        table.iter().filter_map(|(key, _)| self.entry(key)).collect()
    }

    pub(crate) fn entry(&self, key: &str) -> Option<Entry<'a>> {
        let (name, item) = self.table.get_key_value(key)?;
        let range = name.span().or_else(|| item.span()).unwrap_or(0..0);
        let key = Spanned::new(name.get().to_owned(), self.reader.source.span(range));
        Some(Entry { reader: self.reader, key, item })
    }

    pub(crate) fn string(&self, key: &str) -> Option<Spanned<String>> {
        self.entry(key)?.string()
    }

    pub(crate) fn integer(&self, key: &str) -> Option<Spanned<i64>> {
        self.entry(key)?.integer()
    }

    pub(crate) fn truth(&self, key: &str) -> Option<bool> {
        self.entry(key)?.truth()
    }

    /// The entries of a table inside this one; none if it is not there.
    pub(crate) fn table(&self, key: &str) -> Option<Table<'a>> {
        self.entry(key)?.table()
    }

    pub(crate) fn entries_of(&self, key: &str) -> Vec<Entry<'a>> {
        self.table(key).map(|table| table.entries()).unwrap_or_default()
    }

    /// Refuses every key that is not in `known`.
    pub(crate) fn only(&self, known: &[&str], place: &str) {
        for entry in self.entries() {
            if !known.contains(&entry.key.value.as_str()) {
                let message = format!("{place} has no key \"{}\"", entry.key.value);
                let wrong = Diagnostic::new("file/unknown-key", &entry.key.span, message)
                    .did_you_mean(&entry.key.value, known.iter().copied());
                self.reader.refuse(wrong);
            }
        }
    }
}

impl<'a> Entry<'a> {
    pub(crate) fn refuse(&self, diagnostic: Diagnostic) {
        self.reader.refuse(diagnostic);
    }

    /// Where the value stands (the key's place for a `[table]`).
    pub(crate) fn span(&self) -> Span {
        match self.item {
            Item::Value(value) => {
                value.span().map_or(self.key.span.clone(), |range| self.reader.source.span(range))
            }
            _ => self.key.span.clone(),
        }
    }

    pub(crate) fn is_table(&self) -> bool {
        self.item.is_table_like()
    }

    pub(crate) fn table(&self) -> Option<Table<'a>> {
        match self.item.as_table_like() {
            Some(table) => Some(Table { reader: self.reader, table }),
            None => self.wrong("a table"),
        }
    }

    pub(crate) fn string(&self) -> Option<Spanned<String>> {
        match self.item.as_str() {
            Some(text) => Some(Spanned::new(text.to_owned(), self.span())),
            None => self.wrong("a string in quotes"),
        }
    }

    pub(crate) fn integer(&self) -> Option<Spanned<i64>> {
        match self.item.as_integer() {
            Some(number) => Some(Spanned::new(number, self.span())),
            None => self.wrong("a whole number"),
        }
    }

    pub(crate) fn truth(&self) -> Option<bool> {
        self.item.as_bool().or_else(|| self.wrong("true or false"))
    }

    /// One string, or a list of strings.
    pub(crate) fn strings(&self) -> Vec<Spanned<String>> {
        let Some(array) = self.item.as_array() else {
            return self.string().into_iter().collect();
        };
        let mut strings = Vec::new();
        for value in array {
            let range = value.span().unwrap_or(0..0);
            let span = self.reader.source.span(range);
            match value.as_str() {
                Some(text) => strings.push(Spanned::new(text.to_owned(), span)),
                None => self.refuse(
                    Diagnostic::new("file/type", &span, "this list takes strings only")
                        .side("found", value.type_name()),
                ),
            }
        }
        strings
    }

    /// A string, a number or a truth value, as text with the name of its type.
    pub(crate) fn scalar(&self) -> Option<(Spanned<String>, &'static str)> {
        let span = self.span();
        if let Some(text) = self.item.as_str() {
            return Some((Spanned::new(text.to_owned(), span), "string"));
        }
        if let Some(number) = self.item.as_integer() {
            return Some((Spanned::new(number.to_string(), span), "number"));
        }
        if let Some(truth) = self.item.as_bool() {
            return Some((Spanned::new(truth.to_string(), span), "truth value"));
        }
        self.wrong("a string, a whole number, true or false")
    }

    /// The value as JSON. Dates are texts.
    pub(crate) fn json(&self) -> serde_json::Value {
        json(self.item)
    }

    fn wrong<T>(&self, wanted: &str) -> Option<T> {
        self.refuse(
            Diagnostic::new(
                "file/type",
                &self.span(),
                format!("\"{}\" must be {wanted}", self.key.value),
            )
            .side("found", self.item.type_name()),
        );
        None
    }
}

fn json(item: &Item) -> serde_json::Value {
    match item {
        Item::None => serde_json::Value::Null,
        Item::Value(value) => json_value(value),
        Item::Table(table) => {
            table.iter().map(|(key, item)| (key.to_owned(), json(item))).collect()
        }
        Item::ArrayOfTables(tables) => tables
            .iter()
            .map(|table| -> serde_json::Value {
                table.iter().map(|(key, item)| (key.to_owned(), json(item))).collect()
            })
            .collect(),
    }
}

fn json_value(value: &toml_edit::Value) -> serde_json::Value {
    use toml_edit::Value;
    match value {
        Value::String(text) => text.value().as_str().into(),
        Value::Integer(number) => (*number.value()).into(),
        Value::Float(number) => (*number.value()).into(),
        Value::Boolean(truth) => (*truth.value()).into(),
        Value::Datetime(date) => date.value().to_string().into(),
        Value::Array(list) => list.iter().map(json_value).collect(),
        Value::InlineTable(table) => {
            table.iter().map(|(key, value)| (key.to_owned(), json_value(value))).collect()
        }
    }
}
