//! Container output: the CRI log format read back, also while it grows and is rotated.
//!
//! One line of the file is `<RFC 3339 time> <stdout|stderr> <F|P> <text>`; `P` marks a piece of a
//! line that goes on in the next record. The engine's keepers write it and rotate `x.log` to
//! `x.log.1`, `x.log.2` (older).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;

use crate::pods::Pods;
use crate::{Error, disk};

/// How much is read at once.
const BLOCK: usize = 64 * 1024;
/// Rotated files looked for.
const ROTATED: u32 = 9;

/// Which part of the output, and how.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Go on with what is written later, until the container ends.
    pub follow: bool,
    /// Only this many last lines.
    pub tail_lines: Option<u64>,
    /// Only what was written since.
    pub since: Option<Timestamp>,
    /// Begin each line with the time it was written.
    pub timestamps: bool,
    /// End after this many bytes.
    pub limit_bytes: Option<u64>,
    /// Give the records whole, as they lie in the file: `<time> <stream> <F|P> <text>` and a line
    /// break each, never cut; `timestamps` then changes nothing.
    pub records: bool,
    /// While following: how often the end of the container and of the reader is looked for.
    pub tick: Duration,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            follow: false,
            tail_lines: None,
            since: None,
            timestamps: false,
            limit_bytes: None,
            records: false,
            tick: Duration::from_millis(250),
        }
    }
}

/// Takes text as it is read; called with nothing now and then while following, so that a reader
/// that went away is noticed.
pub type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> ControlFlow<()>;

impl Pods {
    /// Reads the output of one start of a container, the last one unless `attempt` is given.
    /// Blocks; with `follow` until the container has ended.
    pub fn read_log(
        &self,
        pod_id: &str,
        container: &str,
        attempt: Option<u32>,
        options: &LogOptions,
        sink: Sink<'_>,
    ) -> Result<(), Error> {
        let missing =
            || Error::NoContainer { id: pod_id.to_owned(), container: container.to_owned() };
        let state = self.get(pod_id).ok_or_else(missing)?;
        let last = state.container(container).ok_or_else(missing)?;
        let attempt = attempt.unwrap_or(last.attempt);
        let path = self.inner.settings.log(&state.spec, container, attempt);
        if !path.exists() {
            return Err(missing());
        }
        let mut running = || {
            let state = self.get(pod_id);
            state
                .as_ref()
                .and_then(|state| state.container(container))
                .is_some_and(|known| known.attempt == attempt && known.running())
        };
        follow(&path, options, &mut running, sink).map_err(disk::failed("read", &path))
    }
}

/// Reads `path` and the files it was rotated to, oldest first.
pub(crate) fn follow(
    path: &Path,
    options: &LogOptions,
    running: &mut dyn FnMut() -> bool,
    sink: Sink<'_>,
) -> io::Result<()> {
    let watch = if options.follow { Some(Watch::new(path)?) } else { None };
    let mut printer = Printer::new(options);
    let mut files = open_all(path)?;
    if let Some(lines) = options.tail_lines {
        files = tail(files, lines)?;
    }
    let mut current = files.pop();
    for file in files {
        if let ControlFlow::Break(()) = drain(file, &mut printer, sink)? {
            return Ok(());
        }
    }
    loop {
        // Asked before reading: what it wrote until then is there to be read.
        let live = watch.is_some() && running();
        if let Some(file) = &mut current
            && let ControlFlow::Break(()) = drain(file.try_clone()?, &mut printer, sink)?
        {
            return Ok(());
        }
        while let Some(newer) = next_after(path, current.as_ref())? {
            printer.carry.clear();
            if let ControlFlow::Break(()) = drain(newer.try_clone()?, &mut printer, sink)? {
                return Ok(());
            }
            current = Some(newer);
        }
        match &watch {
            Some(watch) if live => watch.wait(options.tick)?,
            _ => return Ok(()),
        }
        if sink(&[]).is_break() {
            return Ok(());
        }
    }
}

fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// All files of one log, oldest first. One rotated meanwhile shows twice and is taken once.
fn open_all(path: &Path) -> io::Result<Vec<File>> {
    let mut files: Vec<File> = Vec::new();
    let mut inodes = Vec::new();
    for number in (0..=ROTATED).rev() {
        let name = if number == 0 { path.to_owned() } else { rotated(path, number) };
        if let Some(file) = open(&name)? {
            let inode = file.metadata()?.ino();
            if !inodes.contains(&inode) {
                inodes.push(inode);
                files.push(file);
            }
        }
    }
    Ok(files)
}

/// The file after `current` in age, if the log was rotated since.
fn next_after(path: &Path, current: Option<&File>) -> io::Result<Option<File>> {
    let Some(current) = current else { return open(path) };
    let inode = current.metadata()?.ino();
    let mut newer = None;
    for number in 0..=ROTATED {
        let name = if number == 0 { path.to_owned() } else { rotated(path, number) };
        let Some(file) = open(&name)? else { continue };
        if file.metadata()?.ino() == inode {
            return Ok(newer);
        }
        newer = Some(file);
    }
    // Rotated away altogether: go on with the oldest there is.
    Ok(newer)
}

/// Positions the files so that `lines` lines are left; earlier files are dropped.
fn tail(files: Vec<File>, lines: u64) -> io::Result<Vec<File>> {
    let mut left = lines;
    let mut kept = Vec::new();
    let newest = files.len();
    for (index, mut file) in files.into_iter().enumerate().rev() {
        if left == 0 {
            if index + 1 == newest {
                file.seek(SeekFrom::End(0))?;
                kept.push(file);
            }
            break;
        }
        left -= back(&mut file, left)?;
        kept.push(file);
    }
    kept.reverse();
    Ok(kept)
}

/// Moves back by at most `lines` lines from the end; returns how many there were.
fn back(file: &mut File, lines: u64) -> io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut block = vec![0; BLOCK];
    let mut found = 0;
    let mut last_byte = true;
    while end > 0 {
        let start = end.saturating_sub(BLOCK as u64);
        let length = usize::try_from(end - start).unwrap_or(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut block[..length])?;
        for position in (0..length).rev() {
            let newline = block[position] == b'\n';
            if newline && !last_byte {
                found += 1;
                if found == lines {
                    file.seek(SeekFrom::Start(start + position as u64 + 1))?;
                    return Ok(found);
                }
            }
            last_byte = false;
        }
        end = start;
    }
    file.seek(SeekFrom::Start(0))?;
    // The first line of the file has no line break before it.
    Ok(if last_byte { 0 } else { found + 1 })
}

fn drain(mut file: File, printer: &mut Printer, sink: Sink<'_>) -> io::Result<ControlFlow<()>> {
    let mut block = vec![0; BLOCK];
    loop {
        let count = file.read(&mut block)?;
        if count == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        let text = printer.print(&block[..count]);
        if (!text.is_empty() && sink(&text).is_break()) || printer.done() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

/// Turns log records into what the container wrote.
struct Printer {
    since: Option<Timestamp>,
    timestamps: bool,
    records: bool,
    left: Option<u64>,
    /// The beginning of a record whose end is not read yet.
    carry: Vec<u8>,
    /// Whether the last record was a piece of a line.
    in_line: bool,
}

impl Printer {
    fn new(options: &LogOptions) -> Self {
        Self {
            since: options.since,
            timestamps: options.timestamps,
            records: options.records,
            left: options.limit_bytes,
            carry: Vec::new(),
            in_line: false,
        }
    }

    fn done(&self) -> bool {
        self.left == Some(0)
    }

    fn print(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            if self.carry.is_empty() {
                self.record(&rest[..end], &mut out);
            } else {
                let mut whole = std::mem::take(&mut self.carry);
                whole.extend_from_slice(&rest[..end]);
                self.record(&whole, &mut out);
            }
            rest = &rest[end + 1..];
        }
        self.carry.extend_from_slice(rest);
        if let Some(left) = &mut self.left {
            let keep = usize::try_from(*left).unwrap_or(usize::MAX).min(out.len());
            out.truncate(keep);
            *left -= keep as u64;
        }
        out
    }

    fn record(&mut self, record: &[u8], out: &mut Vec<u8>) {
        let mut parts = record.splitn(4, |byte| *byte == b' ');
        let (Some(time), Some(_stream), Some(tag)) = (parts.next(), parts.next(), parts.next())
        else {
            // Torn by a power cut: not a record.
            return;
        };
        let text = parts.next().unwrap_or_default();
        if let Some(since) = self.since {
            let written = std::str::from_utf8(time).ok().and_then(|t| t.parse().ok());
            if written.is_some_and(|written: Timestamp| written < since) {
                return;
            }
        }
        if self.records {
            out.extend_from_slice(record);
            out.push(b'\n');
            return;
        }
        if self.timestamps && !self.in_line {
            out.extend_from_slice(time);
            out.push(b' ');
        }
        out.extend_from_slice(text);
        self.in_line = tag.first() == Some(&b'P');
        if !self.in_line {
            out.push(b'\n');
        }
    }
}

/// Wakes when something in the log's directory changes.
struct Watch {
    inotify: rustix::fd::OwnedFd,
}

impl Watch {
    fn new(path: &Path) -> io::Result<Self> {
        let inotify =
            inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let dir = path.parent().unwrap_or(Path::new("/"));
        let events = inotify::WatchFlags::MODIFY
            | inotify::WatchFlags::CREATE
            | inotify::WatchFlags::MOVED_TO;
        inotify::add_watch(&inotify, dir, events)?;
        Ok(Self { inotify })
    }

    fn wait(&self, at_most: Duration) -> io::Result<()> {
        let timeout = Timespec {
            tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(at_most.subsec_nanos()),
        };
        match poll(&mut [PollFd::new(&self.inotify, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // What changed does not matter, only that it did.
        let mut events = [0; 4096];
        while rustix::io::read(&self.inotify, &mut events).is_ok_and(|count| count > 0) {}
        Ok(())
    }
}

#[cfg(test)]
#[path = "log/tests.rs"]
mod tests;
