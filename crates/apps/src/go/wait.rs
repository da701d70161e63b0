//! How one go waits: for pods, reporting blocks as they become ready, until a deadline.
//! Where next: `../observe.rs`.

use crate::event::{BlockState, Event};
use crate::failure::{self, Patience};
use crate::live::Key;
use crate::observe::{self, Verdict, Waited, World};
use crate::report::ChangeKind;
use crate::{Error, Result};

use super::run::Run;

impl Run<'_, '_> {
    /// Waits until `check` misses nothing, reporting blocks as they become ready, and ends early
    /// when a copy of `blocks` will not come up.
    pub(super) async fn wait_for_pods(
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
    pub(super) async fn wait(
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
pub(super) struct Reporting<'a> {
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
