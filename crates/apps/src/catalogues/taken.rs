//! Modules of catalogues in apps: which one an app means, fetched once by its digest and kept.
//!
//! Which one: what `app.lock` pins; else what the catalogue that is named has; else, for a name
//! alone, what the first catalogue that has it has, before the shelf in the program. What was found
//! is written beside the app as well (`.shelf/modules.json`), for verbs that need no server.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use composer::index::Listed;
use composer::lock::Pin;
use composer::{App, Catalogue, Images, Module};
use fs_err as fs;
use image::Reference;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Known, absent, folder, known, unfit};
use crate::around::Around;
use crate::event::{BlockState, Event, Events};
use crate::load::Loaded;
use crate::progress::Clock;
use crate::published::{Opened, keep, open, refused};
use crate::registry::write_private;
use crate::{Error, Result, Target, borrowed, lock, stock};

/// Longest file beside an app, in bytes: one text of a module is at most a few kilobytes.
const MOST_BESIDE: u64 = 16 << 20;

/// A module of a catalogue, as it was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// The catalogue.
    pub(crate) catalogue: String,
    /// The module's name there.
    pub(crate) module: String,
    /// Its version.
    pub(crate) version: String,
    /// Its published artifact by digest.
    pub(crate) from: String,
    /// Its image by digest, if it carries one.
    pub(crate) image: Option<String>,
    /// The hash of its folder.
    pub(crate) hash: String,
    /// Its folder on this machine; none in what travels, which carries its image.
    #[serde(default, skip_serializing_if = "nowhere")]
    pub(crate) folder: PathBuf,
    /// Its `module.toml`.
    pub(crate) text: String,
    /// The types of wires that it brings along, by their files in its folder.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) interfaces: BTreeMap<String, String>,
}

fn nowhere(folder: &Path) -> bool {
    folder.as_os_str().is_empty()
}

impl Taken {
    /// The same for another machine.
    pub(crate) fn travelling(&self) -> Self {
        Self { folder: PathBuf::new(), ..self.clone() }
    }

    /// What apps call it: `team/redis`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.catalogue, self.module)
    }
}

/// The module of this name and version among those an app uses.
pub(crate) fn find<'a>(around: &'a Around, name: &str, version: &str) -> Option<&'a Taken> {
    around.modules.values().find(|one| one.version == version && one.name() == name)
}

/// Puts modules where the checker looks for them.
pub(crate) fn give(modules: &BTreeMap<String, Taken>, catalogue: &mut Catalogue) -> Result<()> {
    for (path, text) in interfaces(modules) {
        catalogue.bring_interface(&path, &text).map_err(Error::Wrong)?;
    }
    for (used, one) in modules {
        let path = format!("{}/module.toml", one.name());
        catalogue.add_taken(&one.catalogue, &path, &one.text).map_err(Error::Wrong)?;
        if !used.contains('/') {
            catalogue.mean(used, &one.name(), &one.version);
        }
    }
    Ok(())
}

/// The types of wires that modules bring along, by their files.
pub(crate) fn interfaces(modules: &BTreeMap<String, Taken>) -> Vec<(String, String)> {
    let of = |one: &Taken| {
        let named = one.interfaces.iter();
        let name = one.name();
        named.map(move |(file, text)| (format!("{name}/{file}"), text.clone())).collect::<Vec<_>>()
    };
    modules.values().flat_map(of).collect()
}

/// The modules of catalogues that an app in `dir` uses, by what it says of them.
///
/// # Errors
/// One is not to be had: no catalogue has it, what has it may not be used any more, or its registry
/// does not give it.
pub(crate) async fn resolve(
    target: &Target,
    dir: &Path,
    app: &App,
) -> Result<BTreeMap<String, Taken>> {
    let mut modules = BTreeMap::new();
    let used = app.used_modules();
    let catalogues = known(target)?;
    if catalogues.is_empty() && !used.iter().any(|(_, used)| used.contains('/')) {
        return Ok(modules);
    }
    let lock = match dir.as_os_str().is_empty() {
        true => None,
        false => lock::read(dir)?,
    };
    for (block, used) in used {
        let pin = lock.as_ref().and_then(|lock| lock.pin(block, used));
        if !modules.contains_key(used)
            && let Some(one) = one(target, &catalogues, pin, used).await?
        {
            modules.insert(used.to_owned(), one);
        }
    }
    if !dir.as_os_str().is_empty() {
        remember(dir, &modules)?;
    }
    Ok(modules)
}

/// Fetches the modules that an edit names, so that it can be judged; names of the program's own
/// shelf are left alone.
///
/// # Errors
/// As for an app that says so.
pub async fn take_modules(target: &Target, dir: &Path, used: &[String]) -> Result<()> {
    let mut modules = beside(dir)?;
    let catalogues = known(target)?;
    for used in used.iter().filter(|used| used.contains('/') && !used.contains(':')) {
        if let Some(one) = one(target, &catalogues, None, used).await? {
            modules.insert(used.clone(), one);
        }
    }
    remember(dir, &modules)
}

/// The newest module that a name with its catalogue means, fetched; nothing for a name of the
/// program's own shelf.
///
/// # Errors
/// As for an app that says so.
pub(crate) async fn fetched(target: &Target, used: &str) -> Result<Option<Taken>> {
    if !used.contains('/') {
        return Ok(None);
    }
    one(target, &known(target)?, None, used).await
}

/// What one name means; nothing if it is of the shelf in the program, or of nobody.
async fn one(
    target: &Target,
    catalogues: &[Known],
    pin: Option<&Pin>,
    used: &str,
) -> Result<Option<Taken>> {
    let (name, wanted) = used.split_once('@').map_or((used, None), |(a, b)| (a, Some(b)));
    if let Some(pin) = pin {
        match &pin.from {
            Some(from) => return locked(target, catalogues, pin, from).await.map(Some),
            // What an app has from the program does not change because a catalogue came.
            None if !name.contains('/') => return Ok(None),
            None => {}
        }
    }
    if let Some((shelf, module)) = name.split_once('/') {
        let known = catalogues.iter().find(|one| one.name == shelf).ok_or_else(|| absent(shelf))?;
        let Some(listed) = known.index.find(module, wanted) else {
            let there = known.index.modules.iter().filter(|one| one.name == module);
            let there: Vec<&str> = there.map(|one| one.version.as_str()).collect();
            let message = match (there.as_slice(), wanted) {
                ([], _) | (_, None) => format!("the catalogue {shelf} has no module {module}"),
                (_, Some(wanted)) => format!("the catalogue {shelf} has no {module} {wanted}"),
            };
            let hint = match there.is_empty() {
                true => format!("a newer index:  shelf catalogue update {shelf}"),
                false => format!("it has: {}", there.join(", ")),
            };
            return Err(unfit("module/unknown", message, &hint));
        };
        return fetch(target, known, listed, Timestamp::now()).await.map(Some);
    }
    let found = catalogues.iter().find_map(|known| Some((known, known.index.find(name, wanted)?)));
    match found {
        Some((known, listed)) => fetch(target, known, listed, Timestamp::now()).await.map(Some),
        None => Ok(None),
    }
}

/// What a lock pins: from what is kept, else from a catalogue that still lists this very digest.
async fn locked(target: &Target, catalogues: &[Known], pin: &Pin, from: &str) -> Result<Taken> {
    let locked = pin.module.as_deref().unwrap_or_default();
    let shelf = locked.split('/').next().unwrap_or_default();
    let digest = from.rsplit_once('@').map_or("", |(_, digest)| digest);
    if let Some(taken) = kept(target, shelf, digest)? {
        return Ok(taken);
    }
    let listed = catalogues.iter().filter(|known| known.name == shelf).find_map(|known| {
        Some((known, known.index.modules.iter().find(|one| one.digest == digest)?))
    });
    let Some((known, listed)) = listed else {
        let message = format!(
            "{} pins {locked} to {from}, which is not on this machine, and no catalogue {shelf} \
             lists it",
            lock::NAME
        );
        return Err(unfit(
            "catalogue/gone",
            message,
            "take what there is:  remove its line `from`",
        ));
    };
    // A lock says what; how old the list may be is a matter of new choices alone.
    fetch(target, known, listed, Timestamp::MIN).await
}

fn cache(target: &Target, digest: &str) -> PathBuf {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let hex: String = hex.chars().filter(char::is_ascii_alphanumeric).collect();
    folder(target).join("modules").join(hex)
}

/// A module that was fetched before.
pub(super) fn kept(target: &Target, shelf: &str, digest: &str) -> Result<Option<Taken>> {
    let path = cache(target, digest).with_extension("json");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Read { path, source }),
    };
    // What a crash cut short is fetched again.
    let taken = serde_json::from_slice::<Taken>(&text).ok();
    let taken = taken.filter(|one| one.from.ends_with(digest) && one.folder.is_dir());
    Ok(taken.map(|taken| Taken { catalogue: shelf.to_owned(), ..taken }))
}

/// Fetches what an index lists, unless it is here.
async fn fetch(target: &Target, known: &Known, listed: &Listed, now: Timestamp) -> Result<Taken> {
    if let Some(taken) = kept(target, &known.name, &listed.digest)? {
        return Ok(taken);
    }
    if now >= known.index.expires {
        let message = format!(
            "{}/{} is not fetched: the index of {} expired at {}",
            known.name, listed.name, known.name, known.index.expires
        );
        let hint = format!("a newer one:  shelf catalogue update {}", known.name);
        return Err(unfit("catalogue/expired", message, &hint));
    }
    let from = format!("{}/{}@{}", known.prefix, listed.at, listed.digest);
    let name = Reference::parse(&from)
        .map_err(|error| unfit("catalogue/place", error.to_string(), "shelf catalogue ls"))?;
    let failed = |error: registry::Error| refused(format!("fetch {name}"), &error);
    let login = target.registry.login(&name).map_err(failed)?;
    let repository = target.registry.repository(&name, login.as_ref());
    let whole = repository.manifest(&listed.digest).await.map_err(failed)?;
    let Opened { text, files, image } = open(&repository, &whole.bytes, &name).await?;
    let module = Module::parse("module.toml", &text).map_err(Error::Wrong)?;
    let same = module.name == listed.name && module.version == listed.version;
    if whole.descriptor.digest != listed.digest || !same {
        let message = format!(
            "{name} is not used: it is {} {}, and {} lists {} {}",
            module.name, module.version, known.name, listed.name, listed.version
        );
        return Err(unfit("catalogue/module", message, "ask who makes the catalogue"));
    }
    let mut shelf = stock::catalogue()?;
    let mut interfaces = BTreeMap::new();
    for path in shelf.brought_by(&module) {
        let Some((_, bytes)) = files.get(&path) else { continue };
        let text = String::from_utf8_lossy(bytes).into_owned();
        shelf.bring_interface(&path, &text).map_err(Error::Wrong)?;
        interfaces.insert(path, text);
    }
    let to = cache(target, &listed.digest);
    let fails = |source| Error::Write { path: to.clone(), source };
    fs::create_dir_all(to.parent().unwrap_or(&to)).map_err(fails)?;
    if to.exists() {
        fs::remove_dir_all(&to).map_err(fails)?;
    }
    keep(&to, &files)?;
    let hash = crate::folder::hash(&to).map_err(fails)?;
    let taken = Taken {
        catalogue: known.name.clone(),
        module: module.name,
        version: module.version,
        from,
        image,
        hash,
        folder: to.clone(),
        text,
        interfaces,
    };
    let kept = serde_json::to_vec(&taken).map_err(|error| fails(error.into()))?;
    // Last, so that it never stands for half a folder.
    write_private(&to.with_extension("json"), &kept).map_err(fails)?;
    Ok(taken)
}

fn beside_path(dir: &Path) -> PathBuf {
    dir.join(".shelf/modules.json")
}

/// What was found for an app before.
pub(crate) fn beside(dir: &Path) -> Result<BTreeMap<String, Taken>> {
    let path = beside_path(dir);
    let text = match fs::metadata(&path) {
        Ok(data) if data.len() <= MOST_BESIDE => fs::read(&path),
        Ok(_) => return Ok(BTreeMap::new()),
        Err(error) => Err(error),
    };
    match text {
        // It only repeats what a server knows: a torn one is written anew.
        Ok(text) => Ok(serde_json::from_slice(&text).unwrap_or_default()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// Writes it beside the app, as a file of who owns the app file.
fn remember(dir: &Path, modules: &BTreeMap<String, Taken>) -> Result<()> {
    if *modules == beside(dir)? {
        return Ok(());
    }
    let path = beside_path(dir);
    let written = (|| {
        let owner = fs::metadata(dir.join("app.toml"))?;
        let folder = dir.join(".shelf");
        if !folder.is_dir() {
            fs::create_dir(&folder)?;
            std::os::unix::fs::chown(&folder, Some(owner.uid()), Some(owner.gid()))?;
        }
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        std::io::Write::write_all(&mut file, &serde_json::to_vec_pretty(modules)?)?;
        std::os::unix::fs::fchown(file.as_file(), Some(owner.uid()), Some(owner.gid()))?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(())
    })();
    written.map_err(|source| Error::Write { path, source })
}

/// The images that modules of catalogues carry, for the blocks in `missing`: fetched by digest and
/// kept like any that is built here. A block whose module has none for this machine is built.
///
/// # Errors
/// An image cannot be fetched.
pub(crate) async fn images(
    target: &Target,
    loaded: &Loaded,
    missing: &BTreeSet<String>,
    clock: &Clock,
    events: Events<'_>,
) -> Result<Images> {
    let mut found = Images::new();
    for part in loaded.graph.blocks.iter().filter(|part| missing.contains(&part.name)) {
        let composer::graph::From::Module { name, version, .. } = &part.from else { continue };
        let Some(image) = find(&loaded.around, name, version).and_then(|one| one.image.as_ref())
        else {
            continue;
        };
        let store = |source| Error::Image { what: format!("find {image}"), source };
        let here = match target.images.find(image).map_err(store)? {
            Some(here) => here,
            None => {
                events(clock.block(&part.name, BlockState::Pulling, image.as_str()));
                match borrowed::pull(target, &part.name, image, events).await? {
                    Ok(pulled) => pulled,
                    Err(registry::Error::Platform { .. }) => {
                        let text = format!("{name} has no image for this machine: it is built");
                        events(Event::Note { text });
                        continue;
                    }
                    Err(error) => {
                        return Err(refused(format!("fetch the image of {name}"), &error));
                    }
                }
            }
        };
        let own = format!("shelf.local/{}/{}", loaded.graph.app, part.name);
        crate::images::tag(target, &here, &own)?;
        let detail = format!("from {name} {version}, by digest");
        events(clock.block(&part.name, BlockState::Built, detail));
        found.insert(
            part.name.clone(),
            crate::images::reference(&loaded.graph.app, &part.name, &here.digest),
        );
    }
    Ok(found)
}
