//! Layers and archives: whatever the bytes say, only the target directory is written.
#![no_main]

use std::fs;
use std::os::fd::AsFd;

use image::{Budget, Meaning, extract};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, tar)) = data.split_first() else { return };
    let meaning = if first % 2 == 0 { Meaning::Layer } else { Meaning::Archive };
    let place = tempfile::tempdir().expect("a temporary directory");
    let root = place.path().join("root");
    fs::create_dir(&root).expect("the root");
    fs::write(place.path().join("canary"), "alive").expect("the canary");
    let opened = fs::File::open(&root).expect("the root opens");
    let budget = Budget { entries: 64, bytes: 1 << 20, depth: 16 };
    let _refused = extract(tar, opened.as_fd(), meaning, budget);
    let beside = fs::read_dir(place.path()).expect("the place").count();
    assert_eq!(beside, 2, "something was written beside the root");
    assert_eq!(fs::read(place.path().join("canary")).expect("the canary"), b"alive");
});
