//! Snapshots before a go that touches data.
//!
//! A snapshot is a backup under another label: made by the running block without a stop, and only
//! of disks that are small enough for a go to wait for it. Where next: `undo.rs`, `backup.rs`.

use composer::{Compiled, Graph};

use super::backup::{self, BackupOptions};
use super::inside::{self, Program};
use super::parts::{self, Way};
use super::store;
use crate::changes::{self, Changes};
use crate::event::{Event, Events};
use crate::live::{Key, Live};
use crate::release::Release;
use crate::report::ChangeKind;
use crate::{Error, Result, Target, load};

/// How many snapshots are kept.
const KEPT: usize = 5;
/// What a go waits for at the most, in bytes on disk.
const MOST_BYTES: u64 = 512 * 1024 * 1024;
pub(super) const LABEL: &str = "before-go";

/// Makes a snapshot if what is about to be done touches data. A go is never kept from being done
/// by it: what cannot be kept is said.
pub(crate) async fn before_go(
    target: &Target,
    recorded: Option<&Release>,
    (graph, compiled): (&Graph, &Compiled),
    (changes, live): (&Changes, &Live),
    events: Events<'_>,
) {
    let Some(recorded) = recorded.filter(|one| !one.text.is_empty()) else { return };
    let Ok(before) = load::of_release(recorded) else { return };
    let touched = touched(&before.graph, graph, compiled, changes, live);
    if touched.is_empty() {
        return;
    }
    let app = &graph.app;
    let why = touched.join(", ");
    let made = match too_large(target, app, &before.graph).await {
        Ok(Some(large)) => Err(large),
        Ok(None) => {
            let options = BackupOptions {
                label: LABEL.into(),
                before: Some(compiled.release.clone()),
                only: Some(undisturbed(&before.graph, changes)),
                ..BackupOptions::default()
            };
            backup::backup(target, app, &options, events).await.map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    let text = match made {
        Ok(made) => {
            if let Err(error) = store::prune(target, app, LABEL, KEPT) {
                tracing::warn!(%error, app, "old snapshots stay");
            }
            let (kilobytes, seconds) = (made.size_bytes.div_ceil(1000), made.seconds);
            format!("snapshot before it ({why}): {}, {kilobytes} kB, {seconds:.1} s", made.name)
        }
        Err(error) => format!("! no snapshot before it ({why}): {error}"),
    };
    events(Event::Note { text });
}

/// Makes a snapshot of data that [`before_go`] would leave out for its size.
///
/// # Errors
/// It cannot be made.
pub(crate) async fn of_large(
    target: &Target,
    app: &str,
    recorded: &Release,
    events: Events<'_>,
) -> Result<()> {
    let graph = load::of_release(recorded)?.graph;
    if too_large(target, app, &graph).await?.is_none() {
        return Ok(());
    }
    let options = BackupOptions { label: "snapshot".into(), ..BackupOptions::default() };
    let made = backup::backup(target, app, &options, events).await?;
    events(Event::Note {
        text: format!("snapshot before it: {}, {:.1} s", made.name, made.seconds),
    });
    Ok(())
}

/// The blocks whose data a go may copy without anybody noticing: all but those whose server stops
/// for it. What changes itself stops anyway.
fn undisturbed(graph: &Graph, changes: &Changes) -> Vec<String> {
    let stops = |block: &String| {
        changes.blocks.iter().any(|change| {
            change.block == *block && (change.restarts || change.kind == ChangeKind::Removed)
        })
    };
    let (holders, _) = parts::holders(graph);
    let kept = holders.into_iter().filter(|holder| !holder.pauses || stops(&holder.block));
    kept.map(|holder| holder.block).collect()
}

/// Why data is touched, one phrase each; nothing if it is not.
fn touched(
    before: &Graph,
    after: &Graph,
    compiled: &Compiled,
    changes: &Changes,
    live: &Live,
) -> Vec<String> {
    let (holders, left_out) = parts::holders(before);
    let data: Vec<&String> = holders
        .iter()
        .map(|holder| &holder.block)
        .chain(left_out.iter().map(|left| &left.block))
        .collect();
    let mut why = Vec::new();
    for change in changes.blocks.iter().filter(|change| data.contains(&&change.block)) {
        match change.kind {
            ChangeKind::Removed => why.push(format!("{} goes", change.block)),
            ChangeKind::Changed if change.restarts => why.push(format!("{} changes", change.block)),
            _ => {}
        }
    }
    // A step that has not run yet may rewrite the rows of what its block is wired to.
    for object in compiled.phases.iter().flat_map(|phase| &phase.objects) {
        let Some(step) = changes::annotation(object, "shelf.dev/step") else { continue };
        let block = changes::component(object).cloned().unwrap_or_default();
        let wired = after.wires_of(&block).any(|wire| data.contains(&&wire.provider));
        if (wired || data.contains(&&block)) && !live.contains_key(&Key::of(object)) {
            why.push(format!("{block} runs {step}"));
        }
    }
    why
}

/// The first disk that is too large for a go to wait for, in words.
async fn too_large(target: &Target, app: &str, graph: &Graph) -> Result<Option<String>> {
    let (holders, _) = parts::holders(graph);
    for holder in holders.iter().filter(|holder| matches!(holder.way, Way::Program { .. })) {
        let Some(part) = graph.block(&holder.block) else { continue };
        let paths: Vec<String> = part.disks.iter().filter_map(|disk| disk.at.clone()).collect();
        if paths.is_empty() {
            continue;
        }
        let place = backup::running(target, app, &holder.block).await?;
        let (target, block) = (target.clone(), holder.block.clone());
        let measuring = tokio::task::spawn_blocking(move || {
            let mut said = Vec::new();
            let command: Vec<String> =
                ["du", "-skc"].into_iter().map(str::to_owned).chain(paths).collect();
            // It says 1 for what it may not look into; the sum is what counts.
            let program = Program { block: &block, verb: "measure", command, fine: &[1] };
            inside::run(&target, &place, &program, None, &mut said)?;
            let text = String::from_utf8_lossy(&said).into_owned();
            let sum =
                text.lines().last().and_then(|line| line.split_whitespace().next()?.parse().ok());
            Ok::<u64, Error>(sum.unwrap_or(0) * 1024)
        });
        let measured = measuring.await;
        let size =
            measured.map_err(|source| Error::Task { what: "measuring".into(), source })??;
        if size > MOST_BYTES {
            return Ok(Some(format!(
                "{} has {} MiB on disk, more than a go waits for; make one:  shelf backup",
                holder.block,
                size >> 20
            )));
        }
    }
    Ok(None)
}
