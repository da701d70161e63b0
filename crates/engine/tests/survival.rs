//! Daemons die, keepers and containers do not; and the other way round.

use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio as ProcessStdio};

use engine::{Engine, Event, Status};
use rustix::process::{Pid, Signal, kill_process};

use crate::Test;
use crate::world::{PATIENCE, World, processes_in, root, settings, spec, text, until};

pub(crate) const TESTS: &[Test] = &[
    ("root_containers_outlive_a_killed_daemon", root_containers_outlive_a_killed_daemon),
    (
        "root_a_dead_keeper_takes_its_containers_and_is_cleaned",
        root_a_dead_keeper_takes_its_containers_and_is_cleaned,
    ),
    ("root_a_dead_zygote_is_replaced", root_a_dead_zygote_is_replaced),
];

const ROLE: &str = "ENGINE_TEST_DAEMON";

/// The daemon that will be killed: starts two containers and waits.
pub(crate) fn daemon_if_asked() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (dir, cgroup) = role.split_once('|').unwrap();
    let dir = Path::new(dir);
    let (engine, _events) = Engine::start(settings(dir, cgroup)).unwrap();
    let sandbox = engine.create(&spec("pod")).unwrap();
    for (id, script) in [
        ("runs", "i=0; while :; do echo $i; i=$((i+1)); sleep 0.02; done"),
        ("ends", "while [ ! -e /data/end ]; do sleep 0.02; done; echo last; exit 9"),
    ] {
        let spec = engine::ContainerSpec {
            id: id.into(),
            args: ["/bin/sh", "-c", script].map(String::from).to_vec(),
            env: vec!["PATH=/bin".into()],
            log: dir.join("logs").join(format!("{id}.log")),
            ..Default::default()
        };
        sandbox.start(&spec, root(dir).as_fd(), &[]).unwrap();
    }
    std::fs::write(dir.join("ready"), "").unwrap();
    loop {
        std::thread::park();
    }
}

fn daemon(world: &World) -> Child {
    Command::new("/proc/self/exe")
        .env(ROLE, format!("{}|{}", world.dir.display(), world.cgroup))
        .stdin(ProcessStdio::null())
        .spawn()
        .unwrap()
}

fn root_containers_outlive_a_killed_daemon() {
    let mut world = World::new();
    world.engine = None;
    let mut child = daemon(&world);
    until("the daemon", || world.dir.join("ready").exists());
    until("lines", || text(&world.log("runs")).lines().count() > 3);
    child.kill().unwrap();
    child.wait().unwrap();

    // One container ends while nobody watches, the other goes on.
    std::fs::write(world.dir.join("root/data/end"), "").unwrap();
    let recorded = world.dir.join("run/pod/ends.state.json");
    until("the record", || {
        std::fs::read_to_string(&recorded).is_ok_and(|t| t.contains("\"code\":9"))
    });
    let lines = text(&world.log("runs")).lines().count();
    until("more lines", || text(&world.log("runs")).lines().count() > lines + 3);

    let (engine, events) = Engine::start(settings(&world.dir, &world.cgroup)).unwrap();
    let adopted = engine.adopt().unwrap();
    assert!(adopted.gone.is_empty(), "{:?}", adopted.gone);
    assert_eq!(adopted.alive.len(), 1);
    let sandbox = &adopted.alive[0];
    assert_eq!(sandbox.id(), "pod");
    let mut states = sandbox.containers().unwrap();
    states.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(states[0].exit.as_ref().unwrap().code, 9);
    assert_eq!((states[1].id.as_str(), states[1].status), ("runs", Status::Running));
    assert_eq!(text(&world.log("ends")), "last\n");

    sandbox.kill("runs", 9).unwrap();
    match events.recv_timeout(PATIENCE).unwrap() {
        Event::Exited { sandbox, container, exit } => {
            assert_eq!((sandbox.as_str(), container.as_str(), exit.code), ("pod", "runs", 137));
        }
        other => panic!("{other:?}"),
    }
    // No line was lost on the way.
    let log = text(&world.log("runs"));
    for (expected, line) in log.lines().enumerate() {
        assert_eq!(line, expected.to_string());
    }
    sandbox.destroy().unwrap();
    world.engine = Some(engine);
    world.check_nothing_is_left();
}

fn keeper_of(world: &World, name: &str) -> Pid {
    let pids = processes_in(&world.cgroup);
    let named = pids.into_iter().find(|pid| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|c| c.trim() == name)
    });
    Pid::from_raw(named.expect(name)).unwrap()
}

fn root_a_dead_keeper_takes_its_containers_and_is_cleaned() {
    let world = World::new();
    let sandbox = world.sandbox_with_ids("pod");
    let script = world.script("c", "echo up; sleep 60 & sleep 60");
    let started = world.start(&sandbox, &script);
    until("the start", || text(&script.log).contains("up"));
    kill_process(keeper_of(&world, "shelf-keeper"), Signal::KILL).unwrap();
    match world.events.recv_timeout(PATIENCE).unwrap() {
        Event::KeeperGone { sandbox } => assert_eq!(sandbox, "pod"),
        other => panic!("{other:?}"),
    }
    until("the container's end", || !Path::new(&format!("/proc/{}/ns/net", started.pid)).exists());
    assert!(sandbox.containers().is_err());
    let adopted = world.engine().adopt().unwrap();
    assert_eq!(adopted.gone, ["pod"]);
    assert!(adopted.alive.is_empty());
    sandbox.destroy().unwrap();
    // The id is free again.
    world.sandbox("pod").destroy().unwrap();
    world.check_nothing_is_left();
}

fn root_a_dead_zygote_is_replaced() {
    let world = World::new();
    let first = world.sandbox("first");
    kill_process(keeper_of(&world, "shelf-zygote"), Signal::KILL).unwrap();
    let second = world.sandbox("second");
    for sandbox in [first, second] {
        let (exit, _) = world.run(&sandbox, &world.script("c", "exit 4"));
        assert_eq!(exit.code, 4);
        sandbox.destroy().unwrap();
    }
    world.check_nothing_is_left();
}
