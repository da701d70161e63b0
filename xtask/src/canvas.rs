//! `cargo x canvas`: the canvas's own tests, then its journeys in a real browser against the real
//! binary and real containers. See `ui/e2e/run.mjs`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::host::{Need, cargo, host_tuple, install, require_root, root, run as start};
use crate::ui;

const NEEDS: &[Need] = &[
    Need {
        program: "chromium",
        package: "chromium fonts-dejavu-core",
        why: "a real browser, and letters",
    },
    Need { program: "mmdebstrap", package: "mmdebstrap", why: "makes the Debian base image" },
    Need { program: "docker-registry", package: "docker-registry", why: "a real registry" },
];

/// Runs them all, or the journeys whose name contains one of `words`.
///
/// # Errors
/// Something could not be fetched, or a test failed.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    require_root("canvas")?;
    install(NEEDS)?;
    let ui = ui::fetch()?;
    // Renewed pictures are looked at, then committed: docs/decisions/canvas-pictures.md.
    let renew = words.contains(&"--pictures");
    let words = if renew { &["pictures of"] } else { words };
    if words.is_empty() {
        start(Command::new("npm").args(["test"]).current_dir(&ui))?;
        start(Command::new("npm").args(["run", "size"]).current_dir(&ui))?;
    }
    cargo(&["build", "--package", "cli"])?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root().join("target"), PathBuf::from);
    start(
        Command::new("node")
            .arg("e2e/run.mjs")
            .args(words)
            .current_dir(&ui)
            .env("SHELF_PICTURES", if renew { "renew" } else { "compare" })
            .env("SHELF_BIN", target.join(host_tuple()?).join("debug/shelf")),
    )
}
