//! A container's log: the CRI text format, rotated, never in the container's way.
//!
//! `<RFC 3339 with nanoseconds> <stdout|stderr> <F|P> <text>`; P marks a piece of a line longer
//! than 16 KiB. When the disk refuses, lines are dropped and counted, and the count is logged
//! once it accepts again: the container never waits for the disk's sake.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// A file this large is rotated.
const FILE_BYTES: u64 = 10 << 20;
/// Files kept, the current one included.
const FILE_COUNT: u32 = 3;
/// Longest piece of a line.
pub(super) const LINE_BYTES: usize = 16 << 10;

/// Which stream a piece came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// An open log.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    size_bytes: u64,
    dropped_count: u64,
}

impl Log {
    /// Opens a log for appending, its folder made if missing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let file = open(path)?;
        let size_bytes = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, size_bytes, dropped_count: 0 })
    }

    /// Takes what was read from a stream; `partial` keeps the start of an unfinished line.
    pub(super) fn write(&mut self, stream: Stream, mut bytes: &[u8], partial: &mut Vec<u8>) {
        let mut text = Vec::with_capacity(bytes.len() + 256);
        let now = Timestamp::now();
        while let Some(end) = bytes.iter().position(|b| *b == b'\n') {
            self.line(&mut text, now, stream, partial, &bytes[..end]);
            *partial = Vec::new(); // gives the memory back
            bytes = &bytes[end + 1..];
        }
        partial.extend_from_slice(bytes);
        while partial.len() >= LINE_BYTES {
            let rest = partial.split_off(LINE_BYTES);
            piece(&mut text, now, stream, b'P', &[partial]);
            *partial = rest;
        }
        self.append(&text);
    }

    /// The stream has ended: an unfinished line is a line.
    pub(super) fn finish(&mut self, stream: Stream, partial: &mut Vec<u8>) {
        if !partial.is_empty() {
            let mut text = Vec::new();
            piece(&mut text, Timestamp::now(), stream, b'F', &[partial]);
            *partial = Vec::new();
            self.append(&text);
        }
    }

    fn line(&self, text: &mut Vec<u8>, now: Timestamp, stream: Stream, head: &[u8], tail: &[u8]) {
        // The head is below the limit, the tail at most one read: cut what exceeds.
        let whole = [head, tail].concat();
        let mut rest = whole.as_slice();
        while rest.len() > LINE_BYTES {
            let (first, others) = rest.split_at(LINE_BYTES);
            piece(text, now, stream, b'P', &[first]);
            rest = others;
        }
        piece(text, now, stream, b'F', &[rest]);
    }

    fn append(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        if self.size_bytes > 0 && self.size_bytes + text.len() as u64 > FILE_BYTES {
            self.rotate();
        }
        if self.dropped_count > 0 {
            let mut note = Vec::new();
            let words = format!("[{} writes were lost: the log could not be written]", {
                self.dropped_count
            });
            piece(&mut note, Timestamp::now(), Stream::Stderr, b'F', &[words.as_bytes()]);
            if self.file.write_all(&note).is_ok() {
                self.dropped_count = 0;
                self.size_bytes += note.len() as u64;
            }
        }
        match self.file.write_all(text) {
            Ok(()) => self.size_bytes += text.len() as u64,
            Err(_) => self.dropped_count += 1,
        }
    }

    fn rotate(&mut self) {
        // A failing rename leaves a file that is too large: better than a lost line.
        for index in (1..FILE_COUNT).rev() {
            let from = if index == 1 { self.path.clone() } else { numbered(&self.path, index - 1) };
            let _ = fs::rename(from, numbered(&self.path, index));
        }
        if let Ok(file) = open(&self.path) {
            self.size_bytes = file.metadata().map_or(0, |m| m.len());
            self.file = file;
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().append(true).create(true).mode(0o640).open(path)
}

fn numbered(path: &Path, index: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{index}"));
    name.into()
}

fn piece(text: &mut Vec<u8>, now: Timestamp, stream: Stream, tag: u8, parts: &[&[u8]]) {
    // Writing to a Vec cannot fail.
    let _ = write!(text, "{now:.9} {} {} ", stream.name(), char::from(tag));
    parts.iter().for_each(|part| text.extend_from_slice(part));
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("engine-log-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        dir
    }

    fn pieces(path: &Path) -> Vec<(String, String)> {
        let text = fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| {
                let mut fields = line.splitn(4, ' ');
                let time = fields.next().unwrap();
                assert_eq!(time.len(), "2026-01-01T00:00:00.000000000Z".len(), "{time}");
                time.parse::<Timestamp>().unwrap();
                fields.next().unwrap();
                (fields.next().unwrap().to_owned(), fields.next().unwrap_or("").to_owned())
            })
            .collect()
    }

    #[test]
    fn lines_are_whole_and_long_ones_cut() {
        let dir = scratch("lines");
        let path = dir.join("a/b.log");
        let mut log = Log::open(&path).unwrap();
        let mut partial = Vec::new();
        log.write(Stream::Stdout, b"one\ntw", &mut partial);
        log.write(Stream::Stdout, b"o\n\n", &mut partial);
        log.write(Stream::Stdout, &vec![b'x'; LINE_BYTES * 2 + 5], &mut partial);
        log.write(Stream::Stdout, b"y\nend", &mut partial);
        log.finish(Stream::Stdout, &mut partial);
        let got = pieces(&path);
        let tags: String = got.iter().map(|(tag, _)| tag.as_str()).collect();
        assert_eq!(tags, "FFFPPFF");
        assert_eq!(got[0].1, "one");
        assert_eq!(got[1].1, "two");
        assert_eq!(got[2].1, "");
        assert_eq!(got[3].1.len(), LINE_BYTES);
        assert_eq!(got[5].1, "xxxxxy");
        assert_eq!(got[6].1, "end");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn three_files_are_kept() {
        let dir = scratch("rotate");
        let path = dir.join("c.log");
        let mut log = Log::open(&path).unwrap();
        let line = [vec![b'x'; 15_000], vec![b'\n']].concat();
        let mut partial = Vec::new();
        for _ in 0..(4 * FILE_BYTES / 15_000) {
            log.write(Stream::Stdout, &line, &mut partial);
        }
        let mut names: Vec<_> =
            fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["c.log", "c.log.1", "c.log.2"]);
        for name in names {
            assert!(fs::metadata(dir.join(name)).unwrap().len() <= FILE_BYTES);
        }
        fs::remove_dir_all(dir).unwrap();
    }
}
