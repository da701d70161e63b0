//! An app that is published to a registry comes to life on another server: its images by digest, its
//! secrets its own; and only if somebody who is trusted there signed it under that name.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::borrowed::{Registry, make, says};
use crate::server::Server;

/// One block from a folder, one of an image that somebody else built, one from the shelf.
const APP: &str = r#"app = "handed"

[web]
source = "./published"
needs  = { db = "postgres/1" }
run    = { web = { port = 8000, path = "/", ready = "/" } }
env    = { WHO = "one" }

[lent]
image = "127.0.0.1:PORT/lent:1"
env   = { WHO = "two" }
run   = { web = { port = 8000, path = "/lent", ready = "/" } }

[db]
use = "postgres@15"
"#;

pub(crate) fn published(server: &mut Server) -> Result<()> {
    let registry = Registry::start(&server.scratch("handed-registry"))?;
    let mut there = Server::beside()?;
    there.start()?;
    let done = handing(server, &there, registry.port);
    there.end();
    let gone = server.shelf_in("handed", &["destroy", "--yes", "--delete-data", "handed"]);
    done?;
    gone.good().map(drop)
}

fn secret(server: &Server) -> Result<String> {
    let object = server.object(&["-n", "handed", "get", "secret", "web-db"])?;
    Ok(object["data"]["password"].as_str().context("a password")?.to_owned())
}

fn handing(server: &Server, there: &Server, port: u16) -> Result<()> {
    let lent = format!("127.0.0.1:{port}/lent:1");
    make(server, &lent, "hello")?;
    let folder = server.scratch("handed");
    fs::create_dir_all(&folder)?;
    let copied =
        Command::new("cp").arg("-a").arg(server.scratch("published")).arg(&folder).status()?;
    ensure!(copied.success(), "copying the source");
    let shelf = |arguments: &[&str]| server.shelf_in("handed", arguments);
    shelf(&["image", "push", &lent]).good()?;
    fs::write(folder.join("app.toml"), APP.replace("PORT", &port.to_string()))?;
    for name in ["mine", "other"] {
        shelf(&["module", "key", name]).good()?;
    }
    let name = format!("127.0.0.1:{port}/team/handed:1.2");
    let publish = ["publish", &name, "--key", "mine"];
    let dry = shelf(&[&publish[..], &["--dry-run"]].concat()).good()?;
    ensure!(dry.contains("would go to") && dry.contains("3 images"), "{dry}");
    let untagged = shelf(&["publish", &format!("127.0.0.1:{port}/team/handed"), "--key", "mine"]);
    ensure!(untagged.code != 0 && untagged.err.contains("has no tag"), "{untagged:?}");
    shelf(&["go"]).good()?;
    let text = shelf(&[&["--json"], &publish[..]].concat()).good()?;
    let value: Value = serde_json::from_str(text.lines().last().context("a result")?)?;
    let result = &value["result"];
    ensure!(result["signed"] == true, "{result}");
    ensure!(result["images"].as_object().is_some_and(|images| images.len() == 3), "{result}");
    ensure!(result["packages"].as_u64() > Some(50), "{result}");

    let [mine, other] = ["mine.pub", "other.pub"].map(|key| folder.join(key).display().to_string());
    let taken = |arguments: &[&str]| there.shelf(arguments);
    let refused = |arguments: &[&str], why: &str| {
        let ended = taken(arguments);
        ensure!(ended.code != 0 && ended.err.contains(why), "{why} is not in {ended:?}");
        let spaces = there.kubectl(&["get", "namespaces", "-o", "name"]).good()?;
        ensure!(!spaces.contains("handed"), "{arguments:?} left {spaces}");
        Ok(())
    };
    refused(&["unpack", &name], "--key FILE.pub")?;
    refused(&["unpack", &name, "--key", &other], "not trusted here")?;
    shelf(&["publish", &name.replace("1.2", "bare"), "--unsigned"]).good()?;
    refused(&["unpack", &name.replace("1.2", "bare"), "--key", &mine], "signed it")?;
    // All of it, signature and images too, under a name that nobody signed it as.
    let kept = server.scratch("handed-registry/data/docker/registry/v2/repositories");
    fs::create_dir(kept.join("evil"))?;
    let twin = Command::new("cp")
        .arg("-a")
        .arg(kept.join("team/handed"))
        .arg(kept.join("evil/handed"))
        .status()?;
    ensure!(twin.success(), "copying the repository");
    let evil = name.replace("team/", "evil/");
    refused(&["unpack", &evil, "--key", &mine], "it was signed as")?;

    let listed = taken(&["--json", "unpack", &name, "--key", &mine, "--list"]).good()?;
    let listed: Value = serde_json::from_str(listed.lines().last().context("a label")?)?;
    ensure!(listed["result"]["app"] == "handed", "{listed}");
    let up = taken(&["unpack", &name, "--key", &mine]);
    ensure!(up.code == 0 && up.out.contains("handed is at"), "{up:?}");
    ensure!(!up.err.contains("build "), "something was built: {}", up.err);
    says(there, "handed", "/", "hello one")?;
    says(there, "handed", "/lent", "hello two")?;
    ensure!(secret(server)? != secret(there)?, "a password travelled with the app");
    let kept = fs::read_to_string(there.data_dir().join("apps/handed/app.toml"))?;
    ensure!(kept == fs::read_to_string(folder.join("app.toml"))?, "{kept}");
    Ok(())
}
