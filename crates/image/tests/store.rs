//! The store: names, crash leftovers, one process, collection.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image::{Error, ImageConfig, Images, Layer, Record};

fn upper(dir: &Path, files: &[(&str, &str)]) -> PathBuf {
    let upper = dir.join("upper");
    fs_err::create_dir_all(&upper).unwrap();
    for (name, text) in files {
        let path = upper.join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }
    upper
}

fn layer(images: &Images, dir: &Path, text: &str) -> Layer {
    images.layer_from_upper(&upper(dir, &[("file", text)])).unwrap().unwrap()
}

fn store(dir: &Path) -> Images {
    Images::open(&dir.join("images")).unwrap()
}

/// Waits for the background sync of a layer: it writes the marker once more, whenever the disk is
/// done, and would undo what a test puts there before.
fn until_synced(unpacked: &Path) {
    let end = Instant::now() + Duration::from_mins(2);
    while fs_err::read_to_string(unpacked.join("complete")).unwrap().contains("boot\":\"") {
        assert!(Instant::now() < end, "the layer was never synced: {}", unpacked.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn blob(dir: &Path, digest: &str) -> PathBuf {
    dir.join("images/blobs/sha256").join(&digest[7..])
}

#[test]
fn names_are_normalised_and_digests_decide() {
    let dir = tempfile::tempdir().unwrap();
    let images = store(dir.path());
    let one =
        images.write(None, ImageConfig::empty(), vec![], Some("shelf.local/shop/web")).unwrap();
    let mut config = ImageConfig::empty();
    config.author = Some("two".to_owned());
    let two = images.write(None, config, vec![], Some("debian:12")).unwrap();
    let digest = |name: &str| images.find(name).unwrap().map(|image| image.digest);
    assert_eq!(digest("docker.io/library/debian:12"), Some(two.digest.clone()));
    assert_eq!(digest("shelf.local/shop/web:latest"), Some(one.digest.clone()));
    assert_eq!(digest(&one.digest), Some(one.digest.clone()));
    assert_eq!(digest(&format!("debian:12@{}", one.digest)), Some(one.digest.clone()));
    let absent = format!("sha256:{}", "0".repeat(64));
    assert_eq!(digest(&format!("debian:12@{absent}")), None);
    assert_eq!(digest("debian:13"), None);
    assert!(matches!(images.find("No/Such Name"), Err(Error::Reference { .. })));
    // A name moves; the image that had it stays until it is collected.
    images.tag(&one, "debian:12").unwrap();
    assert_eq!(digest("debian:12"), Some(one.digest.clone()));
    assert_eq!(images.find(&two.digest).unwrap().unwrap().names, [""; 0]);
    drop(images);
    let images = store(dir.path());
    assert_eq!(images.find("debian:12").unwrap().unwrap().names.len(), 2);
    assert_eq!(images.list().unwrap().len(), 2);
    assert!(images.remove("debian:12").unwrap());
    assert!(!images.remove("debian:12").unwrap());
    images.collect(&[]).unwrap();
    assert!(images.find(&two.digest).unwrap().is_none());
    assert!(images.find("shelf.local/shop/web").unwrap().is_some());
}

#[test]
fn one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let images = store(dir.path());
    assert!(matches!(Images::open(&dir.path().join("images")), Err(Error::InUse { .. })));
    drop(images);
    store(dir.path());
    fs_err::write(dir.path().join("images/format"), "2\n").unwrap();
    assert!(matches!(Images::open(&dir.path().join("images")), Err(Error::Format { .. })));
}

#[test]
fn root_what_is_half_written_is_never_used() {
    let dir = tempfile::tempdir().unwrap();
    let images = store(dir.path());
    let layer = layer(&images, dir.path(), "whole");
    images.write(None, ImageConfig::empty(), vec![layer.clone()], Some("x:1")).unwrap();
    drop(images);
    let root = dir.path().join("images");
    let unpacked = root.join("layers").join(&layer.diff_id[7..]);
    until_synced(&unpacked);
    fs_err::create_dir_all(root.join("stage/7/fs/a/b")).unwrap();
    // As after a power cut: the marker names another boot and a file lost its bytes.
    fs_err::write(unpacked.join("complete"), r#"{"boot":"another"}"#).unwrap();
    fs_err::write(unpacked.join("fs/file"), "").unwrap();
    fs_err::create_dir_all(root.join("layers").join("ab".repeat(32)).join("fs")).unwrap();
    // A mount below a leftover stands for whatever keeps it from being removed.
    let busy = root.join("stage/0/busy");
    fs_err::create_dir_all(&busy).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("busy", &busy, "tmpfs", flags, None).unwrap();
    let mounted = Small(busy);
    let images = store(dir.path());
    drop(images.scratch().unwrap());
    drop(images);
    drop(mounted);
    let images = store(dir.path());
    assert_eq!(fs_err::read_dir(root.join("stage")).unwrap().count(), 0);
    assert_eq!(fs_err::read_dir(root.join("layers")).unwrap().count(), 0);
    // It is unpacked again when it is needed, by however many at once.
    let image = images.find("x:1").unwrap().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (images, image) = (&images, &image);
            let scratch = dir.path().join(format!("scratch{thread}"));
            scope.spawn(move || images.mount(image, &scratch, None, true).unwrap());
        }
    });
    assert_eq!(fs_err::read_to_string(unpacked.join("fs/file")).unwrap(), "whole");
    drop(images);
    // A blob that lost bytes takes its image out of sight instead of being used.
    let path = blob(dir.path(), &layer.digest);
    let bytes = fs_err::read(&path).unwrap();
    fs_err::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(store(dir.path()).find("x:1").unwrap().is_none());
    fs_err::write(&path, &bytes).unwrap();
    assert!(store(dir.path()).find("x:1").unwrap().is_some());
}

#[test]
fn root_a_blob_that_is_not_its_digest_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let images = store(dir.path());
    let layer = layer(&images, dir.path(), "true");
    let image = images.write(None, ImageConfig::empty(), vec![layer.clone()], None).unwrap();
    drop(images);
    fs_err::remove_dir_all(dir.path().join("images/layers").join(&layer.diff_id[7..])).unwrap();
    let path = blob(dir.path(), &layer.digest);
    let good = fs_err::read(&path).unwrap();
    let other = {
        let elsewhere = tempfile::tempdir().unwrap();
        let images = store(elsewhere.path());
        let other = self::layer(&images, elsewhere.path(), "evil");
        fs_err::read(blob(elsewhere.path(), &other.digest)).unwrap()
    };
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    let mut trailing = good.clone();
    trailing.truncate(good.len() - 4);
    trailing.extend(b"junk");
    let images = store(dir.path());
    for bytes in [other, flipped, trailing] {
        let mut bytes = bytes;
        bytes.resize(good.len(), 0);
        fs_err::write(&path, &bytes).unwrap();
        let scratch = dir.path().join("scratch");
        images.mount(&image, &scratch, None, true).unwrap_err();
        assert_eq!(fs_err::read_dir(dir.path().join("images/layers")).unwrap().count(), 0);
        assert_eq!(fs_err::read_dir(dir.path().join("images/stage")).unwrap().count(), 0);
    }
    fs_err::write(&path, &good).unwrap();
    images.mount(&image, &dir.path().join("scratch"), None, true).unwrap();
}

#[test]
fn root_collection_keeps_what_is_reachable() {
    let dir = tempfile::tempdir().unwrap();
    let images = store(dir.path());
    let named = layer(&images, dir.path(), "named");
    let used = layer(&images, dir.path(), "used");
    let recorded = layer(&images, dir.path(), "recorded");
    let lost = layer(&images, dir.path(), "lost");
    images.write(None, ImageConfig::empty(), vec![named.clone()], Some("n:1")).unwrap();
    let running = images.write(None, ImageConfig::empty(), vec![used.clone()], None).unwrap();
    let key = image::sha256(b"key");
    images.keep_record(&key, &Record { layer: Some(recorded.clone()) }).unwrap();
    let hold = images.hold();
    assert!(matches!(images.collect(&[]), Err(Error::Busy)));
    drop(hold);
    let collected = images.collect(std::slice::from_ref(&running.digest)).unwrap();
    assert_eq!((collected.images, collected.layers, collected.blobs), (0, 1, 1));
    for layer in [&named, &used, &recorded] {
        assert!(blob(dir.path(), &layer.digest).exists());
    }
    assert!(!blob(dir.path(), &lost.digest).exists());
    assert_eq!(images.record(&key).unwrap().layer, Some(recorded.clone()));
    images.collect(&[]).unwrap();
    assert!(images.find(&running.digest).unwrap().is_none());
    assert!(!blob(dir.path(), &used.digest).exists());
    // A record whose layer is gone is no hit.
    fs_err::remove_file(blob(dir.path(), &recorded.digest)).unwrap();
    assert_eq!(images.record(&key), None);
}

#[test]
fn root_an_empty_upper_makes_no_layer_and_equal_ones_make_one() {
    let dir = tempfile::tempdir().unwrap();
    let images = store(dir.path());
    assert_eq!(images.layer_from_upper(&upper(dir.path(), &[])).unwrap(), None);
    let fixed = |dir: &Path| {
        let upper = upper(dir, &[("d/f", "same")]);
        for name in ["d/f", "d"] {
            let file = std::fs::File::open(upper.join(name)).unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
        }
        upper
    };
    let one = images.layer_from_upper(&fixed(dir.path())).unwrap();
    let two = images.layer_from_upper(&fixed(dir.path())).unwrap();
    assert_eq!(one, two);
    assert_eq!(fs_err::read_dir(dir.path().join("images/layers")).unwrap().count(), 1);
}

/// A small file system of its own, gone with the test.
struct Small(PathBuf);

impl Drop for Small {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

#[test]
fn root_a_full_disk_is_an_error_and_nothing_more() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("images");
    fs_err::create_dir(&place).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("small", &place, "tmpfs", flags, Some(c"size=3m")).unwrap();
    let small = Small(place.clone());
    let images = Images::open(&place).unwrap();
    // Noise does not get smaller. Blob or unpacked directory, one of the two does not fit; the
    // upper directory is on another file system, so it is unpacked rather than moved.
    let mut noise = vec![0; 4 << 20];
    rustix::rand::getrandom(&mut noise, rustix::rand::GetRandomFlags::empty()).unwrap();
    for size in [4 << 20, 2 << 20] {
        let upper = upper(dir.path(), &[]);
        fs_err::write(upper.join("noise"), &noise[..size]).unwrap();
        images.layer_from_upper(&upper).unwrap_err();
        assert!(upper.join("noise").exists(), "what could not be stored is still there");
        assert_eq!(fs_err::read_dir(place.join("stage")).unwrap().count(), 0);
        assert_eq!(fs_err::read_dir(place.join("layers")).unwrap().count(), 0);
        fs_err::remove_file(upper.join("noise")).unwrap();
    }
    images.collect(&[]).unwrap();
    let layer = layer(&images, dir.path(), "fits");
    let image =
        images.write(None, ImageConfig::empty(), vec![layer.clone()], Some("fits:1")).unwrap();
    assert_eq!(image.layers.len(), 1);
    let file = place.join("layers").join(&layer.diff_id[7..]).join("fs/file");
    assert_eq!(fs_err::read_to_string(file).unwrap(), "fits");
    drop(images);
    drop(small);
}
