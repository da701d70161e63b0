//! An edit of the source and what visitors see of it.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::page::{Visitor, get};
use crate::server::{Server, eventually};

/// How many edits are rolled out, one after another, instead of three.
const ROLLS: &str = "SHELF_TEST_ROLLS";

fn replace(server: &Server, from: &str, to: &str) -> Result<()> {
    let path = server.shop().join("web/shop/__init__.py");
    let text = fs::read_to_string(&path)?;
    ensure!(text.contains(from), "no {from:?} in {}", path.display());
    fs::write(&path, text.replacen(from, to, 1))?;
    Ok(())
}

/// A changed line is live after `shelf go`, and no request failed meanwhile.
pub(crate) fn edit(server: &mut Server) -> Result<()> {
    let database = server.object(&["get", "pod", "db-0"])?["metadata"]["uid"].clone();
    let before = get(server.http_port, "/")?;
    ensure!(!before.contains("edition"), "the edit is there before it was made");
    let rolls = std::env::var(ROLLS).map_or(Ok(3), |text| text.parse()).context(ROLLS)?;
    let mut was = "VERSION = \"".to_owned();
    for roll in (0..rolls).rev() {
        // The last one is "edition two": the promises after this one look for it.
        let name = if roll == 0 { "edition two ".into() } else { format!("edition -{roll} ") };
        let now = format!("VERSION = \"{name}");
        replace(server, &was, &now)?;
        was = now;
        let visitor = Visitor::come(server.http_port, "/");
        let text = server.shelf(&["go"]).good()?;
        // A while longer: the old copies are still on their way out.
        std::thread::sleep(Duration::from_secs(3));
        visitor.leave(20)?;
        ensure!(get(server.http_port, "/")?.contains(&name), "the old page is still there");
        ensure!(text.contains("http://shop.localhost"), "{text}");
    }
    let after = server.object(&["get", "pod", "db-0"])?["metadata"]["uid"].clone();
    ensure!(database == after, "the database was restarted for an edit of the page");
    Ok(())
}

/// A version that does not start is reported with its last lines; the old one goes on serving.
pub(crate) fn broken(server: &mut Server) -> Result<()> {
    replace(
        server,
        "VERSION = \"",
        "raise SystemExit('the shop is broken on purpose')\nVERSION = \"",
    )?;
    let visitor = Visitor::come(server.http_port, "/");
    let ended = server.shelf(&["go", "--timeout", "60"]);
    visitor.leave(20)?;
    ensure!(ended.code == 1 || ended.code == 6, "{ended:?}");
    ensure!(ended.err.contains("broken on purpose"), "the cause is not shown:\n{}", ended.err);
    ensure!(ended.err.contains("web"), "the block is not named:\n{}", ended.err);
    replace(server, "raise SystemExit('the shop is broken on purpose')\n", "")?;
    server.shelf(&["go"]).good()?;
    ensure!(get(server.http_port, "/")?.contains("edition two"));
    Ok(())
}

/// Ctrl-C stops the waiting; another go carries on.
pub(crate) fn interrupted(server: &mut Server) -> Result<()> {
    replace(server, "edition two", "edition three")?;
    let child = server
        .command(&["go"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting go")?;
    std::thread::sleep(Duration::from_millis(700));
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-INT", &pid]).status()?;
    ensure!(sent.success());
    let output = child.wait_with_output()?;
    ensure!(output.status.code() == Some(130), "{:?}", output.status);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(text.contains("goes on"), "{text}");
    eventually(120, || {
        let ended = server.shelf(&["go"]);
        ensure!(ended.code == 0, "{}", ended.err);
        ensure!(get(server.http_port, "/")?.contains("edition three"));
        Ok(())
    })
}
