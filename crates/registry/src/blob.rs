//! Blobs from a registry: in pieces, carried on where a connection broke, checked to the last byte.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use image::{Hasher, Images};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::repository::text;
use crate::wire::Ask;
use crate::{Descriptor, Error, Repository, Result, host};

/// Without a byte for so long, the connection is given up.
const STALL: Duration = Duration::from_secs(30);
/// Times a fetch is carried on without having got further.
const TRIES: u32 = 5;
/// Largest blob that is read into memory, in bytes.
const MEMORY_MAX: u64 = 256 << 20;
/// Pieces that wait to be written.
const QUEUE: usize = 32;

/// Where the pieces go.
enum Sink<'a> {
    Memory(&'a mut Vec<u8>),
    Channel(&'a mpsc::Sender<Bytes>),
}

impl Sink<'_> {
    /// False when nobody takes them any more.
    async fn put(&mut self, piece: Bytes) -> bool {
        match self {
            Self::Memory(buffer) => {
                buffer.extend_from_slice(&piece);
                true
            }
            Self::Channel(sender) => sender.send(piece).await.is_ok(),
        }
    }
}

impl Repository {
    /// A blob in memory, up to 256 MiB, checked against its digest.
    ///
    /// # Errors
    /// [`Error::Missing`], or [`Error::Wrong`] when the bytes are not what the digest says.
    pub async fn blob(&self, blob: &Descriptor) -> Result<Vec<u8>> {
        if blob.size > MEMORY_MAX {
            let reason = format!("{} bytes are more than the 256 MiB that are read", blob.size);
            return Err(self.wrong(&blob.digest, reason));
        }
        let mut bytes = Vec::new();
        self.fetch(blob, Sink::Memory(&mut bytes), &|_| ()).await?;
        let mut hasher = Hasher::default();
        hasher.update(&bytes);
        let got = hasher.finish();
        if got == blob.digest {
            return Ok(bytes);
        }
        Err(self.wrong(&blob.digest, format!("the digest of its bytes is {got}")))
    }

    /// Fetches a blob into the store.
    pub(crate) async fn blob_to_store(
        &self,
        images: &Images,
        blob: &Descriptor,
        seen: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<()> {
        let store = || Error::store("keep a layer");
        let broken = |_| self.wrong(&blob.digest, "the thread that writes it broke off");
        let (sender, mut receiver) = mpsc::channel::<Bytes>(QUEUE);
        let mut incoming = images.incoming(&blob.digest, blob.size).map_err(store())?;
        let writer = tokio::task::spawn_blocking(move || {
            while let Some(piece) = receiver.blocking_recv() {
                incoming.write(&piece)?;
            }
            Ok(incoming)
        });
        let fetched = self.fetch(blob, Sink::Channel(&sender), seen).await;
        drop(sender);
        // If it could not be written, that is why the rest was not taken.
        let incoming = writer.await.map_err(broken)?.map_err(store())?;
        fetched?;
        match tokio::task::spawn_blocking(move || incoming.finish()).await.map_err(broken)? {
            Err(image::Error::Digest { got, .. }) => {
                Err(self.wrong(&blob.digest, format!("the digest of its bytes is {got}")))
            }
            other => other.map_err(store()),
        }
    }

    async fn fetch(
        &self,
        blob: &Descriptor,
        mut sink: Sink<'_>,
        seen: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<()> {
        let mut done = 0;
        let mut tries = 0;
        loop {
            let before = done;
            let error = match self.piece(blob, &mut done, &mut sink, seen).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            tries = if done > before { 1 } else { tries + 1 };
            if tries >= TRIES || !matches!(error, Error::Unreachable { .. }) {
                return Err(error);
            }
            tracing::debug!(digest = blob.digest, done, error = error.line(), "carrying on");
            sleep(Duration::from_millis(200) * (1 << tries)).await;
        }
    }

    /// One request; `done` counts what has gone to the sink, also when it fails.
    async fn piece(
        &self,
        blob: &Descriptor,
        done: &mut u64,
        sink: &mut Sink<'_>,
        seen: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<()> {
        let what = format!("blob {} of {}", blob.digest, self.path);
        let url = self.at(&format!("blobs/{}", blob.digest)).await?;
        let mut ask = Ask::new(Method::GET, url, &what);
        if *done > 0 {
            ask = ask.header(header::RANGE, &format!("bytes={done}-"));
        }
        let answer = self.call(ask, &[]).await?;
        // A registry without ranges sends all of it again.
        let mut skip = *done;
        if answer.status == StatusCode::PARTIAL_CONTENT {
            if begin(&answer.headers) != Some(*done) {
                return Err(self.wrong(&what, "it sends another range than was asked for"));
            }
            skip = 0;
        }
        let broken = |source: Box<dyn std::error::Error + Send + Sync>| Error::Unreachable {
            registry: host::familiar(&self.host).to_owned(),
            what: what.clone(),
            source,
        };
        let mut body = answer.body;
        loop {
            let frame = timeout(STALL, body.frame())
                .await
                .map_err(|_| broken(format!("nothing came for {} s", STALL.as_secs()).into()))?;
            let Some(frame) = frame else { break };
            let Ok(mut piece) = frame.map_err(|error| broken(error.into()))?.into_data() else {
                continue;
            };
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(piece.len());
            let _before = piece.split_to(skipped);
            skip -= skipped as u64;
            if *done + piece.len() as u64 > blob.size {
                let reason = format!("it is longer than {} bytes", blob.size);
                return Err(self.wrong(&what, reason));
            }
            *done += piece.len() as u64;
            if !piece.is_empty() && !sink.put(piece).await {
                return Err(self.wrong(&what, "it could not be kept"));
            }
            seen(*done);
        }
        if *done < blob.size {
            return Err(broken(format!("it ended after {done} of {} bytes", blob.size).into()));
        }
        Ok(())
    }
}

/// Where a range begins: `bytes 100-199/200`.
fn begin(headers: &HeaderMap) -> Option<u64> {
    text(headers, "content-range")?.trim().strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}
