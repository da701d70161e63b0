//! `app.lock` in an app's folder: written when a go has ended well, compared before the next.
//! Where next: `composer`'s `lock.rs`, which says what is in it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use composer::graph::From;
use composer::lock::Lock;
use composer::{Graph, Images};
use fs_err as fs;

use crate::around::Around;
use crate::{Error, Result, catalogues, images};

/// The file's name.
pub(crate) const NAME: &str = "app.lock";

/// The pins of an app as it is now. `sources` are hashes of what blocks are built from.
pub(crate) fn pins(
    graph: &Graph,
    around: &Around,
    sources: &BTreeMap<String, String>,
    images: &Images,
) -> Lock {
    let own = images.iter().filter(|(block, image)| {
        !block.contains('/') && image.contains("@sha256:") && !images::is_unbuilt(image)
    });
    let mut lock = Lock::of(graph, sources, &own.map(|(a, b)| (a.clone(), b.clone())).collect());
    for part in &graph.blocks {
        let From::Module { name, version, .. } = &part.from else { continue };
        if let (Some(one), Some(pin)) =
            (catalogues::taken_as(around, name, version), lock.blocks.get_mut(&part.name))
        {
            pin.from = Some(one.from.clone());
        }
    }
    lock
}

/// The lock in a folder, if there is one.
///
/// # Errors
/// It cannot be read, or is no lock.
pub(crate) fn read(dir: &Path) -> Result<Option<Lock>> {
    let path = dir.join(NAME);
    match fs::read_to_string(&path) {
        Ok(text) => Lock::parse(NAME, &text).map(Some).map_err(Error::Wrong),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// Writes the lock, if it says something else, as a file of who owns the app file.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write(dir: &Path, lock: &Lock) -> Result<()> {
    let (path, text) = (dir.join(NAME), lock.to_text());
    if fs::read_to_string(&path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let written = (|| {
        let owner = fs::metadata(dir.join("app.toml"))?;
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(owner.mode() & 0o666);
        file.as_file().set_permissions(mode)?;
        std::os::unix::fs::fchown(file.as_file(), Some(owner.uid()), Some(owner.gid()))?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(())
    })();
    written.map_err(|source| Error::Write { path, source })
}

/// What differs between the lock in a folder and what would be, one phrase each; nothing if there
/// is no lock.
///
/// # Errors
/// The lock cannot be read, or is none.
pub(crate) fn stale(dir: &Path, now: &Lock) -> Result<Vec<String>> {
    let Some(lock) = read(dir)? else { return Ok(Vec::new()) };
    let short = |text: &str| {
        let text = text.rsplit_once("@sha256:").map_or(text, |(_, digest)| digest);
        let long = text.len() > 20 && text.chars().all(|c| c.is_ascii_hexdigit());
        if long { text[..12].to_owned() } else { text.to_owned() }
    };
    let phrase = |one: &composer::lock::Stale| {
        format!("{} {}: {} is now {}", one.block, one.what, short(&one.locked), short(&one.now))
    };
    Ok(lock.stale(now).iter().map(phrase).collect())
}

/// Refuses what differs from the lock.
///
/// # Errors
/// There is no lock, or something differs.
pub(crate) fn must_fit(dir: &Path, now: &Lock) -> Result<()> {
    if read(dir)?.is_none() {
        return Err(Error::Data {
            code: "lock/absent",
            message: format!("there is no {NAME} in {} to keep to", dir.display()),
            hint: Some("a go without --locked writes it".into()),
        });
    }
    let stale = stale(dir, now)?;
    if stale.is_empty() {
        return Ok(());
    }
    Err(Error::Data {
        code: "lock/stale",
        message: format!("the app is not what {NAME} says: {}", stale.join("; ")),
        hint: Some("take it as it is, and write the lock anew:  shelf go".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "app = \"shop\"\n[db]\nuse = \"postgres@15\"\n";

    #[test]
    fn a_lock_is_written_once_and_says_what_differs() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("app.toml"), APP).unwrap();
        let graph = crate::load::from_text(dir.path(), APP.into()).unwrap().graph;
        let digest = |c: &str| format!("shelf.local/shop/db@sha256:{}", c.repeat(64));
        let pins = |c: &str, hash: &str| {
            let sources = BTreeMap::from([("db".to_owned(), hash.to_owned())]);
            pins(
                &graph,
                &Around::default(),
                &sources,
                &Images::from([("db".to_owned(), digest(c))]),
            )
        };
        assert!(matches!(must_fit(dir.path(), &pins("a", "1")), Err(Error::Data { .. })));
        write(dir.path(), &pins("a", "1")).unwrap();
        must_fit(dir.path(), &pins("a", "1")).unwrap();
        let stale = stale(dir.path(), &pins("b", "1")).unwrap();
        assert_eq!(stale, ["db image: aaaaaaaaaaaa is now bbbbbbbbbbbb"]);
        assert!(must_fit(dir.path(), &pins("a", "2")).is_err());
    }
}
