//! Unpacked layers: `layers/<diff-id>/fs` with a marker `complete` beside it.
//!
//! The blob is the truth and is synced at once; the directory can be made from it again. So the
//! marker first says in which boot the directory was written (good until the machine goes down),
//! and is rewritten once `syncfs` has put everything on disk. A directory without a marker that
//! holds is removed at start and unpacked again when needed. Next: `extract.rs`, `pack.rs`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::digest::{self, HashingReader, HashingWriter};
use crate::extract::{Budget, Meaning, extract};
use crate::layout::{Layout, Stage, new_file};
use crate::packing::Packing;
use crate::{Error, Layer, Result, pack, rooted};

/// Which layers are unpacked, and which are being unpacked by some thread now.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    known: Mutex<Known>,
    changed: Condvar,
    /// Directories whose content may be in memory only.
    unsynced: Arc<Mutex<Unsynced>>,
}

#[derive(Debug, Default)]
struct Known {
    complete: BTreeSet<String>,
    busy: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Unsynced {
    names: Vec<String>,
    running: bool,
}

/// The file `complete`.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    /// The boot in which the directory was written; None once it is known to be on disk.
    boot: Option<String>,
}

/// Directories that are synced together.
const MOST_AT_ONCE: usize = 64;

impl Layout {
    /// At start: which directories can be used. The others are removed.
    pub(crate) fn find_layers(&self) -> Result<()> {
        let path = self.path.join("layers");
        let dir = rooted::directory(&path).map_err(Error::errno("open", &path))?;
        let boot = boot_id();
        let mut complete = BTreeSet::new();
        let mut unsynced = Vec::new();
        for name in rooted::names(dir.as_fd()).map_err(Error::errno("list", &path))? {
            let text = name.to_string_lossy().into_owned();
            let marker: Option<Marker> = std::fs::read(path.join(&text).join("complete"))
                .ok()
                .and_then(|bytes| serde_json::from_slice(&bytes).ok());
            match marker {
                Some(Marker { boot: None }) => {}
                Some(Marker { boot: Some(written) }) if written == boot => {
                    unsynced.push(text.clone())
                }
                _ => {
                    rooted::remove_tree(dir.as_fd(), &name)
                        .map_err(Error::errno("remove unfinished layer in", &path))?;
                    continue;
                }
            }
            complete.insert(text);
        }
        self.layers.known.lock().unwrap_or_else(PoisonError::into_inner).complete = complete;
        for name in unsynced {
            self.sync_later(name);
        }
        Ok(())
    }

    /// The unpacked directory of a layer, made from its blob if need be; once, however many ask.
    pub(crate) fn unpacked(&self, layer: &Layer) -> Result<PathBuf> {
        let hex = hex_of(&layer.diff_id)?;
        self.once(hex, || {
            let stage = self.stage()?;
            let path = self.blob_path(&layer.digest)?;
            let blob = File::open(&path).map_err(Error::io("open", &path))?;
            let fs = stage.path.join("fs");
            make_root(&fs)?;
            let fs_fd = rooted::directory(&fs).map_err(Error::errno("open", &fs))?;
            unpack_verified(blob, layer, fs_fd.as_fd())?;
            self.commit(stage, hex)
        })?;
        Ok(self.layer_path(hex))
    }

    pub(crate) fn layer_path(&self, hex: &str) -> PathBuf {
        self.path.join("layers").join(hex).join("fs")
    }

    /// Packs `upper` into a blob and moves it into the store as that blob's unpacked layer.
    /// None when nothing is in it.
    pub(crate) fn layer_of(&self, upper: &Path) -> Result<Option<Layer>> {
        let upper_fd = rooted::directory(upper).map_err(Error::errno("open", upper))?;
        let stage = self.stage()?;
        let staged = stage.path.join("blob");
        let file = HashingWriter::new(BufWriter::with_capacity(256 << 10, new_file(&staged)?));
        // Local disk is cheaper than time: the fastest level is a sixth larger.
        let tar = HashingWriter::new(GzEncoder::new(file, Compression::fast()));
        let (tar, entries) =
            pack::pack(upper_fd.as_fd(), BufWriter::with_capacity(256 << 10, tar))?;
        if entries == 0 {
            return Ok(None);
        }
        let written = Error::io("write", &staged);
        let (digest, diff_id, size) = finish_blob(tar).map_err(written)?;
        let layer = Layer { digest, diff_id, size };
        let blob = self.blob_path(&layer.digest)?;
        if !blob.exists() {
            self.publish(&staged, &blob)?;
        }
        let hex = hex_of(&layer.diff_id)?;
        self.once(hex, || {
            let fs = stage.path.join("fs");
            match std::fs::rename(upper, &fs) {
                Ok(()) => make_root(upper)?,
                Err(error) if Errno::from_io_error(&error) == Some(Errno::XDEV) => {
                    make_root(&fs)?;
                    let fs_fd = rooted::directory(&fs).map_err(Error::errno("open", &fs))?;
                    let file = File::open(&blob).map_err(Error::io("open", &blob))?;
                    unpack_verified(file, &layer, fs_fd.as_fd())?;
                }
                Err(error) => return Err(Error::io("take over", upper)(error)),
            }
            self.commit(stage, hex)
        })?;
        Ok(Some(layer))
    }

    /// Runs `make` unless the layer is there; waits while another thread makes it.
    fn once(&self, hex: &str, make: impl FnOnce() -> Result<()>) -> Result<()> {
        let layers = &self.layers;
        let mut known = layers.known.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if known.complete.contains(hex) {
                return Ok(());
            }
            if known.busy.insert(hex.to_owned()) {
                break;
            }
            known = layers.changed.wait(known).unwrap_or_else(PoisonError::into_inner);
        }
        drop(known);
        let made = make();
        let mut known = layers.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.busy.remove(hex);
        if made.is_ok() {
            known.complete.insert(hex.to_owned());
        }
        drop(known);
        layers.changed.notify_all();
        made
    }

    /// Makes `stage/fs` the layer `hex`: marker, rename, and a sync that nobody waits for.
    fn commit(&self, stage: Stage<'_>, hex: &str) -> Result<()> {
        let staged = stage.path.join("layer");
        fs_err::create_dir(&staged).map_err(Error::io("make directory", &staged))?;
        let fs = staged.join("fs");
        std::fs::rename(stage.path.join("fs"), &fs).map_err(Error::io("move into place", &fs))?;
        let marker = Marker { boot: Some(boot_id()) };
        let bytes = serde_json::to_vec(&marker).unwrap_or_default();
        let path = staged.join("complete");
        std::fs::write(&path, bytes).map_err(Error::io("write", path))?;
        let place = self.path.join("layers").join(hex);
        std::fs::rename(&staged, &place).map_err(Error::io("move into place", place))?;
        self.sync_later(hex.to_owned());
        Ok(())
    }

    /// Forgets a layer's directory and removes it.
    pub(crate) fn remove_layer(&self, hex: &str) -> Result<()> {
        self.layers.known.lock().unwrap_or_else(PoisonError::into_inner).complete.remove(hex);
        let path = self.path.join("layers");
        // Out of its place first: a directory that is half gone must not look complete, and the
        // thread that syncs may still write into it.
        let stage = self.stage()?;
        match rustix::fs::rename(path.join(hex), stage.path.join("gone")) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(Error::errno("remove layer in", path)(errno)),
        }
        let dir = rooted::directory(&stage.path).map_err(Error::errno("open", &stage.path))?;
        rooted::remove_tree(dir.as_fd(), c"gone").map_err(Error::errno("remove layer in", path))
    }

    pub(crate) fn complete_layers(&self) -> BTreeSet<String> {
        self.layers.known.lock().unwrap_or_else(PoisonError::into_inner).complete.clone()
    }

    /// Puts a layer on disk for good, in one thread for all that come together.
    fn sync_later(&self, name: String) {
        let shared = self.layers.unsynced.clone();
        let mut unsynced = shared.lock().unwrap_or_else(PoisonError::into_inner);
        unsynced.names.push(name);
        if std::mem::replace(&mut unsynced.running, true) {
            return;
        }
        drop(unsynced);
        // The thread has the directory only, not the store: it never keeps the lock.
        let Ok(dir) = self.dir.try_clone() else {
            shared.lock().unwrap_or_else(PoisonError::into_inner).running = false;
            return;
        };
        let work = shared.clone();
        let started = std::thread::Builder::new()
            .name("image-sync".to_owned())
            .spawn(move || sync_all(&dir, &work));
        if started.is_err() {
            // Without the thread the layers stay good for this boot and are unpacked again later.
            shared.lock().unwrap_or_else(PoisonError::into_inner).running = false;
        }
    }
}

fn sync_all(dir: &OwnedFd, work: &Mutex<Unsynced>) {
    loop {
        let names = {
            let mut unsynced = work.lock().unwrap_or_else(PoisonError::into_inner);
            if unsynced.names.is_empty() {
                unsynced.running = false;
                return;
            }
            let some = unsynced.names.len().min(MOST_AT_ONCE);
            unsynced.names.drain(..some).collect::<Vec<String>>()
        };
        // Opened before the sync: the marker goes into the very directory that was synced, not
        // into one of the same name that was unpacked meanwhile.
        let open = |name: String| match open_layer(dir, &name) {
            Ok(layer) => Some((name, layer)),
            Err(error) => {
                tracing::debug!(%error, %name, "layer is gone before it was synced");
                None
            }
        };
        let layers: Vec<(String, OwnedFd)> = names.into_iter().filter_map(open).collect();
        if let Err(error) = rustix::fs::syncfs(dir) {
            // Never retried: after a failed sync nobody knows what is on disk. The markers keep
            // naming this boot, so the layers are unpacked again after it.
            tracing::error!(%error, "cannot sync unpacked layers");
            continue;
        }
        for (name, layer) in layers {
            if let Err(error) = mark_synced(layer.as_fd()) {
                tracing::debug!(%error, %name, "layer is gone before it was synced");
            }
        }
    }
}

fn open_layer(dir: &OwnedFd, name: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, format!("layers/{name}"), flags, Mode::empty())
}

/// Notes in a layer's directory that all of it is on disk. Fails when it was removed.
fn mark_synced(layer: BorrowedFd<'_>) -> std::io::Result<()> {
    let bytes = serde_json::to_vec(&Marker { boot: None })?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = rustix::fs::openat(layer, "complete.new", flags, Mode::from_raw_mode(0o600))?;
    let mut file = File::from(file);
    file.write_all(&bytes)?;
    file.sync_all()?;
    rustix::fs::renameat(layer, "complete.new", layer, "complete")?;
    Ok(())
}

type Tar = BufWriter<HashingWriter<GzEncoder<HashingWriter<BufWriter<File>>>>>;

/// Ends the streams from the outside in and syncs the file.
fn finish_blob(tar: Tar) -> std::io::Result<(String, String, u64)> {
    let tar = tar.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    let diff_id = tar.hasher.finish();
    let mut file = tar.inner.finish()?;
    file.flush()?;
    file.inner.get_ref().sync_all()?;
    Ok((file.hasher.finish(), diff_id, file.size))
}

/// Unpacks a blob and checks both digests: of the bytes stored and of the tar inside.
fn unpack_verified(blob: File, layer: &Layer, root: BorrowedFd<'_>) -> Result<()> {
    let reading = || Error::io("read layer", &layer.digest);
    let mut outer = BufReader::with_capacity(256 << 10, HashingReader::new(blob));
    let packing = Packing::of(outer.fill_buf().map_err(reading())?);
    let diff_id = {
        let mut tar = HashingReader::new(packing.unpack(&mut outer));
        extract(&mut tar, root, Meaning::Layer, Budget::default())?;
        tar.hasher.finish()
    };
    // The decoder reads to the end of the file, or has said that what follows is none of its own.
    std::io::copy(&mut outer, &mut std::io::sink()).map_err(reading())?;
    let mismatch = |what: &str, got: String, expected: &str| {
        let what = format!("{what} {expected}");
        Err(Error::Digest { what, got, expected: expected.to_owned() })
    };
    let got = outer.into_inner().hasher.finish();
    if got != layer.digest {
        return mismatch("layer", got, &layer.digest);
    }
    if diff_id != layer.diff_id {
        return mismatch("content of layer", diff_id, &layer.diff_id);
    }
    Ok(())
}

/// An empty directory with the mode of a root.
pub(crate) fn make_root(path: &Path) -> Result<()> {
    fs_err::create_dir(path).map_err(Error::io("make directory", path))?;
    // Not subject to the umask.
    let dir = rooted::directory(path).map_err(Error::errno("open", path))?;
    rustix::fs::fchmod(&dir, Mode::from_raw_mode(0o755)).map_err(Error::errno("open up", path))
}

fn hex_of(diff_id: &str) -> Result<&str> {
    digest::hex(diff_id).ok_or_else(|| Error::Rule {
        what: format!("diff-id `{}`", diff_id.escape_default().take(80).collect::<String>()),
        reason: "is not sha256: and 64 hexadecimal digits".to_owned(),
    })
}

/// The kernel's name of this boot; empty text matches no marker that was written with one.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_goes_into_the_directory_that_was_synced_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("layers/abc");
        std::fs::create_dir_all(&place).unwrap();
        let dir = rooted::directory(folder.path()).unwrap();
        let synced = open_layer(&dir, "abc").unwrap();
        mark_synced(synced.as_fd()).unwrap();
        assert!(place.join("complete").exists());

        // Removed, and unpacked again, after the sync and before the mark.
        std::fs::remove_dir_all(&place).unwrap();
        std::fs::create_dir_all(&place).unwrap();
        assert!(mark_synced(synced.as_fd()).is_err(), "it is gone");
        assert!(!place.join("complete").exists(), "the new one is not known to be on disk");
        assert!(!place.join("complete.new").exists());
    }
}
