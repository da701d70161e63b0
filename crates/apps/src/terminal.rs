//! A shell in a running copy, on a terminal of its own.
//!
//! It runs beside the container's own process, as its user and with its rights, and ends with the
//! one who opened it. Copies on this machine only, as all of them are today.

use std::fs::File;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use crate::{Error, Result, Target, live, observe};

/// The shell that is there: the better one if the image has it.
const SHELL: &str = "if [ -x /bin/bash ]; then exec /bin/bash -i; else exec /bin/sh -i; fi";

/// A shell that runs. Dropping it closes its terminal, which ends the shell.
pub struct Terminal {
    /// What is typed.
    pub input: File,
    /// What is shown.
    pub output: File,
    /// The process, for its size and its end.
    pub shell: Shell,
}

/// The process of a [`Terminal`]. Cheap to clone.
#[derive(Clone)]
pub struct Shell {
    process: Arc<pod::Process>,
    block: String,
}

impl Shell {
    /// Waits for its end; its exit code. Blocks.
    ///
    /// # Errors
    /// Its end cannot be known.
    pub fn wait(&self) -> Result<i32> {
        let exit = self.process.wait().map_err(|source| self.failed("wait for", source))?;
        Ok(exit.code)
    }

    /// Tells it the terminal's new size. Blocks.
    ///
    /// # Errors
    /// It has ended.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        self.process.resize(rows, columns).map_err(|source| self.failed("resize", source))
    }

    /// Ends it. Blocks.
    ///
    /// # Errors
    /// It cannot be reached.
    pub fn end(&self) -> Result<()> {
        // The shell and what it runs notice a terminal that hangs up (POSIX, SIGHUP).
        self.process.kill(1).map_err(|source| self.failed("end", source))?;
        self.process.kill(9).map_err(|source| self.failed("end", source))
    }

    fn failed(&self, what: &str, source: pod::Error) -> Error {
        Error::Shell { block: self.block.clone(), what: what.to_owned(), source: Box::new(source) }
    }
}

/// Starts a shell in a copy of a block: the named one, or the oldest.
///
/// # Errors
/// No such copy runs here, or it has no shell.
pub async fn terminal(
    target: &Target,
    app: &str,
    block: &str,
    pod: Option<&str>,
    size: (u16, u16),
) -> Result<Terminal> {
    target.must_be_here("terminals of the canvas")?;
    let (id, container) = copy(target, app, block, pod).await?;
    let (pods, block) = (target.pods.clone(), block.to_owned());
    let start = move || start(&pods, &id, &container, block, size);
    let started = tokio::task::spawn_blocking(start).await;
    started.map_err(|source| Error::Task { what: "a terminal".into(), source })?
}

/// The id and the main container of a copy that runs.
async fn copy(
    target: &Target,
    app: &str,
    block: &str,
    wanted: Option<&str>,
) -> Result<(String, String)> {
    let api: Api<Pod> = Api::namespaced(target.client.clone(), app);
    let params = ListParams::default().labels(&live::selector(app));
    let pods = api.list(&params).await.map_err(Error::api(format!("list pods of {app}")))?;
    let mut copies: Vec<Pod> = pods
        .into_iter()
        .filter(|copy| observe::block_of(copy) == Some(block))
        .filter(|copy| match wanted {
            Some(wanted) => copy.name_any() == wanted,
            None => copy.labels().contains_key("shelf.dev/process"),
        })
        .collect();
    copies.sort_by_key(|copy| copy.metadata.creation_timestamp.as_ref().map(|time| time.0));
    let running = |copy: &Pod| {
        let main = copy.spec.as_ref()?.containers.first()?.name.clone();
        let statuses = copy.status.as_ref()?.container_statuses.as_ref()?;
        let status = statuses.iter().find(|status| status.name == main)?;
        status.state.as_ref()?.running.as_ref()?;
        Some((copy.metadata.uid.clone()?, main))
    };
    copies.iter().find_map(running).ok_or_else(|| Error::Unfit {
        code: "copy/absent",
        message: match wanted {
            Some(pod) => format!("{pod} of {block} does not run"),
            None => format!("no copy of {block} runs"),
        },
    })
}

fn start(
    pods: &pod::Pods,
    id: &str,
    container: &str,
    block: String,
    size: (u16, u16),
) -> Result<Terminal> {
    let exec = pod::Exec {
        args: ["/bin/sh", "-c", SHELL].map(str::to_owned).to_vec(),
        stdin: true,
        terminal: Some(size),
    };
    let overrides = pod::Overrides {
        env: vec![("TERM".into(), "xterm-256color".into())],
        ..pod::Overrides::default()
    };
    let started = pods.exec_as(id, container, &exec, &overrides);
    let mut session = started.map_err(|source| Error::Shell {
        block: block.clone(),
        what: "start".to_owned(),
        source: Box::new(source),
    })?;
    match (session.stdin.take(), session.stdout.take()) {
        (Some(input), Some(output)) => {
            Ok(Terminal { input, output, shell: Shell { process: session.process, block } })
        }
        _ => Err(Error::Unfit {
            code: "copy/terminal",
            message: format!("the shell in {block} got no terminal"),
        }),
    }
}
