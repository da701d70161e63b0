//! The Docker API, driven by the real docker command line.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::server::{Ended, Server, eventually};

/// Runs the real docker against this server; `input` is its standard input.
pub(crate) fn docker(server: &Server, arguments: &[&str], input: Option<&[u8]>) -> Result<Ended> {
    let mut child = Command::new("docker")
        .args(arguments)
        .env("DOCKER_HOST", format!("unix://{}", server.run_dir().join("docker.sock").display()))
        .env("DOCKER_CONFIG", server.scratch("docker-config"))
        .env("DOCKER_BUILDKIT", "0")
        .env_remove("DOCKER_CONTEXT")
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting docker")?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        std::io::Write::write_all(&mut stdin, input)?;
    }
    Ok(Ended::new(&child.wait_with_output()?))
}

/// Ends and removes what a failed promise left; none is fine.
fn sweep(server: &Server) {
    drop(docker(server, &["rm", "-f", "e2e-lives"], None));
}

/// Build, run in the foreground: output on both streams, input, exit code, nothing left.
pub(crate) fn run(server: &mut Server) -> Result<()> {
    // Made from Debian packages where the server has it not yet.
    docker(server, &["pull", "debian:12"], None)?.good()?;
    let script = "cat; echo to-err >&2; hostname; exit 7";
    let ended = docker(
        server,
        &["run", "--rm", "-i", "--hostname", "inside", "debian:12", "sh", "-c", script],
        Some(b"to-out\n"),
    )?;
    ensure!(ended.code == 7, "{ended:?}");
    ensure!(ended.out == "to-out\ninside\n", "{ended:?}");
    ensure!(ended.err == "to-err\n", "{ended:?}");
    let ended = docker(server, &["run", "--rm", "debian:12", "no-such-program"], None)?;
    ensure!(ended.code == 127, "{ended:?}");
    let left = docker(server, &["ps", "--all", "--quiet"], None)?.good()?;
    ensure!(left.is_empty(), "--rm left {left}");

    let context = server.scratch("docker-context");
    std::fs::create_dir_all(&context)?;
    std::fs::write(context.join("said"), "from the context\n")?;
    std::fs::write(
        context.join("Dockerfile"),
        "FROM debian:12\nCOPY said /said\nRUN tr a-z A-Z </said >/loud\nCMD [\"cat\", \"/loud\"]\n",
    )?;
    let folder = context.to_string_lossy();
    docker(server, &["build", "--tag", "e2e/said:1", &folder], None)?.good()?;
    let out = docker(server, &["run", "--rm", "e2e/said:1"], None)?.good()?;
    ensure!(out == "FROM THE CONTEXT\n", "{out}");
    docker(server, &["rmi", "e2e/said:1"], None)?.good()?;
    Ok(())
}

/// What cannot be done is refused by name, never ignored.
pub(crate) fn refusals(server: &mut Server) -> Result<()> {
    for (option, word) in [
        ("--privileged", "privileged"),
        ("--network=host", "network host"),
        ("--publish=18081:80", "publishing ports"),
        ("--pid=host", "PidMode"),
        ("--device=/dev/null", "Devices"),
        ("--cap-add=SYS_ADMIN", "SYS_ADMIN"),
    ] {
        let ended = docker(server, &["run", "--rm", option, "debian:12", "true"], None)?;
        ensure!(ended.code == 125 && ended.err.contains(word), "{option}: {ended:?}");
    }
    let left = docker(server, &["ps", "--all", "--quiet"], None)?.good()?;
    ensure!(left.is_empty(), "a refusal left {left}");
    Ok(())
}

/// In the background: ps, logs, exec, stop, start with the same files; `kill -9` of the server
/// in between ends nothing, and kubectl's side does not take the container for its own.
pub(crate) fn detached(server: &mut Server) -> Result<()> {
    let result = life(server);
    sweep(server);
    result
}

fn life(server: &mut Server) -> Result<()> {
    let script = "echo begin; trap 'echo bye; exit 3' TERM; while :; do sleep 0.1; done";
    let words = ["run", "-d", "--name", "e2e-lives", "--label", "who=test", "-e", "A=one"];
    let id = docker(server, &[&words[..], &["debian:12", "sh", "-c", script]].concat(), None)?;
    let id = id.good()?.trim().to_owned();
    ensure!(id.len() == 64, "{id}");
    let pid = |server: &Server| {
        docker(server, &["inspect", "--format", "{{.State.Pid}}", "e2e-lives"], None)?.good()
    };
    let before = pid(server)?;
    server.kill()?;
    let alive = before.trim().parse::<u32>()?;
    ensure!(std::path::Path::new(&format!("/proc/{alive}")).exists(), "it died with the server");
    server.start()?;
    // Longer than the first list of pods, after which what is unknown is swept away.
    std::thread::sleep(std::time::Duration::from_secs(2));
    ensure!(pid(server)? == before, "not the same process after the restart");
    let list = ["ps", "--quiet", "--no-trunc", "--filter", "label=who=test"];
    ensure!(docker(server, &list, None)?.good()?.trim() == id);
    let inside = ["exec", "e2e-lives", "sh", "-c", "echo $A; touch /kept; exit 4"];
    let ended = docker(server, &inside, None)?;
    ensure!(ended.code == 4 && ended.out == "one\n", "{ended:?}");
    eventually(10, || {
        let log = docker(server, &["logs", "e2e-lives"], None)?.good()?;
        ensure!(log == "begin\n", "{log}");
        Ok(())
    })?;
    docker(server, &["stop", "e2e-lives"], None)?.good()?;
    let code = docker(server, &["wait", "e2e-lives"], None)?.good()?;
    ensure!(code.trim() == "3", "{code}");
    let log = docker(server, &["logs", "e2e-lives"], None)?.good()?;
    ensure!(log == "begin\nbye\n", "{log}");
    docker(server, &["start", "e2e-lives"], None)?.good()?;
    docker(server, &["exec", "e2e-lives", "test", "-e", "/kept"], None)?.good()?;
    docker(server, &["rm", "-f", "e2e-lives"], None)?.good()?;
    let ended = docker(server, &["inspect", "e2e-lives"], None)?;
    ensure!(ended.code == 1, "{ended:?}");
    Ok(())
}
