//! Who we are to a registry: logins, and the files that keep them.
//!
//! The files are in the format of `containers-auth.json(5)`, which Docker's `config.json` shares.
//! We write only our own (mode 0600) and read the others. Helper programs are not run. Where next:
//! `token.rs`.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use image::Reference;
use serde_json::{Map, Value, json};

use crate::{Error, Result};

/// Largest file of logins that is read, in bytes.
const FILE_MAX: usize = 1 << 20;
/// Docker's own name for its Hub in files of logins.
const HUB: &str = "https://index.docker.io/v1/";

/// A name and its password, or what a registry gave in their place. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
    /// A token that stands for both and is exchanged for others (OAuth 2 refresh token).
    pub identity: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.user)
    }
}

impl Login {
    /// A name and a password.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into(), identity: None }
    }

    /// The value of `Authorization` for Basic.
    pub(crate) fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }

    /// Reads Docker's header `X-Registry-Auth`: base64 (URL-safe, padded or not) of one entry.
    /// None when there is no login in it.
    pub fn from_header(header: &str) -> Option<Self> {
        let header = header.trim();
        let bytes = URL_SAFE
            .decode(header)
            .or_else(|_| URL_SAFE_NO_PAD.decode(header))
            .or_else(|_| STANDARD.decode(header))
            .ok()?;
        Self::from_entry(&serde_json::from_slice(&bytes).ok()?)
    }

    /// Reads one entry: of a file, of a Secret, or of Docker's header `X-Registry-Auth`.
    /// None when there is no login in it.
    pub fn from_entry(entry: &Value) -> Option<Self> {
        let text = |name: &str| entry[name].as_str().filter(|text| !text.is_empty());
        let identity = text("identitytoken").map(str::to_owned);
        let (user, password) = match text("auth") {
            Some(auth) => pair(auth)?,
            None => {
                let user = text("username").unwrap_or_default().to_owned();
                (user, text("password").unwrap_or_default().to_owned())
            }
        };
        (identity.is_some() || !user.is_empty()).then_some(Self { user, password, identity })
    }
}

/// `base64(user:password)`.
fn pair(auth: &str) -> Option<(String, String)> {
    let auth = auth.trim();
    let bytes = STANDARD.decode(auth).or_else(|_| STANDARD_NO_PAD.decode(auth)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    // Docker writes a stray zero byte after some passwords.
    Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
}

/// The files in which logins are looked for; the first that has one for a name decides. They are
/// read anew each time, so a login counts at once.
#[derive(Debug, Clone, Default)]
pub struct Logins {
    /// In order.
    pub files: Vec<PathBuf>,
}

impl Logins {
    /// The login for what a reference names, if there is one.
    ///
    /// # Errors
    /// A file is there and cannot be read.
    pub fn find(&self, name: &Reference) -> Result<Option<Login>> {
        for path in &self.files {
            let found = read(path)?.as_ref().and_then(|document| login_in(document, name));
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Keeps a login for a registry in `path`, which is made for this user only.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn keep(path: &Path, registry: &str, login: &Login) -> Result<()> {
        let mut entry = json!({
            "auth": STANDARD.encode(format!("{}:{}", login.user, login.password)),
        });
        if let Some(identity) = &login.identity {
            entry["identitytoken"] = json!(identity);
        }
        change(path, |auths| drop(auths.insert(key(registry).to_owned(), entry)))
    }

    /// Forgets the login for a registry; false when `path` had none.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn forget(path: &Path, registry: &str) -> Result<bool> {
        let had =
            read(path)?.is_some_and(|document| document["auths"].get(key(registry)).is_some());
        if had {
            change(path, |auths| drop(auths.remove(key(registry))))?;
        }
        Ok(had)
    }
}

/// The login for a reference in a document of that format: the longest key that covers it.
/// Also for the Secrets of Kubernetes, type `kubernetes.io/dockerconfigjson`.
pub fn login_in(document: &Value, name: &Reference) -> Option<Login> {
    let whole = format!("{}/{}", name.domain, name.path);
    let covers = |known: &str| {
        whole == known || whole.strip_prefix(known).is_some_and(|rest| rest.starts_with('/'))
    };
    let entries = document["auths"].as_object()?.iter();
    let fitting = entries.filter(|(known, _)| covers(&plain_key(known)));
    let login = |(known, entry): (&String, &Value)| {
        Some((plain_key(known).len(), Login::from_entry(entry)?))
    };
    fitting.filter_map(login).max_by_key(|(length, _)| *length).map(|(_, login)| login)
}

/// `https://index.docker.io/v1/` is `docker.io`, `https://host/v2/` is `host`.
fn plain_key(key: &str) -> String {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let bare = bare.unwrap_or(key).trim_end_matches('/');
    let bare = bare.strip_suffix("/v1").or_else(|| bare.strip_suffix("/v2")).unwrap_or(bare);
    match bare {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    }
}

/// The key under which Docker and others look for a registry's login.
fn key(registry: &str) -> &str {
    if plain_key(registry) == "docker.io" { HUB } else { registry }
}

fn read(path: &Path) -> Result<Option<Value>> {
    let fails = |reason: String| Error::Login { path: path.to_owned(), reason };
    match fs_err::read(path) {
        Ok(bytes) => document(&bytes).map(Some).map_err(fails),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fails(error.to_string())),
    }
}

/// Parses the bytes of a file of logins.
fn document(bytes: &[u8]) -> Result<Value, String> {
    if bytes.len() > FILE_MAX {
        return Err("is longer than 1 MiB".to_owned());
    }
    // The parser's words name places, never values.
    serde_json::from_slice(bytes).map_err(|error| format!("is no JSON: {error}"))
}

fn change(path: &Path, edit: impl FnOnce(&mut Map<String, Value>)) -> Result<()> {
    let fails = |reason: String| Error::Login { path: path.to_owned(), reason };
    let mut document = read(path)?.unwrap_or_else(|| json!({}));
    let auths = document
        .as_object_mut()
        .and_then(|all| all.entry("auths").or_insert_with(|| json!({})).as_object_mut())
        .ok_or_else(|| fails("is not of this format: {\"auths\":{…}}".to_owned()))?;
    edit(auths);
    let folder = path.parent().unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        fs_err::create_dir_all(folder)?;
        // A temporary file has mode 0600 from its first moment.
        let mut staged = tempfile::NamedTempFile::new_in(folder)?;
        staged.write_all(&serde_json::to_vec_pretty(&document).unwrap_or_default())?;
        staged.as_file().sync_all()?;
        staged.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| fails(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Reference {
        Reference::parse(text).unwrap()
    }

    #[test]
    fn the_longest_key_that_covers_a_name_decides() {
        let entry = |user: &str| json!({"auth": STANDARD.encode(format!("{user}:p:w"))});
        let document = json!({"auths": {
            HUB: entry("hub"), "quay.io": entry("quay"), "quay.io/team": entry("team"),
            "https://r.lan:5000/v2/": entry("lan"), "empty.lan": {},
            "id.lan": {"identitytoken": "t"}, "split.lan": {"username": "u", "password": "p"},
        }});
        for (text, user) in [
            ("debian:12", Some("hub")),
            ("quay.io/other/x", Some("quay")),
            ("quay.io/team/x", Some("team")),
            ("quay.io/teams/x", Some("quay")),
            ("r.lan:5000/a", Some("lan")),
            ("r.lan/a", None),
            ("empty.lan/a", None),
            ("id.lan/a", Some("")),
            ("split.lan/a", Some("u")),
        ] {
            let found = login_in(&document, &name(text));
            assert_eq!(found.as_ref().map(|login| login.user.as_str()), user, "{text}");
        }
        assert_eq!(login_in(&document, &name("debian")).unwrap().password, "p:w");
    }

    #[test]
    fn a_login_is_kept_for_its_owner_only_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shelf/auth.json");
        for (registry, asked) in [("localhost:5000", "localhost:5000/a"), ("docker.io", "debian")] {
            Logins::keep(&path, registry, &Login::new("ana", "s3cret")).unwrap();
            let logins = Logins { files: vec![dir.path().join("none.json"), path.clone()] };
            let found = logins.find(&name(asked)).unwrap().unwrap();
            assert_eq!((found.user.as_str(), found.password.as_str()), ("ana", "s3cret"));
            assert!(!format!("{found:?}").contains("s3cret"));
            let mode = fs_err::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert!(Logins::forget(&path, registry).unwrap());
            assert!(!Logins::forget(&path, registry).unwrap());
            assert!(logins.find(&name(asked)).unwrap().is_none());
        }
    }

    #[test]
    fn a_damaged_file_is_named_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("auth.json");
        fs_err::write(&path, "{\"auths\": {\"x\": \"hunter2\" ").unwrap();
        let error = Logins { files: vec![path] }.find(&name("a")).unwrap_err().to_string();
        assert!(error.contains("auth.json") && !error.contains("hunter2"), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_document_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(document) = document(&bytes) {
                login_in(&document, &name("quay.io/team/x"));
            }
        }

        #[test]
        fn any_entry_is_a_login_or_none(auth in "\\PC{0,60}", user in "\\PC{0,20}") {
            let document = json!({"auths": {"quay.io": {"auth": auth, "username": user}, "b": auth}});
            login_in(&document, &name("quay.io/team/x"));
        }
    }
}
