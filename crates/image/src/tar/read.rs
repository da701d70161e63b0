//! Reads a tar stream entry by entry, refusing whatever is ambiguous.
//!
//! Limits (names, extension headers) are fixed here; how many entries and bytes a layer may have
//! is the extractor's budget. Next: `../extract.rs`.

use std::io::{self, Read};

use super::{BLOCK, Entry, Kind};
use crate::{Error, Result};

/// Longest name or link target, as the kernel's `PATH_MAX`.
const NAME_MAX: u64 = 4096;
/// Largest pax header: a few names and a 64 KiB attribute.
const EXTENSION_MAX: u64 = 256 << 10;
/// Largest size of one entry; nothing real is near it.
const SIZE_MAX: u64 = 1 << 40;
const XATTR: &[u8] = b"SCHILY.xattr.";

/// A tar stream. After each [`Reader::next`], the entry's content is read from the reader itself.
pub(crate) struct Reader<R> {
    inner: R,
    /// Bytes consumed, for messages.
    offset: u64,
    /// Content bytes of the present entry not yet read.
    content: u64,
    /// Padding after that content.
    padding: u64,
    done: bool,
}

/// What extension headers said about the next entry.
#[derive(Default)]
struct Extension {
    pax: bool,
    gnu: bool,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<(i64, u32)>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, offset: 0, content: 0, padding: 0, done: false }
    }

    /// The next entry; None after the end mark, which must be there and be followed by zeros only.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>> {
        if self.done {
            return Ok(None);
        }
        self.skip()?;
        let mut extension = Extension::default();
        loop {
            let at = self.offset;
            let header = self.block()?;
            if header.iter().all(|byte| *byte == 0) {
                if extension.pax || extension.gnu {
                    return Err(fail(at, "an extension header with no entry after it"));
                }
                self.finish()?;
                return Ok(None);
            }
            check_sum(&header, at)?;
            let size = number(&header[124..136], at, "size")?;
            match header[156] {
                b'x' if extension.pax => return Err(fail(at, "two pax headers for one entry")),
                b'x' => {
                    extension.pax = true;
                    let body = self.body(size, EXTENSION_MAX, at)?;
                    records(&body, at, &mut extension, false)?;
                }
                b'g' => {
                    let body = self.body(size, EXTENSION_MAX, at)?;
                    records(&body, at, &mut extension, true)?;
                }
                b'L' | b'K' => {
                    extension.gnu = true;
                    let mut body = self.body(size, NAME_MAX + 1, at)?;
                    if body.last() == Some(&0) {
                        body.pop();
                    }
                    let slot =
                        if header[156] == b'L' { &mut extension.path } else { &mut extension.link };
                    if slot.replace(body).is_some() {
                        return Err(fail(at, "two long names for one entry"));
                    }
                }
                _ => return self.entry(&header, size, extension, at).map(Some),
            }
            if extension.pax && extension.gnu {
                return Err(fail(at, "pax and GNU extensions for one entry"));
            }
        }
    }

    fn entry(&mut self, header: &[u8; BLOCK], size: u64, ext: Extension, at: u64) -> Result<Entry> {
        let kind = match header[156] {
            0 | b'0' => Kind::File,
            b'1' => Kind::Hardlink,
            b'2' => Kind::Symlink,
            b'3' | b'4' => Kind::Device,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => {
                return Err(fail(at, &format!("entry type `{}` is refused", other.escape_ascii())));
            }
        };
        let size = match ext.size {
            // Writers put 0 or nothing into the header when the size does not fit its octal field.
            Some(pax) if size == pax || size == 0 && pax >= 1 << 33 => pax,
            Some(_) => return Err(fail(at, "the pax size differs from the header's")),
            None => size,
        };
        if size > SIZE_MAX {
            return Err(fail(at, "entry larger than the limit of 1 TiB"));
        }
        if kind != Kind::File && size != 0 {
            return Err(fail(at, "an entry without content that has a size"));
        }
        let name = match ext.path {
            Some(name) => name,
            None => self.header_name(header),
        };
        let link = ext.link.unwrap_or_else(|| text(&header[157..257]).to_vec());
        for name in [&name, &link] {
            if name.len() as u64 > NAME_MAX {
                return Err(fail(at, "name too long, over 4096 bytes"));
            }
            if name.contains(&0) || name.contains(&b'\n') {
                return Err(fail(at, "a name with a NUL or a newline in it"));
            }
        }
        let id = |field: &[u8], what| {
            let value = number(field, at, what)?;
            u32::try_from(value).map_err(|_| fail(at, &format!("{what} out of range")))
        };
        let (mtime_s, mtime_ns) = match ext.mtime {
            Some(mtime) => mtime,
            None => (i64::try_from(number(&header[136..148], at, "mtime")?).unwrap_or(i64::MAX), 0),
        };
        self.content = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(Entry {
            name,
            kind,
            mode: u32::try_from(number(&header[100..108], at, "mode")? & 0o7777).unwrap_or(0),
            uid: ext.uid.map_or_else(|| id(&header[108..116], "uid"), Ok)?,
            gid: ext.gid.map_or_else(|| id(&header[116..124], "gid"), Ok)?,
            mtime_s,
            mtime_ns,
            size,
            link: if matches!(kind, Kind::Hardlink | Kind::Symlink) { link } else { Vec::new() },
            xattrs: ext.xattrs,
        })
    }

    /// Name and, for ustar headers only, prefix.
    #[expect(clippy::unused_self, reason = "reads as a step of `entry`")]
    fn header_name(&self, header: &[u8; BLOCK]) -> Vec<u8> {
        let name = text(&header[..100]);
        let prefix = text(&header[345..500]);
        if &header[257..263] == b"ustar\0" && !prefix.is_empty() {
            [prefix, b"/", name].concat()
        } else {
            name.to_vec()
        }
    }

    /// Skips what is left of the present entry.
    fn skip(&mut self) -> Result<()> {
        let mut left = self.content + self.padding;
        let mut buffer = [0_u8; 8192];
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(buffer.len()).min(buffer.len());
            self.fill(&mut buffer[..want])?;
            left -= want as u64;
        }
        (self.content, self.padding) = (0, 0);
        Ok(())
    }

    fn body(&mut self, size: u64, max: u64, at: u64) -> Result<Vec<u8>> {
        if size > max {
            return Err(fail(at, &format!("extension header too long, over {max} bytes")));
        }
        let padded = size.next_multiple_of(BLOCK as u64);
        let mut body = vec![0; usize::try_from(padded).unwrap_or(0)];
        self.fill(&mut body)?;
        body.truncate(usize::try_from(size).unwrap_or(0));
        Ok(body)
    }

    fn block(&mut self) -> Result<[u8; BLOCK]> {
        let mut block = [0; BLOCK];
        self.fill(&mut block)?;
        Ok(block)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        let at = self.offset;
        self.inner.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => fail(at, "short read: the stream ends inside an entry"),
            _ => fail(at, &format!("cannot read on: {error}")),
        })?;
        self.offset += buffer.len() as u64;
        Ok(())
    }

    /// After the first zero block: everything that follows must be zero too.
    fn finish(&mut self) -> Result<()> {
        self.done = true;
        let mut buffer = [0_u8; 8192];
        loop {
            let at = self.offset;
            let read = match self.inner.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(fail(at, &format!("cannot read on: {error}"))),
            };
            if buffer[..read].iter().any(|byte| *byte != 0) {
                return Err(fail(at, "trailing data after the end mark"));
            }
            self.offset += read as u64;
        }
    }

    /// Reads content of the present entry; an early end of the stream is an error here already.
    pub(crate) fn content(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let want = usize::try_from(self.content).unwrap_or(buffer.len()).min(buffer.len());
        self.fill(&mut buffer[..want])?;
        self.content -= want as u64;
        Ok(want)
    }
}

fn fail(offset: u64, reason: &str) -> Error {
    Error::Tar { offset, reason: reason.to_owned() }
}

/// Up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn check_sum(header: &[u8; BLOCK], at: u64) -> Result<()> {
    let sum: u64 = header
        .iter()
        .enumerate()
        .map(|(i, byte)| u64::from(if (148..156).contains(&i) { b' ' } else { *byte }))
        .sum();
    if number(&header[148..156], at, "checksum")? == sum {
        Ok(())
    } else {
        Err(fail(at, "header checksum is off"))
    }
}

/// An octal field, or GNU's base-256 for what does not fit; negative values are refused.
fn number(field: &[u8], at: u64, what: &str) -> Result<u64> {
    if field[0] & 0x80 != 0 {
        if field[0] & 0x40 != 0 {
            return Err(fail(at, &format!("{what} is negative")));
        }
        let mut value = u64::from(field[0] & 0x3f);
        for byte in &field[1..] {
            value = value
                .checked_mul(256)
                .map(|value| value | u64::from(*byte))
                .filter(|value| *value <= i64::MAX as u64)
                .ok_or_else(|| fail(at, &format!("{what} out of range")))?;
        }
        return Ok(value);
    }
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|b| matches!(b, b' ' | 0)).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    if rest.iter().any(|b| !matches!(b, b' ' | 0)) {
        return Err(fail(at, &format!("{what} is no octal number")));
    }
    let mut value = 0_u64;
    for digit in digits {
        if !matches!(digit, b'0'..=b'7') {
            return Err(fail(at, &format!("{what} is no octal number")));
        }
        value = value * 8 + u64::from(digit - b'0');
    }
    Ok(value)
}

/// The records of a pax header: `length key=value\n`.
fn records(mut body: &[u8], at: u64, ext: &mut Extension, global: bool) -> Result<()> {
    let bad = || fail(at, "bad pax record");
    while !body.is_empty() {
        let space = body.iter().position(|byte| *byte == b' ').ok_or_else(bad)?;
        let length: usize = decimal(&body[..space])
            .and_then(|length| usize::try_from(length).ok())
            .filter(|length| *length > space + 2 && *length <= body.len())
            .ok_or_else(bad)?;
        let record = &body[space + 1..length];
        let record = record.strip_suffix(b"\n").ok_or_else(bad)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(bad)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        if global {
            // Archives made by git carry a global comment; anything that would change entries
            // from afar is refused.
            if key != b"comment" {
                return Err(fail(at, "a global pax header that is no comment"));
            }
        } else {
            record_of(key, value, ext)
                .ok_or_else(|| fail(at, &format!("bad pax record `{}`", key.escape_ascii())))?;
        }
        body = &body[length..];
    }
    Ok(())
}

/// Takes in one record; None when it is malformed, given twice or refused.
fn record_of(key: &[u8], value: &[u8], ext: &mut Extension) -> Option<()> {
    let id = |value| u32::try_from(decimal(value)?).ok();
    let fresh = match key {
        b"path" => ext.path.replace(value.to_vec()).is_none(),
        b"linkpath" => ext.link.replace(value.to_vec()).is_none(),
        b"size" => ext.size.replace(decimal(value)?).is_none(),
        b"uid" => ext.uid.replace(id(value)?).is_none(),
        b"gid" => ext.gid.replace(id(value)?).is_none(),
        b"mtime" => ext.mtime.replace(time(value)?).is_none(),
        key if key.starts_with(b"GNU.sparse.") => false,
        key => match key.strip_prefix(XATTR) {
            Some(name) if !name.is_empty() && name.len() <= 255 && value.len() <= 64 << 10 => {
                let fresh = !ext.xattrs.iter().any(|(known, _)| known == name);
                ext.xattrs.push((name.to_vec(), value.to_vec()));
                fresh
            }
            Some(_) => false,
            // Owner names, access times, character sets, vendors' keys: without effect here.
            None => true,
        },
    };
    fresh.then_some(())
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `[-]seconds[.fraction]`.
fn time(text: &[u8]) -> Option<(i64, u32)> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b""[..]),
    };
    let seconds = i64::try_from(decimal(whole)?).ok()?;
    if fraction.len() > 32 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut nanos = 0_u32;
    for at in 0..9 {
        nanos = nanos * 10 + u32::from(fraction.get(at).map_or(0, |digit| digit - b'0'));
    }
    Some(match (negative, nanos) {
        (false, _) => (seconds, nanos),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanos),
    })
}
