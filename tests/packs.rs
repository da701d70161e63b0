//! Modules on trial, and an app in one file: it runs on a machine that has no network.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::server::{Ended, Server, binary, eventually, repository};

/// What a trial says of a stock module; each check must be among those that passed.
fn tried(server: &Server, module: &str, checks: &[&str]) -> Result<()> {
    let folder = repository().join("modules").join(module);
    let text = server.shelf(&["--json", "module", "test", &folder.to_string_lossy()]).good()?;
    // Lines: what happens, and last the result.
    let last = text.lines().last().context("a result")?;
    let value: Value = serde_json::from_str(last)?;
    let all = value["result"]["checks"].as_array().context("checks")?;
    for name in checks {
        let one = all.iter().find(|one| one["name"] == *name).with_context(|| name.to_string())?;
        ensure!(one["state"] == "passed", "{one}");
    }
    ensure!(value["result"]["passed"] == true, "{text}");
    let images = server.shelf(&["images"]).good()?;
    ensure!(!images.contains("/trial-"), "{images}");
    let apps = server.kubectl(&["get", "namespaces", "-o", "name"]).good()?;
    ensure!(!apps.contains("trial-"), "{apps}");
    Ok(())
}

/// Two stock modules pass a trial, which leaves nothing; one whose probe lies does not.
pub(crate) fn trials(server: &mut Server) -> Result<()> {
    let name = |what: &str, offer: &str| format!("{offer} {what}");
    for (module, offer) in [("redis", "redis"), ("postgres", "sql")] {
        let own = [
            name("answers its consumer", offer),
            name("is probed", offer),
            name("is rotated", offer),
        ];
        let mut checks: Vec<&str> = own.iter().map(String::as_str).collect();
        checks.extend([
            "builds, starts, is ready",
            "grants twice",
            "outlives a stop",
            "backup and restore",
        ]);
        tried(server, module, &checks)?;
    }
    let lying = server.scratch("lying");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(repository().join("modules/redis"))
        .arg(&lying)
        .status()?;
    ensure!(copied.success());
    fs::write(lying.join("probe.sh"), "#!/bin/sh\nexit 0\n")?;
    let ended = server.shelf(&["module", "test", &lying.to_string_lossy()]);
    ensure!(ended.code == 1 && ended.out.contains("content with a wrong password"), "{ended:?}");
    Ok(())
}

/// A module is tried, published and signed; it comes back only with its own key and name, and an app
/// lives with it.
pub(crate) fn published(server: &mut Server) -> Result<()> {
    let registry = crate::borrowed::Registry::start(&server.scratch("shelf-registry"))?;
    let done = publishing(server, registry.port);
    let gone = server.shelf_in("taken", &["destroy", "--yes", "--delete-data", "taken"]);
    done?;
    gone.good().map(drop)
}

fn publishing(server: &Server, port: u16) -> Result<()> {
    let folder = server.scratch("taken");
    fs::create_dir_all(&folder)?;
    let shelf = |arguments: &[&str]| server.shelf_in("taken", arguments);
    let made = shelf(&["module", "new", "greeter"]).good()?;
    ensure!(made.contains("shelf module test greeter"), "{made}");
    for name in ["mine", "other"] {
        shelf(&["module", "key", name]).good()?;
    }
    ensure!(shelf(&["module", "key", "mine"]).code != 0, "a key was written over");
    let to = format!("127.0.0.1:{port}/team/greeter");
    let publish = ["module", "publish", "greeter", &to, "--key", "mine"];
    let dry = shelf(&[&publish[..], &["--dry-run"]].concat()).good()?;
    ensure!(dry.contains("would go to") && dry.contains(", signed"), "{dry}");
    let text = shelf(&[&["--json"], &publish[..]].concat()).good()?;
    let value: Value = serde_json::from_str(text.lines().last().context("a result")?)?;
    let result = &value["result"];
    ensure!(result["tried"] == true && result["signed"] == true, "{result}");
    ensure!(result["packages"].as_u64() > Some(50), "{result}");
    let name = result["name"].as_str().context("name")?.to_owned();
    let digest = result["digest"].as_str().context("digest")?.to_owned();

    // skopeo, as somebody else's eyes.
    let seen = Command::new("skopeo")
        .args(["inspect", "--tls-verify=false", "--raw", &format!("docker://{name}")])
        .output()?;
    let index: Value = serde_json::from_slice(&seen.stdout)?;
    ensure!(index["manifests"].as_array().is_some_and(|all| all.len() == 2), "{index}");

    let refused = |arguments: &[&str], why: &str| {
        let ended = shelf(arguments);
        let told = ended.code != 0 && ended.err.contains(why);
        ensure!(told, "{why} is not in {ended:?}");
        ensure!(!folder.join("again").exists(), "{arguments:?} left a folder");
        Ok(())
    };
    let pull = ["module", "pull", &name, "--to", "again", "--key"];
    refused(&[&pull[..], &["other.pub"]].concat(), "not trusted here")?;
    refused(&["module", "pull", &name, "--key", "mine.pub", "--to", "greeter"], "there already")?;
    // The same under another name: without its signature, then with it, which is of the first name.
    let kept = server.scratch("shelf-registry/data/docker/registry/v2/repositories");
    let twin = kept.join("evil/greeter");
    fs::create_dir(kept.join("evil"))?;
    let copied = Command::new("cp").arg("-a").arg(kept.join("team/greeter")).arg(&twin).status()?;
    ensure!(copied.success());
    let (tags, aside) = (twin.join("_manifests/tags"), kept.join("aside"));
    fs::create_dir(&aside)?;
    let mut signatures = Vec::new();
    for entry in fs::read_dir(&tags)? {
        let name = entry?.file_name();
        if name.to_string_lossy().starts_with("sha256-") {
            fs::rename(tags.join(&name), aside.join(&name))?;
            signatures.push(name);
        }
    }
    ensure!(!signatures.is_empty(), "no signature in {}", tags.display());
    let evil = name.replace("team/", "evil/");
    let from_evil = ["module", "pull", &evil, "--to", "again", "--key", "mine.pub"];
    refused(&from_evil, "nobody signed it")?;
    for name in signatures {
        fs::rename(aside.join(&name), tags.join(&name))?;
    }
    refused(&from_evil, "it was signed as")?;

    let pulled = shelf(&[&pull[..], &["mine.pub"]].concat()).good()?;
    ensure!(pulled.contains("module = \"./again\"") && pulled.contains(&digest), "{pulled}");
    for entry in fs::read_dir(folder.join("greeter"))? {
        let entry = entry?;
        let twin = fs::read(folder.join("again").join(entry.file_name()))?;
        ensure!(twin == fs::read(entry.path())?, "{:?} differs", entry.file_name());
    }
    let text = "app = \"taken\"\n\n[hello]\nmodule = \"./again\"\n";
    fs::write(folder.join("app.toml"), text)?;
    let went = shelf(&["go"]);
    ensure!(went.code == 0 && went.out.contains("taken is"), "{went:?}");
    Ok(())
}

/// Asks the server on its socket.
fn ask(server: &Server, method: &str, path: &str) -> Result<Value> {
    let mut stream = UnixStream::connect(server.run_dir().join("shelf.sock"))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: shelf\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer without a head")?;
    Ok(serde_json::from_str(body)?)
}

/// A trial that is cancelled halfway says so to who waits for it, and its app goes with its data.
pub(crate) fn cancelled(server: &mut Server) -> Result<()> {
    let folder = repository().join("modules/redis");
    let trial = server
        .command(&["module", "test", &folder.to_string_lossy()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let apps = |server: &Server| server.kubectl(&["get", "namespaces", "-o", "name"]).good();
    eventually(120, || {
        ensure!(apps(server)?.contains("trial-"), "no trial has begun");
        Ok(())
    })?;
    let all = ask(server, "GET", "/v1/operations")?;
    let mut all = all["operations"].as_array().context("operations")?.iter();
    let running = all.find(|one| one["verb"] == "test" && one["running"] == true);
    let id = &running.context("no trial is under way")?["id"];
    ask(server, "POST", &format!("/v1/operations/{id}/cancel"))?;
    let ended = Ended::new(&trial.wait_with_output()?);
    ensure!(ended.code == 1 && ended.err.contains("operation/cancelled"), "{ended:?}");
    eventually(120, || {
        let left = apps(server)?;
        ensure!(!left.contains("trial-"), "{left}");
        let kept = server.data_dir().join("kept");
        ensure!(fs::read_dir(kept.join("trials"))?.next().is_none(), "its folder is still there");
        let images = server.shelf(&["images"]).good()?;
        ensure!(!images.contains("/trial-"), "{images}");
        Ok(())
    })
}

/// The shop in one file comes to life in a network namespace with nothing but its loopback, on
/// fresh directories, and its page answers there; a damaged file brings nothing up.
pub(crate) fn offline(server: &mut Server) -> Result<()> {
    let file = server.scratch("shop.app");
    let path = file.to_string_lossy().into_owned();
    server.shelf(&["pack", &path]).good()?;
    let listed: Value =
        serde_json::from_str(&server.shelf(&["--json", "unpack", "--list", &path]).good()?)?;
    let images = listed["result"]["images"].as_object().context("images")?.len();
    ensure!(images == 3, "{listed}");
    let plain = fs::metadata(binary())?.len();
    ensure!(fs::metadata(&file)?.len() > plain, "nothing but the program");

    let fresh = server.scratch("fresh");
    fs::create_dir_all(&fresh)?;
    let script = r#"
        ip link set lo up
        test "$(ip -o link | wc -l)" = 1 || exit 90
        "$1" || exit 91
        for n in $(seq 50); do
            exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET / HTTP/1.0\r\nHost: shop.localhost:8080\r\n\r\n' >&3 && cat <&3 && break
            sleep 0.2
        done
        "$1" -a shop status
        "$1" serve --stop --containers >&2
    "#;
    let run = |file: &str| -> Result<Ended> {
        let output = Command::new("unshare")
            .args(["--net", "bash", "-c", script, "offline", file])
            .env("SHELF_DATA_DIR", fresh.join("data"))
            .env("SHELF_RUN_DIR", fresh.join("run"))
            .env("SHELF_CANVAS", "off")
            .current_dir(&fresh)
            .output()?;
        Ok(Ended::new(&output))
    };
    let ended = run(&path)?;
    let text = ended.out.clone();
    ensure!(
        ended.code == 0,
        "{ended:?}\n{}",
        fs::read_to_string(fresh.join("run/serve.log")).unwrap_or_default()
    );
    ensure!(text.contains("shop is at http://shop.localhost:8080"), "{ended:?}");
    ensure!(text.contains("Reading lamp"), "{ended:?}");
    ensure!(!ended.err.contains("build "), "something was built: {}", ended.err);

    // One byte of an image's layer is another: nothing of it is used. The server said that it ended with
    // all it began, so no process runs from the file, and it can be written.
    let mut damaged = fs::OpenOptions::new().read(true).write(true).open(&file)?;
    let size = damaged.seek(SeekFrom::End(0))?;
    let mut byte = [0];
    damaged.seek(SeekFrom::Start(size - size / 8))?;
    damaged.read_exact(&mut byte)?;
    damaged.seek(SeekFrom::Start(size - size / 8))?;
    damaged.write_all(&[byte[0] ^ 0x20])?;
    drop(damaged);
    fs::remove_dir_all(&fresh)?;
    fs::create_dir_all(&fresh)?;
    let ended = run(&path)?;
    ensure!(ended.code == 91 && !ended.out.contains("Reading lamp"), "{ended:?}");
    // That server was left running by the script's end.
    let stopped = Command::new(binary())
        .args(["serve", "--stop", "--containers"])
        .env("SHELF_RUN_DIR", fresh.join("run"))
        .output()?;
    ensure!(stopped.status.success(), "{stopped:?}");
    fs::remove_dir_all(&fresh)?;
    fs::remove_file(&file)?;
    Ok(())
}
