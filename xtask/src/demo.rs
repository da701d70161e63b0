//! `cargo x demo`: from a fresh checkout to an app with a URL.
//!
//! It installs what is missing, builds `shelf`, starts `shelf serve` if none runs on the demo's
//! data directory, and says `shelf go` in examples/shop. `--stop` ends that server again; the
//! shop's data stays in the data directory.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::host::{Need, cargo, host_tuple, install, require_root, root, run as start};

const NEEDS: &[Need] = &[
    Need { program: "cc", package: "gcc libc6-dev", why: "crates that build C" },
    Need { program: "mmdebstrap", package: "mmdebstrap", why: "makes the Debian base image" },
];

/// Runs the demo, or with `--stop` ends its server.
///
/// # Errors
/// Says what could not be installed, built, started or brought to life.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    require_root("demo")?;
    let shelf = root().join("target").join(host_tuple()?).join("release/shelf");
    match arguments {
        [] => {}
        ["--stop"] => return start(Command::new(&shelf).args(["serve", "--stop", "--containers"])),
        other => bail!("`cargo x demo` takes --stop or nothing, not {other:?}"),
    }
    let began = Instant::now();
    install(NEEDS)?;
    eprintln!("building shelf (the first time takes some minutes)");
    cargo(&["build", "--release", "--package", "cli"])?;
    eprintln!("built in {:.0} s: {}", began.elapsed().as_secs_f64(), shelf.display());
    serve(&shelf)?;
    start(Command::new(&shelf).arg("go").current_dir(root().join("examples/shop")))?;
    eprintln!(
        "look at it:  {0} status   {0} logs -f   kubectl --kubeconfig /run/shelf/kubeconfig -n shop get pods",
        shelf.display()
    );
    eprintln!("end it:      {} destroy --yes   cargo x demo --stop", shelf.display());
    Ok(())
}

/// Starts `shelf serve` in the background unless one answers already, and waits for it.
fn serve(shelf: &PathBuf) -> Result<()> {
    let answers = || {
        Command::new(shelf)
            .args(["version", "--server"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if answers() {
        eprintln!("shelf serve is running already");
        return Ok(());
    }
    fs::create_dir_all("/var/log").context("making /var/log")?;
    let log_path = "/var/log/shelf.log";
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log_path)
        .with_context(|| format!("opening {log_path}"))?;
    let mut child = Command::new(shelf)
        .arg("serve")
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("sharing the log")?)
        .stderr(log)
        // A group of its own: Ctrl-C in this terminal is for the demo, not for the server.
        .process_group(0)
        .spawn()
        .with_context(|| format!("starting {} serve", shelf.display()))?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while !answers() {
        if let Some(status) = child.try_wait().context("waiting for shelf serve")? {
            let text = fs::read_to_string(log_path).unwrap_or_default();
            let tail: Vec<&str> = text.lines().rev().take(12).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            bail!(
                "shelf serve ended ({status}); the last lines of {log_path}:\n{}",
                tail.join("\n")
            );
        }
        if Instant::now() > deadline {
            bail!("shelf serve does not answer after 30 s; see {log_path}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    eprintln!("shelf serve runs (pid {}, log {log_path})", child.id());
    Ok(())
}
