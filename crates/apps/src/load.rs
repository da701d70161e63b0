//! An app's folder, read and checked. Where next: `go.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use composer::graph::{From, Wire};
use composer::{App, Catalogue, Graph, Module};
use fs_err as fs;

use crate::around::Around;
use crate::release::Release;
use crate::report::CheckReport;
use crate::{Error, Result, Target, catalogues, folder, lock, outlook, role, stock};

/// A checked app and where its sources are.
pub(crate) struct Loaded {
    pub(crate) dir: PathBuf,
    pub(crate) graph: Graph,
    /// The app file as it was read.
    pub(crate) text: String,
    /// The files it names, as they were read: modules in its folder, and extensions.
    pub(crate) beside: BTreeMap<String, String>,
    /// What decides about it beside its file.
    pub(crate) around: Around,
}

/// Reads and checks the app in `dir`.
pub(crate) fn load(dir: &Path) -> Result<Loaded> {
    load_for(None, dir)
}

/// The same with the file laid over it for the target of that name, which is not asked.
pub(crate) fn load_for(target: Option<&str>, dir: &Path) -> Result<Loaded> {
    some(dir, read(dir)?, None, Around::beside(target, dir)?)
}

/// The same as it is on a target; `text` stands for the app file, and with `only`, the folders of other blocks need not
/// be there.
pub(crate) async fn load_some(
    target: &Target,
    dir: &Path,
    text: Option<String>,
    only: Option<&[String]>,
) -> Result<Loaded> {
    load_anew(target, dir, text, only, false).await
}

/// The same; with `pull`, images are what their tags stand for now.
pub(crate) async fn load_anew(
    target: &Target,
    dir: &Path,
    text: Option<String>,
    only: Option<&[String]>,
    pull: bool,
) -> Result<Loaded> {
    let text = match text {
        Some(text) => text,
        None => read(dir)?,
    };
    let around = Around::read(target, dir, &text, pull).await?;
    role::must_have_namespace(target, around.parse(&text)?.name()).await?;
    some(dir, text, only, around)
}

fn some(dir: &Path, text: String, only: Option<&[String]>, around: Around) -> Result<Loaded> {
    let loaded = check_with(dir, text, around, |path| read_beside(dir, path))?;
    let counts = |name: &String| only.is_none_or(|only| only.contains(name));
    for part in loaded.graph.blocks.iter().filter(|part| counts(&part.name)) {
        let From::Source { path, build } = &part.from else { continue };
        let source = dir.join(path);
        let missing = |what: String| Error::Source { block: part.name.clone(), reason: what };
        if !source.is_dir() {
            return Err(missing(format!("there is no folder {}", source.display())));
        }
        if !source.join(build.file()).is_file() {
            return Err(missing(format!("there is no {} in {}", build.file(), source.display())));
        }
    }
    Ok(loaded)
}

/// Checks the text of an app file; what it is built from is not looked at.
#[cfg(test)]
pub(crate) fn from_text(dir: &Path, text: String) -> Result<Loaded> {
    check_with(dir, text, Around::default(), |path| read_beside(dir, path))
}

/// The same as it is on a target.
pub(crate) async fn text_at(target: &Target, dir: &Path, text: String) -> Result<Loaded> {
    let around = Around::read(target, dir, &text, false).await?;
    check_with(dir, text, around, |path| read_beside(dir, path))
}

/// Checks an app as it was released: what stood beside its file then counts, not what is there now.
pub(crate) fn of_release(release: &Release) -> Result<Loaded> {
    let beside = |path: &str| Ok(release.beside.get(path).cloned());
    check_with(Path::new(""), release.text.clone(), release.around.clone(), beside)
}

/// Checks an app whose files are in memory, by their paths in its folder, with the modules of
/// catalogues that came along.
pub(crate) fn of_files(
    files: &BTreeMap<String, String>,
    modules: crate::bundle::Modules,
) -> Result<Loaded> {
    let text = files.get("app.toml").cloned().ok_or_else(|| Error::Unfit {
        code: "pack/wrong",
        message: "there is no app.toml in it".into(),
    })?;
    let beside = |path: &str| Ok(files.get(path.trim_start_matches("./")).cloned());
    let around = Around { modules, ..Around::default() };
    check_with(Path::new(""), text, around, beside)
}

fn check_with(
    dir: &Path,
    text: String,
    around: Around,
    mut read: impl FnMut(&str) -> Result<Option<String>>,
) -> Result<Loaded> {
    let mut app = around.parse(&text)?;
    if around.images.is_empty() && !app.images().is_empty() {
        let lock = read(lock::NAME)?;
        give_images(&mut app, lock.as_deref())?;
    }
    let (mut catalogue, beside) = shelf_of(&mut app, read)?;
    around.give(&mut catalogue)?;
    let graph = composer::check(&app, &catalogue).map_err(Error::Wrong)?;
    Ok(Loaded { dir: dir.to_owned(), graph, text, beside, around })
}

/// What `app.lock` knows of the images that an app names.
fn give_images(app: &mut App, lock: Option<&str>) -> Result<()> {
    let Some(lock) = lock else { return Ok(()) };
    let lock = composer::lock::Lock::parse(lock::NAME, lock).map_err(Error::Wrong)?;
    for name in app.images().into_iter().map(str::to_owned).collect::<Vec<_>>() {
        if let Some((_, opened)) = lock.image(&name) {
            app.give_image(&name, opened);
        }
    }
    Ok(())
}

/// The shelf with the modules of the app's own folder; the app gets the files it names.
pub(crate) fn beside(dir: &Path, app: &mut App) -> Result<Catalogue> {
    if !app.images().is_empty() {
        give_images(app, read_beside(dir, lock::NAME)?.as_deref())?;
    }
    let mut shelf = shelf_of(app, |path| read_beside(dir, path))?.0;
    catalogues::give(&catalogues::beside(dir)?, &mut shelf)?;
    Ok(shelf)
}

/// The shelf for a text that need be no app file yet: what it names beside it is there if it can be
/// read.
pub(crate) fn shelf_for(dir: &Path, text: &str) -> Result<Catalogue> {
    match App::parse("app.toml", text) {
        Ok(mut app) => beside(dir, &mut app),
        Err(_) => stock::catalogue(),
    }
}

/// A file beside the app file; the checker says what is not there, with its line.
fn read_beside(dir: &Path, path: &str) -> Result<Option<String>> {
    let path = dir.join(path);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => Ok(None),
        Err(source) => Err(Error::Read { path, source }),
    }
}

fn shelf_of(
    app: &mut App,
    mut read: impl FnMut(&str) -> Result<Option<String>>,
) -> Result<(Catalogue, BTreeMap<String, String>)> {
    let (mut catalogue, mut beside) = (stock::catalogue()?, BTreeMap::new());
    let local: Vec<String> = app.local_modules().into_iter().map(str::to_owned).collect();
    for path in local {
        beside.extend(add_local(&mut catalogue, &path, &mut read)?);
    }
    let named: Vec<String> = app.named_files().into_iter().map(str::to_owned).collect();
    for path in named {
        if let Some(text) = read(&path)? {
            app.give_file(&path, &text);
            beside.insert(path, text);
        }
    }
    Ok((catalogue, beside))
}

/// Adds a module of an app's own folder, with the types of wires that it brings along; the files
/// that were read, by their paths in the app's folder.
pub(crate) fn add_local(
    catalogue: &mut Catalogue,
    path: &str,
    mut read: impl FnMut(&str) -> Result<Option<String>>,
) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let file = format!("{path}/module.toml");
    let Some(text) = read(&file)? else { return Ok(files) };
    let module = Module::parse(&file, &text).map_err(Error::Wrong)?;
    for name in catalogue.brought_by(&module) {
        let file = format!("{path}/{name}");
        if let Some(text) = read(&file)? {
            catalogue.bring_interface(&file, &text).map_err(Error::Wrong)?;
            files.insert(file, text);
        }
    }
    catalogue.add_local(path, &text).map_err(Error::Wrong)?;
    files.insert(file, text);
    Ok(files)
}

/// The app file in `dir`, as it is.
///
/// # Errors
/// It cannot be read.
pub fn text(dir: &Path) -> Result<String> {
    read(dir)
}

/// A short name for a text: the first 16 hexadecimal digits of its SHA-256.
pub fn revision(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn read(dir: &Path) -> Result<String> {
    let path = dir.join("app.toml");
    fs::read_to_string(&path).map_err(|source| Error::Read { path, source })
}

fn parse(dir: &Path) -> Result<App> {
    App::parse("app.toml", &read(dir)?).map_err(Error::Wrong)
}

/// Checks the app in `dir`: file, types, versions. Needs no target.
///
/// # Errors
/// The folder cannot be read, or the app is wrong; then every diagnostic is in the error.
pub fn check(dir: &Path) -> Result<CheckReport> {
    match load(dir) {
        Err(Error::Wrong(_)) if unseen(dir)? => {}
        loaded => return loaded.map(|loaded| report(loaded.graph)),
    }
    // What an image listens on is not known without its registry: here it may be anything.
    let mut app = parse(dir)?;
    for name in app.images().into_iter().map(str::to_owned).collect::<Vec<_>>() {
        app.give_image(&name, &composer::Opened { ports: vec![8080], volumes: Vec::new() });
    }
    let catalogue = beside(dir, &mut app)?;
    composer::check(&app, &catalogue).map(report).map_err(Error::Wrong)
}

/// Whether an app names an image that nobody has looked at from this folder.
fn unseen(dir: &Path) -> Result<bool> {
    let app = parse(dir)?;
    let lock = lock::read(dir)?;
    let known = |name: &&str| lock.as_ref().is_some_and(|lock| lock.image(name).is_some());
    Ok(!app.images().iter().all(known))
}

/// The same as it is on a target: with the file laid over it there, and with the other apps that
/// wires reach.
///
/// # Errors
/// As [`check`], or the target does not answer.
pub async fn check_at(target: &Target, dir: &Path) -> Result<CheckReport> {
    load_some(target, dir, None, None).await.map(|loaded| report(loaded.graph))
}

fn report(graph: Graph) -> CheckReport {
    CheckReport {
        blocks: graph.blocks.iter().map(|part| part.name.clone()).collect(),
        wires: graph.wires.iter().map(wire_line).collect(),
        broken: outlook::broken(&graph),
        assumptions: graph.assumptions,
        app: graph.app,
    }
}

/// The name of the app in `dir`.
///
/// # Errors
/// The app file cannot be read or parsed.
pub fn app_name(dir: &Path) -> Result<String> {
    parse(dir).map(|app| app.name().to_owned())
}

/// The names of the blocks of the app in `dir`, as written.
///
/// # Errors
/// The app file cannot be read or parsed.
pub fn block_names(dir: &Path) -> Result<Vec<String>> {
    parse(dir).map(|app| app.block_names().map(str::to_owned).collect())
}

/// What a block is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced {
    /// The block.
    pub block: String,
    /// Its folder, relative to the app's.
    pub folder: PathBuf,
    /// Its Dockerfile, relative to that folder.
    pub dockerfile: PathBuf,
}

/// The blocks that are built from a folder.
///
/// # Errors
/// The folder cannot be read, or the app is wrong.
pub fn sources(dir: &Path) -> Result<Vec<Sourced>> {
    let source = |part: &composer::graph::Part| {
        let (path, dockerfile) = match &part.from {
            From::Source { path, build } => (path, build.file()),
            From::Local { path, .. } => (path, "Dockerfile"),
            From::Module { .. } | From::External { .. } | From::Image { .. } => return None,
        };
        let (folder, dockerfile) = (path.into(), dockerfile.into());
        Some(Sourced { block: part.name.clone(), folder, dockerfile })
    };
    Ok(load(dir)?.graph.blocks.iter().filter_map(source).collect())
}

/// `web.db -> db  postgres/1 >=14 ok (15)`.
pub(crate) fn wire_line(wire: &Wire) -> String {
    let mut line = format!("{} -> {}  {}", wire.end(), wire.provider_name(), wire.offer.interface);
    for limit in &wire.limits {
        line.push(' ');
        line.push_str(limit);
    }
    line.push_str(" ok");
    if let Some(version) = wire.offer.fact("version") {
        line.push_str(&format!(" ({version})"));
    }
    line
}

/// What a wire makes when it goes: the login, its values, the start order.
pub(crate) fn wire_creates(wire: &Wire) -> String {
    let login = if wire.offer.grant.is_some() { "own login, " } else { "" };
    let order = if wire.before_start { ", starts after it" } else { "" };
    let values = wire.fields.len();
    format!("{}   {login}{values} values{order}", wire_line(wire))
}

/// A hash of what each block is built from; with `only`, of no other source folders.
pub(crate) fn source_hashes(
    loaded: &Loaded,
    only: Option<&[String]>,
) -> Result<BTreeMap<String, String>> {
    let mut hashes = BTreeMap::new();
    for part in &loaded.graph.blocks {
        let counts = only.is_none_or(|only| only.contains(&part.name));
        if !counts && matches!(part.from, From::Source { .. }) {
            continue;
        }
        let hash = match &part.from {
            From::Module { name, version, .. } => {
                match catalogues::taken_as(&loaded.around, name, version) {
                    Some(taken) => taken.hash.clone(),
                    None => stock::hash(&stock::folder(name, version)),
                }
            }
            From::External { .. } | From::Image { .. } => continue,
            From::Source { path, .. } | From::Local { path, .. } => {
                let path = loaded.dir.join(path);
                let hash = folder::hash(&path).map_err(|source| Error::Read { path, source })?;
                match &part.from {
                    From::Source { build, .. } if !build.is_plain() => built_by(&hash, build),
                    _ => hash,
                }
            }
        };
        hashes.insert(part.name.clone(), hash);
    }
    Ok(hashes)
}

/// The hash of a folder with how it is built: another stage is another source.
fn built_by(folder: &str, build: &composer::Dockerfile) -> String {
    let args: Vec<String> =
        build.args.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let parts = [folder, build.file(), build.target.as_deref().unwrap_or_default()];
    let parts = parts.into_iter().chain(args.iter().map(String::as_str));
    folder::hash_of(parts.map(|part| (part, false, &[][..])))
}
