//! Interfaces: the types of wires. One small file says what a wire delivers, which facts can be
//! checked, whether the consumer waits, and how to try it. Where next: `module.rs`.

use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::read::{Entry, Reader};
use crate::source::Spanned;
use crate::template::Template;

/// A wire type, read from its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// Name with major, such as `postgres/1`.
    pub name: String,
    /// One sentence.
    pub summary: String,
    /// Whether consumers wait for it before they start.
    pub before_start: bool,
    /// The values a wire delivers, in file order.
    pub fields: Vec<Field>,
    /// Facts to check that are not delivered: name, kind, optional.
    pub attributes: Vec<Attribute>,
    /// How many logins work at the same time during a rotation; 0 if there is nothing to rotate.
    pub rotate_slots: i64,
    /// The field that names the login, which differs between the slots.
    pub login: Option<String>,
    /// What the provider's probe runs over the wire.
    pub probe: Option<String>,
}

/// One value that a wire delivers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Where its value comes from.
    pub kind: FieldKind,
    /// Whether a provider may leave it out.
    pub optional: bool,
}

/// Where a field's value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    /// The provider's service name.
    Host,
    /// The provider's port.
    Port,
    /// A name made from the wire itself, or fixed by the provider.
    Name,
    /// Like a name, with `-` for `_`, as buckets and hosts are called.
    Label,
    /// Where the consumer has the provider's disk mounted: its socket says `at`.
    Path,
    /// Generated once for this wire: letters and digits.
    Secret,
    /// Certificates, given by the provider.
    Pem,
    /// Plain text, given by the provider.
    Text,
    /// Put together from the other fields.
    Derived {
        /// The template over the other fields.
        template: String,
        /// Whether the result is a secret.
        secret: bool,
    },
}

impl Field {
    /// Whether the value must stay out of plain places.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, FieldKind::Secret | FieldKind::Derived { secret: true, .. })
    }
}

/// A fact that a provider states and a consumer may limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: AttributeKind,
    /// Whether a provider may leave it out.
    pub optional: bool,
}

/// What an attribute's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttributeKind {
    /// A version; limits are comparisons.
    Version,
    /// Words; a limit names those that must be there.
    Set,
    /// One word; a limit is the word itself.
    Text,
}

impl Interface {
    /// Reads an interface file. `path` is only used in messages.
    pub fn parse(path: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let reader = Reader::new(path, text);
        let document = reader.document()?;
        let root = reader.root(&document);
        let keys = ["interface", "summary", "order", "fields", "attributes", "rotate", "test"];
        root.only(&keys, "an interface");
        let Some(name) = root.string("interface") else {
            let span = reader.top();
            reader.refuse(
                Diagnostic::new("interface/name", &span, "this file does not say its interface")
                    .help("first line", "interface = \"postgres/1\""),
            );
            return reader.finish(None);
        };
        if InterfaceName::parse(&name.value).is_none() {
            let message = format!("\"{}\" is no interface name", name.value);
            reader.refuse(
                Diagnostic::new("interface/name", &name.span, message)
                    .help("a name and its major", "interface = \"postgres/1\""),
            );
        }
        let fields: Vec<Field> = root.entries_of("fields").iter().filter_map(read_field).collect();
        for entry in root.entries_of("fields") {
            check_derived(&entry, &fields);
        }
        let test = root.table("test");
        let rotate = root.table("rotate");
        if let Some(test) = test {
            test.only(&["probe"], "[test]");
        }
        if let Some(rotate) = rotate {
            rotate.only(&["slots", "login"], "[rotate]");
        }
        let interface = Self {
            name: name.value,
            summary: root.string("summary").map(|text| text.value).unwrap_or_default(),
            before_start: read_order(root.entry("order")),
            fields,
            attributes: root.entries_of("attributes").iter().filter_map(read_attribute).collect(),
            rotate_slots: rotate.and_then(|t| t.integer("slots")).map_or(0, |slots| slots.value),
            login: rotate.and_then(|t| t.string("login")).map(|login| login.value),
            probe: test.and_then(|test| test.string("probe")).map(|probe| probe.value),
        };
        reader.finish(Some(interface))
    }

    /// Whether its wires are a disk, mounted where the consumer says.
    pub fn is_disk(&self) -> bool {
        self.fields.iter().any(|field| field.kind == FieldKind::Path)
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

fn read_order(entry: Option<Entry<'_>>) -> bool {
    let Some(entry) = entry else { return false };
    let Some(order) = entry.string() else { return false };
    if !["before-start", "any"].contains(&order.value.as_str()) {
        let message = format!("order cannot be \"{}\"", order.value);
        entry.refuse(
            Diagnostic::new("interface/order", &order.span, message)
                .did_you_mean(&order.value, ["before-start", "any"]),
        );
    }
    order.value == "before-start"
}

fn read_field(entry: &Entry<'_>) -> Option<Field> {
    let name = entry.key.value.clone();
    if entry.is_table() {
        let table = entry.table()?;
        table.only(&["secret", "text"], "a derived field");
        let secret = table.entry("secret").is_some();
        let template = table.string(if secret { "secret" } else { "text" })?.value;
        let kind = FieldKind::Derived { template, secret };
        return Some(Field { name, kind, optional: false });
    }
    let text = entry.string()?;
    if text.value.contains('{') {
        let kind = FieldKind::Derived { template: text.value, secret: false };
        return Some(Field { name, kind, optional: false });
    }
    let (word, optional) = optional(&text);
    let kind = match word {
        "host" => FieldKind::Host,
        "port" => FieldKind::Port,
        "name" => FieldKind::Name,
        "label" => FieldKind::Label,
        "path" => FieldKind::Path,
        "secret" => FieldKind::Secret,
        "pem" => FieldKind::Pem,
        "text" => FieldKind::Text,
        _ => {
            let known = ["host", "port", "name", "label", "path", "secret", "pem", "text"];
            let message = format!("field \"{name}\" cannot be of kind \"{word}\"");
            entry.refuse(
                Diagnostic::new("interface/field", &text.span, message).did_you_mean(word, known),
            );
            return None;
        }
    };
    Some(Field { name, kind, optional })
}

fn check_derived(entry: &Entry<'_>, fields: &[Field]) {
    let Some(field) = fields.iter().find(|field| field.name == entry.key.value) else { return };
    let FieldKind::Derived { template, secret } = &field.kind else { return };
    let refuse = |message: String| {
        entry.refuse(Diagnostic::new("interface/field", &entry.span(), message));
    };
    let template = match Template::parse(template) {
        Ok(template) => template,
        Err(why) => return refuse(format!("cannot read the value of {}: {why}", field.name)),
    };
    for reference in template.references() {
        match fields.iter().find(|other| other.name == reference.name) {
            Some(other) if other.is_secret() && !secret => refuse(format!(
                "{} holds the secret {} and must be written {{ secret = \"…\" }}",
                field.name, other.name
            )),
            Some(other) if !matches!(other.kind, FieldKind::Derived { .. }) => {}
            _ => refuse(format!("{reference} in {} is no plain field", field.name)),
        }
    }
}

fn read_attribute(entry: &Entry<'_>) -> Option<Attribute> {
    let text = entry.string()?;
    let (word, optional) = optional(&text);
    let kind = match word {
        "version" => AttributeKind::Version,
        "set" => AttributeKind::Set,
        "text" => AttributeKind::Text,
        _ => {
            let message = format!("an attribute cannot be of kind \"{word}\"");
            entry.refuse(
                Diagnostic::new("interface/attribute", &text.span, message)
                    .did_you_mean(word, ["version", "set", "text"]),
            );
            return None;
        }
    };
    Some(Attribute { name: entry.key.value.clone(), kind, optional })
}

fn optional(text: &Spanned<String>) -> (&str, bool) {
    match text.value.strip_suffix('?') {
        Some(word) => (word, true),
        None => (&text.value, false),
    }
}

/// `postgres/1`: a name and a major.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InterfaceName {
    pub(crate) name: String,
    pub(crate) major: u32,
}

impl std::fmt::Display for InterfaceName {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.name, self.major)
    }
}

impl InterfaceName {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, major) = text.split_once('/')?;
        let good = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        let major = major.parse().ok().filter(|_| good && !major.starts_with('+'))?;
        Some(Self { name: name.to_owned(), major })
    }
}
