//! Where blocks stand on the canvas: `app.layout.toml` beside the app file, apart from meaning.
//!
//! ```toml
//! [db]
//! x = 40
//! y = 80
//! ```
//! A file that cannot be read moves nothing and refuses nothing: the canvas then lays out anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Blocks beyond this are not kept.
const MOST_BLOCKS: usize = 2000;
/// Places lie within this distance of the middle.
const FARTHEST: f64 = 1_000_000.0;

/// A place on the canvas, in its own units (pixels at 100 %).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// To the right.
    pub x: f64,
    /// Down.
    pub y: f64,
}

/// The places of blocks, by name.
pub type Layout = BTreeMap<String, Place>;

/// Reads the places of the app in `dir`.
pub fn layout(dir: &Path) -> Layout {
    let text = fs::read_to_string(dir.join("app.layout.toml")).unwrap_or_default();
    let mut layout = Layout::new();
    let mut block = String::new();
    let mut x = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            (block, x) = (name.trim().trim_matches('"').to_owned(), None);
        } else if let Some((key, value)) = line.split_once('=') {
            let value = value.split('#').next().unwrap_or_default().trim();
            let number: Option<f64> = value.parse().ok().filter(|n: &f64| n.abs() <= FARTHEST);
            match (key.trim(), number, x) {
                ("x", number, _) => x = number,
                ("y", Some(y), Some(x)) if layout.len() < MOST_BLOCKS => {
                    layout.insert(block.clone(), Place { x, y });
                }
                _ => {}
            }
        }
    }
    layout
}

/// Moves blocks to new places; those that are not named stay where they are, and places of blocks
/// that are not among `blocks` are forgotten, if the names are known.
///
/// # Errors
/// A place is no place, or the file cannot be written.
pub fn move_blocks(dir: &Path, moved: &Layout, blocks: Option<&[String]>) -> Result<()> {
    let fits = |place: &Place| place.x.abs() <= FARTHEST && place.y.abs() <= FARTHEST;
    if moved.len() > MOST_BLOCKS || !moved.values().all(fits) {
        let message =
            format!("a place is farther than {FARTHEST} from the middle, or there are too many");
        return Err(Error::Unfit { code: "layout/place", message });
    }
    let mut all = layout(dir);
    all.extend(moved.iter().map(|(name, place)| (name.clone(), *place)));
    all.retain(|name, _| {
        // What is no name of a block would be no table of the file.
        let named = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        named && !name.is_empty() && blocks.is_none_or(|blocks| blocks.contains(name))
    });
    let mut text = String::from("# Where blocks stand on the canvas; nothing else reads this.\n");
    for (name, place) in &all {
        // Writing into a string cannot fail.
        let _ = write!(text, "\n[{name}]\nx = {}\ny = {}\n", place.x.round(), place.y.round());
    }
    let path = dir.join("app.layout.toml");
    let write = || {
        use std::io::Write as _;
        let mut staged = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(dir)?;
        staged.write_all(text.as_bytes())?;
        staged.persist(&path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|source| Error::Read { path: path.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_kept_and_those_of_absent_blocks_go() {
        let dir = tempfile::tempdir().unwrap();
        let blocks = ["db".to_owned(), "web".to_owned()];
        let place = |x, y| Place { x, y };
        let moved =
            Layout::from([("db".into(), place(40.4, 80.0)), ("gone".into(), place(1.0, 1.0))]);
        move_blocks(dir.path(), &moved, Some(&blocks)).unwrap();
        move_blocks(dir.path(), &Layout::from([("web".into(), place(-5.0, 0.0))]), Some(&blocks))
            .unwrap();
        let read = layout(dir.path());
        assert_eq!(read.len(), 2);
        assert_eq!(read["db"], place(40.0, 80.0));
        assert_eq!(read["web"], place(-5.0, 0.0));
        let far = Layout::from([("db".into(), place(f64::INFINITY, 0.0))]);
        assert!(move_blocks(dir.path(), &far, Some(&blocks)).is_err());
        let nowhere = Layout::from([("db".into(), place(f64::NAN, 0.0))]);
        assert!(move_blocks(dir.path(), &nowhere, Some(&blocks)).is_err());
    }

    #[test]
    fn a_broken_file_is_no_layout() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("app.layout.toml"), "[db]\nx = y\ny = 1e400\n[[\u{0}").unwrap();
        assert!(layout(dir.path()).is_empty());
    }
}
