//! Reaching into a block: ports brought here, the client of a wire with its own login, a shell.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::page::get;
use crate::server::{Ended, Server, eventually};

/// A command that runs until it is ended, with where it says more: kubectl does for each
/// connection, and would end if nobody listened.
struct Standing {
    child: Child,
    _said: BufReader<ChildStdout>,
}

impl Standing {
    fn start(mut command: Command) -> Result<(Self, String)> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().context("stdout")?);
        said.read_line(&mut line)?;
        Ok((Self { child, _said: said }, line))
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// The port in `127.0.0.1:4711 …`.
fn port(line: &str) -> Result<u16> {
    let rest =
        line.split("127.0.0.1:").nth(1).with_context(|| format!("no address in {line:?}"))?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Ok(digits.parse()?)
}

/// kubectl and `shelf forward` bring a port of a block here, again and again; a port that nobody
/// listens on is said.
pub(crate) fn ports(server: &mut Server) -> Result<()> {
    let (_kubectl, line) = Standing::start(server.command(&[
        "kubectl",
        "-n",
        "shop",
        "port-forward",
        "deployment/web",
        ":8080",
    ]))?;
    let there = port(&line)?;
    for _ in 0..5 {
        ensure!(get(there, "/")?.contains("mug"), "not the shop's page");
    }
    let (_forward, line) = Standing::start(server.command(&["forward", "web"]))?;
    ensure!(line.contains("leads to shop/web-"), "{line}");
    let here = port(&line)?;
    for _ in 0..5 {
        ensure!(get(here, "/")?.contains("mug"), "not the shop's page");
    }
    // The first goes on while the second works.
    ensure!(get(there, "/")?.contains("mug"));
    let (_nobody, line) = Standing::start(server.command(&["forward", "db:9"]))?;
    ensure!(get(port(&line)?, "/").is_err(), "somebody listens on port 9");
    let none = server.shelf(&["forward", "nobody"]);
    ensure!(none.code == 3 && none.err.contains("block/absent"), "{none:?}");
    Ok(())
}

/// `connect` is the wire's own login, which no command line has; `shell` takes what it is given.
pub(crate) fn clients(server: &mut Server) -> Result<()> {
    let who = server.shelf(&["connect", "web.db", "--", "-tAc", "select session_user"]).good()?;
    ensure!(who.starts_with("web_db"), "{who}");
    let same = server.shelf(&["connect", "db", "--", "-tAc", "select count(*) > 0 from products"]);
    ensure!(same.good()?.trim() == "t", "it does not see what the wire sees");
    let secret = server.object(&["get", "secret", "web-db"])?["data"]["password"].clone();
    let secret = Command::new("sh")
        .args(["-c", "echo \"$PASSWORD\" | base64 -d"])
        .env("PASSWORD", secret.as_str().context("a password")?)
        .output()?;
    let mut slow = server
        .command(&["connect", "web.db", "--", "-c", "select pg_sleep(3)"])
        .stdout(Stdio::null())
        .spawn()?;
    eventually(10, || {
        let mut seen = false;
        for entry in fs::read_dir("/proc")?.flatten() {
            let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
            let told = line.windows(secret.stdout.len()).any(|part| part == secret.stdout);
            ensure!(!told, "the password is in {}", String::from_utf8_lossy(&line));
            seen |= line.starts_with(b"psql\0") || line.windows(8).any(|part| part == b"pg_sleep");
        }
        ensure!(seen, "no client runs");
        Ok(())
    })?;
    ensure!(slow.wait()?.success());
    let left = server.shelf(&["exec", "-T", "db", "--", "sh", "-c", "ls /dev/shm /tmp"]).good()?;
    ensure!(!left.contains("login."), "a login was left behind: {left}");
    let none = server.shelf(&["connect", "web.jobs"]);
    ensure!(none.code == 3 && none.err.contains("connect/client"), "{none:?}");

    let mut shell = server
        .command(&["shell", "web"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    shell.stdin.take().context("stdin")?.write_all(b"echo $((6*7))\nexit 5\n")?;
    let ended = Ended::new(&shell.wait_with_output()?);
    ensure!(ended.code == 5 && ended.out.contains("42"), "{ended:?}");
    // What the server does without is not kept from containers.
    let pages = server.shelf(&["exec", "-T", "web", "--", "grep", "THP_enabled", "/proc/1/status"]);
    ensure!(pages.good()?.contains('1'), "no huge pages in a container");
    Ok(())
}
