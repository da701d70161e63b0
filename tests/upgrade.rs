//! A newer version of a database: rehearsed on a copy of its rows, and then taken.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::server::{Ended, Server};

fn folder(server: &Server) -> PathBuf {
    server.scratch("ledger")
}

fn shelf(server: &Server, arguments: &[&str]) -> Ended {
    let mut command = server.command(arguments);
    Ended::new(&command.current_dir(folder(server)).output().expect("the binary runs"))
}

/// Asks the database of the one wire, as its administrator.
fn sql(server: &Server, query: &str) -> Result<String> {
    let command = format!(
        "PGPASSWORD=$POSTGRES_PASSWORD psql -h 127.0.0.1 -U postgres -d web_db -tAc \"{query}\""
    );
    Ok(shelf(server, &["exec", "-T", "db", "sh", "-c", &command]).good()?.trim().to_owned())
}

fn write(server: &Server, limit: &str) -> Result<()> {
    let text = format!(
        "app = \"ledger\"\n\n[db]\nuse = \"postgres@15\"  # ours\n\n[web]\nsource = \"./web\"\n\
         needs = {{ db = {{ type = \"postgres/1\", version = \"{limit}\" }} }}\n\
         run = {{ web = {{ run = \"sleep infinity\" }} }}\n"
    );
    Ok(fs::write(folder(server).join("app.toml"), text)?)
}

/// What does not fit is refused before anything is copied; a rehearsal changes nothing of the app
/// and leaves nothing; the upgrade keeps every row.
pub(crate) fn rehearsed(server: &mut Server) -> Result<()> {
    fs::create_dir_all(folder(server).join("web"))?;
    fs::write(folder(server).join("web/Dockerfile"), "FROM debian:12\n")?;
    write(server, "<17")?;
    shelf(server, &["go"]).good()?;
    sql(server, "create table rows as select generate_series(1, 5000) as n")?;
    let list = shelf(server, &["upgrade"]).good()?;
    ensure!(list.contains("postgres 15.") && list.contains("17."), "{list}");
    let unfit = shelf(server, &["upgrade", "db"]);
    ensure!(unfit.code == 1 && unfit.err.contains("ledger was not changed"), "{unfit:?}");
    ensure!(unfit.out.contains("web needs postgres/1 version <17"), "{unfit:?}");
    write(server, ">=15")?;
    let early = shelf(server, &["upgrade", "db"]);
    ensure!(early.code == 1 && early.err.contains("upgrade/changes"), "{early:?}");
    shelf(server, &["go"]).good()?;

    let pods =
        |server: &Server| shelf(server, &["kubectl", "get", "pods", "-A", "-o", "name"]).good();
    let before = pods(server)?;
    let said = shelf(server, &["upgrade", "db", "--check"]).good()?;
    for wanted in ["rehearsal went well: db postgres 15.", "-> 17.", "web.db: answered its probe"] {
        ensure!(said.contains(wanted), "no {wanted:?} in {said}");
    }
    ensure!(pods(server)? == before, "the app was disturbed, or something was left");
    let gone = shelf(server, &["kubectl", "get", "namespace", "rehearsal-ledger"]);
    ensure!(gone.code != 0, "the rehearsal is still there");
    let images = shelf(server, &["images"]).good()?;
    ensure!(!images.contains("rehearsal-ledger"), "{images}");
    ensure!(sql(server, "show server_version")?.starts_with("15."), "it was upgraded");

    let said = shelf(server, &["upgrade", "db"]).good()?;
    ensure!(said.contains("db is 17.") && said.contains("shelf restore"), "{said}");
    ensure!(sql(server, "show server_version")?.starts_with("17."), "it was not upgraded");
    ensure!(sql(server, "select count(*), sum(n) from rows")? == "5000|12502500", "rows are lost");
    let text = fs::read_to_string(folder(server).join("app.toml"))?;
    ensure!(text.contains("use = \"postgres@17\"  # ours"), "{text}");
    let again = shelf(server, &["go"]).good()?;
    ensure!(again.contains("nothing to do"), "{again}");
    let newest = shelf(server, &["upgrade", "db"]).good()?;
    ensure!(newest.contains("nothing to do"), "{newest}");
    let yours = shelf(server, &["upgrade", "web"]);
    ensure!(yours.code == 1 && yours.err.contains("upgrade/yours"), "{yours:?}");
    shelf(server, &["destroy", "--yes", "--delete-data", "ledger"]).good()?;
    Ok(())
}
