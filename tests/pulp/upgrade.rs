//! Pulp gets a newer version by one line, and goes to another server whole.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::client::{Pulp, sha256};
use super::losses::published;
use super::upstream::Upstream;
use super::uses::{PUBLISHED, begin_sync};
use super::{healthy, jobs};
use crate::page::Visitor;
use crate::server::{Ended, Server, eventually};

/// What is upgraded from: the last version before the newest change of the schema.
const OLD: &str = "pulpcore==3.121.3";

/// The line of the newest version, as the example has it.
fn newest(folder: &Path) -> Result<String> {
    let wanted = fs::read_to_string(folder.join("pulp/requirements.in"))?;
    let line = wanted.lines().find(|line| line.starts_with("pulpcore==")).context("pulpcore")?;
    Ok(line.split_whitespace().next().context("its version")?.to_owned())
}

/// Changes the one line, in what is wanted and in what is pinned.
fn change(folder: &Path, from: &str, to: &str) -> Result<()> {
    for name in ["pulp/requirements.in", "pulp/requirements.txt"] {
        let path = folder.join(name);
        let text = fs::read_to_string(&path)?;
        ensure!(text.contains(from), "no {from} in {name}");
        fs::write(&path, text.replace(from, to))?;
    }
    Ok(())
}

/// Puts the older version into the example's copy; what is newest.
pub(super) fn begin_old(folder: &Path) -> Result<String> {
    let new = newest(folder)?;
    ensure!(new != OLD, "{OLD} is not older than the example");
    change(folder, &new, OLD)?;
    fs::write(folder.join("newest"), &new)?;
    Ok(new)
}

/// One line, one `shelf go`: the schema is moved while the old copies serve, nobody who fetches
/// files notices, and what was made before is there.
pub(crate) fn upgrade(server: &mut Server) -> Result<()> {
    let pulp = Pulp::new(server)?;
    let folder = server.example("pulp")?;
    let new = fs::read_to_string(folder.join("newest"))?;
    let before = versions(&healthy(&pulp, 2)?);
    ensure!(format!("pulpcore=={before}") == OLD, "core is {before}");
    let steps = jobs(server, "migrate")?.len();
    change(&folder, OLD, &new)?;
    let visitors = ["/pulp/content/acc/d/PULP_MANIFEST", "/pulp/api/v3/livez/"]
        .map(|path| Visitor::come_to("pulp", server.http_port, path));
    let went = server.shelf_in("pulp", &["go"]);
    for visitor in visitors {
        visitor.leave(100)?;
    }
    went.good()?;
    let migrated = jobs(server, "migrate")?;
    ensure!(migrated.len() <= steps + 1 && migrated.contains(&(1, 0)), "{migrated:?}");
    eventually(180, || {
        let now = versions(&healthy(&pulp, 2)?);
        ensure!(format!("pulpcore=={now}") == new, "core is {now}");
        Ok(())
    })?;
    published(&pulp)?;
    let upstream = Upstream::start(server, 20)?;
    let task = begin_sync(&pulp, &upstream, "newer", "newer")?;
    pulp.ended(&task, "completed", 180).map(drop)
}

fn versions(status: &Value) -> String {
    let all = status["versions"].as_array().into_iter().flatten();
    let core = all.filter(|one| one["component"] == "core");
    core.filter_map(|one| one["version"].as_str()).collect::<Vec<_>>().join(" ")
}

/// A backup of all of it makes another server's Pulp the same: files, users, and the key that opens
/// what is kept sealed.
pub(crate) fn elsewhere(server: &mut Server) -> Result<()> {
    let first = Pulp::new(server)?;
    let wanted = sha256(&first.folder.join("blob.bin"))?;
    let file = server.scratch("pulp.backup").to_string_lossy().into_owned();
    let began = Instant::now();
    server.shelf_in("pulp", &["backup", "--to", &file]).good()?;
    println!("    backed up in {:.0} s", began.elapsed().as_secs_f64());
    // One Pulp at a time: the machine is small.
    server.shelf_in("pulp", &["stop"]).good()?;
    let mut second = Server::beside()?;
    let result = bring(server, &mut second, &file, &wanted);
    second.end();
    server.shelf_in("pulp", &["start"]).good()?;
    fs::remove_file(&file)?;
    result?;
    healthy(&first, 2).map(drop)
}

fn bring(server: &Server, second: &mut Server, file: &str, wanted: &str) -> Result<()> {
    // What is never changed in place is shared, for the sake of the disk.
    let (from, to) = (server.data_dir().join("images"), second.data_dir().join("images"));
    fs::create_dir_all(&to)?;
    for entry in fs::read_dir(&from)? {
        let entry = entry?;
        let links = ["blobs", "layers"].iter().any(|name| entry.file_name() == *name);
        let how = if links { "-al" } else { "-a" };
        let copied = Command::new("cp").arg(how).arg(entry.path()).arg(&to).output()?;
        Ended::new(&copied).good()?;
    }
    second.start()?;
    let began = Instant::now();
    second.shelf(&["restore", file, "--as", "pulp"]).good()?;
    println!("    restored elsewhere in {:.0} s", began.elapsed().as_secs_f64());
    let pulp = Pulp::new(second)?;
    healthy(&pulp, 2)?;
    let (got, _) = pulp.fetch(&pulp.at(&format!("{PUBLISHED}blob.bin")))?;
    ensure!(got == wanted, "blob.bin is {got}, not {wanted}");
    // The sealed password of a remote opens with the key that came along.
    let upstream = Upstream::start(second, 10)?;
    let url = upstream.url("moved-locked");
    pulp.pulp(&["file", "remote", "update", "--name", "private", "--url", &url])?;
    let sync = ["file", "repository", "sync", "--name", "private", "--remote", "private"];
    let task = pulp.begin(&sync)?;
    pulp.ended(&task, "completed", 180)?;
    Ok(())
}

/// The end of it: its data goes only when its name is given.
pub(crate) fn end(server: &mut Server) -> Result<()> {
    server.shelf_in("pulp", &["destroy", "--yes", "--delete-data", "pulp"]).good().map(drop)
}
