//! The Debian base from packages: needs root, `mmdebstrap` and a Debian mirror.

use std::os::fd::AsFd;

use image::{Images, rooted, user};
use rustix::fs::{Mode, OFlags};

#[test]
fn root_the_debian_base_is_made_once_and_is_clean() {
    let dir = tempfile::tempdir().unwrap();
    let images = Images::open(&dir.path().join("images")).unwrap();
    let mut lines = Vec::new();
    let image = images.base("debian:12", &mut |line| lines.push(line.to_owned())).unwrap();
    assert!(lines.iter().any(|line| line.contains("MB")), "{lines:#?}");
    assert_eq!(image.config.config.cmd.as_deref(), Some(&["bash".to_owned()][..]));
    assert!(image.config.config.env[0].starts_with("PATH="));
    let again = images.base("debian:bookworm", &mut |line| panic!("made twice: {line}")).unwrap();
    assert_eq!(again.digest, image.digest);
    let root = images.mount(&image, dir.path(), None, true).unwrap();
    let there = |path: &str| {
        rooted::inside(
            root.as_fd(),
            path.as_bytes(),
            OFlags::PATH | OFlags::NOFOLLOW,
            Mode::empty(),
        )
        .is_ok()
    };
    for path in [
        "bin/sh",
        "usr/bin/apt-get",
        "usr/sbin/policy-rc.d",
        "etc/apt/sources.list",
        "tmp",
        "proc",
        "sys",
        "dev",
        "var/log/apt",
        "var/lib/apt/lists",
        "var/lib/dpkg/status",
        "usr/share/doc/bash/copyright",
    ] {
        assert!(there(path), "{path} is missing");
    }
    for path in [
        "etc/resolv.conf",
        "etc/hostname",
        "dev/null",
        "usr/share/man/man1",
        "usr/share/doc/bash/README",
        "etc/apt/apt.conf.d/00mmdebstrap",
        "var/cache/apt/pkgcache.bin",
    ] {
        assert!(!there(path), "{path} should not be there");
    }
    let lists =
        rooted::inside(root.as_fd(), b"var/lib/apt/lists", OFlags::RDONLY, Mode::empty()).unwrap();
    let names: Vec<_> = rooted::names(lists.as_fd()).unwrap();
    assert!(names.iter().all(|name| matches!(name.to_bytes(), b"partial" | b"lock")), "{names:?}");
    let apt = user::resolve(root.as_fd(), "_apt").unwrap();
    assert_eq!((apt.uid, apt.gid), (42, 65534));
}
