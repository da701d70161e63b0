//! Crashes, power cuts, stops: nothing acknowledged is lost.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::go::{orders, place_order};
use crate::page::{Visitor, get};
use crate::server::{Server, eventually};

/// Each pod's uid and restarts.
fn pods(server: &Server) -> Result<BTreeMap<String, (String, u64)>> {
    let list = server.object(&["get", "pods"])?;
    let mut found = BTreeMap::new();
    for pod in list["items"].as_array().into_iter().flatten() {
        if pod["status"]["phase"] != "Running" {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap_or(0);
        found.insert(text(&pod["metadata"]["name"]), (text(&pod["metadata"]["uid"]), restarts));
    }
    Ok(found)
}

/// `kill -9` of the server: the page keeps answering, and afterwards everything is found again.
pub(crate) fn killed_server(server: &mut Server) -> Result<()> {
    let before = pods(server)?;
    ensure!(before.len() >= 4, "{before:?}");
    let visitor = Visitor::come(server.http_port, "/");
    server.kill()?;
    std::thread::sleep(Duration::from_secs(3));
    // Without the server the whole path still works: page, database, broker, worker.
    let number = place_order(server, "while the server was dead")?;
    let took = server.start()?;
    std::thread::sleep(Duration::from_secs(3));
    visitor.leave(60)?;
    ensure!(took < Duration::from_secs(10), "the server took {took:?} to come back");
    let after = pods(server)?;
    ensure!(before == after, "not the same pods:\n{before:?}\n{after:?}");
    eventually(20, || {
        let order = orders(server)?.into_iter().find(|order| order["id"] == number);
        ensure!(order.context("the order")?["state"] == "done");
        Ok(())
    })?;
    let log = server.kubectl(&["logs", "db-0", "--tail=5"]).good()?;
    ensure!(!log.is_empty(), "no log after the restart");
    let ended = server.shelf(&["go"]).good()?;
    ensure!(ended.contains("nothing to do"), "{ended}");
    Ok(())
}

/// Kills every process of the server and clears what a reboot clears.
pub(crate) fn cut_power(server: &mut Server) -> Result<()> {
    let _known = server.instance();
    server.kill()?;
    let mut killed = 0;
    for _ in 0..20 {
        let left = server.processes();
        if left.is_empty() {
            break;
        }
        killed += left.len();
        for pid in left {
            // One that has ended meanwhile is what we want.
            let _gone = Command::new("kill").args(["-9", &pid.to_string()]).output();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    ensure!(killed >= 8, "only {killed} processes were found to kill");
    ensure!(server.processes().is_empty(), "left: {:?}", server.processes());
    // What a reboot clears.
    let run = server.run_dir().to_string_lossy().into_owned();
    for line in fs::read_to_string("/proc/self/mountinfo")?.lines() {
        let place = line.split(' ').nth(4).unwrap_or_default();
        if place.starts_with(&run) {
            ensure!(Command::new("umount").args(["--lazy", place]).status()?.success(), "{place}");
        }
    }
    fs::remove_dir_all(server.run_dir())?;
    Ok(())
}

/// Everything dies at once; one command brings all back with data and the same passwords.
pub(crate) fn power_cut(server: &mut Server) -> Result<()> {
    let number = place_order(server, "before the power cut")?;
    let secret = server.object(&["get", "secret", "web-db"])?["data"].clone();
    ensure!(secret.as_object().is_some_and(|data| data.contains_key("password")), "{secret}");
    cut_power(server)?;
    ensure!(get(server.http_port, "/").is_err(), "the page answers with everything dead");
    server.start()?;
    eventually(120, || get(server.http_port, "/"))?;
    let found = orders(server)?;
    ensure!(found.iter().any(|order| order["id"] == number), "the order is lost: {found:?}");
    let same = server.object(&["get", "secret", "web-db"])?["data"].clone();
    ensure!(secret == same, "the password was made anew");
    let later = place_order(server, "after the power cut")?;
    eventually(60, || {
        let order = orders(server)?.into_iter().find(|order| order["id"] == later);
        ensure!(order.context("the order")?["state"] == "done");
        Ok(())
    })
}

/// Stop ends every pod, start brings them back with their data.
pub(crate) fn stop_start(server: &mut Server) -> Result<()> {
    let count = orders(server)?.len();
    ensure!(count > 0);
    let before = pods(server)?;
    let visitor = Visitor::come(server.http_port, "/");
    let said = server.shelf(&["restart", "web"]).good()?;
    visitor.leave(1)?;
    ensure!(said.contains("web of shop has new copies"), "{said}");
    ensure!(pods(server)? != before, "the same copies as before");
    let none = server.shelf(&["restart", "nothing"]);
    ensure!(none.code == 1 && none.err.contains("has no such block"), "{none:?}");
    server.shelf(&["stop"]).good()?;
    eventually(60, || {
        let left = pods(server)?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })?;
    ensure!(get(server.http_port, "/").is_err(), "a stopped app answers");
    let status = server.shelf(&["--json", "status"]).good()?;
    let status: Value = serde_json::from_str(&status)?;
    ensure!(status["result"]["state"] == json!("stopped"), "{status}");
    server.shelf(&["start"]).good()?;
    eventually(60, || get(server.http_port, "/"))?;
    ensure!(orders(server)?.len() == count, "orders were lost by stop and start");
    Ok(())
}
