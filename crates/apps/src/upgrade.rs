//! Newer versions of the modules of the shelf and of catalogues that an app uses: which there are,
//! what a rehearsal of one says, and doing it. Nothing is upgraded that was not rehearsed on a copy
//! of its data first.
//!
//! How far a block is from the stock decides: as it is, set or extended goes after a rehearsal;
//! patched waits for a yes; what is yours is never touched. Where next: `upgrade/rehearsal.rs`.

mod rehearsal;
mod stage;

use std::path::Path;

use composer::graph::{From, Part, Rung};
use composer::{Catalogue, Edit, Graph};
use serde::{Deserialize, Serialize};

pub use rehearsal::{Rehearsal, Tried};

use crate::back::{self, BackOptions};
use crate::event::{Event, Events};
use crate::go::{self, GoOptions};
use crate::load::{self, Loaded};
use crate::progress::Clock;
use crate::release::{self, Release};
use crate::{
    Error, ImageNews, Result, Target, borrowed, catalogues, data, edit, live, plan, stock,
};

/// A version that is newer than the one that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newer {
    /// The version.
    pub version: String,
    /// What the app file would say: `postgres@17`.
    pub written: String,
    /// Whether its first number differs.
    pub major: bool,
}

/// A block that could have a newer version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgradable {
    /// The block.
    pub block: String,
    /// Its module.
    pub module: String,
    /// The version that runs.
    pub version: String,
    /// Newer ones on the shelf, the newest first.
    pub newer: Vec<Newer>,
    /// How far it is from the stock, 0 to 4.
    pub rung: u8,
    /// Why it waits for a yes though its rehearsal is good.
    pub asks: Option<String>,
}

/// The result of `upgrade` without a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradesReport {
    /// The app.
    pub app: String,
    /// Its blocks from the shelf.
    pub blocks: Vec<Upgradable>,
    /// Its blocks that are not from the shelf, which are never upgraded from here.
    pub yours: Vec<String>,
    /// What is new about its blocks that run an image of a registry.
    #[serde(default)]
    pub images: Vec<ImageNews>,
}

/// What is upgraded, and how far.
#[derive(Debug, Clone, Default)]
pub struct UpgradeOptions {
    /// The block.
    pub block: String,
    /// The version, or its first numbers; the newest if absent.
    pub to: Option<String>,
    /// Rehearses alone.
    pub check: bool,
    /// A block that is patched may be upgraded.
    pub patched: bool,
    /// Who says so; kept with the release.
    pub by: String,
}

/// The result of `upgrade`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpgradeReport {
    /// The app.
    pub app: String,
    /// What the rehearsal said.
    pub rehearsal: Rehearsal,
    /// The release that runs the new version; none after a rehearsal alone.
    pub release: Option<String>,
    /// The snapshot of what was before, from which a new app can be made.
    pub snapshot: Option<String>,
    /// The app's address, if it has one.
    pub url: Option<String>,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// What the app runs, and what is newer on the shelf.
///
/// # Errors
/// The app does not run, or the target does not answer.
pub async fn upgrades(target: &Target, app: &str) -> Result<UpgradesReport> {
    let (release, loaded) = running(target, app).await?;
    let mut report = list(&release, &loaded.graph, &Shelves::of(target)?);
    report.images = borrowed::news(target, &loaded).await;
    Ok(report)
}

/// Where newer versions come from.
struct Shelves {
    /// The shelf in this program.
    stock: Catalogue,
    /// The server's catalogues.
    catalogues: Vec<catalogues::Known>,
}

impl Shelves {
    fn of(target: &Target) -> Result<Self> {
        Ok(Self { stock: stock::catalogue()?, catalogues: catalogues::known(target)? })
    }

    /// The versions of a module that are newer than this one, the newest first.
    fn newer(&self, name: &str, version: &str) -> Vec<String> {
        let Some((shelf, module)) = name.split_once('/') else {
            return self.stock.newer(name, version).map(|one| one.version.clone()).collect();
        };
        let known = self.catalogues.iter().filter(|known| known.name == shelf);
        let listed = known.flat_map(|known| known.index.newer(module, version));
        listed.map(|one| one.version.clone()).collect()
    }
}

fn list(release: &Release, graph: &Graph, shelves: &Shelves) -> UpgradesReport {
    let app = graph.app.clone();
    let mut report = UpgradesReport { app, blocks: vec![], yours: vec![], images: vec![] };
    for part in &graph.blocks {
        match &part.from {
            From::Module { .. } => report.blocks.extend(upgradable(release, part, shelves)),
            From::Local { .. } | From::Source { .. } => report.yours.push(part.name.clone()),
            From::External { .. } | From::Image { .. } => {}
        }
    }
    report
}

fn upgradable(release: &Release, part: &Part, shelves: &Shelves) -> Option<Upgradable> {
    let From::Module { name, version, .. } = &part.from else { return None };
    // What runs may be older than what the same file means to this version of shelf.
    let recorded = release.from.get(&part.name).and_then(|from| from.strip_prefix(name.as_str()));
    let version = recorded.map_or(version.as_str(), str::trim);
    let first = |version: &str| version.split('.').next().unwrap_or_default().to_owned();
    let newer = shelves.newer(name, version).into_iter().map(|newer| {
        let major = first(&newer) != first(version);
        let number = if major { first(&newer) } else { newer.clone() };
        Newer { version: newer, written: format!("{name}@{number}"), major }
    });
    let patched = part.rung == Rung::Patched;
    Some(Upgradable {
        block: part.name.clone(),
        module: name.clone(),
        version: version.to_owned(),
        newer: newer.collect(),
        rung: part.rung.number(),
        asks: patched.then(|| {
            format!("{} is patched: what was patched may mean something else then", part.name)
        }),
    })
}

/// The release that runs, and what it means to this version of shelf.
async fn running(target: &Target, app: &str) -> Result<(Release, Loaded)> {
    let live = live::list(target, app).await?;
    let release = release::read(&live).filter(|release| !release.text.is_empty());
    let release = release.ok_or_else(|| Error::Absent(app.to_owned()))?;
    let loaded = load::of_release(&release)?;
    Ok((release, loaded))
}

fn refuse(code: &'static str, message: String, hint: &str) -> Error {
    Error::Data { code, message, hint: Some(hint.to_owned()) }
}

/// Rehearses a newer version of a block on a copy of its data and, if that went well, takes it:
/// app file and app. What does not come up goes back.
///
/// # Errors
/// There is nothing newer, the block is yours, or patched and nobody said yes, the app file has
/// changes that have not gone yet, the rehearsal failed, or the upgrade itself did.
pub async fn upgrade(
    target: &Target,
    dir: &Path,
    options: &UpgradeOptions,
    events: Events<'_>,
) -> Result<UpgradeReport> {
    let clock = Clock::start();
    let app = load::app_name(dir)?;
    let (release, Loaded { graph, .. }) = running(target, &app).await?;
    let newer = choose(&release, &graph, &Shelves::of(target)?, options)?;
    let changed = load::text(dir)? != release.text || plan::plan(target, dir).await?.has_changes;
    if changed && !options.check {
        return Err(refuse(
            "upgrade/changes",
            format!("app.toml or the code beside it has changed since {app} last went"),
            "an upgrade comes alone:  shelf go        look:  shelf plan",
        ));
    }
    let mut stage = stage::Stage::set(&release, &graph, &options.block, &newer)?;
    if let Some(module) = catalogues::fetched(target, &newer.written).await? {
        stage.after.around.modules.insert(newer.written.clone(), module);
    }
    let rehearsal = rehearsal::rehearse(target, &stage, events).await?;
    if options.check || !rehearsal.good {
        let seconds = clock.seconds();
        let (release, snapshot, url) = (None, None, None);
        return Ok(UpgradeReport { app, rehearsal, release, snapshot, url, seconds });
    }
    let done = take(target, dir, &release, &newer, options, events).await?;
    let before = |one: &data::Kept| {
        one.release.as_ref() == Some(&release.release)
            && ["before-go", "snapshot"].contains(&one.label.as_str())
    };
    let snapshot = data::backups(target, &app)?.into_iter().find(before).map(|one| one.name);
    Ok(UpgradeReport {
        app,
        snapshot,
        rehearsal,
        release: Some(done.release),
        url: done.url,
        seconds: clock.seconds(),
    })
}

/// The version meant, if this block may have it.
fn choose(
    release: &Release,
    graph: &Graph,
    shelves: &Shelves,
    options: &UpgradeOptions,
) -> Result<Newer> {
    let block = &options.block;
    let report = list(release, graph, shelves);
    if report.yours.contains(block) {
        return Err(refuse(
            "upgrade/yours",
            format!("{block} is yours: no version of the shelf is an upgrade of it"),
            "change its folder, then:  shelf go",
        ));
    }
    let Some(found) = report.blocks.into_iter().find(|one| one.block == *block) else {
        let names: Vec<&str> = graph.blocks.iter().map(|part| part.name.as_str()).collect();
        let message = format!("{} has no block {block} from the shelf", graph.app);
        return Err(refuse("block/absent", message, &format!("there are: {}", names.join(", "))));
    };
    let fits = |newer: &Newer| match &options.to {
        Some(to) => newer.version == *to || newer.version.starts_with(&format!("{to}.")),
        None => true,
    };
    let known: Vec<&str> = found.newer.iter().map(|one| one.version.as_str()).collect();
    let Some(newer) = found.newer.iter().find(|one| fits(one)) else {
        let message = match &options.to {
            Some(to) => format!("there is no {} {to} newer than {}", found.module, found.version),
            None => format!("{block} is {} {}, the newest", found.module, found.version),
        };
        let hint = if known.is_empty() { "shelf show" } else { "there are: " };
        return Err(refuse("upgrade/absent", message, &format!("{hint} {}", known.join(", "))));
    };
    if let Some(why) = found.asks.filter(|_| !options.patched && !options.check) {
        return Err(refuse("upgrade/patched", why, &format!("shelf upgrade {block} --yes")));
    }
    Ok(newer.clone())
}

/// The upgrade itself.
async fn take(
    target: &Target,
    dir: &Path,
    before: &Release,
    newer: &Newer,
    options: &UpgradeOptions,
    events: Events<'_>,
) -> Result<crate::GoReport> {
    let app = load::app_name(dir)?;
    // A go would go on without a snapshot of what is large; an upgrade waits for it.
    data::snapshot_of_large(target, &app, before, events).await?;
    let change = Edit::Use { block: options.block.clone(), module: newer.written.clone() };
    let text = load::text(dir)?;
    catalogues::take_modules(target, dir, std::slice::from_ref(&newer.written)).await?;
    edit::edit(dir, &[change], &options.by, None)?;
    events(Event::Note { text: format!("{} becomes {}", options.block, newer.written) });
    let going = GoOptions { by: options.by.clone(), ..GoOptions::default() };
    let error = match go::go(target, dir, &going, events).await {
        Ok(done) => return Ok(done),
        Err(error) => error,
    };
    if let Err(error) = edit::write_text(dir, &text, None, &options.by) {
        tracing::warn!(%error, app, "the app file keeps the version that did not come up");
    }
    let returning = BackOptions { by: options.by.clone(), ..BackOptions::default() };
    let cause = Box::new(error);
    let (release, at) = (before.release.clone(), before.at.clone());
    match back::return_to(target, before, &returning, events).await {
        Ok(_) => Err(Error::WentBack { cause, release, at }),
        Err(back) => Err(Error::Stuck { cause, back: Box::new(back), release }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn release(text: &str) -> (Release, Graph) {
        let graph = load::from_text(Path::new(""), text.to_owned()).unwrap().graph;
        let release = Release {
            release: "a".into(),
            at: String::new(),
            url: None,
            images: BTreeMap::new(),
            sources: BTreeMap::new(),
            from: graph.blocks.iter().map(|p| (p.name.clone(), p.from.to_string())).collect(),
            text: text.to_owned(),
            around: crate::around::Around::default(),
            second: Vec::new(),
            beside: BTreeMap::new(),
        };
        (release, graph)
    }

    #[test]
    fn newer_majors_are_found_and_what_is_yours_is_left_alone() {
        let (release, graph) = release(
            "app = \"x\"\n[db]\nuse = \"postgres@15\"\n[new]\nuse = \"postgres@17\"\n\
             [web]\nsource = \"./web\"\n",
        );
        let shelves = Shelves { stock: stock::catalogue().unwrap(), catalogues: Vec::new() };
        let report = list(&release, &graph, &shelves);
        let db = report.blocks.iter().find(|one| one.block == "db").unwrap();
        assert_eq!(db.newer[0].written, "postgres@17");
        assert!(db.newer[0].major);
        let new = report.blocks.iter().find(|one| one.block == "new").unwrap();
        assert!(new.newer.is_empty(), "{new:?}");
        assert_eq!(report.yours, ["web"]);
        let options = |block: &str, to: Option<&str>| UpgradeOptions {
            block: block.into(),
            to: to.map(str::to_owned),
            ..UpgradeOptions::default()
        };
        let code = |block: &str, to: Option<&str>| {
            choose(&release, &graph, &shelves, &options(block, to))
                .err()
                .map(|error| error.report().code)
        };
        assert_eq!(code("db", None), None);
        assert_eq!(code("db", Some("17")), None);
        assert_eq!(code("db", Some("16")).as_deref(), Some("upgrade/absent"));
        assert_eq!(code("new", None).as_deref(), Some("upgrade/absent"));
        assert_eq!(code("web", None).as_deref(), Some("upgrade/yours"));
        assert_eq!(code("nobody", None).as_deref(), Some("block/absent"));
    }
}
