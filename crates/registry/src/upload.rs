//! Blobs to a registry: not at all where it has them, mounted from a neighbour, or in one piece.

use bytes::Bytes;
use http::header;
use http::{Method, StatusCode, Uri};

use crate::repository::text;
use crate::token::encoded;
use crate::wire::{Ask, Payload, resolve};
use crate::{Descriptor, Error, Repository, Result};

/// Times an upload is begun anew.
const TRIES: u32 = 3;

impl Repository {
    /// Puts a blob, unless it is there.
    ///
    /// # Errors
    /// The registry does not take it.
    pub async fn push_blob(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor> {
        let descriptor = Descriptor::of(media_type, bytes);
        let payload = Payload::Bytes(Bytes::copy_from_slice(bytes));
        self.upload(&descriptor, &payload, None).await?;
        Ok(descriptor)
    }

    /// Puts a blob from a payload; true when it was there or a neighbour had it.
    pub(crate) async fn upload(
        &self,
        blob: &Descriptor,
        payload: &Payload,
        neighbour: Option<&str>,
    ) -> Result<bool> {
        if self.has_blob(&blob.digest).await? {
            return Ok(true);
        }
        let mut tries = 0;
        loop {
            tries += 1;
            match self.upload_once(blob, payload, neighbour).await {
                Err(error) if error.may_pass() && tries < TRIES => {
                    tracing::debug!(digest = blob.digest, error = error.line(), "once more");
                }
                result => return result,
            }
        }
    }

    /// Whether the registry has a blob in this repository.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn has_blob(&self, digest: &str) -> Result<bool> {
        let url = self.at(&format!("blobs/{digest}")).await?;
        let ask = Ask::new(Method::HEAD, url, format!("blob {digest} of {}", self.path));
        match self.call(ask, &[]).await {
            Ok(_) => Ok(true),
            // Those who may write only are told nothing; the upload says what is wrong.
            Err(Error::Missing { .. } | Error::Denied { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn upload_once(
        &self,
        blob: &Descriptor,
        payload: &Payload,
        neighbour: Option<&str>,
    ) -> Result<bool> {
        let what = format!("taking blob {} into {}", blob.digest, self.path);
        let digest = encoded(&blob.digest);
        let (query, scopes) = match neighbour {
            Some(from) => (
                format!("?mount={digest}&from={}", encoded(from)),
                vec![
                    format!("repository:{from}:pull"),
                    format!("repository:{}:pull,push", self.path),
                ],
            ),
            None => (String::new(), Vec::new()),
        };
        let begin = self.at(&format!("blobs/uploads/{query}")).await?;
        let mut ask = Ask::new(Method::POST, begin.clone(), &what);
        ask.body = Payload::Bytes(Bytes::new());
        let answer = self.call(ask, &scopes).await?;
        if answer.status == StatusCode::CREATED && neighbour.is_some() {
            return Ok(true);
        }
        let place = text(&answer.headers, "location");
        let place = place.ok_or_else(|| self.wrong(&what, "it does not say where to"))?;
        let begin: Uri = begin.parse().map_err(|_| self.wrong(&what, "its address is no URL"))?;
        let place =
            resolve(&begin, &place).map_err(|error| self.wrong(&what, error.to_string()))?;
        let to: Uri = place.parse().map_err(|_| self.wrong(&what, "it names no place"))?;
        if to.authority() != begin.authority() {
            // The pass is for the registry; who else takes the bytes would get it too.
            return Err(self.wrong(&what, format!("it wants the bytes at {to}, another host")));
        }
        let sign = if place.contains('?') { '&' } else { '?' };
        let mut ask = Ask::new(Method::PUT, format!("{place}{sign}digest={digest}"), &what)
            .header(header::CONTENT_TYPE, "application/octet-stream");
        ask.body = payload.clone();
        self.call(ask, &[]).await?;
        Ok(false)
    }
}
