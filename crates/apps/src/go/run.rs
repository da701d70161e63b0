//! One go under way: the phases that the compiler lists, each written and waited for.
//! Where next: `wait.rs`.

use std::collections::BTreeMap;

use composer::{Compiled, Phase, PhaseKind};
use serde_json::Value;
use tokio::time::Instant;

use crate::changes::{self, Changes};
use crate::event::{BlockState, Events, WireState};
use crate::failure::{self, Patience};
use crate::live::{Key, Live};
use crate::load::Loaded;
use crate::observe::{self, Observer, Verdict};
use crate::progress::{self, Clock, Probes};
use crate::report::ChangeKind;
use crate::{Error, Result, Target, address, apply, revoke, scale, secrets};

use super::elsewhere;
use super::wait::missing;

/// One go under way.
pub(super) struct Run<'a, 'e> {
    pub(super) target: &'a Target,
    pub(super) loaded: &'a Loaded,
    pub(super) compiled: &'a Compiled,
    pub(super) changes: &'a Changes,
    pub(super) live: &'a Live,
    pub(super) observer: Observer,
    pub(super) patience: Patience,
    pub(super) probes: Probes<'a>,
    pub(super) clock: &'a Clock,
    pub(super) deadline: Instant,
    pub(super) seconds: u64,
    /// Workloads that were stopped, with the generation that gave them their copies back.
    pub(super) woken: BTreeMap<Key, i64>,
    /// Whether steps that ran already run again.
    pub(super) again: bool,
    pub(super) events: Events<'e>,
}

impl Run<'_, '_> {
    pub(super) fn app(&self) -> &str {
        &self.compiled.app
    }

    /// Everything, in order; the generated secrets that are to be shown.
    pub(super) async fn all(
        &mut self,
        changed: bool,
        renewed: Vec<String>,
    ) -> Result<Vec<(String, String)>> {
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
        // While the ways to the providers of before are still open.
        revoke::unwired(self.target, self.live, compiled, self.events).await;
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
        if key.is_elsewhere() {
            return elsewhere::job(self.target, self.app(), object, again).await;
        }
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
        let key = Key::of(object);
        if key.is_elsewhere() {
            return elsewhere::wait(self.target, self.app(), &key, self.deadline).await;
        }
        let name = key.name;
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
}
