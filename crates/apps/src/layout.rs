//! Where blocks stand on the canvas, and which of them are one group: `app.layout.toml` beside the
//! app file, apart from meaning.
//!
//! ```toml
//! [db]
//! x = 40
//! y = 80
//! group = "data"
//! ```
//! A file that cannot be read moves nothing and refuses nothing: the canvas then lays out anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use composer::Edit;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Blocks beyond this are not kept.
const MOST_BLOCKS: usize = 2000;
/// Places lie within this distance of the middle.
const FARTHEST: f64 = 1_000_000.0;
/// The longest name of a group, in characters.
const LONGEST_GROUP: usize = 60;

/// A place on the canvas, in its own units (pixels at 100 %).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// To the right.
    pub x: f64,
    /// Down.
    pub y: f64,
    /// The group it is drawn in, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// The places of blocks, by name.
pub type Layout = BTreeMap<String, Place>;

/// Blocks and the group each goes into; `None` takes it out of its group.
pub type Groups = BTreeMap<String, Option<String>>;

/// Reads the places of the app in `dir`.
pub fn layout(dir: &Path) -> Layout {
    let text = fs::read_to_string(dir.join("app.layout.toml")).unwrap_or_default();
    let mut layout = Layout::new();
    let mut block = String::new();
    let mut x = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            (block, x) = (name.trim().trim_matches('"').to_owned(), None);
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let (key, value) = (key.trim(), value.trim());
        if key == "group" {
            let name = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            if let (Some(name), Some(place)) = (name, layout.get_mut(&block)) {
                place.group = Some(name.to_owned()).filter(|name| is_group(name));
            }
            continue;
        }
        let value = value.split('#').next().unwrap_or_default().trim();
        let number: Option<f64> = value.parse().ok().filter(|n: &f64| n.abs() <= FARTHEST);
        match (key, number, x) {
            ("x", number, _) => x = number,
            ("y", Some(y), Some(x)) if layout.len() < MOST_BLOCKS => {
                layout.insert(block.clone(), Place { x, y, group: None });
            }
            _ => {}
        }
    }
    layout
}

/// Whether it can name a group: anything a person reads, without what TOML would have to escape.
fn is_group(name: &str) -> bool {
    let plain = |c: char| !c.is_control() && c != '"' && c != '\\';
    !name.trim().is_empty() && name.chars().count() <= LONGEST_GROUP && name.chars().all(plain)
}

/// Moves blocks to new places, and into or out of groups; those that are not named stay where they
/// are, and places of blocks that are not among `blocks` are forgotten, if the names are known.
///
/// # Errors
/// A place is no place, a group's name cannot be one, or the file cannot be written.
pub fn move_blocks(
    dir: &Path,
    moved: &Layout,
    groups: &Groups,
    blocks: Option<&[String]>,
) -> Result<()> {
    let fits = |place: &Place| place.x.abs() <= FARTHEST && place.y.abs() <= FARTHEST;
    if moved.len() > MOST_BLOCKS || !moved.values().all(fits) {
        let message =
            format!("a place is farther than {FARTHEST} from the middle, or there are too many");
        return Err(Error::Unfit { code: "layout/place", message });
    }
    let named = moved.values().filter_map(|place| place.group.as_ref());
    if let Some(bad) = named.chain(groups.values().flatten()).find(|name| !is_group(name)) {
        let message = format!(
            "a group's name has from 1 to {LONGEST_GROUP} characters, no quotes or backslashes: {bad:?}"
        );
        return Err(Error::Unfit { code: "layout/group", message });
    }
    let mut all = layout(dir);
    for (name, place) in moved {
        let was = all.get(name).and_then(|was| was.group.clone());
        let group = place.group.clone().or(was);
        all.insert(name.clone(), Place { group, ..place.clone() });
    }
    for (name, group) in groups {
        if let Some(place) = all.get_mut(name) {
            place.group.clone_from(group);
        }
    }
    all.retain(|name, _| {
        // What is no name of a block would be no table of the file.
        let named = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        named && !name.is_empty() && blocks.is_none_or(|blocks| blocks.contains(name))
    });
    write(dir, &all)
}

/// Lets places go with the blocks that `edits` give another name.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn follow(dir: &Path, edits: &[Edit]) -> Result<()> {
    let mut renames = edits.iter().filter_map(|edit| match edit {
        Edit::Rename { block, to } => Some((block, to)),
        _ => None,
    });
    let mut all = layout(dir);
    let mut changed = false;
    for (block, to) in &mut renames {
        if let Some(place) = all.remove(block) {
            all.insert(to.clone(), place);
            changed = true;
        }
    }
    if changed { write(dir, &all) } else { Ok(()) }
}

fn write(dir: &Path, all: &Layout) -> Result<()> {
    let mut text = String::from("# Where blocks stand on the canvas; nothing else reads this.\n");
    for (name, place) in all {
        // Writing into a string cannot fail.
        let _ = write!(text, "\n[{name}]\nx = {}\ny = {}\n", place.x.round(), place.y.round());
        if let Some(group) = &place.group {
            let _ = writeln!(text, "group = \"{group}\"");
        }
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
        let place = |x, y| Place { x, y, group: None };
        let moved =
            Layout::from([("db".into(), place(40.4, 80.0)), ("gone".into(), place(1.0, 1.0))]);
        let no = Groups::new();
        move_blocks(dir.path(), &moved, &no, Some(&blocks)).unwrap();
        let web = Layout::from([("web".into(), place(-5.0, 0.0))]);
        move_blocks(dir.path(), &web, &no, Some(&blocks)).unwrap();
        let read = layout(dir.path());
        assert_eq!(read.len(), 2);
        assert_eq!(read["db"], place(40.0, 80.0));
        assert_eq!(read["web"], place(-5.0, 0.0));
        let far = Layout::from([("db".into(), place(f64::INFINITY, 0.0))]);
        assert!(move_blocks(dir.path(), &far, &no, Some(&blocks)).is_err());
        let nowhere = Layout::from([("db".into(), place(f64::NAN, 0.0))]);
        assert!(move_blocks(dir.path(), &nowhere, &no, Some(&blocks)).is_err());
    }

    #[test]
    fn a_group_stays_through_moves_and_names_until_it_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let at = |x| Place { x, y: 0.0, group: None };
        let both = Layout::from([("db".into(), at(1.0)), ("web".into(), at(2.0))]);
        let group = |name: &str| Groups::from([("db".into(), Some(name.to_owned()))]);
        move_blocks(dir.path(), &both, &group("Daten # 1"), None).unwrap();
        move_blocks(dir.path(), &Layout::from([("db".into(), at(9.0))]), &Groups::new(), None)
            .unwrap();
        let rename = Edit::Rename { block: "db".into(), to: "store".into() };
        follow(dir.path(), &[rename]).unwrap();
        let read = layout(dir.path());
        let moved = Place { x: 9.0, y: 0.0, group: Some("Daten # 1".into()) };
        assert_eq!(read.get("store"), Some(&moved));
        assert_eq!((read.len(), &read["web"].group), (2, &None));
        for bad in ["", "a\"b", "a\\b", "a\nb", &"x".repeat(61)] {
            let refused = move_blocks(dir.path(), &Layout::new(), &group(bad), None);
            assert!(refused.is_err(), "{bad:?}");
        }
        let out = Groups::from([("store".into(), None)]);
        move_blocks(dir.path(), &Layout::new(), &out, None).unwrap();
        assert_eq!(layout(dir.path())["store"].group, None);
    }

    #[test]
    fn a_broken_file_is_no_layout() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("app.layout.toml"), "[db]\nx = y\ny = 1e400\n[[\u{0}").unwrap();
        assert!(layout(dir.path()).is_empty());
    }
}
