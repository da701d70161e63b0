//! Modules and apps handed to others: published to any registry as one signed artifact that carries
//! its images by digest and the list of their parts, and fetched from there.
//!
//! `docs/formats/module.md` and `app.md` describe every part. Where next: `published/fetch.rs`, which
//! trusts nothing of what it reads, `published/app.rs` for apps, and the `registry` room, which signs
//! and looks for signatures.

mod app;
mod fetch;
mod files;
mod send;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use composer::Module;
use fs_err as fs;
use image::{Image, Reference};
use registry::SigningKey;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::event::{Event, Events};
use crate::progress::Clock;
use crate::workshop::{self, CheckState, TrialOptions};
use crate::{BuildOptions, Error, Result, Target, bundle, images};

pub use app::{AppPublishOptions, AppPublishReport, Opening, PublishedApp, open_app, publish_app};
pub use fetch::{FetchOptions, FetchReport, fetch_module};
pub(crate) use fetch::{Opened, keep, open};
pub(crate) use files::{Files, files_of, write};

use send::Parcel;

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
    let named = |name: &str| -> BTreeMap<String, Image> {
        image.iter().map(|image| (name.to_owned(), image.clone())).collect()
    };
    // Without a moment of time in it, the same module gives the same list.
    let (parts, packages) = bundle::parts(&target.images, &module.name, &named(&module.name))?;
    let parcel = Parcel {
        target: target.clone(),
        to,
        kind: &send::MODULE,
        face: folder.face,
        archive: folder.archive,
        images: named("image"),
        parts,
        remarks: json!({
            "org.opencontainers.image.title": module.name,
            "org.opencontainers.image.version": module.version,
            "org.opencontainers.image.description": module.summary,
        }),
        key,
    };
    let digest = parcel.send().await?;
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
    let mut name = send::MODULE.place(to)?;
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
