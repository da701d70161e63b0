//! What is opened and what is refused.

use crate::wait;
use std::path::Path;
use std::time::Duration;
use store::{Error, Expect, Store};

/// Waits for the writer of a dropped store to let go of the directory.
pub(crate) fn wait_until_released(directory: &Path) {
    let lock = std::fs::OpenOptions::new().append(true).open(directory.join("store.lock")).unwrap();
    for _ in 0..1000 {
        if lock.try_lock().is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("the store was never released");
}

fn filled(directory: &Path) {
    wait(async {
        let store = Store::open(directory).unwrap();
        for number in 0..50 {
            let value = format!("the value with number {number:04}");
            store.put(&format!("/{number}"), value.into(), Expect::Absent).await.unwrap();
        }
    });
    wait_until_released(directory);
}

#[test]
fn a_second_process_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _store = Store::open(directory.path()).unwrap();
    let error = Store::open(directory.path()).err().unwrap();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert!(error.to_string().contains("store.lock"));
}

#[test]
fn a_foreign_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.sqlite");
    std::fs::write(&path, "this is a letter to my grandmother, not a database\n".repeat(100))
        .unwrap();
    let error = Store::open(directory.path()).err().unwrap();
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    std::fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
    let error = Store::open(directory.path()).err().unwrap();
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
}

#[test]
fn a_newer_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    rusqlite::Connection::open(directory.path().join("store.sqlite"))
        .unwrap()
        .execute_batch("PRAGMA user_version = 2")
        .unwrap();
    let error = Store::open(directory.path()).err().unwrap();
    assert!(matches!(error, Error::NewerFormat { found: 2, known: 1, .. }), "{error}");
}

#[test]
fn a_flipped_bit_is_found() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let path = directory.path().join("store.sqlite");
    let mut bytes = std::fs::read(&path).unwrap();
    let needle = b"the value with number 0031";
    let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    bytes[at + 3] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    let error = Store::open(directory.path()).err().unwrap();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("checksum of revision 32"), "{error}");
}

#[test]
fn a_missing_revision_is_found() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    rusqlite::Connection::open(directory.path().join("store.sqlite"))
        .unwrap()
        .execute_batch("DELETE FROM change WHERE revision = 7")
        .unwrap();
    let error = Store::open(directory.path()).err().unwrap();
    assert!(error.to_string().contains("revision 7 is missing"), "{error}");
}

#[test]
fn a_truncated_file_is_never_opened_as_less() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let path = directory.path().join("store.sqlite");
    let whole = std::fs::read(&path).unwrap();
    for length in (512..whole.len()).step_by(512) {
        std::fs::write(&path, &whole[..length]).unwrap();
        let result = Store::open(directory.path());
        assert!(result.is_err(), "opened a file cut to {length} of {} bytes", whole.len());
    }
}

#[test]
fn secrets_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let _store = Store::open(directory.path()).unwrap();
    for name in ["store.sqlite", "store.sqlite-wal"] {
        let mode = std::fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
}

/// A limit on the size of files makes the next write to the log fail, as a dying disk would.
#[test]
fn a_disk_that_fails_stops_acknowledging_and_says_why() {
    if let Some(directory) = std::env::var_os("STORE_LIMITED_CHILD") {
        return write_into_the_limit(directory.as_ref());
    }
    let directory = tempfile::tempdir().unwrap();
    // Signal 25 is SIGXFSZ: ignored, the write gives an error instead of ending the process.
    let output = std::process::Command::new("sh")
        .args(["-c", "trap '' 25; ulimit -f 2048; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "files::a_disk_that_fails_stops_acknowledging_and_says_why"])
        .arg("--nocapture")
        .env("STORE_LIMITED_CHILD", directory.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let acknowledged: u64 = text
        .lines()
        .find_map(|line| line.split_once("acknowledged ")?.1.trim().parse().ok())
        .unwrap_or_else(|| panic!("{text}"));
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(store.revision(), acknowledged, "what was acknowledged is what is there");
}

fn write_into_the_limit(directory: &Path) {
    wait(async {
        let store = Store::open(directory).unwrap();
        let value = bytes::Bytes::from(vec![b'x'; 100_000]);
        let mut acknowledged = 0;
        let error = loop {
            match store.put("/a", value.clone(), Expect::Any).await {
                Ok(revision) => acknowledged = revision,
                Err(error) => break error,
            }
        };
        assert!(acknowledged > 3, "{error}");
        assert!(matches!(error, Error::Stopped { .. }), "{error}");
        assert!(error.to_string().contains("store.sqlite"), "{error}");
        assert_eq!(store.revision(), acknowledged);
        assert!(store.get("/a").is_some(), "reads go on");
        let again = store.put("/b", "small".into(), Expect::Any).await.unwrap_err();
        assert!(matches!(again, Error::Stopped { .. }), "{again}");
        println!("acknowledged {acknowledged}");
    });
}

/// A file system of 2 MiB, unmounted on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("tmpfs", directory.path(), "tmpfs", flags, Some(c"size=2m")).unwrap();
        Self(directory)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let flags = rustix::mount::UnmountFlags::DETACH;
        rustix::mount::unmount(self.0.path(), flags).unwrap();
    }
}

#[test]
fn root_a_full_disk_is_an_error_and_not_a_state() {
    let disk = SmallDisk::mount();
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![1; 600_000]).unwrap();
    wait(async {
        let store = Store::open(&disk.0.path().join("store")).unwrap();
        let value = bytes::Bytes::from(vec![b'x'; 50_000]);
        let mut acknowledged = 0;
        let error = loop {
            match store.put("/a", value.clone(), Expect::Any).await {
                Ok(revision) => acknowledged = revision,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Full { .. }), "{error}");
        assert_eq!(store.revision(), acknowledged);
        std::fs::remove_file(&ballast).unwrap();
        let next = store.put("/a", value.clone(), Expect::Any).await.unwrap();
        assert_eq!(next, acknowledged + 1, "recovers unaided, without a gap");
    });
    wait_until_released(&disk.0.path().join("store"));
}
