//! From creation to removal: exits, logs, signals, commands beside, rollback.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use pod::{Error, Exec, RunAs};

use crate::Test;
use crate::world::{World, script, spec, until};

pub(crate) const TESTS: &[Test] = &[
    ("root_a_container_runs_to_its_end", root_a_container_runs_to_its_end),
    ("root_attempts_keep_their_last_two_logs", root_attempts_keep_their_last_two_logs),
    ("root_stopping_asks_before_it_kills", root_stopping_asks_before_it_kills),
    ("root_a_command_runs_beside", root_a_command_runs_beside),
    ("root_what_cannot_start_leaves_nothing", root_what_cannot_start_leaves_nothing),
    ("root_pods_reach_each_other_and_have_names", root_pods_reach_each_other_and_have_names),
];

fn root_a_container_runs_to_its_end() {
    let world = World::new();
    world.create("a");
    let mut container = script(
        "main",
        "id; echo $FROM_IMAGE $FROM_POD; hostname; cat /proc/self/uid_map /etc/hosts; exit 7",
    );
    container.env = vec![("FROM_POD".into(), "too".into())];
    container.run_as =
        RunAs { user: Some("web".into()), supplemental: vec![42], ..RunAs::default() };
    let (exit, text) = world.run("a", &container);
    assert_eq!((exit.code, exit.oom_killed, exit.unseen), (7, false, false));
    assert!(text.contains("uid=1000(web) gid=1001(web) groups="), "{text}");
    assert!(text.contains("1005(more)") && text.contains("=42,"), "{text}");
    assert!(text.contains("yes too\na\n"), "{text}");
    let ip = world.pods().get("a").unwrap().ip.unwrap();
    assert!(text.contains(&format!("{ip}\ta\n")), "{text}");
    let map: Vec<u64> = text
        .lines()
        .find(|line| line.trim_start().starts_with("0 "))
        .unwrap()
        .split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect();
    assert!(map[1] >= 1 << 20 && map[2] == 65_536, "{map:?}");
    world.check_nothing_is_left();
}

fn root_attempts_keep_their_last_two_logs() {
    let world = World::new();
    world.create("a");
    for attempt in 0..3 {
        let mut container = script("main", &format!("echo attempt {attempt}; touch /data/x"));
        container.attempt = attempt;
        let (exit, text) = world.run("a", &container);
        assert_eq!((exit.code, text.as_str()), (0, format!("attempt {attempt}\n").as_str()));
    }
    assert_eq!(world.log("a", "main", Some(1)), "attempt 1\n");
    let old = world.pods().log_path("a", "main", 0).unwrap();
    assert!(!old.exists(), "the third last log is still there");
    // The writable layer of an ended attempt is gone.
    let scratch = world.place.dir.join("data/pods/a/containers/main");
    let left: Vec<_> =
        std::fs::read_dir(scratch).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["2"]);
    world.check_nothing_is_left();
}

fn root_stopping_asks_before_it_kills() {
    let world = World::new();
    world.create("a");
    let polite =
        script("polite", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.1; done");
    let deaf = script("deaf", "trap '' TERM; echo up; while :; do sleep 0.1; done");
    for container in [&polite, &deaf] {
        world.pods().start_container("a", container).unwrap();
        until("the trap", || world.log("a", &container.name, None) == "up\n");
    }
    let exit = world.pods().stop_container("a", "polite", Duration::from_secs(20)).unwrap();
    assert_eq!((exit.code, exit.signal), (5, None));
    assert_eq!(world.log("a", "polite", None), "up\nbye\n");
    let began = Instant::now();
    let exit = world.pods().stop_container("a", "deaf", Duration::from_secs(1)).unwrap();
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
    assert!(began.elapsed() >= Duration::from_secs(1));
    // Stopping again only tells.
    assert_eq!(world.pods().stop_container("a", "deaf", Duration::ZERO).unwrap().code, 137);
    world.check_nothing_is_left();
}

fn root_a_command_runs_beside() {
    let world = World::new();
    world.create("a");
    let mut main = script("main", "sleep 100");
    main.env = vec![("NAME".into(), "value".into())];
    world.pods().start_container("a", &main).unwrap();
    let exec = Exec {
        args: ["/bin/sh", "-c", "echo $NAME; echo oops >&2; cat; exit 3"]
            .map(String::from)
            .to_vec(),
        stdin: true,
        terminal: None,
    };
    let mut session = world.pods().exec("a", "main", &exec).unwrap();
    session.stdin.take().unwrap().write_all(b"from outside\n").unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    session.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    session.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((out.as_str(), err.as_str()), ("value\nfrom outside\n", "oops\n"));
    assert_eq!(session.process.wait().unwrap().code, 3);

    let exec = Exec {
        args: ["/bin/sh", "-c", "tty; stty size"].map(String::from).to_vec(),
        stdin: true,
        terminal: Some((33, 99)),
    };
    let mut session = world.pods().exec("a", "main", &exec).unwrap();
    let mut out = Vec::new();
    // A terminal ends with an error once the other side is closed.
    let _ = session.stdout.take().unwrap().read_to_end(&mut out);
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("/dev/pts/") && out.contains("33 99"), "{out}");
    assert_eq!(session.process.wait().unwrap().code, 0);
    let stats = world.pods().stats("a", "main").unwrap();
    assert!(stats.memory_bytes > 0 && stats.pids >= 1, "{stats:?}");
    world.check_nothing_is_left();
}

fn root_what_cannot_start_leaves_nothing() {
    let world = World::new();
    world.create("a");
    let mut container = script("main", "true");
    container.image = "nothing:here".into();
    let error = world.pods().start_container("a", &container).unwrap_err();
    assert!(matches!(error, Error::NoImage { .. }), "{error:?}");

    let mut container = script("main", "true");
    container.command = Some(vec!["/no/such/program".into()]);
    assert!(world.pods().start_container("a", &container).is_err());
    let exit = world.pods().get("a").unwrap().container("main").unwrap().exit.unwrap();
    assert_eq!(exit.code, 127);

    let mut container = script("other", "true");
    container.run_as.non_root = true;
    let error = world.pods().start_container("a", &container).unwrap_err();
    assert!(error.to_string().contains("runAsNonRoot"), "{error}");
    assert!(world.pods().get("a").unwrap().container("other").is_none());
    assert!(!world.place.dir.join("data/pods/a/containers/other/0").exists());

    // And the pod is as good as new.
    let mut container = script("main", "echo fine");
    container.attempt = 1;
    assert_eq!(world.run("a", &container).1, "fine\n");
    world.check_nothing_is_left();
}

fn root_pods_reach_each_other_and_have_names() {
    let world = World::new();
    world.create("a");
    world.create("b");
    let ip = world.pods().get("a").unwrap().ip.unwrap();
    assert!(world.pods().create(&spec("a")).unwrap().existed);
    let server = script("main", "echo served > /data/index.html; httpd -f -p 8000 -h /data");
    world.pods().start_container("a", &server).unwrap();
    let client = script(
        "main",
        &format!("for i in $(seq 100); do wget -q -O - http://{ip}:8000/ && exit; sleep 0.1; done"),
    );
    let (exit, text) = world.run("b", &client);
    assert_eq!((exit.code, text.as_str()), (0, "served\n"));
    world.check_nothing_is_left();
}
