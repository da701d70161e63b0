//! This machine: its packages, its processes, its folders.
//!
//! Everything the two commands of the README need and a fresh Debian or Ubuntu machine lacks is
//! installed here and nowhere else.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A program that must be there, and the Debian package that brings it.
pub(crate) struct Need {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
    pub(crate) why: &'static str,
}

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// Runs cargo with `arguments` in the checkout; its output goes to the terminal.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    run(Command::new(cargo).args(arguments).current_dir(root()))
}

/// Runs a command, its output on the terminal; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

/// Whether `program` is found in PATH or where system programs live.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"])
        .any(|folder| Path::new(folder).join(program).is_file())
}

/// Installs the packages of those needs whose program is missing.
///
/// Fails with the command to run by hand where there is no apt-get or no right to use it.
pub(crate) fn install(needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !has(need.program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> =
        missing.iter().flat_map(|need| need.package.split_whitespace()).collect();
    for need in &missing {
        eprintln!("installing {} ({})", need.package, need.why);
    }
    let by_hand = format!("apt-get update && apt-get install {}", packages.join(" "));
    if !has("apt-get") {
        bail!("this machine has no apt-get; install what {by_hand:?} would, then try again");
    }
    let quiet = |command: &mut Command| -> Result<()> {
        let output = command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot start {command:?}"))?;
        if !output.status.success() {
            bail!(
                "{command:?} failed: {}\n{}help: as root, run: {by_hand}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    };
    quiet(Command::new("apt-get").args(["update", "-qq"]))?;
    quiet(
        Command::new("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(&packages),
    )
}

/// An error unless this process may create namespaces, mounts and links.
pub(crate) fn require_root(what: &str) -> Result<()> {
    let status =
        std::fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    let uid = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().nth(1))
        .unwrap_or("?");
    if uid != "0" {
        bail!(
            "{what} makes namespaces, mounts and links, which needs root (this is uid {uid})\n\
             help: sudo -E env PATH=\"$PATH\" cargo x {what}"
        );
    }
    Ok(())
}

/// The host's target tuple, as rustc names it (cargo builds for it explicitly).
pub(crate) fn host_tuple() -> Result<String> {
    let output = Command::new("rustc").args(["--print", "host-tuple"]).output();
    let output = output.context("asking rustc for the host's tuple")?;
    Ok(String::from_utf8(output.stdout).context("rustc's answer")?.trim().to_owned())
}
