//! Build steps: output as it comes, changes in the scratch directory, nothing left.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pod::Step;

use crate::Test;
use crate::world::{IMAGE, World};

pub(crate) const TESTS: &[Test] = &[
    (
        "root_a_step_leaves_its_changes_and_nothing_else",
        root_a_step_leaves_its_changes_and_nothing_else,
    ),
    ("root_steps_go_on_where_the_last_one_ended", root_steps_go_on_where_the_last_one_ended),
    ("root_a_cancelled_step_ends_at_once", root_a_cancelled_step_ends_at_once),
];

fn run(world: &World, scratch: &std::path::Path, script: &str, network: bool) -> (i32, String) {
    let image = world.images.find(IMAGE).unwrap().unwrap();
    let mut text = Vec::new();
    let mut output = |part: &[u8]| text.extend_from_slice(part);
    let bind = world.place.dir.join("bind");
    std::fs::write(&bind, "bound\n").unwrap();
    let exit = world
        .pods()
        .run_step(Step {
            image: &image,
            scratch,
            argv: ["/bin/sh", "-c", script].map(String::from).to_vec(),
            env: vec![("PATH".into(), "/bin".into())],
            cwd: PathBuf::from("/data"),
            user: None,
            binds: vec![(bind, PathBuf::from("/run/bound"), true)],
            network,
            output: &mut output,
            cancel: None,
        })
        .unwrap();
    (exit.code, String::from_utf8(text).unwrap())
}

fn root_a_step_leaves_its_changes_and_nothing_else() {
    let world = World::new();
    let scratch = world.images.scratch().unwrap();
    let script = "echo to stdout; echo to stderr >&2; cat /run/bound; ip addr show eth0 >/dev/null \
                  2>&1 && echo network; mkdir -p sub; echo x > sub/file; exit 4";
    let (code, text) = run(&world, scratch.path(), script, false);
    assert_eq!(code, 4);
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["bound", "to stderr", "to stdout"]);
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(scratch.path().join("upper/data/sub/file")).unwrap();
    assert_eq!((file.uid(), file.gid()), (0, 0));
    drop(scratch);
    assert!(world.pods().list().is_empty());
    world.check_nothing_is_left();
}

fn root_steps_go_on_where_the_last_one_ended() {
    let world = World::new();
    let scratch = world.images.scratch().unwrap();
    assert_eq!(run(&world, scratch.path(), "echo one > /data/f", true), (0, String::new()));
    let (code, text) = run(
        &world,
        scratch.path(),
        "cat /data/f; grep -c nameserver /etc/resolv.conf; ip route | grep -c default",
        true,
    );
    assert_eq!((code, text.as_str()), (0, "one\n1\n1\n"));
    world.check_nothing_is_left();
}

fn root_a_cancelled_step_ends_at_once() {
    let world = World::new();
    let scratch = world.images.scratch().unwrap();
    let image = world.images.find(IMAGE).unwrap().unwrap();
    let cancel = AtomicBool::new(false);
    let mut cancelled = None;
    // Cancelled when it has said something, so that it is known to run; it ignores SIGTERM.
    let mut output = |_: &[u8]| {
        cancelled.get_or_insert_with(Instant::now);
        cancel.store(true, Ordering::Relaxed);
    };
    let exit = world
        .pods()
        .run_step(Step {
            image: &image,
            scratch: scratch.path(),
            argv: ["/bin/sh", "-c", "trap '' TERM INT; sleep 77 & echo up; sleep 77; sleep 77"]
                .map(String::from)
                .to_vec(),
            env: vec![("PATH".into(), "/bin".into())],
            cwd: PathBuf::new(),
            user: None,
            binds: Vec::new(),
            network: true,
            output: &mut output,
            cancel: Some(&cancel),
        })
        .unwrap();
    let took = cancelled.expect("the step ran").elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
    world.check_nothing_is_left();
}
