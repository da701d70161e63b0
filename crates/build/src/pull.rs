//! Images that a Dockerfile starts from and that are not here: fetched from their registries.
//!
//! The digest that a tag stood for is printed and kept with the image; steps above it are cached
//! by its layers, so a tag that moved builds anew and nothing else does. Next: the `registry` room.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use image::{Image, Reference};
use registry::Progress;

use crate::stage::{At, Builder};
use crate::{Error, Event, Result};

/// How often a build that waits for a registry looks whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Between two lines about the same image.
const LINE_EVERY: Duration = Duration::from_secs(2);

impl Builder<'_> {
    /// Fetches an image. Its line in the Dockerfile is in every error.
    pub(crate) fn pull(&mut self, name: &str, at: At<'_>) -> Result<Image> {
        let unknown = || image::Error::Unknown { name: name.to_owned() };
        let reference = Reference::parse(name).map_err(|source| self.image_error(at, source))?;
        let (Some(client), Ok(runtime)) =
            (self.request.registry.clone(), tokio::runtime::Handle::try_current())
        else {
            return Err(self.image_error(at, unknown()));
        };
        let login = client.login(&reference).map_err(|error| self.pull_error(at, error))?;
        (self.progress)(Event::Base(format!("pulling {reference}")));
        let told = Told::default();
        let step = |progress| told.note(progress);
        let images = self.images;
        let pulled = runtime.block_on(async {
            let pull = client.pull(images, &reference, login.as_ref(), &step);
            tokio::pin!(pull);
            loop {
                tokio::select! {
                    done = &mut pull => return done.map_err(|error| self.pull_error(at, error)),
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
                self.check_cancelled()?;
                if let Some(line) = told.line() {
                    (self.progress)(Event::Base(line));
                }
            }
        })?;
        let megabytes = pulled.layers.iter().map(|layer| layer.size).sum::<u64>() / 1_000_000;
        let digest = told.digest().unwrap_or_else(|| pulled.digest.clone());
        (self.progress)(Event::Base(format!("{reference} is {digest}, {megabytes} MB compressed")));
        Ok(pulled)
    }

    fn pull_error(&self, at: At<'_>, why: registry::Error) -> Error {
        let (path, text) = (self.path.clone(), at.text.clone());
        Error::Registry { path, line: at.line, text, why: Box::new(why) }
    }
}

/// What a pull said so far; its parts come at the same time.
#[derive(Default)]
struct Told(Mutex<State>);

#[derive(Default)]
struct State {
    digest: Option<String>,
    /// Blob, bytes so far, bytes in all.
    moving: std::collections::BTreeMap<String, (u64, u64)>,
    last: Option<Instant>,
}

impl Told {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Plain values: a panic elsewhere cannot have left them half-written.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn note(&self, progress: Progress) {
        let mut state = self.state();
        match progress {
            Progress::Resolved { digest } => state.digest = Some(digest),
            Progress::Moved { digest, done, size } => {
                state.moving.insert(digest, (done, size));
            }
            _ => {}
        }
    }

    fn digest(&self) -> Option<String> {
        self.state().digest.clone()
    }

    /// A line, not more often than somebody can read.
    fn line(&self) -> Option<String> {
        let mut state = self.state();
        let (done, size) = state.moving.values().fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        let early = state.last.is_some_and(|last| last.elapsed() < LINE_EVERY);
        if size == 0 || early {
            return None;
        }
        state.last = Some(Instant::now());
        Some(format!("{} of {} MB", done / 1_000_000, size / 1_000_000))
    }
}
