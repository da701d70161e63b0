//! The user of a container, looked up in files of its image. The first line is the user.
#![no_main]

use std::fs;
use std::os::fd::AsFd;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (&str, &[u8], &[u8])| {
    let (user, passwd, group) = data;
    let place = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(place.path().join("etc")).expect("etc");
    fs::write(place.path().join("etc/passwd"), passwd).expect("passwd");
    fs::write(place.path().join("etc/group"), group).expect("group");
    let root = fs::File::open(place.path()).expect("the root opens");
    let _refused = image::user::resolve(root.as_fd(), user);
    let _refused = image::user::resolve_group(root.as_fd(), user);
});
