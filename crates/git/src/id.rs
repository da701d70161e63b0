//! Names of objects: the SHA-1 of what they are, with attacks on SHA-1 detected.

use std::fmt;

use sha1_checked::{Digest, Sha1};

use crate::object::Kind;
use crate::{Error, Result};

/// The name of an object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub(crate) [u8; 20]);

impl Id {
    /// The name that stands for none.
    pub const NONE: Self = Self([0; 20]);

    /// Reads forty hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 40 {
            return None;
        }
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |digit: u8| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            };
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// The twenty bytes of a name.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

/// A name while it is made.
pub(crate) struct Naming(Sha1);

impl Naming {
    /// Of an object: its kind and size come first.
    pub(crate) fn object(kind: Kind, size: u64) -> Self {
        let mut naming = Self::plain();
        naming.update(format!("{} {size}\0", kind.word()).as_bytes());
        naming
    }

    /// Of bytes as they are.
    pub(crate) fn plain() -> Self {
        Self(Sha1::new())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The name; an error if the bytes were made to share theirs with others.
    pub(crate) fn finish(self) -> Result<Id> {
        let found = self.0.try_finalize();
        if found.has_collision() {
            return Err(Error::Pack("an object was made to have another's name (SHA-1)".into()));
        }
        let mut bytes = [0; 20];
        bytes.copy_from_slice(found.hash().as_slice());
        Ok(Id(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_git_gives() {
        let mut naming = Naming::object(Kind::Blob, 6);
        naming.update(b"hello\n");
        let id = naming.finish().unwrap();
        assert_eq!(id.to_string(), "ce013625030ba8dba906f756967f9e9ca394464a");
        assert_eq!(Id::parse(&id.to_string()), Some(id));
        assert_eq!(Id::parse("CE013625030ba8dba906f756967f9e9ca394464a"), None);
        assert_eq!(Id::parse("ce01"), None);
    }
}
