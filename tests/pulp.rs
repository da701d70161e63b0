//! The proof application: Pulp, with a real PostgreSQL, a real Redis, one shared disk and three
//! processes of one image, driven by its own command line and by skopeo, and taken apart by drills.
//!
//! `pulp/client.rs` is what drives it, `pulp/uses.rs` what it is used for, `pulp/losses.rs` what it
//! is deprived of, `pulp/keeps.rs` what it keeps, `pulp/upgrade.rs` how it goes on.

mod client;
mod keeps;
mod losses;
mod upgrade;
mod upstream;
mod uses;

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

pub(crate) use client::Pulp;
pub(crate) use keeps::{content_killed, folder_gone, secrets, worker_told};
pub(crate) use losses::{cache_lost, daemon_killed, database_killed, power_cut, worker_killed};
pub(crate) use upgrade::{elsewhere, end, upgrade};
pub(crate) use uses::{files, lends, registry, scale, sync};

use crate::server::{Server, eventually};

/// One `shelf go`: the schema is made once, and everything finds everything.
pub(crate) fn alive(server: &mut Server) -> Result<()> {
    let folder = server.example("pulp")?;
    // How soon Pulp notices that a worker is lost: minutes as shipped, too long for a test.
    let path = folder.join("app.toml");
    let text = fs::read_to_string(&path)?;
    let env = "[pulp.env]\n";
    ensure!(text.contains(env), "examples/pulp has no [pulp.env]");
    fs::write(&path, text.replace(env, &format!("{env}PULP_WORKER_TTL = \"6\"\n")))?;
    // It begins one version back, so that it can be upgraded.
    upgrade::begin_old(&folder)?;
    let went = server.shelf_in("pulp", &["go"]).good()?;
    ensure!(went.contains(&format!("http://pulp.localhost:{}", server.http_port)), "{went}");

    let pulp = Pulp::new(server)?;
    ensure!(went.contains(&pulp.password), "the admin's password is not shown:\n{went}");
    let again = server.shelf_in("pulp", &["go"]).good()?;
    ensure!(again.contains("nothing to do") && !again.contains(&pulp.password), "{again}");
    let migrated = jobs(server, "migrate")?;
    ensure!(migrated == [(1, 0)], "the schema was not made exactly once: {migrated:?}");
    let status = healthy(&pulp, 2)?;
    let wanted = fs::read_to_string(folder.join("pulp/requirements.in"))?;
    for (component, package) in [("core", "pulpcore"), ("container", "pulp-container")] {
        let versions = status["versions"].as_array().into_iter().flatten();
        let found = versions.filter(|one| one["component"] == component);
        let found: Vec<&str> = found.filter_map(|one| one["version"].as_str()).collect();
        let pin = wanted.lines().find_map(|line| line.strip_prefix(&format!("{package}==")));
        let pin = pin.and_then(|pin| pin.split_whitespace().next()).context(package)?;
        ensure!(found == [pin], "{component} is {found:?}, not {pin}");
    }
    Ok(())
}

/// Succeeded and failed pods of each Job of a step.
fn jobs(server: &Server, step: &str) -> Result<Vec<(u64, u64)>> {
    let list = server.object(&["-n", "pulp", "get", "jobs"])?;
    let named =
        |job: &&Value| job["metadata"]["name"].as_str().is_some_and(|name| name.contains(step));
    let counts = |job: &Value| {
        let count = |field: &str| job["status"][field].as_u64().unwrap_or(0);
        (count("succeeded"), count("failed"))
    };
    Ok(list["items"].as_array().into_iter().flatten().filter(named).map(counts).collect())
}

/// Waits until the status says that all is connected and so many workers are there.
pub(crate) fn healthy(pulp: &Pulp, workers: usize) -> Result<Value> {
    eventually(120, || {
        let status = pulp.status()?;
        let connected = |what: &str| status[what]["connected"] == true;
        ensure!(connected("database_connection"), "no database: {status}");
        ensure!(connected("redis_connection"), "no redis: {status}");
        let names = |list: &str| {
            let apps = status[list].as_array().into_iter().flatten();
            let mut names: Vec<&str> = apps.filter_map(|app| app["name"].as_str()).collect();
            names.sort_unstable();
            names.dedup();
            names.len()
        };
        let (online, apis, contents) =
            (names("online_workers"), names("online_api_apps"), names("online_content_apps"));
        ensure!(online == workers, "{online} workers, not {workers}: {status}");
        // Two copies with two processes each. One that was replaced is listed for a while.
        ensure!(apis >= 4 && contents >= 4, "{apis} api, {contents} content: {status}");
        Ok(status)
    })
}

/// Names and addresses of the running pods of a process.
pub(crate) fn pods(server: &Server, process: &str) -> Result<Vec<(String, String)>> {
    let selector = format!("shelf.dev/process={process}");
    let list = server.object(&["-n", "pulp", "get", "pods", "-l", &selector])?;
    let mut found = Vec::new();
    for pod in list["items"].as_array().into_iter().flatten() {
        let text =
            |at: &str| pod.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        if text("/status/phase") == "Running" && pod["metadata"]["deletionTimestamp"].is_null() {
            found.push((text("/metadata/name"), text("/status/podIP")));
        }
    }
    Ok(found)
}

/// How long a task that lost its worker may take to be told so: the hundredth heartbeat of
/// whichever worker is left, at a third of the time to live.
pub(crate) const LOST_TASK: Duration = Duration::from_secs(400);
