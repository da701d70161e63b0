//! Streams on a connection: frames, and the files of processes carried to and from it.
//!
//! Without a terminal both outputs share the connection, each piece in a frame: stream number,
//! three zero bytes, length in big-endian, then the bytes. With a terminal the bytes go as they
//! are.

use std::fs::File;
use std::io::{Read, Write};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use crate::error::{Error, Result};

pub(crate) const STDOUT: u8 = 1;
pub(crate) const STDERR: u8 = 2;
/// Pieces that may wait for a slow peer.
pub(crate) const PIECES: usize = 16;
/// Bytes of one piece.
const BLOCK: usize = 32 * 1024;

/// One piece of output, framed unless `raw`.
pub(crate) fn frame(stream: u8, bytes: &[u8], raw: bool) -> Bytes {
    if raw {
        return Bytes::copy_from_slice(bytes);
    }
    let mut whole = BytesMut::with_capacity(bytes.len() + 8);
    whole.put_u8(stream);
    whole.put_bytes(0, 3);
    whole.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    whole.extend_from_slice(bytes);
    whole.freeze()
}

/// Content type of a stream of output.
pub(crate) fn content_type(raw: bool) -> &'static str {
    if raw {
        "application/vnd.docker.raw-stream"
    } else {
        "application/vnd.docker.multiplexed-stream"
    }
}

/// The connection behind a request, once the answer is sent.
pub(crate) fn upgrade(request: &mut Request) -> Result<OnUpgrade> {
    let asked = request.headers().get(header::UPGRADE).is_some();
    match request.extensions_mut().remove::<OnUpgrade>() {
        Some(upgrade) if asked => Ok(upgrade),
        _ => Err(Error::bad("this stream needs `Connection: Upgrade` and `Upgrade: tcp`")),
    }
}

/// The answer that hands the connection over.
pub(crate) fn switching(raw: bool) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONNECTION, http::HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, http::HeaderValue::from_static("tcp"));
    headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type(raw)));
    (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response()
}

/// The halves of an upgraded connection.
pub(crate) type Halves = (
    tokio::io::ReadHalf<TokioIo<hyper::upgrade::Upgraded>>,
    tokio::io::WriteHalf<TokioIo<hyper::upgrade::Upgraded>>,
);

/// Waits for the connection.
pub(crate) async fn taken(upgrade: OnUpgrade) -> Option<Halves> {
    match upgrade.await {
        Ok(connection) => Some(tokio::io::split(TokioIo::new(connection))),
        Err(error) => {
            tracing::debug!(%error, "a connection was not handed over");
            None
        }
    }
}

/// Carries what the peer sends to `file` until the peer's end; the file is closed then.
pub(crate) async fn feed(
    mut from: tokio::io::ReadHalf<TokioIo<hyper::upgrade::Upgraded>>,
    file: Option<File>,
) {
    let (sender, mut receiver) = mpsc::channel::<Bytes>(PIECES);
    let writing = file.map(|mut file| {
        tokio::task::spawn_blocking(move || {
            while let Some(bytes) = receiver.blocking_recv() {
                if file.write_all(&bytes).is_err() {
                    return;
                }
            }
        })
    });
    let mut block = BytesMut::with_capacity(BLOCK);
    while let Ok(1..) = from.read_buf(&mut block).await {
        // A process that reads no more leaves the rest unread.
        let gone = writing.is_some() && sender.send(block.split().freeze()).await.is_err();
        block.clear();
        block.reserve(BLOCK);
        if gone {
            break;
        }
    }
    drop(sender);
    if let Some(writing) = writing {
        // Written before the caller closes anything.
        drop(writing.await);
    }
}

/// Reads an output on a thread of its own; `None` throws it away.
pub(crate) fn pump(file: Option<File>, stream: u8, raw: bool, sender: Option<mpsc::Sender<Bytes>>) {
    let Some(mut file) = file else { return };
    let read = move || {
        let mut block = vec![0; BLOCK];
        // A terminal ends with EIO once nobody holds its other side.
        while let Ok(count @ 1..) = file.read(&mut block) {
            if let Some(sender) = &sender
                && sender.blocking_send(frame(stream, &block[..count], raw)).is_err()
            {
                return;
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("docker-output".into()).spawn(read) {
        tracing::error!(%error, "no thread for a command's output");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_names_stream_and_length() {
        assert_eq!(&frame(STDERR, b"hi", false)[..], b"\x02\0\0\0\0\0\0\x02hi");
        assert_eq!(&frame(STDOUT, b"hi", true)[..], b"hi");
    }
}
