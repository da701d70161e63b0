//! `restore`: an app's data back from a backup, into that app or a new one.
//!
//! Order: verify everything, refuse whatever does not fit, keep what is there in a backup of its
//! own, stop what uses the data, give it back, write the secrets that were born with it, and settle
//! the app. Where next: `unpack.rs`, `parts.rs`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use composer::{Compiled, Graph, Images};
use serde::{Deserialize, Serialize};

use super::archive::{PartRecord, What};
use super::backup::{self, BackupOptions, Passphrase};
use super::files::{self, Helper};
use super::inside::{self, Place, Program};
use super::parts::{self, Holder, Way};
use super::store;
use super::unpack::Opened;
use crate::around::Around;
use crate::event::{BlockState, Event, Events};
use crate::go::{self, GoOptions, Settled};
use crate::images::{self, Built};
use crate::live::Live;
use crate::load::Loaded;
use crate::progress::Clock;
use crate::release::{self, Release};
use crate::{Error, Result, Target, apply, back, facts, live, load, rotate, scale};

/// How many backups made before a restore are kept.
const KEPT_BEFORE: usize = 3;

/// Where a backup is.
#[derive(Debug, Clone)]
pub enum From {
    /// Among those that are kept: the app it was made of, and its name.
    Kept(String, String),
    /// A file.
    File(PathBuf),
}

/// How data is restored.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// Opens a sealed backup.
    pub passphrase: Option<Passphrase>,
    /// The new app that gets code and data; without it, the data goes into the app it is of.
    pub into: Option<String>,
    /// Brings back the release of the backup as well, not its data alone.
    pub with_code: bool,
    /// Makes no backup of what is there before it is replaced.
    pub no_backup: bool,
    /// Who says so; kept with the release.
    pub by: String,
}

/// An app that takes the data of another's blocks of the same names.
#[derive(Debug, Clone)]
pub(crate) struct StandIn {
    /// Its app file.
    pub(crate) text: String,
    /// Block to image.
    pub(crate) images: BTreeMap<String, String>,
    /// Block to the hash of what its image was built from; empty if that is not to be known.
    pub(crate) sources: BTreeMap<String, String>,
    /// What decides about it beside its file, if that is not what the backup says.
    pub(crate) around: Option<Around>,
}

/// The result of `restore`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// The app that has the data now.
    pub app: String,
    /// When the backup was begun, RFC 3339.
    pub of: String,
    /// What each block was given, in bytes.
    pub parts: Vec<(String, u64)>,
    /// The backup of what was there before, if one was made.
    pub kept: Option<String>,
    /// The release that runs now.
    pub release: String,
    /// The app's address, if it has one.
    pub url: Option<String>,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// Restores a backup.
///
/// # Errors
/// The backup is damaged, sealed with another key, or does not fit: then nothing was changed.
/// Otherwise what failed, and the name of the backup of what was there.
pub async fn restore(
    target: &Target,
    from: &From,
    options: &RestoreOptions,
    events: Events<'_>,
) -> Result<RestoreReport> {
    restore_in(target, from, options, None, events).await
}

/// The same; a new app may be another than the one the backup was made of.
pub(crate) async fn restore_in(
    target: &Target,
    from: &From,
    options: &RestoreOptions,
    stand_in: Option<&StandIn>,
    events: Events<'_>,
) -> Result<RestoreReport> {
    let clock = Clock::start();
    let opened = Arc::new(open(target, from, options.passphrase.clone()).await?);
    let of = opened.header.at.clone();
    let app = options.into.clone().unwrap_or_else(|| opened.header.app.clone());
    let live = live::list(target, &app).await?;
    let work = Work::plan(target, &opened, (options, stand_in), &app, &live)?;
    events(Event::Note { text: format!("the backup of {of} is whole; it goes into {app}") });
    let mut kept = None;
    if work.fresh {
        work.begin(events).await?;
    } else {
        if !options.no_backup {
            kept = Some(work.keep(events).await?);
        }
        let given: Vec<&str> = work.programs().map(|(holder, _)| holder.block.as_str()).collect();
        let free = |block: &str| !uses(&work.loaded.graph, block, &given);
        scale::rest(target, &app, &live, &free).await?;
    }
    let done = work.give_back(events).await;
    let report = done.map_err(|error| match &kept {
        Some(kept) => Error::Half { cause: Box::new(error), app: app.clone(), kept: kept.clone() },
        None => error,
    })?;
    Ok(RestoreReport {
        app: app.clone(),
        of,
        parts: work.parts.iter().map(|(holder, part)| (holder.block.clone(), part.bytes)).collect(),
        kept,
        release: report.release,
        url: report.url,
        seconds: clock.seconds(),
    })
}

async fn open(target: &Target, from: &From, passphrase: Option<Passphrase>) -> Result<Opened> {
    let (path, name) = match from {
        From::Kept(app, name) => (store::backup_file(target, app, name)?, name.clone()),
        From::File(path) => (path.clone(), "that was sent".to_owned()),
    };
    let opening = tokio::task::spawn_blocking(move || {
        Opened::open(&path, passphrase.as_ref().map(Passphrase::bytes))
    });
    let opened =
        opening.await.map_err(|source| Error::Task { what: "a restore".into(), source })?;
    opened.map_err(|source| Error::Backup { name, source })
}

/// Everything that was found out before anything is changed.
struct Work<'a> {
    target: &'a Target,
    opened: &'a Arc<Opened>,
    options: &'a RestoreOptions,
    app: &'a str,
    /// Whether there is no app of this name.
    fresh: bool,
    loaded: Loaded,
    images: Images,
    release: Release,
    compiled: Compiled,
    parts: Vec<(Holder, PartRecord)>,
    /// Secret to key to value, of those that this app has.
    secrets: BTreeMap<String, BTreeMap<String, String>>,
    live: &'a Live,
}

impl<'a> Work<'a> {
    fn plan(
        target: &'a Target,
        opened: &'a Arc<Opened>,
        (options, stand_in): (&'a RestoreOptions, Option<&StandIn>),
        app: &'a str,
        live: &'a Live,
    ) -> Result<Self> {
        let recorded = release::read(live);
        let running = recorded.clone().filter(|one| !one.text.is_empty());
        // A rehearsal marks its namespace before anything is in it.
        let marked = stand_in.is_some() && live.keys().all(|key| key.kind == "Namespace");
        if options.into.is_some() && !live.is_empty() && !marked {
            return Err(refuse(
                "restore/taken",
                format!("there is an app {app} already, or disks of one"),
                Some("give another name, or restore without --as".into()),
            ));
        }
        let disks = live.keys().any(|key| key.kind == "PersistentVolumeClaim");
        if running.is_none() && disks {
            return Err(refuse(
                "restore/disks",
                format!("{app} does not run, but disks of it are there; they would be overwritten"),
                Some(format!(
                    "take them up first:  shelf go        or delete them:  shelf destroy --delete-data {app}"
                )),
            ));
        }
        let fresh = running.is_none();
        let mut release = match running.filter(|_| !options.with_code) {
            Some(release) => release,
            None => read_json(opened, &What::Release)?,
        };
        if let Some(name) = &options.into {
            release.text = renamed(&release.text, name)?;
        }
        if let Some(other) = stand_in {
            release.text.clone_from(&other.text);
            release.images.clone_from(&other.images);
            release.sources.clone_from(&other.sources);
            if let Some(around) = &other.around {
                release.around.clone_from(around);
            }
        }
        let loaded = load::of_release(&release)?;
        let images = images(target, &loaded.graph, &release)?;
        let compiled = composer::compile(
            &loaded.graph,
            &target.images_there(&images, &loaded.around),
            &rotate::stay(facts::facts(target, app), recorded.as_ref()),
        );
        let parts = fit(opened, &loaded.graph)?;
        let mut secrets: BTreeMap<String, BTreeMap<String, String>> =
            read_json(opened, &What::Secrets)?;
        secrets.retain(|name, _| compiled.secrets.iter().any(|one| one.name == *name));
        Ok(Self {
            target,
            opened,
            options,
            app,
            fresh,
            loaded,
            images,
            release,
            compiled,
            parts,
            secrets,
            live,
        })
    }

    fn programs(&self) -> impl Iterator<Item = &(Holder, PartRecord)> {
        self.parts.iter().filter(|(holder, _)| matches!(holder.way, Way::Program { .. }))
    }

    /// A new app: its namespace, its secrets, and the blocks that take data by programs.
    async fn begin(&self, events: Events<'_>) -> Result<()> {
        let objects = self.compiled.phases.iter().flat_map(|phase| &phase.objects);
        for namespace in objects.filter(|object| object["kind"] == "Namespace") {
            apply::apply(self.target, self.app, namespace).await?;
        }
        self.write_secrets().await?;
        let blocks: Vec<&str> = self.programs().map(|(holder, _)| holder.block.as_str()).collect();
        let mut graph = self.loaded.graph.clone();
        graph.blocks.retain(|part| blocks.contains(&part.name.as_str()));
        let there = |name: &String| blocks.contains(&name.as_str());
        graph.wires.retain(|wire| there(&wire.consumer) && there(&wire.provider));
        if graph.blocks.is_empty() {
            return Ok(());
        }
        let loaded = Loaded {
            dir: PathBuf::new(),
            graph,
            text: self.loaded.text.clone(),
            beside: self.loaded.beside.clone(),
            around: self.loaded.around.clone(),
        };
        let built = Built { images: self.images.clone(), ..Built::default() };
        let settled = Settled { record: false, ..Settled::new(&loaded, built, BTreeMap::new()) };
        let options = GoOptions { snapshot: false, ..GoOptions::default() };
        go::settle(self.target, settled, &options, &Clock::start(), events).await.map(|_| ())
    }

    /// What is there now, in a backup of its own.
    async fn keep(&self, events: Events<'_>) -> Result<String> {
        let options = BackupOptions { label: "before-restore".into(), ..BackupOptions::default() };
        let made = backup::backup(self.target, self.app, &options, events).await;
        let made = made.map_err(|error| Error::Data {
            code: "restore/keep",
            message: format!(
                "what is there now could not be kept, so nothing was changed: {error}"
            ),
            hint: Some("restore all the same, and lose it:  --no-backup".into()),
        })?;
        events(Event::Note { text: format!("what was there is kept:  {}", made.name) });
        store::prune(self.target, self.app, "before-restore", KEPT_BEFORE)?;
        Ok(made.name)
    }

    async fn give_back(&self, events: Events<'_>) -> Result<crate::GoReport> {
        let clock = Clock::start();
        for (holder, part) in self.programs() {
            let Way::Program { restore, .. } = &holder.way else { continue };
            events(clock.block(&holder.block, BlockState::Preparing, "takes its data back"));
            let place = backup::running(self.target, self.app, &holder.block).await?;
            let command = vec!["/bin/sh".into(), "-c".into(), restore.clone()];
            self.feed(&holder.block, part, place, command).await?;
        }
        let mut renewed = match self.fresh {
            true => Vec::new(),
            false => self.write_secrets().await?,
        };
        // The logins of wires are made once more: what came back may not know them.
        let given: Vec<&String> = self.programs().map(|(holder, _)| &holder.block).collect();
        let wires = self.loaded.graph.wires.iter().filter(|wire| given.contains(&&wire.provider));
        renewed.extend(wires.map(|wire| wire.secret_name()));
        let disks = self.parts.len() > given.len();
        let report = self.settle(renewed, events).await?;
        if !disks {
            return Ok(report);
        }
        // Files are replaced while nothing uses them.
        let live = live::list(self.target, self.app).await?;
        let disks: Vec<&str> = self
            .parts
            .iter()
            .filter(|(holder, _)| matches!(holder.way, Way::Files(_)))
            .map(|(holder, _)| holder.block.as_str())
            .collect();
        let free =
            |block: &str| !uses(&self.loaded.graph, block, &disks) && !disks.contains(&block);
        scale::rest(self.target, self.app, &live, &free).await?;
        for (holder, part) in &self.parts {
            let (Way::Files(claims), What::Files { disk, .. }) = (&holder.way, &part.what) else {
                continue;
            };
            let Some((_, claim)) = claims.iter().find(|(name, _)| name == disk) else { continue };
            events(clock.block(&holder.block, BlockState::Preparing, format!("disk {disk}")));
            let image = backup::image(self.target, &self.release, &holder.block)?;
            let helper = Helper::start(self.target, self.app, claim, &image, false).await?;
            let fed = self.feed(&holder.block, part, helper.place.clone(), files::unpack()).await;
            helper.end().await;
            fed?;
        }
        self.settle(Vec::new(), events).await
    }

    async fn settle(&self, renewed: Vec<String>, events: Events<'_>) -> Result<crate::GoReport> {
        let built = Built { images: self.images.clone(), ..Built::default() };
        let settled = Settled {
            renewed,
            // The rows may be older than the code: its steps bring them up to date.
            again: true,
            ..Settled::new(&self.loaded, built, self.release.sources.clone())
        };
        let options =
            GoOptions { snapshot: false, by: self.options.by.clone(), ..GoOptions::default() };
        go::settle(self.target, settled, &options, &Clock::start(), events).await
    }

    /// Runs a program and gives it a part.
    async fn feed(
        &self,
        block: &str,
        part: &PartRecord,
        place: Place,
        command: Vec<String>,
    ) -> Result<()> {
        let (target, opened) = (self.target.clone(), self.opened.clone());
        let (block, part) = (block.to_owned(), part.clone());
        let feeding = tokio::task::spawn_blocking(move || {
            let program = Program { block: &block, verb: "restore", command, fine: &[] };
            let mut from = opened.part(&part);
            inside::run(&target, &place, &program, Some(&mut from), &mut std::io::sink())
        });
        feeding.await.map_err(|source| Error::Task { what: "a restore".into(), source })?
    }

    /// Writes the secrets that were born with the data; the names of those that changed.
    async fn write_secrets(&self) -> Result<Vec<String>> {
        let mut changed = Vec::new();
        for secret in &self.compiled.secrets {
            let Some(values) = self.secrets.get(&secret.name) else { continue };
            let encode = |(key, value): (&String, &String)| (key.clone(), STANDARD.encode(value));
            let data: BTreeMap<String, String> = values.iter().map(encode).collect();
            let key = live::Key { kind: "Secret".into(), name: secret.name.clone() };
            let there = self.live.get(&key).and_then(|object| object["data"].as_object());
            let same = there.is_some_and(|there| {
                data.iter().all(|(key, value)| there.get(key).is_some_and(|have| have == value))
            });
            if !same {
                apply::write_secret(self.target, self.app, secret, &data).await?;
                changed.push(secret.name.clone());
            }
        }
        Ok(changed)
    }
}

/// Whether a block is wired to one of these.
fn uses(graph: &Graph, block: &str, providers: &[&str]) -> bool {
    graph.wires_of(block).any(|wire| providers.contains(&wire.provider.as_str()))
}

/// Each part with the block that takes it; an error if one has no place.
fn fit(opened: &Opened, graph: &Graph) -> Result<Vec<(Holder, PartRecord)>> {
    let (holders, _) = parts::holders(graph);
    let mut fits = Vec::new();
    for part in &opened.manifest.parts {
        let place = match &part.what {
            What::Release | What::Secrets => continue,
            What::Program { block, .. } => holders
                .iter()
                .find(|holder| holder.block == *block && matches!(holder.way, Way::Program { .. })),
            What::Files { block, disk } => holders.iter().find(|holder| match &holder.way {
                Way::Files(disks) => {
                    holder.block == *block && disks.iter().any(|(name, _)| name == disk)
                }
                Way::Program { .. } => false,
            }),
        };
        let Some(holder) = place else {
            return Err(refuse(
                "restore/block",
                format!(
                    "the backup has data of {}, which this app has no place for",
                    part.what.block()
                ),
                Some("restore code and data together into a new app:  --as NAME".into()),
            ));
        };
        fits.push((holder.clone(), part.clone()));
    }
    Ok(fits)
}

/// The image of every block, under this app's name; an error if one is gone and cannot be made.
fn images(target: &Target, graph: &Graph, release: &Release) -> Result<Images> {
    let kept = back::still_there(target, release);
    let mut found = Images::new();
    for build in graph.builds() {
        let Some(image) = kept.get(&build.block) else {
            return Err(refuse(
                "restore/image",
                format!("the image of {} is not in this server's store", build.block),
                Some(format!(
                    "bring {} up from its source first, then restore its data:  shelf go",
                    graph.app
                )),
            ));
        };
        if !images::is_ours(image) {
            found.insert(build.block.clone(), image.clone());
            continue;
        }
        let digest = image.split_once('@').map_or(image.as_str(), |(_, digest)| digest);
        let name = images::reference(&graph.app, &build.block, digest);
        if let Ok(Some(stored)) = target.images.find(digest) {
            images::tag(target, &stored, &format!("shelf.local/{}/{}", graph.app, build.block))?;
        }
        found.insert(build.block.clone(), name);
    }
    Ok(found)
}

/// The app file with another name; comments stay.
fn renamed(text: &str, name: &str) -> Result<String> {
    let wrong = |error: String| refuse("restore/name", error, None);
    let mut file: toml_edit::DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| wrong(error.to_string()))?;
    let decor = file["app"].as_value().map(|value| value.decor().clone());
    let mut value = toml_edit::Value::from(name);
    if let Some(decor) = decor {
        *value.decor_mut() = decor;
    }
    file["app"] = toml_edit::Item::Value(value);
    Ok(file.to_string())
}

fn read_json<T: serde::de::DeserializeOwned>(opened: &Opened, what: &What) -> Result<T> {
    let part = opened.manifest.parts.iter().find(|part| part.what == *what);
    let read = part.and_then(|part| serde_json::from_reader(opened.part(part)).ok());
    read.ok_or_else(|| {
        let message = "the backup is whole, but was made by another version".to_owned();
        refuse("restore/version", message, None)
    })
}

fn refuse(code: &'static str, message: String, hint: Option<String>) -> Error {
    Error::Data { code, message, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_name_changes_nothing_else() {
        let text = "# ours\napp = \"shop\"  # the name\n\n[db]\nuse = \"postgres@15\"\n";
        let new = renamed(text, "copy").unwrap();
        assert_eq!(new, text.replace("\"shop\"", "\"copy\""));
    }
}
