//! Code that is sent: what travels, what visitors see, and the way back.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::page::{Visitor, get};
use crate::server::{Server, eventually};

const PAGE: &str = "web/shop/__init__.py";

fn replace(server: &Server, file: &str, from: &str, to: &str) -> Result<()> {
    let path = server.shop().join(file);
    let text = fs::read_to_string(&path)?;
    ensure!(text.contains(from), "no {from:?} in {}", path.display());
    fs::write(&path, text.replacen(from, to, 1))?;
    Ok(())
}

fn release(server: &Server) -> Result<String> {
    let text = server.shelf(&["--json", "status"]).good()?;
    let status: Value = serde_json::from_str(&text)?;
    Ok(status["result"]["release"].as_str().context("a release")?.to_owned())
}

/// A push says first what it sends, leaves out what git leaves out, and is live without a failed
/// request; the other blocks keep what they run.
pub(crate) fn live(server: &mut Server) -> Result<()> {
    fs::write(server.shop().join(".gitignore"), "*.tmp\n")?;
    fs::write(server.shop().join("web/left-out.tmp"), "not for the server")?;
    let said = server.shelf(&["push", "--dry-run"]).good()?;
    ensure!(said.contains("left out: 1 by .gitignore"), "{said}");
    let before = release(server)?;
    replace(server, PAGE, "VERSION = \"", "VERSION = \"pushed ")?;
    let database = server.object(&["get", "pod", "db-0"])?["metadata"]["uid"].clone();
    let visitor = Visitor::come(server.http_port, "/");
    let text = server.shelf(&["push", "web"]).good()?;
    visitor.leave(20)?;
    ensure!(text.starts_with("sends "), "{text}");
    ensure!(get(server.http_port, "/")?.contains("pushed "), "the old page is still there");
    ensure!(release(server)? != before, "it is the release of before");
    ensure!(database == server.object(&["get", "pod", "db-0"])?["metadata"]["uid"]);
    let inside = server.shelf(&["exec", "-T", "web", "--", "ls", "/app"]).good()?;
    ensure!(inside.contains("shop") && !inside.contains("left-out"), "{inside}");
    let unknown = server.shelf(&["push", "db"]);
    ensure!(unknown.code == 3 && unknown.err.contains("there are: web"), "{unknown:?}");
    Ok(())
}

/// What does not become ready goes back by itself, with its last lines, and no visitor notices.
pub(crate) fn back(server: &mut Server) -> Result<()> {
    let before = release(server)?;
    let file = server.shop().join("web/bin/web");
    let good = fs::read_to_string(&file)?;
    fs::write(&file, "#!/bin/sh\necho broken on purpose\nexit 3\n")?;
    let visitor = Visitor::come(server.http_port, "/");
    let ended = server.shelf(&["push"]);
    // What was begun must be gone, not only be about to go.
    let copies = eventually(30, || {
        let pods = server.object(&["get", "pods", "-l", "shelf.dev/process=web"])?;
        let count = pods["items"].as_array().map_or(0, Vec::len);
        ensure!(count == 1, "{count} copies");
        Ok(count)
    })?;
    visitor.leave(20)?;
    ensure!(copies == 1 && ended.code == 1, "{ended:?}");
    ensure!(ended.err.contains("broken on purpose"), "{}", ended.err);
    ensure!(ended.err.contains("went back to release"), "{}", ended.err);
    ensure!(release(server)? == before, "another release is recorded");
    ensure!(get(server.http_port, "/")?.contains("pushed "));
    fs::write(&file, good)?;
    Ok(())
}

/// Every save is live by itself; a save that is broken is said and changes nothing; Ctrl-C ends it.
pub(crate) fn dev(server: &mut Server) -> Result<()> {
    let mut child = server
        .command(&["dev", "web"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting dev")?;
    let (sender, lines) = mpsc::channel();
    for pipe in [
        Box::new(child.stdout.take().context("stdout")?) as Box<dyn std::io::Read + Send>,
        Box::new(child.stderr.take().context("stderr")?),
    ] {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let _gone = sender.send(line);
            }
        });
    }
    let mut seen = Vec::new();
    let mut wait_for = |what: &str| -> Result<()> {
        loop {
            let line = lines.recv_timeout(Duration::from_secs(60));
            let line = line.with_context(|| format!("no {what:?} in {seen:#?}"))?;
            let found = line.contains(what);
            seen.push(line);
            if found {
                return Ok(());
            }
        }
    };
    wait_for("shop is at")?;
    replace(server, PAGE, "pushed ", "saved ")?;
    wait_for("shop is at")?;
    ensure!(get(server.http_port, "/")?.contains("saved "), "the save is not live");
    let good = fs::read_to_string(server.shop().join("web/bin/web"))?;
    fs::write(server.shop().join("web/bin/web"), "#!/bin/sh\necho broken by a save\nexit 3\n")?;
    wait_for("went back to release")?;
    ensure!(get(server.http_port, "/")?.contains("saved "));
    // In the middle of the next push: what it began is taken back.
    fs::write(server.shop().join("web/bin/web"), "#!/bin/sh\nsleep 1000\n")?;
    wait_for("starting")?;
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
    ensure!(sent.success());
    wait_for("as it was last good")?;
    ensure!(child.wait()?.success(), "{seen:#?}");
    ensure!(get(server.http_port, "/")?.contains("saved "));
    fs::write(server.shop().join("web/bin/web"), good)?;
    let status = server.shelf(&["status"]).good()?;
    ensure!(status.contains("shop: ready"), "{status}");
    Ok(())
}
