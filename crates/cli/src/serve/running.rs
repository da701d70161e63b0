//! One server per data directory, and how it is told to end.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::routing::post;
use axum::{Json, Router};
use fs_err as fs;
use http::Method;
use rustix::fs::FlockOperation;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::commands::{Outcome, say};
use crate::error::{Code, Failure};
use crate::settings::{Global, Serve};

/// How the server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Containers, front door and names stay up.
    Alone,
    /// Containers and the network end too.
    WithContainers,
}

/// The claim on a data directory and a run directory; the locks go with the process.
pub(crate) struct Running {
    _locks: [File; 2],
    pid_file: PathBuf,
}

impl Running {
    /// Takes both directories for this process.
    ///
    /// # Errors
    /// Names the process that holds one of them.
    pub(crate) fn claim(data_dir: &Path, run_dir: &Path) -> Result<Running, Failure> {
        let data = lock(data_dir, run_dir)?;
        let run = lock(run_dir, run_dir)?;
        let pid_file = run_dir.join("shelf.pid");
        fs::write(&pid_file, format!("{}\n", std::process::id()))
            .map_err(|error| Failure::new(Code::Failed, "serve/pid", format!("{error}")))?;
        Ok(Running { _locks: [data, run], pid_file })
    }

    /// Waits for SIGTERM, SIGINT or a request to end.
    pub(crate) async fn wait(&self, mut asked: mpsc::Receiver<Ending>) -> Ending {
        let (Ok(mut term), Ok(mut int)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return asked.recv().await.unwrap_or(Ending::Alone);
        };
        tokio::select! {
            _ = term.recv() => Ending::Alone,
            _ = int.recv() => Ending::Alone,
            ending = asked.recv() => ending.unwrap_or(Ending::Alone),
        }
    }

    /// Gives the directories free.
    pub(crate) fn release(self) {
        // Left behind it would only name a process that is gone; the lock is what counts.
        let _left = fs::remove_file(&self.pid_file);
    }
}

fn lock(dir: &Path, run_dir: &Path) -> Result<File, Failure> {
    let path = dir.join("lock");
    let fails = |error: std::io::Error| {
        Failure::new(Code::Failed, "serve/lock", format!("{}: {error}", path.display()))
    };
    let file =
        File::options().create(true).truncate(false).write(true).open(&path).map_err(fails)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let pid = fs::read_to_string(run_dir.join("shelf.pid")).unwrap_or_default();
            Err(Failure::new(
                Code::Failed,
                "serve/running",
                format!("another shelf serve (pid {}) holds {}", pid.trim(), dir.display()),
            )
            .hint("use it, end it (shelf serve --stop), or give this one directories of its own:  --data-dir DIR --run-dir DIR"))
        }
        Err(error) => Err(fails(error.into())),
    }
}

/// The route by which `shelf serve --stop` asks.
pub(crate) fn router(ask: mpsc::Sender<Ending>) -> Router {
    Router::new().route("/v1/shutdown", post(shutdown)).with_state(ask)
}

#[derive(serde::Deserialize)]
struct Shutdown {
    #[serde(default)]
    containers: bool,
}

async fn shutdown(
    State(ask): State<mpsc::Sender<Ending>>,
    Query(shutdown): Query<Shutdown>,
) -> Json<Value> {
    let ending = if shutdown.containers { Ending::WithContainers } else { Ending::Alone };
    // A full queue means that it has been told already.
    let _told = ask.try_send(ending);
    Json(json!({"ending": true}))
}

/// Whether a process has not ended; one that its parent has not asked about yet has.
fn lives(process: &Path) -> bool {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Whether a process of this server's control groups has not ended: keepers and what they kept. Until
/// then its program cannot be written, nor its directories be given to another.
fn group_lives(group: &str) -> bool {
    let part = format!("/{group}/");
    let of_group = |process: &Path| {
        let groups = fs::read_to_string(process.join("cgroup")).unwrap_or_default();
        groups.lines().any(|line| format!("{line}/").contains(&part))
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    processes.into_iter().any(|process| of_group(&process) && lives(&process))
}

/// Ends the running server and waits until it is gone, and with `--containers` all that it began.
pub(crate) async fn stop(global: &Global, options: &Serve) -> Outcome {
    let client = global.client();
    let about = client.json(Method::GET, "/v1/version", None).await?;
    let path = format!("/v1/shutdown?containers={}", options.containers);
    client.json(Method::POST, &path, None).await?;
    let deadline = Instant::now() + Duration::from_secs(60);
    let group = format!("shelf-{}", about["instance"].as_str().unwrap_or_default());
    let there = || {
        let server = lives(&PathBuf::from(format!("/proc/{}", about["pid"])));
        server || options.containers && group_lives(&group)
    };
    while there() {
        if Instant::now() > deadline {
            return Err(Failure::new(
                Code::TimedOut,
                "serve/stop",
                format!(
                    "the server (pid {}) was told to end 60 s ago and is still there",
                    about["pid"]
                ),
            ));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    say(if options.containers {
        "the server and its containers have ended; data stays, and shelf serve brings all back"
    } else {
        "the server has ended; its containers go on"
    })?;
    Ok(ExitCode::SUCCESS)
}
