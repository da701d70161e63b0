//! The maker's side of a catalogue: an index is made from what is published, signed, and put in the
//! place where it is taken from once enough of its keys signed it.
//!
//! Until then it waits under the tag `catalogue-next`, which nobody takes it from. Whoever makes the
//! next one starts from one that his own key signed, so that nobody else's words get his signature.

use std::path::PathBuf;

use composer::Module;
use composer::index::{Index, Listed, SCHEMA};
use image::Reference;
use jiff::{SignedDuration, Timestamp};
use registry::{EMPTY_TYPE, MANIFEST_TYPE, Repository, SigningKey};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{INDEX_TYPE, TAG, TYPE, count, index, repository, unfit};
use crate::published::{open, refused, signing_key};
use crate::{Error, Result, Target};

/// Where an index waits for signatures.
const NEXT: &str = "catalogue-next";
/// Longest life of an index, in days.
const MOST_DAYS: u32 = 3660;

/// How an index is made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CataloguePublishOptions {
    /// The place, such as `registry.example.org/team`.
    pub prefix: String,
    /// Files of private keys that sign it.
    pub keys: Vec<PathBuf>,
    /// Public keys (PEM) of others who sign for this catalogue.
    #[serde(default)]
    pub others: Vec<String>,
    /// How many must sign; what it was if absent, or one.
    #[serde(default)]
    pub threshold: Option<usize>,
    /// For how many days it may be taken.
    pub days: u32,
    /// Modules that are added or replaced: `redis:7.0.1`, below the place.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Modules that are taken out: `redis` or `redis@7.0.1`.
    #[serde(default)]
    pub remove: Vec<String>,
    /// Whether it is only said what would be in it.
    #[serde(default)]
    pub dry_run: bool,
}

/// An index that was made or signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CataloguePublishReport {
    /// The place.
    pub prefix: String,
    /// Its number.
    pub version: u64,
    /// Its digest; none after a dry run.
    pub digest: Option<String>,
    /// Until when it may be taken.
    pub expires: String,
    /// What is in it: name, version and digest.
    pub modules: Vec<(String, String, String)>,
    /// How many signatures it has.
    pub signatures: usize,
    /// How many it needs.
    pub threshold: usize,
    /// Whether it is where it is taken from.
    pub current: bool,
}

/// Makes the next index of a catalogue and signs it.
///
/// # Errors
/// A key or a module cannot be used, the one that is there is not signed by one of the keys, or the
/// registry refuses something; the one that is there stays then.
pub async fn publish_catalogue(
    target: &Target,
    options: &CataloguePublishOptions,
) -> Result<CataloguePublishReport> {
    let (repository, name) = repository(target, &options.prefix)?;
    let failed = |error: registry::Error| refused(format!("publish the catalogue {name}"), &error);
    let keys: Result<Vec<SigningKey>> = options.keys.iter().map(|path| signing_key(path)).collect();
    let keys = keys?;
    let mut own = Vec::new();
    for key in &keys {
        own.push(key.public().map_err(failed)?.to_pem());
    }
    let before = current(&repository, &own).await?;
    let made = next(&repository, options, &own, before.as_ref(), Timestamp::now())?;
    let made = listed(target, &repository, options, made).await?;
    // What will be refused elsewhere is not signed here.
    let made = Index::parse(&made.to_bytes())
        .map_err(|flaw| unfit(flaw.code(), format!("not signed: {flaw}"), "see the format"))?;
    let mut report = report(&repository, &made);
    if options.dry_run {
        return Ok(report);
    }
    let nothing = repository.push_blob(EMPTY_TYPE, b"{}").await.map_err(failed)?;
    let layer = repository.push_blob(INDEX_TYPE, &made.to_bytes()).await.map_err(failed)?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": TYPE,
        "config": nothing, "layers": [layer],
    });
    let manifest = manifest.to_string().into_bytes();
    let sent = repository.push_manifest(Some(NEXT), MANIFEST_TYPE, &manifest).await;
    let digest = sent.map_err(failed)?.digest;
    for key in &keys {
        repository.sign(&digest, key).await.map_err(failed)?;
    }
    report.digest = Some(digest.clone());
    settle(&repository, &made, before.as_ref(), (&digest, &manifest), &mut report).await?;
    Ok(report)
}

/// Adds a signature to the index that waits for one.
///
/// # Errors
/// None waits, the key is none of it, or the registry refuses something.
pub async fn sign_catalogue(
    target: &Target,
    prefix: &str,
    key: &std::path::Path,
) -> Result<CataloguePublishReport> {
    let (repository, name) = repository(target, prefix)?;
    let failed = |error: registry::Error| refused(format!("sign the catalogue {name}"), &error);
    let key = signing_key(key)?;
    let own = key.public().map_err(failed)?.to_pem();
    let waiting = match repository.manifest(NEXT).await {
        Err(registry::Error::Missing { .. }) => {
            let message = format!("no index of {name} waits for a signature");
            return Err(unfit("catalogue/none", message, "make one:  shelf catalogue publish"));
        }
        waiting => waiting.map_err(failed)?,
    };
    let made = index(&repository, &waiting.bytes).await?;
    let made = made.map_err(|flaw| unfit(flaw.code(), format!("not signed: {flaw}"), ""))?;
    let there = there(&repository).await?;
    let known = made.keys.contains(&own)
        || there.as_ref().is_some_and(|(index, _)| index.keys.contains(&own));
    if made.name != repository.name() || !known {
        let message = format!("{name} names no such key: {}", crate::revision(&own));
        return Err(unfit("catalogue/key", message, "its maker:  --trust FILE.pub"));
    }
    if there.as_ref().is_some_and(|(index, _)| index.version >= made.version) {
        let message = format!("no index of {name} waits: number {} is taken", made.version);
        return Err(unfit("catalogue/none", message, "make one:  shelf catalogue publish"));
    }
    let digest = waiting.descriptor.digest;
    repository.sign(&digest, &key).await.map_err(failed)?;
    let mut report = report(&repository, &made);
    report.digest = Some(digest.clone());
    let before = there.map(|(index, _)| index);
    settle(&repository, &made, before.as_ref(), (&digest, &waiting.bytes), &mut report).await?;
    Ok(report)
}

/// The index that is taken now, and its digest; whoever signed it.
async fn there(repository: &Repository) -> Result<Option<(Index, String)>> {
    let name = repository.name();
    let whole = match repository.manifest(TAG).await {
        Ok(whole) => whole,
        Err(registry::Error::Missing { .. }) => return Ok(None),
        Err(error) => return Err(refused(format!("read the catalogue {name}"), &error)),
    };
    let found = index(repository, &whole.bytes).await?.map_err(|flaw| {
        let message = format!("what is at {name}:{TAG} is not used: {flaw}");
        unfit(flaw.code(), message, "remove that tag to begin anew")
    })?;
    Ok(Some((found, whole.descriptor.digest)))
}

/// The same, signed by one of the maker's own keys.
async fn current(repository: &Repository, own: &[String]) -> Result<Option<Index>> {
    let Some((found, digest)) = there(repository).await? else { return Ok(None) };
    if found.name != repository.name() || count(repository, &digest, own).await? == 0 {
        let message = format!(
            "the index at {}:{TAG} is not signed with this key: its words would get your signature",
            repository.name()
        );
        let hint = "who signed it makes the next one, and names your key:  --trust FILE.pub";
        return Err(unfit("catalogue/foreign", message, hint));
    }
    Ok(Some(found))
}

/// The next index, with the modules of the one before.
fn next(
    repository: &Repository,
    options: &CataloguePublishOptions,
    own: &[String],
    before: Option<&Index>,
    now: Timestamp,
) -> Result<Index> {
    let mut keys: Vec<String> = own.iter().chain(&options.others).cloned().collect();
    if let Some(before) = before.filter(|_| options.others.is_empty()) {
        keys.clone_from(&before.keys);
    }
    keys.sort();
    keys.dedup();
    super::public(&keys)?;
    let threshold = options.threshold.or(before.map(|one| one.threshold)).unwrap_or(1);
    if threshold == 0 || threshold > keys.len() {
        let message = format!("{threshold} of {} keys cannot sign", keys.len());
        let hint = "name those who sign as well:  --trust FILE.pub";
        return Err(unfit("catalogue/threshold", message, hint));
    }
    if options.days == 0 || options.days > MOST_DAYS {
        let message = format!("an index does not live for {} days", options.days);
        return Err(unfit("catalogue/expires", message, "such as  --expires 90d"));
    }
    let life = SignedDuration::from_hours(24 * i64::from(options.days));
    let overflow = || unfit("catalogue/expires", "this clock is wrong".into(), "look at  date");
    Ok(Index {
        schema: SCHEMA.to_owned(),
        name: repository.name(),
        version: before.map_or(Some(1), |one| one.version.checked_add(1)).ok_or_else(overflow)?,
        made: now,
        expires: now.checked_add(life).map_err(|_| overflow())?,
        keys,
        threshold,
        modules: before.map(|one| one.modules.clone()).unwrap_or_default(),
    })
}

/// The same with what was added and taken out.
async fn listed(
    target: &Target,
    repository: &Repository,
    options: &CataloguePublishOptions,
    mut made: Index,
) -> Result<Index> {
    for gone in &options.remove {
        let (name, version) =
            gone.split_once('@').map_or((gone.as_str(), None), |(a, b)| (a, Some(b)));
        let there = made.modules.len();
        made.modules.retain(|one| one.name != name || version.is_some_and(|it| it != one.version));
        if made.modules.len() == there {
            let message = format!("{} lists no {gone}", made.name);
            return Err(unfit("catalogue/module", message, "such as  --remove redis@7.0.1"));
        }
    }
    for module in &options.modules {
        let one = look(target, repository, &options.prefix, &made.keys, module).await?;
        made.modules.retain(|old| (&old.name, &old.version) != (&one.name, &one.version));
        made.modules.push(one);
    }
    made.modules.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(made)
}

/// Looks at a published module below the catalogue's place.
async fn look(
    target: &Target,
    place: &Repository,
    prefix: &str,
    keys: &[String],
    module: &str,
) -> Result<Listed> {
    let wrong = |why: String| {
        let hint = format!("publish it there:  shelf module publish FOLDER {prefix}/redis");
        unfit("catalogue/module", why, &hint)
    };
    let below = module.strip_prefix(&format!("{}/", place.name()));
    let below = below.or_else(|| module.strip_prefix(&format!("{prefix}/"))).unwrap_or(module);
    let at = below.split(['@', ':']).next().unwrap_or_default().to_owned();
    let whole = format!("{prefix}/{below}");
    let name = Reference::parse(&whole).map_err(|error| wrong(error.to_string()))?;
    let wanted = name.digest.as_deref().or(name.tag.as_deref());
    let wanted =
        wanted.ok_or_else(|| wrong(format!("{module} says no version: {module}:1.0.0")))?;
    let failed = |error: registry::Error| refused(format!("look at {name}"), &error);
    let login = target.registry.login(&name).map_err(failed)?;
    let repository = target.registry.repository(&name, login.as_ref());
    let found = repository.manifest(wanted).await.map_err(failed)?;
    let digest = found.descriptor.digest.clone();
    let opened = open(&repository, &found.bytes, &name).await?;
    let module = Module::parse("module.toml", &opened.text).map_err(Error::Wrong)?;
    let size = opened.files.values().map(|(_, bytes)| bytes.len() as u64).sum();
    let mut listed = Listed::of(&module, &at, &digest, size);
    listed.signed = count(&repository, &digest, keys).await? > 0;
    Ok(listed)
}

fn report(repository: &Repository, made: &Index) -> CataloguePublishReport {
    let module = |one: &Listed| (one.name.clone(), one.version.clone(), one.digest.clone());
    CataloguePublishReport {
        prefix: repository.name(),
        version: made.version,
        digest: None,
        expires: made.expires.to_string(),
        modules: made.modules.iter().map(module).collect(),
        signatures: 0,
        threshold: made.threshold,
        current: false,
    }
}

/// Puts an index where it is taken from, if enough of its own keys and of those before it signed.
async fn settle(
    repository: &Repository,
    made: &Index,
    before: Option<&Index>,
    (digest, manifest): (&str, &[u8]),
    report: &mut CataloguePublishReport,
) -> Result<()> {
    report.signatures = count(repository, digest, &made.keys).await?;
    let agreed = match before {
        Some(before) => count(repository, digest, &before.keys).await? >= before.threshold,
        None => true,
    };
    if report.signatures >= made.threshold && agreed {
        let failed =
            |error| refused(format!("publish the catalogue {}", repository.name()), &error);
        repository.push_manifest(Some(TAG), MANIFEST_TYPE, manifest).await.map_err(failed)?;
        report.current = true;
    }
    Ok(())
}
