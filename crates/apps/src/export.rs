//! An app as files for somewhere else: plain objects, a chart, a compose file. No server is asked,
//! and no secret's value is in them. Where next: the `transfer` room, which makes the texts.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use composer::Facts;
use composer::graph::From;
use flate2::Compression;
use flate2::write::GzEncoder;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, catalogues, load, stock};

/// What an app becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportKind {
    /// Objects for `kubectl` and kustomize.
    Yaml,
    /// A chart.
    Helm,
    /// A file for Docker Compose.
    Compose,
}

impl ExportKind {
    /// As the command line says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Helm => "helm",
            Self::Compose => "compose",
        }
    }
}

/// How an app is exported.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// What it becomes.
    pub kind: ExportKind,
    /// The target whose file is laid over the app: `prod` for `app.prod.toml`.
    pub target: Option<String>,
    /// The folder to write into; it must be empty or absent unless `force`.
    pub to: PathBuf,
    /// Where images are fetched from: `REGISTRY/block:tag`.
    pub registry: Option<String>,
    /// Their tag.
    pub tag: String,
    /// The app's address there.
    pub url: Option<String>,
    /// The port a compose file publishes.
    pub port: u16,
    /// Whether files that are there are replaced.
    pub force: bool,
    /// Whether nothing is written.
    pub dry_run: bool,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportReport {
    /// The app.
    pub app: String,
    /// The folder.
    pub to: PathBuf,
    /// Files inside it.
    pub files: Vec<String>,
    /// Images that must be where the objects name them, with what each is built from.
    pub images: Vec<(String, String)>,
    /// What whoever runs it must know.
    pub notes: Vec<String>,
}

/// Writes the app in `dir` as files for somewhere else.
///
/// # Errors
/// The app is wrong, files are in the way, or they cannot be written.
pub fn export(dir: &Path, options: &ExportOptions) -> Result<ExportReport> {
    export_into(dir, options, &options.to)
}

/// The same as one `.tar.gz`, to be unpacked in the app's folder: `options.to` is the name of the
/// folder in it, inside the app's.
///
/// # Errors
/// The app is wrong, or a file cannot be written on the way.
pub fn export_archive(dir: &Path, options: &ExportOptions) -> Result<Vec<u8>> {
    let failed = |source| Error::Write { path: options.to.clone(), source };
    let scratch = tempfile::tempdir().map_err(failed)?;
    let name = options.to.clone();
    let options = ExportOptions { to: dir.join(&name), dry_run: false, ..options.clone() };
    export_into(dir, &options, scratch.path())?;
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    // Whose files they were here, and when they were written, is nobody's business there.
    tar.mode(tar::HeaderMode::Deterministic);
    tar.append_dir_all(&name, scratch.path()).map_err(failed)?;
    tar.into_inner().and_then(GzEncoder::finish).map_err(failed)
}

/// Files that name folders from `options.to`, written at another place.
fn export_into(dir: &Path, options: &ExportOptions, place: &Path) -> Result<ExportReport> {
    let loaded = load::load_for(options.target.as_deref(), dir)?;
    let app = loaded.graph.app.clone();
    let prefix = options.registry.clone().unwrap_or_else(|| match options.kind {
        ExportKind::Compose => app.clone(),
        _ => format!("shelf.local/{app}"),
    });
    let mut images = BTreeMap::new();
    let mut builds = BTreeMap::new();
    let mut modules = Vec::new();
    let mut stocked = BTreeMap::new();
    for build in loaded.graph.builds() {
        let image = format!("{}/{}:{}", prefix.trim_end_matches('/'), build.block, options.tag);
        if let From::Image { name, .. } = &build.from {
            images.insert(build.block, name.clone());
            continue;
        }
        let mut how = composer::Dockerfile::default();
        let context = match &build.from {
            From::Source { path, build } => {
                how = build.clone();
                Some(way(&options.to, &dir.join(path))?)
            }
            From::Local { path, build, .. } => {
                Some(way(&options.to, &dir.join(path).join(build.as_deref().unwrap_or(".")))?)
            }
            // One of a catalogue carries its image, which is fetched from there by its digest.
            From::Module { name, version, .. } if name.contains('/') => {
                let taken = catalogues::taken_as(&loaded.around, name, version);
                let Some(carried) = taken.and_then(|one| one.image.clone()) else {
                    let message = format!("{} is {name}, which carries no image", build.block);
                    return Err(Error::Unfit { code: "export/catalogue", message });
                };
                images.insert(build.block, carried);
                continue;
            }
            From::Module { name, version, .. } => {
                let major = version.split('.').next().unwrap_or_default();
                stocked.insert(image.clone(), format!("{name}@{major}"));
                let folder = stock::folder(name, version);
                modules.push((folder.clone(), format!("modules/{folder}")));
                Some(format!("./modules/{folder}"))
            }
            _ => None,
        };
        if let Some(context) = context {
            builds.insert(image.clone(), transfer::Folder { path: context, build: how });
        }
        images.insert(build.block, image);
    }
    let blind = |one: &&composer::graph::Process| one.port.is_none() && !one.paths.is_empty();
    if let Some(one) = loaded.graph.blocks.iter().flat_map(|part| &part.processes).find(blind) {
        let message = format!(
            "nobody has looked yet what the image of {} listens on: say its port, or  shelf go",
            one.name
        );
        return Err(Error::Unfit { code: "export/image", message });
    }
    let compiled = composer::compile(&loaded.graph, &images, &facts(&app, options));
    let made = match options.kind {
        ExportKind::Yaml => transfer::plain(&compiled),
        ExportKind::Helm => transfer::helm(&compiled, "0.1.0"),
        ExportKind::Compose => transfer::composed(&compiled, &builds, &stocked, options.port),
    };
    let made =
        made.map_err(|error| Error::Unfit { code: "export/file", message: error.to_string() })?;
    let mut files: Vec<String> = made.files.iter().map(|(path, _, _)| path.clone()).collect();
    let compose = options.kind == ExportKind::Compose;
    if compose {
        modules.sort();
        modules.dedup();
        files.extend(modules.iter().map(|(_, folder)| format!("{folder}/")));
    }
    if !options.dry_run {
        room(place, options.force)?;
        for (path, text, program) in &made.files {
            put(&place.join(path), text, *program)?;
        }
        for (module, folder) in modules.iter().filter(|_| compose) {
            let to = place.join(folder);
            let failed = |source| Error::Write { path: to.clone(), source };
            stock::write_context(module, &to).map_err(failed)?;
        }
    }
    let images = match options.kind {
        ExportKind::Compose => Vec::new(),
        _ => builds.into_iter().map(|(image, folder)| (image, build_line(&folder))).collect(),
    };
    Ok(ExportReport { app, to: options.to.clone(), files, images, notes: made.notes })
}

/// What is true of a place that nobody asked.
fn facts(app: &str, options: &ExportOptions) -> Facts {
    let url = options.url.clone().unwrap_or_else(|| match options.kind {
        ExportKind::Compose => format!("http://localhost:{}", options.port),
        _ => format!("http://{app}.localhost"),
    });
    let host = url.split("://").nth(1).unwrap_or(&url);
    let host = host.split([':', '/']).next().unwrap_or(host).to_owned();
    let scales = options.kind != ExportKind::Compose;
    Facts {
        host,
        url,
        shared_storage: true,
        scales_by_load: scales,
        serves_tls: scales,
        enforces_network_policy: scales,
        ..Facts::default()
    }
}

/// What an image is built from, with the options of a build that is not plain.
fn build_line(folder: &transfer::Folder) -> String {
    let (mut line, how) = (folder.path.clone(), &folder.build);
    if let Some(file) = &how.path {
        line.push_str(&format!(" --file {}", Path::new(&folder.path).join(file).display()));
    }
    if let Some(target) = &how.target {
        line.push_str(&format!(" --target {target}"));
    }
    for (name, value) in &how.args {
        line.push_str(&format!(" --build-arg '{name}={}'", value.replace('\'', "'\\''")));
    }
    line
}

/// How a folder is named inside a file of another folder: relative where one is inside the other.
fn way(from: &Path, to: &Path) -> Result<String> {
    let absolute = |path: &Path| {
        std::path::absolute(path).map_err(|source| Error::Read { path: path.to_owned(), source })
    };
    let (from, to) = (absolute(from)?, absolute(to)?);
    let plain = |path: &Path| {
        let parts = path.components().filter(|part| !matches!(part, Component::CurDir));
        parts.map(|part| part.as_os_str().to_owned()).collect::<Vec<_>>()
    };
    let (from, to) = (plain(&from), plain(&to));
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    // Two ups at most: what is farther away moves on its own.
    if same < 2 || from.len() - same > 2 {
        return Ok(to.iter().collect::<PathBuf>().display().to_string());
    }
    let mut way = vec!["..".to_owned(); from.len() - same];
    way.extend(to[same..].iter().map(|part| part.to_string_lossy().into_owned()));
    let way = way.join("/");
    Ok(if way.starts_with("..") { way } else { format!("./{way}") })
}

/// Makes the folder. Files that are there stay, unless `force`.
fn room(to: &Path, force: bool) -> Result<()> {
    let taken = to.read_dir().is_ok_and(|mut entries| entries.next().is_some());
    if taken && !force {
        let message =
            format!("{} is not empty; --force replaces what has the same name", to.display());
        return Err(Error::Unfit { code: "export/taken", message });
    }
    fs::create_dir_all(to).map_err(|source| Error::Write { path: to.to_owned(), source })
}

fn put(path: &Path, text: &str, program: bool) -> Result<()> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)?;
    let mode = if program { 0o755 } else { 0o644 };
    fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_from_where_the_file_is() {
        let of = |from: &str, to: &str| way(Path::new(from), Path::new(to)).unwrap();
        assert_eq!(of("/a/shop/out", "/a/shop/web"), "../web");
        assert_eq!(of("/a/shop", "/a/shop/./web"), "./web");
        assert_eq!(of("/x/out", "/a/shop/web"), "/a/shop/web");
    }
}
