//! A shell in a running copy, on a terminal of its own.
//!
//! It runs beside the container's own process, as its user and with its rights, and ends with the
//! one who opened it. Where next: `here.rs` for a copy on this machine, `there.rs` for one on
//! another cluster.

mod here;
mod there;

use bytes::Bytes;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use tokio::sync::mpsc;

use crate::{Error, Result, Target, live, observe};

/// The shell that is there: the better one if the image has it.
const SHELL: &str = "export TERM=xterm-256color; \
                     if [ -x /bin/bash ]; then exec /bin/bash -i; else exec /bin/sh -i; fi";
/// Pieces in flight each way; a slow reader slows the shell.
const PIECES: usize = 16;
/// Bytes of output in one piece, at most.
const PIECE: usize = 16 * 1024;

/// A shell that runs, until [`Shell::end`].
pub struct Terminal {
    /// What is typed.
    pub input: mpsc::Sender<Bytes>,
    /// What is shown. It ends when nobody holds the other side of the terminal any more.
    pub output: mpsc::Receiver<Bytes>,
    /// The process, for its size and its end.
    pub shell: Shell,
}

/// The process of a [`Terminal`]. Cheap to clone.
#[derive(Clone)]
pub struct Shell(Side);

#[derive(Clone)]
enum Side {
    Here(here::Shell),
    There(there::Shell),
}

impl Shell {
    /// Waits for its end; its exit code, if that became known. For one caller.
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub async fn wait(&self) -> Result<Option<i32>> {
        match &self.0 {
            Side::Here(shell) => shell.wait().await.map(Some),
            Side::There(shell) => Ok(shell.wait().await),
        }
    }

    /// Tells it the terminal's new size.
    ///
    /// # Errors
    /// It has ended.
    pub async fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        match &self.0 {
            Side::Here(shell) => shell.resize(rows, columns).await,
            Side::There(shell) => shell.resize(rows, columns).await,
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn end(&self) -> Result<()> {
        match &self.0 {
            Side::Here(shell) => shell.end().await,
            Side::There(shell) => {
                shell.end();
                Ok(())
            }
        }
    }
}

/// Starts a shell in a copy of a block: the named one, or the oldest. `size` is rows and columns.
///
/// # Errors
/// No such copy runs, or it has no shell.
pub async fn terminal(
    target: &Target,
    app: &str,
    block: &str,
    pod: Option<&str>,
    size: (u16, u16),
) -> Result<Terminal> {
    let (copy, container) = copy(target, app, block, pod).await?;
    match &target.cluster {
        None => here::terminal(target, &copy, &container, block, size).await,
        Some(_) => there::terminal(target, app, &copy, &container, size).await,
    }
}

/// A copy that runs, and its main container.
async fn copy(
    target: &Target,
    app: &str,
    block: &str,
    wanted: Option<&str>,
) -> Result<(Pod, String)> {
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
    let running = |copy: Pod| {
        let main = copy.spec.as_ref()?.containers.first()?.name.clone();
        let statuses = copy.status.as_ref()?.container_statuses.as_ref()?;
        let status = statuses.iter().find(|status| status.name == main)?;
        status.state.as_ref()?.running.as_ref()?;
        Some((copy, main))
    };
    copies.into_iter().find_map(running).ok_or_else(|| Error::Unfit {
        code: "copy/absent",
        message: match wanted {
            Some(pod) => format!("{pod} of {block} does not run"),
            None => format!("no copy of {block} runs"),
        },
    })
}
