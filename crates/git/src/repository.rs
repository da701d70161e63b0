//! What is kept of an app's pushes: the packs as they came, each with an index, and the commit that
//! was deployed last. `<folder>/NAME.pack`, `NAME.index` (20 bytes of name and 8 of place each,
//! sorted), `tip` (branch and commit). Only what was deployed stays.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::checkout::{self, Files};
use crate::object::Object;
use crate::pack::{self, Form};
use crate::receive;
use crate::{Error, Id, Result};

/// Changes of changes, over packs.
const MOST_DEPTH: usize = 4096;

/// The pushes of one app.
pub struct Repository {
    folder: PathBuf,
    packs: Vec<Pack>,
}

struct Pack {
    path: PathBuf,
    index: Vec<(Id, u64)>,
}

/// A pack that was taken in and is not kept yet.
pub struct Staged(Id);

impl Repository {
    /// Opens what is kept in a folder, which is made if it is not there. Only one may have it open.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Error::disk("make", folder))?;
        let mut repository = Self { folder: folder.to_owned(), packs: Vec::new() };
        let entries = fs::read_dir(folder).map_err(Error::disk("read", folder))?;
        for entry in entries {
            let path = entry.map_err(Error::disk("read", folder))?.path();
            if path.extension().is_some_and(|ending| ending == "pack") {
                repository.add(path)?;
            }
        }
        Ok(repository)
    }

    fn add(&mut self, path: PathBuf) -> Result<()> {
        let index = path.with_extension("index");
        let bytes = fs::read(&index).map_err(Error::disk("read", &index))?;
        let entry = |entry: &[u8]| {
            let (id, at) = entry.split_at_checked(20)?;
            Some((Id::of_bytes(id)?, u64::from_be_bytes(at.try_into().ok()?)))
        };
        let index = bytes.chunks_exact(28).filter_map(entry).collect();
        self.packs.push(Pack { path, index });
        Ok(())
    }

    /// The commit that was deployed last, with its branch.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn tip(&self) -> Result<Option<(String, Id)>> {
        let path = self.folder.join("tip");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::disk("read", path)(source)),
        };
        let parts = text.trim_end().split_once(' ');
        Ok(parts.and_then(|(id, branch)| Some((branch.to_owned(), Id::parse(id)?))))
    }

    /// Takes a pack in: every object is checked. It is there for [`Repository::checkout`], and
    /// stays only once it is kept.
    ///
    /// # Errors
    /// The pack is refused, or the disk is full.
    pub fn receive(&mut self, from: impl Read) -> Result<Staged> {
        let checked = receive::receive(from, &self.folder, &|id| self.find(id, 0))?;
        let name = receive::keep(checked, &self.folder)?;
        self.packs.retain(|pack| pack.path.file_stem() != Some(name.to_string().as_ref()));
        self.add(self.folder.join(format!("{name}.pack")))?;
        Ok(Staged(name))
    }

    /// Writes the files of a commit into a folder that is new and nobody else's.
    ///
    /// # Errors
    /// The commit or something of it is missing, or is refused.
    pub fn checkout(&self, commit: Id, folder: &Path) -> Result<Files> {
        checkout::checkout(self, commit, folder)
    }

    /// Keeps what was deployed, and says so from now on.
    ///
    /// # Errors
    /// The disk says no.
    pub fn deployed(&self, branch: &str, commit: Id) -> Result<()> {
        let path = self.folder.join("tip");
        let beside = self.folder.join("tip.new");
        fs::write(&beside, format!("{commit} {branch}\n"))
            .map_err(Error::disk("write", &beside))?;
        fs::rename(&beside, &path).map_err(Error::disk("write", &path))
    }

    /// Throws a pack away that was not deployed.
    pub fn discard(&mut self, staged: Staged) {
        let name = staged.0.to_string();
        for ending in ["pack", "index"] {
            // What stays takes space until everything is forgotten, no more.
            let _stays = fs::remove_file(self.folder.join(format!("{name}.{ending}")));
        }
        self.packs.retain(|pack| pack.path.file_stem() != Some(name.as_ref()));
    }

    /// Forgets everything: the next push brings all of it again.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn forget(&mut self) -> Result<()> {
        self.packs.clear();
        for entry in fs::read_dir(&self.folder).map_err(Error::disk("read", &self.folder))? {
            let path = entry.map_err(Error::disk("read", &self.folder))?.path();
            let ours = path.extension().is_some_and(|ending| ending == "pack" || ending == "index");
            if ours || path.ends_with("tip") {
                fs::remove_file(&path).map_err(Error::disk("delete", &path))?;
            }
        }
        Ok(())
    }

    /// An object.
    pub(crate) fn object(&self, id: Id) -> Result<Object> {
        self.find(id, 0)?.ok_or(Error::Missing(id))
    }

    fn find(&self, id: Id, depth: usize) -> Result<Option<Object>> {
        for pack in &self.packs {
            if let Ok(place) = pack.index.binary_search_by_key(&id, |(id, _)| *id) {
                return self.read(pack, pack.index[place].1, depth).map(Some);
            }
        }
        Ok(None)
    }

    fn read(&self, pack: &Pack, mut at: u64, depth: usize) -> Result<Object> {
        let file = fs::File::open(&pack.path).map_err(Error::disk("read", &pack.path))?;
        let mut reader = BufReader::new(file);
        let mut deltas = Vec::new();
        let mut object = loop {
            if deltas.len() + depth > MOST_DEPTH {
                return Err(Error::Pack("changes of changes without end".into()));
            }
            reader.seek(SeekFrom::Start(at)).map_err(Error::disk("read", &pack.path))?;
            let (form, size, _) = pack::head(&mut reader)?;
            let bytes = pack::whole(&mut reader, size)?;
            match form {
                Form::Whole(kind) => break Object { kind, bytes },
                Form::Earlier(distance) => {
                    deltas.push(bytes);
                    let base = at.checked_sub(distance);
                    at = base.ok_or_else(|| Error::Pack("a change of nothing".into()))?;
                }
                Form::Named(base) => {
                    deltas.push(bytes);
                    let found = self.find(base, depth + deltas.len())?;
                    break found.ok_or(Error::Missing(base))?;
                }
            }
        };
        for delta in deltas.iter().rev() {
            object.bytes = pack::changed(&object.bytes, delta)?;
        }
        Ok(object)
    }
}
