//! Who looks at which app, and what is looked at for them: the app's files and its copies.
//!
//! Nothing is watched that nobody looks at. The files are looked at by time (300 ms), for an
//! editor may replace them in any way; copies are told by the target. Where next: `stream.rs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::task::AbortHandle;

use crate::Door;
use crate::answer::Refusal;
use crate::model::news_of;
use crate::person::{Caller, Person};

/// How often the files of an app are looked at.
const LOOK: Duration = Duration::from_millis(300);

/// Everyone who looks, by app.
#[derive(Default)]
pub(crate) struct Watch {
    apps: Mutex<HashMap<String, Looked>>,
    /// What was told of each app's model last, so that no news is told twice.
    told: Mutex<HashMap<String, Value>>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Looked {
    /// By session.
    people: BTreeMap<String, Present>,
    tasks: Vec<AbortHandle>,
}

struct Present {
    person: Person,
    block: Option<String>,
    /// Open pages of this session.
    pages: usize,
}

impl Watch {
    fn apps(&self) -> MutexGuard<'_, HashMap<String, Looked>> {
        // Changes are single inserts and removes: a panic elsewhere cannot have broken it.
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who looks at an app now.
    pub(crate) fn people(&self, app: &str) -> Vec<Value> {
        let apps = self.apps();
        let people = apps.get(app).into_iter().flat_map(|looked| looked.people.iter());
        people
            .map(|(session, present)| {
                json!({ "session": session, "name": present.person.name,
                    "initials": present.person.initials, "block": present.block })
            })
            .collect()
    }

    /// Notes which block a person has chosen; false if that person does not look.
    pub(crate) fn chosen(&self, app: &str, caller: &Caller, block: Option<String>) -> bool {
        let mut apps = self.apps();
        let present = apps.get_mut(app).and_then(|one| one.people.get_mut(&caller.session));
        let Some(present) = present else { return false };
        present.block = block;
        true
    }

    /// Whether this news of the model is any.
    fn is_news(&self, app: &str, news: &Value) -> bool {
        self.told().insert(app.to_owned(), news.clone()).as_ref() != Some(news)
    }

    fn told(&self) -> MutexGuard<'_, HashMap<String, Value>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One page that looks at an app; dropped when it goes.
pub(crate) struct Looking {
    door: Door,
    app: String,
    session: String,
}

impl Door {
    /// Begins to look at an app for a page.
    pub(crate) fn looking(&self, app: &str, caller: &Caller) -> Looking {
        {
            let mut apps = self.watch.apps();
            let looked = apps.entry(app.to_owned()).or_default();
            let present = looked.people.entry(caller.session.clone()).or_insert_with(|| Present {
                person: caller.person.clone(),
                block: None,
                pages: 0,
            });
            present.pages += 1;
            if looked.tasks.is_empty() {
                let files = tokio::spawn(files(self.clone(), app.to_owned()));
                let copies = tokio::spawn(copies(self.clone(), app.to_owned()));
                looked.tasks = vec![files.abort_handle(), copies.abort_handle()];
            }
        }
        self.tell_people(app);
        Looking { door: self.clone(), app: app.to_owned(), session: caller.session.clone() }
    }

    /// Tells everyone who looks at the app who else does.
    pub(crate) fn tell_people(&self, app: &str) {
        self.hub.tell(app, "people", &json!({ "app": app, "people": self.watch.people(app) }));
    }

    /// Tells what became of the model, if that was not told already.
    pub(crate) async fn tell_model(&self, app: &str) {
        // One at a time from the reading to the telling, or the older of two could be told last.
        let _turn = self.watch.turn.lock().await;
        let Some(news) = self.model_news(app).await else { return };
        if self.watch.is_news(app, &news) {
            self.hub.tell(app, "model", &news);
        }
    }

    /// Tells what a change led to, and draws it for who made it: one reading for both, since the
    /// drawing of a large app is what a change costs most.
    pub(crate) async fn tell_and_draw(&self, app: &str, person: &str) -> Result<Value, Refusal> {
        let _turn = self.watch.turn.lock().await;
        let model = self.model(app, person).await?;
        let news = news_of(app, &model);
        if self.watch.is_news(app, &news) {
            self.hub.tell(app, "model", &news);
        }
        Ok(model)
    }

    /// Tells of a file that was written, unless its text and its changes were told already: what
    /// was changed here was told before anyone looks at the file.
    async fn tell_file(&self, app: &str) {
        let known = self.watch.told().get(app).cloned();
        if let Some(known) = known
            && let Some((revision, changes)) = self.text_news(app).await
            && known["revision"] == revision.as_str()
            && known["changes"] == changes
        {
            return;
        }
        self.tell_model(app).await;
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        {
            let mut apps = self.door.watch.apps();
            let Some(looked) = apps.get_mut(&self.app) else { return };
            if let Some(present) = looked.people.get_mut(&self.session) {
                present.pages -= 1;
                if present.pages == 0 {
                    looked.people.remove(&self.session);
                }
            }
            if looked.people.is_empty() {
                for task in &looked.tasks {
                    task.abort();
                }
                apps.remove(&self.app);
            }
        }
        self.door.tell_people(&self.app);
    }
}

/// Tells when the app file or its layout is not what it was.
async fn files(door: Door, app: String) {
    let mut last: Option<[Option<Mark>; 2]> = None;
    loop {
        if let Ok(dir) = door.registry.dir(&app) {
            let now = [mark(&dir.join("app.toml")), mark(&dir.join("app.layout.toml"))];
            if let Some([file, layout]) = &last {
                if *file != now[0] {
                    door.tell_file(&app).await;
                }
                if *layout != now[1] {
                    door.hub.tell(&app, "layout", &json!({ "app": app }));
                }
            } else {
                door.tell_model(&app).await;
            }
            last = Some(now);
        }
        tokio::time::sleep(LOOK).await;
    }
}

type Mark = (SystemTime, u64, u64);

/// What changes with a file: its time, its length, and which file it is.
fn mark(path: &std::path::Path) -> Option<Mark> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

/// Tells how the app's copies stand, whenever that changes.
async fn copies(door: Door, app: String) {
    let hub: Arc<_> = door.hub.clone();
    loop {
        let tell = |status: &apps::StatusReport| hub.tell(&app, "status", &json!(status));
        let Err(error) = apps::follow(&door.target, &app, tell).await;
        tracing::debug!(%error, app, "the copies are not followed");
        // The target is away; the page says how old what it shows is.
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}
