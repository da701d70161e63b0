//! `move`: an app with its data from one target to another.
//!
//! Order: everything is checked first; then what writes is stopped, what it wrote is kept in a
//! backup, the app is made at the other target with that data, and only when it is ready there is
//! the first one stopped for good. Until then the way back is open: what fails is undone, and what
//! was interrupted is carried on or undone by saying so. A note of the move under way lies in the
//! server's own folder. Where next: `data/restore.rs`, which makes the app there.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::around::Around;
use crate::data::{self, BackupOptions, LeftOut, RestoreOptions, StandIn};
use crate::event::{Event, Events};
use crate::live::{Key, Live};
use crate::progress::Clock;
use crate::registry::write_private;
use crate::release::{self, Release};
use crate::{
    DestroyOptions, Error, Result, Target, apply, destroy, facts, live, load, role, scale,
};

/// On the record of a release: the target that has the app and its data now.
pub(crate) const MOVED: &str = "shelf.dev/moved-to";
/// What the backup of a move is called.
const LABEL: &str = "move";

/// How an app is moved.
#[derive(Debug, Clone, Default)]
pub struct MoveOptions {
    /// The app's folder, where the file laid over it for the other target is looked for.
    pub dir: Option<PathBuf>,
    /// Says what would be done, and does nothing.
    pub dry_run: bool,
    /// Takes a move back that was interrupted.
    pub undo: bool,
    /// Who says so; kept with the release.
    pub by: String,
}

/// The result of `move`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MoveReport {
    /// The app.
    pub app: String,
    /// The target it was on.
    pub from: String,
    /// The target it is on now, or would be.
    pub to: String,
    /// Whether it was only said what would be done.
    pub dry_run: bool,
    /// Whether an interrupted move was taken back.
    pub undone: bool,
    /// Its address there.
    pub url: Option<String>,
    /// Blocks whose data goes along, with its bytes as far as they are known.
    pub parts: Vec<(String, u64)>,
    /// The backup that the data went in.
    pub kept: Option<String>,
    /// How long nobody could write, in seconds.
    pub still_seconds: f64,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// A move under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Under {
    from: String,
    to: String,
    /// Whether something may have been made at the other target.
    began_there: bool,
    /// Whether it is whole and ready there: from then on what is there counts.
    #[serde(default)]
    ready_there: bool,
}

/// Moves an app with its data to another target.
///
/// # Errors
/// It cannot run there, something there is in the way, or a step failed: then it runs where it was,
/// as it was. If even that failed, the error says so, and the same words carry on or undo.
pub async fn move_app(
    from: &Target,
    to: &Target,
    app: &str,
    options: &MoveOptions,
    events: Events<'_>,
) -> Result<MoveReport> {
    let clock = Clock::start();
    let note = note(from, app);
    let under = read(&note)?;
    let mut report = MoveReport {
        app: app.to_owned(),
        from: from.name().to_owned(),
        to: to.name().to_owned(),
        dry_run: options.dry_run,
        undone: options.undo,
        url: None,
        parts: Vec::new(),
        kept: None,
        still_seconds: 0.0,
        seconds: 0.0,
    };
    if ends_here((from, to, app), options, (under.as_ref(), &note), events).await? {
        report.seconds = clock.seconds();
        return Ok(report);
    }
    let plan = Plan::of(from, to, app, options, under.as_ref()).await?;
    report.url = plan.url.clone();
    report.parts = plan.holders.iter().map(|block| (block.clone(), 0)).collect();
    for line in plan.lines(from, to, app) {
        events(Event::Plan { line });
    }
    if options.dry_run {
        report.seconds = clock.seconds();
        return Ok(report);
    }
    // A half made there by a move that was cut off is made again from the start.
    if under.as_ref().is_some_and(|under| under.began_there) {
        clear(to, app, events).await?;
    }
    let mut under = Under {
        from: from.name().to_owned(),
        to: to.name().to_owned(),
        began_there: under.is_some_and(|under| under.began_there),
        ready_there: false,
    };
    write(&note, &under)?;
    let carried = carry(from, to, app, (&plan, options), (&mut under, &note), events).await;
    let carried = match carried {
        Ok(carried) => carried,
        // It is there; only what it leaves behind is not at rest yet.
        Err(error) if under.ready_there => return Err(error),
        Err(error) => {
            events(Event::Note { text: format!("! it did not move: {error}; it goes back") });
            take_back(from, to, app, &under, events).await.map_err(|second| Error::Data {
                code: "move/half",
                message: format!(
                    "{app} did not move ({error}), and could not be brought back: {second}"
                ),
                hint: Some(format!(
                    "its data is at {0}, untouched. take it back:  shelf --on {0} -a {app} move --to {1} --undo",
                    from.name(),
                    to.name()
                )),
            })?;
            forget(&note)?;
            return Err(error);
        }
    };
    data::forget_but(from, app, LABEL, 1)?;
    Ok(MoveReport {
        url: carried.url,
        parts: carried.parts,
        kept: Some(carried.kept),
        still_seconds: carried.still_seconds,
        seconds: clock.seconds(),
        ..report
    })
}

/// Deals with a move that was begun before; whether that was all that was asked for.
async fn ends_here(
    (from, to, app): (&Target, &Target, &str),
    options: &MoveOptions,
    (under, note): (Option<&Under>, &Path),
    events: Events<'_>,
) -> Result<bool> {
    if let Some(under) = under.filter(|one| one.from != from.name() || one.to != to.name()) {
        return Err(refuse(
            "move/under-way",
            format!("{app} is on its way from {} to {}", under.from, under.to),
            format!(
                "carry on:  shelf --on {0} -a {app} move --to {1}        take it back:  … --undo",
                under.from, under.to
            ),
        ));
    }
    if under.is_some_and(|under| under.ready_there) {
        if options.undo || options.dry_run {
            return Err(refuse(
                "move/done",
                format!("{app} is whole and ready at {}; what is written there counts", to.name()),
                "end the move by saying it once more, without --undo; then move it back".into(),
            ));
        }
        leave(from, to, app, note).await?;
        return Ok(true);
    }
    if !options.undo {
        return Ok(false);
    }
    let Some(under) = under else {
        return Err(refuse(
            "move/none",
            format!("no move of {app} from {} to {} is under way", from.name(), to.name()),
            "there is nothing to take back".into(),
        ));
    };
    take_back(from, to, app, under, events).await?;
    forget(note)?;
    Ok(true)
}

/// What was found out before anything is changed.
struct Plan {
    release: Release,
    /// What decides about the app at the other target.
    around: Around,
    live: Live,
    /// Blocks that hold data, and of those the ones that must run to say it.
    holders: Vec<String>,
    speakers: BTreeSet<String>,
    url: Option<String>,
    /// Whether the app was moved away from there once, and is still there, stopped.
    returns: bool,
}

impl Plan {
    async fn of(
        from: &Target,
        to: &Target,
        app: &str,
        options: &MoveOptions,
        under: Option<&Under>,
    ) -> Result<Self> {
        if from.name() == to.name() {
            let message = format!("{app} is at {} already", to.name());
            return Err(refuse("move/same", message, "shelf target list".into()));
        }
        let live = live::list(from, app).await?;
        let Some(release) = release::read(&live).filter(|one| !one.text.is_empty()) else {
            return Err(Error::Absent(app.to_owned()));
        };
        if let Some(place) = moved_to(&live) {
            return Err(refuse(
                "move/moved",
                format!(
                    "{app} was moved from {} to {place}; what is here is what it was then",
                    from.name()
                ),
                format!(
                    "move it from there:  shelf --on {place} -a {app} move --to …        or have it live here again:  shelf --on {} -a {app} start",
                    from.name()
                ),
            ));
        }
        let nowhere = PathBuf::new();
        let dir = options.dir.as_ref().unwrap_or(&nowhere);
        let mut around = Around::read(to, dir, &release.text, false).await?;
        // What runs moves, not what its tags stand for by now.
        around.images.extend(release.around.images.clone());
        role::must_have_namespace(to, app).await?;
        let there = live::list(to, app).await?;
        let returns = moved_to(&there).as_deref() == Some(from.name());
        let half = under.is_some_and(|under| under.began_there);
        let empty = there.keys().all(|key| key.kind == "Namespace");
        let free = empty || half || returns && scale::is_stopped(&there);
        if !free {
            return Err(refuse(
                "move/taken",
                format!("there is an app {app} at {}, or disks of one", to.name()),
                format!(
                    "look:  shelf --on {0} -a {app} status        take it away:  shelf --on {0} -a {app} destroy --delete-data {app}",
                    to.name()
                ),
            ));
        }
        let loaded = load::of_release(&Release { around: around.clone(), ..release.clone() })?;
        let images = to.images_there(&release.images, &around);
        let compiled = composer::compile(&loaded.graph, &images, &facts::facts(to, app));
        facts::must_fit(to, &loaded.graph, &compiled)?;
        let (holders, speakers, left_out) = data::holders_of(&loaded.graph);
        refuse_loss(app, &left_out)?;
        Ok(Self { release, around, live, holders, speakers, url: compiled.url, returns })
    }

    fn lines(&self, from: &Target, to: &Target, app: &str) -> Vec<String> {
        let data = match self.holders.is_empty() {
            true => "it holds no data".to_owned(),
            false => format!("with the data of {}", self.holders.join(", ")),
        };
        let mut lines = vec![format!("{app} goes from {} to {}, {data}", from.name(), to.name())];
        let was = self.release.url.as_deref().unwrap_or("none");
        lines.push(format!("  address: {was} -> {}", self.url.as_deref().unwrap_or("none")));
        lines.push("  nobody can write from when its copies stop until it is ready there".into());
        if self.returns {
            lines.push(format!(
                "  replaces what was left at {} when it moved away from there",
                to.name()
            ));
        }
        lines
    }
}

/// Data that no program can say would be left behind, which nobody expects of a move.
fn refuse_loss(app: &str, left_out: &[LeftOut]) -> Result<()> {
    let Some(first) = left_out.first() else { return Ok(()) };
    Err(refuse(
        "move/left-out",
        format!("the data of {} would stay behind: {}", first.block, first.reason),
        format!("its files, by hand:  shelf -a {app} exec {} -- tar -C … -cf - .", first.block),
    ))
}

struct Carried {
    url: Option<String>,
    parts: Vec<(String, u64)>,
    kept: String,
    still_seconds: f64,
}

async fn carry(
    from: &Target,
    to: &Target,
    app: &str,
    (plan, options): (&Plan, &MoveOptions),
    (under, note): (&mut Under, &Path),
    events: Events<'_>,
) -> Result<Carried> {
    // The images go first: nothing stands still for them.
    let of = Release { around: plan.around.clone(), ..plan.release.clone() };
    let loaded = load::of_release(&of)?;
    to.take_images(&loaded.graph, &plan.release.images.clone().into_iter().collect(), events)
        .await?;
    let still = Clock::start();
    // One that was cut off may have left everything stopped; what speaks must run.
    scale::wake_some(from, app, &plan.live, &|block| plan.speakers.contains(block)).await?;
    scale::rest(from, app, &plan.live, &|block| plan.speakers.contains(block)).await?;
    events(Event::Note { text: format!("nothing writes at {} any more", from.name()) });
    let keeping = BackupOptions { label: LABEL.into(), ..BackupOptions::default() };
    let made = data::backup(from, app, &keeping, events).await?;
    refuse_loss(app, &made.left_out)?;
    events(Event::Note { text: format!("its data is kept:  {}", made.name) });
    under.began_there = true;
    write(note, under)?;
    if plan.returns {
        clear(to, app, events).await?;
    }
    let stand_in = StandIn {
        text: plan.release.text.clone(),
        images: plan.release.images.clone(),
        sources: plan.release.sources.clone(),
        around: Some(plan.around.clone()),
    };
    let restoring = RestoreOptions { by: options.by.clone(), ..RestoreOptions::default() };
    let source = data::From::File(made.path.clone());
    let done = data::restore_in(to, &source, &restoring, Some(&stand_in), events).await?;
    same(&made.parts, &done.parts)?;
    let still_seconds = still.seconds();
    // It is ready there: from here on the other one is what it was.
    under.ready_there = true;
    write(note, under)?;
    leave(from, to, app, note).await?;
    Ok(Carried { url: done.url, parts: done.parts, kept: made.name, still_seconds })
}

/// Stops what is left behind, which says where the app is now.
async fn leave(from: &Target, to: &Target, app: &str, note: &Path) -> Result<()> {
    scale::stop(from, app, &mut |_| ()).await?;
    mark(from, app, Some(to.name())).await?;
    forget(note)
}

/// Every block was given as much as it gave.
fn same(gave: &[(String, u64)], took: &[(String, u64)]) -> Result<()> {
    let (mut gave, mut took) = (gave.to_vec(), took.to_vec());
    gave.sort();
    took.sort();
    if gave == took {
        return Ok(());
    }
    Err(Error::Data {
        code: "move/data",
        message: format!("what was taken is not what was given: {gave:?} and {took:?}"),
        hint: None,
    })
}

/// What was made there goes, and what was stopped here runs again.
async fn take_back(
    from: &Target,
    to: &Target,
    app: &str,
    under: &Under,
    events: Events<'_>,
) -> Result<()> {
    if under.began_there {
        clear(to, app, events).await?;
    }
    scale::start(from, app, events).await.map(|_| ())
}

/// Takes away what there is of an app with its data; nothing is no error.
async fn clear(to: &Target, app: &str, events: Events<'_>) -> Result<()> {
    let options = DestroyOptions { data: true, ..DestroyOptions::default() };
    match destroy(to, app, &options, events).await {
        Ok(_) | Err(Error::Absent(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The target that an app was moved to, by what is left of it.
fn moved_to(live: &Live) -> Option<String> {
    let key = Key { kind: "ConfigMap".into(), name: release::NAME.into() };
    let record = live.get(&key)?;
    crate::changes::annotation(record, MOVED).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Writes on the release where the app is now; nothing when it lives here.
pub(crate) async fn mark(target: &Target, app: &str, place: Option<&str>) -> Result<()> {
    let key = Key { kind: "ConfigMap".into(), name: release::NAME.into() };
    let patch = json!({ "metadata": { "annotations": { MOVED: place } } });
    apply::merge(target, app, &key, &patch).await.map(|_| ())
}

fn note(from: &Target, app: &str) -> PathBuf {
    from.keep.join("moves").join(format!("{app}.json"))
}

fn read(path: &Path) -> Result<Option<Under>> {
    match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| Error::Data {
            code: "move/note",
            message: format!("{} cannot be read: {error}", path.display()),
            hint: Some("it is no more than a note of a move under way; delete it".into()),
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
    }
}

fn write(path: &Path, under: &Under) -> Result<()> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let text = serde_json::to_string(under).unwrap_or_default();
    write_private(path, text.as_bytes()).map_err(failed)
}

fn forget(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn refuse(code: &'static str, message: String, hint: String) -> Error {
    Error::Data { code, message, hint: Some(hint) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_kept_read_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("moves/shop.json");
        assert_eq!(read(&path).unwrap(), None);
        let under =
            Under { from: "local".into(), to: "far".into(), began_there: true, ready_there: false };
        write(&path, &under).unwrap();
        assert_eq!(read(&path).unwrap(), Some(under));
        fs::write(&path, "{").unwrap();
        assert!(read(&path).is_err());
        forget(&path).unwrap();
        assert_eq!(read(&path).unwrap(), None);
    }

    #[test]
    fn what_was_taken_must_be_what_was_given() {
        let part = |name: &str, bytes| (name.to_owned(), bytes);
        same(&[part("a", 1), part("b", 2)], &[part("b", 2), part("a", 1)]).unwrap();
        assert!(same(&[part("a", 1), part("b", 2)], &[part("a", 1)]).is_err());
        assert!(same(&[part("a", 1)], &[part("a", 2)]).is_err());
    }

    #[test]
    fn where_an_app_went_is_on_its_release() {
        let key = Key { kind: "ConfigMap".into(), name: release::NAME.into() };
        let mut live = Live::from([(key.clone(), json!({ "data": {} }))]);
        assert_eq!(moved_to(&live), None);
        live.insert(key, json!({ "metadata": { "annotations": { MOVED: "far" } } }));
        assert_eq!(moved_to(&live).as_deref(), Some("far"));
    }
}
