//! `plan`: what a go would do, and what is taken for granted. It builds nothing and writes nothing.

use std::path::Path;

use composer::{Compiled, Graph, Images};

use crate::changes::{self, Changes};
use crate::live::Live;
use crate::load::Loaded;
use crate::release::Release;
use crate::report::{ChangeKind, PlanReport};
use crate::{Result, Target, back, facts, images, live, load, release, rotate, secrets};

/// Says what `go` would change.
///
/// # Errors
/// The app is wrong, or the target does not answer.
pub async fn plan(target: &Target, dir: &Path) -> Result<PlanReport> {
    plan_of(target, dir, None).await
}

/// The same; `text` stands for the app file in the folder.
///
/// # Errors
/// The app is wrong, or the target does not answer.
pub async fn plan_of(target: &Target, dir: &Path, text: Option<String>) -> Result<PlanReport> {
    let loaded = load::load_some(dir, text, None)?;
    let sources = load::source_hashes(&loaded, None)?;
    let live = live::list(target, &loaded.graph.app).await?;
    let known = images::known(target, release::read(&live).as_ref(), &sources);
    compared(target, &loaded, known, live).await
}

/// Says what returning to a release would change.
pub(crate) async fn plan_back(target: &Target, to: &Release) -> Result<PlanReport> {
    let loaded = load::of_release(to)?;
    let live = live::list(target, &loaded.graph.app).await?;
    let known = back::still_there(target, to);
    compared(target, &loaded, known, live).await
}

/// An app with the images that are known, against what runs.
async fn compared(
    target: &Target,
    loaded: &Loaded,
    mut known: Images,
    mut live: Live,
) -> Result<PlanReport> {
    let app = loaded.graph.app.clone();
    let recorded = release::read(&live);
    let unbuilt: Vec<String> = loaded
        .graph
        .builds()
        .into_iter()
        .map(|build| build.block)
        .filter(|block| !known.contains_key(block))
        .collect();
    mark_unbuilt(&app, &unbuilt, &mut known);
    let compiled = composer::compile(
        &loaded.graph,
        &known,
        &rotate::stay(facts::facts(target, &app), recorded.as_ref()),
    );
    let mut changes = changes::find(&loaded.graph, &compiled, &live);
    for change in changes.blocks.iter_mut().filter(|change| unbuilt.contains(&change.block)) {
        change.reasons.retain(|reason| !reason.starts_with("image "));
        change.reasons.insert(0, "builds its image".to_owned());
    }
    let same = recorded.is_some_and(|one| one.release == compiled.release);
    secrets::read_others(target, &app, &compiled.secrets, &mut live).await?;
    let incomplete = secrets::incomplete(&compiled.secrets, &live);
    let has_changes = !changes.is_empty() || !incomplete.is_empty() || !same;
    let mut lines = if has_changes {
        lines(&loaded.graph, &compiled, &changes, &incomplete)
    } else {
        vec![format!("{app}: nothing to do")]
    };
    for (block, name) in secrets::ungiven(&compiled.secrets, &live) {
        lines.push(format!("! {block}.{name} is not given: shelf set {block} --secret {name}"));
    }
    Ok(PlanReport {
        object_count: compiled.phases.iter().map(|phase| phase.objects.len()).sum(),
        wires: loaded.graph.wires.iter().map(load::wire_line).collect(),
        assumptions: compiled.assumptions.clone(),
        data_at_risk: Vec::new(),
        url: compiled.url.clone(),
        has_changes,
        lines,
        changes: changes.blocks,
        app,
    })
}

/// An image that is not built yet has a digest nobody has: it differs from any that runs.
fn mark_unbuilt(app: &str, unbuilt: &[String], known: &mut Images) {
    for block in unbuilt {
        let nothing = format!("sha256:{}", "0".repeat(64));
        known.insert(block.clone(), images::reference(app, block, &nothing));
    }
}

/// The plan as text.
pub(crate) fn lines(
    graph: &Graph,
    compiled: &Compiled,
    changes: &Changes,
    incomplete: &[String],
) -> Vec<String> {
    let count = |kind| changes.blocks.iter().filter(|change| change.kind == kind).count();
    let objects: usize = compiled.phases.iter().map(|phase| phase.objects.len()).sum();
    let mut lines = vec![format!(
        "{}: {} added, {} changed, {} removed, {} unchanged   {} objects",
        graph.app,
        count(ChangeKind::Added),
        count(ChangeKind::Changed),
        count(ChangeKind::Removed),
        count(ChangeKind::Unchanged),
        objects,
    )];
    let width = changes.blocks.iter().map(|change| change.block.len()).max().unwrap_or(0);
    for change in &changes.blocks {
        let (sign, from) = match change.kind {
            ChangeKind::Added => ("+", true),
            ChangeKind::Changed => ("~", false),
            ChangeKind::Removed => ("-", false),
            ChangeKind::Unchanged => continue,
        };
        let part = graph.block(&change.block).filter(|_| from);
        let text = part.map_or_else(|| change.reasons.join(", "), |part| part.from.to_string());
        lines.push(format!("{sign} {:width$}  {text}", change.block).trim_end().to_owned());
    }
    if changes.stopped {
        lines.push("~ it is stopped and starts again".to_owned());
    }
    // Of an app that is new, every secret is, and nobody needs to be told.
    if !incomplete.is_empty() && changes.blocks.iter().all(|one| one.kind != ChangeKind::Added) {
        lines.push(format!("~ secrets are completed: {}", incomplete.join(", ")));
    }
    for wire in &graph.wires {
        let new = changes
            .blocks
            .iter()
            .any(|change| change.block == wire.consumer && change.kind == ChangeKind::Added);
        if new {
            let own = if wire.offer.grant.is_some() { "own login, " } else { "" };
            let values = wire.fields.len();
            lines.push(format!("+ wire {}   {own}{values} values", crate::load::wire_line(wire)));
        }
    }
    let added = changes.blocks.iter().any(|change| change.kind == ChangeKind::Added);
    if added {
        lines.extend(compiled.assumptions.iter().map(|line| format!("! assumes {line}")));
    }
    let restarts: Vec<&str> = changes
        .blocks
        .iter()
        .filter(|change| change.restarts)
        .map(|change| change.block.as_str())
        .collect();
    let restarts = if restarts.is_empty() { "none".to_owned() } else { restarts.join(", ") };
    let url = compiled.url.as_deref().unwrap_or("none");
    lines.push(format!("  restarts: {restarts}   data at risk: none   address: {url}"));
    lines
}
