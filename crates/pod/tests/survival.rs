//! The daemon dies, pods do not; the machine dies, pods start again.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use pod::{Event, Mount, MountSource};

use crate::Test;
use crate::world::{Place, World, processes_in, script, spec, until};

pub(crate) const TESTS: &[Test] = &[
    ("root_pods_outlive_a_killed_daemon", root_pods_outlive_a_killed_daemon),
    ("root_a_half_made_pod_is_made_anew", root_a_half_made_pod_is_made_anew),
    ("root_a_killed_build_step_leaves_no_files", root_a_killed_build_step_leaves_no_files),
    ("root_a_pod_starts_again_after_a_power_cut", root_a_pod_starts_again_after_a_power_cut),
    ("root_a_pod_ended_in_order_goes_on_later", root_a_pod_ended_in_order_goes_on_later),
];

const ROLE: &str = "POD_TEST_DAEMON";

/// The daemon that will be killed.
pub(crate) fn daemon_if_asked() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (dir, instance) = role.split_once('|').unwrap();
    let world = World::open(Place { dir: dir.into(), instance: instance.into() });
    world.create("a");
    let volume = world.pods().volumes_dir("a").join("v");
    std::fs::create_dir_all(&volume).unwrap();
    std::fs::write(world.pods().memory_dir("a").unwrap().join("secret"), "s").unwrap();
    for (name, text) in [
        ("runs", "i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done"),
        ("ends", "while [ ! -e /v/end ]; do sleep 0.02; done; exit 9"),
    ] {
        let mut container = script(name, text);
        container.mounts = vec![Mount {
            source: MountSource::Host(volume.clone()),
            sub_path: None,
            destination: "/v".into(),
            read_only: false,
            idmap: true,
            adopt_owner: false,
        }];
        world.pods().start_container("a", &container).unwrap();
    }
    std::fs::write(Path::new(dir).join("ready"), "").unwrap();
    loop {
        std::thread::park();
    }
}

fn daemon(place: &Place) -> Child {
    let child = Command::new("/proc/self/exe")
        .env(ROLE, format!("{}|{}", place.dir.display(), place.instance))
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    until("the daemon", || place.dir.join("ready").exists());
    child
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn root_pods_outlive_a_killed_daemon() {
    let (place, _temporary) = World::place();
    let child = daemon(&place);
    let log = place.dir.join("data/logs/test_a_a/runs/0.log");
    let lines = || std::fs::read_to_string(&log).unwrap_or_default().lines().count();
    until("lines", || lines() > 3);
    kill(child);
    std::fs::write(place.dir.join("data/pods/a/volumes/v/end"), "").unwrap();
    let before = lines();
    until("more lines without a daemon", || lines() > before + 3);

    let world = World::open(place);
    let state = world.pods().get("a").unwrap();
    assert!(state.alive && state.container("runs").unwrap().running());
    assert_eq!(world.exit_of("a", "ends").code, 9);
    assert!(world.pods().memory_dir("a").unwrap().join("secret").exists());
    // It has the same address, and a neighbour's range of ids is another one.
    assert_eq!(world.net.attachments(), [("a".to_owned(), state.ip.unwrap())]);
    world.create("b");
    let (_, a) = exec(&world, "a", "runs", "cat /proc/self/uid_map");
    let b = world.run("b", &script("main", "cat /proc/self/uid_map")).1;
    assert_ne!(a, b);
    // Events of adopted containers arrive.
    let mut events = world.pods().subscribe();
    world.pods().stop_container("a", "runs", std::time::Duration::ZERO).unwrap();
    loop {
        match world.runtime.block_on(events.recv()).unwrap() {
            Event::Exited { pod, container, exit, .. } if pod == "a" && container == "runs" => {
                assert_eq!(exit.code, 137);
                break;
            }
            // The neighbour's end is known before it is told.
            Event::Exited { pod, .. } => assert_eq!(pod, "b"),
            other => panic!("{other:?}"),
        }
    }
    world.check_nothing_is_left();
}

fn exec(world: &World, pod: &str, container: &str, command: &str) -> (i32, String) {
    use std::io::Read;
    let exec = pod::Exec {
        args: ["/bin/sh", "-c", command].map(String::from).to_vec(),
        ..pod::Exec::default()
    };
    let mut session = world.pods().exec(pod, container, &exec).unwrap();
    let mut text = String::new();
    session.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    (session.process.wait().unwrap().code, text)
}

/// The daemon is killed between the namespaces of a pod and its files.
fn root_a_half_made_pod_is_made_anew() {
    let mut world = World::new();
    world.create("a");
    world.pods = None;
    let dir = world.place.dir.join("data/pods/a");
    let whole = std::fs::read_to_string(dir.join("pod.json")).unwrap();
    let half = whole.replace("\"alive\":true", "\"alive\":false");
    assert_ne!(half, whole);
    std::fs::write(dir.join("pod.json"), half).unwrap();
    std::fs::remove_dir_all(dir.join("etc")).unwrap();
    world.start();
    assert!(!world.pods().get("a").unwrap().alive);
    assert!(world.net.attachments().is_empty());
    assert!(!world.pods().create(&spec("a")).unwrap().existed);
    let (exit, hosts) = world.run("a", &script("main", "cat /etc/hosts"));
    assert_eq!(exit.code, 0);
    assert!(hosts.contains("localhost"), "{hosts}");
    world.check_nothing_is_left();
}

fn root_a_killed_build_step_leaves_no_files() {
    let (place, _temporary) = World::place();
    let step = place.dir.join("run/steps/step-1/etc");
    std::fs::create_dir_all(&step).unwrap();
    std::fs::write(step.join("hosts"), "of a step whose daemon was killed").unwrap();
    World::open(place).check_nothing_is_left();
}

fn root_a_pod_starts_again_after_a_power_cut() {
    let (place, _temporary) = World::place();
    kill(daemon(&place));
    for pid in processes_in(&place) {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    until("the cut", || processes_in(&place).is_empty());
    let world = World::open(place);
    let state = world.pods().get("a").unwrap();
    assert!(!state.alive);
    let exit = state.container("runs").unwrap().exit.unwrap();
    assert_eq!((exit.code, exit.unseen), (255, true));
    assert!(!world.place.dir.join("run/volumes/a").exists(), "secrets outlived the power");
    assert!(world.net.attachments().is_empty());
    std::fs::write(world.pods().volumes_dir("a").join("v/kept"), "k").unwrap();
    assert!(!world.pods().create(&spec("a")).unwrap().existed);
    let mut again = script("runs", "echo again");
    again.attempt = 1;
    assert_eq!(world.run("a", &again).1, "again\n");
    assert!(world.pods().volumes_dir("a").join("v/kept").exists());
    world.check_nothing_is_left();
}

fn root_a_pod_ended_in_order_goes_on_later() {
    let mut world = World::new();
    world.create("a");
    let polite = script("main", "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done");
    world.pods().start_container("a", &polite).unwrap();
    until("the trap", || world.log("a", "main", None) == "up\n");
    world.pods().end("a", std::time::Duration::from_secs(10)).unwrap();
    world.pods = None;
    world.start();
    let state = world.pods().get("a").unwrap();
    assert!(!state.alive && state.container("main").unwrap().exit.unwrap().unseen);
    world.create("a");
    let mut again = script("main", "echo again");
    again.attempt = 1;
    assert_eq!(world.run("a", &again).1, "again\n");
    world.check_nothing_is_left();
}
