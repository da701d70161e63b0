//! Programs in a container of another cluster, through its API (`v5.channel.k8s.io`, which can say
//! that an input has ended). Blocks, as what is like it on this machine does. Where next:
//! `inside.rs`.

use std::io::{self, Read, Write};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::AttachParams;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::inside::{LINES, Place, Program};
use crate::{Error, Target};

/// How a program ended: its exit code, and the last lines of what it said of its troubles.
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) lines: Vec<String>,
}

/// Runs a program to its end: `input` is given to it, and what it writes goes to `output`.
pub(super) fn run(
    target: &Target,
    place: &Place,
    program: &Program<'_>,
    input: Option<&mut (dyn Read + Send)>,
    output: &mut dyn Write,
) -> Result<Ended, Error> {
    let what = format!("run {} of {} in {}", program.verb, program.block, place.pod);
    let disk = |source| Error::File { what: format!("{} {}", program.verb, program.block), source };
    let api: Api<Pod> = Api::namespaced(target.client.clone(), &place.app);
    tokio::runtime::Handle::current().block_on(async {
        let params = AttachParams::default()
            .container(&place.container)
            .stdin(input.is_some())
            .stdout(true)
            .stderr(true);
        let process = api.exec(&place.pod, &program.command, &params).await;
        let mut process = process.map_err(Error::api(what.clone()))?;
        let (stdin, stdout, stderr) = (process.stdin(), process.stdout(), process.stderr());
        let status = process.take_status();
        let (given, taken, lines) =
            tokio::join!(give(input, stdin), take(stdout, output), last_lines(stderr));
        given.map_err(disk)?;
        taken.map_err(disk)?;
        let status = match status {
            Some(status) => status.await,
            None => None,
        };
        Ok(Ended { code: exit_code(status.as_ref()).unwrap_or(-1), lines })
    })
}

async fn give(
    input: Option<&mut (dyn Read + Send)>,
    stdin: Option<impl AsyncWrite + Unpin>,
) -> io::Result<()> {
    let (Some(input), Some(mut stdin)) = (input, stdin) else { return Ok(()) };
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = input.read(&mut bytes)?;
        if count == 0 {
            // Dropped, it says that there is no more.
            return stdin.shutdown().await;
        }
        match stdin.write_all(&bytes[..count]).await {
            // Its exit code says whether it has read enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
}

async fn take(stdout: Option<impl AsyncRead + Unpin>, output: &mut dyn Write) -> io::Result<()> {
    let Some(mut stdout) = stdout else { return Ok(()) };
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = stdout.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        output.write_all(&bytes[..count])?;
    }
}

async fn last_lines(stderr: Option<impl AsyncRead + Unpin>) -> Vec<String> {
    let Some(mut stderr) = stderr else { return Vec::new() };
    let mut text = Vec::new();
    let mut bytes = vec![0; 4096];
    while let Ok(count) = stderr.read(&mut bytes).await {
        if count == 0 {
            break;
        }
        text.extend_from_slice(&bytes[..count]);
        // Only the end is shown; it must not fill the memory.
        let excess = text.len().saturating_sub(16 * 1024);
        text.drain(..excess);
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[lines.len().saturating_sub(LINES)..].to_vec()
}

/// The exit code that a Status tells; nothing if the connection broke before the end.
pub(crate) fn exit_code(status: Option<&Status>) -> Option<i32> {
    let status = status?;
    if status.status.as_deref() == Some("Success") {
        return Some(0);
    }
    let causes = status.details.as_ref().and_then(|details| details.causes.as_ref());
    let code = causes.into_iter().flatten().find(|one| one.reason.as_deref() == Some("ExitCode"));
    code.and_then(|one| one.message.as_ref()?.parse().ok())
}
