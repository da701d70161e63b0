//! What an image says of itself, without its layers: two or three short documents.

use image::{ImageConfig, Reference};

use crate::client::wanted;
use crate::document::DOCUMENT_MAX;
use crate::pull::for_machine;
use crate::{Client, Login, Result};

/// An image at its registry.
#[derive(Debug, Clone)]
pub struct Looked {
    /// What its tag stands for: the digest of an index where there is one.
    pub digest: String,
    /// The configuration of this machine's image.
    pub config: ImageConfig,
}

impl Client {
    /// Asks what `name` is, without fetching it.
    ///
    /// # Errors
    /// As [`Client::pull`].
    pub async fn look(&self, name: &Reference, login: Option<&Login>) -> Result<Looked> {
        let repository = self.repository(name, login);
        let top = repository.manifest(wanted(name)).await?;
        let digest = top.descriptor.digest.clone();
        let (_, fields) = for_machine(&repository, name, top).await?;
        let config = fields.config.unwrap_or_default();
        let wrong = |reason: String| repository.wrong(&name.to_string(), reason);
        if config.size > DOCUMENT_MAX {
            return Err(wrong("its configuration is longer than 4 MiB".to_owned()));
        }
        let bytes = repository.blob(&config).await?;
        let config = serde_json::from_slice(&bytes)
            .map_err(|error| wrong(format!("its configuration is not understood: {error}")))?;
        Ok(Looked { digest, config })
    }
}
