//! Start, output, exit, stop, removal.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use engine::{ContainerSpec, Limits, SandboxSpec, Status};

use crate::Test;
use crate::world::{World, processes_in, root, spec, text, until};

pub(crate) const TESTS: &[Test] = &[
    (
        "root_a_container_runs_and_exits_with_its_code",
        root_a_container_runs_and_exits_with_its_code,
    ),
    ("root_a_program_that_cannot_run_says_why", root_a_program_that_cannot_run_says_why),
    ("root_a_signal_ends_a_container", root_a_signal_ends_a_container),
    ("root_stdin_is_kept_open_and_closed", root_stdin_is_kept_open_and_closed),
    (
        "root_memory_processor_and_process_limits_hold",
        root_memory_processor_and_process_limits_hold,
    ),
    ("root_specs_that_make_no_sense_are_refused", root_specs_that_make_no_sense_are_refused),
    ("root_a_loud_container_loses_no_line", root_a_loud_container_loses_no_line),
    ("root_a_keeper_is_small_and_starts_are_fast", root_a_keeper_is_small_and_starts_are_fast),
];

fn root_a_container_runs_and_exits_with_its_code() {
    let world = World::new();
    let sandbox = world.sandbox("a");
    let script = world.script("c", "echo out; echo err >&2; hostname; echo $$; printf end; exit 7");
    let (exit, log) = world.run(&sandbox, &script);
    assert_eq!((exit.code, exit.signal, exit.oom_killed), (7, None, false), "{log}");
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["!err", "1", "end", "host-a", "out"]);

    let states = sandbox.containers().unwrap();
    assert_eq!(states.len(), 1);
    assert_eq!(states[0].status, Status::Exited);
    assert_eq!(states[0].exit.as_ref().unwrap().code, 7);
    sandbox.remove("c").unwrap();
    assert!(sandbox.containers().unwrap().is_empty());
    // The same id may run again, its log goes on.
    let (exit, log) = world.run(&sandbox, &world.script("c", "true"));
    assert_eq!(exit.code, 0);
    assert!(log.contains("out"));
    sandbox.destroy().unwrap();
    sandbox.destroy().unwrap();
    world.check_nothing_is_left();
}

fn root_a_program_that_cannot_run_says_why() {
    let world = World::new();
    let sandbox = world.sandbox("a");
    let try_run = |program: &str| {
        let spec = ContainerSpec { args: vec![program.into()], ..world.script("c", "") };
        world.try_start(&sandbox, &spec).unwrap_err()
    };
    let cases = [
        ("/bin/missing", 127, "execute \"/bin/missing\""),
        ("missing", 127, "not in PATH"),
        ("/etc/passwd", 126, "execute"),
        ("/tmp", 126, "execute"),
        ("", 127, "execute"),
    ];
    for (program, code, words) in cases {
        let error = try_run(program);
        assert_eq!(error.exit_code(), code, "{program}: {error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
    crate::world::set_mode(&world.dir.join("root/bin/no-program"), 0o755);
    assert_eq!(try_run("no-program").exit_code(), 126);
    // A failed start is no container and no event.
    assert!(sandbox.containers().unwrap().is_empty());
    assert!(world.events.try_recv().is_err());
    sandbox.destroy().unwrap();
    world.check_nothing_is_left();
}

fn root_a_signal_ends_a_container() {
    let world = World::new();
    let sandbox = world.sandbox("a");
    let polite = world
        .script("polite", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done");
    let stubborn = world.script("stubborn", "trap '' TERM; echo up; while :; do sleep 0.05; done");
    for spec in [&polite, &stubborn] {
        world.start(&sandbox, spec);
        until("the trap", || text(&spec.log).contains("up"));
        sandbox.kill(&spec.id, 15).unwrap();
    }
    assert_eq!(world.exit_of("polite").code, 3);
    assert!(text(&polite.log).contains("bye"));
    assert_eq!(
        sandbox.containers().unwrap().iter().filter(|c| c.status == Status::Running).count(),
        1
    );
    sandbox.kill("stubborn", 9).unwrap();
    let exit = world.exit_of("stubborn");
    assert_eq!((exit.code, exit.signal, exit.oom_killed), (137, Some(9), false));
    // To the dead a signal is fine, to strangers not.
    sandbox.kill("stubborn", 9).unwrap();
    assert!(sandbox.kill("nobody", 9).is_err());
    assert!(sandbox.kill("polite", 9).is_ok());
    sandbox.destroy().unwrap();
    world.check_nothing_is_left();
}

fn root_stdin_is_kept_open_and_closed() {
    use std::io::Write;
    let world = World::new();
    let sandbox = world.sandbox("a");
    // Without stdin: end of file at once.
    let (exit, log) = world.run(&sandbox, &world.script("none", "cat; echo done"));
    assert_eq!((exit.code, log.as_str()), (0, "done\n"));
    let spec = ContainerSpec { stdin: true, ..world.script("some", "cat; echo done") };
    world.start(&sandbox, &spec);
    let stdin = sandbox.attach("some").unwrap().stdin.expect("stdin");
    let mut stdin = std::fs::File::from(stdin);
    stdin.write_all(b"hello\n").unwrap();
    drop(stdin);
    until("the echo", || text(&spec.log) == "hello\n");
    sandbox.close_stdin("some").unwrap();
    assert_eq!(world.exit_of("some").code, 0);
    assert_eq!(text(&spec.log), "hello\ndone\n");
    // A terminal is both, and answers as one.
    let spec =
        ContainerSpec { terminal: true, ..world.script("tty", "read x; echo got $x; [ -t 0 ]") };
    world.start(&sandbox, &spec);
    let mut terminal = std::fs::File::from(sandbox.attach("tty").unwrap().stdin.expect("terminal"));
    terminal.write_all(b"word\n").unwrap();
    assert_eq!(world.exit_of("tty").code, 0, "{}", text(&spec.log));
    assert!(text(&spec.log).contains("got word"), "{}", text(&spec.log));
    sandbox.destroy().unwrap();
    world.check_nothing_is_left();
}

fn root_memory_processor_and_process_limits_hold() {
    let world = World::new();
    let sandbox = world.sandbox("a");
    let limits =
        Limits { memory_bytes: Some(24 << 20), cpu_millis: Some(500), ..Limits::default() };
    // A string in busybox's shell grows until the limit.
    let spec = ContainerSpec {
        limits,
        ..world.script("greedy", "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done")
    };
    world.start(&sandbox, &spec);
    let exit = world.exit_of("greedy");
    assert!(exit.oom_killed, "{exit:?} {}", text(&spec.log));
    assert_eq!(exit.code, 137);
    let spec = ContainerSpec {
        limits: Limits { pids: Some(5), ..limits },
        ..world.script("forks", "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; wait")
    };
    world.start(&sandbox, &spec);
    until("a refused fork", || text(&spec.log).contains("fork"));
    let spec = ContainerSpec { limits, ..world.script("busy", "while :; do :; done") };
    world.start(&sandbox, &spec);
    until("figures", || {
        let stats = sandbox.stats("busy").unwrap();
        stats.pids == 1 && stats.memory_bytes > 0 && stats.cpu_ns > 0
    });
    // Half a core and no more, whatever the machine has left.
    let (start, before) = (Instant::now(), sandbox.stats("busy").unwrap().cpu_ns);
    std::thread::sleep(Duration::from_secs(2));
    let used = u128::from(sandbox.stats("busy").unwrap().cpu_ns - before);
    let share = used * 100 / start.elapsed().as_nanos();
    assert!((1..=60).contains(&share), "{share} % of a core, limited to 50 %");
    sandbox.remove("busy").unwrap();
    assert_eq!(sandbox.stats("busy").unwrap(), engine::Stats::default());
    sandbox.destroy().unwrap();
    world.check_nothing_is_left();
}

fn root_specs_that_make_no_sense_are_refused() {
    let world = World::new();
    let engine = world.engine();
    for id in ["", "../x", "a/b", "_keepers", "x y"] {
        assert!(engine.create(&spec(id)).is_err(), "{id:?}");
    }
    let sysctls = vec![("kernel.panic".to_owned(), "1".to_owned())];
    assert!(engine.create(&SandboxSpec { sysctls, ..spec("s") }).is_err());
    let ids = Some(engine::IdRange { start: u32::MAX - 5, len: 10 });
    assert!(engine.create(&SandboxSpec { ids, ..spec("s") }).is_err());
    let sysctls = vec![("net.ipv4.nothing".to_owned(), "1".to_owned())];
    let error = engine.create(&SandboxSpec { sysctls, ..spec("s") }).unwrap_err();
    assert!(error.to_string().contains("net.ipv4.nothing"), "{error}");

    let sandbox = world.sandbox("s");
    assert!(engine.create(&spec("s")).unwrap_err().to_string().contains("in use"));
    let good = world.script("c", "true");
    let bad = [
        ContainerSpec { capabilities: vec!["CAP_ROOT".into()], ..good.clone() },
        ContainerSpec { id: "../c".into(), ..good.clone() },
        ContainerSpec { args: vec![], ..good.clone() },
        ContainerSpec { cwd: "relative/../..".into(), ..good.clone() },
        ContainerSpec { cwd: "/etc/passwd".into(), ..good.clone() },
    ];
    for spec in bad {
        assert!(world.try_start(&sandbox, &spec).is_err(), "{spec:?}");
    }
    sandbox.start(&good, root(&world.dir).as_fd(), &[]).unwrap();
    assert_eq!(world.exit_of("c").code, 0);
    sandbox.destroy().unwrap();
    world.check_nothing_is_left();
}

fn root_a_loud_container_loses_no_line() {
    let world = World::new();
    let sandbox = world.sandbox("a");
    let (exit, log) = world.run(&sandbox, &world.script("loud", "seq 1 20000"));
    assert_eq!(exit.code, 0);
    let expected: String = (1..=20_000).map(|n| format!("{n}\n")).collect();
    assert_eq!(log, expected);
    sandbox.destroy().unwrap();
    world.check_nothing_is_left();
}

fn root_a_keeper_is_small_and_starts_are_fast() {
    let world = World::new();
    let mut times = Vec::new();
    let mut creates = Vec::new();
    let mut keeper_kib = 0;
    for round in 0..50 {
        let begin = Instant::now();
        let sandbox = world.sandbox(&format!("p{round}"));
        creates.push(begin.elapsed());
        let spec = ContainerSpec { args: vec!["/bin/true".into()], ..world.script("c", "") };
        world.start(&sandbox, &spec);
        assert_eq!(world.exit_of("c").code, 0);
        times.push(begin.elapsed());
        if round == 0 {
            keeper_kib = private_kib(&world, &sandbox);
        }
        sandbox.destroy().unwrap();
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (whole, create) = (median(&mut times), median(&mut creates));
    println!(
        "  create + start + exit of true: {whole:?}, of which create {create:?}; keeper {keeper_kib} KiB private"
    );
    assert!(keeper_kib <= 1024, "a keeper has {keeper_kib} KiB of its own");
    assert!(whole < Duration::from_millis(200), "{whole:?}");
    world.check_nothing_is_left();
}

/// Private memory of the sandbox's keeper, after a container has come and gone.
fn private_kib(world: &World, sandbox: &engine::Sandbox) -> u64 {
    let mut keepers = processes_in(&world.cgroup);
    keepers.retain(|pid| {
        std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|c| c.trim() == "shelf-keeper")
    });
    assert_eq!(keepers.len(), 1, "one keeper for {}", sandbox.id());
    let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", keepers[0])).unwrap();
    text.lines()
        .filter(|line| line.starts_with("Private_"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum()
}
