//! A shell in a copy on another cluster, through its API's exec, as `kubectl exec -it` does it.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::SinkExt as _;
use futures::channel::mpsc::Sender;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{AttachParams, AttachedProcess, TerminalSize};
use kube::{Api, ResourceExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::{PIECE, PIECES, SHELL, Side, Terminal};
use crate::{Error, Result, Target, data};

/// The connection, which is the shell as far as we can reach it.
#[derive(Clone)]
pub(super) struct Shell(Arc<Session>);

struct Session {
    process: AttachedProcess,
    size: Option<Sender<TerminalSize>>,
    status: Mutex<Option<BoxFuture<'static, Option<Status>>>>,
}

impl Shell {
    /// Its exit code; nothing if the connection broke, or somebody waits already.
    pub(super) async fn wait(&self) -> Option<i32> {
        let status = self.0.status.lock().unwrap_or_else(PoisonError::into_inner).take();
        data::exit_code(status?.await.as_ref())
    }

    pub(super) async fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        let Some(mut size) = self.0.size.clone() else { return Ok(()) };
        let sent = size.send(TerminalSize { width: columns, height: rows }).await;
        sent.map_err(|_| Error::Unfit {
            code: "copy/terminal",
            message: "the shell has ended".to_owned(),
        })
    }

    /// Cuts the connection; the cluster ends what was started by it.
    pub(super) fn end(&self) {
        self.0.process.abort();
    }
}

pub(super) async fn terminal(
    target: &Target,
    app: &str,
    copy: &Pod,
    container: &str,
    (rows, columns): (u16, u16),
) -> Result<Terminal> {
    let pod = copy.name_any();
    let api: Api<Pod> = Api::namespaced(target.client.clone(), app);
    let params = AttachParams::interactive_tty().container(container).max_stdout_buf_size(PIECE);
    let started = api.exec(&pod, ["/bin/sh", "-c", SHELL], &params).await;
    let mut process = started.map_err(Error::api(format!("open a shell in {pod}")))?;
    let (input, typing) = mpsc::channel(PIECES);
    let (showing, output) = mpsc::channel(PIECES);
    if let (Some(stdin), Some(stdout)) = (process.stdin(), process.stdout()) {
        tokio::spawn(type_in(stdin, typing));
        tokio::spawn(show(stdout, showing));
    }
    let size = process.terminal_size();
    let status = process.take_status().map(|status| -> BoxFuture<'static, _> { Box::pin(status) });
    let shell = Shell(Arc::new(Session { process, size, status: Mutex::new(status) }));
    shell.resize(rows, columns).await?;
    Ok(Terminal { input, output, shell: super::Shell(Side::There(shell)) })
}

async fn type_in(mut shell: impl AsyncWrite + Unpin, mut typing: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = typing.recv().await {
        if shell.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn show(mut shell: impl AsyncRead + Unpin, showing: mpsc::Sender<Bytes>) {
    let mut piece = vec![0; PIECE];
    while let Ok(count @ 1..) = shell.read(&mut piece).await {
        if showing.send(Bytes::copy_from_slice(&piece[..count])).await.is_err() {
            return;
        }
    }
}
