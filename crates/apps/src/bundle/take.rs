//! A pack comes in: its archive may have been written by anybody. Every blob is checked against its
//! digest, no name of the archive becomes a name on disk but those of the app's few files, and
//! nothing runs before all of it is here.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use composer::graph::From;
use fs_err as fs;
use image::Images;
use serde_json::Value;

use super::{FORMAT, Label, MODULES, OWN};
use crate::event::{Event, Events};
use crate::go::{self, GoOptions, Settled};
use crate::images::{self, Built};
use crate::load;
use crate::progress::Clock;
use crate::report::GoReport;
use crate::{Error, Result, Target, borrowed, catalogues};

/// Documents of a pack: its label, its app's files, manifests.
const MOST_DOCUMENT_BYTES: u64 = 4 << 20;
/// All of the app's files.
const MOST_APP_BYTES: u64 = 32 << 20;
/// The list of parts, which is not read here.
const MOST_PARTS_BYTES: u64 = 256 << 20;
const MOST_ENTRIES: usize = 100_000;

/// How a pack is brought to life.
#[derive(Debug, Clone)]
pub struct TakeOptions {
    /// The app that it must be of.
    pub app: String,
    /// How long copies may take to become ready.
    pub timeout: Duration,
    /// Who says so; kept with the release.
    pub by: String,
    /// Where the app's file and what stands beside it are kept, if it has no folder yet; `None`
    /// keeps none.
    pub folder: Option<PathBuf>,
}

/// Modules of catalogues, by what an app file says of them.
pub(crate) type Modules = BTreeMap<String, catalogues::Taken>;

/// What came in, checked.
pub(crate) struct Taken {
    pub(crate) label: Label,
    pub(crate) own: Own,
    // Until the app uses them, nobody else names these images.
    pub(crate) hold: image::Hold,
}

/// What an archive brings of the app itself.
#[derive(Default)]
pub(crate) struct Own {
    /// Its own files.
    pub(crate) files: BTreeMap<String, String>,
    /// The modules of catalogues that it uses.
    pub(crate) modules: Modules,
    bytes: u64,
}

impl Own {
    /// Whether a file of the archive is one of these.
    pub(crate) fn has(name: &str) -> bool {
        name == MODULES || name.starts_with(OWN)
    }

    /// Takes one that is.
    ///
    /// # Errors
    /// It is no text, would not stay in the app's folder, or is too much; in words.
    pub(crate) fn put(&mut self, name: &str, bytes: Vec<u8>) -> std::result::Result<(), String> {
        let Some(path) = name.strip_prefix(OWN) else {
            self.modules = used(&bytes)?;
            return Ok(());
        };
        self.bytes += bytes.len() as u64;
        let text = String::from_utf8(bytes).map_err(|_| format!("{name} is no text"))?;
        if !plain(path) || self.bytes > MOST_APP_BYTES {
            return Err(format!("{name} is no file of an app"));
        }
        self.files.insert(path.to_owned(), text);
        Ok(())
    }
}

/// Takes a pack in and brings its app to life, with no build and no network.
///
/// # Errors
/// The archive is no pack, is damaged or is for another machine: then nothing runs. Otherwise as
/// `go`.
pub async fn take(
    target: &Target,
    archive: impl Read + Send + 'static,
    options: &TakeOptions,
    events: Events<'_>,
) -> Result<GoReport> {
    let clock = Clock::start();
    let store = target.images.clone();
    let taking = tokio::task::spawn_blocking(move || {
        let mut archive = archive;
        let taken = read(&store, &mut archive);
        // Who sends hears why it was refused only after it was listened to.
        let _rest = std::io::copy(&mut archive, &mut std::io::sink());
        taken
    });
    let taken = taking
        .await
        .map_err(|source| Error::Task { what: "taking a pack in".into(), source })??;
    settle(target, taken, options, &clock, events).await
}

/// Brings to life what came in.
///
/// # Errors
/// It is not the app it says it is, or as `go`.
pub(crate) async fn settle(
    target: &Target,
    taken: Taken,
    options: &TakeOptions,
    clock: &Clock,
    events: Events<'_>,
) -> Result<GoReport> {
    let Taken { label, own, hold: _hold } = taken;
    let Own { files, modules, .. } = own;
    if label.app != options.app {
        return Err(wrong(format!("it is of {}, not of {}", label.app, options.app)));
    }
    let text = format!("{} of {} is whole: {} images", label.app, label.at, label.images.len());
    events(Event::Note { text });
    let loaded = load::of_files(&files, modules)?;
    if loaded.graph.app != label.app {
        return Err(wrong(format!("it is of {} and holds {}", label.app, loaded.graph.app)));
    }
    let reference = |(block, digest): (&String, &String)| {
        let image = match loaded.graph.block(block).map(|part| &part.from) {
            Some(From::Image { name, .. }) => borrowed::reference(name, digest),
            _ => images::reference(&label.app, block, digest),
        };
        (block.clone(), image)
    };
    let known: composer::Images = label.images.iter().map(reference).collect();
    if let Some(one) = loaded.graph.builds().iter().find(|one| !known.contains_key(&one.block)) {
        return Err(wrong(format!("it has no image for {}", one.block)));
    }
    if let Some(folder) = &options.folder {
        keep(folder, &files)?;
    }
    let built = Built { images: known, ..Built::default() };
    let settled = Settled::new(&loaded, built, label.sources.clone());
    let going =
        GoOptions { timeout: options.timeout, by: options.by.clone(), ..GoOptions::default() };
    go::settle(target, settled, &going, clock, events).await
}

fn wrong(reason: String) -> Error {
    Error::Unfit {
        code: "pack/wrong",
        message: format!("this is no pack that can be used: {reason}"),
    }
}

fn broken(error: &std::io::Error) -> Error {
    wrong(format!("its archive cannot be read: {error}"))
}

/// Reads the archive to its end; images go to the store as they come.
fn read(store: &Images, archive: impl Read) -> Result<Taken> {
    let hold = store.hold();
    let mut tar = tar::Archive::new(archive);
    let mut entries = tar.entries().map_err(|error| broken(&error))?;
    let mut first = entries
        .next()
        .ok_or_else(|| wrong("it is empty".into()))?
        .map_err(|error| broken(&error))?;
    if first.path_bytes().as_ref() != b"pack.json" {
        return Err(wrong("it does not begin with pack.json".into()));
    }
    let label: Label = serde_json::from_slice(&document(&mut first)?)
        .map_err(|error| wrong(format!("pack.json is not understood: {error}")))?;
    check(&label).map_err(wrong)?;
    let (mut own, mut index) = (Own::default(), None);
    for (count, entry) in entries.enumerate() {
        let mut entry = entry.map_err(|error| broken(&error))?;
        if count > MOST_ENTRIES {
            return Err(wrong(format!("it has more than {MOST_ENTRIES} entries")));
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file() {
            return Err(wrong(format!("{name} is no plain file")));
        }
        if let Some(hex) = name.strip_prefix("blobs/sha256/") {
            blob(store, hex, &mut entry)?;
        } else if Own::has(&name) {
            own.put(&name, document(&mut entry)?).map_err(wrong)?;
        } else if name == "index.json" {
            index = Some(document(&mut entry)?);
        } else if entry.size() > MOST_PARTS_BYTES {
            return Err(wrong(format!("{name} is too large")));
        }
    }
    let index = index.ok_or_else(|| wrong("it has no index.json".into()))?;
    let index: Value = serde_json::from_slice(&index)
        .map_err(|error| wrong(format!("index.json is not understood: {error}")))?;
    let listed = index["manifests"].as_array().cloned().unwrap_or_default();
    for (block, digest) in &label.images {
        if !listed.iter().any(|one| one["digest"] == digest.as_str()) {
            return Err(wrong(format!("index.json does not list the image of {block}")));
        }
        adopt(store, &label.app, block, digest)?;
    }
    Ok(Taken { label, own, hold })
}

/// Reads which modules of catalogues an app uses; what a module's face says is judged with the app.
///
/// # Errors
/// The text is none, or names a folder, which would be one of this machine.
fn used(text: &[u8]) -> std::result::Result<Modules, String> {
    let modules: Modules = serde_json::from_slice(text)
        .map_err(|error| format!("{MODULES} is not understood: {error}"))?;
    match modules.iter().find(|(_, one)| !one.folder.as_os_str().is_empty()) {
        Some((name, _)) => Err(format!("{MODULES} names a folder for {name}")),
        None => Ok(modules),
    }
}

/// Whether this program on this machine can use it; else why not.
///
/// # Errors
/// It is of another format or for another machine.
pub(crate) fn check(label: &Label) -> std::result::Result<(), String> {
    let here = format!("linux/{}", image::architecture());
    if label.format != FORMAT {
        return Err(format!("its format is {}, and this program knows {FORMAT}", label.format));
    }
    if label.platform != here {
        return Err(format!("it is for {}, and this machine is {here}", label.platform));
    }
    Ok(())
}

fn document(entry: &mut tar::Entry<'_, impl Read>) -> Result<Vec<u8>> {
    if entry.size() > MOST_DOCUMENT_BYTES {
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        return Err(wrong(format!("{name} is too large")));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| broken(&error))?;
    Ok(bytes)
}

/// Takes a blob into the store unless it is there.
fn blob(store: &Images, hex: &str, entry: &mut tar::Entry<'_, impl Read>) -> Result<()> {
    let digest = format!("sha256:{hex}");
    let fails = |source| Error::Image { what: format!("take in {digest}"), source };
    let size = entry.size();
    if store.has_blob(&digest, size).map_err(fails)? {
        return Ok(());
    }
    let mut incoming = store.incoming(&digest, size).map_err(fails)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match entry.read(&mut buffer).map_err(|error| broken(&error))? {
            0 => break,
            read => incoming.write(&buffer[..read]).map_err(fails)?,
        }
    }
    incoming.finish().map_err(fails)
}

/// Makes an image of the blobs that came, under a name of our own making.
fn adopt(store: &Images, app: &str, block: &str, digest: &str) -> Result<()> {
    let fails = |source| Error::Image { what: format!("take in the image of {block}"), source };
    let small = |digest: &str| -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let blob = store.open_blob(digest).map_err(fails)?;
        let read = blob.take(MOST_DOCUMENT_BYTES).read_to_end(&mut bytes);
        read.map_err(|error| broken(&error))?;
        Ok(bytes)
    };
    let manifest = small(digest)?;
    let parsed: Value = serde_json::from_slice(&manifest)
        .map_err(|error| wrong(format!("the manifest of {block} is not understood: {error}")))?;
    let config = small(parsed["config"]["digest"].as_str().unwrap_or_default())?;
    store.adopt(digest, &manifest, &config, &names(app, block, digest)).map(|_| ()).map_err(fails)
}

/// The names of our own making that the image of a block has here.
pub(crate) fn names(app: &str, block: &str, digest: &str) -> [String; 2] {
    ["latest", &images::short(digest)].map(|tag| format!("shelf.local/{app}/{block}:{tag}"))
}

/// Whether a path stays in the folder it is put into.
fn plain(path: &str) -> bool {
    let normal = |part: Component<'_>| matches!(part, Component::Normal(_));
    !path.is_empty() && path.len() < 1024 && Path::new(path).components().all(normal)
}

/// Writes the app's files into a folder that need not be there.
fn keep(folder: &Path, files: &BTreeMap<String, String>) -> Result<()> {
    for (path, text) in files {
        let path = folder.join(path);
        let wrong = |source| Error::Write { path: path.clone(), source };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(wrong)?;
        }
        fs::write(&path, text).map_err(wrong)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small pack: one image with one layer.
    fn small() -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let store = Images::open(&dir.path().join("images")).unwrap();
        let upper = dir.path().join("upper");
        fs::create_dir(&upper).unwrap();
        fs::write(upper.join("hello"), "world").unwrap();
        let layer = store.layer_from_upper(&upper).unwrap().unwrap();
        let image =
            store.write(None, image::ImageConfig::empty(), vec![layer], Some("x:1")).unwrap();
        let text = "app = \"x\"\n[web]\nsource = \"./web\"\nrun = { web = { port = 80 } }\n";
        let files = BTreeMap::from([("app.toml".to_owned(), text.to_owned())]);
        let loaded = load::of_files(&files, Modules::new()).unwrap();
        let label = Label {
            format: FORMAT.into(),
            app: "x".into(),
            at: "2026-01-01T00:00:00Z".into(),
            shelf: "0".into(),
            platform: format!("linux/{}", image::architecture()),
            images: BTreeMap::from([("web".into(), image.digest.clone())]),
            sources: BTreeMap::new(),
        };
        let found = BTreeMap::from([("web".to_owned(), image)]);
        super::super::archive(&store, &loaded, &label, (&found, b"{}"), Vec::new()).unwrap()
    }

    #[test]
    fn whatever_the_bytes_say_an_image_is_whole_or_not_there() {
        let good = small();
        let dir = tempfile::tempdir().unwrap();
        let fresh = |number: usize| Images::open(&dir.path().join(number.to_string())).unwrap();
        let store = fresh(0);
        let taken = read(&store, &good[..]).map_err(|error| error.to_string()).unwrap();
        let digest = taken.label.images["web"].clone();
        assert_eq!(store.find("shelf.local/x/web").unwrap().unwrap().digest, digest);
        drop((taken, store));
        // Cut off anywhere, or one byte another: refused, or exactly what it was.
        let store = fresh(1);
        for number in 0..400 {
            let at = number * (good.len() - 1024) / 400;
            let mut other = good.clone();
            other[at] ^= 1 << (number % 8);
            for bytes in [&other[..], &good[..at]] {
                if let Ok(taken) = read(&store, bytes) {
                    for digest in taken.label.images.values() {
                        let image = store.find(digest).unwrap().unwrap();
                        let files = store.files(&image, &|_| true).unwrap();
                        assert_eq!(files["hello"], b"world", "at {at}");
                    }
                }
            }
        }
        let left = fs::read_dir(dir.path().join("1/stage")).unwrap().count();
        assert_eq!(left, 0, "what was refused leaves nothing");
    }

    #[test]
    fn paths_of_an_app_stay_inside() {
        for good in ["app.toml", "db/module.toml", "a/b/c.txt"] {
            assert!(plain(good), "{good}");
        }
        for wrong in ["", "/etc/passwd", "../x", "a/../../x", "./x"] {
            assert!(!plain(wrong), "{wrong}");
        }
    }
}
