//! A private world for each test: run folder, cgroup, a busybox root, and a leftovers check.

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use engine::{
    ContainerSpec, Engine, Event, Exit, IdRange, Sandbox, SandboxSpec, Settings, Started,
};
use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};

/// Longest wait for anything that should happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Host ids of the tests' user namespaces.
pub(crate) const BASE: u32 = 1_200_000;

pub(crate) struct World {
    pub(crate) engine: Option<Engine>,
    pub(crate) events: Receiver<Event>,
    pub(crate) dir: PathBuf,
    pub(crate) cgroup: String,
    _temporary: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().to_owned();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let cgroup = format!("engine-test-{}-{number}", std::process::id());
        make_root(&dir.join("root"));
        let (engine, events) = Engine::start(settings(&dir, &cgroup)).unwrap();
        Self { engine: Some(engine), events, dir, cgroup, _temporary: temporary }
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    pub(crate) fn sandbox(&self, id: &str) -> Sandbox {
        self.engine().create(&spec(id)).unwrap()
    }

    pub(crate) fn sandbox_with_ids(&self, id: &str) -> Sandbox {
        let ids = Some(IdRange { start: BASE, len: 65_536 });
        self.engine().create(&SandboxSpec { ids, ..spec(id) }).unwrap()
    }

    pub(crate) fn log(&self, id: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{id}.log"))
    }

    /// A container running a shell script.
    pub(crate) fn script(&self, id: &str, script: &str) -> ContainerSpec {
        ContainerSpec {
            id: id.into(),
            args: ["/bin/sh", "-c", script].map(String::from).to_vec(),
            env: vec!["PATH=/bin".into()],
            no_new_privs: true,
            log: self.log(id),
            ..ContainerSpec::default()
        }
    }

    pub(crate) fn start(&self, sandbox: &Sandbox, spec: &ContainerSpec) -> Started {
        self.try_start(sandbox, spec).unwrap()
    }

    pub(crate) fn try_start(
        &self,
        sandbox: &Sandbox,
        spec: &ContainerSpec,
    ) -> Result<Started, engine::Error> {
        sandbox.start(spec, root(&self.dir).as_fd(), &[])
    }

    /// Runs a script to its end and gives its exit and the text of its log.
    pub(crate) fn run(&self, sandbox: &Sandbox, spec: &ContainerSpec) -> (Exit, String) {
        self.start(sandbox, spec);
        let exit = self.exit_of(&spec.id);
        (exit, text(&spec.log))
    }

    pub(crate) fn exit_of(&self, id: &str) -> Exit {
        loop {
            match self.events.recv_timeout(PATIENCE).expect("an exit") {
                Event::Exited { container, exit, .. } if container == id => return exit,
                Event::Exited { .. } => {}
                Event::KeeperGone { sandbox } => panic!("keeper of {sandbox} is gone"),
            }
        }
    }

    /// Ends the world and proves that nothing of it is left.
    pub(crate) fn check_nothing_is_left(mut self) {
        self.engine = None;
        until("the zygote's end", || processes_in(&self.cgroup).is_empty());
        let run = self.dir.join("run");
        let left: Vec<_> = fs::read_dir(&run)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .filter(|name| name != "keepers.log")
            .collect();
        assert!(left.is_empty(), "left in the run folder: {left:?}");
        let words = fs::read_to_string(run.join("keepers.log")).unwrap();
        assert!(words.is_empty(), "keepers despaired: {words}");
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.dir.to_str().unwrap()), "mounts are left");
        let groups = cgroups(&self.cgroup);
        assert!(groups.is_empty(), "cgroups are left: {groups:?}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.engine = None;
        let end = Instant::now() + PATIENCE;
        loop {
            for pid in processes_in(&self.cgroup) {
                let pid = rustix::process::Pid::from_raw(pid).unwrap();
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            for dir in cgroups(&self.cgroup) {
                remove_groups(&dir);
            }
            if cgroups(&self.cgroup).is_empty() || Instant::now() > end {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn remove_groups(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    let _ = fs::remove_dir(dir);
}

pub(crate) fn settings(dir: &Path, cgroup: &str) -> Settings {
    Settings { run_dir: dir.join("run"), cgroup: cgroup.to_owned() }
}

pub(crate) fn spec(id: &str) -> SandboxSpec {
    SandboxSpec { id: id.into(), hostname: format!("host-{id}"), ..SandboxSpec::default() }
}

/// A root file system with busybox in it; owned by whoever asks last.
fn make_root(dir: &Path) {
    for name in ["bin", "etc", "tmp", "data"] {
        fs::create_dir_all(dir.join(name)).unwrap();
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].iter().find(|p| Path::new(p).exists());
    fs::copy(busybox.expect("busybox-static is installed"), dir.join("bin/busybox")).unwrap();
    for applet in
        "sh cat echo id ls sleep true stat mount grep dd touch hostname mkdir wc readlink \
         kill mknod unshare tr head stty seq ps sort"
            .split_whitespace()
    {
        std::os::unix::fs::symlink("busybox", dir.join("bin").join(applet)).unwrap();
    }
    fs::write(dir.join("bin/no-program"), "no format").unwrap();
    fs::write(dir.join("etc/passwd"), "root:x:0:0:root:/:/bin/sh\n").unwrap();
    set_mode(&dir.join("tmp"), 0o1777);
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The root as the image room would hand it over: a detached mount.
pub(crate) fn root(dir: &Path) -> OwnedFd {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, dir.join("root"), flags).unwrap()
}

/// What a log says, without time stamps and tags: `stdout text` lines.
pub(crate) fn text(log: &Path) -> String {
    fs::read_to_string(log)
        .unwrap_or_default()
        .lines()
        .map(|line| {
            let mut fields = line.splitn(4, ' ');
            let (_, stream, _) = (fields.next(), fields.next().unwrap(), fields.next());
            let text = fields.next().unwrap_or("");
            if stream == "stderr" { format!("!{text}\n") } else { format!("{text}\n") }
        })
        .collect()
}

pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Folders of a cgroup in all hierarchies.
pub(crate) fn cgroups(name: &str) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts
        .lines()
        .filter(|line| line.contains(" - cgroup"))
        .map(|line| Path::new(line.split(' ').nth(4).unwrap()).join(name))
        .filter(|dir| dir.is_dir())
        .collect()
}

/// Processes in a cgroup and below, zombies left out.
pub(crate) fn processes_in(name: &str) -> Vec<i32> {
    fn collect(dir: &Path, pids: &mut Vec<i32>) {
        let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
        pids.extend(text.lines().filter_map(|l| l.parse::<i32>().ok()).filter(|pid| *pid > 0));
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                collect(&entry.path(), pids);
            }
        }
    }
    let mut pids = Vec::new();
    cgroups(name).iter().for_each(|dir| collect(dir, &mut pids));
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// A file below the world as a source of binds.
pub(crate) fn source(path: &Path) -> OwnedFd {
    File::open(path).unwrap().into()
}
