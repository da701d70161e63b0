//! A pack: one file with an app, all its images, what they are made of, and this program, which
//! runs where there is no network. `docs/formats/pack.md` describes every byte.
//!
//! Where next: `bundle/take.rs`, which reads one that anybody may have made, and `bundle/sbom.rs`.

mod sbom;
mod take;

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use composer::graph::From;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use image::{Image, Images};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::event::{Event, Events};
use crate::load::{self, Loaded};
use crate::progress::Clock;
use crate::{Error, Result, Target, images, live, release};

pub(crate) use take::{Modules, Own, Taken, check, names, settle};
pub use take::{TakeOptions, take};

/// The list of parts of images, without a moment of time in it; and how many packages it names.
pub(crate) fn parts(
    store: &Images,
    name: &str,
    images: &BTreeMap<String, Image>,
) -> Result<(Vec<u8>, usize)> {
    sbom::of_app(store, name, "1970-01-01T00:00:00Z", images)
}

/// The version of the format.
const FORMAT: &str = "1";
/// The last bytes of a pack: this, where the archive begins, how long it is, and this again.
const MAGIC: &[u8; 8] = b"SHELFPK1";
/// What the app uses of catalogues, by what its file says of it: which modules, and their faces.
pub(crate) const MODULES: &str = "catalogue.json";
/// Before the path of an app's own file in an archive.
pub(crate) const OWN: &str = "app/";
/// The longest label.
const MOST_LABEL_BYTES: u64 = 4 << 20;
/// Bytes of that.
const TRAILER: u64 = 32;

/// Where the archive of a pack is in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// The first byte; before it, the program.
    pub start: u64,
    /// How many bytes.
    pub length: u64,
}

/// What was packed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackReport {
    /// The app.
    pub app: String,
    /// The file, on the server's machine.
    pub path: PathBuf,
    /// Its size.
    pub size_bytes: u64,
    /// Its images, by block.
    pub images: BTreeMap<String, String>,
    /// How many packages the list of parts names.
    pub packages: usize,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// What a pack or a published app says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Label {
    pub(crate) format: String,
    pub(crate) app: String,
    /// RFC 3339.
    pub(crate) at: String,
    /// The version of the program that made it, which is in a pack too.
    pub(crate) shelf: String,
    /// `linux/amd64`.
    pub(crate) platform: String,
    /// Block to its image's digest.
    pub(crate) images: BTreeMap<String, String>,
    /// Block to the hash of what its image was built from.
    pub(crate) sources: BTreeMap<String, String>,
}

/// Looks for a pack in a file.
///
/// # Errors
/// The file cannot be read.
pub fn packed(file: &mut (impl Read + Seek)) -> std::io::Result<Option<Packed>> {
    let size = file.seek(SeekFrom::End(0))?;
    let Some(at) = size.checked_sub(TRAILER) else { return Ok(None) };
    file.seek(SeekFrom::Start(at))?;
    let mut trailer = [0; TRAILER as usize];
    file.read_exact(&mut trailer)?;
    let number = |at: usize| -> u64 {
        trailer[at..at + 8].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let (start, length) = (number(8), number(16));
    let whole = start.checked_add(length) == Some(at);
    let marked = trailer[..8] == MAGIC[..] && trailer[24..] == MAGIC[..];
    Ok((marked && whole).then_some(Packed { start, length }))
}

/// What the pack in a file says of itself, as `docs/formats/pack.md` has it; nothing if there is
/// none in it.
///
/// # Errors
/// The file cannot be read, or its label is none.
pub fn label(file: &mut (impl Read + Seek)) -> std::io::Result<Option<serde_json::Value>> {
    let Some(place) = packed(file)? else { return Ok(None) };
    file.seek(SeekFrom::Start(place.start))?;
    let mut archive = tar::Archive::new(file.take(place.length));
    let first = archive.entries()?.next().transpose()?;
    let first = first.filter(|one| one.path_bytes().as_ref() == b"pack.json");
    let first = first.ok_or_else(|| std::io::Error::other("its archive has no label"))?;
    let label: Label = serde_json::from_reader(first.take(MOST_LABEL_BYTES))?;
    Ok(Some(json!(label)))
}

/// Packs the app in `dir` into the file `to`. Images that are missing are built first; the app need
/// not run.
///
/// # Errors
/// The app is wrong, an image cannot be built, or the file cannot be written; then there is none.
pub async fn pack(
    target: &Target,
    dir: &Path,
    to: &Path,
    events: Events<'_>,
) -> Result<PackReport> {
    let clock = Clock::start();
    let gathered = gather(target, dir, &clock, events).await?;
    events(Event::Note { text: format!("packing {} images", gathered.label.images.len()) });
    let (target, to) = (target.clone(), to.to_owned());
    let writing = tokio::task::spawn_blocking(move || write(&target, &gathered, &to));
    let mut report =
        writing.await.map_err(|source| Error::Task { what: "a pack".into(), source })??;
    report.seconds = clock.seconds();
    Ok(report)
}

/// An app and its images, all of them here.
pub(crate) struct Gathered {
    pub(crate) loaded: Loaded,
    pub(crate) label: Label,
    /// Its images, by block.
    pub(crate) found: BTreeMap<String, Image>,
    /// Nothing of it is collected meanwhile.
    pub(crate) hold: image::Hold,
}

/// Builds what is missing of the app in `dir` and finds all of its images.
///
/// # Errors
/// The app is wrong, or an image cannot be built.
pub(crate) async fn gather(
    target: &Target,
    dir: &Path,
    clock: &Clock,
    events: Events<'_>,
) -> Result<Gathered> {
    let loaded = load::load_some(target, dir, None, None).await?;
    let sources = load::source_hashes(&loaded, None)?;
    let recorded = release::read(&live::list(target, &loaded.graph.app).await?);
    let known = images::known(target, recorded.as_ref(), &sources);
    let hold = target.images.hold();
    let built = images::build_missing(target, &loaded, known, false, clock, events).await?;
    let store = |source| Error::Image { what: "read an image of the app".into(), source };
    let mut found: BTreeMap<String, Image> = BTreeMap::new();
    for (block, reference) in &built.images {
        let gone = || Error::ImageGone { block: block.clone(), release: "now".into() };
        found
            .insert(block.clone(), target.images.find(reference).map_err(store)?.ok_or_else(gone)?);
    }
    let label = Label {
        format: FORMAT.into(),
        app: loaded.graph.app.clone(),
        at: jiff::Timestamp::now().to_string(),
        shelf: env!("CARGO_PKG_VERSION").into(),
        platform: format!("linux/{}", image::architecture()),
        images: found.iter().map(|(block, image)| (block.clone(), image.digest.clone())).collect(),
        sources,
    };
    Ok(Gathered { loaded, label, found, hold })
}

fn write(target: &Target, gathered: &Gathered, to: &Path) -> Result<PackReport> {
    let Gathered { loaded, label, found, .. } = gathered;
    let (parts, packages) = sbom::of_app(&target.images, &label.app, &label.at, found)?;
    let mut beside = to.as_os_str().to_owned();
    beside.push(".unfinished");
    let beside = PathBuf::from(beside);
    let fails = |source| Error::Write { path: to.to_owned(), source };
    let written = write_file(&target.images, loaded, label, (found, &parts), &beside);
    let size_bytes = match written {
        Ok(size) => size,
        Err(error) => {
            // What matters is why it broke off; the rest of it is in the way only.
            let _gone = fs::remove_file(&beside);
            return Err(error);
        }
    };
    fs::rename(&beside, to).map_err(fails)?;
    Ok(PackReport {
        app: label.app.clone(),
        path: to.to_owned(),
        size_bytes,
        images: label.images.clone(),
        packages,
        seconds: 0.0,
    })
}

/// The file under its name until it is complete; its size.
fn write_file(
    store: &Images,
    loaded: &Loaded,
    label: &Label,
    inside: (&BTreeMap<String, Image>, &[u8]),
    to: &Path,
) -> Result<u64> {
    let fails = |source| Error::Write { path: to.to_owned(), source };
    // Made anew: the folder may have come from others, and a link in it would be followed.
    match fs::remove_file(to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fails(error)),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o755).open(to).map_err(fails)?;
    let start = program(&mut file).map_err(fails)?;
    let writer = std::io::BufWriter::with_capacity(256 << 10, &mut file);
    let mut writer = archive(store, loaded, label, inside, writer)?;
    writer.flush().map_err(fails)?;
    drop(writer);
    let end = file.stream_position().map_err(fails)?;
    let mut trailer = Vec::from(MAGIC);
    trailer.extend(start.to_le_bytes());
    trailer.extend((end - start).to_le_bytes());
    trailer.extend(MAGIC);
    file.write_all(&trailer).and_then(|()| file.sync_all()).map_err(fails)?;
    Ok(end + TRAILER)
}

/// Writes the archive: the label first, the blobs last.
fn archive<W: Write>(
    store: &Images,
    loaded: &Loaded,
    label: &Label,
    (found, parts): (&BTreeMap<String, Image>, &[u8]),
    to: W,
) -> Result<W> {
    let fails = |source| Error::File { what: "write the pack".into(), source };
    let broken = |source| Error::Image { what: "read an image for the pack".into(), source };
    let mut tar = tar::Builder::new(to);
    let mut put = |name: &str, bytes: &[u8]| entry(&mut tar, name, bytes.len() as u64, bytes);
    let pretty = |value: &serde_json::Value| serde_json::to_vec_pretty(value).unwrap_or_default();
    put("pack.json", &pretty(&json!(label))).map_err(fails)?;
    put("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#).map_err(fails)?;
    let mut manifests = Vec::new();
    for (block, image) in found {
        let document = store.document(image).map_err(broken)?;
        let name = format!("shelf.local/{}/{block}:packed", label.app);
        manifests.push(json!({
            "mediaType": document.media_type, "digest": image.digest, "size": document.bytes.len(),
            "annotations": { "org.opencontainers.image.ref.name": name },
        }));
    }
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    });
    put("index.json", &pretty(&index)).map_err(fails)?;
    put("sbom.spdx.json", parts).map_err(fails)?;
    for (name, bytes) in documents(loaded, label, found) {
        put(&name, &bytes).map_err(fails)?;
    }
    let mut done = std::collections::BTreeSet::new();
    for image in found.values() {
        let document = store.document(image).map_err(broken)?;
        let own = (image.digest.clone(), document.bytes.len() as u64);
        let blobs = document.layers.iter().chain([&document.config]);
        let blobs = blobs.map(|blob| (blob.digest.clone(), blob.size)).chain([own]);
        for (digest, size) in blobs.filter(|(digest, _)| done.insert(digest.clone())) {
            let name = format!("blobs/{}", digest.replace(':', "/"));
            let blob = store.open_blob(&digest).map_err(broken)?;
            entry(&mut tar, &name, size, blob).map_err(fails)?;
        }
    }
    tar.into_inner().map_err(fails)
}

/// The small files of an app: its own below `app/`, those of the modules it uses below `modules/`.
pub(crate) fn documents(
    loaded: &Loaded,
    label: &Label,
    found: &BTreeMap<String, Image>,
) -> Vec<(String, Vec<u8>)> {
    let mut all = vec![(format!("{OWN}app.toml"), loaded.text.clone().into_bytes())];
    for (path, text) in &loaded.beside {
        let path = path.trim_start_matches("./");
        all.push((format!("{OWN}{path}"), text.clone().into_bytes()));
    }
    let borrowed = loaded.graph.blocks.iter().filter_map(|part| match &part.from {
        From::Image { name, .. } => {
            let digest = &found.get(&part.name)?.digest;
            Some((part.name.clone(), crate::borrowed::reference(name, digest)))
        }
        _ => None,
    });
    let borrowed: composer::Images = borrowed.collect();
    if !borrowed.is_empty() {
        let lock = crate::lock::pins(&loaded.graph, &loaded.around, &label.sources, &borrowed);
        all.push((format!("{OWN}{}", crate::lock::NAME), lock.to_text().into_bytes()));
    }
    if !loaded.around.modules.is_empty() {
        let used = loaded.around.modules.iter();
        let used: BTreeMap<_, _> = used.map(|(used, one)| (used, one.travelling())).collect();
        all.push((MODULES.to_owned(), json!(used).to_string().into_bytes()));
    }
    for (name, folder) in stock_modules(loaded) {
        for (path, bytes) in crate::stock::files(&folder) {
            all.push((format!("modules/{name}/{path}"), bytes.to_vec()));
        }
    }
    all
}

/// The modules of the shelf that an app uses, and their folders on it.
fn stock_modules(loaded: &Loaded) -> BTreeMap<String, String> {
    let used = |part: &composer::graph::Part| match &part.from {
        From::Module { name, version, .. } if !name.contains('/') => {
            Some((format!("{name}-{version}"), crate::stock::folder(name, version)))
        }
        _ => None,
    };
    loaded.graph.blocks.iter().filter_map(used).collect()
}

/// This very program, without the pack it may have come in.
fn program(to: &mut fs::File) -> std::io::Result<u64> {
    let mut own = std::fs::File::open("/proc/self/exe")?;
    let length = match packed(&mut own)? {
        Some(inside) => inside.start,
        None => own.metadata()?.len(),
    };
    own.seek(SeekFrom::Start(0))?;
    let copied = std::io::copy(&mut own.take(length), to)?;
    // The archive begins at a whole block, so that `tail` and `tar` find it easily.
    let padding = (512 - copied % 512) % 512;
    to.write_all(&vec![0; usize::try_from(padding).unwrap_or_default()])?;
    Ok(copied + padding)
}

fn entry(
    tar: &mut tar::Builder<impl Write>,
    name: &str,
    size: u64,
    bytes: impl Read,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    tar.append_data(&mut header, name, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_is_found_by_its_end_alone() {
        let find = |bytes: &[u8]| packed(&mut std::io::Cursor::new(bytes)).unwrap();
        let mut file = b"program!archive".to_vec();
        file.extend(MAGIC);
        file.extend(8_u64.to_le_bytes());
        file.extend(7_u64.to_le_bytes());
        file.extend(MAGIC);
        assert_eq!(find(&file), Some(Packed { start: 8, length: 7 }));
        for wrong in [&file[..file.len() - 1], &file[1..], b"", b"SHELFPK1", &[0; 64]] {
            assert_eq!(find(wrong), None);
        }
        let mut far = file.clone();
        let at = far.len() - 24;
        far[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(find(&far), None);
    }
}
