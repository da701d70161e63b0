//! How a folder becomes an image where that is not the last stage of its `Dockerfile`: another file,
//! a stage, values of `ARG`, as `docker build -f --target --build-arg` has them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::inside;
use crate::diagnostic::Diagnostic;
use crate::read::Table;
use crate::source::Spanned;

/// What an app file says about the building of a source, beside its folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Dockerfile {
    /// The file, relative to the source's folder; `Dockerfile` if nothing is said.
    #[serde(rename = "dockerfile", skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The stage; the last if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Values of `ARG`, by name. They stay readable in the image.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, String>,
}

impl Dockerfile {
    /// The file, relative to the source's folder.
    pub fn file(&self) -> &str {
        self.path.as_deref().unwrap_or("Dockerfile")
    }

    /// Whether it is what a folder is built by when nothing is said.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// The same with the places where it was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    pub(crate) path: Option<Spanned<String>>,
    pub(crate) target: Option<Spanned<String>>,
    pub(crate) args: Vec<(Spanned<String>, Spanned<String>)>,
}

impl Written {
    /// What it says.
    pub(crate) fn plain(&self) -> Dockerfile {
        let text = |one: &Option<Spanned<String>>| one.as_ref().map(|one| one.value.clone());
        let pair = |(name, value): &(Spanned<String>, Spanned<String>)| {
            (name.value.clone(), value.value.clone())
        };
        Dockerfile {
            path: text(&self.path),
            target: text(&self.target),
            args: self.args.iter().map(pair).collect(),
        }
    }
}

/// The keys that [`read`] reads.
pub(super) const KEYS: [&str; 3] = ["dockerfile", "target", "args"];

/// Reads what a source says about its building.
pub(super) fn read(table: &Table<'_>) -> Written {
    let path = table.string("dockerfile").filter(|path| {
        let fine = inside(&path.value);
        if !fine {
            let message =
                format!("dockerfile \"{}\" is not inside the source's folder", path.value);
            table.refuse(
                Diagnostic::new("block/dockerfile", &path.span, message)
                    .help("relative to source, such as", "dockerfile = \"docker/web.Dockerfile\""),
            );
        }
        fine
    });
    let mut args = Vec::new();
    for entry in table.entries_of("args") {
        let name = &entry.key.value;
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty()
            || name.starts_with(|c: char| c.is_ascii_digit())
            || !name.chars().all(good)
        {
            let message = format!("\"{name}\" is no name of an ARG");
            entry.refuse(
                Diagnostic::new("block/args", &entry.key.span, message)
                    .help("letters, digits and _, such as", "args = { VERSION = \"1.2\" }"),
            );
        } else if let Some((value, _)) = entry.scalar() {
            args.push((entry.key.clone(), value));
        }
    }
    Written { path, target: table.string("target"), args }
}
