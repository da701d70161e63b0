//! What is said of containers: `ps` and `inspect`.

use axum::Json;
use axum::extract::{Path, Query, State};
use jiff::{Timestamp, Unit};
use pod::ContainerState;
use serde_json::{Value, json};

use crate::api::Door;
use crate::entry::{Entry, Phase, seconds};
use crate::error::Result;
use crate::filters::Filters;
use crate::images;
use crate::options::{MAIN, Request};
use crate::values::{Pairs, flag, number};

const NEVER: &str = "0001-01-01T00:00:00Z";
const FILTERS: &[&str] =
    &["id", "name", "label", "status", "ancestor", "exited", "before", "since"];

/// One container, as far as it is said of it in lists and alone.
struct Facts {
    request: Request,
    phase: Phase,
    ip: String,
    image: Option<image::Image>,
    argv: Vec<String>,
}

fn facts(door: &Door, entry: &Entry) -> Result<Facts> {
    let request = entry.request()?;
    let (phase, state) = entry.phase(&door.settings.pods);
    let ip = state.filter(|_| phase.running()).and_then(|state| state.ip);
    let digest = entry.record().image_digest;
    let image = door.settings.images.find(&digest).ok().flatten();
    let container = request.container(0)?;
    let config = image.as_ref().map(|image| image.config.config.clone()).unwrap_or_default();
    let replaced = container.command.is_some();
    let mut argv = container.command.or(config.entrypoint).unwrap_or_default();
    argv.extend(container.args.or(config.cmd.filter(|_| !replaced)).unwrap_or_default());
    let ip = ip.map(|ip| ip.to_string()).unwrap_or_default();
    Ok(Facts { request, phase, ip, image, argv })
}

pub(crate) async fn list(
    State(door): State<Door>,
    Query(query): Query<Pairs>,
) -> Result<Json<Value>> {
    let filters = Filters::parse(&query, FILTERS)?;
    let limit = number::<i64>(&query, "limit")?.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.filter(|limit| *limit > 0);
    let all =
        flag(&query, "all") || limit.is_some() || filters.has("status") || filters.has("exited");
    let made = |name: &str| door.containers.find(name).map(|entry| entry.record().created);
    let mut rows = Vec::new();
    for entry in door.containers.all() {
        let record = entry.record();
        let facts = facts(&door, &entry)?;
        let exit = match &facts.phase {
            Phase::Exited(known) => known.exit.map(|exit| exit.code.to_string()),
            _ => None,
        };
        let image_fits = |wanted: &str| {
            images::find(&door.settings.images, wanted)
                .is_ok_and(|image| image.digest == record.image_digest)
        };
        let wanted = (all || facts.phase.running())
            && filters.any("id", |id| entry.id.starts_with(id))
            && filters.any("name", |name| named(name, &record.name))
            && filters.labels(&labels(&facts))
            && filters.any("status", |status| status == facts.phase.name())
            && filters.any("exited", |code| exit.as_deref() == Some(code))
            && filters.any("ancestor", image_fits)
            && filters.all("before", |name| made(name).is_ok_and(|made| record.created < made))
            && filters.all("since", |name| made(name).is_ok_and(|made| record.created > made));
        if !wanted {
            continue;
        }
        rows.push(row(&entry, &facts));
        if limit.is_some_and(|limit| rows.len() >= limit) {
            break;
        }
    }
    Ok(Json(Value::Array(rows)))
}

/// Docker takes the filter for a regular expression; a piece of the name, `^` and `$` are
/// understood here.
fn named(wanted: &str, name: &str) -> bool {
    let (begin, rest) = match wanted.strip_prefix('^') {
        Some(rest) => (true, rest.strip_prefix('/').unwrap_or(rest)),
        None => (false, wanted.strip_prefix('/').unwrap_or(wanted)),
    };
    match (begin, rest.strip_suffix('$')) {
        (true, Some(rest)) => name == rest,
        (true, None) => name.starts_with(rest),
        (false, Some(rest)) => name.ends_with(rest),
        (false, None) => name.contains(rest),
    }
}

fn labels(facts: &Facts) -> std::collections::BTreeMap<String, String> {
    let mut labels =
        facts.image.as_ref().map(|image| image.config.config.labels.clone()).unwrap_or_default();
    labels.extend(facts.request.labels.clone());
    labels
}

fn row(entry: &Entry, facts: &Facts) -> Value {
    let record = entry.record();
    let network = if facts.request.isolated() { "none" } else { "bridge" };
    json!({
        "Id": entry.id, "Names": [format!("/{}", record.name)], "Image": facts.request.image,
        "ImageID": record.image_digest, "Command": facts.argv.join(" "),
        "Created": seconds(record.created), "Ports": [], "Labels": labels(facts),
        "State": facts.phase.name(), "Status": status(&facts.phase),
        "HostConfig": {"NetworkMode": network},
        "NetworkSettings": {"Networks": {network: {"IPAddress": facts.ip}}},
        "Mounts": mounts(facts),
    })
}

fn status(phase: &Phase) -> String {
    match phase {
        Phase::Created => "Created".to_owned(),
        Phase::Running(known) => format!("Up {}", ago(known.started_at)),
        Phase::Exited(known) => match known.exit {
            Some(exit) => format!("Exited ({}) {} ago", exit.code, ago(exit.finished_at)),
            None => "Exited".to_owned(),
        },
    }
}

/// A length of time in Docker's words.
fn ago(since: Timestamp) -> String {
    let seconds = (Timestamp::now() - since).total(Unit::Second).unwrap_or(0.0).max(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "never negative, and a duration"
    )]
    let seconds = seconds as u64;
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3_600 => format!("{} minutes", seconds / 60),
        3_600..7_200 => "About an hour".to_owned(),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn mounts(facts: &Facts) -> Value {
    let Ok(container) = facts.request.container(0) else { return json!([]) };
    let described = container.mounts.iter().map(|mount| {
        let (kind, source) = match &mount.source {
            pod::MountSource::Host(path) => ("bind", path.display().to_string()),
            pod::MountSource::Tmpfs { .. } => ("tmpfs", String::new()),
        };
        json!({
            "Type": kind, "Source": source, "Destination": mount.destination, "Mode": "",
            "RW": !mount.read_only, "Propagation": "rprivate",
        })
    });
    described.collect()
}

pub(crate) async fn inspect(
    State(door): State<Door>,
    Path(name): Path<String>,
) -> Result<Json<Value>> {
    let entry = door.containers.find(&name)?;
    let facts = facts(&door, &entry)?;
    let record = entry.record();
    let pid = if facts.phase.running() {
        let (pods, id) = (door.settings.pods.clone(), entry.id.clone());
        // One that ends meanwhile has none.
        tokio::task::spawn_blocking(move || pods.pid(&id, MAIN).unwrap_or(0)).await.unwrap_or(0)
    } else {
        0
    };
    let network = if facts.request.isolated() { "none" } else { "bridge" };
    let known = match &facts.phase {
        Phase::Created => None,
        Phase::Running(known) | Phase::Exited(known) => Some(known),
    };
    let (program, arguments) =
        facts.argv.split_first().map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
    Ok(Json(json!({
        "Id": entry.id, "Created": record.created.to_string(), "Path": program, "Args": arguments,
        "State": state(&facts.phase, known.map(AsRef::as_ref), pid),
        "Image": record.image_digest, "Name": format!("/{}", record.name), "RestartCount": 0,
        "Driver": "overlayfs", "Platform": "linux", "MountLabel": "", "ProcessLabel": "",
        "AppArmorProfile": "", "ExecIDs": null,
        "LogPath": known.map(|known| known.log.display().to_string()).unwrap_or_default(),
        "ResolvConfPath": "", "HostnamePath": "", "HostsPath": "",
        "HostConfig": record.request.get("HostConfig").cloned().unwrap_or_else(|| json!({})),
        "GraphDriver": {"Name": "overlayfs", "Data": null},
        "Mounts": mounts(&facts), "Config": config(&entry, &facts),
        "NetworkSettings": {
            "IPAddress": facts.ip, "Ports": {},
            "Networks": {network: {"IPAddress": facts.ip, "Aliases": null, "Links": null}},
        },
    })))
}

fn state(phase: &Phase, known: Option<&ContainerState>, pid: u32) -> Value {
    let exit = known.and_then(|known| known.exit);
    let started = known.map(|known| known.started_at.to_string());
    json!({
        "Status": phase.name(), "Running": phase.running(), "Paused": false, "Restarting": false,
        "OOMKilled": exit.is_some_and(|exit| exit.oom_killed), "Dead": false, "Pid": pid,
        "ExitCode": exit.map_or(0, |exit| exit.code),
        "Error": if exit.is_some_and(|exit| exit.unseen) { "its end was not seen" } else { "" },
        "StartedAt": started.unwrap_or_else(|| NEVER.to_owned()),
        "FinishedAt": exit.map_or_else(|| NEVER.to_owned(), |exit| exit.finished_at.to_string()),
    })
}

fn config(entry: &Entry, facts: &Facts) -> Value {
    let request = &facts.request;
    let image = facts.image.as_ref().map(|image| image.config.config.clone()).unwrap_or_default();
    let mut env = image.env.clone();
    for line in &request.env {
        let name = line.split('=').next().unwrap_or_default();
        env.retain(|known| known.split('=').next() != Some(name));
        env.push(line.clone());
    }
    let hostname = request.spec(&entry.id).map(|spec| spec.hostname).unwrap_or_default();
    let container = request.container(0).ok();
    let command = container.as_ref().and_then(|container| container.command.clone());
    let args = container.and_then(|container| container.args);
    let first =
        |one: &str, other: &str| if one.is_empty() { other.to_owned() } else { one.to_owned() };
    json!({
        "Hostname": hostname, "Domainname": "", "User": first(&request.user, &image.user),
        "AttachStdin": request.attach_stdin, "AttachStdout": request.attach_stdout,
        "AttachStderr": request.attach_stderr, "Tty": request.tty,
        "OpenStdin": request.open_stdin, "StdinOnce": request.stdin_once, "Env": env,
        "Cmd": args.or_else(|| image.cmd.clone().filter(|_| command.is_none())),
        "Entrypoint": command.or_else(|| image.entrypoint.clone()),
        "Image": request.image, "Volumes": null, "OnBuild": null,
        "ExposedPorts": request.exposed_ports(),
        "WorkingDir": first(&request.working_dir, &image.working_dir),
        "Labels": labels(facts),
        "StopSignal": request.stop_signal.clone().or(image.stop_signal),
        "StopTimeout": request.stop_timeout,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_in_part_or_whole() {
        assert!(named("we", "web") && named("^web$", "web") && named("^/web$", "web"));
        assert!(!named("^we$", "web") && !named("x", "web") && named("eb$", "web"));
    }

    #[test]
    fn times_are_told_in_words() {
        let before = |seconds: i64| Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
        assert_eq!(ago(before(5)), "5 seconds");
        assert_eq!(ago(before(61)), "About a minute");
        assert_eq!(ago(before(7_300)), "2 hours");
        assert_eq!(ago(before(-5)), "Less than a second");
    }
}
