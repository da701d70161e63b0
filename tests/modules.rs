//! What the shelf's modules promise: each is used over a wire by a real client of its kind, with
//! nothing but the values the wire delivered. `modules/client/try` is the client.
//!
//! All modules run in one app, because starting them takes most of the time.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::server::{Ended, Server, eventually};

/// A module whose wires have logins of their own.
struct Login {
    /// Its block, and the socket of both consumers.
    block: &'static str,
    /// The fields that are the login.
    name: &'static str,
    secret: &'static str,
    /// The port for its grant alone, where it has one.
    admin_port: &'static str,
    /// The field that names what a wire has for itself; empty where wires share everything.
    own: &'static str,
    /// Whether managing the server can be tried by a client.
    rules: bool,
}

const LOGINS: &[Login] = &[
    login("postgres", "", "database", true),
    login("mariadb", "", "database", true),
    login("redis", "", "", true),
    login("rabbitmq", "15672", "", false),
    login("mosquitto", "", "", true),
    login("nats", "4280", "", false),
    Login {
        block: "seaweedfs",
        name: "access-key",
        secret: "secret-key",
        admin_port: "8380",
        own: "bucket",
        rules: true,
    },
];

const fn login(
    block: &'static str,
    admin_port: &'static str,
    own: &'static str,
    rules: bool,
) -> Login {
    Login { block, name: "username", secret: "password", admin_port, own, rules }
}

/// Blocks that keep what they are given on a disk, with a backup of it.
const KEEPERS: &[&str] = &[
    "postgres",
    "mariadb",
    "redis",
    "rabbitmq",
    "mosquitto",
    "nats",
    "seaweedfs",
    "nfs",
    "maildev",
];

fn folder(server: &Server) -> PathBuf {
    server.scratch("parts")
}

fn command(server: &Server, arguments: &[&str]) -> Command {
    let mut command = server.command(arguments);
    command.current_dir(folder(server));
    command
}

pub(crate) fn shelf(server: &Server, arguments: &[&str]) -> Ended {
    Ended::new(&command(server, arguments).output().expect("the binary runs"))
}

/// Runs the client in a block; `environment` goes before what the wire says.
fn attempt(
    server: &Server,
    block: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Ended {
    let set: Vec<String> =
        environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut all = vec!["exec", block, "env"];
    all.extend(set.iter().map(String::as_str));
    all.push("try");
    all.extend(arguments);
    shelf(server, &all)
}

fn refused(ended: &Ended, what: &str) -> Result<()> {
    ensure!(ended.code == 3, "{what} was not refused: {ended:?}");
    Ok(())
}

/// A block's generated value.
fn secret(server: &Server, block: &str, name: &str) -> Result<String> {
    let text = shelf(server, &["exec", block, "printenv", name]).good()?;
    Ok(text.trim().to_owned())
}

fn write(server: &Server, block: &str, value: &str) -> Result<()> {
    attempt(server, "one", &[block, "write", value], &[]).good().context(block.to_owned())?;
    Ok(())
}

fn read(server: &Server, block: &str) -> Result<String> {
    let page =
        if block == "maildev" { secret(server, block, "MAILDEV_WEB_PASS")? } else { String::new() };
    let text = attempt(server, "one", &[block, "read"], &[("PAGE", page.as_str())]);
    Ok(text.good().context(block.to_owned())?.trim().to_owned())
}

fn expect(server: &Server, block: &str, value: &str) -> Result<()> {
    let found = read(server, block)?;
    // All but the inbox hold one value.
    let there = found == value || block == "maildev" && found.lines().any(|line| line == value);
    ensure!(there, "{block} has {found:?} and not {value:?}");
    Ok(())
}

/// Every module starts, its wires are probed, and a client of its kind gets back what it gave.
pub(crate) fn wires(server: &mut Server) -> Result<()> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("modules");
    let copied = Command::new("cp").arg("-a").arg(source).arg(folder(server)).status()?;
    ensure!(copied.success(), "copying the app");
    let went = shelf(server, &["go"]);
    let text = went.err.clone();
    went.good()?;
    for login in LOGINS {
        let line = format!("wire one.{0} -> {0}", login.block);
        let made = text.lines().any(|one| one.contains(&line) && one.contains("own login made"));
        ensure!(made, "no login for {line} in\n{text}");
    }
    for block in KEEPERS.iter().chain(&["memcached"]) {
        let value = format!("first-{block}");
        write(server, block, &value)?;
        eventually(20, || expect(server, block, &value))?;
    }
    eventually(30, || {
        let count: u32 = read(server, "prometheus")?.parse()?;
        ensure!(count > 3, "only {count} samples of one.page");
        Ok(())
    })
}

/// The app with all modules is up: the promises after the first use what that one began.
pub(crate) fn begun(server: &mut Server) -> Result<()> {
    if folder(server).is_dir() { Ok(()) } else { wires(server) }
}

/// A wrong password is refused; a login neither reads what another wire has for itself nor manages
/// the server; nobody gets in without a login where there are logins.
pub(crate) fn separate(server: &mut Server) -> Result<()> {
    begun(server)?;
    for login in LOGINS {
        let block = login.block;
        let wrong = attempt(server, "one", &[block, "login"], &[("PASSWORD", "not0the0password0")]);
        refused(&wrong, &format!("{block}: a wrong password"))?;
        let strange = attempt(server, "one", &[block, "login"], &[("USERNAME", "stranger")]);
        refused(&strange, &format!("{block}: a strange login"))?;
        if login.rules {
            let rule = attempt(server, "two", &[block, "rule"], &[]);
            refused(&rule, &format!("{block}: managing the server"))?;
        }
        if !login.own.is_empty() {
            let own = field(server, "one", block, login.own)?;
            attempt(server, "one", &[block, "peek", &own], &[]).good()?;
            let peek = attempt(server, "two", &[block, "peek", &own], &[]);
            refused(&peek, &format!("{block}: reading what another wire has"))?;
        }
    }
    let page = attempt(server, "one", &["maildev", "login"], &[("PASSWORD", "guessed")]);
    refused(&page, "maildev: a wrong password for the page")
}

fn field(server: &Server, consumer: &str, socket: &str, field: &str) -> Result<String> {
    let path = format!("/bindings/{socket}/{field}");
    Ok(shelf(server, &["exec", consumer, "cat", &path]).good()?.trim().to_owned())
}

/// Runs a module's grant program for a wire of `two`, as the server's own Jobs do.
fn grant(server: &Server, login: &Login, verb: &str, more: &[(&str, &str)]) -> Result<String> {
    let script = format!(
        "cd /bindings/{}; for f in *; do printf 'WIRE_%s=%s\\n' \"$(echo $f | tr a-z- A-Z_)\" \"$(cat $f)\"; done",
        login.block
    );
    let fields = shelf(server, &["exec", "two", "sh", "-c", &script]).good()?;
    let mut all: Vec<String> = ["exec", login.block, "env"].map(str::to_owned).to_vec();
    all.extend(fields.lines().map(str::to_owned));
    all.push("WIRE_HOST=127.0.0.1".to_owned());
    all.push(format!("WIRE_ADMIN_PORT={}", login.admin_port));
    all.extend(more.iter().map(|(name, value)| format!("{name}={value}")));
    all.extend(["/module/grant.sh", verb].map(str::to_owned));
    let words: Vec<&str> = all.iter().map(String::as_str).collect();
    shelf(server, &words).good().with_context(|| format!("{} {verb}", login.block))
}

/// Rotation: the new login works beside the old one, until the old one is revoked; what the old
/// one wrote stays readable. Granting again is harmless.
pub(crate) fn rotate(server: &mut Server) -> Result<()> {
    begun(server)?;
    for login in LOGINS {
        let block = login.block;
        let old = field(server, "two", block, login.name)?;
        let next = format!("{old}_b");
        let password = "N3xtN3xtN3xtN3xtN3xtN3xtN3xtN3xt";
        let upper = |name: &str| name.to_uppercase().replace('-', "_");
        let (name, secret) = (
            format!("WIRE_NEXT_{}", upper(login.name)),
            format!("WIRE_NEXT_{}", upper(login.secret)),
        );
        let as_next = [("USERNAME", next.as_str()), ("PASSWORD", password)];
        let value = format!("before-{block}");
        let works = |environment: &[(&str, &str)]| {
            eventually(15, || {
                let text = attempt(server, "two", &[block, "read"], environment).good()?;
                ensure!(text.trim() == value, "{block}: {text}");
                Ok(())
            })
        };
        attempt(server, "two", &[block, "write", &value], &[]).good()?;
        for _ in 0..2 {
            grant(server, login, "rotate", &[(&name, &next), (&secret, password)])?;
        }
        works(&as_next).context("the new login")?;
        works(&[]).context("the old login beside the new one")?;
        for _ in 0..2 {
            grant(server, login, "revoke", &[])?;
        }
        eventually(15, || {
            refused(
                &attempt(server, "two", &[block, "login"], &[]),
                &format!("{block}: the revoked login"),
            )
        })?;
        works(&as_next).context("the new login alone")?;
        grant(server, login, "grant", &[])?;
        works(&[]).context("the login granted again")?;
    }
    Ok(())
}

/// The uid of a block's pod and how often it was started again.
fn pod(server: &Server, block: &str) -> Result<(String, u64)> {
    let name = format!("{block}-0");
    let text =
        shelf(server, &["kubectl", "-n", "parts", "get", "pod", &name, "-o", "json"]).good()?;
    let pod: Value = serde_json::from_str(&text)?;
    let uid = pod["metadata"]["uid"].as_str().context("a uid")?.to_owned();
    let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_u64();
    Ok((uid, restarts.context("a restart count")?))
}

/// Kills every process of a pod's containers, as the kernel does when memory runs out.
fn kill(uid: &str) -> Result<()> {
    let mut killed = 0;
    for entry in fs::read_dir("/proc")?.flatten() {
        let groups = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if groups.contains(uid) && name.trim_end() != "shelf-keeper" {
            // One that has ended with its parent is what we want.
            let _gone = Command::new("kill").args(["-9", &pid.to_string()]).output();
            killed += 1;
        }
    }
    ensure!(killed > 0, "no process of pod {uid} was found");
    Ok(())
}

/// What a module holds outlives a killed container and a stop of the app.
pub(crate) fn survive(server: &mut Server) -> Result<()> {
    begun(server)?;
    for block in KEEPERS {
        write(server, block, &format!("kept-{block}"))?;
    }
    // Mosquitto says that it writes once a minute: a stop is what it must survive whole.
    for block in KEEPERS.iter().filter(|block| **block != "mosquitto") {
        if *block == "redis" {
            // It says that a second may be lost.
            std::thread::sleep(std::time::Duration::from_millis(1500));
        }
        let (uid, restarts) = pod(server, block)?;
        kill(&uid)?;
        eventually(60, || {
            let (_, now) = pod(server, block)?;
            ensure!(now > restarts, "{block} was not started again");
            expect(server, block, &format!("kept-{block}"))
        })?;
    }
    shelf(server, &["stop"]).good()?;
    shelf(server, &["start"]).good()?;
    for block in KEEPERS {
        eventually(60, || expect(server, block, &format!("kept-{block}")))?;
    }
    Ok(())
}

/// A backup by each module's own programs, read into a fresh app with other passwords, gives the
/// same data, and the fresh app's own logins go on. PostgreSQL's brings its logins along: the verbs
/// of backup and restore make its wires' anew.
pub(crate) fn backup(server: &mut Server) -> Result<()> {
    begun(server)?;
    let keepers = || KEEPERS.iter().filter(|block| **block != "postgres");
    let file = |block: &str| server.scratch(&format!("backup-{block}"));
    for block in keepers() {
        write(server, block, &format!("saved-{block}"))?;
        let out = fs::File::create(file(block))?;
        let done = command(server, &["exec", block, "/module/backup.sh"])
            .stdout(out)
            .stderr(Stdio::piped())
            .spawn()?;
        let done = Ended::new(&done.wait_with_output()?);
        ensure!(done.code == 0, "backup of {block}: {done:?}");
        let size = fs::metadata(file(block))?.len();
        ensure!(size > 100, "the backup of {block} has {size} bytes");
        // The app goes on after it.
        eventually(60, || expect(server, block, &format!("saved-{block}")))?;
    }
    let before = field(server, "one", "redis", "password")?;
    shelf(server, &["destroy", "--yes", "--delete-data", "parts"]).good()?;
    shelf(server, &["go"]).good()?;
    ensure!(field(server, "one", "redis", "password")? != before, "the app is not fresh");
    for block in keepers() {
        let value = format!("saved-{block}");
        ensure!(
            expect(server, block, &value).is_err(),
            "{block}: the data is there before the restore"
        );
        let input = fs::File::open(file(block))?;
        let mut restore = command(server, &["exec", block, "/module/restore.sh"]);
        let done = Ended::new(&restore.stdin(input).output()?);
        ensure!(done.code == 0, "restore of {block}: {done:?}");
        eventually(60, || expect(server, block, &value))?;
        write(server, block, &format!("after-{block}"))?;
    }
    for login in LOGINS {
        attempt(server, "two", &[login.block, "login"], &[]).good().context("after the restore")?;
    }
    shelf(server, &["destroy", "--yes", "--delete-data", "parts"]).good()?;
    Ok(())
}
