//! Catalogues: places at registries whose signed index says which modules there are. A server keeps
//! those that its owner named, in order, each with its keys and the last index it took.
//!
//! An index is looked at only after enough of the keys signed it, and is taken only if nothing newer
//! was seen before; what is refused leaves everything as it was. Format and rules:
//! `docs/formats/catalogue.md`. Where next: `catalogues/taken.rs`, which brings modules from there
//! into apps, and `catalogues/make.rs`, the maker's side.

mod cards;
mod make;
mod taken;

use std::path::{Path, PathBuf};

use composer::index::{Index, MOST_BYTES};
use fs_err as fs;
use image::Reference;
use jiff::Timestamp;
use registry::{Descriptor, PublicKey, Repository, Signed};
use serde::{Deserialize, Serialize};

use crate::published::refused;
use crate::registry::write_private;
use crate::{Error, Result, Target};

pub use cards::catalogue_of;
pub use make::{
    CataloguePublishOptions, CataloguePublishReport, publish_catalogue, sign_catalogue,
};
pub use taken::take_modules;
pub(crate) use taken::{
    Taken, beside, fetched, find as taken_as, give, images, interfaces, resolve,
};

/// The tag under which a catalogue's index is taken.
const TAG: &str = "catalogue";
/// Type of the manifest whose one layer is the index.
const TYPE: &str = "application/vnd.shelf.catalogue.v1";
/// Type of that layer.
const INDEX_TYPE: &str = "application/vnd.shelf.catalogue.index.v1+json";
/// A server asks each of them whenever it is told to.
const MOST_CATALOGUES: usize = 64;

/// A catalogue, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// What apps call it.
    pub(crate) name: String,
    /// Its place, such as `registry.example.org/team`.
    pub(crate) prefix: String,
    /// The keys whose signatures count, as PEM.
    keys: Vec<String>,
    /// How many of them must sign.
    threshold: usize,
    /// The digest of the manifest that carried the index.
    digest: String,
    /// The index that was taken last.
    pub(crate) index: Index,
    /// When it was asked for last, with success.
    checked: Timestamp,
}

/// A catalogue, as it is listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CatalogueReport {
    /// What apps call it.
    pub name: String,
    /// Its place.
    pub prefix: String,
    /// The number of its index.
    pub version: u64,
    /// Until when that may be taken.
    pub expires: String,
    /// Whether that moment is over.
    pub expired: bool,
    /// How many modules it has, counting versions.
    pub modules: usize,
    /// The first digits of its keys.
    pub keys: Vec<String>,
    /// How many of them must sign.
    pub threshold: usize,
    /// When it was asked last, with success.
    pub checked: String,
}

/// A catalogue to be kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueOptions {
    /// What apps call it.
    pub name: String,
    /// Its place.
    pub prefix: String,
    /// Public keys, as PEM.
    pub keys: Vec<String>,
    /// How many of them must sign; one if absent.
    #[serde(default)]
    pub threshold: Option<usize>,
    /// The one that it goes before; the last if absent.
    #[serde(default)]
    pub before: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
struct File {
    schema: String,
    catalogues: Vec<Known>,
}

fn unfit(code: &'static str, message: String, hint: &str) -> Error {
    Error::Data { code, message, hint: Some(hint.to_owned()) }
}

fn folder(target: &Target) -> PathBuf {
    target.keep.join("catalogues")
}

/// Every catalogue of this server, in order.
pub(crate) fn known(target: &Target) -> Result<Vec<Known>> {
    read(&folder(target).join("known.json"))
}

fn read(path: &Path) -> Result<Vec<Known>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::Read { path: path.to_owned(), source }),
    };
    let file: Result<File, _> = serde_json::from_slice(&text);
    // Never taken for "no catalogues": what was seen would be forgotten.
    file.map(|file| file.catalogues).map_err(|error| Error::Data {
        code: "catalogue/file",
        message: format!("{} cannot be read: {error}", path.display()),
        hint: Some("move it away, then add the catalogues again".into()),
    })
}

/// Changes the file while nobody else does.
fn change<T>(target: &Target, change: impl FnOnce(&mut Vec<Known>) -> Result<T>) -> Result<T> {
    let folder = folder(target);
    let fails = |source| Error::Write { path: folder.clone(), source };
    fs::create_dir_all(&folder).map_err(fails)?;
    let lock = std::fs::File::create(folder.join("lock")).map_err(fails)?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)
        .map_err(|error| fails(error.into()))?;
    let path = folder.join("known.json");
    let mut catalogues = read(&path)?;
    let done = change(&mut catalogues)?;
    let file = File { schema: "shelf/catalogues/1".into(), catalogues };
    let text = serde_json::to_vec_pretty(&file).map_err(|error| fails(error.into()))?;
    write_private(&path, &text).map_err(fails)?;
    Ok(done)
}

/// Every catalogue of a server, in the order in which modules are looked for.
///
/// # Errors
/// The file cannot be read.
pub fn catalogues(target: &Target) -> Result<Vec<CatalogueReport>> {
    Ok(known(target)?.iter().map(|one| one.report(Timestamp::now())).collect())
}

/// Keeps a catalogue, after its index was looked at.
///
/// # Errors
/// The name is none or taken, a key is none, or the index cannot be trusted; then nothing is kept.
pub async fn add_catalogue(target: &Target, options: &CatalogueOptions) -> Result<CatalogueReport> {
    let named = composer::name_from(&options.name).is_some_and(|name| name == options.name);
    if !named || ["shelf", "external"].contains(&options.name.as_str()) {
        let message = format!("{:?} is no name for a catalogue", options.name);
        return Err(unfit("catalogue/name", message, "lower case letters, digits and -"));
    }
    let threshold = options.threshold.unwrap_or(1);
    let mut keys = options.keys.clone();
    keys.sort();
    keys.dedup();
    if threshold == 0 || threshold > keys.len() {
        let message = format!("{threshold} of {} keys cannot sign", keys.len());
        return Err(unfit("catalogue/threshold", message, "give each key:  --key A --key B"));
    }
    let trust = Trust { prefix: &options.prefix, keys: &keys, threshold };
    let (index, digest) = trust.take(target, None, Timestamp::now()).await?;
    let known = Known {
        name: options.name.clone(),
        prefix: options.prefix.clone(),
        // More signatures than the owner asked for may be what the makers ask of each other.
        threshold: threshold.max(index.threshold).min(index.keys.len()),
        keys: index.keys.clone(),
        digest,
        index,
        checked: Timestamp::now(),
    };
    let report = known.report(Timestamp::now());
    change(target, |all| {
        if all.iter().any(|one| one.name == known.name) {
            let message = format!("there is a catalogue {} already", known.name);
            return Err(unfit("catalogue/taken", message, "another name, or:  shelf catalogue rm"));
        }
        if all.len() >= MOST_CATALOGUES {
            let message = format!("there are {MOST_CATALOGUES} catalogues already");
            return Err(unfit("catalogue/count", message, "shelf catalogue rm NAME"));
        }
        let place = match &options.before {
            Some(before) => {
                all.iter().position(|one| one.name == *before).ok_or_else(|| absent(before))?
            }
            None => all.len(),
        };
        all.insert(place, known);
        Ok(())
    })?;
    Ok(report)
}

fn absent(name: &str) -> Error {
    let message = format!("there is no catalogue {name}");
    unfit("catalogue/absent", message, "those there are:  shelf catalogue ls")
}

/// Forgets a catalogue. Apps that use modules of it keep what they have.
///
/// # Errors
/// There is none of that name, or the file cannot be written.
pub fn remove_catalogue(target: &Target, name: &str) -> Result<()> {
    change(target, |all| {
        let place = all.iter().position(|one| one.name == name).ok_or_else(|| absent(name))?;
        all.remove(place);
        Ok(())
    })
}

/// Takes the newest index of one catalogue, or of all.
///
/// # Errors
/// There is none of that name, or an index cannot be trusted; the one that was taken before stays.
pub async fn update_catalogues(
    target: &Target,
    name: Option<&str>,
) -> Result<Vec<CatalogueReport>> {
    let all = known(target)?;
    if let Some(name) = name.filter(|name| !all.iter().any(|one| one.name == **name)) {
        return Err(absent(name));
    }
    for one in all.iter().filter(|one| name.is_none_or(|name| one.name == name)) {
        let trust = Trust { prefix: &one.prefix, keys: &one.keys, threshold: one.threshold };
        let seen = Some((one.index.version, one.digest.as_str()));
        let (index, digest) = trust.take(target, seen, Timestamp::now()).await?;
        change(target, |all| {
            let Some(known) = all.iter_mut().find(|known| known.name == one.name) else {
                return Ok(());
            };
            // Somebody else may have taken a newer one meanwhile.
            if known.prefix == one.prefix && known.index.version <= index.version {
                known.keys.clone_from(&index.keys);
                known.threshold = one.threshold.max(index.threshold).min(index.keys.len());
                (known.index, known.digest) = (index, digest);
                known.checked = Timestamp::now();
            }
            Ok(())
        })?;
    }
    let all = catalogues(target)?;
    Ok(all.into_iter().filter(|one| name.is_none_or(|name| one.name == name)).collect())
}

impl Known {
    fn report(&self, now: Timestamp) -> CatalogueReport {
        CatalogueReport {
            name: self.name.clone(),
            prefix: self.prefix.clone(),
            version: self.index.version,
            expires: self.index.expires.to_string(),
            expired: now >= self.index.expires,
            modules: self.index.modules.len(),
            keys: self.keys.iter().map(|key| crate::revision(key)).collect(),
            threshold: self.threshold,
            checked: self.checked.to_string(),
        }
    }
}

/// Where an index is, and who must have signed it.
struct Trust<'a> {
    prefix: &'a str,
    keys: &'a [String],
    threshold: usize,
}

impl Trust<'_> {
    /// The index that is there now, if it may be taken after the one that was `seen`.
    async fn take(
        &self,
        target: &Target,
        seen: Option<(u64, &str)>,
        now: Timestamp,
    ) -> Result<(Index, String)> {
        let (repository, name) = repository(target, self.prefix)?;
        let failed = |error: registry::Error| refused(format!("read the catalogue {name}"), &error);
        let whole = repository.manifest(TAG).await.map_err(failed)?;
        let digest = whole.descriptor.digest.clone();
        // Before anything of it is looked at.
        enough(&repository, &digest, self.keys, self.threshold).await?;
        let index = index(&repository, &whole.bytes).await?;
        let flawed = |flaw: composer::index::Flaw| {
            let message = format!("the catalogue {name} is not used: {flaw}");
            unfit(flaw.code(), message, "what was known before stays; ask who makes it")
        };
        let seen = seen.map(|(version, known)| (version, known == digest));
        let judged = index.map_err(flawed)?;
        judged.judge(&repository.name(), seen, now).map_err(flawed)?;
        enough(&repository, &digest, &judged.keys, judged.threshold).await?;
        Ok((judged, digest))
    }
}

/// The repository that holds an index.
fn repository(target: &Target, prefix: &str) -> Result<(Repository, Reference)> {
    let wrong = |why: String| {
        unfit("catalogue/place", why, "such as registry.example.org/team, without a tag")
    };
    let name = Reference::parse(prefix).map_err(|error| wrong(error.to_string()))?;
    if name.tag.is_some() || name.digest.is_some() {
        return Err(wrong(format!(
            "{prefix} is one thing at a registry, and no place for a catalogue"
        )));
    }
    let failed = |error: registry::Error| refused(format!("read the catalogue {name}"), &error);
    let login = target.registry.login(&name).map_err(failed)?;
    Ok((target.registry.repository(&name, login.as_ref()), name))
}

fn public(keys: &[String]) -> Result<Vec<PublicKey>> {
    let read = |text: &String| {
        PublicKey::from_pem(text).map_err(|error| {
            unfit("catalogue/key", error.to_string(), "a public key:  shelf module key FILE")
        })
    };
    keys.iter().map(read).collect()
}

/// How many different keys signed a digest, under its own name.
async fn count(repository: &Repository, digest: &str, keys: &[String]) -> Result<usize> {
    let failed =
        |error| refused(format!("read the signatures of {}@{digest}", repository.name()), &error);
    let keys = public(keys)?;
    let own = |one: &Signed| one.name == repository.name();
    let signed = repository.signers(digest, &keys).await.map_err(failed)?;
    let signed: std::collections::BTreeSet<Vec<u8>> = signed
        .iter()
        .filter(|one| own(one))
        .map(|one| keys[one.key].to_pem().into_bytes())
        .collect();
    Ok(signed.len())
}

/// Refuses a digest that fewer than `threshold` of the keys signed, under its own name.
async fn enough(
    repository: &Repository,
    digest: &str,
    keys: &[String],
    threshold: usize,
) -> Result<()> {
    let found = count(repository, digest, keys).await?;
    if found >= threshold {
        return Ok(());
    }
    let message = format!(
        "the catalogue {} is not used: it has {found} of the {threshold} signatures it needs",
        repository.name()
    );
    Err(unfit("catalogue/signatures", message, "its makers sign it:  shelf catalogue sign"))
}

/// What a manifest carries; nothing of it is trusted for its own sake.
async fn index(
    repository: &Repository,
    manifest: &[u8],
) -> Result<std::result::Result<Index, composer::index::Flaw>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Manifest {
        artifact_type: Option<String>,
        #[serde(default)]
        layers: Vec<Descriptor>,
    }
    let wrong = |why: &str| Ok(Err(composer::index::Flaw::Wrong(why.to_owned())));
    let Ok(manifest) = serde_json::from_slice::<Manifest>(manifest) else {
        return wrong("its manifest cannot be read");
    };
    let [layer] = manifest.layers.as_slice() else { return wrong("it has not one layer") };
    if manifest.artifact_type.as_deref() != Some(TYPE) || layer.media_type != INDEX_TYPE {
        return wrong("it is something else");
    }
    if layer.size > MOST_BYTES as u64 {
        return wrong("it is too long");
    }
    let bytes = repository.blob(layer).await;
    let bytes = bytes
        .map_err(|error| refused(format!("read the catalogue {}", repository.name()), &error))?;
    Ok(Index::parse(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_is_not_taken_for_no_catalogues() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("known.json");
        assert!(read(&path).unwrap().is_empty());
        fs::write(&path, "{\"schema\":").unwrap();
        assert_eq!(read(&path).unwrap_err().report().code, "catalogue/file");
        // Deleted with all that was seen: the keys are gone as well, and have to be given again.
        fs::remove_file(&path).unwrap();
        assert!(read(&path).unwrap().is_empty());
    }
}
