//! `plan`: what a go would do, and what is taken for granted. It builds nothing and writes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use composer::{Compiled, Graph, Images};

use crate::changes::{self, Changes};
use crate::live::Live;
use crate::load::Loaded;
use crate::outlook::Outlook;
use crate::release::Release;
use crate::report::{ChangeKind, PlanReport};
use crate::{
    Result, Target, back, borrowed, facts, images, live, load, lock, release, rotate, secrets,
};

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
    let loaded = load::load_some(target, dir, text, None).await?;
    let sources = load::source_hashes(&loaded, None)?;
    let live = live::list(target, &loaded.graph.app).await?;
    let known = images::known(target, release::read(&live).as_ref(), &sources);
    compared(target, &loaded, (known, &sources), live).await
}

/// Says what returning to a release would change.
pub(crate) async fn plan_back(target: &Target, to: &Release) -> Result<PlanReport> {
    let loaded = load::of_release(to)?;
    let live = live::list(target, &loaded.graph.app).await?;
    let known = back::still_there(target, to);
    compared(target, &loaded, (known, &to.sources), live).await
}

/// An app with the images that are known, against what runs.
async fn compared(
    target: &Target,
    loaded: &Loaded,
    (mut known, sources): (Images, &BTreeMap<String, String>),
    mut live: Live,
) -> Result<PlanReport> {
    let app = loaded.graph.app.clone();
    let recorded = release::read(&live);
    known.extend(borrowed::pinned(loaded));
    let unbuilt: Vec<String> = loaded
        .graph
        .builds()
        .into_iter()
        .map(|build| build.block)
        .filter(|block| !known.contains_key(block))
        .collect();
    known.extend(unbuilt.iter().map(|block| (block.clone(), images::unbuilt(&app, block))));
    let facts = rotate::stay(facts::facts(target, &app), recorded.as_ref());
    let mut graph = loaded.graph.clone();
    graph.judge(&facts);
    let compiled = composer::compile(&graph, &target.images_there(&known, &loaded.around), &facts);
    let mut changes = changes::find(&loaded.graph, &compiled, &live);
    for change in changes.blocks.iter_mut().filter(|change| unbuilt.contains(&change.block)) {
        change.reasons.retain(|reason| !reason.starts_with("image "));
        change.reasons.insert(0, "builds its image".to_owned());
    }
    let outlook = Outlook::of(&graph, &compiled, &changes, recorded.as_ref(), &live);
    let lock = match loaded.dir.as_os_str().is_empty() {
        true => Vec::new(),
        false => {
            let now = lock::pins(&graph, &loaded.around, sources, &known);
            lock::stale(&loaded.dir, &now)?
        }
    };
    let same = recorded.is_some_and(|one| one.release == compiled.release);
    secrets::read_others(target, &app, &compiled.secrets, &mut live).await?;
    let incomplete = secrets::incomplete(&app, &compiled.secrets, &live);
    let has_changes = !changes.is_empty() || !incomplete.is_empty() || !same;
    let mut lines = if has_changes {
        lines(&graph, &compiled, &changes, &incomplete, &outlook)
    } else {
        vec![format!("{app}: nothing to do")]
    };
    lines.extend(facts::missing(target, &graph, &compiled).iter().map(|line| format!("!! {line}")));
    if !lock.is_empty() {
        lines.push(format!("  {} differs: {}", lock::NAME, lock.join("; ")));
    }
    if !has_changes {
        lines.extend(outlook.broken.iter().map(|line| format!("!! {line}")));
    }
    let moved = match loaded.dir.as_os_str().is_empty() {
        true => Vec::new(),
        false => borrowed::moved(target, loaded).await,
    };
    lines.extend(moved.iter().map(borrowed::Moved::line));
    for (block, name) in secrets::ungiven(&compiled.secrets, &live) {
        lines.push(format!("! {block}.{name} is not given: shelf set {block} --secret {name}"));
    }
    Ok(PlanReport {
        object_count: compiled.phases.iter().map(|phase| phase.objects.len()).sum(),
        wires: loaded.graph.wires.iter().map(load::wire_line).collect(),
        assumptions: compiled.assumptions.clone(),
        broken: outlook.broken,
        data_at_risk: outlook.data_at_risk,
        new_addresses: outlook.new_addresses,
        lock,
        moved,
        about_seconds: outlook.about_seconds,
        url: compiled.url.clone(),
        has_changes,
        lines,
        changes: changes.blocks,
        app,
    })
}

/// The plan as text.
pub(crate) fn lines(
    graph: &Graph,
    compiled: &Compiled,
    changes: &Changes,
    incomplete: &[String],
    outlook: &Outlook,
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
    let none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    lines.extend(outlook.broken.iter().map(|line| format!("!! {line}")));
    lines.push(format!(
        "  restarts: {}   data at risk: {}   new addresses: {}",
        none(restarts.join(", ")),
        none(outlook.data_at_risk.join("; ")),
        none(outlook.new_addresses.join(", ")),
    ));
    let about =
        outlook.about_seconds.map(|seconds| format!("   about {seconds:.0} s, as the last goes"));
    let url = compiled.url.as_deref().unwrap_or("none");
    lines.push(format!("  address: {url}{}", about.unwrap_or_default()));
    lines
}
