//! A published module comes in: its signature is looked at before anything else of it is, and every
//! byte after that is one that the signature stands for.

use std::path::{Path, PathBuf};

use composer::Module;
use fs_err as fs;
use image::Reference;
use registry::{Descriptor, INDEX_TYPE, MANIFEST_TYPE, PublicKey, Repository};
use serde::{Deserialize, Serialize};

use super::send::{Kind, MODULE};
use super::{files, refused};
use crate::event::{Event, Events};
use crate::{Error, Result, Target};

/// How a module is fetched.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// Where from, such as `registry.example.org/team/redis:7.0.1`.
    pub from: String,
    /// The public keys (PEM), one of which must have signed it.
    pub keys: Vec<String>,
    /// The folder that it becomes, which is not there yet.
    pub to: PathBuf,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FetchReport {
    /// The module.
    pub module: String,
    /// Its version.
    pub version: String,
    /// Its name by digest.
    pub name: String,
    /// Its image by digest, if it carries one for this machine.
    pub image: Option<String>,
    /// Its folder.
    pub folder: PathBuf,
    /// How many files that has.
    pub files: usize,
}

/// A manifest or index, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    artifact_type: Option<String>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

/// Fetches a published module into a folder of its own.
///
/// # Errors
/// It is not signed by one of the keys or under another name, it is no module, or the folder is
/// there already; then nothing was written.
pub async fn fetch_module(
    target: &Target,
    options: &FetchOptions,
    events: Events<'_>,
) -> Result<FetchReport> {
    let unfit =
        |message: String, hint: Option<String>| Error::Data { code: "module/fetch", message, hint };
    if fs::symlink_metadata(&options.to).is_ok() {
        let message = format!("{} is there already; nothing was fetched", options.to.display());
        return Err(unfit(message, Some("another folder:  --to FOLDER".into())));
    }
    let Trusted { repository, name, whole, digest } =
        trusted(target, &MODULE, &options.from, &options.keys, events).await?;
    let Opened { text, files: found, image } = open(&repository, &whole, &name).await?;
    let module = Module::parse("module.toml", &text).map_err(Error::Wrong)?;
    keep(&options.to, &found)?;
    Ok(FetchReport {
        module: module.name,
        version: module.version,
        name: format!("{}@{digest}", repository.name()),
        image,
        folder: options.to.clone(),
        files: found.len(),
    })
}

/// A published thing that one of the keys signed under its own name; nothing but that was looked at.
pub(super) struct Trusted {
    /// Where the rest of it is.
    pub(super) repository: Repository,
    /// As it was asked for.
    pub(super) name: Reference,
    /// Its index.
    pub(super) whole: Vec<u8>,
    /// The digest of that.
    pub(super) digest: String,
}

/// Looks for a signature by one of the keys (PEM) before anything is read.
///
/// # Errors
/// A name or key is none, the registry does not answer, or nobody trusted signed it as this.
pub(super) async fn trusted(
    target: &Target,
    kind: &Kind,
    from: &str,
    keys: &[String],
    events: Events<'_>,
) -> Result<Trusted> {
    let unfit = |message: String| Error::Data { code: kind.code, message, hint: None };
    let name = Reference::parse(from).map_err(|error| unfit(error.to_string()))?;
    let key = |text: &String| PublicKey::from_pem(text);
    let keys: Result<Vec<PublicKey>, _> = keys.iter().map(key).collect();
    let failed = |error: registry::Error| refused(format!("fetch {name}"), &error);
    let keys = keys.map_err(failed)?;
    let login = target.registry.login(&name).map_err(failed)?;
    let repository = target.registry.repository(&name, login.as_ref());
    let wanted = name.digest.as_deref().or(name.tag.as_deref()).unwrap_or("latest");
    let whole = repository.manifest(wanted).await.map_err(failed)?;
    let digest = whole.descriptor.digest.clone();
    let signed = repository.signed(&digest, &keys).await.map_err(failed)?;
    // A good signature of another is no signature of this one.
    if signed.name != repository.name() {
        let message = format!("{name} is not used: it was signed as {}", signed.name);
        return Err(Error::Data { code: "registry/unsigned", message, hint: None });
    }
    events(Event::Note { text: format!("{}@{digest} is signed", signed.name) });
    Ok(Trusted { repository, name, whole: whole.bytes.to_vec(), digest })
}

/// A published module, checked against its digest.
pub(crate) struct Opened {
    /// Its `module.toml`.
    pub(crate) text: String,
    /// Its folder.
    pub(crate) files: files::Files,
    /// Its image by digest, if it carries one.
    pub(crate) image: Option<String>,
}

/// Reads what the index of a published module names; `whole` is that index.
///
/// # Errors
/// It is no module, or the registry does not give all of it.
pub(crate) async fn open(
    repository: &Repository,
    whole: &[u8],
    name: &Reference,
) -> Result<Opened> {
    let unfit = |message: String| Error::Data { code: MODULE.code, message, hint: None };
    let Parts { face, archive, images } = parts(repository, &MODULE, whole, name).await?;
    let files =
        files::unpack(&archive).map_err(|error| unfit(format!("{name} is not used: {error}")))?;
    let own = files.get("module.toml").map(|(_, bytes)| bytes.as_slice());
    let text = String::from_utf8(face).ok().filter(|text| own == Some(text.as_bytes()));
    let text = text.ok_or_else(|| unfit(none(&MODULE, name)))?;
    let image = images.first().map(|digest| format!("{}@{digest}", repository.name()));
    Ok(Opened { text, files, image })
}

/// What is said of something that is no published thing of its kind.
pub(super) fn none(kind: &Kind, name: &Reference) -> String {
    format!("{name} is no {} that was published with {}", kind.noun, kind.verb)
}

fn document(kind: &Kind, bytes: &[u8]) -> Option<Document> {
    let found: Document = serde_json::from_slice(bytes).ok()?;
    (found.artifact_type.as_deref() == Some(kind.artifact)).then_some(found)
}

/// What an index of a published thing leads to.
pub(super) struct Parts {
    /// What stands where an image has its configuration.
    pub(super) face: Vec<u8>,
    /// Its files, a tar packed with gzip.
    pub(super) archive: Vec<u8>,
    /// The digests of its images.
    pub(super) images: Vec<String>,
}

/// Reads the manifest of the thing itself, its face and its files; each byte is checked against the
/// digest that the index `whole` has for it.
///
/// # Errors
/// It is none of its kind, or the registry does not give all of it.
pub(super) async fn parts(
    repository: &Repository,
    kind: &Kind,
    whole: &[u8],
    name: &Reference,
) -> Result<Parts> {
    let none = || Error::Data { code: kind.code, message: none(kind, name), hint: None };
    let failed = |error: registry::Error| refused(format!("fetch {name}"), &error);
    let index = document(kind, whole).ok_or_else(none)?;
    let own = |one: &&Descriptor| one.artifact_type.as_deref() == Some(kind.artifact);
    let own = index.manifests.iter().find(own).ok_or_else(none)?;
    let digest = own.digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64);
    digest.ok_or_else(none)?;
    let manifest = repository.manifest(&own.digest).await.map_err(failed)?;
    let manifest = document(kind, &manifest.bytes).ok_or_else(none)?;
    let face = manifest.config.filter(|one| one.media_type == kind.face).ok_or_else(none)?;
    let layer = manifest.layers.into_iter().find(|one| one.media_type == kind.files);
    let layer =
        layer.filter(|one| one.size.max(face.size) <= files::MOST_BYTES).ok_or_else(none)?;
    let face = repository.blob(&face).await.map_err(failed)?;
    let archive = repository.blob(&layer).await.map_err(failed)?;
    let runs = |one: &&Descriptor| {
        one.artifact_type.is_none()
            && [MANIFEST_TYPE, INDEX_TYPE].contains(&one.media_type.as_str())
    };
    let images = index.manifests.iter().filter(runs).map(|one| one.digest.clone()).collect();
    Ok(Parts { face, archive, images })
}

/// The folder in its place, all of it or nothing.
///
/// # Errors
/// It cannot be written.
pub(crate) fn keep(to: &Path, found: &files::Files) -> Result<()> {
    let fails = |source| Error::Write { path: to.to_owned(), source };
    let beside = to.parent().unwrap_or(Path::new("."));
    let staged = tempfile::Builder::new().prefix(".shelf-module-").tempdir_in(beside);
    let staged = staged.map_err(fails)?;
    let folder = staged.path().join("module");
    files::write(&folder, found).map_err(fails)?;
    fs::rename(&folder, to).map_err(fails)
}
