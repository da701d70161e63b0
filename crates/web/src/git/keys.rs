//! Keys for pushes: made for one app, kept as hashes, compared as hashes. `<folder>/keys.json`
//! (0600): `{"branch","keys":[{"hash","by","at"}]}`.

use std::io::Write;
use std::path::Path;

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::answer::Refusal;

/// The oldest makes room.
const MOST_KEYS: usize = 16;

#[derive(Debug, Serialize, Deserialize)]
struct Keys {
    branch: String,
    keys: Vec<Key>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Key {
    hash: String,
    by: String,
    at: String,
}

/// Whose key opened, and which branch it is for.
pub(super) struct Opened {
    pub(super) by: String,
    pub(super) branch: String,
}

fn store(error: &std::io::Error) -> Refusal {
    tracing::error!(%error, "keys for pushes");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "git/store", error.to_string())
}

fn read(folder: &Path) -> Result<Option<Keys>, Refusal> {
    match fs::read(folder.join("keys.json")) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| store(&error.into())).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(store(&error)),
    }
}

fn write(folder: &Path, keys: &Keys) -> Result<(), Refusal> {
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        let beside = folder.join("keys.json.new");
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&serde_json::to_vec(keys)?)?;
        file.sync_all()?;
        fs::rename(&beside, folder.join("keys.json"))
    };
    write().map_err(|error| store(&error))
}

fn hash(key: &str) -> String {
    Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a branch has a name that can be said everywhere.
fn is_branch(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    !name.is_empty()
        && name.len() <= 100
        && name.chars().all(plain)
        && !name.contains("..")
        && !name.contains("//")
        && !name.starts_with(['-', '/', '.'])
        && !name.ends_with(['/', '.'])
}

/// Makes a key; it, and the branch that goes live.
pub(super) fn make(
    folder: &Path,
    branch: Option<&str>,
    by: &str,
) -> Result<(String, String), Refusal> {
    let mut keys =
        read(folder)?.unwrap_or_else(|| Keys { branch: "main".into(), keys: Vec::new() });
    if let Some(branch) = branch {
        if !is_branch(branch) {
            return Err(Refusal::unfit("git/branch", format!("{branch:?} is no branch's name")));
        }
        branch.clone_into(&mut keys.branch);
    }
    let key = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let at = jiff::Timestamp::now().to_string();
    keys.keys.push(Key { hash: hash(&key), by: by.to_owned(), at });
    let old = keys.keys.len().saturating_sub(MOST_KEYS);
    keys.keys.drain(..old);
    write(folder, &keys)?;
    Ok((key, keys.branch))
}

/// Ends all keys; how many there were.
pub(super) fn end(folder: &Path) -> Result<usize, Refusal> {
    let Some(mut keys) = read(folder)? else { return Ok(0) };
    let count = keys.keys.len();
    keys.keys.clear();
    write(folder, &keys)?;
    Ok(count)
}

/// Whose key a request has.
pub(super) fn open(folder: &Path, headers: &HeaderMap) -> Result<Option<Opened>, Refusal> {
    let Some(key) = password(headers) else { return Ok(None) };
    let Some(keys) = read(folder)? else { return Ok(None) };
    // Hashes are compared: what their time tells says nothing of the key.
    let hash = hash(&key);
    let found = keys.keys.into_iter().find(|one| one.hash == hash);
    Ok(found.map(|one| Opened { by: one.by, branch: keys.branch }))
}

/// The password of a Basic credential (RFC 7617).
fn password(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credential) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(credential.trim()).ok()?).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned()).filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(credential: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = format!("Basic {}", STANDARD.encode(credential));
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    #[test]
    fn a_key_opens_its_own_app_until_it_is_ended() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (key, branch) = make(one.path(), None, "ana").unwrap();
        assert_eq!(branch, "main");
        let text = fs::read_to_string(one.path().join("keys.json")).unwrap();
        assert!(!text.contains(&key), "the key itself is kept");
        let headers = with(&format!("anybody:{key}"));
        assert_eq!(open(one.path(), &headers).unwrap().unwrap().by, "ana");
        assert!(open(other.path(), &headers).unwrap().is_none());
        for wrong in ["anybody:", "anybody:x", "anybody", &key] {
            assert!(open(one.path(), &with(wrong)).unwrap().is_none(), "{wrong}");
        }
        assert!(open(one.path(), &HeaderMap::new()).unwrap().is_none());
        let (second, branch) = make(one.path(), Some("release/1"), "ben").unwrap();
        assert_eq!((branch.as_str(), second == key), ("release/1", false));
        assert!(open(one.path(), &headers).unwrap().is_some(), "a new one ends no old one");
        assert_eq!(end(one.path()).unwrap(), 2);
        assert!(open(one.path(), &headers).unwrap().is_none());
    }

    #[test]
    fn a_branch_is_a_name_and_no_path() {
        for good in ["main", "release/1.2", "a_b"] {
            assert!(is_branch(good), "{good}");
        }
        for odd in ["", "-x", "../x", "a..b", "a b", "a\n", "/a", "a/", "a//b", "a~1"] {
            assert!(!is_branch(odd), "{odd:?}");
        }
    }
}
