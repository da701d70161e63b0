//! `cargo x bench`: the start of a container, beside the peer, in one run.
//!
//! One docker client drives both: Debian's dockerd and our server on its Docker socket, with the
//! same image (scratch and a static busybox). Rounds alternate, so that a machine that gets slower
//! gets slower for both; medians and the median of the per-round ratios are printed. It judges
//! nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::host::{Need, cargo, host_tuple, install, require_root, root};

const ROUNDS: usize = 15;

const NEEDS: &[Need] = &[
    Need { program: "dockerd", package: "docker.io", why: "the peer" },
    Need { program: "docker", package: "docker.io", why: "the client of both" },
    Need { program: "busybox", package: "busybox-static", why: "the tiny image" },
];

/// One engine under the client.
struct Side {
    name: &'static str,
    socket: PathBuf,
    server: Child,
}

/// Runs the comparison and prints the table.
///
/// # Errors
/// Says which server did not start or which command failed.
pub(crate) fn run() -> Result<()> {
    require_root("bench")?;
    install(NEEDS)?;
    cargo(&["build", "--release", "--package", "cli"])?;
    let folder = PathBuf::from(format!("/var/tmp/shelf-bench-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let measured = compare(&folder);
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    measured
}

fn compare(folder: &Path) -> Result<()> {
    let ours = start_ours(folder)?;
    let peer = start_peer(folder);
    let result = peer.and_then(|mut peer| {
        let result = tables(folder, &ours, &peer);
        // Told to end as an init system would; it removes its own mounts.
        Command::new("kill").arg(peer.server.id().to_string()).status()?;
        peer.server.wait()?;
        result
    });
    let shelf = root().join("target").join(host_tuple()?).join("release/shelf");
    let stop = Command::new(shelf)
        .args(["serve", "--stop", "--containers"])
        .env("SHELF_RUN_DIR", folder.join("run"))
        .stdout(Stdio::null())
        .status()?;
    ensure!(stop.success(), "our server did not end when told");
    let mut server = ours.server;
    server.wait()?;
    result
}

fn tables(folder: &Path, ours: &Side, peer: &Side) -> Result<()> {
    let context = folder.join("tiny");
    fs::create_dir_all(&context)?;
    let busybox =
        ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).is_file());
    fs::copy(busybox.context("busybox")?, context.join("busybox"))?;
    fs::write(
        context.join("Dockerfile"),
        "FROM scratch\nCOPY busybox /bin/true\nCMD [\"/bin/true\"]\n",
    )?;
    for side in [ours, peer] {
        docker(side, &["build", "-q", "-t", "tiny", &context.to_string_lossy()])?;
        docker(side, &["run", "--rm", "tiny"])?;
    }
    println!("{:<34} {:>10} {:>10} {:>8}", "median of 15, ms", "shelf", "docker", "ratio");
    row("docker version (client alone)", ours, peer, &["version"])?;
    row("run --rm tiny true", ours, peer, &["run", "--rm", "tiny"])?;
    row("run --rm --network none", ours, peer, &["run", "--rm", "--network", "none", "tiny"])?;
    println!(
        "{:<34} {:>10.1} {:>10.1}",
        "server at rest, MiB PSS",
        pss_mib(ours.server.id()),
        pss_mib(peer.server.id()) + children_mib(peer.server.id())
    );
    Ok(())
}

fn row(what: &str, ours: &Side, peer: &Side, arguments: &[&str]) -> Result<()> {
    let (mut our_times, mut peer_times, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let our = docker(ours, arguments)?.as_secs_f64() * 1e3;
        let theirs = docker(peer, arguments)?.as_secs_f64() * 1e3;
        our_times.push(our);
        peer_times.push(theirs);
        ratios.push(our / theirs);
    }
    println!(
        "{what:<34} {:>10.1} {:>10.1} {:>8.2}",
        median(&mut our_times),
        median(&mut peer_times),
        median(&mut ratios)
    );
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn docker(side: &Side, arguments: &[&str]) -> Result<Duration> {
    let began = Instant::now();
    let output = Command::new("docker")
        .args(arguments)
        .env("DOCKER_HOST", format!("unix://{}", side.socket.display()))
        .env("DOCKER_BUILDKIT", "0")
        .stdin(Stdio::null())
        .output()?;
    let took = began.elapsed();
    ensure!(
        output.status.success(),
        "{}: docker {}: {}",
        side.name,
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(took)
}

fn start_ours(folder: &Path) -> Result<Side> {
    let shelf = root().join("target").join(host_tuple()?).join("release/shelf");
    let server = Command::new(shelf)
        .arg("serve")
        .arg("--data-dir")
        .arg(folder.join("data"))
        .arg("--run-dir")
        .arg(folder.join("run"))
        .args(["--http", "127.0.0.1:0", "--api", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("shelf.log"))?)
        .spawn()?;
    ready(Side { name: "shelf", socket: folder.join("run/docker.sock"), server })
}

fn start_peer(folder: &Path) -> Result<Side> {
    let socket = folder.join("dockerd.sock");
    // In a network namespace of its own: its bridge and its rules go with it.
    let server = Command::new("unshare")
        .args(["--net", "--", "dockerd"])
        .arg("--data-root")
        .arg(folder.join("dockerd"))
        .arg("--exec-root")
        .arg(folder.join("dockerd-run"))
        .arg("--pidfile")
        .arg(folder.join("dockerd.pid"))
        .args(["-H", &format!("unix://{}", socket.display()), "--bip", "10.201.0.1/24"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("dockerd.log"))?)
        .spawn()
        .context("starting dockerd")?;
    ready(Side { name: "docker", socket, server })
}

fn ready(mut side: Side) -> Result<Side> {
    let began = Instant::now();
    while docker(&side, &["version"]).is_err() {
        if let Some(status) = side.server.try_wait()? {
            anyhow::bail!("the server of {} ended: {status}", side.name);
        }
        ensure!(began.elapsed() < Duration::from_secs(60), "{} does not answer", side.name);
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(side)
}

/// Proportional set size of a process in MiB; 0 if it has gone.
fn pss_mib(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("Pss:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// The same of a process's children: dockerd's containerd.
fn children_mib(pid: u32) -> f64 {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut children: Vec<u32> = tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect();
    if let Ok(text) = fs::read_to_string(path) {
        children.extend(text.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    children.sort_unstable();
    children.dedup();
    children.into_iter().map(pss_mib).sum()
}
