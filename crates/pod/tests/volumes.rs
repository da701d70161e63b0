//! Volumes: owners on disk, sub-paths, memory.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use pod::{Mount, MountSource, RunAs};

use crate::Test;
use crate::world::{World, script};

pub(crate) const TESTS: &[Test] = &[
    ("root_owners_on_disk_are_not_shifted", root_owners_on_disk_are_not_shifted),
    ("root_sub_paths_stay_in_their_volume", root_sub_paths_stay_in_their_volume),
    ("root_memory_volumes_end_with_the_pod", root_memory_volumes_end_with_the_pod),
];

fn mount(source: &Path, destination: &str) -> Mount {
    Mount {
        source: MountSource::Host(source.to_owned()),
        sub_path: None,
        destination: PathBuf::from(destination),
        read_only: false,
        idmap: true,
        adopt_owner: false,
    }
}

fn root_owners_on_disk_are_not_shifted() {
    let world = World::new();
    let volume = world.place.dir.join("volume");
    std::fs::create_dir(&volume).unwrap();
    world.create("a");
    let mut container = script("main", "stat -c %u:%g /v; echo text > /v/file; stat -c %u /v/file");
    container.run_as = RunAs { user: Some("1000:1001".into()), ..RunAs::default() };
    container.mounts = vec![Mount { adopt_owner: true, ..mount(&volume, "/v") }];
    let (exit, text) = world.run("a", &container);
    assert_eq!((exit.code, text.as_str()), (0, "1000:1001\n1000\n"));
    let file = std::fs::metadata(volume.join("file")).unwrap();
    assert_eq!((file.uid(), file.gid()), (1000, 1001));

    // A directory that is not empty keeps its owner, and read-only means it. All on one stream:
    // which of two comes first in the log is not promised.
    let mut container = script("main", "stat -c %u /v; touch /v/more 2>&1 || cat /v/file");
    container.attempt = 1;
    container.mounts = vec![Mount { adopt_owner: true, read_only: true, ..mount(&volume, "/v") }];
    let (_, text) = world.run("a", &container);
    assert!(text.starts_with("1000\n") && text.ends_with("text\n"), "{text}");
    world.check_nothing_is_left();
}

fn root_sub_paths_stay_in_their_volume() {
    let world = World::new();
    let volume = world.place.dir.join("volume");
    std::fs::create_dir_all(volume.join("real")).unwrap();
    std::fs::write(volume.join("real/file"), "inside").unwrap();
    symlink("real", volume.join("link")).unwrap();
    symlink("/etc", volume.join("escape")).unwrap();
    world.create("a");
    let at = |sub: &str| Mount { sub_path: Some(sub.into()), ..mount(&volume, "/v") };
    let mut container = script("main", "cat /v; echo");
    container.mounts = vec![at("link/file")];
    assert_eq!(world.run("a", &container).1, "inside\n");
    let mut container = script("made", "echo x > /v/y");
    container.mounts = vec![at("new/dir")];
    assert_eq!(world.run("a", &container).0.code, 0);
    assert!(volume.join("new/dir/y").exists());
    for sub in ["escape", "../data", "escape/passwd"] {
        let mut container = script("bad", "true");
        container.mounts = vec![at(sub)];
        assert!(world.pods().start_container("a", &container).is_err(), "{sub}");
    }
    world.check_nothing_is_left();
}

fn root_memory_volumes_end_with_the_pod() {
    let world = World::new();
    world.create("a");
    let dir = world.pods().memory_dir("a").unwrap();
    std::fs::write(dir.join("secret"), "s3cret").unwrap();
    let limited = world.pods().memory_volume("a", "cache", Some(1 << 20)).unwrap();
    let mut container = script(
        "main",
        "cat /s; dd if=/dev/zero of=/c/big bs=1024 count=4096 2>/dev/null || echo full; stat -f -c %T /s",
    );
    container.mounts = vec![mount(&dir.join("secret"), "/s"), mount(&limited, "/c")];
    let (_, text) = world.run("a", &container);
    assert_eq!(text, "s3cretfull\ntmpfs\n");
    world.pods().remove("a").unwrap();
    assert!(!dir.exists());
    world.check_nothing_is_left();
}
