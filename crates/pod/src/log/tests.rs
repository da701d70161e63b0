//! Reading logs back: pieces, times, tails, rotation, growth.

use super::*;
use std::io::Write;

struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("pod-log-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn log(&self) -> PathBuf {
        self.0.join("0.log")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        crate::tree::remove(&self.0).unwrap();
    }
}

fn line(second: u32, text: &str) -> String {
    format!("2026-01-02T03:04:{second:02}.000000001Z stdout F {text}\n")
}

fn read(path: &Path, options: &LogOptions) -> String {
    let mut out = Vec::new();
    let mut sink = |text: &[u8]| {
        out.extend_from_slice(text);
        ControlFlow::Continue(())
    };
    follow(path, options, &mut || false, &mut sink).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn pieces_of_a_line_are_joined_and_stamped_once() {
    let place = Place::new("pieces");
    let text = "2026-01-02T03:04:05Z stdout P ab\n2026-01-02T03:04:06Z stderr F cd\n\
                2026-01-02T03:04:07Z stdout F \ntorn";
    std::fs::write(place.log(), text).unwrap();
    assert_eq!(read(&place.log(), &LogOptions::default()), "abcd\n\n");
    let stamped = LogOptions { timestamps: true, ..LogOptions::default() };
    assert_eq!(read(&place.log(), &stamped), "2026-01-02T03:04:05Z abcd\n2026-01-02T03:04:07Z \n");
}

#[test]
fn the_tail_reaches_into_rotated_files() {
    let place = Place::new("tail");
    std::fs::write(place.0.join("0.log.2"), line(1, "a") + &line(2, "b")).unwrap();
    std::fs::write(place.0.join("0.log.1"), line(3, "c") + &line(4, "d")).unwrap();
    std::fs::write(place.log(), line(5, "e")).unwrap();
    let tail = |lines| {
        read(&place.log(), &LogOptions { tail_lines: Some(lines), ..LogOptions::default() })
    };
    assert_eq!(tail(0), "");
    assert_eq!(tail(1), "e\n");
    assert_eq!(tail(2), "d\ne\n");
    assert_eq!(tail(4), "b\nc\nd\ne\n");
    assert_eq!(tail(99), "a\nb\nc\nd\ne\n");
    let since = LogOptions {
        since: Some("2026-01-02T03:04:04Z".parse().unwrap()),
        limit_bytes: Some(3),
        ..LogOptions::default()
    };
    assert_eq!(read(&place.log(), &since), "d\ne");
}

#[test]
fn a_tail_longer_than_a_block_is_counted_right() {
    let place = Place::new("blocks");
    let mut text = String::new();
    for number in 0..5_000 {
        text += &line(number % 60, &format!("line {number}"));
    }
    std::fs::write(place.log(), text).unwrap();
    let options = LogOptions { tail_lines: Some(3_000), ..LogOptions::default() };
    let out = read(&place.log(), &options);
    assert_eq!(out.lines().count(), 3_000);
    assert!(out.starts_with("line 2000\n"));
}

#[test]
fn following_sees_growth_and_rotation_and_ends_with_the_container() {
    let place = Place::new("follow");
    std::fs::write(place.log(), line(1, "first")).unwrap();
    let path = place.log();
    let dir = place.0.clone();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        let path = dir.join("0.log");
        std::thread::sleep(Duration::from_millis(50));
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(line(2, "second").as_bytes()).unwrap();
        std::fs::rename(&path, dir.join("0.log.1")).unwrap();
        std::fs::write(&path, line(3, "third")).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        drop(stop);
    });
    let mut out = Vec::new();
    let mut sink = |text: &[u8]| {
        out.extend_from_slice(text);
        ControlFlow::Continue(())
    };
    let options =
        LogOptions { follow: true, tick: Duration::from_millis(10), ..LogOptions::default() };
    let mut running = || stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected);
    follow(&path, &options, &mut running, &mut sink).unwrap();
    writer.join().unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "first\nsecond\nthird\n");
}
