//! The stock modules and interfaces, inside the binary.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::LazyLock;

use composer::{Catalogue, Diagnostic, Module};
use fs_err as fs;
use include_dir::{Dir, include_dir};

use crate::{Error, Result};

static MODULES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../modules");
static INTERFACES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../interfaces");

/// Everything on the shelf, read once.
pub(crate) fn catalogue() -> Result<Catalogue> {
    static READ: LazyLock<Result<Catalogue, Vec<Diagnostic>>> = LazyLock::new(read);
    READ.clone().map_err(Error::Wrong)
}

fn read() -> Result<Catalogue, Vec<Diagnostic>> {
    let mut catalogue = Catalogue::default();
    for file in INTERFACES.files() {
        let path = format!("interfaces/{}", file.path().display());
        let text = file.contents_utf8().unwrap_or_default();
        catalogue.add_interface(&path, text)?;
    }
    for folder in MODULES.dirs() {
        let Some(file) = folder.get_file(folder.path().join("module.toml")) else { continue };
        let path = format!("modules/{}", file.path().display());
        catalogue.add_module(&path, file.contents_utf8().unwrap_or_default())?;
    }
    Ok(catalogue)
}

/// The folder of a module in this version: that of its name, or, where several versions are on the
/// shelf, one that begins with its name.
pub(crate) fn folder(module: &str, version: &str) -> String {
    let this = |folder: &&Dir<'_>| {
        let file = folder.get_file(folder.path().join("module.toml"));
        let text = file.and_then(include_dir::File::contents_utf8).unwrap_or_default();
        folder.path().to_string_lossy().starts_with(module)
            && Module::parse("module.toml", text)
                .is_ok_and(|found| found.name == module && found.version == version)
    };
    let found = MODULES.dirs().find(this);
    found.map_or_else(|| module.to_owned(), |folder| folder.path().display().to_string())
}

/// Whether a file of a module can be run: scripts can, since a binary does not carry modes.
pub(crate) fn runs(path: &str) -> bool {
    path.ends_with(".sh")
}

/// Writes a module's folder to disk as a build context.
pub(crate) fn write_context(module: &str, to: &Path) -> std::io::Result<()> {
    let Some(folder) = MODULES.get_dir(module) else {
        return Err(std::io::Error::other(format!("module {module} is not in the binary")));
    };
    write_folder(folder, folder.path(), to)
}

fn write_folder(folder: &Dir<'_>, root: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for file in folder.files() {
        let inside = file.path().strip_prefix(root).map_err(std::io::Error::other)?;
        let path = to.join(inside);
        fs::write(&path, file.contents())?;
        let mode = if runs(&inside.to_string_lossy()) { 0o755 } else { 0o644 };
        fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
    }
    for inner in folder.dirs() {
        let inside = inner.path().strip_prefix(root).map_err(std::io::Error::other)?;
        fs::create_dir_all(to.join(inside))?;
        write_folder(inner, root, to)?;
    }
    Ok(())
}

/// All files of a module's folder, by their paths in it.
pub(crate) fn files(module: &str) -> Vec<(String, &'static [u8])> {
    let mut entries = Vec::new();
    if let Some(folder) = MODULES.get_dir(module) {
        collect(folder, &mut entries);
    }
    let inside = |(path, bytes): (String, &'static [u8])| {
        let inside = path.strip_prefix(module)?.strip_prefix('/')?.to_owned();
        Some((inside, bytes))
    };
    entries.into_iter().filter_map(inside).collect()
}

/// A file of a module's folder.
pub(crate) fn file(module: &str, name: &str) -> Option<&'static [u8]> {
    MODULES.get_file(Path::new(module).join(name)).map(include_dir::File::contents)
}

/// A hash of a module's folder.
pub(crate) fn hash(module: &str) -> String {
    let mut entries = Vec::new();
    if let Some(folder) = MODULES.get_dir(module) {
        collect(folder, &mut entries);
    }
    entries.sort();
    crate::folder::hash_of(entries.iter().map(|(path, bytes)| (path.as_str(), false, *bytes)))
}

fn collect<'a>(folder: &'a Dir<'a>, entries: &mut Vec<(String, &'a [u8])>) {
    for file in folder.files() {
        entries.push((file.path().display().to_string(), file.contents()));
    }
    for inner in folder.dirs() {
        collect(inner, entries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stock_module_and_interface_reads() {
        let catalogue = catalogue().map_err(|error| error.report().rendered).unwrap();
        assert!(catalogue.module("postgres").is_some());
        assert!(catalogue.module("rabbitmq").is_some());
        assert!(catalogue.interface("http/1").is_some());
    }

    #[test]
    fn a_context_has_the_dockerfile_and_executable_scripts() {
        let dir = tempfile::tempdir().unwrap();
        write_context("postgres", dir.path()).unwrap();
        assert!(dir.path().join("Dockerfile").is_file());
        let mode = fs::metadata(dir.path().join("grant.sh")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert_ne!(hash("postgres"), hash("rabbitmq"));
    }

    #[test]
    fn each_version_of_a_module_has_its_folder() {
        let catalogue = catalogue().map_err(|error| error.report().rendered).unwrap();
        for module in catalogue.modules() {
            let folder = folder(&module.name, &module.version);
            let text = file(&folder, "module.toml").map(String::from_utf8_lossy).unwrap();
            assert!(text.contains(&module.version), "{folder} is not {}", module.version);
            let image = file(&folder, "Dockerfile").is_some();
            assert_eq!(image, module.build.is_some(), "{folder}: a Dockerfile");
            assert!(file(&folder, "icon.svg").is_some(), "{folder} has no icon");
        }
        let used = catalogue.module_version("postgres", "15").unwrap();
        assert_eq!(folder("postgres", &used.version), "postgres");
    }
}
