//! What goes, what stays, and that nothing else stays.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::go::{orders, place_order};
use crate::page::get;
use crate::server::{Server, eventually};

/// Destroy asks, keeps the data, and deletes it only when the app's name is given.
pub(crate) fn destroy(server: &mut Server) -> Result<()> {
    let number = place_order(server, "kept by destroy")?;
    let asked = server.shelf(&["destroy"]);
    ensure!(asked.code == 4, "destroy without a terminal must refuse: {asked:?}");
    let wrong = server.shelf(&["destroy", "--yes", "--delete-data", "shopp"]);
    ensure!(wrong.code == 4, "{wrong:?}");
    let kept = server.shelf(&["destroy", "--yes"]).good()?;
    ensure!(kept.contains("kept"), "{kept}");
    eventually(60, || {
        let left = server.kubectl(&["get", "pods", "-o", "name"]).good()?;
        ensure!(left.trim().is_empty(), "{left}");
        Ok(())
    })?;
    ensure!(get(server.http_port, "/").is_err(), "a destroyed app answers");
    server.shelf(&["go"]).good()?;
    let found = orders(server)?;
    ensure!(found.iter().any(|order| order["id"] == number), "the data is lost: {found:?}");
    server.shelf(&["destroy", "--yes", "--delete-data", "shop"]).good()?;
    eventually(60, || {
        let volumes = server.object(&["get", "pv"])?;
        let left = volumes["items"].as_array().map_or(0, Vec::len);
        ensure!(left == 0, "{left} volumes are left");
        let folders = fs::read_dir(server.data_dir().join("volumes"))?.count();
        ensure!(folders == 0, "{folders} folders are left in volumes");
        Ok(())
    })
}

/// After the server and its containers have ended: no process, mount, link, rule, group.
pub(crate) fn nothing(server: &mut Server) -> Result<()> {
    let there = server.leftovers()?;
    ensure!(!there.links.is_empty() && !there.tables.is_empty(), "nothing is seen: {there:?}");
    ensure!(!there.groups.is_empty(), "no control group is seen: {there:?}");
    ensure!(!server.processes().is_empty(), "no process of the server was found while it runs");
    server.shelf(&["serve", "--stop", "--containers"]).good()?;
    server.wait()?;
    eventually(20, || {
        let left = server.processes();
        ensure!(left.is_empty(), "processes {left:?}");
        let left = server.leftovers()?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })?;
    // The data directory alone must be enough to go on; a last start shows it.
    server.start()?;
    let spaces: Value = server.object(&["get", "namespaces"])?;
    ensure!(spaces["items"].as_array().is_some_and(|items| items.len() >= 4), "{spaces}");
    Ok(())
}
