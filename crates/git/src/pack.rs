//! One entry of a pack: its head, its bytes, and a delta applied (gitformat-pack(5)).

use std::io::{BufRead, Read};

use flate2::bufread::ZlibDecoder;

use crate::object::Kind;
use crate::{Error, Id, Result};

/// The largest object that is held in memory.
pub(crate) const MOST_OBJECT_BYTES: u64 = 128 << 20;

/// How an entry holds its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Whole(Kind),
    /// As what changed since the object so many bytes earlier in the pack.
    Earlier(u64),
    /// As what changed since the object of this name.
    Named(Id),
}

fn broken(source: std::io::Error) -> Error {
    match source.kind() {
        std::io::ErrorKind::UnexpectedEof => Error::Pack("it breaks off".into()),
        std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => {
            Error::Pack("it cannot be inflated".into())
        }
        _ => Error::Broken(source),
    }
}

fn byte(from: &mut impl Read) -> Result<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte).map_err(broken)?;
    Ok(byte[0])
}

/// The head of an entry: how it holds its object, the size of what follows once inflated, and how
/// long the head was.
pub(crate) fn head(from: &mut impl Read) -> Result<(Form, u64, u64)> {
    let first = byte(from)?;
    let (mut size, mut shift, mut length, mut last) = (u64::from(first & 15), 4, 1, first);
    while last & 0x80 != 0 {
        last = byte(from)?;
        length += 1;
        if shift > 57 {
            return Err(Error::Pack("a size that is no size".into()));
        }
        size |= u64::from(last & 0x7f) << shift;
        shift += 7;
    }
    let form = match first >> 4 & 7 {
        1 => Form::Whole(Kind::Commit),
        2 => Form::Whole(Kind::Tree),
        3 => Form::Whole(Kind::Blob),
        4 => Form::Whole(Kind::Tag),
        6 => {
            let mut last = byte(from)?;
            length += 1;
            let mut distance = u64::from(last & 0x7f);
            while last & 0x80 != 0 {
                last = byte(from)?;
                length += 1;
                if distance > 1 << 48 {
                    return Err(Error::Pack("a distance that is no distance".into()));
                }
                distance = (distance + 1) << 7 | u64::from(last & 0x7f);
            }
            Form::Earlier(distance)
        }
        7 => {
            let mut id = [0; 20];
            from.read_exact(&mut id).map_err(broken)?;
            length += 20;
            Form::Named(Id(id))
        }
        other => return Err(Error::Pack(format!("an entry of kind {other}"))),
    };
    Ok((form, size, length))
}

/// Inflates what follows a head, piece by piece; how many bytes it took in the pack.
pub(crate) fn inflate(
    from: &mut impl BufRead,
    size: u64,
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let mut inflating = ZlibDecoder::new(from);
    let mut piece = [0; 16 * 1024];
    let mut found = 0;
    loop {
        let count = inflating.read(&mut piece).map_err(broken)?;
        if count == 0 {
            break;
        }
        found += count as u64;
        if found > size {
            return Err(Error::Pack("an object is longer than it says".into()));
        }
        take(&piece[..count])?;
    }
    if found != size {
        return Err(Error::Pack("an object is shorter than it says".into()));
    }
    Ok(inflating.total_in())
}

/// Inflates what follows a head into memory.
pub(crate) fn whole(from: &mut impl BufRead, size: u64) -> Result<Vec<u8>> {
    if size > MOST_OBJECT_BYTES {
        return Err(Error::TooMuch(format!("an object of {} MiB", size >> 20)));
    }
    let mut bytes = Vec::new();
    inflate(from, size, |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(bytes)
}

/// What a delta makes of its base.
pub(crate) fn changed(base: &[u8], delta: &[u8]) -> Result<Vec<u8>> {
    let odd = || Error::Pack("a delta that makes no sense".into());
    let mut delta = delta.iter().copied();
    let mut size = || {
        let (mut size, mut shift) = (0_u64, 0);
        loop {
            let byte = delta.next()?;
            size |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            match byte & 0x80 {
                0 => return Some(size),
                _ if shift > 56 => return None,
                _ => {}
            }
        }
    };
    let (from, to) = (size().ok_or_else(odd)?, size().ok_or_else(odd)?);
    if from != base.len() as u64 {
        return Err(odd());
    }
    if to > MOST_OBJECT_BYTES {
        return Err(Error::TooMuch(format!("an object of {} MiB", to >> 20)));
    }
    let mut made = Vec::new();
    while let Some(order) = delta.next() {
        if order & 0x80 == 0 {
            if order == 0 {
                return Err(odd());
            }
            let before = made.len();
            made.extend(delta.by_ref().take(usize::from(order)));
            if made.len() - before != usize::from(order) {
                return Err(odd());
            }
        } else {
            let mut number = |bits: std::ops::Range<u8>| -> Option<usize> {
                let first = bits.start;
                bits.filter(|bit| order & 1 << bit != 0).try_fold(0, |sum, bit| {
                    Some(sum | usize::from(delta.next()?) << ((bit - first) * 8))
                })
            };
            let at = number(0..4).ok_or_else(odd)?;
            let count = match number(4..7).ok_or_else(odd)? {
                0 => 0x10000,
                count => count,
            };
            let end = at.checked_add(count).ok_or_else(odd)?;
            made.extend_from_slice(base.get(at..end).ok_or_else(odd)?);
        }
        if made.len() as u64 > to {
            return Err(odd());
        }
    }
    if made.len() as u64 == to { Ok(made) } else { Err(odd()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_copies_and_adds() {
        // Ten bytes become eight: four copied from the third on, then four new ones.
        let delta = [10, 8, 0b1001_0001, 2, 4, 4, b'w', b'x', b'y', b'z'];
        assert_eq!(changed(b"0123456789", &delta).unwrap(), b"2345wxyz");
        assert!(changed(b"012345678", &delta).is_err(), "another base");
        assert!(changed(b"0123456789", &delta[..9]).is_err(), "it breaks off");
        assert!(changed(b"0123456789", &[10, 4, 0b1001_0001, 8, 4]).is_err(), "beyond the base");
        assert!(changed(b"0123456789", &[10, 4, 0]).is_err(), "the order that means nothing");
        assert!(changed(b"", &[0, 0xff, 0xff, 0xff, 0xff, 0x7f]).is_err(), "too large to hold");
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(base: Vec<u8>, delta: Vec<u8>) {
            let _any = (changed(&base, &delta), head(&mut &delta[..]), whole(&mut &delta[..], 99));
        }
    }
}
