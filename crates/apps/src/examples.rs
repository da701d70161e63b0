//! The examples, inside the binary: what a new app can start from.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fs_err as fs;
use include_dir::{Dir, include_dir};

use crate::{Error, Result};

static EXAMPLES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../examples");

/// The names of all examples.
pub fn examples() -> Vec<String> {
    let named = EXAMPLES.dirs().filter(|dir| dir.get_file(dir.path().join("app.toml")).is_some());
    named.map(|dir| dir.path().display().to_string()).collect()
}

/// The example of this name.
pub(crate) fn find(name: &str) -> Result<&'static Dir<'static>> {
    let named = |dir: &&Dir<'_>| dir.path().as_os_str() == name;
    EXAMPLES.dirs().find(named).ok_or_else(|| Error::Unfit {
        code: "example/unknown",
        message: format!("there is no example {name}; there are {}", examples().join(", ")),
    })
}

/// The app file of an example under another name.
pub(crate) fn app_file(example: &Dir<'_>, app: &str) -> String {
    let file = example.get_file(example.path().join("app.toml"));
    rename(file.and_then(|file| file.contents_utf8()).unwrap_or_default(), app)
}

/// Writes an example's folder to disk as the app of another name.
pub(crate) fn write(example: &Dir<'_>, app: &str, to: &Path) -> Result<()> {
    write_folder(example, example.path(), app, to)
        .map_err(|source| Error::Read { path: to.to_owned(), source })
}

fn write_folder(folder: &Dir<'_>, root: &Path, app: &str, to: &Path) -> std::io::Result<()> {
    for file in folder.files() {
        let inside = file.path().strip_prefix(root).map_err(std::io::Error::other)?;
        let path = to.join(inside);
        let renamed = inside.as_os_str() == "app.toml";
        let bytes = file.contents();
        let text = file.contents_utf8().filter(|_| renamed).map(|text| rename(text, app));
        fs::write(&path, text.as_deref().map_or(bytes, str::as_bytes))?;
        // A binary does not carry modes; what begins as a script is one.
        let mode = if bytes.starts_with(b"#!") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
    }
    for inner in folder.dirs() {
        // The history of somebody's own tries there, if the binary was built beside them.
        if inner.path().ends_with(".shelf") {
            continue;
        }
        let inside = inner.path().strip_prefix(root).map_err(std::io::Error::other)?;
        fs::create_dir_all(to.join(inside))?;
        write_folder(inner, root, app, to)?;
    }
    Ok(())
}

/// The text with another name in its line `app = "…"`.
fn rename(text: &str, app: &str) -> String {
    let line = |line: &str| match line.split_once('=') {
        Some((key, _)) if key.trim() == "app" => format!("app = \"{app}\"\n"),
        _ => line.to_owned(),
    };
    text.split_inclusive('\n').map(line).collect()
}
