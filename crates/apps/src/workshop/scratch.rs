//! What a trial needs on disk, and its end: also of one that was cancelled, or whose server ended
//! before it did. Where next: `trial.rs`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;

use crate::data;
use crate::destroy::{DestroyOptions, destroy};
use crate::event::Events;
use crate::{Error, Result, Target};

/// The folder of a trial: as long as it is there, so may be the trial's app.
pub(super) struct Scratch {
    target: Target,
    app: String,
    pub(super) path: PathBuf,
}

impl Scratch {
    pub(super) fn new(target: &Target, app: &str) -> std::io::Result<Self> {
        let path = trials(target).join(app);
        fs::create_dir_all(&path)?;
        Ok(Self { target: target.clone(), app: app.to_owned(), path })
    }
}

impl Drop for Scratch {
    /// A trial that was broken off is taken away by a task of its own; if the server ends, by the
    /// next one.
    fn drop(&mut self) {
        let (target, app, path) = (self.target.clone(), self.app.clone(), self.path.clone());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move { end_trial(&target, &app, &path).await });
    }
}

fn trials(target: &Target) -> PathBuf {
    target.kept().join("trials")
}

/// Takes away what trials left behind that ended with an earlier server.
pub async fn end_trials(target: &Target) {
    let entries = fs::read_dir(trials(target)).into_iter().flatten().flatten();
    let left: Vec<(String, PathBuf)> = entries
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .collect();
    for (app, path) in left {
        end_trial(target, &app, &path).await;
    }
}

async fn end_trial(target: &Target, app: &str, path: &Path) {
    let done = take_away(target, app, &mut |_| {}).await.map_err(|(_, error)| error);
    let removed = done.and_then(|()| {
        let what = || format!("remove {}", path.display());
        fs::remove_dir_all(path).map_err(|source| Error::File { what: what(), source })
    });
    match removed {
        Ok(()) => {}
        Err(error) => tracing::warn!(app, %error, "a trial is not wholly taken away"),
    }
}

/// Takes a trial's app away, and the copy that its backup was restored into, with their data.
pub(super) async fn take_away(
    target: &Target,
    app: &str,
    events: Events<'_>,
) -> std::result::Result<(), (String, Error)> {
    let options = DestroyOptions { data: true, ..DestroyOptions::default() };
    for app in [format!("{app}-b"), app.to_owned()] {
        match destroy(target, &app, &options, events).await {
            Ok(_) | Err(Error::Absent(_)) => {}
            Err(error) => return Err((app, error)),
        }
        let (of, name) = (target.clone(), app.clone());
        let sweeping = tokio::task::spawn_blocking(move || sweep(&of, &name));
        let swept = sweeping.await.map_err(|source| Error::Task { what: "a trial".into(), source });
        swept.and_then(|done| done).map_err(|error| (app, error))?;
    }
    Ok(())
}

/// Names of images and backups of an app that is gone.
fn sweep(target: &Target, app: &str) -> Result<()> {
    data::forget_all(target, app)?;
    let store = Arc::new(target.images.clone());
    let fails = |source| Error::Image { what: "forget the trial's images".into(), source };
    let ours = format!("shelf.local/{app}/");
    for image in store.list().map_err(fails)? {
        for name in image.names.iter().filter(|name| name.starts_with(&ours)) {
            store.remove(name).map_err(fails)?;
        }
    }
    Ok(())
}
