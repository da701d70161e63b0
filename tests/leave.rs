//! What goes, what stays, and that nothing else stays.

use std::fs;
use std::process::Command;

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

fn lines_with(program: &str, arguments: &[&str], word: &str) -> Result<Vec<String>> {
    let output = Command::new(program).args(arguments).output()?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter(|line| line.contains(word)).map(str::to_owned).collect())
}

/// After the server and its containers have ended: no process, mount, link, rule, group.
pub(crate) fn nothing(server: &mut Server) -> Result<()> {
    let instance = server.instance();
    ensure!(instance.len() == 6, "no instance name: {instance:?}");
    ensure!(!server.processes().is_empty(), "no process of the server was found while it runs");
    server.shelf(&["serve", "--stop", "--containers"]).good()?;
    server.wait()?;
    eventually(20, || {
        let left = server.processes();
        ensure!(left.is_empty(), "processes {left:?}");
        let links = lines_with("ip", &["-o", "link"], &instance)?;
        ensure!(links.is_empty(), "links {links:?}");
        let rules = lines_with("nft", &["list", "ruleset"], &instance)?;
        ensure!(rules.is_empty(), "rules {rules:?}");
        let folder = server.data_dir().to_string_lossy().into_owned();
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let run = server.run_dir().to_string_lossy().into_owned();
        let mounts: Vec<&str> =
            mounts.lines().filter(|line| line.contains(&folder) || line.contains(&run)).collect();
        ensure!(mounts.is_empty(), "mounts {mounts:?}");
        let groups = Command::new("find")
            .args(["/sys/fs/cgroup", "-type", "d", "-name", &format!("*{instance}*")])
            .output()?;
        let groups = String::from_utf8_lossy(&groups.stdout).into_owned();
        ensure!(groups.trim().is_empty(), "control groups {groups}");
        Ok(())
    })?;
    // The data directory alone must be enough to go on; a last start shows it.
    server.start()?;
    let spaces: Value = server.object(&["get", "namespaces"])?;
    ensure!(spaces["items"].as_array().is_some_and(|items| items.len() >= 4), "{spaces}");
    Ok(())
}
