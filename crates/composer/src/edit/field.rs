//! What an edit touches, so that two people's edits clash only where they mean the same field.

use toml_edit::Item;

use super::layout::Layout;
use super::{Edit, Piece, lines};

/// The fields an edit is about, as they stand in a text. Two texts with the same answer can both
/// take the edit; `None` if the text is not TOML.
pub fn touched(text: &str, edit: &Edit) -> Option<Vec<Option<String>>> {
    let layout = Layout::read(text).ok()?;
    let value = |path: &[&str]| -> Option<String> {
        Some(match layout.item(path)? {
            Item::Value(value) => value.clone().decorated("", "").to_string(),
            // The whole block; its comments are part of it.
            Item::Table(table) => table.to_string(),
            other => other.to_string(),
        })
    };
    let own = |block: &str, process: &Option<String>, key: &str| match process {
        Some(process) => value(&[block, "run", process, key]),
        None => value(&[block, "run"]),
    };
    Some(match edit {
        Edit::Add { block, .. } | Edit::Remove { block } | Edit::Paste { block, .. } => {
            vec![value(&[block])]
        }
        Edit::Rename { block, to } => {
            vec![layout.item(&[block]).map(|_| block.clone()), value(&[to])]
        }
        Edit::Wire { block, socket, .. } | Edit::Unwire { block, socket, .. } => {
            vec![value(&[block, "wire", socket]), value(&[block, "needs", socket])]
        }
        Edit::Set { block, setting, .. } | Edit::Unset { block, setting } => {
            vec![value(&[block, "set", setting])]
        }
        Edit::Need { block, socket, .. } | Edit::Unneed { block, socket } => {
            vec![value(&[block, "needs", socket])]
        }
        Edit::Copies { block, process, .. } => {
            vec![own(block, process, "copies"), value(&[block, "copies"])]
        }
        Edit::Url { block, process, .. } => vec![own(block, process, "path")],
        Edit::Use { block, .. } | Edit::Fork { block, .. } => {
            ["use", "module", "image"].map(|key| value(&[block, key])).into()
        }
        Edit::Extend { block, point, .. } => vec![value(&[block, "extend", point])],
        Edit::Env { block, name, .. } => vec![value(&[block, "env", name])],
        Edit::Secret { block, name, .. } => vec![value(&[block, "secrets", name])],
        // They know themselves whether their lines are still there.
        Edit::Restore { .. } => Vec::new(),
    })
}

impl Edit {
    /// The edit that turns one text into another, line by line: what a person did in an editor.
    pub fn rewriting(old: &str, new: &str) -> Self {
        Self::Restore { pieces: lines::restoring(new, old) }
    }
}

impl Piece {
    /// How many lines are taken and put.
    pub fn lines(&self) -> usize {
        lines::split(&self.from).len().max(lines::split(&self.to).len())
    }
}
