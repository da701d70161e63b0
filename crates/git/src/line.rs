//! The protocol's lines: four hexadecimal digits of length, then the bytes (gitprotocol-common(5)),
//! and the answers of a server of pushes (gitprotocol-pack(5), gitprotocol-http(5)).

use std::io::Read;

use crate::{Error, Id, Result};

/// The longest line with its length.
const MOST_LINE_BYTES: usize = 65520;
/// What one line of a band carries.
const MOST_BAND_BYTES: usize = MOST_LINE_BYTES - 5;

/// What is offered to who pushes. No options and no certificates are taken, because nothing would
/// look at them; packs are whole, so that what is kept never has to be complete.
const OFFERED: &str =
    "report-status side-band-64k no-thin ofs-delta object-format=sha1 agent=shelf";

/// Where a piece of an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band {
    /// To the program: the verdict.
    Data = 1,
    /// To the person, with `remote:` in front.
    Person = 2,
}

/// Reads a line; nothing at a flush.
pub(crate) fn read(from: &mut impl Read) -> Result<Option<Vec<u8>>> {
    let mut digits = [0; 4];
    from.read_exact(&mut digits).map_err(Error::Broken)?;
    let text = std::str::from_utf8(&digits).ok().filter(|text| !text.starts_with('+'));
    let length = text.and_then(|text| usize::from_str_radix(text, 16).ok());
    match length {
        Some(0) => Ok(None),
        Some(length @ 4..=MOST_LINE_BYTES) => {
            let mut line = vec![0; length - 4];
            from.read_exact(&mut line).map_err(Error::Broken)?;
            Ok(Some(line))
        }
        _ => Err(Error::Protocol(format!("{:?} is no length", String::from_utf8_lossy(&digits)))),
    }
}

fn line(bytes: &[u8]) -> Vec<u8> {
    [format!("{:04x}", bytes.len() + 4).as_bytes(), bytes].concat()
}

/// The end of a part of an answer.
pub fn flush() -> &'static [u8] {
    b"0000"
}

/// What is said first to who wants to push: the commit that is there, and what is offered.
pub fn advertisement(tip: Option<&(String, Id)>) -> Vec<u8> {
    let what = match tip {
        Some((branch, id)) => format!("{id} refs/heads/{branch}\0{OFFERED}\n"),
        None => format!("{} capabilities^{{}}\0{OFFERED}\n", Id::NONE),
    };
    [&line(b"# service=git-receive-pack\n"), flush(), &line(what.as_bytes()), flush()].concat()
}

/// Something said in the middle of an answer, in as many lines as it takes.
pub fn said(band: Band, bytes: &[u8]) -> Vec<u8> {
    let piece = |piece: &[u8]| line(&[&[band as u8], piece].concat());
    bytes.chunks(MOST_BAND_BYTES).flat_map(piece).collect()
}

/// The verdict: whether the pack was taken, and for each name why not, if not.
pub fn verdict(unpack: Result<(), &str>, names: &[(String, Result<(), String>)]) -> Vec<u8> {
    let plain = |text: &str| text.replace(['\n', '\r', '\0'], " ");
    let mut all = match unpack {
        Ok(()) => line(b"unpack ok\n"),
        Err(why) => line(format!("unpack {}\n", plain(why)).as_bytes()),
    };
    for (name, result) in names {
        let text = match result {
            Ok(()) => format!("ok {name}\n"),
            Err(why) => format!("ng {name} {}\n", plain(why)),
        };
        all.extend(line(text.as_bytes()));
    }
    all.extend(flush());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_their_length_in_front() {
        assert_eq!(line(b"a\n"), b"0006a\n");
        assert_eq!(read(&mut &b"0006a\n0000"[..]).unwrap().unwrap(), b"a\n");
        assert_eq!(read(&mut &b"0000"[..]).unwrap(), None);
        for odd in [&b"0003"[..], b"+006a\n", b"zzzz", b"ffff", b"0009a", b"00"] {
            assert!(read(&mut &odd[..]).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn a_verdict_is_lines_too() {
        let names = [("refs/heads/main".to_owned(), Err("went back\nto a".to_owned()))];
        let text = String::from_utf8(verdict(Ok(()), &names)).unwrap();
        assert_eq!(text, "000eunpack ok\n0026ng refs/heads/main went back to a\n0000");
    }
}
