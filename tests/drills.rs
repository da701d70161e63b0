//! Drills: a part of Shelf is killed, or its disk is full, while the app serves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::go::place_order;
use crate::page::{get, request_to};
use crate::server::{Server, eventually};

/// Size of the second server's disk: a tiny image and its pod fit easily.
const DISK: &str = "size=64m";

/// The first process whose name and control groups or arguments fit.
fn process(fits: impl Fn(&str, &Path) -> bool) -> Option<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            fits(name.trim_end(), &entry.path())
        })
        .find_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn parent(process: &Path) -> Option<u32> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// The keeper of a pod: the parent of whatever runs in the pod's control groups.
fn keeper(uid: &str) -> Option<u32> {
    process(|name, pid| {
        let number = pid.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
        name == "shelf-keeper"
            && process(|_, child| {
                let groups = fs::read_to_string(child.join("cgroup")).unwrap_or_default();
                groups.contains(uid) && parent(child) == number
            })
            .is_some()
    })
}

fn kill(pid: u32) -> Result<()> {
    let status = Command::new("kill").args(["-9", &pid.to_string()]).status()?;
    ensure!(status.success(), "process {pid} cannot be killed");
    Ok(())
}

/// The pod of the shop whose name begins so: its uid and how often it was started again.
fn pod(server: &Server, begins: &str) -> Result<(String, u64)> {
    let list = server.object(&["get", "pods"])?;
    let pod = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|pod| {
            pod["status"]["phase"] == "Running"
                && pod["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(begins))
        })
        .with_context(|| format!("no running pod {begins}…"))?;
    let uid = pod["metadata"]["uid"].as_str().context("a uid")?.to_owned();
    let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_u64();
    Ok((uid, restarts.context("a restart count")?))
}

/// `kill -9` of a pod's keeper takes that pod's containers and no other's; it starts again by
/// itself, with its data, and the start is counted.
pub(crate) fn keeper_killed(server: &mut Server) -> Result<()> {
    let number = place_order(server, "before the keeper was killed")?;
    let (uid, restarts) = pod(server, "db-0")?;
    let others = [pod(server, "jobs-0")?, pod(server, "web-")?];
    kill(keeper(&uid).context("the keeper of db-0")?)?;
    eventually(60, || {
        let (same, now) = pod(server, "db-0")?;
        ensure!(same == uid && now == restarts + 1, "{same} started again {now} times, not once");
        let orders = crate::go::orders(server)?;
        ensure!(orders.iter().any(|order| order["id"] == number), "the order is lost");
        Ok(())
    })?;
    ensure!(pod(server, "jobs-0")? == others[0], "the broker was disturbed");
    let web = pod(server, "web-")?;
    ensure!(web.0 == others[1].0, "the web pod was replaced");
    Ok(())
}

/// `kill -9` of the front door: it comes back by itself on the same address.
pub(crate) fn front_door_killed(server: &mut Server) -> Result<()> {
    let run = server.run_dir().to_string_lossy().into_owned();
    let door = || {
        process(|_, pid| {
            let arguments = fs::read(pid.join("cmdline")).unwrap_or_default();
            let arguments = String::from_utf8_lossy(&arguments).into_owned();
            arguments.starts_with("shelf-door\0") && arguments.contains(&run)
        })
    };
    let first = door().context("the front door's process")?;
    kill(first)?;
    let began = Instant::now();
    eventually(10, || get(server.http_port, "/"))?;
    ensure!(began.elapsed() < Duration::from_secs(5), "the page was away {:?}", began.elapsed());
    ensure!(door().is_some_and(|now| now != first), "who answers?");
    Ok(())
}

/// A file system of a certain size, unmounted whatever happens.
struct Disk {
    path: PathBuf,
}

impl Disk {
    fn mount(path: PathBuf) -> Result<Disk> {
        fs::create_dir_all(&path)?;
        let mut mount = Command::new("mount");
        let status = mount.args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(&path).status()?;
        ensure!(status.success(), "no tmpfs on {}", path.display());
        Ok(Disk { path })
    }

    /// Writes until not one page is free.
    fn fill(&self) -> Result<()> {
        let mut file = fs::File::create(self.path.join("filler"))?;
        let mut size = 1 << 20;
        while size >= 512 {
            if std::io::Write::write_all(&mut file, &vec![0; size]).is_err() {
                size /= 2;
            }
        }
        Ok(())
    }

    fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.path.join("filler"))?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

fn write_tiny(folder: &Path, page: &str) -> Result<()> {
    let web = folder.join("web");
    fs::create_dir_all(&web)?;
    let busybox =
        ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).is_file());
    fs::copy(busybox.context("no busybox here")?, web.join("busybox"))?;
    fs::write(web.join("index.html"), page)?;
    fs::write(
        web.join("Dockerfile"),
        "FROM scratch\nCOPY busybox /bin/busybox\nCOPY index.html /www/\n\
         CMD [\"/bin/busybox\", \"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n",
    )?;
    fs::write(
        folder.join("app.toml"),
        "app = \"tiny\"\n[web]\nsource = \"./web\"\n[web.run]\nweb = { port = 8080, path = \"/\" }\n",
    )?;
    Ok(())
}

/// A full disk is an error, not a state: the page goes on, every refusal says what is full,
/// nothing acknowledged is lost, and with room again all goes on without a restart.
pub(crate) fn full_disk(_shop: &mut Server) -> Result<()> {
    let mut second = Server::beside()?;
    let disk = Disk::mount(second.data_dir())?;
    let result = second.start().and_then(|_| full(&second, &disk));
    let instance = second.instance();
    second.end();
    drop(disk);
    result?;
    // The tiny app ran when the server was told to end with its containers.
    ensure!(!instance.is_empty(), "a server without a name");
    let name = format!("*{instance}*");
    let find = ["/sys/fs/cgroup", "-type", "d", "-name", &name];
    let groups = Command::new("find").args(find).output()?.stdout;
    ensure!(groups.is_empty(), "control groups left: {}", String::from_utf8_lossy(&groups));
    Ok(())
}

fn full(second: &Server, disk: &Disk) -> Result<()> {
    let folder = second.scratch("tiny");
    write_tiny(&folder, "first page")?;
    let go = || -> Result<_> { Ok(second.command(&["go"]).current_dir(&folder).output()?) };
    let first = go()?;
    let told = String::from_utf8_lossy(&first.stderr);
    ensure!(first.status.success(), "{told}");
    ensure!(told.contains("MB are left on the disk of"), "a small disk is not told: {told}");
    let status = second.command(&["status"]).current_dir(&folder).output()?;
    let told = String::from_utf8_lossy(&status.stdout);
    ensure!(told.contains("MB are left on the disk of"), "status says nothing of it: {told}");
    let nodes: Value = second.object(&["get", "nodes"])?;
    let conditions = nodes["items"][0]["status"]["conditions"].as_array();
    let pressed = conditions.into_iter().flatten().find(|one| one["type"] == "DiskPressure");
    ensure!(pressed.is_some_and(|one| one["status"] == "True"), "{conditions:?}");
    let page = || tiny_page(second);
    ensure!(page()?.contains("first page"), "another page");
    let map = |arguments: &[&str]| second.kubectl(&[arguments, &["-n", "default"]].concat());
    let acked = map(&["create", "configmap", "kept", "--from-literal=a=b"]).good()?;
    ensure!(acked.contains("created"), "{acked}");

    disk.fill()?;
    ensure!(page()?.contains("first page"), "the page ended with the disk");
    let refused = map(&["create", "configmap", "refused", "--from-literal=a=b"]);
    ensure!(refused.code != 0, "a write was acknowledged that had no room");
    let data = second.data_dir().to_string_lossy().into_owned();
    ensure!(refused.err.contains("full") && refused.err.contains(&data), "{}", refused.err);
    map(&["get", "configmap", "kept"]).good()?;
    write_tiny(&folder, "second page")?;
    let ended = go()?;
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    ensure!(ended.status.code() == Some(1), "{:?}: {text}", ended.status);
    ensure!(text.contains("No space left") || text.contains("full"), "{text}");
    ensure!(text.contains("help: make room"), "{text}");
    ensure!(page()?.contains("first page"), "a go that failed has changed the page");

    disk.free()?;
    eventually(30, || {
        let ended = go()?;
        ensure!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        ensure!(page()?.contains("second page"), "still the first page");
        Ok(())
    })?;
    map(&["get", "configmap", "kept"]).good()?;
    let gone = map(&["get", "configmap", "refused"]);
    ensure!(gone.code != 0, "what was refused is there: {}", gone.out);
    let stage = fs::read_dir(second.data_dir().join("images/stage"))?.count();
    ensure!(stage == 0, "{stage} half-made layers are left");
    let pods: Value = second.object(&["get", "pods", "-n", "tiny"])?;
    for pod in pods["items"].as_array().into_iter().flatten() {
        let restarts = &pod["status"]["containerStatuses"][0]["restartCount"];
        ensure!(*restarts == 0, "restarted: {pod}");
    }
    Ok(())
}

fn tiny_page(second: &Server) -> Result<String> {
    let answer = request_to("tiny", second.http_port, "GET", "/", None)?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(answer.body)
}
