//! Modules handed to others: published to any registry as one signed artifact that carries its image
//! by digest and the list of its parts, and fetched from there into an app's folder.
//!
//! `docs/formats/module.md` describes every part. Where next: `published/fetch.rs`, which trusts
//! nothing of what it reads, and the `registry` room, which signs and looks for signatures.

mod fetch;
mod files;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use composer::Module;
use fs_err as fs;
use image::{Image, Reference};
use registry::{Descriptor, INDEX_TYPE, MANIFEST_TYPE, Repository, SigningKey};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::event::{Event, Events};
use crate::progress::Clock;
use crate::workshop::{self, CheckState, TrialOptions};
use crate::{BuildOptions, Error, Result, Target, bundle, images};

pub use fetch::{FetchOptions, FetchReport, fetch_module};
pub(crate) use fetch::{Opened, keep, open};
pub(crate) use files::copy;

/// Type of a published module, of its index and of the manifest in it.
pub(crate) const MODULE_TYPE: &str = "application/vnd.shelf.module.v1";
/// Type of `module.toml`, which stands where an image has its configuration.
const FACE_TYPE: &str = "application/vnd.shelf.module.face.v1+toml";
/// Type of the module's folder.
const FILES_TYPE: &str = "application/vnd.shelf.module.files.v1.tar+gzip";
/// Type of the list of parts.
const PARTS_TYPE: &str = "application/spdx+json";
/// A key is a few hundred bytes.
const MOST_KEY_BYTES: u64 = 16 << 10;

/// How a module is published.
#[derive(Debug, Clone)]
pub struct PublishOptions {
    /// Where to: `registry.example.org/team/redis`, with a tag or its version as one.
    pub to: String,
    /// The file of the private key that signs it; unsigned without.
    pub key: Option<PathBuf>,
    /// Whether it is published without a trial.
    pub untried: bool,
    /// Whether it is only said what would be published.
    pub dry_run: bool,
    /// How long a trial waits for it to become ready.
    pub timeout: Duration,
    /// Who says so.
    pub by: String,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublishReport {
    /// The module.
    pub module: String,
    /// Its version.
    pub version: String,
    /// Where, with its tag.
    pub name: String,
    /// The digest of all of it; none after a dry run.
    pub digest: Option<String>,
    /// Its image by digest, if it has one.
    pub image: Option<String>,
    /// How many files its folder has.
    pub files: usize,
    /// How many packages the list of parts names.
    pub packages: usize,
    /// Whether it is signed.
    pub signed: bool,
    /// Whether it passed a trial just now.
    pub tried: bool,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// Publishes the module in `dir`. Its tag is written last, so it never stands for half a module, nor
/// for one that is not signed yet.
///
/// # Errors
/// The module is not as it should be or did not pass its trial, the key cannot be used, it cannot be
/// built, or the registry refuses something; then its tag is what it was.
pub async fn publish_module(
    target: &Target,
    dir: &Path,
    options: &PublishOptions,
    events: Events<'_>,
) -> Result<PublishReport> {
    let clock = Clock::start();
    let (looked, module, _) = workshop::look(dir)?;
    passed(&looked, "shelf module test --lint")?;
    let to = place(&options.to, &module.version)?;
    let key = options.key.as_deref().map(signing_key).transpose()?;
    let folder = files::pack(dir)?;
    let mut report = PublishReport {
        module: module.name.clone(),
        version: module.version.clone(),
        name: to.to_string(),
        digest: None,
        image: None,
        files: folder.count,
        packages: 0,
        signed: key.is_some(),
        tried: !options.untried,
        seconds: 0.0,
    };
    if options.dry_run {
        report.seconds = clock.seconds();
        return Ok(report);
    }
    if !options.untried {
        let trial = TrialOptions { timeout: options.timeout, by: options.by.clone() };
        let tried = workshop::trial(target, dir, &trial, events).await?;
        passed(&tried, "shelf module test")?;
    }
    let image = built(target, dir, &module, events).await?;
    report.image = image.as_ref().map(|image| image.digest.clone());
    events(Event::Note { text: format!("sending {} to {to}", module.name) });
    let parcel = Parcel { target: target.clone(), to, module, folder, image, key };
    // On a thread of its own: most of it is reading files.
    let sending = tokio::task::spawn_blocking(move || parcel.send());
    let sent = sending.await;
    let (digest, packages) =
        sent.map_err(|source| Error::Task { what: "publishing a module".into(), source })??;
    Ok(PublishReport { digest: Some(digest), packages, seconds: clock.seconds(), ..report })
}

/// Refuses a module of which a check failed, with the first that did.
fn passed(report: &workshop::TrialReport, see: &str) -> Result<()> {
    let failed = report.checks.iter().find(|one| one.state == CheckState::Failed);
    let Some(failed) = failed.filter(|_| !report.passed) else { return Ok(()) };
    Err(Error::Data {
        code: "module/unfit",
        message: format!(
            "{} {} is not published: {}: {}",
            report.module, report.version, failed.name, failed.detail
        ),
        hint: Some(format!("all of it:  {see} FOLDER")),
    })
}

/// The place it is published at; its version is the tag that nobody says.
fn place(to: &str, version: &str) -> Result<Reference> {
    let wrong = |message: String| Error::Data {
        code: "module/place",
        message,
        hint: Some("such as registry.example.org/team/redis".into()),
    };
    let mut name = Reference::parse(to).map_err(|error| wrong(error.to_string()))?;
    if name.digest.is_some() {
        return Err(wrong(format!("{to} is a digest, and a module is published under a tag")));
    }
    name.tag.get_or_insert_with(|| version.replace('+', "-"));
    Ok(name)
}

/// Reads a private key that nobody else can read.
pub(crate) fn signing_key(path: &Path) -> Result<SigningKey> {
    let unfit = |message: String, hint: Option<String>| Error::Data {
        code: "module/key",
        message: format!("the key {}: {message}", path.display()),
        hint,
    };
    let data = fs::metadata(path).map_err(|error| unfit(error.to_string(), None))?;
    if data.permissions().mode() & 0o077 != 0 {
        let hint = format!("chmod 600 {}", path.display());
        return Err(unfit("others than its owner may read it".into(), Some(hint)));
    }
    if !data.is_file() || data.len() > MOST_KEY_BYTES {
        return Err(unfit("it is no file of a key".into(), None));
    }
    let text = fs::read_to_string(path).map_err(|error| unfit(error.to_string(), None))?;
    SigningKey::from_pem(&text)
        .map_err(|error| unfit(error.to_string(), Some("a new one:  shelf module key FILE".into())))
}

async fn built(
    target: &Target,
    dir: &Path,
    module: &Module,
    events: Events<'_>,
) -> Result<Option<Image>> {
    let Some(build) = &module.build else { return Ok(None) };
    let name = format!("shelf.local/published/{}:{}", module.name, module.version);
    let options = BuildOptions {
        context: dir.join(build).components().collect(),
        name: Some(name),
        ..BuildOptions::default()
    };
    let made = images::build(target, options, events).await?;
    let what = || format!("find the image of {}", module.name);
    let found = target.images.find(&made.digest);
    let found = found.map_err(|source| Error::Image { what: what(), source })?;
    let gone = Error::ImageGone { block: module.name.clone(), release: "to be published".into() };
    Ok(Some(found.ok_or(gone)?))
}

/// A module on its way.
struct Parcel {
    target: Target,
    to: Reference,
    module: Module,
    folder: files::Folder,
    image: Option<Image>,
    key: Option<SigningKey>,
}

impl Parcel {
    /// Sends everything, the tag last; the digest, and how many packages the list of parts has.
    fn send(self) -> Result<(String, usize)> {
        let images: BTreeMap<String, Image> =
            self.image.iter().map(|image| (self.module.name.clone(), image.clone())).collect();
        // Without a moment of time in it, the same module gives the same list.
        let (parts, packages) = bundle::parts(&self.target.images, &self.module.name, &images)?;
        let refused = |error| refused(format!("publish {}", self.to), &error);
        let client = &self.target.registry;
        let login = client.login(&self.to).map_err(refused)?;
        let repository = client.repository(&self.to, login.as_ref());
        tokio::runtime::Handle::current().block_on(async {
            let mut inside = vec![self.own(&repository).await.map_err(refused)?];
            if let Some(image) = &self.image {
                let mut place = self.to.clone();
                place.tag = place.tag.map(|tag| format!("{tag}-image"));
                let store = &self.target.images;
                let sent = client.push(store, image, &place, login.as_ref(), &|_| ()).await;
                let mut sent = sent.map_err(refused)?;
                // An image has no type of artifact but what it is itself.
                sent.artifact_type = None;
                sent.annotations.clear();
                inside.push(sent);
            }
            let index = json!({
                "schemaVersion": 2, "mediaType": INDEX_TYPE, "artifactType": MODULE_TYPE,
                "manifests": inside, "annotations": self.remarks(),
            });
            let index = index.to_string().into_bytes();
            let whole = repository.push_manifest(None, INDEX_TYPE, &index).await;
            let whole = whole.map_err(refused)?;
            self.list(&repository, &whole, &parts).await.map_err(refused)?;
            if let Some(key) = &self.key {
                repository.sign(&whole.digest, key).await.map_err(refused)?;
            }
            let tag = self.to.tag.as_deref();
            repository.push_manifest(tag, INDEX_TYPE, &index).await.map_err(refused)?;
            Ok((whole.digest, packages))
        })
    }

    fn remarks(&self) -> serde_json::Value {
        json!({
            "org.opencontainers.image.title": self.module.name,
            "org.opencontainers.image.version": self.module.version,
            "org.opencontainers.image.description": self.module.summary,
        })
    }

    /// The manifest of the module itself: its file and its folder.
    async fn own(&self, repository: &Repository) -> registry::Result<Descriptor> {
        let face = repository.push_blob(FACE_TYPE, &self.folder.face).await?;
        let files = repository.push_blob(FILES_TYPE, &self.folder.archive).await?;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": MODULE_TYPE,
            "config": face, "layers": [files], "annotations": self.remarks(),
        });
        let manifest = manifest.to_string().into_bytes();
        let mut sent = repository.push_manifest(None, MANIFEST_TYPE, &manifest).await?;
        sent.annotations.clear();
        Ok(sent)
    }

    /// The list of parts, which refers to the whole.
    async fn list(
        &self,
        repository: &Repository,
        whole: &Descriptor,
        parts: &[u8],
    ) -> registry::Result<()> {
        let nothing = repository.push_blob(registry::EMPTY_TYPE, b"{}").await?;
        let list = repository.push_blob(PARTS_TYPE, parts).await?;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": PARTS_TYPE,
            "config": nothing, "layers": [list],
            "subject": {
                "mediaType": whole.media_type, "digest": whole.digest, "size": whole.size,
            },
        });
        let manifest = manifest.to_string().into_bytes();
        repository.push_manifest(None, MANIFEST_TYPE, &manifest).await.map(drop)
    }
}

/// What a registry does not do, in our words.
pub(crate) fn refused(what: String, error: &registry::Error) -> Error {
    let message = format!("cannot {what}: {}", error.why());
    Error::Data { code: error.code(), message, hint: error.hint() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_goes_to_a_tag() {
        let to = |text: &str| place(text, "1.2.0+3").map(|name| name.to_string());
        assert_eq!(to("r.example.org/team/redis").unwrap(), "r.example.org/team/redis:1.2.0-3");
        assert_eq!(to("r.example.org/team/redis:new").unwrap(), "r.example.org/team/redis:new");
        let digest = format!("r.example.org/redis@sha256:{}", "0".repeat(64));
        assert!(to(&digest).is_err());
        assert!(to("No Such").is_err());
    }

    #[test]
    fn a_key_that_others_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, SigningKey::generate().unwrap().1).unwrap();
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let said = signing_key(&path).unwrap_err().report().message;
        assert!(said.contains("others than its owner"), "{said}");
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        signing_key(&path).unwrap();
        assert!(signing_key(dir.path()).is_err());
    }
}
