//! Edits of an app file: one verb at a time, on the text itself, so that comments, spacing and
//! order stay as a person wrote them.
//!
//! The command line, the API and the canvas change an app through [`edit`] alone. Every edit
//! comes with its inverse: verbs that restore the bytes exactly. An edit may leave an app that
//! lacks something (a draft is allowed to), but never one whose names lead nowhere, and never a
//! wire that does not fit. Start reading at [`Edit`]; then `edit/verbs.rs` (what each verb does
//! to the text), `edit/draft.rs` (how text is changed in place) and `edit/judge.rs` (what is
//! refused).
//!
//! ```
//! use composer::{Catalogue, Edit, edit};
//! let text = "app = \"shop\"   # ours\n";
//! let add = Edit::Add { block: "web".into(), use_: None, source: Some("./web".into()),
//!     image: None, port: Some(80) };
//! let done = edit("app.toml", text, &add, &Catalogue::default()).unwrap();
//! assert!(done.text.starts_with(text) && done.text.contains("[web]\nsource = \"./web\"\n"));
//! let back = edit("app.toml", &done.text, &done.inverse[0], &Catalogue::default()).unwrap();
//! assert_eq!(back.text, text);
//! ```

mod apply;
mod blocks;
mod draft;
mod field;
mod format;
mod judge;
mod layout;
mod lines;
mod ties;
mod values;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalogue::Catalogue;
use crate::diagnostic::Diagnostic;

pub use field::touched;
pub use format::format;
pub use lines::{changed as changed_lines, kept as kept_lines};

/// A change to an app file. As JSON: `{"verb":"wire","block":"web","socket":"db","provider":"db"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case")]
pub enum Edit {
    /// A new block at the end of the file.
    Add {
        /// Its name.
        block: String,
        /// A module, `postgres` or `postgres@15`; without a version, the major on the shelf.
        #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
        use_: Option<String>,
        /// Or a folder with your source.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
        /// Or an image of a registry.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image: Option<String>,
        /// The port that a block of your own or an image listens on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
    },
    /// Takes a block out of the file, and the wires written to it. Never its data.
    Remove {
        /// The block.
        block: String,
    },
    /// Gives a block another name, wherever it is written.
    Rename {
        /// The block.
        block: String,
        /// Its new name.
        to: String,
    },
    /// Ties a socket to a block; a socket that takes many gets one more.
    Wire {
        /// The block that needs.
        block: String,
        /// Its socket; empty: the only one that fits.
        #[serde(default)]
        socket: String,
        /// `block` or `block.offer`.
        provider: String,
    },
    /// Unties a socket, or one wire of it.
    Unwire {
        /// The block that needs.
        block: String,
        /// Its socket.
        socket: String,
        /// The wire; all of the socket's if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider: Option<String>,
    },
    /// Gives a setting a value.
    Set {
        /// The block.
        block: String,
        /// The setting.
        setting: String,
        /// A string, a whole number or a truth value.
        value: Value,
    },
    /// Takes a setting back to its default.
    Unset {
        /// The block.
        block: String,
        /// The setting.
        setting: String,
    },
    /// Gives a source block a socket.
    Need {
        /// The block.
        block: String,
        /// The socket.
        socket: String,
        /// `postgres/1`, with `?`, `*` or `+` for how many.
        interface: String,
        /// Limits on what the provider states: `{"version":">=14"}`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        limits: BTreeMap<String, Value>,
    },
    /// Takes a socket of a source block away, with its wires.
    Unneed {
        /// The block.
        block: String,
        /// The socket.
        socket: String,
    },
    /// How many copies of a process.
    Copies {
        /// The block.
        block: String,
        /// Its process; the only or main one if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        process: Option<String>,
        /// `3`, or `2..8`.
        copies: String,
    },
    /// Where a process lives under the app's address.
    Url {
        /// The block.
        block: String,
        /// Its process; the only or main one if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        process: Option<String>,
        /// Paths; none makes it private.
        path: Vec<String>,
        /// The port it listens on, if the file does not say it yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
    },
    /// Another module or version for a block, or another image for one that runs an image.
    Use {
        /// The block.
        block: String,
        /// `postgres@16`, or `ghcr.io/org/web:1.5`.
        module: String,
    },
    /// Takes a block's module from a copy in the app's folder, which is there already: the last
    /// rung, where everything is yours.
    Fork {
        /// The block.
        block: String,
        /// The folder, `./db`.
        to: String,
    },
    /// Uses an extension point that the module declares.
    Extend {
        /// The block.
        block: String,
        /// The point.
        point: String,
        /// Its value; of an object only the named keys change, and `null` takes away.
        value: Value,
    },
    /// A variable of a source block.
    Env {
        /// The block.
        block: String,
        /// The variable.
        name: String,
        /// Its value; absent takes it away.
        #[serde(default)]
        value: Option<String>,
    },
    /// A secret of a source block whose value a person gives to the server; the file has its name.
    Secret {
        /// The block.
        block: String,
        /// The secret; in capitals it is a variable as well.
        name: String,
        /// False takes it away.
        given: bool,
    },
    /// Puts a block's text back; the inverse of `remove`.
    Paste {
        /// The block.
        block: String,
        /// Its text, with everything that belonged to it.
        toml: String,
        /// The byte at which it began.
        at: usize,
    },
    /// Puts lines back as they were; an inverse where no other verb restores every byte.
    Restore {
        /// The lowest place first.
        pieces: Vec<Piece>,
    },
}

/// Lines to be put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The line at which `from` is expected, counted from 1.
    pub line: usize,
    /// The lines that are there now.
    pub from: String,
    /// The lines to be there.
    pub to: String,
}

/// A file after an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edited {
    /// The edit, with what was left out filled in.
    pub edit: Edit,
    /// The new text.
    pub text: String,
    /// Edits that restore the old text, byte for byte, in the order to apply them.
    pub inverse: Vec<Edit>,
    /// First and last changed line of the new text, counted from 1.
    pub lines: (usize, usize),
    /// What changed, in a few words.
    pub summary: String,
    /// The command that does the same.
    pub command: String,
}

/// Applies one edit to an app file. `path` is only used in messages.
///
/// # Errors
/// The text is not TOML, the edit means nothing here, or it would make something wrong that was
/// not wrong before; the diagnostics have the words of [`crate::check()`].
pub fn edit(
    path: &str,
    text: &str,
    edit: &Edit,
    catalogue: &Catalogue,
) -> Result<Edited, Vec<Diagnostic>> {
    let (edit, new) = apply::change(path, text, edit, catalogue)?;
    Ok(Edited {
        inverse: apply::inverse(path, text, &new, &edit, catalogue),
        lines: lines::changed(text, &new),
        summary: words::summary(&edit),
        command: words::command(&edit),
        text: new,
        edit,
    })
}
