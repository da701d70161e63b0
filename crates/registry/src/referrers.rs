//! What refers to a manifest: signatures, bills of materials (distribution-spec 1.1, "referrers").
//!
//! Registries that do not know of it get the list under a tag made from the digest, as the
//! specification has it. Where next: `repository.rs`.

use http::Method;

use crate::document::{DOCUMENT_MAX, Fields};
use crate::repository::next_page;
use crate::token::encoded;
use crate::wire::Ask;
use crate::{Descriptor, Error, INDEX_TYPE, Repository, Result};

/// Referrers that are read of one manifest.
const COUNT_MAX: usize = 1000;

impl Repository {
    /// The manifests whose `subject` is `digest`; only those of one type, if it is given.
    ///
    /// # Errors
    /// The registry does not answer, or not with a list.
    pub async fn referrers(&self, digest: &str, kind: Option<&str>) -> Result<Vec<Descriptor>> {
        let what = format!("what refers to {}", self.what(digest));
        let query =
            kind.map_or_else(String::new, |kind| format!("?artifactType={}", encoded(kind)));
        let mut url = Some(self.at(&format!("referrers/{digest}{query}")).await?);
        let mut all = Vec::new();
        while let Some(at) = url.take() {
            let answer = match self.call(Ask::new(Method::GET, at.clone(), &what), &[]).await {
                Ok(answer) => answer,
                Err(Error::Missing { .. }) => {
                    all = self.listed_by_tag(digest).await?;
                    break;
                }
                Err(error) => return Err(error),
            };
            let next = next_page(&at, &answer.headers);
            let wrong = |reason: String| self.wrong(&what, reason);
            let bytes =
                answer.read(DOCUMENT_MAX).await.map_err(|error| wrong(error.to_string()))?;
            let page = Fields::parse(&bytes).map_err(wrong)?.manifests;
            url = next.filter(|_| !page.is_empty() && all.len() < COUNT_MAX);
            all.extend(page);
        }
        // A registry need not filter.
        all.retain(|one| kind.is_none_or(|kind| one.artifact_type.as_deref() == Some(kind)));
        all.truncate(COUNT_MAX);
        Ok(all)
    }

    async fn listed_by_tag(&self, digest: &str) -> Result<Vec<Descriptor>> {
        let index = match self.manifest(&tag_for(digest)).await {
            Ok(index) => index,
            Err(Error::Missing { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let what = format!("what refers to {}", self.what(digest));
        Ok(Fields::parse(&index.bytes).map_err(|reason| self.wrong(&what, reason))?.manifests)
    }

    /// Adds to the list under the tag, for registries that keep none themselves.
    pub(crate) async fn note_referrer(&self, subject: &str, one: &Descriptor) -> Result<()> {
        let mut all = self.listed_by_tag(subject).await?;
        if all.iter().any(|known| known.digest == one.digest) {
            return Ok(());
        }
        all.push(one.clone());
        let index = serde_json::json!({
            "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": all,
        });
        let bytes = index.to_string().into_bytes();
        // The list has no subject itself, so this ends here.
        Box::pin(self.push_manifest(Some(&tag_for(subject)), INDEX_TYPE, &bytes)).await?;
        Ok(())
    }
}

/// `sha256:abc` becomes `sha256-abc`.
fn tag_for(digest: &str) -> String {
    digest.replacen(':', "-", 1)
}
