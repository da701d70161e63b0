//! What Pulp is deprived of, and what must hold afterwards. A task that loses its worker or its
//! database ends as failed once Pulp itself notices, and is not retried: that is Pulp's contract.
//! The platform's part is that everything it needs is back without a command.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::client::{Pulp, random, sha256};
use super::upstream::Upstream;
use super::uses::{PUBLISHED, begin_sync};
use super::{LOST_TASK, healthy, pods};
use crate::life;
use crate::page::Visitor;
use crate::server::{Server, eventually};

/// Enough slow files to keep a worker busy for more than half a minute.
pub(super) const LONG: usize = 1000;

/// The SHA-256 of what was published before anything was lost, as it is served now.
pub(super) fn published(pulp: &Pulp) -> Result<()> {
    let wanted = sha256(&pulp.folder.join("blob.bin"))?;
    let (got, _) = pulp.fetch(&pulp.at(&format!("{PUBLISHED}blob.bin")))?;
    ensure!(got == wanted, "blob.bin is {got}, not {wanted}");
    Ok(())
}

/// Without Redis everything works, only slower; the status says so, and when it is over.
pub(crate) fn cache_lost(server: &mut Server) -> Result<()> {
    let pulp = Pulp::new(server)?;
    let kinds =
        server.kubectl(&["-n", "pulp", "get", "deploy,statefulset", "-o", "name"]).good()?;
    let cache = kinds.lines().find(|name| name.ends_with("/cache")).context("the cache")?;
    let scale = |count: &str| {
        let replicas = format!("--replicas={count}");
        server.kubectl(&["-n", "pulp", "scale", cache, &replicas]).good()
    };
    scale("0")?;
    let worked = works_without_cache(&pulp);
    scale("1")?;
    worked?;
    healthy(&pulp, 2).map(drop)
}

fn works_without_cache(pulp: &Pulp) -> Result<()> {
    eventually(60, || {
        let status = pulp.status()?;
        ensure!(status["redis_connection"]["connected"] == false, "{status}");
        Ok(())
    })?;
    published(pulp)?;
    let file = pulp.folder.join("uncached.bin");
    random(&file, 64 << 10)?;
    let path = file.to_string_lossy();
    let upload = ["file", "content", "upload", "--file", &path, "--relative-path", "uncached.bin"];
    pulp.pulp(&upload).map(drop)
}

/// The restarts of each pod.
pub(super) fn restarts(server: &Server) -> Result<Vec<(String, u64)>> {
    let list = server.object(&["-n", "pulp", "get", "pods"])?;
    let running = list["items"].as_array().into_iter().flatten();
    let mut found: Vec<(String, u64)> = running
        .filter(|pod| pod["status"]["phase"] == "Running")
        .map(|pod| {
            let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            let count = &pod["status"]["containerStatuses"][0]["restartCount"];
            (uid, count.as_u64().unwrap_or(0))
        })
        .collect();
    found.sort();
    Ok(found)
}

/// `kill -9` of the server in the middle of a sync: nothing stops, nothing is asked twice.
pub(crate) fn daemon_killed(server: &mut Server) -> Result<()> {
    let pulp = Pulp::new(server)?;
    let before = restarts(server)?;
    ensure!(before.len() == 8, "{before:?}");
    let upstream = Upstream::start(server, 60)?;
    let task = begin_sync(&pulp, &upstream, "unwatched", "unwatched-slow")?;
    let visitors = ["/pulp/api/v3/livez/", "/pulp/content/"]
        .map(|path| Visitor::come_to("pulp", server.http_port, path));
    server.kill()?;
    std::thread::sleep(Duration::from_secs(3));
    published(&pulp)?;
    let took = server.start()?;
    ensure!(took < Duration::from_secs(30), "the server took {took:?} to come back");
    pulp.ended(&task, "completed", 120)?;
    for visitor in visitors {
        visitor.leave(20)?;
    }
    let after = restarts(server)?;
    ensure!(before == after, "not the same pods:\n{before:?}\n{after:?}");
    healthy(&pulp, 2).map(drop)
}

/// Every process of one container.
pub(super) fn processes(server: &Server, pod: &str, container: &str) -> Result<Vec<u32>> {
    let object = server.object(&["-n", "pulp", "get", "pod", pod])?;
    let uid = object["metadata"]["uid"].as_str().context("the pod's uid")?;
    let group = format!("/{uid}/{container}.");
    let inside = |pid: &u32| {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        groups.contains(&group)
    };
    Ok(server.processes().into_iter().filter(inside).collect())
}

/// Kills every process of one container.
pub(super) fn kill_container(server: &Server, pod: &str, container: &str) -> Result<()> {
    let found = processes(server, pod, container)?;
    ensure!(!found.is_empty(), "no process of {pod}/{container}");
    for pid in found {
        // The first takes the others along: they are gone before their turn.
        let _gone = Command::new("kill").args(["-9", &pid.to_string()]).output();
    }
    Ok(())
}

/// Begins a long sync and waits until it is under way; the task and its worker's pod.
pub(super) fn busy(
    server: &Server,
    pulp: &Pulp,
    from: &Upstream,
    name: &str,
) -> Result<(String, String)> {
    let task = begin_sync(pulp, from, name, &format!("{name}-slow"))?;
    eventually(60, || {
        let shown = pulp.task(&task)?;
        ensure!(shown["state"] == "running", "{shown}");
        let served = from.served.load(std::sync::atomic::Ordering::Relaxed);
        ensure!(served > 0, "nothing is fetched yet");
        // The API does not say who works on it; a worker forks for a task, and only then.
        for (pod, _) in pods(server, "worker")? {
            if processes(server, &pod, "worker")?.len() > 1 {
                return Ok((task.clone(), pod));
            }
        }
        anyhow::bail!("no worker has forked")
    })
}

/// Begins another sync of a repository, from a folder that is not slow.
fn quickly(pulp: &Pulp, upstream: &Upstream, name: &str) -> Result<String> {
    let remote = format!("{name}-quick");
    pulp.pulp(&["file", "remote", "create", "--name", &remote, "--url", &upstream.url(&remote)])?;
    pulp.begin(&["file", "repository", "sync", "--name", name, "--remote", &remote])
}

/// Where tasks are written down between losing something and looking what became of them.
fn remember(pulp: &Pulp, name: &str, tasks: &[&str]) -> Result<()> {
    Ok(fs::write(pulp.folder.join(name), tasks.join("\n"))?)
}

/// `kill -9` of a worker and its task: another takes its place at once.
pub(crate) fn worker_killed(server: &mut Server) -> Result<()> {
    let pulp = Pulp::new(server)?;
    let upstream = Upstream::start(server, LONG)?;
    let (task, pod) = busy(server, &pulp, &upstream, "orphan")?;
    kill_container(server, &pod, "worker")?;
    let began = Instant::now();
    eventually(30, || {
        let object = server.object(&["-n", "pulp", "get", "pod", &pod])?;
        let state = &object["status"]["containerStatuses"][0];
        ensure!(state["restartCount"] == 1 && state["ready"] == true, "{state}");
        Ok(())
    })?;
    healthy(&pulp, 2)?;
    println!("    a worker again after {:.1} s", began.elapsed().as_secs_f64());
    // Waits for the first one's end, whenever Pulp notices it.
    let second = quickly(&pulp, &upstream, "orphan")?;
    remember(&pulp, "orphans", &[&task, &second, &upstream.address.to_string()])
}

/// `kill -9` of PostgreSQL in the middle of a sync: all is back within two minutes, nothing that
/// was acknowledged is lost, and no task stays `running`.
pub(crate) fn database_killed(server: &mut Server) -> Result<()> {
    let pulp = Pulp::new(server)?;
    let upstream = Upstream::start(server, LONG)?;
    let (task, _) = busy(server, &pulp, &upstream, "cut-off")?;
    kill_container(server, "db-0", "db")?;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(15) {
        // An error is an answer, a hang is none.
        pulp.code("GET", "/pulp/api/v3/status/")?;
        std::thread::sleep(Duration::from_millis(500));
    }
    healthy(&pulp, 2)?;
    // The API's status does not wait for the content copies, which end with their database too.
    eventually(120, || published(&pulp))?;
    ensure!(began.elapsed() < Duration::from_secs(120), "{:?}", began.elapsed());
    let over = |task: &Value| {
        ["failed", "completed"].contains(&task["state"].as_str().unwrap_or_default())
    };
    let seconds = LOST_TASK.as_secs();
    eventually(seconds, || {
        let shown = pulp.task(&task)?;
        ensure!(over(&shown), "{} after {:.0?}", shown["state"], began.elapsed());
        Ok(())
    })?;
    println!("    the cut-off task has ended after {:.0} s", began.elapsed().as_secs_f64());
    let again = quickly(&pulp, &upstream, "cut-off")?;
    pulp.ended(&again, "completed", 240)?;

    // What the lost worker had in hand, and who waited for it.
    let orphans = fs::read_to_string(pulp.folder.join("orphans")).unwrap_or_default();
    let mut orphans = orphans.lines();
    if let (Some(first), Some(second)) = (orphans.next(), orphans.next()) {
        pulp.ended(first, "failed", seconds)?;
        eventually(seconds, || {
            let shown = pulp.task(second)?;
            ensure!(over(&shown), "the task that waited is {}", shown["state"]);
            Ok(())
        })?;
    }
    healthy(&pulp, 2).map(drop)
}

/// Everything dies at once; a start of the server brings all back in order, and the schema is not
/// made again.
pub(crate) fn power_cut(server: &mut Server) -> Result<()> {
    let pulp = Pulp::new(server)?;
    healthy(&pulp, 2)?;
    let before = super::jobs(server, "")?;
    life::cut_power(server)?;
    let began = Instant::now();
    server.start()?;
    healthy(&pulp, 2)?;
    println!("    all is back after {:.0} s", began.elapsed().as_secs_f64());
    eventually(120, || published(&pulp))?;
    let after = super::jobs(server, "")?;
    ensure!(before == after, "steps ran again: {before:?} {after:?}");
    let nothing = server.shelf_in("pulp", &["go"]).good()?;
    ensure!(nothing.contains("nothing to do"), "{nothing}");
    Ok(())
}
