//! A published module comes in: its signature is looked at before anything else of it is, and every
//! byte after that is one that the signature stands for.

use std::path::{Path, PathBuf};

use composer::Module;
use fs_err as fs;
use image::Reference;
use registry::{Descriptor, INDEX_TYPE, MANIFEST_TYPE, PublicKey, Repository};
use serde::{Deserialize, Serialize};

use super::{FACE_TYPE, FILES_TYPE, MODULE_TYPE, files, refused};
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
    let name = Reference::parse(&options.from).map_err(|error| unfit(error.to_string(), None))?;
    let key = |text: &String| PublicKey::from_pem(text);
    let keys: Result<Vec<PublicKey>, _> = options.keys.iter().map(key).collect();
    let failed = |error: registry::Error| refused(format!("fetch {name}"), &error);
    let keys = keys.map_err(failed)?;
    let login = target.registry.login(&name).map_err(failed)?;
    let repository = target.registry.repository(&name, login.as_ref());
    let wanted = name.digest.as_deref().or(name.tag.as_deref()).unwrap_or("latest");
    let whole = repository.manifest(wanted).await.map_err(failed)?;
    let digest = whole.descriptor.digest.clone();
    let signed = repository.signed(&digest, &keys).await.map_err(failed)?;
    // A good signature of another module is no signature of this one.
    if signed.name != repository.name() {
        let message = format!("{name} is not used: it was signed as {}", signed.name);
        return Err(Error::Data { code: "registry/unsigned", message, hint: None });
    }
    events(Event::Note { text: format!("{}@{digest} is signed", signed.name) });
    let Opened { text, files: found, image } = open(&repository, &whole.bytes, &name).await?;
    let module = Module::parse("module.toml", &text).map_err(Error::Wrong)?;
    keep(&options.to, &found)?;
    Ok(FetchReport {
        module: module.name,
        version: module.version,
        name: format!("{}@{digest}", signed.name),
        image,
        folder: options.to.clone(),
        files: found.len(),
    })
}

/// A published module, checked against its digest.
pub(crate) struct Opened {
    /// Its `module.toml`.
    pub(crate) text: String,
    /// Its folder.
    pub(crate) files: std::collections::BTreeMap<PathBuf, files::Entry>,
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
    let unfit = |message: String| Error::Data { code: "module/fetch", message, hint: None };
    let index = document(whole).ok_or_else(|| unfit(no_module(name)))?;
    let (face, archive, image) = parts(repository, &index, name).await?;
    let files =
        files::unpack(&archive).map_err(|error| unfit(format!("{name} is not used: {error}")))?;
    let own = files.get(Path::new("module.toml")).map(|(_, bytes)| bytes.as_slice());
    let text = String::from_utf8(face).ok().filter(|text| own == Some(text.as_bytes()));
    let text = text.ok_or_else(|| unfit(no_module(name)))?;
    Ok(Opened { text, files, image })
}

fn no_module(name: &Reference) -> String {
    format!("{name} is no module that was published with shelf module publish")
}

fn document(bytes: &[u8]) -> Option<Document> {
    let found: Document = serde_json::from_slice(bytes).ok()?;
    (found.artifact_type.as_deref() == Some(MODULE_TYPE)).then_some(found)
}

/// `module.toml`, the folder's archive, and the image by digest.
async fn parts(
    repository: &Repository,
    index: &Document,
    name: &Reference,
) -> Result<(Vec<u8>, Vec<u8>, Option<String>)> {
    let none = || Error::Data { code: "module/fetch", message: no_module(name), hint: None };
    let failed = |error: registry::Error| refused(format!("fetch {name}"), &error);
    let of_module = |one: &&Descriptor| one.artifact_type.as_deref() == Some(MODULE_TYPE);
    let own = index.manifests.iter().find(of_module).ok_or_else(none)?;
    let digest = own.digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64);
    digest.ok_or_else(none)?;
    let manifest = repository.manifest(&own.digest).await.map_err(failed)?;
    let manifest = document(&manifest.bytes).ok_or_else(none)?;
    let face = manifest.config.filter(|one| one.media_type == FACE_TYPE).ok_or_else(none)?;
    let layer = manifest.layers.into_iter().find(|one| one.media_type == FILES_TYPE);
    let layer =
        layer.filter(|one| one.size.max(face.size) <= files::MOST_BYTES).ok_or_else(none)?;
    let face = repository.blob(&face).await.map_err(failed)?;
    let archive = repository.blob(&layer).await.map_err(failed)?;
    let runs = |one: &&Descriptor| {
        one.artifact_type.is_none()
            && [MANIFEST_TYPE, INDEX_TYPE].contains(&one.media_type.as_str())
    };
    let image = index.manifests.iter().find(runs);
    let image = image.map(|one| format!("{}@{}", repository.name(), one.digest));
    Ok((face, archive, image))
}

/// The folder in its place, all of it or nothing.
///
/// # Errors
/// It cannot be written.
pub(crate) fn keep(
    to: &Path,
    found: &std::collections::BTreeMap<PathBuf, files::Entry>,
) -> Result<()> {
    let fails = |source| Error::Write { path: to.to_owned(), source };
    let beside = to.parent().unwrap_or(Path::new("."));
    let staged = tempfile::Builder::new().prefix(".shelf-module-").tempdir_in(beside);
    let staged = staged.map_err(fails)?;
    let folder = staged.path().join("module");
    fs::create_dir(&folder).map_err(fails)?;
    files::write(&folder, found).map_err(fails)?;
    fs::rename(&folder, to).map_err(fails)
}
