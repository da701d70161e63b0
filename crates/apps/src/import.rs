//! A compose file becomes an app: the files it names are read, the pure `transfer` room does the
//! rest, and what it proposes is written only where nothing stands. Where next: `export.rs`.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use fs_err as fs;
use transfer::{Compose, Imported, Manifests, compose, compose_files, manifests};

use crate::{Error, NamespaceObjects, Result, history, stock};

/// Bytes of one file that a compose file names; larger ones are data, not configuration.
const MOST_BYTES: u64 = 1024 * 1024;

/// What is imported.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// The compose file.
    pub file: PathBuf,
    /// The app's name, if not the file's own or its folder's.
    pub name: Option<String>,
    /// Profiles whose services are wanted too.
    pub profiles: Vec<String>,
}

/// Reads a compose file and the files beside it that it names. Writes nothing.
///
/// # Errors
/// The file cannot be read, or is no compose file.
pub fn import(options: &ImportOptions) -> Result<Imported> {
    let path = &options.file;
    let read = |source| Error::Read { path: path.clone(), source };
    let text = fs::read_to_string(path).map_err(read)?;
    let folder = match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => folder.to_owned(),
        None => PathBuf::from("."),
    };
    let shown = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let shown = shown.unwrap_or_else(|| "compose.yaml".to_owned());
    let full = fs::canonicalize(&folder).map_err(read)?;
    let mut files = BTreeMap::new();
    for name in compose_files(&shown, &text) {
        if let Some(text) = beside(&full, &name) {
            files.insert(name, text);
        }
    }
    let last = full.file_name().map(|name| name.to_string_lossy().into_owned());
    from_text(&shown, &text, &files, options, &last.unwrap_or_default())
}

/// Most files of manifests in one import.
const MOST_FILES: usize = 500;

/// Reads manifests: files, and the YAML files of folders. Writes nothing.
///
/// # Errors
/// A file cannot be read, or nothing in them runs.
pub fn import_manifests(paths: &[PathBuf], name: Option<&str>) -> Result<Imported> {
    let mut list = Vec::new();
    for path in paths {
        if !path.is_dir() {
            list.push(path.clone());
            continue;
        }
        let entries =
            fs::read_dir(path).map_err(|source| Error::Read { path: path.clone(), source })?;
        let inner = entries.flatten().map(|entry| entry.path());
        let yaml = |path: &PathBuf| {
            let ending = path.extension().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
            ["yaml", "yml", "json"].contains(&ending)
        };
        let mut inner: Vec<PathBuf> = inner.filter(yaml).collect();
        inner.sort();
        list.extend(inner);
    }
    list.truncate(MOST_FILES);
    let mut files = Vec::new();
    for path in &list {
        let text = fs::read_to_string(path)
            .map_err(|source| Error::Read { path: path.clone(), source })?;
        files.push((path.display().to_string(), text));
    }
    let full = fs::canonicalize(".").ok();
    let folder = full.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy());
    let folder = folder.unwrap_or_default();
    let asked = Manifests { files: &files, app: name, folder: &folder };
    manifests(&asked, &stock::catalogue()?)
        .map_err(|error| Error::Unfit { code: "import/file", message: error.to_string() })
}

/// Turns what is in a namespace into an app, whose name is `name` or the namespace's.
///
/// # Errors
/// Nothing in it runs.
pub fn import_namespace(found: &NamespaceObjects, name: Option<&str>) -> Result<Imported> {
    let asked = Manifests { files: &found.objects, app: name, folder: &found.namespace };
    let mut imported = manifests(&asked, &stock::catalogue()?)
        .map_err(|error| Error::Unfit { code: "import/file", message: error.to_string() })?;
    imported.notes.extend(found.left.iter().cloned());
    Ok(imported)
}

/// The same of texts that a browser sends; nothing is read from this machine.
///
/// # Errors
/// It is no compose file.
pub fn import_text(
    path: &str,
    text: &str,
    files: &BTreeMap<String, String>,
    options: &ImportOptions,
) -> Result<Imported> {
    from_text(path, text, files, options, "app")
}

fn from_text(
    path: &str,
    text: &str,
    files: &BTreeMap<String, String>,
    options: &ImportOptions,
    folder: &str,
) -> Result<Imported> {
    let app = options.name.as_deref();
    let asked = Compose { path, text, files, app, folder, profiles: &options.profiles };
    let catalogue = stock::catalogue()?;
    compose(&asked, &catalogue)
        .map_err(|error| Error::Unfit { code: "import/file", message: error.to_string() })
}

/// A file that a foreign file names: only a plain one inside its folder, whatever links say.
fn beside(folder: &Path, name: &str) -> Option<String> {
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(name).components().all(inside) {
        return None;
    }
    let path = fs::canonicalize(folder.join(name)).ok()?;
    if !path.starts_with(folder) || !path.is_file() {
        return None;
    }
    let mut text = String::new();
    let file = fs::File::open(&path).ok()?;
    file.take(MOST_BYTES + 1).read_to_string(&mut text).ok()?;
    (text.len() as u64 <= MOST_BYTES).then_some(text)
}

/// Writes the app file that an import proposes. One that is there stays, unless `force`.
///
/// # Errors
/// There is an app file already, or it cannot be written.
pub fn write_import(dir: &Path, imported: &Imported, force: bool) -> Result<PathBuf> {
    let path = dir.join("app.toml");
    if path.exists() && !force {
        let message =
            format!("there is an app in {} already; --force replaces its file", dir.display());
        return Err(Error::Unfit { code: "app/exists", message });
    }
    fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.to_owned(), source })?;
    history::replace(&path, imported.text.as_bytes())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_files_inside_the_folder_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(dir.path()).unwrap();
        let inner = folder.join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(folder.join("secret"), "x").unwrap();
        fs::write(inner.join("mine"), "y").unwrap();
        std::os::unix::fs::symlink(folder.join("secret"), inner.join("link")).unwrap();
        assert_eq!(beside(&inner, "./mine").as_deref(), Some("y"));
        for name in ["../secret", "link", "/etc/hostname", ".", "absent"] {
            assert_eq!(beside(&inner, name), None, "{name}");
        }
    }

    #[test]
    fn an_app_file_that_is_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("compose.yaml");
        fs::write(&file, "services:\n  web:\n    build: .\n    ports: [\"80:80\"]\n").unwrap();
        let options = ImportOptions { file, ..ImportOptions::default() };
        let imported = import(&options).unwrap();
        write_import(dir.path(), &imported, false).unwrap();
        fs::write(dir.path().join("app.toml"), "app = \"mine\"\n").unwrap();
        let refused = write_import(dir.path(), &imported, false).unwrap_err();
        assert_eq!(refused.report().code, "app/exists");
        write_import(dir.path(), &imported, true).unwrap();
        assert!(fs::read_to_string(dir.path().join("app.toml")).unwrap().contains("port = 80"));
    }
}
