//! The last go taken back: what it says first, with and without the data.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::data::{orders, place};
use crate::page::get;
use crate::server::Server;

const PAGE: &str = "web/shop/__init__.py";

fn release(server: &Server) -> Result<String> {
    let status = server.shelf(&["--json", "status"]).good()?;
    let status: Value = serde_json::from_str(&status)?;
    Ok(status["result"]["release"].as_str().context("a release")?.to_owned())
}

/// A go is taken back when someone says so: code and wiring, and with `--data` the rows of before.
pub(crate) fn go(server: &mut Server) -> Result<()> {
    server.shelf(&["go"]).good()?;
    let (before, rows) = (release(server)?, orders(server, "shop")?);
    let page = server.shop().join(PAGE);
    let text = fs::read_to_string(&page)?;
    fs::write(&page, text.replacen("VERSION = \"", "VERSION = \"mistaken ", 1))?;
    server.shelf(&["go"]).good()?;
    let after = release(server)?;
    place(server, "shop", 2)?;

    let unasked = server.shelf(&["undo", "--go", "--data"]);
    ensure!(
        unasked.code == 4 && unasked.err.contains("shelf undo --go --data --yes"),
        "{unasked:?}"
    );
    let said = server.shelf(&["undo", "--go", "--data", "--dry-run"]).good()?;
    for wanted in [
        &before,
        &after,
        "~ web",
        "data and passwords come back: db",
        "lost: what was written to db",
    ] {
        ensure!(said.contains(wanted), "no {wanted:?} in {said}");
    }
    let said = server.shelf(&["undo", "--go", "--dry-run"]).good()?;
    ensure!(said.contains("data and passwords stay") && !said.contains("lost"), "{said}");
    ensure!(release(server)? == after, "a dry run changed something");

    // The code alone: rows written since stay.
    server.shelf(&["undo", "--go", "--yes"]).good()?;
    ensure!(release(server)? == before, "the release is not the one before");
    ensure!(!get(server.http_port, "/")?.contains("mistaken"), "the code is not that of before");
    ensure!(orders(server, "shop")? == rows + 2, "rows went with the code");
    // Once more is there and back.
    server.shelf(&["undo", "--go", "--yes"]).good()?;
    ensure!(release(server)? == after && get(server.http_port, "/")?.contains("mistaken"));

    let text = server.shelf(&["--json", "undo", "--go", "--data", "--yes"]).good()?;
    let report: Value = serde_json::from_str(text.lines().last().context("a report")?)?;
    ensure!(release(server)? == before && report["result"]["undone"] == after.as_str(), "{report}");
    ensure!(orders(server, "shop")? == rows, "the rows are not those of before");
    ensure!(!get(server.http_port, "/")?.contains("mistaken"), "the code is not that of before");
    let kept = report["result"]["kept"].as_str().context("a backup of what was there")?;
    let list = server.shelf(&["backup", "list"]).good()?;
    ensure!(list.contains(kept), "{kept} is not in {list}");
    fs::write(&page, fs::read_to_string(&page)?.replacen("mistaken ", "", 1))?;
    Ok(())
}
