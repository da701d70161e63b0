//! One stage after the other, one instruction after the other.
//!
//! A step's cache key is made of the layers below it and all it depends on, so a hit gives the
//! very layer that was made from the same inputs. Nothing is written to the store's index until
//! the target is whole. Next: `run.rs`, `add.rs` (COPY and ADD), `settings.rs` (the rest).

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use image::{ContainerConfig, Hasher, History, Image, ImageConfig, Images, Layer, Record, Scratch};

use crate::dockerfile::{Instruction, Kind, parse_one};
use crate::plan::{Base, PROXIES, Plan, platform};
use crate::sources::Tree;
use crate::words::expand;
use crate::{Error, Event, Request, Result};

/// Runs one step in a pod; tests without pods give one that refuses.
pub(crate) type Runner<'a> = dyn FnMut(pod::Step<'_>) -> Result<pod::Exit, pod::Error> + 'a;

/// Version of the cache keys: changed whenever a step comes to mean something else.
const KEYS: &[u8] = b"build 1";

/// A build under way.
pub(crate) struct Builder<'a> {
    pub(crate) images: &'a Images,
    pub(crate) run: &'a mut Runner<'a>,
    pub(crate) request: &'a Request,
    pub(crate) progress: &'a mut dyn FnMut(Event),
    /// The Dockerfile, for messages.
    pub(crate) path: PathBuf,
    pub(crate) context: Tree,
    pub(crate) plan: Plan,
    /// Finished stages.
    pub(crate) done: BTreeMap<usize, State>,
    pub(crate) index: usize,
    pub(crate) cached: usize,
    /// Steps that `ONBUILD` of base images adds.
    pub(crate) added: usize,
}

/// An image in the making.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) config: ContainerConfig,
    pub(crate) author: Option<String>,
    pub(crate) history: Vec<History>,
    pub(crate) layers: Vec<Layer>,
    /// `ARG`s declared in this stage that have a value.
    pub(crate) args: BTreeMap<String, String>,
    /// This stage has a `CMD`.
    pub(crate) has_cmd: bool,
    /// Every step so far was in the cache.
    pub(crate) all_cached: bool,
}

impl State {
    fn scratch() -> Self {
        Self {
            config: ContainerConfig::default(),
            author: None,
            history: Vec::new(),
            layers: Vec::new(),
            args: BTreeMap::new(),
            has_cmd: false,
            all_cached: true,
        }
    }

    /// As an image for mounting; it is not in the store.
    pub(crate) fn image(&self) -> Image {
        let mut config = ImageConfig::empty();
        config.config = self.config.clone();
        let digest =
            self.layers.last().map_or_else(|| "scratch".to_owned(), |layer| layer.diff_id.clone());
        Image { digest, names: Vec::new(), config, layers: self.layers.clone() }
    }

    /// The working directory, `/` by default.
    pub(crate) fn working_dir(&self) -> &str {
        if self.config.working_dir.is_empty() { "/" } else { &self.config.working_dir }
    }

    /// A variable's value: `ENV` over `ARG`.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let env = self.config.env.iter().rev().find_map(|pair| {
            pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        });
        env.or_else(|| self.args.get(name).cloned())
    }

    pub(crate) fn shell(&self) -> Vec<String> {
        self.config.shell.clone().unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()])
    }
}

/// The instruction a method works on.
pub(crate) type At<'a> = &'a Instruction;

impl Builder<'_> {
    /// Builds every needed stage; gives the target's.
    pub(crate) fn all(&mut self) -> Result<State> {
        let needed = self.plan.needed.clone();
        for stage in &needed {
            let state = self.stage(*stage)?;
            self.done.insert(*stage, state);
        }
        let target = needed.last().and_then(|target| self.done.remove(target));
        target.ok_or_else(|| self.fail(&self.plan.stages[0].from, "no stage was built"))
    }

    fn stage(&mut self, number: usize) -> Result<State> {
        let from = self.plan.stages[number].from.clone();
        let mut state = self.base(number, &from)?;
        let triggers = std::mem::take(&mut state.config.on_build);
        self.added += triggers.len();
        for trigger in triggers {
            let instruction = parse_one(&trigger, from.line)
                .map_err(|problem| self.fail(&from, format!("ONBUILD of its image: {problem}")))?;
            self.step(number, &mut state, &instruction)?;
        }
        let instructions = std::mem::take(&mut self.plan.stages[number].instructions);
        for instruction in &instructions {
            self.step(number, &mut state, instruction)?;
        }
        Ok(state)
    }

    fn base(&mut self, number: usize, from: At<'_>) -> Result<State> {
        self.check_cancelled()?;
        let mut state = match self.plan.stages[number].base.clone() {
            Base::Scratch => {
                self.begin(from, true);
                State::scratch()
            }
            Base::Stage(stage) => {
                self.begin(from, true);
                self.done
                    .get(&stage)
                    .cloned()
                    .ok_or_else(|| self.fail(from, "its stage was not built"))?
            }
            Base::Image(name) => {
                let image = self.find_image(&name, from, true)?;
                State {
                    config: image.config.config,
                    author: image.config.author,
                    history: image.config.history,
                    layers: image.layers,
                    ..State::scratch()
                }
            }
        };
        state.args.clear();
        state.has_cmd = false;
        Ok(state)
    }

    /// An image by name: from the store, made from packages, or from its registry.
    pub(crate) fn find_image(&mut self, name: &str, at: At<'_>, step: bool) -> Result<Image> {
        let found = self.images.find(name).map_err(|source| self.image_error(at, source))?;
        let stale = self.request.pull && self.images.came_from_registry(name).unwrap_or(false);
        if step {
            self.begin(at, found.is_some() && !stale);
        }
        if let Some(image) = found.filter(|_| !stale) {
            return Ok(image);
        }
        if stale {
            return self.pull(name, at);
        }
        let progress = &mut *self.progress;
        match self.images.base(name, &mut |line| progress(Event::Base(line.to_owned()))) {
            Err(image::Error::Unknown { .. }) if self.request.registry.is_some() => {
                self.pull(name, at)
            }
            made => made.map_err(|source| self.image_error(at, source)),
        }
    }

    fn step(&mut self, number: usize, state: &mut State, instruction: At<'_>) -> Result<()> {
        self.check_cancelled()?;
        match &instruction.kind {
            Kind::Run(run) => self.run_step(state, instruction, run),
            Kind::Copy(copy) => self.copy_step(number, state, instruction, copy),
            Kind::Workdir(path) => self.workdir_step(state, instruction, path),
            Kind::Arg(arguments) => {
                self.begin(instruction, state.all_cached);
                for (name, default) in arguments {
                    self.declare(state, instruction, name, default.as_deref())?;
                }
                self.note(state, instruction, true);
                Ok(())
            }
            _ => {
                self.begin(instruction, state.all_cached);
                crate::settings::apply(state, &instruction.kind)
                    .map_err(|reason| self.fail(instruction, reason))?;
                self.note(state, instruction, true);
                Ok(())
            }
        }
    }

    /// `ARG`: the caller's value, else the default, else the value before the first `FROM`.
    fn declare(
        &self,
        state: &mut State,
        at: At<'_>,
        name: &str,
        default: Option<&str>,
    ) -> Result<()> {
        let given = self.request.args.iter().rev().find(|(given, _)| given == name);
        let value = match (given, default) {
            (Some((_, value)), _) => Some(value.clone()),
            (None, Some(default)) => Some(self.expand(state, at, default)?),
            (None, None) => self.plan.globals.get(name).cloned().or_else(|| platform(name)),
        };
        match value {
            Some(value) => state.args.insert(name.to_owned(), value),
            None => state.args.remove(name),
        };
        Ok(())
    }

    /// Substitutes the stage's variables.
    pub(crate) fn expand(&self, state: &State, at: At<'_>, word: &str) -> Result<String> {
        expand(word, &|name| state.get(name)).map_err(|reason| self.fail(at, reason))
    }

    /// Arguments of the caller that need no `ARG`.
    pub(crate) fn proxies(&self) -> impl Iterator<Item = (String, String)> {
        self.request.args.iter().filter(|(name, _)| PROXIES.contains(&name.as_str())).cloned()
    }

    /// Announces a step.
    pub(crate) fn begin(&mut self, at: At<'_>, cached: bool) {
        self.index += 1;
        self.cached += usize::from(cached);
        let count = self.plan.count + self.added;
        (self.progress)(Event::Step { index: self.index, count, text: at.text.clone(), cached });
    }

    /// Notes the step in the image's history. No time is noted: the same inputs give the same
    /// image, and a build with nothing changed gives the very digest it gave before.
    pub(crate) fn note(&self, state: &mut State, at: At<'_>, empty_layer: bool) {
        state.history.push(History {
            created_by: Some(at.text.clone()),
            empty_layer,
            ..History::default()
        });
    }

    /// The beginning of a step's key: everything below it.
    pub(crate) fn key(&self, state: &State, what: &str) -> Hasher {
        let mut hasher = Hasher::default();
        hasher.field(KEYS);
        hasher.field(what.as_bytes());
        hasher.field(&(state.layers.len() as u64).to_le_bytes());
        for layer in &state.layers {
            hasher.field(layer.diff_id.as_bytes());
        }
        hasher
    }

    /// Takes the step's layer from the cache, or has `make` change a scratch directory and keeps
    /// that. Threads that come to the same step wait for the first.
    pub(crate) fn layer(
        &mut self,
        state: &mut State,
        at: At<'_>,
        key: Hasher,
        make: &mut dyn FnMut(&mut Self, &State, &Scratch) -> Result<()>,
    ) -> Result<()> {
        let key = key.finish();
        let _exclusive = self.images.exclusive(&key);
        let record = if self.request.no_cache { None } else { self.images.record(&key) };
        self.begin(at, record.is_some());
        let layer = match record {
            Some(record) => record.layer,
            None => {
                state.all_cached = false;
                let scratch =
                    self.images.scratch().map_err(|source| self.image_error(at, source))?;
                make(self, state, &scratch)?;
                self.check_cancelled()?;
                let upper = scratch.path().join("upper");
                let layer = self
                    .images
                    .layer_from_upper(&upper)
                    .map_err(|source| self.image_error(at, source))?;
                let record = Record { layer: layer.clone() };
                self.images
                    .keep_record(&key, &record)
                    .map_err(|source| self.image_error(at, source))?;
                layer
            }
        };
        self.note(state, at, layer.is_none());
        state.layers.extend(layer);
        Ok(())
    }

    /// The state's root, writable into `scratch` or read-only.
    pub(crate) fn mount(
        &self,
        state: &State,
        at: At<'_>,
        scratch: Option<&Scratch>,
    ) -> Result<OwnedFd> {
        let path = scratch.map_or_else(PathBuf::new, |scratch| scratch.path().to_owned());
        self.images
            .mount(&state.image(), &path, None, scratch.is_none())
            .map_err(|source| self.image_error(at, source))
    }

    /// `WORKDIR`: remembered, and made when it is not there, owned by the user of the stage.
    fn workdir_step(&mut self, state: &mut State, at: At<'_>, path: &str) -> Result<()> {
        let path = self.expand(state, at, path)?;
        if path.is_empty() || path.contains('\0') {
            return Err(self.fail(at, "the directory's name is empty"));
        }
        let path = absolute(state.working_dir(), &path);
        let mut key = self.key(state, "WORKDIR");
        key.field(path.as_bytes());
        key.field(state.config.user.as_bytes());
        let wanted = path.clone();
        self.layer(state, at, key, &mut |builder, state, scratch| {
            let root = builder.mount(state, at, Some(scratch))?;
            let user = image::user::resolve(root.as_fd(), &state.config.user)
                .map_err(|source| builder.image_error(at, source))?;
            let writer = crate::copy::Writer {
                root: root.as_fd(),
                owner: Some((user.uid, user.gid)),
                mode: None,
                cancelled: &|| false,
                files: 0,
            };
            writer
                .make_dirs(&crate::copy::parts(&wanted))
                .map_err(|reason| builder.fail(at, reason))?;
            Ok(())
        })?;
        state.config.working_dir = path;
        Ok(())
    }

    pub(crate) fn check_cancelled(&self) -> Result<()> {
        if self.request.cancel.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }

    pub(crate) fn fail(&self, at: At<'_>, reason: impl Into<String>) -> Error {
        if self.request.cancel.load(Ordering::Relaxed) {
            return Error::Cancelled;
        }
        let (path, text) = (self.path.clone(), at.text.clone());
        Error::Instruction { path, line: at.line, text, reason: reason.into() }
    }

    pub(crate) fn image_error(&self, at: At<'_>, source: image::Error) -> Error {
        let (path, text) = (self.path.clone(), at.text.clone());
        Error::Image { path, line: at.line, text, source: Box::new(source) }
    }
}

/// `path` seen from `dir`, without `.` and `..`.
pub(crate) fn absolute(dir: &str, path: &str) -> String {
    let joined = if path.starts_with('/') { path.to_owned() } else { format!("{dir}/{path}") };
    let parts = crate::copy::parts(&joined);
    format!("/{}", String::from_utf8_lossy(&parts.join(&b'/')))
}
