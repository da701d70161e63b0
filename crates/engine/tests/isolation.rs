//! Namespaces, id maps, binds and hostile roots.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use engine::{ContainerSpec, Mount, MountKind};

use crate::Test;
use crate::world::{BASE, World, root, source, text, until};

pub(crate) const TESTS: &[Test] = &[
    (
        "root_containers_of_a_pod_share_what_they_should",
        root_containers_of_a_pod_share_what_they_should,
    ),
    ("root_owners_on_the_host_are_as_designed", root_owners_on_the_host_are_as_designed),
    (
        "root_binds_are_files_or_directories_read_only_or_not",
        root_binds_are_files_or_directories_read_only_or_not,
    ),
    ("root_a_hostile_root_leads_nowhere", root_a_hostile_root_leads_nowhere),
];

fn bind(destination: &str, source: usize, idmap: bool, read_only: bool) -> Mount {
    Mount { destination: destination.into(), kind: MountKind::Bind { source }, read_only, idmap }
}

fn root_containers_of_a_pod_share_what_they_should() {
    let world = World::new();
    let sandbox = world.sandbox_with_ids("pod");
    let show = "for n in net ipc uts user pid mnt cgroup; do readlink /proc/self/ns/$n; done; \
        ls -d /proc/[0-9]* | wc -l; hostname; cat /proc/self/uid_map | tr -s ' '";
    let long = world.script("first", &format!("echo x > /dev/shm/word; {show}; sleep 60"));
    world.start(&sandbox, &long);
    until("the word", || {
        let (_, log) = world.run(&sandbox, &world.script("word", "cat /dev/shm/word || true"));
        log.contains('x')
    });
    until("the first container's words", || text(&long.log).lines().count() == 10);
    let first = text(&long.log);
    let (_, second) = world.run(&sandbox, &world.script("b", show));
    let (first, second): (Vec<_>, Vec<_>) = (first.lines().collect(), second.lines().collect());
    assert_eq!(first[..4], second[..4], "net, ipc, uts and user are shared");
    for index in 4..7 {
        assert_ne!(first[index], second[index], "pid, mnt and cgroup are not");
    }
    // The shell and its pipe: the other container's processes are out of sight.
    assert!(second[7].parse::<u32>().unwrap() <= 3, "{second:?}");
    assert_eq!(first[8], "host-pod");
    assert_eq!(first[9].trim(), format!("0 {BASE} 65536"));
    for name in ["net", "ipc", "uts", "user"] {
        let host = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        assert!(!first.contains(&host.to_str().unwrap()), "{name} is not the host's");
    }
    let netns = sandbox.netns();
    let netns = fs::read_link(format!("/proc/self/fd/{}", netns.as_raw_fd())).unwrap();
    assert_eq!(netns.to_str().unwrap(), first[0]);
    sandbox.destroy().unwrap();
    world.check_nothing_is_left();
}

fn root_owners_on_the_host_are_as_designed() {
    let world = World::new();
    let sandbox = world.sandbox_with_ids("pod");
    for name in ["mapped", "plain"] {
        fs::create_dir(world.dir.join(name)).unwrap();
        crate::world::set_mode(&world.dir.join(name), 0o777);
    }
    let spec = ContainerSpec {
        mounts: vec![bind("/mapped", 0, true, false), bind("/plain", 1, false, false)],
        ..world.script("c", "touch /mapped/f /plain/f /dev/shm/f; stat -c %u /mapped/f /plain/f /dev/shm/f /dev/null /mapped")
    };
    let (mapped, plain) = (source(&world.dir.join("mapped")), source(&world.dir.join("plain")));
    sandbox.start(&spec, root(&world.dir).as_fd(), &[mapped.as_fd(), plain.as_fd()]).unwrap();
    assert_eq!(world.exit_of("c").code, 0, "{}", text(&spec.log));
    // Inside, all of it is root's; on the host, a mapped mount shows the owner unshifted.
    assert_eq!(text(&spec.log), "0\n0\n0\n0\n0\n");
    assert_eq!(fs::metadata(world.dir.join("mapped/f")).unwrap().uid(), 0);
    assert_eq!(fs::metadata(world.dir.join("plain/f")).unwrap().uid(), BASE);
    sandbox.destroy().unwrap();
    world.check_nothing_is_left();
}

fn root_binds_are_files_or_directories_read_only_or_not() {
    let world = World::new();
    let sandbox = world.sandbox("pod");
    fs::write(world.dir.join("file"), "content\n").unwrap();
    fs::create_dir(world.dir.join("dir")).unwrap();
    let spec = ContainerSpec {
        mounts: vec![
            bind("/etc/new/file", 0, false, true),
            bind("/deep/dir", 1, false, false),
            bind("/deep/dir-ro", 1, false, true),
        ],
        cwd: "/made/here".into(),
        ..world.script("c", "cat /etc/new/file; echo x > /deep/dir/x; cat /deep/dir-ro/x; \
            (echo y > /etc/new/file) 2>/dev/null && echo BAD; (echo y > /deep/dir-ro/y) 2>/dev/null && echo BAD; \
            readlink /proc/self/cwd")
    };
    let (file, dir) = (source(&world.dir.join("file")), source(&world.dir.join("dir")));
    sandbox.start(&spec, root(&world.dir).as_fd(), &[file.as_fd(), dir.as_fd()]).unwrap();
    world.exit_of("c");
    assert_eq!(text(&spec.log), "content\nx\n/made/here\n");
    assert_eq!(fs::read_to_string(world.dir.join("dir/x")).unwrap(), "x\n");
    sandbox.destroy().unwrap();
    world.check_nothing_is_left();
}

fn root_a_hostile_root_leads_nowhere() {
    let world = World::new();
    let sandbox = world.sandbox("pod");
    let inside = world.dir.join("root");
    let outside = world.dir.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::create_dir(world.dir.join("dir")).unwrap();
    let dir = source(&world.dir.join("dir"));
    let mount_at = |path: &str| {
        let spec = ContainerSpec {
            mounts: vec![bind(path, 0, false, false)],
            ..world.script("c", "true")
        };
        let result = sandbox.start(&spec, root(&world.dir).as_fd(), &[dir.as_fd()]);
        if result.is_ok() {
            world.exit_of("c");
        }
        result
    };
    symlink(&outside, inside.join("escape")).unwrap();
    symlink("/proc/self/cwd", inside.join("magic")).unwrap();
    symlink("/proc/sys", inside.join("sysctl")).unwrap();
    symlink("/nowhere/at/all", inside.join("dangling")).unwrap();
    for path in [
        "/",
        "/..",
        "/a/../b",
        "/proc/self/attr",
        "/sys/kernel",
        "/magic/x",
        "/sysctl",
        "/dangling",
    ] {
        assert!(mount_at(path).is_err(), "{path}");
    }
    // An absolute link means a path inside; the host's folder of that name stays as it was.
    let _ = mount_at("/escape/x");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);

    // /dev, /proc and /sys must be what they are, not links to somewhere.
    for name in ["dev", "proc", "sys"] {
        let path = inside.join(name);
        let _ = fs::remove_dir_all(&path);
        symlink("/tmp", &path).unwrap();
        let error = world.try_start(&sandbox, &world.script("c", "true")).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        fs::remove_file(&path).unwrap();
    }
    assert!(!Path::new("/proc/self").join("x").exists());
    sandbox.destroy().unwrap();
    world.check_nothing_is_left();
}
