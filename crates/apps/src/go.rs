//! `go`: make it so, and wait until it is.
//!
//! Order: check, images, compile, compare; then, only if something differs, the phases that the
//! compiler lists, each waited for; last the record of the release. Every write is harmless to
//! repeat, so a go that was cut off anywhere is completed by the next. Where next: `observe.rs`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use composer::{Compiled, Facts, Phase, PhaseKind};
use serde_json::Value;
use tokio::time::Instant;

use crate::changes::{self, Changes};
use crate::event::{BlockState, Event, Events, WireState};
use crate::failure::{self, Patience};
use crate::live::{self, Key, Live};
use crate::load::{self, Loaded};
use crate::observe::{self, Observer, Verdict, Waited, World};
use crate::progress::{self, Clock, Probes};
use crate::release::{self, Release};
use crate::report::{ChangeKind, GoReport};
use crate::{Error, Result, Target, address, apply, data, images, plan, rotate, scale, secrets};

/// How a go is done.
#[derive(Debug, Clone)]
pub struct GoOptions {
    /// Builds every image again, without the cache.
    pub no_cache: bool,
    /// How long copies may take to become ready, after the images are built.
    pub timeout: Duration,
    /// Blocks whose source counts; every other one keeps the image it runs with.
    pub only: Option<Vec<String>>,
    /// The app file to go with instead of the one in the folder.
    pub text: Option<String>,
    /// Who says so; kept with the release.
    pub by: String,
    /// Makes a snapshot first if data is touched.
    pub snapshot: bool,
}

impl Default for GoOptions {
    fn default() -> Self {
        Self {
            no_cache: false,
            timeout: Duration::from_secs(600),
            only: None,
            text: None,
            by: String::new(),
            snapshot: true,
        }
    }
}

/// Brings the app in `dir` to life, or up to date.
///
/// # Errors
/// The app is wrong, an image cannot be built, a copy does not come up, or something is not ready
/// in time. What was done until then stays, and old copies go on serving.
pub async fn go(
    target: &Target,
    dir: &Path,
    options: &GoOptions,
    events: Events<'_>,
) -> Result<GoReport> {
    let clock = Clock::start();
    let only = options.only.as_deref();
    let loaded = load::load_some(dir, options.text.clone(), only)?;
    let mut sources = load::source_hashes(&loaded, only)?;
    let live = live::list(target, &loaded.graph.app).await?;
    let recorded = release::read(&live);
    if let (Some(only), Some(recorded)) = (only, &recorded) {
        // A block that does not count is what it was.
        let others = recorded.sources.iter().filter(|(block, _)| !only.contains(block));
        sources.extend(others.map(|(block, hash)| (block.clone(), hash.clone())));
    }
    let known = match options.no_cache {
        true => composer::Images::new(),
        false => images::known(target, recorded.as_ref(), &sources),
    };
    let built =
        images::build_missing(target, &loaded, known, options.no_cache, &clock, events).await?;
    let settled = Settled::new(&loaded, built, sources);
    settle(target, settled, options, &clock, events).await
}

/// An app whose images are there: all that is left is to make it so.
pub(crate) struct Settled<'a> {
    pub(crate) loaded: &'a Loaded,
    pub(crate) built: images::Built,
    /// Block to the hash of what its image was built from.
    pub(crate) sources: BTreeMap<String, String>,
    /// Secrets that were given other values already; what uses them is started again.
    pub(crate) renewed: Vec<String>,
    /// Runs the steps before the start once more, though the same ones ran already.
    pub(crate) again: bool,
    /// Whether it becomes a release that can be returned to.
    pub(crate) record: bool,
    /// A wire's plain name, and where its login goes or is.
    pub(crate) turn: Option<(String, composer::Turn)>,
}

impl<'a> Settled<'a> {
    /// An app as a go settles it.
    pub(crate) fn new(
        loaded: &'a Loaded,
        built: images::Built,
        sources: BTreeMap<String, String>,
    ) -> Self {
        Self { loaded, built, sources, renewed: Vec::new(), again: false, record: true, turn: None }
    }
}

/// Writes what differs, waits for it and records the release.
pub(crate) async fn settle(
    target: &Target,
    settled: Settled<'_>,
    options: &GoOptions,
    clock: &Clock,
    events: Events<'_>,
) -> Result<GoReport> {
    let Settled { loaded, built, sources, renewed, again, record, turn } = settled;
    let app = loaded.graph.app.clone();
    let mut live = live::list(target, &app).await?;
    let recorded = release::read(&live);
    let mut facts = rotate::stay(facts(target, &app), recorded.as_ref());
    facts.turns.extend(turn);
    let compiled = composer::compile(&loaded.graph, &built.images, &facts);
    let changes = changes::find(&loaded.graph, &compiled, &live);
    secrets::read_others(target, &app, &compiled.secrets, &mut live).await?;
    let incomplete = secrets::incomplete(&compiled.secrets, &live);
    let same_release = recorded.as_ref().is_some_and(|one| one.release == compiled.release);
    let changed = !changes.is_empty()
        || !incomplete.is_empty()
        || !same_release
        || !renewed.is_empty()
        || again;
    if changed {
        for line in plan::lines(&loaded.graph, &compiled, &changes, &incomplete) {
            events(Event::Plan { line });
        }
    }
    if changed && options.snapshot {
        let (wanted, found) = ((&loaded.graph, &compiled), (&changes, &live));
        data::before_go(target, recorded.as_ref(), wanted, found, events).await;
    }
    let deadline = Instant::now() + options.timeout;
    let observer = Observer::start(target, &app).await?;
    let mut run = Run {
        target,
        loaded,
        compiled: &compiled,
        changes: &changes,
        live: &live,
        patience: Patience::new(&observer.world),
        probes: Probes::new(&loaded.graph, &observer.world),
        observer,
        clock,
        deadline,
        seconds: options.timeout.as_secs(),
        woken: BTreeMap::new(),
        again,
        events,
    };
    let shown = run.all(changed, renewed).await?;
    let release = Release {
        release: compiled.release.clone(),
        at: jiff::Timestamp::now().to_string(),
        url: compiled.url.clone(),
        images: built.images.clone(),
        sources,
        from: loaded.graph.blocks.iter().map(|p| (p.name.clone(), p.from.to_string())).collect(),
        text: loaded.text.clone(),
        beside: loaded.beside.clone(),
        second: rotate::second(&facts),
    };
    let stale = recorded.is_none_or(|one| Release { at: one.at.clone(), ..release.clone() } != one);
    let seconds = clock.seconds();
    if record && (changed || stale) {
        let summary = changes.summary();
        let story = release::Story { by: options.by.clone(), seconds, summary };
        release::write(target, &app, &live, &release, &story).await?;
    }
    events(Event::Done { url: compiled.url.clone(), seconds });
    Ok(GoReport {
        app,
        release: compiled.release,
        changed,
        url: compiled.url,
        seconds,
        build_steps: built.steps,
        cached_steps: built.cached,
        shown_secrets: shown,
    })
}

/// What the compiler must know of this target.
pub(crate) fn facts(target: &Target, app: &str) -> Facts {
    Facts {
        host: format!("{app}.localhost"),
        url: target.url(app),
        // A disk is a directory of this machine, which all its pods reach.
        shared_storage: true,
        user_namespaces: true,
        enforces_network_policy: true,
        ..Facts::default()
    }
}

/// One go under way.
struct Run<'a, 'e> {
    target: &'a Target,
    loaded: &'a Loaded,
    compiled: &'a Compiled,
    changes: &'a Changes,
    live: &'a Live,
    observer: Observer,
    patience: Patience,
    probes: Probes<'a>,
    clock: &'a Clock,
    deadline: Instant,
    seconds: u64,
    /// Workloads that were stopped, with the generation that gave them their copies back.
    woken: BTreeMap<Key, i64>,
    /// Whether steps that ran already run again.
    again: bool,
    events: Events<'e>,
}

impl Run<'_, '_> {
    fn app(&self) -> &str {
        &self.compiled.app
    }

    async fn all(&mut self, changed: bool, renewed: Vec<String>) -> Result<Vec<(String, String)>> {
        let compiled = self.compiled;
        let mut written = secrets::Written::default();
        if changed {
            self.namespace().await?;
            written =
                secrets::ensure(self.target, self.app(), &compiled.secrets, self.live).await?;
            written.changed.extend(renewed);
            if self.changes.stopped {
                self.woken = scale::wake(self.target, self.app(), self.live).await?;
            }
        }
        for phase in &compiled.phases {
            match phase.kind {
                PhaseKind::Base | PhaseKind::Front => self.write_all(phase).await?,
                PhaseKind::Grants => self.grants(phase, &written.changed).await?,
                PhaseKind::Before => self.before(phase).await?,
                PhaseKind::Workloads => self.workloads(phase, &written.changed).await?,
            }
        }
        for key in &self.changes.remove {
            apply::delete(self.target, self.app(), key).await?;
        }
        for change in self.changes.blocks.iter().filter(|one| one.kind == ChangeKind::Removed) {
            let disks = self.live.iter().any(|(key, object)| {
                key.kind == "PersistentVolumeClaim"
                    && changes::component(object) == Some(&change.block)
            });
            let detail = if disks { "its disks stay" } else { "" };
            (self.events)(self.clock.block(&change.block, BlockState::Removed, detail));
        }
        if changed {
            let paths = address::paths(compiled);
            address::answers(self.target, self.app(), &paths, self.deadline).await?;
        }
        Ok(written.shown)
    }

    /// The namespace comes before everything that is in it.
    async fn namespace(&mut self) -> Result<()> {
        let compiled = self.compiled;
        let objects = compiled.phases.iter().flat_map(|phase| &phase.objects);
        for object in objects.filter(|object| object["kind"] == "Namespace") {
            self.write(object).await?;
        }
        Ok(())
    }

    /// Writes an object if it differs; its generation afterwards, if it was written.
    async fn write(&mut self, object: &Value) -> Result<Option<i64>> {
        if !self.changes.write.contains_key(&Key::of(object)) {
            return Ok(None);
        }
        let stored = apply::apply(self.target, self.app(), object).await?;
        Ok(Some(stored.metadata.generation.unwrap_or(0)))
    }

    async fn write_all(&mut self, phase: &Phase) -> Result<()> {
        for object in phase.objects.iter().filter(|object| object["kind"] != "Namespace") {
            self.write(object).await?;
        }
        Ok(())
    }

    async fn grants(&mut self, phase: &Phase, renewed: &[String]) -> Result<()> {
        let mut ran = Vec::new();
        for object in &phase.objects {
            let secret = changes::annotation(object, "shelf.dev/secret").unwrap_or_default();
            let again = renewed.iter().any(|name| name == secret);
            if self.job(object, again).await? {
                ran.push(object);
            }
        }
        for object in &phase.objects {
            let text = |name| changes::annotation(object, name).unwrap_or_default().to_owned();
            if let Err(lines) = self.wait_for_job(object).await? {
                let (wire, provider) = (text("shelf.dev/wire"), text("shelf.dev/provider"));
                return Err(Error::Grant { wire, provider, lines });
            }
            let granted = self.loaded.graph.wires.iter().find(|wire| {
                ran.contains(&object) && wire.secret_name() == text("shelf.dev/secret")
            });
            if let Some(wire) = granted {
                (self.events)(progress::wire_event(wire, WireState::Granted));
            }
        }
        Ok(())
    }

    /// Steps run one after the other, for a later one may need what an earlier one made.
    async fn before(&mut self, phase: &Phase) -> Result<()> {
        for object in &phase.objects {
            let block = changes::component(object).cloned().unwrap_or_default();
            let step = changes::annotation(object, "shelf.dev/step").unwrap_or_default().to_owned();
            if self.job(object, self.again).await? {
                let event = self.clock.block(&block, BlockState::Preparing, &step);
                (self.events)(event);
            }
            if let Err(lines) = self.wait_for_job(object).await? {
                return Err(Error::Step { block, step, lines });
            }
        }
        Ok(())
    }

    /// Writes a Job unless the same one ran already; true if it is new. One that failed, or that
    /// must run again, is taken away first: a Job runs once.
    async fn job(&mut self, object: &Value, again: bool) -> Result<bool> {
        let key = Key::of(object);
        let there = self.observer.world.jobs.get(&key.name);
        let failed = there.is_some_and(|job| observe::job_ended(job) == Some(false));
        if there.is_some() && (failed || again) {
            apply::delete_and_wait(self.target, self.app(), &key).await?;
            // Until its end was seen here, the old verdict would be taken for the new one.
            let name = key.name.clone();
            self.wait(|world, _| {
                let gone = !world.jobs.contains_key(&name);
                let waiting = || Verdict::Waiting(format!("end of the old {name}"));
                Ok(if gone { Verdict::Done } else { waiting() })
            })
            .await?;
        } else if there.is_some() {
            return Ok(false);
        }
        apply::apply(self.target, self.app(), object).await?;
        Ok(true)
    }

    /// Waits for a Job to end; the last lines if it failed.
    async fn wait_for_job(&mut self, object: &Value) -> Result<Result<(), Vec<String>>> {
        let name = Key::of(object).name;
        let mut failed = false;
        self.wait(|world, _| {
            let ended = world.jobs.get(&name).and_then(observe::job_ended);
            failed = ended == Some(false);
            Ok(if ended.is_some() { Verdict::Done } else { Verdict::Waiting(name.clone()) })
        })
        .await?;
        if !failed {
            return Ok(Ok(()));
        }
        let world = &self.observer.world;
        Ok(Err(failure::lines_of_job(self.target, self.app(), world, &name).await))
    }

    /// Replaces the copies of a workload whose secrets changed though its template did not: they
    /// got the old values when they started.
    async fn renew(&mut self, key: &Key, block: &str, renewed: &[String]) -> Result<Option<i64>> {
        let uses = |name: &String| {
            *name == format!("{block}-secrets")
                || self.loaded.graph.wires_of(block).any(|wire| wire.secret_name() == *name)
        };
        if !renewed.iter().any(uses) || !self.live.contains_key(key) || key.kind == "CronJob" {
            return Ok(None);
        }
        let now = jiff::Timestamp::now().to_string();
        let patch = serde_json::json!({ "spec": { "template": { "metadata": {
            "annotations": { "shelf.dev/secrets-renewed-at": now },
        } } } });
        apply::merge(self.target, self.app(), key, &patch).await
    }

    async fn workloads(&mut self, phase: &Phase, renewed: &[String]) -> Result<()> {
        let mut waiting: Vec<(Key, i64)> = Vec::new();
        let mut blocks: Vec<String> = Vec::new();
        for object in &phase.objects {
            let key = Key::of(object);
            let block = changes::component(object).cloned().unwrap_or_default();
            let written = self.write(object).await?;
            let generation = match self.renew(&key, &block, renewed).await? {
                Some(generation) => Some(generation),
                None => written,
            };
            if generation.is_some() && !blocks.contains(&block) {
                let event = self.clock.block(&block, BlockState::Starting, self.reason(&block));
                (self.events)(event);
            }
            if !blocks.contains(&block) {
                blocks.push(block);
            }
            let woken = self.woken.get(&key).copied().unwrap_or(0);
            waiting.push((key, generation.unwrap_or(0).max(woken)));
        }
        let mut open = blocks.clone();
        let names: Vec<&str> = blocks.iter().map(String::as_str).collect();
        let owner = |key: &Key| {
            let object = phase.objects.iter().find(|object| Key::of(object) == *key);
            object.and_then(changes::component).cloned().unwrap_or_default()
        };
        let mut ready = Vec::new();
        self.wait_for_pods(&names, |world| {
            let missing: Vec<(String, String)> = waiting
                .iter()
                .filter_map(|(key, generation)| {
                    Some((owner(key), missing(world, key, *generation)?))
                })
                .collect();
            open.retain(|block| {
                let done = !missing.iter().any(|(name, _)| name == block);
                if done {
                    ready.push(block.clone());
                }
                !done
            });
            let texts: Vec<String> = missing.into_iter().map(|(_, text)| text).collect();
            let newly = std::mem::take(&mut ready);
            (newly, (!texts.is_empty()).then(|| texts.join(", ")))
        })
        .await
    }

    /// Why a block changes, in a few words.
    fn reason(&self, block: &str) -> String {
        let change = self.changes.blocks.iter().find(|change| change.block == block);
        change.map(|change| change.reasons.join(", ")).unwrap_or_default()
    }

    /// Waits until `check` misses nothing, reporting blocks as they become ready, and ends early
    /// when a copy of `blocks` will not come up.
    async fn wait_for_pods(
        &mut self,
        blocks: &[&str],
        mut check: impl FnMut(&World) -> (Vec<String>, Option<String>),
    ) -> Result<()> {
        let (clock, changes) = (self.clock, self.changes);
        let mut broken = None;
        self.wait(|world, run| {
            let (ready, missing) = check(world);
            for block in ready {
                let changed = changes
                    .blocks
                    .iter()
                    .any(|change| change.block == block && change.kind != ChangeKind::Unchanged);
                let state = if changed || changes.stopped {
                    BlockState::Ready
                } else {
                    BlockState::Unchanged
                };
                (run.events)(clock.block(&block, state, copies(world, &block)));
            }
            let Some(missing) = missing else { return Ok(Verdict::Done) };
            broken = run.patience.broken(world, blocks);
            Ok(if broken.is_some() { Verdict::Done } else { Verdict::Waiting(missing) })
        })
        .await?;
        let Some(broken) = broken else { return Ok(()) };
        let event = self.clock.block(&broken.block, BlockState::Failing, &broken.what);
        (self.events)(event);
        let still = self.still_serving(&broken.block);
        Err(failure::start_error(self.target, &self.compiled.app, broken, still).await)
    }

    /// The app's address if copies of this block still answer there.
    fn still_serving(&self, block: &str) -> Option<String> {
        let serving = self.observer.world.deployments.values().any(|object| {
            let available = object.status.as_ref().and_then(|status| status.available_replicas);
            observe::block_of(object) == Some(block) && available.unwrap_or(0) > 0
        });
        self.compiled.url.clone().filter(|_| serving)
    }

    /// Waits until `check` is done; too long is an error with what is missing and its last lines.
    async fn wait(
        &mut self,
        mut check: impl FnMut(&World, &mut Reporting<'_>) -> Result<Verdict>,
    ) -> Result<()> {
        let probes = &mut self.probes;
        let mut reporting = Reporting { patience: &mut self.patience, events: &mut *self.events };
        let waited = self
            .observer
            .until(self.deadline, |world| {
                probes.report(world, &mut *reporting.events);
                check(world, &mut reporting)
            })
            .await;
        let waiting = match waited {
            Ok(()) => return Ok(()),
            Err(Waited::Failed(error)) => return Err(error),
            Err(Waited::TooLong(waiting)) => waiting,
        };
        let world = &self.observer.world;
        let lines = failure::lines_of_unready(self.target, self.app(), world).await;
        Err(Error::Timeout { seconds: self.seconds, waiting, lines })
    }
}

/// What a check may change while it looks at the world.
struct Reporting<'a> {
    patience: &'a mut Patience,
    events: &'a mut (dyn FnMut(Event) + Send),
}

/// What a workload still misses, or nothing.
pub(crate) fn missing(world: &World, key: &Key, generation: i64) -> Option<String> {
    let absent = || Verdict::Waiting(format!("{} 0", key.name));
    let verdict = match key.kind.as_str() {
        "Deployment" => {
            let found = world.deployments.get(&key.name);
            found.map_or_else(absent, |object| observe::deployment_ready(object, generation))
        }
        "StatefulSet" => {
            let found = world.stateful_sets.get(&key.name);
            found.map_or_else(absent, |object| observe::stateful_set_ready(object, generation))
        }
        _ => Verdict::Done,
    };
    match verdict {
        Verdict::Done => None,
        Verdict::Waiting(what) => Some(what),
    }
}

/// `2/2` over all workloads of a block.
fn copies(world: &World, block: &str) -> String {
    let (mut ready, mut wanted) = (0, 0);
    for object in world.deployments.values().filter(|one| observe::block_of(*one) == Some(block)) {
        wanted += object.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        ready += object.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0);
    }
    for object in world.stateful_sets.values().filter(|one| observe::block_of(*one) == Some(block))
    {
        wanted += object.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        ready += object.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0);
    }
    format!("{ready}/{wanted}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A verb runs as a task of a server, on whichever thread is free.
    #[test]
    fn a_verb_can_move_between_threads() {
        fn moves<F: Future + Send>(
            _: fn(&'static Target, &'static Path, &'static GoOptions, Events<'static>) -> F,
        ) {
        }
        moves(go);
    }
}
