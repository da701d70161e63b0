//! A backup while it is read: verified from its first byte to its last, then opened part by part.
//!
//! [`Opened::open`] reads the whole file and believes nothing: whoever gets an [`Opened`] may
//! change things. Where next: `restore.rs`.

use std::collections::HashMap;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use fs_err as fs;
use sha2::{Digest, Sha256};

use super::archive::{
    FORMAT, HEADER, Header, MANIFEST, MANIFEST_PART, MANIFEST_SUM, Manifest, PIECE_BYTES,
    PartRecord, hex,
};
use super::seal::Seal;

/// A header or manifest is never larger.
const MOST_JSON_BYTES: u64 = 16 * 1024 * 1024;

/// Why a file is no good backup, or none that can be opened.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The disk said no.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// It is something else, or of a version that is not known.
    #[error("it is no backup of a version known here: {0}")]
    Strange(String),
    /// It was cut off, or bytes changed.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It is sealed and no key was given, or the wrong one.
    #[error("{0}")]
    Key(String),
}

/// A verified backup.
pub(super) struct Opened {
    file: fs::File,
    pub(super) header: Header,
    pub(super) manifest: Manifest,
    seal: Option<Seal>,
    /// Where the pieces of each part lie: offset and length.
    places: HashMap<String, Vec<(u64, u64)>>,
}

/// Reads the header alone.
pub(super) fn header(path: &Path) -> Result<Header, Damage> {
    let file = fs::File::open(path).map_err(Damage::Read)?;
    let mut archive = tar::Archive::new(file);
    let mut entries = archive.entries().map_err(broken)?;
    let mut first = entries.next().ok_or_else(|| strange("it is empty"))?.map_err(broken)?;
    if first.path_bytes() != HEADER.as_bytes() || first.size() > MOST_JSON_BYTES {
        return Err(strange("it does not begin with the header of one"));
    }
    let mut text = Vec::new();
    first.read_to_end(&mut text).map_err(broken)?;
    let header: Header = serde_json::from_slice(&text).map_err(strange)?;
    if header.format != FORMAT {
        return Err(strange(format!("it says {:?}, not {FORMAT:?}", header.format)));
    }
    Ok(header)
}

impl Opened {
    /// Verifies a backup and opens it.
    pub(super) fn open(path: &Path, passphrase: Option<&[u8]>) -> Result<Self, Damage> {
        let header = header(path)?;
        let seal = match (&header.sealed, passphrase) {
            (None, _) => None,
            (Some(_), None) => {
                return Err(Damage::Key("it is sealed, and no key was given".into()));
            }
            (Some(sealing), Some(passphrase)) => {
                let seal = sealing.key(passphrase);
                Some(seal.ok_or_else(|| strange("it is sealed in a way that is not known"))?)
            }
        };
        let file = fs::File::open(path).map_err(Damage::Read)?;
        let mut found = Found::default();
        found.read(&file)?;
        let text = found.manifest.take().ok_or_else(|| damaged("its end is missing"))?;
        if found.manifest_sum.as_deref() != Some(hex(&Sha256::digest(&text)).as_bytes()) {
            return Err(damaged("the hash of its table of contents is wrong"));
        }
        let text = match &seal {
            Some(seal) => seal.open((MANIFEST_PART, 0), MANIFEST, text).map_err(|_| {
                Damage::Key("the key does not open it; it was sealed with another".into())
            })?,
            None => text,
        };
        let manifest: Manifest = serde_json::from_slice(&text).map_err(strange)?;
        let mut places = HashMap::new();
        for part in &manifest.parts {
            let (pieces, hash) =
                found.parts.remove(&part.folder).unwrap_or_else(|| (Vec::new(), Sha256::new()));
            if pieces.len() as u64 != part.pieces || hex(&hash.finalize()) != part.sha256 {
                return Err(damaged(format!("the hash of {} is wrong", part.folder)));
            }
            places.insert(part.folder.clone(), pieces);
        }
        if let Some(extra) = found.parts.keys().next() {
            return Err(damaged(format!("{extra} is not in its table of contents")));
        }
        let opened = Self { file, header, manifest, seal, places };
        for part in &opened.manifest.parts {
            // Every byte once more, as it will be read: what is inflated must be as long as said.
            let count = io::copy(&mut opened.part(part), &mut io::sink())
                .map_err(|error| damaged(format!("{}: {error}", part.folder)))?;
            if count != part.bytes {
                return Err(damaged(format!("{} is not as long as it says", part.folder)));
            }
        }
        Ok(opened)
    }

    /// The bytes of a part, as the block gave them.
    pub(super) fn part<'a>(&'a self, part: &PartRecord) -> impl Read + Send + 'a {
        let index = self.manifest.parts.iter().position(|one| one.folder == part.folder);
        MultiGzDecoder::new(Pieces {
            opened: self,
            folder: part.folder.clone(),
            index: u32::try_from(index.unwrap_or(0)).unwrap_or(0),
            next: 0,
            bytes: io::Cursor::new(Vec::new()),
        })
    }
}

/// What the first reading finds.
#[derive(Default)]
struct Found {
    manifest: Option<Vec<u8>>,
    manifest_sum: Option<Vec<u8>>,
    parts: HashMap<String, (Vec<(u64, u64)>, Sha256)>,
}

impl Found {
    fn read(&mut self, file: &fs::File) -> Result<(), Damage> {
        let mut archive = tar::Archive::new(io::BufReader::new(file));
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let (size, offset) = (entry.size(), entry.raw_file_position());
            // A little more than a piece: its seal. Nothing larger is ever read into memory.
            let most =
                if path.starts_with("parts/") { PIECE_BYTES as u64 + 64 } else { MOST_JSON_BYTES };
            if size > most || self.manifest_sum.is_some() {
                return Err(damaged(format!("{path} does not belong there")));
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(broken)?;
            match path.as_str() {
                HEADER => {}
                MANIFEST => self.manifest = Some(bytes),
                MANIFEST_SUM => self.manifest_sum = Some(bytes),
                _ => {
                    let (folder, number) = path
                        .rsplit_once('/')
                        .filter(|(folder, _)| folder.starts_with("parts/"))
                        .ok_or_else(|| damaged(format!("{path} does not belong there")))?;
                    let (pieces, hash) = self.parts.entry(folder.to_owned()).or_default();
                    if number.parse() != Ok(pieces.len()) {
                        return Err(damaged(format!("{path} is not where it belongs")));
                    }
                    hash.update(&bytes);
                    pieces.push((offset, size));
                }
            }
        }
        Ok(())
    }
}

/// The pieces of a part, one after the other.
struct Pieces<'a> {
    opened: &'a Opened,
    folder: String,
    index: u32,
    next: usize,
    bytes: io::Cursor<Vec<u8>>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.bytes.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let places =
                self.opened.places.get(&self.folder).map(Vec::as_slice).unwrap_or_default();
            let Some((offset, size)) = places.get(self.next) else { return Ok(0) };
            let mut bytes = vec![0; usize::try_from(*size).unwrap_or(0)];
            self.opened.file.file().read_exact_at(&mut bytes, *offset)?;
            if let Some(seal) = &self.opened.seal {
                let path = format!("{}/{:08}", self.folder, self.next);
                bytes = seal
                    .open((self.index, self.next as u64), &path, bytes)
                    .map_err(|_| io::Error::other(format!("{path} is not as it was sealed")))?;
            }
            self.next += 1;
            self.bytes = io::Cursor::new(bytes);
        }
    }
}

fn strange(why: impl ToString) -> Damage {
    Damage::Strange(why.to_string())
}

fn damaged(why: impl Into<String>) -> Damage {
    Damage::Damaged(why.into())
}

fn broken(error: io::Error) -> Damage {
    Damage::Damaged(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::archive::{Archive, What};
    use super::super::seal::Sealing;
    use super::*;
    use std::io::Write;

    fn write(path: &Path, key: Option<&[u8]>, rows: &[u8]) {
        let sealed = key.map(|_| Sealing::new([3; 16]));
        let header = Header {
            format: FORMAT.into(),
            app: "shop".into(),
            at: "2026-01-01T00:00:00Z".into(),
            label: "backup".into(),
            release: Some("abc".into()),
            before: None,
            sealed: sealed.clone(),
        };
        let seal = sealed.and_then(|sealing| sealing.key(key.unwrap()));
        let mut archive = Archive::create(path, &header, seal).unwrap();
        let put = |text: &'static [u8]| move |to: &mut dyn Write| to.write_all(text);
        archive.part(What::Secrets, put(b"{}")).unwrap();
        let program = What::Program { block: "db".into(), module: "postgres 15".into() };
        archive.part(program, |to: &mut dyn Write| to.write_all(rows)).unwrap();
        archive.leave_out("jobs", "it has no program for that");
        archive.finish().unwrap();
    }

    fn read(opened: &Opened, index: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        opened.part(&opened.manifest.parts[index]).read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Bytes that do not get smaller: more than one piece of them.
    fn noise() -> Vec<u8> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        };
        (0..3_000_000).map(|_| next()).collect()
    }

    #[test]
    fn what_was_written_is_read_sealed_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let rows = noise();
        for key in [None, Some(&b"secret"[..])] {
            let path = dir.path().join(format!("a-{}", key.is_some()));
            write(&path, key, &rows);
            let opened = Opened::open(&path, key).unwrap();
            assert_eq!(read(&opened, 0), b"{}");
            assert!(read(&opened, 1) == rows);
            assert_eq!(opened.manifest.left_out[0].block, "jobs");
            assert!(opened.manifest.parts[1].pieces > 2);
        }
        let sealed = dir.path().join("a-true");
        assert!(matches!(Opened::open(&sealed, None), Err(Damage::Key(_))));
        assert!(matches!(Opened::open(&sealed, Some(b"other")), Err(Damage::Key(_))));
        assert_eq!(header(&sealed).unwrap().app, "shop");
    }

    #[test]
    fn one_changed_byte_or_a_missing_end_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write(&path, None, b"insert into orders values (1)");
        let good = fs::read(&path).unwrap();
        let damaged = dir.path().join("b");
        for cut in [0, 100, 512, 1500, good.len() / 2, good.len() - 1600] {
            fs::write(&damaged, &good[..cut]).unwrap();
            assert!(Opened::open(&damaged, None).is_err(), "cut at {cut}");
        }
        // Padding between entries carries nothing; every other byte counts.
        let mut found = 0;
        for at in (0..good.len()).filter(|at| good[*at] != 0) {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            fs::write(&damaged, &bytes).unwrap();
            match Opened::open(&damaged, None) {
                Err(_) => found += 1,
                Ok(opened) => {
                    // What tar itself does not read: owner, time, magic of its headers.
                    assert_eq!(read(&opened, 1), b"insert into orders values (1)", "at {at}");
                }
            }
        }
        assert!(found > 500, "only {found} changed bytes were noticed");
    }

    #[test]
    fn a_write_that_is_given_up_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let header = Header {
            format: FORMAT.into(),
            app: "shop".into(),
            at: String::new(),
            label: "backup".into(),
            release: None,
            before: None,
            sealed: None,
        };
        let archive = Archive::create(&dir.path().join("a"), &header, None).unwrap();
        drop(archive);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
