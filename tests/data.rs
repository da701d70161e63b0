//! Data: kept in a file, given back, beside itself, and never given back from a damaged file.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::page::{Visitor, request_to};
use crate::server::{Ended, Server, eventually};

/// How many orders an app has.
pub(crate) fn orders(server: &Server, app: &str) -> Result<usize> {
    let answer = request_to(app, server.http_port, "GET", "/orders.json", None)?;
    ensure!(answer.status == 200, "{answer:?}");
    let value: Value = serde_json::from_str(&answer.body)?;
    Ok(value["orders"].as_array().context("orders")?.len())
}

pub(crate) fn place(server: &Server, app: &str, count: usize) -> Result<()> {
    for number in 0..count {
        // A key of its own, or the shop takes it for the same order sent twice.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos();
        let key = format!("{now}-{number}");
        let body = serde_json::json!({"product": "mug", "quantity": 1, "key": key});
        let answer = request_to(app, server.http_port, "POST", "/orders", Some(&body))?;
        ensure!([200, 201, 303].contains(&answer.status), "{answer:?}");
    }
    Ok(())
}

/// A command that is given something on its input.
fn fed(server: &Server, arguments: &[&str], input: &str) -> Result<Ended> {
    let mut child = server
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("stdin")?.write_all(input.as_bytes())?;
    Ok(Ended::new(&child.wait_with_output()?))
}

/// What was in the database at the time of a sealed backup is there again; its key is in no file.
pub(crate) fn backup(server: &mut Server) -> Result<()> {
    place(server, "shop", 3)?;
    let then = orders(server, "shop")?;
    let file = server.scratch("kept.backup");
    let path = file.to_string_lossy().into_owned();
    let key = "correct horse battery staple";
    fed(server, &["backup", "now", "--to", &path, "--key-file", "-"], key)?.good()?;
    let mode = fs::metadata(&file)?.permissions().mode();
    ensure!(mode & 0o777 == 0o600, "mode {mode:o}");
    let password = server.object(&["get", "secret", "db-secrets"])?["data"]["POSTGRES_PASSWORD"]
        .as_str()
        .context("a password")?
        .to_owned();
    place(server, "shop", 2)?;
    ensure!(orders(server, "shop")? == then + 2);

    let unasked = server.shelf(&["restore", &path]);
    ensure!(unasked.code == 4 && unasked.err.contains("--confirm shop"), "{unasked:?}");
    let wrong = fed(
        server,
        &["restore", &path, "--confirm", "shop", "--key-file", "-"],
        "incorrect horse",
    )?;
    ensure!(wrong.code == 1 && wrong.err.contains("backup/key"), "{wrong:?}");
    ensure!(orders(server, "shop")? == then + 2, "a wrong key changed something");

    let said = fed(server, &["restore", &path, "--confirm", "shop", "--key-file", "-"], key)?;
    let said = said.good()?;
    ensure!(orders(server, "shop")? == then, "the rows are not those of the backup");
    let same = server.object(&["get", "secret", "db-secrets"])?["data"]["POSTGRES_PASSWORD"]
        == password.as_str();
    ensure!(same, "the password is not the one the rows were born with");
    ensure!(said.contains("what was there before:"), "{said}");
    // What was replaced is not lost.
    let list = server.shelf(&["backup", "list"]).good()?;
    ensure!(list.contains("before-restore"), "{list}");
    place(server, "shop", 1)?;
    ensure!(orders(server, "shop")? == then + 1, "the app does not write any more");
    Ok(())
}

/// A backup with one byte changed or its end missing is refused, and nothing is changed.
pub(crate) fn damaged(server: &mut Server) -> Result<()> {
    let file = server.scratch("whole.backup");
    server.shelf(&["backup", "--to", &file.to_string_lossy()]).good()?;
    let good = fs::read(&file)?;
    let before = orders(server, "shop")?;
    let pods = server.kubectl(&["get", "pods", "-o", "name"]).good()?;
    let mut flipped = good.clone();
    let middle = good.len() / 2;
    flipped[middle] ^= 0x10;
    let broken = server.scratch("broken.backup");
    let half = &good[..good.len() * 2 / 3];
    for bytes in [&flipped[..], half, b"not a backup at all"] {
        fs::write(&broken, bytes)?;
        let path = broken.to_string_lossy().into_owned();
        for arguments in [vec!["--confirm", "shop"], vec!["--as", "other"]] {
            let ended = server.shelf(&[&["restore", path.as_str()], &arguments[..]].concat());
            ensure!(ended.code == 1, "{ended:?}");
            ensure!(ended.err.contains("nothing was changed"), "{}", ended.err);
        }
    }
    ensure!(orders(server, "shop")? == before);
    ensure!(pods == server.kubectl(&["get", "pods", "-o", "name"]).good()?, "copies were replaced");
    let other = server.shelf(&["-a", "other", "status"]);
    ensure!(other.code == 3, "{other:?}");
    Ok(())
}

/// A copy has the rows and goes its own way; it is taken away without a trace in the first.
pub(crate) fn copy(server: &mut Server) -> Result<()> {
    server.shelf(&["go"]).good()?;
    let before = orders(server, "shop")?;
    server.shelf(&["copy", "--as", "preview"]).good()?;
    ensure!(eventually(30, || orders(server, "preview"))? == before, "not the same rows");
    place(server, "preview", 2)?;
    ensure!(orders(server, "preview")? == before + 2);
    ensure!(orders(server, "shop")? == before, "the copy writes into the first");
    let again = server.shelf(&["copy", "--as", "preview"]);
    ensure!(again.code == 1 && again.err.contains("restore/taken"), "{again:?}");
    server.shelf(&["-a", "preview", "destroy", "--yes", "--delete-data", "preview"]).good()?;
    ensure!(orders(server, "shop")? == before);
    Ok(())
}

/// A go that runs a migration keeps a snapshot, and undo brings code and rows back together.
pub(crate) fn undo(server: &mut Server) -> Result<()> {
    let release = |server: &Server| -> Result<String> {
        let text = server.shelf(&["--json", "status"]).good()?;
        let status: Value = serde_json::from_str(&text)?;
        Ok(status["result"]["release"].as_str().context("a release")?.to_owned())
    };
    server.shelf(&["go"]).good()?;
    let (before, rows) = (release(server)?, orders(server, "shop")?);
    let page = server.shop().join("web/shop/__init__.py");
    let text = fs::read_to_string(&page)?;
    fs::write(&page, text.replacen("VERSION = \"", "VERSION = \"regretted ", 1))?;
    let ended = server.shelf(&["go"]);
    ensure!(ended.code == 0 && ended.err.contains("snapshot before it"), "{ended:?}");
    place(server, "shop", 2)?;
    ensure!(orders(server, "shop")? == rows + 2);
    server.shelf(&["snapshot", "back", "--confirm", "shop"]).good()?;
    ensure!(orders(server, "shop")? == rows, "the rows are not those of before");
    ensure!(release(server)? == before, "the release is not the one before");
    let seen = request_to("shop", server.http_port, "GET", "/", None)?;
    ensure!(
        seen.status == 200 && !seen.body.contains("regretted"),
        "the code is not that of before"
    );
    fs::write(&page, text)?;
    Ok(())
}

/// A wire gets a new login while visitors look on; the old one is gone, and a go changes nothing.
pub(crate) fn rotate(server: &mut Server) -> Result<()> {
    let rows = orders(server, "shop")?;
    let roles = |server: &Server| -> Result<String> {
        let query = "select rolname from pg_roles where rolname like 'web_db%' and rolcanlogin";
        let command =
            format!("PGPASSWORD=$POSTGRES_PASSWORD psql -h 127.0.0.1 -U postgres -tAc \"{query}\"");
        Ok(server.shelf(&["exec", "-T", "db", "sh", "-c", &command]).good()?.trim().to_owned())
    };
    let first = roles(server)?;
    let secret = server.object(&["get", "secret", "web-db"])?["data"]["password"].clone();
    for turn in 1..=2 {
        let visitor = Visitor::come(server.http_port, "/");
        let ended = server.shelf(&["secret", "rotate", "web.db"]);
        visitor.leave(20)?;
        ensure!(ended.code == 0, "{ended:?}");
        let now = roles(server)?;
        ensure!(!now.contains('\n') && (turn == 2) == (now == first), "turn {turn}: {now:?}");
        place(server, "shop", 1)?;
    }
    ensure!(orders(server, "shop")? == rows + 2, "the new login does not see the rows");
    let later = server.object(&["get", "secret", "web-db"])?["data"]["password"].clone();
    ensure!(secret != later, "the password is the one of before");
    let again = server.shelf(&["go"]).good()?;
    ensure!(again.contains("nothing to do"), "{again}");
    let unfit = server.shelf(&["secret", "rotate", "web.nothing"]);
    ensure!(unfit.code == 3 && unfit.err.contains("web.db"), "{unfit:?}");
    let list = server.shelf(&["secret", "list"]).good()?;
    ensure!(list.contains("login of web.db") && list.contains("db-secrets"), "{list}");
    Ok(())
}
