//! A backup while it is written: a tar archive of small pieces, see `docs/formats/backup.md`.
//!
//! Nothing is held in memory but one piece. The file has another name until it is complete and on
//! disk. Where next: `unpack.rs`, which reads it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::seal::{Seal, Sealing};

/// What the first line of the header says.
pub(super) const FORMAT: &str = "shelf-backup/1";
/// The entry that comes first.
pub(super) const HEADER: &str = "shelf-backup.json";
/// The entry that comes last but one.
pub(super) const MANIFEST: &str = "manifest.json";
/// The entry that comes last: the hash of the one before.
pub(super) const MANIFEST_SUM: &str = "manifest.sha256";
/// How many bytes a piece has before it is sealed.
pub(super) const PIECE_BYTES: usize = 1024 * 1024;
/// The part number that the manifest is sealed under.
pub(super) const MANIFEST_PART: u32 = u32::MAX;

/// What can be known of a backup without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) format: String,
    /// The app it was made of.
    pub(crate) app: String,
    /// When it was begun, RFC 3339.
    pub(crate) at: String,
    /// Why it was made: `backup`, `schedule`, `snapshot`, `before-go`, `before-restore`, `copy`.
    pub(crate) label: String,
    /// The release that ran.
    pub(crate) release: Option<String>,
    /// The release that was about to come.
    #[serde(default)]
    pub(crate) before: Option<String>,
    /// How it is sealed, if it is.
    #[serde(default)]
    pub(super) sealed: Option<Sealing>,
}

impl Header {
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// What seals the parts, if a passphrase was given.
    pub(super) fn seal(&self, passphrase: Option<&[u8]>) -> Option<Seal> {
        self.sealed.as_ref().zip(passphrase).and_then(|(sealing, phrase)| sealing.key(phrase))
    }
}

/// What is in a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) parts: Vec<PartRecord>,
    /// What is not in it though it holds data, and why.
    pub(super) left_out: Vec<LeftOut>,
}

/// Something that holds data and is not in the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The block.
    pub block: String,
    /// Why.
    pub reason: String,
}

/// One part of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartRecord {
    /// Its folder in the archive.
    pub(super) folder: String,
    pub(super) what: What,
    /// Its pieces.
    pub(super) pieces: u64,
    /// Bytes as the block gave them.
    pub(super) bytes: u64,
    /// SHA-256 of the pieces as they lie in the archive, one after the other.
    pub(super) sha256: String,
}

/// What a part holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum What {
    /// The release: app file, images, sources.
    Release,
    /// Secrets: name to key to value.
    Secrets,
    /// What a module's backup program wrote.
    Program {
        block: String,
        /// `name version` of the module.
        module: String,
    },
    /// The files of a disk, as a tar archive.
    Files { block: String, disk: String },
}

impl What {
    /// The block it is of; a word for what is the app's.
    pub(super) fn block(&self) -> &str {
        match self {
            Self::Release => "release",
            Self::Secrets => "secrets",
            Self::Program { block, .. } | Self::Files { block, .. } => block,
        }
    }
}

/// A backup being written.
pub(super) struct Archive {
    path: PathBuf,
    unfinished: PathBuf,
    tar: tar::Builder<io::BufWriter<fs::File>>,
    seal: Option<Seal>,
    manifest: Manifest,
    done: bool,
}

impl Archive {
    /// Begins a backup at `path`; until it is complete it has `.unfinished` at the end of its name.
    pub(super) fn create(path: &Path, header: &Header, seal: Option<Seal>) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".unfinished");
        let unfinished = PathBuf::from(name);
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&unfinished)?;
        let mut archive = Self {
            path: path.to_owned(),
            unfinished,
            tar: tar::Builder::new(io::BufWriter::new(file)),
            seal,
            manifest: Manifest::default(),
            done: false,
        };
        let text = serde_json::to_vec(header).map_err(io::Error::other)?;
        entry(&mut archive.tar, HEADER, &text)?;
        Ok(archive)
    }

    /// Adds a part: `fill` writes its bytes.
    pub(super) fn part<T, E: From<io::Error>>(
        &mut self,
        what: What,
        fill: impl FnOnce(&mut dyn Write) -> Result<T, E>,
    ) -> Result<T, E> {
        let index = u32::try_from(self.manifest.parts.len()).unwrap_or(MANIFEST_PART - 1);
        let name = match &what {
            What::Release => "release".to_owned(),
            What::Secrets => "secrets".to_owned(),
            What::Program { block, .. } => format!("{block}-program"),
            What::Files { block, disk } => format!("{block}-{disk}-files"),
        };
        let folder = format!("parts/{index:03}-{name}");
        let pieces = Pieces {
            tar: &mut self.tar,
            seal: self.seal.as_ref(),
            folder: &folder,
            index,
            count: 0,
            hash: Sha256::new(),
            waiting: Vec::with_capacity(PIECE_BYTES),
        };
        let mut counted = Counted { to: GzEncoder::new(pieces, Compression::new(3)), bytes: 0 };
        let filled = fill(&mut counted)?;
        let bytes = counted.bytes;
        let mut pieces = counted.to.finish()?;
        pieces.give()?;
        let Pieces { count, hash, .. } = pieces;
        let sha256 = hex(&hash.finalize());
        self.manifest.parts.push(PartRecord {
            folder: folder.clone(),
            what,
            pieces: count,
            bytes,
            sha256,
        });
        Ok(filled)
    }

    /// Notes what is not in it.
    pub(super) fn leave_out(&mut self, block: &str, reason: impl Into<String>) {
        self.manifest.left_out.push(LeftOut { block: block.to_owned(), reason: reason.into() });
    }

    /// Writes the manifest, brings everything to the disk and gives the file its name.
    pub(super) fn finish(mut self) -> io::Result<(Manifest, u64)> {
        let mut text = serde_json::to_vec(&self.manifest).map_err(io::Error::other)?;
        if let Some(seal) = &self.seal {
            text = seal.close((MANIFEST_PART, 0), MANIFEST, text);
        }
        entry(&mut self.tar, MANIFEST, &text)?;
        entry(&mut self.tar, MANIFEST_SUM, hex(&Sha256::digest(&text)).as_bytes())?;
        self.tar.finish()?;
        let buffered = self.tar.get_mut();
        buffered.flush()?;
        let file = buffered.get_ref();
        file.sync_all()?;
        let size = file.metadata()?.len();
        fs::rename(&self.unfinished, &self.path)?;
        if let Some(folder) = self.path.parent() {
            fs::File::open(folder)?.sync_all()?;
        }
        self.done = true;
        Ok((std::mem::take(&mut self.manifest), size))
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        if !self.done {
            // Half a backup is none; what cannot be removed does not have a backup's name.
            let _left = fs::remove_file(&self.unfinished);
        }
    }
}

fn entry(to: &mut tar::Builder<impl Write>, path: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o600);
    to.append_data(&mut header, path, bytes)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Cuts what is written into entries of the archive.
struct Pieces<'a> {
    tar: &'a mut tar::Builder<io::BufWriter<fs::File>>,
    seal: Option<&'a Seal>,
    folder: &'a str,
    index: u32,
    count: u64,
    hash: Sha256,
    waiting: Vec<u8>,
}

impl Pieces<'_> {
    fn give(&mut self) -> io::Result<()> {
        let path = format!("{}/{:08}", self.folder, self.count);
        let mut bytes = std::mem::replace(&mut self.waiting, Vec::with_capacity(PIECE_BYTES));
        if let Some(seal) = self.seal {
            bytes = seal.close((self.index, self.count), &path, bytes);
        }
        self.hash.update(&bytes);
        self.count += 1;
        entry(self.tar, &path, &bytes)
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(PIECE_BYTES - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..count]);
        if self.waiting.len() == PIECE_BYTES {
            self.give()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Counted<W> {
    to: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.to.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
