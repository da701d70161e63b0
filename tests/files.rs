//! Backups of plain files: a folder that blocks share, a block's own disk; and the schedule.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::server::{Ended, Server, eventually};

const APP: &str = "\
app = \"files\"

[box]
use = \"shared-files@1\"

[web]
source = \"./web\"
needs  = { files = { type = \"files/1\", access = \"shared\", at = \"/srv/box\" } }
run    = { web = { run = \"sh -c 'trap exit TERM; sleep infinity & wait'\" } }

[web.disk.index]
at   = \"/srv/index\"
size = \"1Gi\"
";

fn folder(server: &Server) -> PathBuf {
    server.scratch("files")
}

fn shelf(server: &Server, arguments: &[&str]) -> Ended {
    let mut command = server.command(arguments);
    Ended::new(&command.current_dir(folder(server)).output().expect("the binary runs"))
}

fn inside(server: &Server, app: &str, script: &str) -> Result<String> {
    shelf(server, &["-a", app, "exec", "-T", "web", "--", "sh", "-c", script]).good()
}

/// What both disks hold: contents, a mode and a link.
const LOOK: &str = "cd /srv; cat box/a index/d/b; stat -c %a index/d/b; readlink index/link";

/// Files come back as they were, into their app and into a new one; what is made by the schedule is
/// as good.
pub(crate) fn disks(server: &mut Server) -> Result<()> {
    fs::create_dir_all(folder(server).join("web"))?;
    fs::write(folder(server).join("web/Dockerfile"), "FROM debian:12\n")?;
    fs::write(folder(server).join("app.toml"), APP)?;
    shelf(server, &["go"]).good()?;
    let write = "cd /srv; echo shared > box/a; mkdir index/d; echo own > index/d/b; \
                 chmod 640 index/d/b; ln -s d/b index/link; cat box/a";
    inside(server, "files", write)?;
    let wanted = "shared\nown\n640\nd/b\n";
    ensure!(inside(server, "files", LOOK)? == wanted);
    let text = shelf(server, &["--json", "backup"]).good()?;
    let made: Value = serde_json::from_str(text.lines().last().context("a report")?)?;
    let name = made["result"]["name"].as_str().context("a name")?.to_owned();

    inside(server, "files", "cd /srv; rm -r index/d; echo later > box/a")?;
    shelf(server, &["restore", &name, "--confirm", "files"]).good()?;
    ensure!(inside(server, "files", LOOK)? == wanted, "the files are not those of the backup");
    // From here on the first app stays as it is: a backup at any time holds the same.
    shelf(server, &["backup", "schedule", "0 0 1 * *", "--keep", "1"]).good()?;
    // As if it had been set long ago: the month's first day has passed since.
    let file = server.data_dir().join("kept/backups/files/schedule.json");
    let mut schedule: Value = serde_json::from_slice(&fs::read(&file)?)?;
    schedule["last"] = "2026-01-15T00:00:00Z".into();
    fs::write(&file, schedule.to_string())?;
    shelf(server, &["restore", &name, "--as", "files-too"]).good()?;
    ensure!(inside(server, "files-too", LOOK)? == wanted, "the new app has other files");
    inside(server, "files-too", "echo mine > /srv/box/a")?;
    ensure!(inside(server, "files", LOOK)? == wanted, "the two share a disk");

    let scheduled = |server: &Server| -> Result<Vec<String>> {
        let list = shelf(server, &["backup", "list"]).good()?;
        let names = list.lines().filter_map(|line| line.split_whitespace().next());
        Ok(names.filter(|name| name.ends_with("-schedule")).map(str::to_owned).collect())
    };
    eventually(120, || scheduled(server)?.pop().context("none was made by itself"))?;
    shelf(server, &["backup", "schedule", "--off"]).good()?;
    let first = scheduled(server)?.into_iter().next().context("it is gone")?;
    inside(server, "files", "rm /srv/box/a")?;
    shelf(server, &["restore", &first, "--confirm", "files", "--no-backup"]).good()?;
    ensure!(inside(server, "files", LOOK)? == wanted, "what the schedule made is not whole");
    for app in ["files-too", "files"] {
        shelf(server, &["-a", app, "destroy", "--yes", "--delete-data", app]).good()?;
    }
    Ok(())
}
