//! A shell in a copy on this machine, started by its engine. A terminal is read and written by
//! calls that block, so each way has a thread.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use k8s_openapi::api::core::v1::Pod;
use tokio::sync::mpsc;

use super::{PIECE, PIECES, SHELL, Side, Terminal};
use crate::{Error, Result, Target};

#[derive(Clone)]
pub(super) struct Shell {
    process: Arc<pod::Process>,
    block: String,
}

impl Shell {
    pub(super) async fn wait(&self) -> Result<i32> {
        self.blocking("wait for", |process| process.wait().map(|exit| exit.code)).await
    }

    pub(super) async fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        self.blocking("resize", move |process| process.resize(rows, columns)).await
    }

    pub(super) async fn end(&self) -> Result<()> {
        // The shell and what it runs notice a terminal that hangs up (POSIX, SIGHUP).
        self.blocking("end", |process| process.kill(1).and_then(|()| process.kill(9))).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        what: &'static str,
        act: impl FnOnce(&pod::Process) -> std::result::Result<T, pod::Error> + Send + 'static,
    ) -> Result<T> {
        let process = self.process.clone();
        let done = tokio::task::spawn_blocking(move || act(&process)).await;
        let done = done.map_err(|source| Error::Task { what: "a terminal".into(), source })?;
        done.map_err(|source| failed(&self.block, what, source))
    }
}

fn failed(block: &str, what: &str, source: pod::Error) -> Error {
    Error::Shell { block: block.to_owned(), what: what.to_owned(), source: Box::new(source) }
}

pub(super) async fn terminal(
    target: &Target,
    copy: &Pod,
    container: &str,
    block: &str,
    size: (u16, u16),
) -> Result<Terminal> {
    let id = copy.metadata.uid.clone().unwrap_or_default();
    let (pods, block, container) = (target.pods.clone(), block.to_owned(), container.to_owned());
    let start = move || start(&pods, &id, &container, block, size);
    let started = tokio::task::spawn_blocking(start).await;
    started.map_err(|source| Error::Task { what: "a terminal".into(), source })?
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
    let session = pods.exec(id, container, &exec);
    let mut session = session.map_err(|source| failed(&block, "start", source))?;
    let (Some(typed), Some(shown)) = (session.stdin.take(), session.stdout.take()) else {
        return Err(Error::Unfit {
            code: "copy/terminal",
            message: format!("the shell in {block} got no terminal"),
        });
    };
    let (input, typing) = mpsc::channel(PIECES);
    let (showing, output) = mpsc::channel(PIECES);
    on_a_thread("terminal-input", move || type_in(typed, typing));
    on_a_thread("terminal-output", move || show(shown, &showing));
    let shell = Shell { process: session.process, block };
    Ok(Terminal { input, output, shell: super::Shell(Side::Here(shell)) })
}

fn type_in(mut terminal: File, mut typing: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = typing.blocking_recv() {
        // A shell that reads no more is about to end.
        if terminal.write_all(&bytes).is_err() {
            return;
        }
    }
}

fn show(mut terminal: File, showing: &mpsc::Sender<Bytes>) {
    let mut piece = vec![0; PIECE];
    // A terminal ends with EIO once nobody holds its other side.
    while let Ok(count @ 1..) = terminal.read(&mut piece) {
        if showing.blocking_send(Bytes::copy_from_slice(&piece[..count])).is_err() {
            return;
        }
    }
}

fn on_a_thread(name: &str, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = std::thread::Builder::new().name(name.into()).spawn(work) {
        tracing::error!(%error, name, "no thread for a terminal");
    }
}
