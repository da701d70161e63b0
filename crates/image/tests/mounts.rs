//! Mounts: mapped owners, handed to another process, and back to a layer. All need root.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use image::{Image, ImageConfig, Images};

/// A user namespace whose id 0 is `start` outside, held by a child that ends with the test.
struct Namespace {
    child: std::process::Child,
    fd: OwnedFd,
}

impl Namespace {
    fn new(start: u32) -> Self {
        let child = Command::new("unshare")
            .args(["--user", "sleep", "60"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let path = format!("/proc/{}/ns/user", child.id());
        let own = fs_err::read_link("/proc/self/ns/user").unwrap();
        for _ in 0..500 {
            if fs_err::read_link(&path).is_ok_and(|link| link != own) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        for map in ["uid_map", "gid_map"] {
            fs_err::write(format!("/proc/{}/{map}", child.id()), format!("0 {start} 65536"))
                .unwrap();
        }
        let fd = File::open(path).unwrap().into();
        Self { child, fd }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a script in a mount namespace of its own with the tree attached at `$1`.
fn attached(tree: &OwnedFd, at: &Path, userns: Option<&Namespace>, script: &str) -> String {
    let fd = tree.as_raw_fd();
    let at = at.to_owned();
    let mut command = match userns {
        // Enters the user namespace only after the mount is attached.
        Some(namespace) => {
            let mut command = Command::new("nsenter");
            command.args([format!("--user=/proc/{}/ns/user", namespace.child.id())]);
            command.args(["sh", "-ec", script, "sh"]);
            command
        }
        None => {
            let mut command = Command::new("sh");
            command.args(["-ec", script, "sh"]);
            command
        }
    };
    command.arg(&at).stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: only system calls and no allocation between fork and exec.
    #[expect(unsafe_code, reason = "the child must attach the mount before it runs the shell")]
    unsafe {
        command.pre_exec(move || {
            use rustix::mount as m;
            rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS)?;
            let private = m::MountPropagationFlags::PRIVATE | m::MountPropagationFlags::REC;
            m::mount_change("/", private)?;
            let fd = std::os::fd::BorrowedFd::borrow_raw(fd);
            let flags = m::MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            m::move_mount(fd, "", rustix::fs::CWD, at.as_path(), flags)?;
            Ok(())
        });
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn two_layers(images: &Images, dir: &Path) -> Image {
    let upper = dir.join("make");
    fs_err::create_dir_all(upper.join("etc")).unwrap();
    fs_err::write(upper.join("etc/lower"), "lower").unwrap();
    fs_err::write(upper.join("etc/gone"), "gone").unwrap();
    fs_err::create_dir_all(upper.join("dir/sub")).unwrap();
    fs_err::set_permissions(&upper, PermissionsExt::from_mode(0o755)).unwrap();
    std::os::unix::fs::chown(upper.join("etc/lower"), Some(33), Some(34)).unwrap();
    let one = images.layer_from_upper(&upper).unwrap().unwrap();
    fs_err::create_dir_all(upper.join("etc")).unwrap();
    fs_err::write(upper.join("etc/higher"), "higher").unwrap();
    let two = images.layer_from_upper(&upper).unwrap().unwrap();
    images.write(None, ImageConfig::empty(), vec![one, two], Some("two:1")).unwrap()
}

fn mount_table() -> String {
    fs_err::read_to_string("/proc/self/mountinfo").unwrap()
}

#[test]
fn root_a_mapped_root_is_attached_by_another_process_and_becomes_a_layer() {
    let dir = tempfile::tempdir().unwrap();
    // The shell in the user namespace must get to the mount point.
    fs_err::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let images = Images::open(&dir.path().join("images")).unwrap();
    let image = two_layers(&images, dir.path());
    let namespace = Namespace::new(500_000);
    let scratch = dir.path().join("scratch");
    let at = dir.path().join("at");
    fs_err::create_dir(&at).unwrap();
    let tree = images.mount(&image, &scratch, Some(namespace.fd.as_fd()), false).unwrap();
    let outside = attached(&tree, &at, None, r#"stat -c '%u %g' "$1/etc/lower""#);
    assert_eq!(outside.trim(), "500033 500034");
    // A mount that was attached and went down with its namespace is gone: make another.
    drop(tree);
    let tree = images.mount(&image, &scratch, Some(namespace.fd.as_fd()), false).unwrap();
    let script = r#"cd "$1"
        stat -c '%u %g' etc/lower; cat etc/higher
        rm etc/gone; echo new > etc/new; chown 7:8 etc/new; chmod 4755 etc/new
        echo changed >> etc/lower
        ln etc/new etc/link
        rm -r dir; mkdir dir; echo again > dir/again
        mkdir moved; mv moved renamed"#;
    let inside = attached(&tree, &at, Some(&namespace), script);
    assert_eq!(inside, "33 34\nhigher");
    drop(tree);
    let new = fs_err::metadata(scratch.join("upper/etc/new")).unwrap();
    assert_eq!((new.uid(), new.gid(), new.mode() & 0o7777), (7, 8, 0o4755));
    let layer = images.layer_from_upper(&scratch.join("upper")).unwrap().unwrap();
    let image = images
        .write(Some(&image), ImageConfig::empty(), vec![layer.clone()], Some("three:1"))
        .unwrap();
    assert_eq!(image.layers.len(), 3);
    let check = r#"cd "$1"; test ! -e etc/gone; test ! -e dir/sub; cat etc/lower dir/again
        stat -c '%u %h' etc/link; ls -d renamed; test ! -e moved"#;
    let expect = "lowerchanged\nagain\n7 2\nrenamed\n";
    let tree = images.mount(&image, &scratch, None, true).unwrap();
    assert_eq!(attached(&tree, &at, None, check), expect);
    drop((tree, images));
    // The same once more from the blob alone: what was moved into the store and what is unpacked
    // from the tar must be the same tree.
    fs_err::remove_dir_all(dir.path().join("images/layers").join(&layer.diff_id[7..])).unwrap();
    let images = Images::open(&dir.path().join("images")).unwrap();
    let tree = images.mount(&image, &scratch, None, true).unwrap();
    assert_eq!(attached(&tree, &at, None, check), expect);
}

#[test]
fn root_nothing_shows_in_the_mount_table_and_read_only_holds() {
    let dir = tempfile::tempdir().unwrap();
    let images = Images::open(&dir.path().join("images")).unwrap();
    let image = two_layers(&images, dir.path());
    let empty = images.write(None, ImageConfig::empty(), vec![], None).unwrap();
    let at = dir.path().join("at");
    fs_err::create_dir(&at).unwrap();
    let one = Image { layers: image.layers[..1].to_vec(), ..image.clone() };
    for image in [&image, &empty, &one] {
        let tree = images.mount(image, &dir.path().join("no"), None, true).unwrap();
        assert!(!mount_table().contains(&dir.path().display().to_string()));
        let touched = attached(
            &tree,
            &at,
            None,
            r#"touch "$1/x" 2>/dev/null && echo written || echo refused"#,
        );
        assert_eq!(touched, "refused\n");
        let scratch = dir.path().join("scratch");
        let tree = images.mount(image, &scratch, None, false).unwrap();
        let touched = attached(&tree, &at, None, r#"touch "$1/x" && echo written"#);
        assert_eq!(touched, "written\n");
        drop(tree);
        // The same scratch again, as after a crash: what was written is there.
        let tree = images.mount(image, &scratch, None, false).unwrap();
        assert_eq!(attached(&tree, &at, None, r#"ls "$1/x" >/dev/null && echo there"#), "there\n");
        drop(tree);
        fs_err::remove_dir_all(&scratch).unwrap();
    }
    assert!(!dir.path().join("no").exists());
}

#[test]
fn root_file_capabilities_set_inside_a_user_namespace_are_portable() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let images = Images::open(&dir.path().join("images")).unwrap();
    let image = two_layers(&images, dir.path());
    let namespace = Namespace::new(700_000);
    let (scratch, at) = (dir.path().join("scratch"), dir.path().join("at"));
    fs_err::create_dir(&at).unwrap();
    let tree = images.mount(&image, &scratch, Some(namespace.fd.as_fd()), false).unwrap();
    // Python is on every Debian host that has mmdebstrap's and apt's tools; setcap is not.
    let script = r#"cd "$1"; echo x > prog; python3 -c 'import os
os.setxattr("prog", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))'"#;
    attached(&tree, &at, Some(&namespace), script);
    drop(tree);
    let layer = images.layer_from_upper(&scratch.join("upper")).unwrap().unwrap();
    let blob = dir.path().join("images/blobs/sha256").join(&layer.digest[7..]);
    let mut child = Command::new("gzip")
        .args(["-dc"])
        .stdin(File::open(blob).unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut tar = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut tar).unwrap();
    child.wait().unwrap();
    let record = b"SCHILY.xattr.security.capability=\x01\0\0\x02\0\x20\0\0";
    assert!(tar.windows(record.len()).any(|window| window == record));
}
