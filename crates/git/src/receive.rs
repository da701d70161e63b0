//! A pack on its way in: written down as it comes, then read twice before it is believed. The
//! first reading names every object that is whole, the second those that are told as changes of
//! others. Where next: `repository.rs`, which keeps it.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::rc::Rc;

use fs_err as fs;
use tempfile::NamedTempFile;

use crate::id::Naming;
use crate::object::{self, Kind, Object};
use crate::pack::{self, Form, MOST_OBJECT_BYTES};
use crate::{Error, Id, Result};

/// The largest pack.
const MOST_PACK_BYTES: u64 = 1 << 30;
/// The most objects in a pack.
const MOST_OBJECTS: u32 = 1_000_000;
/// What all objects of a pack are inflated to; each is inflated three times at the most.
const MOST_INFLATED_BYTES: u64 = 8 << 30;
/// What is in memory at once.
const MOST_HELD_BYTES: u64 = 512 << 20;
/// How many changes of changes there may be; git makes 50.
const MOST_DEPTH: usize = 4096;
/// A tree, commit or tag is held whole while it is checked, and is never larger.
const MOST_NAMED_BYTES: u64 = 32 << 20;

/// A pack that was checked: every object with its place.
pub(crate) struct Checked {
    pub(crate) file: NamedTempFile,
    /// The hash at its end, which is its name.
    pub(crate) name: Id,
    /// Sorted by name.
    pub(crate) index: Vec<(Id, u64)>,
}

/// Takes a pack in. `known` is asked for objects that it builds on and does not bring.
pub(crate) fn receive(
    mut from: impl Read,
    folder: &Path,
    known: &dyn Fn(Id) -> Result<Option<Object>>,
) -> Result<Checked> {
    let mut file = NamedTempFile::new_in(folder).map_err(Error::disk("make a file in", folder))?;
    let size = spool(&mut from, file.as_file_mut(), folder)?;
    let disk = || Error::disk("read", folder);
    let mut reader = BufReader::with_capacity(64 * 1024, file.as_file());
    reader.seek(SeekFrom::Start(0)).map_err(disk())?;
    let name = sum(&mut reader, size)?;
    reader.seek(SeekFrom::Start(0)).map_err(disk())?;
    let mut reading = Reading::default();
    reading.first(&mut reader, size)?;
    reading.second(&mut reader, folder, known)?;
    let mut index: Vec<(Id, u64)> =
        reading.entries.iter().filter_map(|(at, entry)| Some((entry.id?, *at))).collect();
    index.sort_unstable();
    Ok(Checked { file, name, index })
}

fn spool(from: &mut impl Read, to: &mut std::fs::File, folder: &Path) -> Result<u64> {
    let mut piece = [0; 64 * 1024];
    let mut size = 0;
    loop {
        let count = from.read(&mut piece).map_err(Error::Broken)?;
        if count == 0 {
            break;
        }
        size += count as u64;
        if size > MOST_PACK_BYTES {
            return Err(Error::TooMuch(format!(
                "a pack of more than {} MiB",
                MOST_PACK_BYTES >> 20
            )));
        }
        to.write_all(&piece[..count]).map_err(Error::disk("write into", folder))?;
    }
    to.sync_all().map_err(Error::disk("write into", folder))?;
    Ok(size)
}

/// The hash at the end of a pack, if it is that of all before.
fn sum(reader: &mut impl Read, size: u64) -> Result<Id> {
    let body = size.checked_sub(20).filter(|body| *body >= 12);
    let body = body.ok_or_else(|| Error::Pack("it breaks off".into()))?;
    let mut naming = Naming::plain();
    let mut limited = reader.by_ref().take(body);
    let mut piece = [0; 64 * 1024];
    loop {
        match limited.read(&mut piece).map_err(Error::Broken)? {
            0 => break,
            count => naming.update(&piece[..count]),
        }
    }
    let mut end = [0; 20];
    reader.read_exact(&mut end).map_err(Error::Broken)?;
    let found = naming.finish()?;
    if found != Id(end) {
        return Err(Error::Pack("its bytes are not those that were sent".into()));
    }
    Ok(found)
}

/// An entry of the pack.
struct Entry {
    form: Form,
    size: u64,
    /// Once it is known.
    id: Option<Id>,
}

/// What two readings find out.
#[derive(Default)]
struct Reading {
    /// By offset.
    entries: BTreeMap<u64, Entry>,
    /// Entries that are told as changes of the one at an offset, or of a name.
    of_offset: HashMap<u64, Vec<u64>>,
    of_id: HashMap<Id, Vec<u64>>,
    inflated: u64,
}

impl Reading {
    /// Every entry's place, and the names of those that are whole.
    fn first(&mut self, reader: &mut impl BufRead, size: u64) -> Result<()> {
        let mut head = [0; 12];
        reader.read_exact(&mut head).map_err(Error::Broken)?;
        let number =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if &head[..4] != b"PACK" || number(4) != 2 {
            return Err(Error::Pack("it is of a version that is not known".into()));
        }
        let count = number(8);
        if count > MOST_OBJECTS {
            return Err(Error::TooMuch(format!("{count} objects")));
        }
        let mut at = 12_u64;
        for _ in 0..count {
            let (form, size, head) = pack::head(reader)?;
            self.count(size)?;
            let (id, packed) = match form {
                Form::Whole(kind) => {
                    let (id, packed) = name(reader, kind, size)?;
                    (Some(id), packed)
                }
                _ => (None, pack::inflate(reader, size, |_| Ok(()))?),
            };
            match form {
                Form::Earlier(distance) => {
                    let base = at.checked_sub(distance).filter(|at| self.entries.contains_key(at));
                    let base = base.ok_or_else(|| Error::Pack("a change of nothing".into()))?;
                    self.of_offset.entry(base).or_default().push(at);
                }
                Form::Named(base) => self.of_id.entry(base).or_default().push(at),
                Form::Whole(_) => {}
            }
            self.entries.insert(at, Entry { form, size, id });
            at += head + packed;
        }
        if at + 20 != size {
            return Err(Error::Pack("something follows its last object".into()));
        }
        Ok(())
    }

    fn count(&mut self, size: u64) -> Result<()> {
        self.inflated = self.inflated.saturating_add(size);
        if self.inflated > MOST_INFLATED_BYTES {
            return Err(Error::TooMuch(format!(
                "more than {} GiB of objects",
                MOST_INFLATED_BYTES >> 30
            )));
        }
        Ok(())
    }

    /// The names of those that are told as changes, from each whole object up.
    fn second<R: BufRead + Seek>(
        &mut self,
        reader: &mut R,
        folder: &Path,
        known: &dyn Fn(Id) -> Result<Option<Object>>,
    ) -> Result<()> {
        let held = Rc::new(Cell::new(0));
        let whole: Vec<(u64, Id, Kind, u64)> = self
            .entries
            .iter()
            .filter_map(|(at, entry)| match entry.form {
                Form::Whole(kind) => Some((*at, entry.id?, kind, entry.size)),
                _ => None,
            })
            .collect();
        for (at, id, kind, size) in whole {
            if !self.of_offset.contains_key(&at) && !self.of_id.contains_key(&id) {
                continue;
            }
            self.count(size)?;
            let bytes = read(reader, at, folder)?;
            self.grow(reader, folder, kind, Held::new(bytes, &held)?, self.waiting(at, id))?;
        }
        // What is left builds on what was sent before, or on nothing.
        let outside: BTreeSet<Id> = self.of_id.keys().copied().collect();
        for id in outside {
            let open = self.of_id.get(&id).cloned().unwrap_or_default();
            if open.iter().all(|at| self.entries[at].id.is_some()) {
                continue;
            }
            let base = known(id)?.ok_or(Error::Missing(id))?;
            self.grow(reader, folder, base.kind, Held::new(base.bytes, &held)?, open)?;
        }
        match self.entries.values().all(|entry| entry.id.is_some()) {
            true => Ok(()),
            false => Err(Error::Pack("a change of nothing".into())),
        }
    }

    /// The entries that build on an object, and have no name yet.
    fn waiting(&self, at: u64, id: Id) -> Vec<u64> {
        let of = |all: Option<&Vec<u64>>| all.cloned().unwrap_or_default();
        let mut all = of(self.of_offset.get(&at));
        all.extend(of(self.of_id.get(&id)));
        all.retain(|at| self.entries.get(at).is_some_and(|entry| entry.id.is_none()));
        all
    }

    /// Names everything that is told as a change of `base`, however often changed.
    fn grow<R: BufRead + Seek>(
        &mut self,
        reader: &mut R,
        folder: &Path,
        kind: Kind,
        base: Rc<Held>,
        first: Vec<u64>,
    ) -> Result<()> {
        let mut open: Vec<(u64, Rc<Held>, usize)> =
            first.into_iter().map(|at| (at, base.clone(), 1)).collect();
        let sum = base.sum.clone();
        drop(base);
        while let Some((at, base, depth)) = open.pop() {
            if depth > MOST_DEPTH {
                return Err(Error::TooMuch("changes of changes without end".into()));
            }
            let Some(entry) = self.entries.get(&at).filter(|entry| entry.id.is_none()) else {
                continue;
            };
            self.count(entry.size)?;
            let made = pack::changed(&base.bytes, &read(reader, at, folder)?)?;
            drop(base);
            self.count(made.len() as u64)?;
            let mut naming = Naming::object(kind, made.len() as u64);
            naming.update(&made);
            let id = naming.finish()?;
            object::check(id, kind, &made)?;
            if let Some(entry) = self.entries.get_mut(&at) {
                entry.id = Some(id);
            }
            let next = self.waiting(at, id);
            if !next.is_empty() {
                let made = Held::new(made, &sum)?;
                open.extend(next.into_iter().map(|at| (at, made.clone(), depth + 1)));
            }
        }
        Ok(())
    }
}

/// Bytes in memory, counted as long as they are.
struct Held {
    bytes: Vec<u8>,
    sum: Rc<Cell<u64>>,
}

impl Held {
    fn new(bytes: Vec<u8>, sum: &Rc<Cell<u64>>) -> Result<Rc<Self>> {
        sum.set(sum.get() + bytes.len() as u64);
        let held = Self { bytes, sum: sum.clone() };
        if sum.get() > MOST_HELD_BYTES + MOST_OBJECT_BYTES {
            return Err(Error::TooMuch("changes of too many large objects at once".into()));
        }
        Ok(Rc::new(held))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.sum.set(self.sum.get() - self.bytes.len() as u64);
    }
}

/// The name of a whole object that is read; a file's bytes are not held.
fn name(reader: &mut impl BufRead, kind: Kind, size: u64) -> Result<(Id, u64)> {
    if size > MOST_OBJECT_BYTES || (kind != Kind::Blob && size > MOST_NAMED_BYTES) {
        return Err(Error::TooMuch(format!("a {} of {} MiB", kind.word(), size >> 20)));
    }
    let mut naming = Naming::object(kind, size);
    let mut bytes = Vec::new();
    let packed = pack::inflate(reader, size, |piece| {
        naming.update(piece);
        if kind != Kind::Blob {
            bytes.extend_from_slice(piece);
        }
        Ok(())
    })?;
    let id = naming.finish()?;
    object::check(id, kind, &bytes)?;
    Ok((id, packed))
}

/// The inflated bytes of the entry at an offset.
fn read<R: BufRead + Seek>(reader: &mut R, at: u64, folder: &Path) -> Result<Vec<u8>> {
    reader.seek(SeekFrom::Start(at)).map_err(Error::disk("read", folder))?;
    let (_, size, _) = pack::head(reader)?;
    pack::whole(reader, size)
}

/// Puts a checked pack and its index into a folder under its name.
pub(crate) fn keep(checked: Checked, folder: &Path) -> Result<Id> {
    let Checked { file, name, index } = checked;
    let mut bytes = Vec::with_capacity(index.len() * 28);
    for (id, at) in &index {
        bytes.extend_from_slice(&id.0);
        bytes.extend_from_slice(&at.to_be_bytes());
    }
    let path = folder.join(format!("{name}.index"));
    fs::write(&path, bytes).map_err(Error::disk("write", &path))?;
    let path = folder.join(format!("{name}.pack"));
    file.persist(&path).map_err(|error| Error::disk("write", &path)(error.error))?;
    Ok(name)
}
