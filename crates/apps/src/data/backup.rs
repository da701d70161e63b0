//! `backup`: everything an app would need to be again what it is now, in one file.
//!
//! Each block is asked by itself while it runs, so a backup is consistent per block: what a
//! database says is one moment of that database. Where next: `parts.rs`, then `archive.rs`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde::{Deserialize, Serialize};

use super::archive::{Archive, FORMAT, Header, LeftOut, Manifest, What};
use super::files::{self, Helper};
use super::inside::{self, Place, Program};
use super::parts::{self, Holder, Way};
use super::seal::Sealing;
use super::store;
use crate::event::{Event, Events};
use crate::live::Live;
use crate::progress::Clock;
use crate::release::{self, Release};
use crate::{Error, Result, Target, live, load, observe};

/// How long a copy that is there may take to be ready.
const WAKING: Duration = Duration::from_secs(60);

/// A passphrase; never printed.
#[derive(Clone)]
pub struct Passphrase(Vec<u8>);

impl Passphrase {
    /// A passphrase, without the line end that most files close with.
    pub fn new(text: &str) -> Self {
        Self(text.trim_end_matches(['\r', '\n']).as_bytes().to_vec())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Passphrase(…)")
    }
}

/// How a backup is made.
#[derive(Debug, Clone)]
pub struct BackupOptions {
    /// Seals everything but the header with a key made from it.
    pub passphrase: Option<Passphrase>,
    /// Why it is made; becomes part of its name.
    pub label: String,
    /// The release that is about to come, if one is.
    pub before: Option<String>,
    /// The blocks whose data is kept; all of them if absent.
    pub only: Option<Vec<String>>,
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self { passphrase: None, label: "backup".into(), before: None, only: None }
    }
}

/// The result of `backup`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackupReport {
    /// The app.
    pub app: String,
    /// The backup's name.
    pub name: String,
    /// The file, on the server's machine.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// What each block gave: its name and how many bytes that was before it was packed.
    pub parts: Vec<(String, u64)>,
    /// What holds data and is not in it.
    pub left_out: Vec<LeftOut>,
    /// Whether it needs a key.
    pub sealed: bool,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// Makes a backup of a running app.
///
/// # Errors
/// There is no such app, a block that holds data does not run, its program fails, or the disk is
/// full. A backup that is not complete does not exist.
pub async fn backup(
    target: &Target,
    app: &str,
    options: &BackupOptions,
    events: Events<'_>,
) -> Result<BackupReport> {
    let clock = Clock::start();
    let live = live::list(target, app).await?;
    let Some(release) = release::read(&live) else { return Err(Error::Absent(app.to_owned())) };
    if release.text.is_empty() {
        return Err(Error::Data {
            code: "backup/release",
            message: format!(
                "{app} was last brought up by an older version, which kept no app file"
            ),
            hint: Some("say once more:  shelf go".into()),
        });
    }
    let graph = load::of_release(&release)?.graph;
    let (mut holders, mut left_out) = parts::holders(&graph);
    if let Some(only) = &options.only {
        holders.retain(|holder| only.contains(&holder.block));
        left_out.retain(|left| only.contains(&left.block));
    }
    let sources = sources(target, app, &live, &release, &holders).await?;
    let random = options.passphrase.as_ref().map(|_| rand::random::<[u8; 16]>());
    let header = Header {
        format: FORMAT.into(),
        app: app.to_owned(),
        at: jiff::Timestamp::now().to_string(),
        label: options.label.clone(),
        release: Some(release.release.clone()),
        before: options.before.clone(),
        sealed: random.map(Sealing::new),
    };
    let path = store::new_path(target, &header)?;
    let job = Job {
        target: target.clone(),
        path: path.clone(),
        passphrase: options.passphrase.clone(),
        header,
        release,
        secrets: secrets(&live),
        left_out,
        parts: sources
            .iter()
            .map(|one| (one.what.clone(), one.place.clone(), one.command()))
            .collect(),
    };
    let written = tokio::task::spawn_blocking(move || job.write()).await;
    for source in &sources {
        if let Some(helper) = &source.helper {
            helper.end().await;
        }
    }
    let (manifest, size_bytes) =
        written.map_err(|source| Error::Task { what: "a backup".into(), source })??;
    for left in &manifest.left_out {
        events(Event::Note { text: format!("! {} is not in it: {}", left.block, left.reason) });
    }
    let said = manifest.parts.iter().filter_map(|part| match &part.what {
        What::Program { block, .. } | What::Files { block, .. } => {
            Some((block.clone(), part.bytes))
        }
        _ => None,
    });
    Ok(BackupReport {
        app: app.to_owned(),
        name: store::name_of(&path),
        path,
        size_bytes,
        parts: said.collect(),
        left_out: manifest.left_out,
        sealed: options.passphrase.is_some(),
        seconds: clock.seconds(),
    })
}

/// Where one part comes from.
struct Source {
    what: What,
    place: Place,
    /// What is run there.
    run: Vec<String>,
    /// A pod of our own, which ends with the backup.
    helper: Option<Helper>,
}

impl Source {
    fn command(&self) -> Vec<String> {
        self.run.clone()
    }
}

async fn sources(
    target: &Target,
    app: &str,
    live: &Live,
    release: &Release,
    holders: &[Holder],
) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for holder in holders {
        match &holder.way {
            Way::Program { backup, .. } => sources.push(Source {
                what: What::Program { block: holder.block.clone(), module: holder.module.clone() },
                place: running(target, app, &holder.block).await?,
                run: vec!["/bin/sh".into(), "-c".into(), backup.clone()],
                helper: None,
            }),
            Way::Files(disks) => {
                for (disk, claim) in disks.iter().filter(|(_, claim)| has_claim(live, claim)) {
                    let image = image(target, release, &holder.block)?;
                    let helper = Helper::start(target, app, claim, &image, true).await?;
                    sources.push(Source {
                        what: What::Files { block: holder.block.clone(), disk: disk.clone() },
                        place: helper.place.clone(),
                        run: files::pack(),
                        helper: Some(helper),
                    });
                }
            }
        }
    }
    Ok(sources)
}

/// A disk that no copy ever used has no claim yet.
fn has_claim(live: &Live, claim: &str) -> bool {
    live.keys().any(|key| key.kind == "PersistentVolumeClaim" && key.name == claim)
}

/// An image for a pod of our own: the block's, or any of the app's.
pub(super) fn image(target: &Target, release: &Release, block: &str) -> Result<String> {
    let image = release.images.get(block).or_else(|| release.images.values().next());
    let there = |image: &String| match &target.cluster {
        None => image.clone(),
        Some(cluster) => cluster.image(image),
    };
    image.map(there).ok_or_else(|| Error::Data {
        code: "backup/image",
        message: format!("no image of this app can read the disk of {block}"),
        hint: None,
    })
}

/// The running copy of a block. One that is there and not ready is waited for, up to [`WAKING`]: a
/// program that says its data may let its server sleep meanwhile, and the next one comes at once.
pub(crate) async fn running(target: &Target, app: &str, block: &str) -> Result<Place> {
    let api: Api<Pod> = Api::namespaced(target.client.clone(), app);
    let until = tokio::time::Instant::now() + WAKING;
    loop {
        let pods = api.list(&ListParams::default().labels(&live::selector(app))).await;
        let pods = pods.map_err(Error::api(format!("list pods of {app}")))?.items;
        let copies: Vec<&Pod> = pods.iter().filter(|pod| is_copy(pod, block)).collect();
        let ready = copies.iter().find(|pod| is_ready(pod));
        if let Some(place) = ready.and_then(|pod| Place::of(app, pod)) {
            return Ok(place);
        }
        if copies.is_empty() || tokio::time::Instant::now() >= until {
            return Err(Error::Data {
                code: "data/not-running",
                message: format!("{block} does not run, and only it can say and take its data"),
                hint: Some(format!(
                    "start it:  shelf -a {app} start        look:  shelf -a {app} status"
                )),
            });
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Whether this is a copy of a block that is meant to last.
fn is_copy(pod: &Pod, block: &str) -> bool {
    let labels = pod.metadata.labels.as_ref();
    let lasting = labels.is_some_and(|labels| labels.contains_key("shelf.dev/process"));
    observe::block_of(pod) == Some(block) && lasting && pod.metadata.deletion_timestamp.is_none()
}

fn is_ready(pod: &Pod) -> bool {
    let status = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    status.is_some_and(|all| !all.is_empty() && all.iter().all(|one| one.ready))
}

/// Every generated value of the app.
fn secrets(live: &Live) -> BTreeMap<String, BTreeMap<String, String>> {
    let decode =
        |value: &serde_json::Value| String::from_utf8(STANDARD.decode(value.as_str()?).ok()?).ok();
    let values = |object: &serde_json::Value| {
        let data = object["data"].as_object().into_iter().flatten();
        data.filter_map(|(key, value)| Some((key.clone(), decode(value)?))).collect()
    };
    let secrets = live.iter().filter(|(key, _)| key.kind == "Secret");
    secrets.map(|(key, object)| (key.name.clone(), values(object))).collect()
}

/// The part that blocks.
struct Job {
    target: Target,
    path: PathBuf,
    passphrase: Option<Passphrase>,
    header: Header,
    release: Release,
    secrets: BTreeMap<String, BTreeMap<String, String>>,
    left_out: Vec<LeftOut>,
    parts: Vec<(What, Place, Vec<String>)>,
}

impl Job {
    fn write(self) -> Result<(Manifest, u64)> {
        let failed =
            |source| Error::File { what: format!("write {}", self.path.display()), source };
        let passphrase = self.passphrase.as_ref().map(Passphrase::bytes);
        let seal = self.header.seal(passphrase);
        let mut archive = Archive::create(&self.path, &self.header, seal).map_err(failed)?;
        let json = |to: &mut dyn Write, value: serde_json::Result<Vec<u8>>| {
            to.write_all(&value.map_err(std::io::Error::other)?)
        };
        let release = serde_json::to_vec(&self.release);
        archive.part(What::Release, |to| json(to, release)).map_err(failed)?;
        let secrets = serde_json::to_vec(&self.secrets);
        archive.part(What::Secrets, |to| json(to, secrets)).map_err(failed)?;
        for (what, place, command) in self.parts {
            let block = what.block().to_owned();
            archive.part(what, |to| {
                // tar says 1 when a file changed while it was read, which files may.
                let fine: &[i32] = if command[0] == "tar" { &[1] } else { &[] };
                let program = Program { block: &block, verb: "backup", command, fine };
                inside::run(&self.target, &place, &program, None, to).map_err(Failed::Run)
            })?;
        }
        for left in &self.left_out {
            archive.leave_out(&left.block, left.reason.clone());
        }
        let path = self.path.clone();
        archive
            .finish()
            .map_err(|source| Error::File { what: format!("write {}", path.display()), source })
    }
}

/// Either side of a part can fail.
enum Failed {
    Run(Error),
    Write(std::io::Error),
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Run(error) => error,
            Failed::Write(source) => Self::File { what: "write the backup".into(), source },
        }
    }
}
