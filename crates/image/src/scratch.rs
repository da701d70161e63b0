//! Room for work on the store's own file system, and locks so that equal work is done once.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::layout::{Layout, Stage};
use crate::{Images, Result, rooted};

/// A directory on the store's file system, so that a layer made in it can be moved into the
/// store. Removed when dropped, or at the next start after a crash.
#[derive(Debug)]
pub struct Scratch {
    layout: Arc<Layout>,
    name: CString,
    path: PathBuf,
}

impl Scratch {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.layout.remove_stage(&self.name);
    }
}

/// Keys that some thread works on now.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    busy: Mutex<BTreeSet<String>>,
    freed: Condvar,
}

/// While it lives, no other thread gets the same key.
#[derive(Debug)]
pub struct Exclusive {
    layout: Arc<Layout>,
    key: String,
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        let keys = &self.layout.keys;
        keys.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        keys.freed.notify_all();
    }
}

impl Images {
    /// Makes an empty directory for work that may become a layer.
    pub fn scratch(&self) -> Result<Scratch> {
        let (name, path) = self.layout.stage()?.keep();
        Ok(Scratch { layout: self.layout.clone(), name, path })
    }

    /// Waits until no other thread works on `key`, and keeps the others waiting.
    pub fn exclusive(&self, key: &str) -> Exclusive {
        let keys = &self.layout.keys;
        let mut busy = keys.busy.lock().unwrap_or_else(PoisonError::into_inner);
        while !busy.insert(key.to_owned()) {
            busy = keys.freed.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        Exclusive { layout: self.layout.clone(), key: key.to_owned() }
    }
}

impl Stage<'_> {
    /// Gives up the automatic removal.
    fn keep(self) -> (CString, PathBuf) {
        let kept = (self.name.clone(), self.path.clone());
        std::mem::forget(self);
        kept
    }
}

impl Layout {
    pub(crate) fn remove_stage(&self, name: &CString) {
        let parent = self.path.join("stage");
        let removed =
            rooted::directory(&parent).and_then(|parent| rooted::remove_tree(parent.as_fd(), name));
        if let Err(error) = removed {
            // The next start of the store removes it.
            tracing::warn!(path = %parent.display(), ?name, %error, "cannot remove a stage");
        }
    }
}
