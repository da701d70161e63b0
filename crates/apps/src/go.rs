//! `go`: make it so, and wait until it is.
//!
//! Order: check, images, compile, compare; then, only if something differs, the phases that the
//! compiler lists, each waited for; last the record of the release. Every write is harmless to
//! repeat, so a go that was cut off anywhere is completed by the next. Where next: `go/run.rs`,
//! then `observe.rs`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use crate::event::{Event, Events};
use crate::failure::Patience;
use crate::load::{self, Loaded};
use crate::observe::Observer;
use crate::outlook::Outlook;
use crate::progress::{Clock, Probes};
use crate::release::{self, Release};
use crate::report::GoReport;
use crate::{Result, Target, changes, data, facts, images, live, lock, plan, rotate, secrets};

pub(crate) mod elsewhere;
mod run;
mod wait;

use run::Run;
pub(crate) use wait::missing;

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
    /// Refuses anything but what `app.lock` pins.
    pub locked: bool,
    /// Takes what the tags of images stand for now, which app blocks name.
    pub pull: bool,
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
            locked: false,
            pull: false,
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
    let loaded = load::load_anew(target, dir, options.text.clone(), only, options.pull).await?;
    let mut sources = load::source_hashes(&loaded, only)?;
    let live = live::list(target, &loaded.graph.app).await?;
    let recorded = release::read(&live);
    if let (Some(only), Some(recorded)) = (only, &recorded) {
        // A block that does not count is what it was.
        let others = recorded.sources.iter().filter(|(block, _)| !only.contains(block));
        sources.extend(others.map(|(block, hash)| (block.clone(), hash.clone())));
    }
    if options.locked {
        let nothing = composer::Images::new();
        lock::must_fit(dir, &lock::pins(&loaded.graph, &loaded.around, &sources, &nothing))?;
    }
    let known = match options.no_cache {
        true => composer::Images::new(),
        false => images::known(target, recorded.as_ref(), &sources),
    };
    let built =
        images::build_missing(target, &loaded, known, options.no_cache, &clock, events).await?;
    let pins = lock::pins(&loaded.graph, &loaded.around, &sources, &built.images);
    if options.locked {
        lock::must_fit(dir, &pins)?;
    }
    let settled = Settled::new(&loaded, built, sources);
    let report = settle(target, settled, options, &clock, events).await?;
    if let Err(error) = lock::write(dir, &pins) {
        events(Event::Note { text: format!("! {} was not written: {error}", lock::NAME) });
    }
    Ok(report)
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
    let mut facts = rotate::stay(facts::facts(target, &app), recorded.as_ref());
    facts.turns.extend(turn);
    let images = target.images_there(&built.images, &loaded.around);
    let compiled = composer::compile(&loaded.graph, &images, &facts);
    facts::must_fit(target, &loaded.graph, &compiled)?;
    let changes = changes::find(&loaded.graph, &compiled, &live);
    secrets::read_others(target, &app, &compiled.secrets, &mut live).await?;
    let incomplete = secrets::incomplete(&app, &compiled.secrets, &live);
    let same_release = recorded.as_ref().is_some_and(|one| one.release == compiled.release);
    let changed = !changes.is_empty()
        || !incomplete.is_empty()
        || !same_release
        || !renewed.is_empty()
        || again;
    if changed {
        let mut graph = loaded.graph.clone();
        graph.judge(&facts);
        let outlook = Outlook::of(&graph, &compiled, &changes, recorded.as_ref(), &live);
        for line in plan::lines(&graph, &compiled, &changes, &incomplete, &outlook) {
            events(Event::Plan { line });
        }
        if let Some(text) = target.little_space() {
            events(Event::Note { text });
        }
        target.take_images(&loaded.graph, &built.images, events).await?;
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
        around: loaded.around.clone(),
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
