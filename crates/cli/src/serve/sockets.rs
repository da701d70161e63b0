//! Unix sockets for root only: made with mode 0600, every peer checked.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use axum::Router;
use fs_err as fs;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::UnixListener;

use crate::error::{Code, Failure};

/// Serves `router` on a socket at `path` until `ended`.
pub(crate) fn serve(
    path: &Path,
    router: Router,
    ended: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    let fails = |error: std::io::Error| {
        Failure::new(Code::Failed, "serve/socket", format!("{}: {error}", path.display()))
    };
    // The lock on the data directory says that no other server lives on this socket.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fails(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(fails)?;
    fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(fails)?;
    tokio::spawn(accept(listener, router, ended));
    Ok(())
}

async fn accept(listener: UnixListener, router: Router, ended: impl Future<Output = ()> + Send) {
    let own = rustix::process::geteuid().as_raw();
    tokio::pin!(ended);
    loop {
        let stream = tokio::select! {
            () = &mut ended => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let peer = stream.peer_cred().map(|peer| peer.uid());
        if !matches!(peer, Ok(uid) if uid == own || uid == 0) {
            tracing::warn!(?peer, "a peer without the right was refused");
            continue;
        }
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let served = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            if let Err(error) = served {
                tracing::debug!(%error, "a connection on a socket ended badly");
            }
        });
    }
}

/// Writes a file only this user can read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let staged = path.with_extension("new");
    match std::fs::remove_file(&staged) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&staged, path)
}
