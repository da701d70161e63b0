//! `cargo x ui`: the canvas, built from `ui/` into `ui/dist`, which is committed.
//!
//! A build of Rust needs no Node: the binary embeds what lies in `ui/dist`. So that this is what
//! the sources give, the build notes the hash of the sources beside it, and a test compares. See
//! docs/decisions/canvas-assets.md.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::host::{Need, install, root, run};

const NEEDS: &[Need] = &[
    Need { program: "node", package: "nodejs", why: "builds the canvas" },
    Need { program: "npm", package: "npm", why: "fetches what the canvas is built with" },
];

/// What the built canvas depends on, within `ui/`.
const SOURCES: &[&str] = &[
    "build",
    "index.html",
    "package-lock.json",
    "package.json",
    "public",
    "src",
    "tsconfig.json",
    "vite.config.ts",
];

/// The note of the hash.
const NOTE: &str = "sources.sha256";

/// Fetches what `package-lock.json` names and builds.
///
/// # Errors
/// Node is missing and cannot be installed, or the build fails.
pub(crate) fn build() -> Result<()> {
    let ui = fetch()?;
    run(Command::new("npm").args(["run", "build"]).current_dir(&ui))?;
    let note = ui.join("dist").join(NOTE);
    std::fs::write(&note, format!("{}\n", sources()?))
        .with_context(|| format!("writing {}", note.display()))
}

/// Fetches what `package-lock.json` names; the folder. Not `npm ci`: that refuses a lock made
/// where a registry does not hold the packages of other platforms.
///
/// # Errors
/// Node is missing and cannot be installed, or a package cannot be had.
pub(crate) fn fetch() -> Result<PathBuf> {
    install(NEEDS)?;
    let ui = root().join("ui");
    let install = ["install", "--no-save", "--include=dev", "--no-audit", "--no-fund"];
    run(Command::new("npm").args(install).current_dir(&ui))?;
    Ok(ui)
}

/// The hash of everything that the built canvas depends on.
pub(crate) fn sources() -> Result<String> {
    let ui = root().join("ui");
    let mut files = Vec::new();
    for name in SOURCES {
        collect(&ui.join(name), &mut files)?;
    }
    files.sort();
    let mut hasher = Sha256::new();
    for path in files.iter().filter(|path| !is_test(path)) {
        let name = path.strip_prefix(&ui).unwrap_or(path).display().to_string();
        let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        // Lengths keep one file's end from being read as another's beginning.
        hasher.update((name.len() as u64).to_le_bytes());
        hasher.update(name);
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The hash that the committed canvas was built from, if there is one.
#[cfg(test)]
pub(crate) fn noted() -> Option<String> {
    let note = root().join("ui/dist").join(NOTE);
    std::fs::read_to_string(note).ok().map(|text| text.trim().to_owned())
}

/// Tests are not part of what is built.
fn is_test(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.is_some_and(|name| name.contains(".test.") || name.contains(".spec."))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
    } else if path.is_dir() {
        let entries = std::fs::read_dir(path).with_context(|| format!("{}", path.display()))?;
        for entry in entries {
            collect(&entry?.path(), files)?;
        }
    }
    Ok(())
}
