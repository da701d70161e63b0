//! `RUN`: a command in a throw-away pod over the image so far.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::path::PathBuf;

use image::{Scratch, rooted};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use crate::dockerfile::{Command, Run};
use crate::stage::{At, Builder, State};
use crate::{Error, Event, Result};

/// Lines of a failed step's output that its error shows.
const LINES_SHOWN: usize = 20;
/// Longest line passed on, in bytes.
const LINE_MAX: usize = 8 << 10;
/// Where the CA bundle is during a step. Outside of `/etc`: a mount over the bundle's usual
/// place makes the installation of `ca-certificates` fail.
const CA_DIR: &str = "/run/build-ca";
/// Where a here-document that is a script of its own is during the step.
const SCRIPT_DIR: &str = "/run/build-script";
/// What tells the usual clients of that bundle.
const CA_VARIABLES: [&str; 8] = [
    "SSL_CERT_FILE",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "npm_config_cafile",
    "CARGO_HTTP_CAINFO",
];
/// Paths the pod mounts something over; where the image has nothing there, the mount needs a
/// file or directory to be on, which must not stay in the layer.
const STUBS: [&str; 10] = [
    "etc/resolv.conf",
    "etc/hosts",
    "etc/hostname",
    "run/build-ca",
    "run/build-script",
    "dev",
    "proc",
    "sys",
    "run",
    "etc",
];
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What will be run.
struct Program {
    argv: Vec<String>,
    /// A script to be put at [`SCRIPT_DIR`].
    script: Option<String>,
}

impl Builder<'_> {
    pub(crate) fn run_step(&mut self, state: &mut State, at: At<'_>, run: &Run) -> Result<()> {
        let command = command(state, run);
        // What the step sees of variables, but for those that never count: proxies and the CA.
        let mut env: Vec<(String, String)> = Vec::new();
        for (name, value) in &state.args {
            set(&mut env, name, value);
        }
        for pair in &state.config.env {
            if let Some((name, value)) = pair.split_once('=') {
                set(&mut env, name, value);
            }
        }
        let mut key = self.key(state, "RUN");
        for word in &command.argv {
            key.field(word.as_bytes());
        }
        key.field(command.script.as_deref().unwrap_or_default().as_bytes());
        for (name, value) in &env {
            if !crate::plan::PROXIES.contains(&name.as_str()) {
                key.field(name.as_bytes());
                key.field(value.as_bytes());
            }
        }
        key.field(state.working_dir().as_bytes());
        key.field(state.config.user.as_bytes());
        key.field(&[u8::from(run.network)]);
        self.layer(state, at, key, &mut |builder, state, scratch| {
            let root = builder.mount(state, at, None)?;
            let user = image::user::resolve(root.as_fd(), &state.config.user)
                .map_err(|source| builder.image_error(at, source))?;
            let mut env = env.clone();
            for (name, value) in builder.proxies() {
                if !env.iter().any(|(known, _)| *known == name) {
                    env.push((name, value));
                }
            }
            for (name, value) in [("PATH", DEFAULT_PATH), ("HOME", user.home.as_str())] {
                if !env.iter().any(|(known, _)| known == name) {
                    env.push((name.to_owned(), value.to_owned()));
                }
            }
            let binds = builder.binds(scratch, &command, &mut env)?;
            builder.execute(state, at, scratch, &command, env, binds, run.network)?;
            prune(&root, scratch).map_err(|reason| builder.fail(at, reason))
        })
    }

    /// Writes what the step gets besides its root; gives host path, path inside, read-only.
    fn binds(
        &self,
        scratch: &Scratch,
        command: &Program,
        env: &mut Vec<(String, String)>,
    ) -> Result<Vec<(PathBuf, PathBuf, bool)>> {
        let mut binds = Vec::new();
        if let Some(bundle) = &self.request.ca_bundle {
            let dir = scratch.path().join("ca");
            fs_err::create_dir(&dir).map_err(io("make directory", &dir))?;
            fs_err::copy(bundle, dir.join("bundle.crt")).map_err(io("copy CA bundle", bundle))?;
            let file = format!("{CA_DIR}/bundle.crt");
            let apt = dir.join("apt.conf");
            fs_err::write(&apt, format!("Acquire::https::CaInfo \"{file}\";\n"))
                .map_err(io("write", &apt))?;
            for name in CA_VARIABLES {
                if !env.iter().any(|(known, _)| known == name) {
                    env.push((name.to_owned(), file.clone()));
                }
            }
            env.push(("APT_CONFIG".to_owned(), format!("{CA_DIR}/apt.conf")));
            open_to_all(&dir)?;
            binds.push((dir, PathBuf::from(CA_DIR), true));
        }
        if let Some(script) = &command.script {
            let dir = scratch.path().join("script");
            fs_err::create_dir(&dir).map_err(io("make directory", &dir))?;
            fs_err::write(dir.join("run"), script).map_err(io("write", &dir))?;
            open_to_all(&dir)?;
            binds.push((dir, PathBuf::from(SCRIPT_DIR), true));
        }
        Ok(binds)
    }

    #[expect(clippy::too_many_arguments, reason = "all that one step is made of")]
    fn execute(
        &mut self,
        state: &State,
        at: At<'_>,
        scratch: &Scratch,
        command: &Program,
        env: Vec<(String, String)>,
        binds: Vec<(PathBuf, PathBuf, bool)>,
        network: bool,
    ) -> Result<()> {
        let mut lines = Lines { partial: Vec::new(), last: VecDeque::new() };
        let progress = &mut *self.progress;
        let mut output = |bytes: &[u8]| lines.take(bytes, progress);
        let cancel = self.request.cancel.clone();
        let step = pod::Step {
            image: &state.image(),
            scratch: scratch.path(),
            argv: command.argv.clone(),
            env,
            cwd: PathBuf::from(state.working_dir()),
            user: Some(state.config.user.clone()).filter(|user| !user.is_empty()),
            binds,
            network,
            output: &mut output,
            cancel: Some(&cancel),
        };
        let ended = (self.run)(step);
        lines.end(self.progress);
        self.check_cancelled()?;
        let (path, line, text) = (self.path.clone(), at.line, at.text.clone());
        match ended {
            Ok(exit) if exit.code == 0 => Ok(()),
            Ok(exit) => {
                let last = lines.last.into();
                Err(Error::Failed {
                    path,
                    line,
                    text,
                    code: exit.code,
                    oom_killed: exit.oom_killed,
                    last,
                })
            }
            Err(source) => Err(Error::Start { path, line, text, source: Box::new(source) }),
        }
    }
}

fn set(env: &mut Vec<(String, String)>, name: &str, value: &str) {
    match env.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) => value.clone_into(known),
        None => env.push((name.to_owned(), value.to_owned())),
    }
}

/// A here-document alone is the script itself; with other words, the shell reads it.
fn command(state: &State, run: &Run) -> Program {
    let mut argv = state.shell();
    match (&run.command, &run.heredocs[..]) {
        (Command::Exec(words), _) => Program { argv: words.clone(), script: None },
        (Command::Shell(text), [heredoc]) if *text == heredoc.word => {
            if heredoc.content.starts_with("#!") {
                let argv = vec![format!("{SCRIPT_DIR}/run")];
                return Program { argv, script: Some(heredoc.content.clone()) };
            }
            argv.push(heredoc.content.clone());
            Program { argv, script: None }
        }
        (Command::Shell(text), heredocs) => {
            let mut text = text.clone();
            for heredoc in heredocs {
                text.push('\n');
                text.push_str(&heredoc.content);
                text.push_str(&heredoc.name);
            }
            if !heredocs.is_empty() {
                text.push('\n');
            }
            argv.push(text);
            Program { argv, script: None }
        }
    }
}

/// Output cut into lines, the last of them kept.
struct Lines {
    partial: Vec<u8>,
    last: VecDeque<String>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8], progress: &mut dyn FnMut(Event)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.partial.len() > LINE_MAX {
                self.line(progress);
            }
        }
    }

    fn line(&mut self, progress: &mut dyn FnMut(Event)) {
        let text = String::from_utf8_lossy(&self.partial);
        // What a terminal would show: after a carriage return the line begins again.
        let text = text.trim_end().rsplit('\r').next().unwrap_or_default().to_owned();
        self.partial.clear();
        if !text.is_empty() {
            self.last.push_back(text.clone());
            if self.last.len() > LINES_SHOWN {
                self.last.pop_front();
            }
        }
        progress(Event::Output(text));
    }

    fn end(&mut self, progress: &mut dyn FnMut(Event)) {
        if !self.partial.is_empty() {
            self.line(progress);
        }
    }
}

/// Removes from the layer what only was there to be mounted over: empty files and directories at
/// those paths that the image below does not have. By descriptors; a link ends the search.
fn prune(below: &impl AsFd, scratch: &Scratch) -> Result<(), String> {
    let upper = rooted::directory(&scratch.path().join("upper"))
        .map_err(|errno| format!("layer: {errno}"))?;
    for stub in STUBS {
        let (parent, name) = stub.rsplit_once('/').unwrap_or((".", stub));
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        if rooted::inside(below.as_fd(), stub.as_bytes(), flags, Mode::empty()).is_ok() {
            continue;
        }
        let Ok(dir) = rooted::below(
            upper.as_fd(),
            parent.as_bytes(),
            flags | OFlags::DIRECTORY,
            Mode::empty(),
        ) else {
            continue;
        };
        let Ok(stat) = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let kind = FileType::from_raw_mode(stat.st_mode);
        // What is not empty was made by the step and stays: the calls fail.
        let _ = match kind {
            FileType::Directory => rustix::fs::unlinkat(&dir, name, AtFlags::REMOVEDIR),
            FileType::RegularFile if stat.st_size == 0 => {
                rustix::fs::unlinkat(&dir, name, AtFlags::empty())
            }
            _ => Ok(()),
        };
    }
    Ok(())
}

fn io(operation: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { operation, path, source }
}

/// Any user inside may read and execute what is in the directory.
fn open_to_all(dir: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut paths = vec![dir.to_owned()];
    for entry in fs_err::read_dir(dir).map_err(io("list", dir))? {
        paths.push(entry.map_err(io("list", dir))?.path());
    }
    for path in paths {
        let mode = std::fs::Permissions::from_mode(0o755);
        fs_err::set_permissions(&path, mode).map_err(io("open up", &path))?;
    }
    Ok(())
}
