//! Hostile layers: each is refused, and nothing outside the target changes.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::layers::make_root;
use crate::pack::pack;
use crate::tar::Writer;

fn entry(kind: Kind, name: &str, link: &str) -> Entry {
    Entry {
        name: name.as_bytes().to_vec(),
        kind,
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime_s: 1_000,
        mtime_ns: 0,
        size: 0,
        link: link.as_bytes().to_vec(),
        xattrs: Vec::new(),
    }
}

fn file(name: &str) -> Entry {
    entry(Kind::File, name, "")
}

fn stream(entries: &[Entry]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for entry in entries {
        let content = vec![b'x'; usize::try_from(entry.size).unwrap()];
        writer.entry(entry, &mut content.as_slice()).unwrap();
    }
    writer.finish().unwrap()
}

/// A target directory beside a canary; checks the canary when dropped.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs_err::create_dir(dir.path().join("outside")).unwrap();
        fs_err::write(dir.path().join("outside/canary"), "alive").unwrap();
        make_root(&dir.path().join("root")).unwrap();
        Self { dir }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn extract(&self, bytes: &[u8]) -> Result<()> {
        let root = rooted::directory(&self.root()).unwrap();
        let budget = Budget { entries: 1_000, bytes: 1 << 20, depth: 64 };
        extract(bytes, root.as_fd(), Meaning::Layer, budget)
    }

    fn refuses(&self, entries: &[Entry], why: &str) {
        self.refuses_bytes(&stream(entries), why);
    }

    fn refuses_bytes(&self, bytes: &[u8], why: &str) {
        let error = self.extract(bytes).unwrap_err().to_string();
        assert!(error.contains(why), "`{error}` should say `{why}`");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let outside = self.dir.path().join("outside");
        let canary = fs_err::metadata(outside.join("canary")).unwrap();
        assert_eq!((canary.nlink(), canary.len()), (1, 5), "the canary was touched");
        assert_eq!(fs_err::read_dir(&outside).unwrap().count(), 1, "something was written outside");
        assert_eq!(fs_err::read_dir(self.dir.path()).unwrap().count(), 2);
    }
}

#[test]
fn names_that_leave_the_root_are_refused() {
    for name in ["../../x", "a/../../x", "..", "a/..", "../outside/canary"] {
        World::new().refuses(&[file(name)], "escapes the root");
    }
    World::new().refuses(&[file("/x")], "absolute");
    World::new().refuses(&[file("//x")], "absolute");
    World::new().refuses(&[file("a//b")], "empty component");
    World::new().refuses(&[file("a/./b")], "`.` component");
    World::new().refuses(&[file("a\nb")], "newline");
    World::new().refuses(&[file("")], "no name");
    World::new().refuses(&[file("a/")], "no directory");
    World::new().refuses(&[file("./")], "no directory");
    World::new().refuses(&[file(&"n".repeat(256))], "too long");
}

#[test]
fn links_are_never_written_through() {
    let world = World::new();
    let outside = world.dir.path().join("outside").display().to_string();
    for target in ["/", "..", "../outside", outside.as_str(), "real"] {
        let entries = [
            entry(Kind::Directory, "real/", ""),
            entry(Kind::Symlink, "a", target),
            file("a/canary"),
        ];
        World::new().refuses(&entries, "parent is a link");
    }
    // A file that takes the place of a link replaces the link, not its target.
    symlink(world.dir.path().join("outside/canary"), world.root().join("a")).unwrap();
    world.extract(&stream(&[file("a")])).unwrap();
    assert!(fs_err::symlink_metadata(world.root().join("a")).unwrap().is_file());
    // A mode for a directory that is a link would change the host's directory.
    let entries = [entry(Kind::Symlink, "d", &outside), entry(Kind::Directory, "d/", "")];
    let world = World::new();
    world.extract(&stream(&entries)).unwrap();
    assert!(fs_err::symlink_metadata(world.root().join("d")).unwrap().is_dir());
}

#[test]
fn hard_links_reach_only_files_of_the_layer() {
    let outside = "outside of the layer";
    World::new().refuses(&[entry(Kind::Hardlink, "a", "../outside/canary")], outside);
    World::new().refuses(&[entry(Kind::Hardlink, "a", "/etc/passwd")], outside);
    World::new().refuses(&[entry(Kind::Hardlink, "a", "later"), file("later")], "not (yet)");
    World::new().refuses(&[entry(Kind::Hardlink, "a", "a")], "not (yet)");
    World::new().refuses(&[entry(Kind::Hardlink, "a", ".")], "to the root");
    let link = entry(Kind::Symlink, "l", "../outside/canary");
    World::new().refuses(&[link, entry(Kind::Hardlink, "a", "l")], "no file");
    let link = entry(Kind::Symlink, "l", "../outside");
    World::new().refuses(&[link, entry(Kind::Hardlink, "a", "l/canary")], "not (yet)");
}

#[test]
fn whiteouts_hide_only_what_lies_below() {
    for name in [".wh.", ".wh..", ".wh...", "d/.wh..", ".wh..wh.", ".wh..wh.x"] {
        World::new().refuses(&[file(name)], "names nothing");
    }
    let link = entry(Kind::Symlink, "l", "../outside");
    World::new().refuses(&[link, file("l/.wh.canary")], "parent is a link");
    let link = entry(Kind::Symlink, "l", "../outside");
    World::new().refuses(&[link, file("l/.wh..wh..opq")], "parent is a link");
    World::new().refuses(&[file(".wh.a"), entry(Kind::Hardlink, "b", "a")], "no file");
}

#[test]
fn root_whiteouts_become_what_an_overlay_expects() {
    let world = World::new();
    let entries = [
        file("d/.wh.gone"),
        file("d/.wh..wh..opq"),
        file("kept"),
        file(".wh.kept"),
        file(".wh.again"),
        entry(Kind::Directory, "again/", ""),
    ];
    world.extract(&stream(&entries)).unwrap();
    let gone = fs_err::symlink_metadata(world.root().join("d/gone")).unwrap();
    assert_eq!((gone.mode() & 0o170_000, gone.rdev()), (0o020_000, 0));
    let opaque = |name: &str| {
        let mut value = [0; 8];
        let length = rustix::fs::lgetxattr(world.root().join(name), OPAQUE, &mut value[..]);
        length.is_ok_and(|length| &value[..length] == b"y")
    };
    assert!(opaque("d") && opaque("again"));
    assert!(world.root().join("kept").is_file());
}

#[test]
fn devices_and_the_overlay_s_own_attributes_are_refused() {
    let mut bytes = stream(&[file("null")]);
    bytes[156] = b'3';
    rechecksum(&mut bytes);
    World::new().refuses_bytes(&bytes, "devices are refused");
    for name in ["trusted.overlay.redirect", "trusted.x", "user.overlay.opaque"] {
        let mut with = file("a");
        with.xattrs.push((name.as_bytes().to_vec(), b"/".to_vec()));
        World::new().refuses(&[with], "is refused");
    }
}

#[test]
fn two_readers_cannot_be_made_to_disagree() {
    let long = "n".repeat(150);
    let base = stream(&[file(&long)]);
    // The pax size says something else than the header.
    let pax = |record: &str| {
        let mut extension = file("././@PaxHeader");
        extension.size = record.len() as u64;
        let mut writer = Writer::new(Vec::new());
        writer.entry(&extension, &mut record.as_bytes()).unwrap();
        let mut bytes = writer.finish().unwrap();
        bytes.truncate(1024);
        bytes[156] = b'x';
        rechecksum(&mut bytes);
        let mut sized = file("f");
        sized.size = 3;
        bytes.extend(stream(&[sized]));
        bytes
    };
    World::new().refuses_bytes(&pax("10 size=9\n"), "size differs");
    World::new().extract(&pax("10 size=3\n")).unwrap();
    for bad in [
        "8 size=3\n",
        "11 size=3\n",
        "10 size=-\n",
        "x",
        "5 a=\n\n",
        "99999999999999999999 a=b\n",
        "10 size=3\n10 size=3\n",
        "22 GNU.sparse.major=1\n",
    ] {
        World::new().refuses_bytes(&pax(bad), "bad pax record");
    }
    // A pax path and a GNU long name for the same entry.
    let mut gnu = file("././@LongLink");
    gnu.size = 4;
    let mut bytes = stream(&[gnu]);
    bytes.truncate(1024);
    bytes[156] = b'L';
    rechecksum(&mut bytes);
    bytes.extend(base.clone());
    World::new().refuses_bytes(&bytes, "bad pax record `path`");
    let mut off = base.clone();
    off[1030] ^= 1;
    World::new().refuses_bytes(&off, "checksum");
    World::new().refuses_bytes(&base[..1536], "short read");
    World::new().refuses_bytes(&base[..700], "short read");
    let mut trailing = base;
    trailing.extend([0; 512]);
    trailing.extend(b"more");
    World::new().refuses_bytes(&trailing, "trailing data");
}

#[test]
fn sizes_and_counts_have_limits() {
    let sized = |field: &[u8; 12]| {
        let mut bytes = stream(&[file("f")]);
        bytes[124..136].copy_from_slice(field);
        rechecksum(&mut bytes);
        bytes
    };
    World::new().refuses_bytes(
        &sized(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"),
        "larger than the limit",
    );
    World::new()
        .refuses_bytes(&sized(b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"), "out of range");
    World::new()
        .refuses_bytes(&sized(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), "negative");
    World::new().refuses_bytes(&sized(b"-0000000001\0"), "no octal");
    let mut large = file("f");
    large.size = (1 << 20) + 1;
    World::new().refuses(&[large], "too large");
    let many: Vec<Entry> = (0..1_001).map(|at| file(&format!("f{at}"))).collect();
    World::new().refuses(&many, "too many entries");
    World::new().refuses(&[file("d/".repeat(100).trim_end_matches('/'))], "too deep");
    World::new().refuses(&[file(&format!("{}x", "d/".repeat(5_000)))], "too long");
    let mut attribute = file("f");
    attribute.xattrs.push((b"user.x".to_vec(), vec![0; 70_000]));
    World::new().refuses(&[attribute], "bad pax record");
}

/// Makes a changed first header valid again.
fn rechecksum(bytes: &mut [u8]) {
    bytes[148..156].fill(b' ');
    let sum: u64 = bytes[..512].iter().map(|byte| u64::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn packed(root: &std::path::Path) -> Vec<u8> {
    let root = rooted::directory(root).unwrap();
    pack(root.as_fd(), Vec::new()).unwrap().0
}

#[test]
fn root_pack_and_extract_are_inverse() {
    let world = World::new();
    let mut caps = file("bin/ping");
    let capability =
        b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    caps.xattrs.push((b"security.capability".to_vec(), capability.to_vec()));
    (caps.mode, caps.size, caps.mtime_ns) = (0o755, 700, 123_456_789);
    let mut setuid = file("bin/su");
    (setuid.mode, setuid.uid, setuid.gid) = (0o6755, 33, 4_000_000);
    let mut spool = entry(Kind::Directory, "var/spool/", "");
    (spool.mode, spool.uid) = (0o3777, 8);
    spool.xattrs.push((b"user.note".to_vec(), b"x\0y".to_vec()));
    let mut link = entry(Kind::Symlink, "lib", "usr/lib");
    link.uid = 5;
    let long = format!("{}/{}", "p".repeat(120), "q".repeat(200));
    let entries = [
        entry(Kind::Directory, "bin/", ""),
        caps,
        setuid,
        entry(Kind::Hardlink, "bin/su2", "bin/su"),
        spool,
        file("var/spool/.wh..wh..opq"),
        file("var/.wh.gone"),
        link,
        entry(Kind::Fifo, "pipe", ""),
        entry(Kind::Symlink, "far", &"t".repeat(300)),
        file(&long),
    ];
    world.extract(&stream(&entries)).unwrap();
    let first = packed(&world.root());
    let again = World::new();
    again.extract(&first).unwrap();
    assert_eq!(packed(&again.root()), first);
    let su = fs_err::metadata(again.root().join("bin/su2")).unwrap();
    assert_eq!((su.mode() & 0o7777, su.uid(), su.gid(), su.nlink()), (0o6755, 33, 4_000_000, 2));
    let mut value = [0; 64];
    let ping = again.root().join("bin/ping");
    let length = rustix::fs::getxattr(&ping, c"security.capability", &mut value[..]).unwrap();
    assert_eq!(&value[..length], capability);
    assert_eq!(fs_err::metadata(&ping).unwrap().mtime_nsec(), 123_456_789);
    assert!(String::from_utf8_lossy(&first).contains("var/.wh.gone"));
    assert!(String::from_utf8_lossy(&first).contains("var/spool/.wh..wh..opq"));
}

/// Names from a small alphabet, so that entries meet and collide.
fn name() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "a",
        "b",
        "c",
        "..",
        ".wh.a",
        ".wh..wh..opq",
        ".",
        "outside",
        "canary",
    ]);
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"))
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let kind = prop::sample::select(vec![
        Kind::File,
        Kind::Directory,
        Kind::Symlink,
        Kind::Hardlink,
        Kind::Fifo,
    ]);
    let link = prop_oneof![
        name(),
        Just("../outside".to_owned()),
        Just("/".to_owned()),
        Just("../../outside/canary".to_owned())
    ];
    (kind, name(), link, 0_u64..600).prop_map(|(kind, name, link, size)| {
        let mut entry = entry(kind, &name, &link);
        entry.size = if kind == Kind::File { size } else { 0 };
        entry
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn root_any_sequence_of_entries_stays_inside(entries in prop::collection::vec(any_entry(), 1..12)) {
        // World checks the canary when it is dropped.
        let world = World::new();
        if world.extract(&stream(&entries)).is_ok() {
            let once = packed(&world.root());
            let again = World::new();
            again.extract(&once).unwrap();
            prop_assert_eq!(packed(&again.root()), once);
        }
    }
}
