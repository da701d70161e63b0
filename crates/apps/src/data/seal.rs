//! A key from a passphrase, and pieces sealed with it: AES-256-GCM, keys by PBKDF2-HMAC-SHA256.
//!
//! Every piece has a nonce of its own, made from its place; the key is new for every archive, for
//! its salt is. So no nonce is ever used twice with a key.

use std::num::NonZeroU32;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::pbkdf2;
use serde::{Deserialize, Serialize};

/// As OWASP recommends for PBKDF2-HMAC-SHA256; about a third of a second.
const ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).expect("not zero");
/// A file that asks for more would be an attack on the reader's time.
const MOST_ROUNDS: u32 = 5_000_000;

/// How an archive is sealed; stands in its header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealing {
    kdf: String,
    rounds: u32,
    salt: String,
    cipher: String,
}

/// Seals and opens pieces.
pub(super) struct Seal(LessSafeKey);

/// What a piece could not be opened for: another key, or other bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong;

impl Sealing {
    /// A new sealing with a salt of its own.
    pub(super) fn new(random: [u8; 16]) -> Self {
        Self {
            kdf: "pbkdf2-hmac-sha256".into(),
            rounds: ROUNDS.get(),
            salt: random.iter().map(|byte| format!("{byte:02x}")).collect(),
            cipher: "aes-256-gcm".into(),
        }
    }

    /// The key for a passphrase. Nothing if the header asks for something unknown.
    pub(super) fn key(&self, passphrase: &[u8]) -> Option<Seal> {
        let known = self.kdf == "pbkdf2-hmac-sha256" && self.cipher == "aes-256-gcm";
        let rounds = NonZeroU32::new(self.rounds).filter(|rounds| rounds.get() <= MOST_ROUNDS)?;
        if !known || self.salt.len() > 128 {
            return None;
        }
        let mut key = [0; 32];
        let salt = self.salt.as_bytes();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, passphrase, &mut key);
        let key = UnboundKey::new(&AES_256_GCM, &key).ok()?;
        Some(Seal(LessSafeKey::new(key)))
    }
}

impl Seal {
    /// Seals `bytes` for the place `part`, `piece`; `path` is sealed with them.
    pub(super) fn close(
        &self,
        (part, piece): (u32, u64),
        path: &str,
        mut bytes: Vec<u8>,
    ) -> Vec<u8> {
        let aad = Aad::from(path.as_bytes());
        self.0
            .seal_in_place_append_tag(nonce(part, piece), aad, &mut bytes)
            // It fails for more than 64 GiB at once; pieces are a few MiB.
            .expect("a piece is small");
        bytes
    }

    /// The reverse.
    pub(super) fn open(
        &self,
        (part, piece): (u32, u64),
        path: &str,
        mut bytes: Vec<u8>,
    ) -> Result<Vec<u8>, Wrong> {
        let aad = Aad::from(path.as_bytes());
        let length =
            self.0.open_in_place(nonce(part, piece), aad, &mut bytes).map_err(|_| Wrong)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

fn nonce(part: u32, piece: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[..4].copy_from_slice(&part.to_be_bytes());
    bytes[4..].copy_from_slice(&piece.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_place_and_path_open_a_piece() {
        let mut sealing = Sealing::new([7; 16]);
        sealing.rounds = 2;
        let key = sealing.key(b"open sesame").unwrap();
        let sealed = key.close((1, 2), "a/b", b"rows".to_vec());
        assert!(!sealed.windows(4).any(|window| window == b"rows"));
        assert_eq!(key.open((1, 2), "a/b", sealed.clone()).unwrap(), b"rows");
        assert_eq!(key.open((1, 3), "a/b", sealed.clone()), Err(Wrong));
        assert_eq!(key.open((1, 2), "a/c", sealed.clone()), Err(Wrong));
        let other = sealing.key(b"open barley").unwrap();
        assert_eq!(other.open((1, 2), "a/b", sealed), Err(Wrong));
        sealing.rounds = u32::MAX;
        assert!(sealing.key(b"x").is_none(), "it would take hours");
    }
}
