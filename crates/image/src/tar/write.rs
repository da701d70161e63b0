//! Writes a tar stream: ustar headers, pax records only where ustar cannot say it.
//!
//! The same entries always give the same bytes. Next: `../pack.rs`.

use std::io::{self, Read, Write};

use super::{BLOCK, Entry, Kind};

/// Largest value of an 8-byte octal field with its terminator.
const OCTAL7_MAX: u64 = 0o7_777_777;
/// Largest value of a 12-byte octal field with its terminator.
const OCTAL11_MAX: u64 = 0o77_777_777_777;

/// A tar stream being written.
pub(crate) struct Writer<W> {
    inner: W,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner }
    }

    /// Writes an entry and, for a file, exactly `entry.size` bytes of `content`.
    pub(crate) fn entry(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let records = records(entry);
        if !records.is_empty() {
            let mut header = Header::new(b'x', b"././@PaxHeader", 0o644);
            header.octal(124, 12, records.len() as u64);
            self.inner.write_all(&header.finish())?;
            self.inner.write_all(&records)?;
            self.pad(records.len() as u64)?;
        }
        let flag = match entry.kind {
            Kind::File => b'0',
            Kind::Hardlink => b'1',
            Kind::Symlink => b'2',
            Kind::Directory => b'5',
            Kind::Fifo => b'6',
            Kind::Device => return Err(io::Error::other("devices are never written")),
        };
        let mut header = Header::new(flag, &entry.name, entry.mode);
        header.octal(108, 8, fit(u64::from(entry.uid), OCTAL7_MAX));
        header.octal(116, 8, fit(u64::from(entry.gid), OCTAL7_MAX));
        header.octal(124, 12, fit(entry.size, OCTAL11_MAX));
        header.octal(136, 12, fit(u64::try_from(entry.mtime_s).unwrap_or(0), OCTAL11_MAX));
        header.bytes(157, 100, &entry.link);
        self.inner.write_all(&header.finish())?;
        if entry.kind == Kind::File && entry.size > 0 {
            let copied = io::copy(&mut content.take(entry.size), &mut self.inner)?;
            if copied != entry.size {
                return Err(io::Error::other("the file became shorter while it was read"));
            }
            self.pad(entry.size)?;
        }
        Ok(())
    }

    /// Writes the end mark and gives the stream back.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&[0; 2 * BLOCK])?;
        Ok(self.inner)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        self.inner.write_all(&[0; BLOCK][..usize::try_from(padding).unwrap_or(0)])
    }
}

/// What goes into the header when a pax record carries the value.
fn fit(value: u64, max: u64) -> u64 {
    if value > max { 0 } else { value }
}

fn records(entry: &Entry) -> Vec<u8> {
    let mut records = Vec::new();
    if entry.name.len() > 100 {
        record(&mut records, b"path", &entry.name);
    }
    if entry.link.len() > 100 {
        record(&mut records, b"linkpath", &entry.link);
    }
    if entry.size > OCTAL11_MAX {
        record(&mut records, b"size", entry.size.to_string().as_bytes());
    }
    for (key, id) in [(&b"uid"[..], entry.uid), (b"gid", entry.gid)] {
        if u64::from(id) > OCTAL7_MAX {
            record(&mut records, key, id.to_string().as_bytes());
        }
    }
    let header_time = u64::try_from(entry.mtime_s).is_ok_and(|s| s <= OCTAL11_MAX);
    if entry.mtime_ns != 0 || !header_time {
        record(&mut records, b"mtime", time(entry.mtime_s, entry.mtime_ns).as_bytes());
    }
    for (name, value) in &entry.xattrs {
        record(&mut records, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
    }
    records
}

/// Seconds with a fraction; the sign applies to the whole number, as pax has it.
fn time(seconds: i64, nanos: u32) -> String {
    let (sign, seconds, nanos) = match (seconds < 0, nanos) {
        (true, 0) => ("-", seconds.unsigned_abs(), 0),
        (true, _) => ("-", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanos),
        (false, _) => ("", seconds.unsigned_abs(), nanos),
    };
    let text = format!("{sign}{seconds}.{nanos:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `length key=value\n`, where the length counts itself.
fn record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

struct Header([u8; BLOCK]);

impl Header {
    fn new(flag: u8, name: &[u8], mode: u32) -> Self {
        let mut header = Self([0; BLOCK]);
        header.bytes(0, 100, name);
        header.octal(100, 8, u64::from(mode));
        header.octal(108, 8, 0);
        header.octal(116, 8, 0);
        header.octal(124, 12, 0);
        header.octal(136, 12, 0);
        header.0[156] = flag;
        header.bytes(257, 8, b"ustar\x0000");
        header
    }

    fn bytes(&mut self, at: usize, room: usize, value: &[u8]) {
        let length = value.len().min(room);
        self.0[at..at + length].copy_from_slice(&value[..length]);
    }

    fn octal(&mut self, at: usize, room: usize, value: u64) {
        let text = format!("{value:0width$o}\0", width = room - 1);
        self.bytes(at, room, text.as_bytes());
    }

    fn finish(mut self) -> [u8; BLOCK] {
        self.0[148..156].fill(b' ');
        let sum: u64 = self.0.iter().map(|byte| u64::from(*byte)).sum();
        self.bytes(148, 8, format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tar::Reader;

    fn kinds() -> impl Strategy<Value = Kind> {
        prop::sample::select(vec![
            Kind::File,
            Kind::Directory,
            Kind::Symlink,
            Kind::Hardlink,
            Kind::Fifo,
        ])
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            name in prop::collection::vec(prop::sample::select(b"abc/._-\xc3\xa4 ".to_vec()), 1..300),
            link in prop::collection::vec(prop::sample::select(b"xyz/".to_vec()), 1..300),
            kind in kinds(), mode in 0_u32..0o10000, uid in any::<u32>(), gid in any::<u32>(),
            mtime_s in -1_000_000_000_i64..100_000_000_000, mtime_ns in prop::option::of(0_u32..1_000_000_000),
            content in prop::collection::vec(any::<u8>(), 0..1500),
            xattr in prop::option::of(prop::collection::vec(any::<u8>(), 0..50)),
        ) {
            let linked = matches!(kind, Kind::Symlink | Kind::Hardlink);
            let content = if kind == Kind::File { content } else { Vec::new() };
            let entry = Entry {
                name, kind, mode, uid, gid, mtime_s, mtime_ns: mtime_ns.unwrap_or(0),
                size: content.len() as u64,
                link: if linked { link } else { Vec::new() },
                xattrs: xattr.into_iter().map(|value| (b"user.x".to_vec(), value)).collect(),
            };
            let mut writer = Writer::new(Vec::new());
            writer.entry(&entry, &mut content.as_slice()).unwrap();
            let bytes = writer.finish().unwrap();
            let mut reader = Reader::new(bytes.as_slice());
            prop_assert_eq!(reader.next().unwrap().unwrap(), entry);
            let mut buffer = vec![0; content.len()];
            let mut read = 0;
            while read < buffer.len() {
                read += reader.content(&mut buffer[read..]).unwrap();
            }
            prop_assert_eq!(buffer, content);
            prop_assert!(reader.next().unwrap().is_none());
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..4096), flips in prop::collection::vec((0_usize..2048, any::<u8>()), 0..4)) {
            let mut reader = Reader::new(bytes.as_slice());
            while let Ok(Some(_)) = reader.next() {}
            // Nearly valid streams reach further than noise does.
            let entry = Entry { name: vec![b'n'; 150], kind: Kind::File, mode: 0o644, uid: 1, gid: 2, mtime_s: 3, mtime_ns: 4, size: 5, link: vec![], xattrs: vec![(b"user.a".to_vec(), vec![1])] };
            let mut writer = Writer::new(Vec::new());
            writer.entry(&entry, &mut &b"12345"[..]).unwrap();
            bytes = writer.finish().unwrap();
            let length = bytes.len();
            for (at, value) in flips {
                bytes[at % length] = value;
            }
            let mut reader = Reader::new(bytes.as_slice());
            while let Ok(Some(_)) = reader.next() {}
        }
    }
}
