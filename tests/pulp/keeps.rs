//! What Pulp keeps to itself, and what it goes on with: secrets, a copy that is told to end or
//! ends by itself, a folder that somebody removed.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::client::Pulp;
use super::losses::{busy, kill_container, published};
use super::upstream::{LOGIN, Upstream};
use super::{healthy, pods};
use crate::page::Visitor;
use crate::server::{Server, eventually};

/// Where the key of the database's fields is, in each process that has it.
const KEY: &str = "/etc/pulp/certs/database_fields.symmetric.key";

/// A password that was given to the API is used by a worker, and stands nowhere in the clear: the
/// keys are in no other container and in no image.
pub(crate) fn secrets(server: &mut Server) -> Result<()> {
    let pulp = Pulp::new(server)?;
    let upstream = Upstream::start(server, 10)?;
    let url = upstream.url("private-locked");
    let stranger = ["file", "remote", "create", "--name", "stranger", "--url", &url];
    pulp.pulp(&stranger)?;
    pulp.pulp(&["file", "repository", "create", "--name", "private"])?;
    let sync = |remote: &str| {
        pulp.begin(&["file", "repository", "sync", "--name", "private", "--remote", remote])
    };
    pulp.ended(&sync("stranger")?, "failed", 120)?;
    let login = ["--username", LOGIN.0, "--password", LOGIN.1];
    let create = ["file", "remote", "create", "--name", "private", "--url", &url];
    pulp.pulp(&[&create[..], &login].concat())?;
    pulp.ended(&sync("private")?, "completed", 120)?;
    let query = "select password from core_remote where name = 'private'";
    let ask = "psql -h 127.0.0.1 -U postgres -At";
    let database = "select datname from pg_database where datname like 'pulp%'";
    let psql = format!(
        "export PGPASSWORD=$POSTGRES_PASSWORD; {ask} -d $({ask} -c \"{database}\") -c \"{query}\""
    );
    let row = server.shelf_in("pulp", &["exec", "-T", "db", "sh", "-c", &psql]).good()?;
    ensure!(row.trim().len() > 40 && !row.contains(LOGIN.1), "the password is kept as {row:?}");

    let object = server.object(&["-n", "pulp", "get", "secret", "pulp-secrets"])?;
    let mut values = Vec::new();
    for name in ["key", "field"] {
        let text = object["data"][name].as_str().with_context(|| format!("the {name} key"))?;
        values.push(String::from_utf8(STANDARD.decode(text)?)?);
    }
    same_key(server, &values[1])?;
    for block in ["db", "cache"] {
        let script =
            format!("cat {KEY}; env; cat /proc/[0-9]*/environ; ls -R /bindings /var/run/secrets");
        let seen = server.shelf_in("pulp", &["exec", "-T", block, "sh", "-c", &script]);
        let seen = format!("{}{}", seen.out, seen.err);
        ensure!(seen.contains("No such file"), "{block} has {KEY}: {seen}");
        ensure!(values.iter().all(|value| !seen.contains(value)), "{block} sees a key");
    }
    // Manifests, histories and what a build wrote down; a large file would be a layer.
    let images = server.data_dir().join("images");
    for value in &values {
        let found = Command::new("find")
            .arg(&images)
            .args(["-type", "f", "-size", "-1024k", "-exec", "grep", "-lF", "-e", value, "{}", "+"])
            .output()?;
        let found = String::from_utf8_lossy(&found.stdout).into_owned();
        ensure!(found.is_empty(), "a key is in an image: {found}");
    }
    Ok(())
}

/// Every process has the one key, from the one Secret: a process with another cannot be written.
fn same_key(server: &Server, key: &str) -> Result<()> {
    for process in ["api", "content", "worker"] {
        for (pod, _) in pods(server, process)? {
            let seen = server.kubectl(&["-n", "pulp", "exec", &pod, "--", "cat", KEY]).good()?;
            ensure!(seen.trim() == key, "{pod} has another key");
        }
    }
    let path = server.example("pulp")?.join("app.toml");
    let good = fs::read_to_string(&path)?;
    let line = "run = \"pulp-worker\", ";
    ensure!(good.contains(line), "no worker in {good}");
    let own = format!("{line} secrets = {{ field = {{ generate = \"base64url:32\" }} }},");
    fs::write(&path, good.replace(line, &own))?;
    let refused = server.shelf_in("pulp", &["check"]);
    fs::write(&path, good)?;
    ensure!(refused.code != 0 && refused.err.contains("secrets"), "{refused:?}");
    Ok(())
}

/// A worker that is told to end in the middle of a task ends it first.
pub(crate) fn worker_told(server: &mut Server) -> Result<()> {
    let pulp = Pulp::new(server)?;
    let upstream = Upstream::start(server, 300)?;
    let (task, pod) = busy(server, &pulp, &upstream, "told")?;
    server.kubectl(&["-n", "pulp", "delete", "pod", &pod, "--wait=false"]).good()?;
    let began = Instant::now();
    let mut seen = 0;
    loop {
        let state = pulp.task(&task)?["state"].clone();
        let there = server.kubectl(&["-n", "pulp", "get", "pod", &pod, "-o", "json"]);
        if state != "running" {
            ensure!(state == "completed", "the task is {state}");
            break;
        }
        ensure!(there.code == 0, "{pod} is gone and its task runs");
        let object: Value = serde_json::from_str(&there.out)?;
        ensure!(object["metadata"]["deletionTimestamp"].is_string(), "{pod} is not told to end");
        seen += 1;
        ensure!(began.elapsed() < Duration::from_secs(180), "the task does not end");
    }
    ensure!(seen > 0, "the task ended before anybody looked: too short to show anything");
    eventually(60, || {
        let there = server.kubectl(&["-n", "pulp", "get", "pod", &pod]);
        ensure!(there.code != 0, "{pod} is still there");
        Ok(())
    })?;
    println!("    its task took {:.0} s more", began.elapsed().as_secs_f64());
    healthy(&pulp, 2).map(drop)
}

/// One of two copies of the content server dies while it is asked: nobody notices.
pub(crate) fn content_killed(server: &mut Server) -> Result<()> {
    let pulp = Pulp::new(server)?;
    let (pod, _) = pods(server, "content")?.into_iter().next().context("a copy")?;
    let path = "/pulp/content/acc/d/PULP_MANIFEST";
    let visitor = Visitor::come_to("pulp", server.http_port, path);
    std::thread::sleep(Duration::from_secs(2));
    kill_container(server, &pod, "content")?;
    eventually(60, || {
        let object = server.object(&["-n", "pulp", "get", "pod", &pod])?;
        let state = &object["status"]["containerStatuses"][0];
        ensure!(state["restartCount"].as_u64() > Some(0) && state["ready"] == true, "{state}");
        Ok(())
    })?;
    std::thread::sleep(Duration::from_secs(2));
    visitor.leave(100)?;
    published(&pulp)
}

/// Somebody removes Pulp's working folder from the shared disk: a restart brings it back.
pub(crate) fn folder_gone(server: &mut Server) -> Result<()> {
    let pulp = Pulp::new(server)?;
    server.shelf_in("pulp", &["exec", "-T", "pulp", "rm", "-rf", "/var/lib/pulp/tmp"]).good()?;
    server.kubectl(&["-n", "pulp", "rollout", "restart", "deployment/pulp-worker"]).good()?;
    server
        .kubectl(&["-n", "pulp", "rollout", "status", "deployment/pulp-worker", "--timeout=120s"])
        .good()?;
    healthy(&pulp, 2)?;
    let upstream = Upstream::start(server, 20)?;
    let task = super::uses::begin_sync(&pulp, &upstream, "regained", "regained")?;
    pulp.ended(&task, "completed", 120)?;
    published(&pulp)
}
