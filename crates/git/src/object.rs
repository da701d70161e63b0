//! Objects, and what makes one fit to be believed. Where next: `receive.rs`, which asks.

use std::collections::BTreeSet;

use crate::{Error, Id, Result};

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }
}

/// An object with its bytes.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    pub(crate) bytes: Vec<u8>,
}

/// What a name in a tree stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Folder,
    File {
        runs: bool,
    },
    Link,
    /// A commit of another repository.
    Module,
}

/// One name in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) mode: Mode,
    pub(crate) name: Vec<u8>,
    pub(crate) id: Id,
}

/// The longest name that a file system here takes.
const MOST_NAME_BYTES: usize = 255;

/// The names of a tree, in order; what is wrong with it otherwise.
pub(crate) fn tree(mut bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    let mut names = BTreeSet::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ').ok_or("a tree breaks off")?;
        let end = bytes.iter().position(|byte| *byte == 0).ok_or("a tree breaks off")?;
        if end < space || bytes.len() < end + 21 {
            return Err("a tree breaks off".into());
        }
        let mode = match &bytes[..space] {
            b"40000" => Mode::Folder,
            b"100644" | b"100664" => Mode::File { runs: false },
            b"100755" => Mode::File { runs: true },
            b"120000" => Mode::Link,
            b"160000" => Mode::Module,
            other => return Err(format!("mode {:?}", String::from_utf8_lossy(other))),
        };
        let name = &bytes[space + 1..end];
        let odd = name.is_empty()
            || name.contains(&b'/')
            || name == b"."
            || name == b".."
            || name.eq_ignore_ascii_case(b".git")
            || name.len() > MOST_NAME_BYTES;
        if odd {
            return Err(format!("the name {:?} in a tree", String::from_utf8_lossy(name)));
        }
        if !names.insert(name) {
            return Err(format!("the name {:?} twice", String::from_utf8_lossy(name)));
        }
        let id = Id::of_bytes(&bytes[end + 1..end + 21]).ok_or("a tree breaks off")?;
        entries.push(Entry { mode, name: name.to_vec(), id });
        bytes = &bytes[end + 21..];
    }
    Ok(entries)
}

/// The tree of a commit, and the first line of what it says.
pub(crate) fn commit(bytes: &[u8]) -> Result<(Id, String), String> {
    let text = String::from_utf8_lossy(bytes);
    let (head, said) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let tree = lines.next().and_then(|line| Id::parse(line.strip_prefix("tree ")?));
    let tree = tree.ok_or("a commit without a tree")?;
    let parents = lines.by_ref().take_while(|line| line.starts_with("parent "));
    if parents.filter(|line| Id::parse(&line["parent ".len()..]).is_none()).count() > 0 {
        return Err("a commit with an odd parent".into());
    }
    if !head.lines().any(|line| line.starts_with("author ")) {
        return Err("a commit of nobody".into());
    }
    Ok((tree, said.lines().next().unwrap_or_default().to_owned()))
}

/// Checks an object that just arrived.
pub(crate) fn check(id: Id, kind: Kind, bytes: &[u8]) -> Result<()> {
    let checked = match kind {
        Kind::Tree => tree(bytes).map(|_| ()),
        Kind::Commit => commit(bytes).map(|_| ()),
        Kind::Tag if !bytes.starts_with(b"object ") => Err("a tag of nothing".into()),
        Kind::Tag | Kind::Blob => Ok(()),
    };
    checked.map_err(|reason| Error::Object { id, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mode: &str, name: &str) -> Vec<u8> {
        [mode.as_bytes(), b" ", name.as_bytes(), &[0], &[7; 20]].concat()
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        assert!(tree(&entry("100644", "a b.txt")).is_ok());
        for name in ["", ".", "..", ".git", ".GIT", "a/b"] {
            assert!(tree(&entry("40000", name)).is_err(), "{name:?}");
        }
        for mode in ["100600", "020000", "", "0"] {
            assert!(tree(&entry(mode, "a")).is_err(), "{mode:?}");
        }
        let twice = [entry("120000", "a"), entry("40000", "a")].concat();
        assert!(tree(&twice).is_err(), "a link that is a folder too");
        assert!(tree(&entry("100644", "a")[..20]).is_err());
        assert!(tree(b"100644 a").is_err());
    }

    #[test]
    fn a_commit_says_its_tree() {
        let id = Id([7; 20]);
        let text = format!("tree {id}\nparent {id}\nauthor a <a> 1 +0000\n\nfirst\nsecond\n");
        assert_eq!(commit(text.as_bytes()), Ok((id, "first".into())));
        assert!(commit(b"author a <a> 1 +0000\n\nno tree").is_err());
        assert!(commit(format!("tree {id}\n\nnobody").as_bytes()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>) {
            let _any = (tree(&bytes), commit(&bytes));
        }
    }
}
