//! A private world for each test: directories, instance name, image store, network, pods, and a
//! check that nothing is left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use image::{ImageConfig, Images};
use net::Net;
use pod::{Container, Exit, Pods, Settings, Spec};

/// Longest wait for anything that should happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Name of the image every test uses: busybox with a few users, stop signal SIGTERM.
pub(crate) const IMAGE: &str = "busybox:test";

/// Runs the tests chosen by the arguments; ends the process with 101 if one fails.
pub(crate) fn run(tests: &[(&'static str, fn())]) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|a| a == flag);
    let wanted: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let chosen: Vec<_> = tests
        .iter()
        .filter(|(name, _)| {
            wanted.is_empty()
                || wanted
                    .iter()
                    .any(|w| if has("--exact") { name == w } else { name.contains(w.as_str()) })
        })
        .collect();
    if has("--list") {
        chosen.iter().for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    let mut failed = Vec::new();
    for (name, test) in chosen {
        let start = Instant::now();
        let outcome = std::panic::catch_unwind(test);
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("test {name} ... {word} ({} ms)", start.elapsed().as_millis());
        if outcome.is_err() {
            failed.push(*name);
        }
    }
    if !failed.is_empty() {
        println!("failed: {failed:?}");
        std::process::exit(101);
    }
}

/// Where a world lies; another process can open it again.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    pub(crate) instance: String,
}

impl Place {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            data_dir: self.dir.join("data"),
            run_dir: self.dir.join("run"),
            instance: self.instance.clone(),
            cgroup: format!("shelf-{}", self.instance),
        }
    }
}

pub(crate) struct World {
    pub(crate) place: Place,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) images: Images,
    pub(crate) net: Net,
    pub(crate) pods: Option<Pods>,
    temporary: Option<tempfile::TempDir>,
}

impl World {
    pub(crate) fn new() -> Self {
        let (place, temporary) = Self::place();
        let mut world = Self::open(place);
        world.temporary = Some(temporary);
        world
    }

    /// A place for a world that another process will open first.
    pub(crate) fn place() -> (Place, tempfile::TempDir) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let temporary = tempfile::Builder::new().prefix("pods").tempdir().unwrap();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Unique among processes that run now: at most six characters.
        let mut left = std::process::id() * 8 + number % 8;
        let mut instance = String::from("t");
        for _ in 0..5 {
            instance.push(char::from_digit(left % 36, 36).unwrap());
            left /= 36;
        }
        (Place { dir: temporary.path().to_owned(), instance }, temporary)
    }

    /// Opens what is at `place`, as a daemon does at its start.
    pub(crate) fn open(place: Place) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let images = Images::open(&place.dir.join("data/images")).unwrap();
        if images.find(IMAGE).unwrap().is_none() {
            write_image(&images);
        }
        let settings = net::Settings {
            instance: place.instance.clone(),
            state_dir: place.dir.join("data/net"),
            run_dir: place.dir.join("run/net"),
            pod_cidr: None,
            service_cidr: ([10, 152, 0, 0].into(), 16),
            domain: "cluster.local".into(),
            front_door: vec!["127.0.0.1:0".parse().unwrap()],
        };
        // A port that was free on one address may be taken on the next: only port 0 has that.
        let mut net = runtime.block_on(Net::start(settings.clone()));
        for _ in 0..5 {
            if !matches!(net, Err(net::Error::PortTaken { .. })) {
                break;
            }
            net = runtime.block_on(Net::start(settings.clone()));
        }
        let net = net.unwrap();
        let mut world = Self { place, runtime, images, net, pods: None, temporary: None };
        world.start();
        world
    }

    /// Starts the pod room (again).
    pub(crate) fn start(&mut self) {
        let handle = self.runtime.handle().clone();
        let pods =
            Pods::start(self.place.settings(), self.images.clone(), self.net.clone(), handle);
        self.pods = Some(pods.unwrap());
    }

    pub(crate) fn pods(&self) -> &Pods {
        self.pods.as_ref().unwrap()
    }

    /// A pod of that id, with a user namespace.
    pub(crate) fn create(&self, id: &str) {
        self.pods().create(&spec(id)).unwrap();
    }

    /// Runs a script to its end in a pod that is there; its exit and what it wrote.
    pub(crate) fn run(&self, id: &str, container: &Container) -> (Exit, String) {
        let started = self.pods().start_container(id, container).unwrap();
        let exit = self.exit_of(id, &container.name);
        (exit, self.log(id, &container.name, Some(started.attempt)))
    }

    pub(crate) fn exit_of(&self, id: &str, container: &str) -> Exit {
        let find = || self.pods().get(id)?.container(container)?.exit;
        until("the end of a container", || find().is_some());
        find().unwrap()
    }

    pub(crate) fn log(&self, id: &str, container: &str, attempt: Option<u32>) -> String {
        let mut text = Vec::new();
        let mut sink = |part: &[u8]| {
            text.extend_from_slice(part);
            std::ops::ControlFlow::Continue(())
        };
        let options = pod::LogOptions::default();
        self.pods().read_log(id, container, attempt, &options, &mut sink).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// Ends the world and proves that nothing of it is left.
    pub(crate) fn check_nothing_is_left(mut self) {
        self.check();
    }

    /// The same for one that is part of something larger.
    pub(crate) fn check(&mut self) {
        let known = self.pods().list();
        for state in &known {
            self.pods().remove(&state.spec.id).unwrap();
        }
        let dir = self.place.dir.clone();
        let empty = |path: &str| {
            let left: Vec<_> = fs::read_dir(dir.join(path))
                .into_iter()
                .flatten()
                .map(|e| e.unwrap().file_name())
                .filter(|name| name != "keepers.log")
                .collect();
            assert!(left.is_empty(), "left in {path}: {left:?}");
        };
        for path in ["data/pods", "data/logs", "run/volumes", "run/steps", "run/keepers"] {
            empty(path);
        }
        self.pods = None;
        self.runtime.block_on(self.net.shutdown(true)).unwrap();
        until("the end of all processes", || processes_in(&self.place).is_empty());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(dir.to_str().unwrap()), "mounts are left");
        let links: Vec<_> = fs::read_dir("/sys/class/net")
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains(&self.place.instance))
            .collect();
        assert!(links.is_empty(), "links are left: {links:?}");
    }
}

impl Drop for World {
    /// Also after a failed test: ends and removes all that carries this world's name.
    fn drop(&mut self) {
        if let Some(pods) = self.pods.take() {
            for state in pods.list() {
                let _ = pods.remove(&state.spec.id);
            }
        }
        let _ = self.runtime.block_on(self.net.shutdown(true));
        let end = Instant::now() + PATIENCE;
        loop {
            for pid in processes_in(&self.place) {
                let pid = rustix::process::Pid::from_raw(pid).unwrap();
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            cgroups(&self.place).iter().for_each(|dir| remove_groups(dir));
            if cgroups(&self.place).is_empty() || Instant::now() > end {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        unmount_below(&self.place.dir);
    }
}

pub(crate) fn spec(id: &str) -> Spec {
    Spec {
        id: id.into(),
        namespace: "test".into(),
        name: id.into(),
        hostname: id.into(),
        user_namespace: true,
        ..Spec::default()
    }
}

/// A container that runs a shell script.
pub(crate) fn script(name: &str, script: &str) -> Container {
    Container {
        name: name.into(),
        image: IMAGE.into(),
        command: Some(["/bin/sh", "-c", script].map(String::from).to_vec()),
        capabilities: pod::capabilities::DEFAULT.iter().map(|c| (*c).to_owned()).collect(),
        ..Container::default()
    }
}

/// Waits for something that should happen soon.
pub(crate) fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn write_image(images: &Images) {
    let scratch = images.scratch().unwrap();
    let upper = scratch.path().join("upper");
    for dir in ["bin", "etc", "tmp", "data", "root"] {
        fs::create_dir_all(upper.join(dir)).unwrap();
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|p| Path::new(p).exists());
    let busybox = busybox.expect("a static busybox (Debian package busybox-static)");
    fs::copy(busybox, upper.join("bin/busybox")).unwrap();
    for tool in "sh cat echo sleep ls id stat mkdir rm touch nc httpd wget env true false stty \
                 kill grep head tail seq hostname nslookup ip test printf tty dd"
        .split_whitespace()
    {
        std::os::unix::fs::symlink("busybox", upper.join("bin").join(tool)).unwrap();
    }
    fs::write(upper.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/data:\n")
        .unwrap();
    fs::write(upper.join("etc/group"), "root:x:0:\nweb:x:1001:\nmore:x:1005:web\n").unwrap();
    let layer = images.layer_from_upper(&upper).unwrap().unwrap();
    let mut config = ImageConfig::empty();
    config.config.env = vec!["PATH=/bin".into(), "FROM_IMAGE=yes".into()];
    config.config.cmd = Some(vec!["/bin/sh".into()]);
    images.write(None, config, vec![layer], Some(IMAGE)).unwrap();
}

fn cgroups(place: &Place) -> Vec<PathBuf> {
    let name = format!("shelf-{}", place.instance);
    let roots = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<_> = roots.map(|root| root.path().join(&name)).collect();
    found.push(Path::new("/sys/fs/cgroup").join(&name));
    found.retain(|dir| dir.is_dir());
    found
}

fn remove_groups(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    let _ = fs::remove_dir(dir);
}

/// Processes in this world's cgroups: keepers, containers and the zygote.
pub(crate) fn processes_in(place: &Place) -> Vec<i32> {
    fn collect(dir: &Path, pids: &mut Vec<i32>) {
        let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
        pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
        for entry in fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                collect(&entry.path(), pids);
            }
        }
    }
    let mut pids = Vec::new();
    cgroups(place).iter().for_each(|dir| collect(dir, &mut pids));
    pids.sort_unstable();
    pids.dedup();
    pids
}

fn unmount_below(dir: &Path) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut points: Vec<&str> = mounts.lines().filter_map(|l| l.split(' ').nth(4)).collect();
    points.retain(|point| Path::new(point).starts_with(dir));
    for point in points.into_iter().rev() {
        let _ = rustix::mount::unmount(point, rustix::mount::UnmountFlags::DETACH);
    }
}
