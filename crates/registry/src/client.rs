//! The door: one client for all registries. Next: `pull.rs` and `push.rs`, or `repository.rs`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use image::Reference;

use crate::wire::Wire;
use crate::{Login, Logins, Repository, Result, host};

/// What a client may be told.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Registries (`host` or `host:port`) that may speak plain HTTP. This machine's own always may.
    pub insecure: Vec<String>,
    /// Certificates (PEM) that are trusted besides this machine's.
    pub ca_file: Option<PathBuf>,
    /// Where the logins of this machine are.
    pub logins: Logins,
}

/// A client for all registries; clones share its connections.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) wire: Arc<Wire>,
    logins: Logins,
    /// One fetch of a blob at a time, however many want it.
    busy: Arc<Mutex<BTreeMap<String, Weak<tokio::sync::Mutex<()>>>>>,
}

/// How far one blob is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The tag stands for this now.
    Resolved {
        /// Digest of the manifest or index.
        digest: String,
    },
    /// So many bytes of a blob have moved.
    Moved {
        /// The blob.
        digest: String,
        /// Bytes so far.
        done: u64,
        /// Bytes in all.
        size: u64,
    },
    /// A blob is whole on the other side.
    Done {
        /// The blob.
        digest: String,
        /// It was there before.
        present: bool,
    },
}

impl Client {
    /// A client; nothing is connected yet.
    ///
    /// # Errors
    /// The CA file cannot be read.
    pub fn new(settings: &Settings) -> Result<Self> {
        let (wire, logins) = (Arc::new(Wire::new(settings)?), settings.logins.clone());
        Ok(Self { wire, logins, busy: Arc::default() })
    }

    /// This machine's login for what `name` names.
    ///
    /// # Errors
    /// A file of logins is there and cannot be read.
    pub fn login(&self, name: &Reference) -> Result<Option<Login>> {
        self.logins.find(name)
    }

    /// What `name` names without its tag: manifests, blobs, tags and referrers.
    pub fn repository(&self, name: &Reference, login: Option<&Login>) -> Repository {
        Repository::new(self.wire.clone(), host::of(&name.domain), &name.path, login)
    }

    /// Whether the registry takes this login.
    ///
    /// # Errors
    /// [`crate::Error::Denied`] when it does not.
    pub async fn check(&self, registry: &str, login: &Login) -> Result<()> {
        Repository::new(self.wire.clone(), host::of(registry), "", Some(login)).greet().await
    }

    /// The digest that `name` stands for at its registry now: of an index where there is one.
    ///
    /// # Errors
    /// As [`Repository::resolve`].
    pub async fn resolve(&self, name: &Reference, login: Option<&Login>) -> Result<String> {
        let repository = self.repository(name, login);
        Ok(repository.resolve(wanted(name)).await?.digest)
    }

    /// The turn for fetching a blob.
    pub(crate) fn turn(&self, digest: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = busy.get(digest).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        busy.insert(digest.to_owned(), Arc::downgrade(&turn));
        turn
    }
}

/// What of a repository a reference names: the digest decides, then the tag.
pub(crate) fn wanted(name: &Reference) -> &str {
    name.digest.as_deref().or(name.tag.as_deref()).unwrap_or("latest")
}
