//! An app given away: as plain objects, as a chart, or as a compose file. No secret's value is in
//! any of them; each makes what is missing where it runs, and keeps what is there.
//!
//! Where next: `export/objects.rs`, `export/chart.rs`, `export/composed.rs`.

mod chart;
mod composed;
mod objects;
mod script;

use composer::{Compiled, Dockerfile, SecretValue};
use serde_json::Value;

use crate::{Error, Result};

pub use chart::helm;
pub use composed::composed;
pub use objects::yaml;

/// The folder that an image is built from, as it is named from the folder of an export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folder {
    /// Its path.
    pub path: String,
    /// How it is built.
    pub build: Dockerfile,
}

/// Files that an export consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Path inside the folder, text, and whether it is a program.
    pub files: Vec<(String, String, bool)>,
    /// What whoever runs it must know.
    pub notes: Vec<String>,
}

impl Exported {
    fn put(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.files.push((path.into(), text.into(), false));
    }

    fn put_program(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.files.push((path.into(), text.into(), true));
    }
}

/// One object or file as YAML.
fn write(value: &Value) -> Result<String> {
    serde_saphyr::to_string(value).map(|text| format!("{}\n", text.trim_end())).map_err(|error| {
        Error::Unfit { path: "an object".to_owned(), why: format!("as YAML: {error}") }
    })
}

/// All objects of an app, in the order in which they are applied.
fn objects_of(compiled: &Compiled) -> impl Iterator<Item = &Value> {
    compiled.phases.iter().flat_map(|phase| &phase.objects)
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// What is said of values that somebody else has.
fn notes(compiled: &Compiled) -> Vec<String> {
    let mut notes = Vec::new();
    for secret in &compiled.secrets {
        for key in &secret.keys {
            let name = format!("{}.{}", secret.name, key.name);
            match &key.value {
                SecretValue::Generated(composer::Recipe::Given) => {
                    notes
                        .push(format!("{name} is given by you: write its value into given/{name}"));
                }
                SecretValue::Taken(taken) => notes.push(format!(
                    "{name} is copied from the Secret {}, key {}, which must be there",
                    taken.secret, taken.key
                )),
                _ => {}
            }
        }
    }
    notes
}
