//! Signatures of images and artifacts, made and found as cosign does: ECDSA with P-256 over a short
//! text that names the repository and the digest, kept beside what it signs.
//!
//! Follows cosign's `SIGNATURE_SPEC.md` (payload type `cosign container image signature`). The
//! signature lies under the tag `sha256-HEX.sig`, where every cosign looks, and names what it signs
//! as its `subject`, so that [`Repository::referrers`] finds it too. Keys are plain PEM: PKCS #8 and
//! SubjectPublicKeyInfo. Where next: `referrers.rs`.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::document::Fields;
use crate::{Descriptor, Error, MANIFEST_TYPE, Repository, Result};

/// Type of a signature as an artifact.
pub const SIGNATURE_TYPE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// Type of the text that is signed.
const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
/// The layer's remark that holds the signature itself, in base64.
const REMARK: &str = "dev.cosignproject.cosign/signature";
/// What the text says of itself.
const MEANING: &str = "cosign container image signature";
/// Longest text that is read, in bytes.
const PAYLOAD_MAX: u64 = 64 << 10;
/// Signatures that are looked at: more is an attempt to keep us busy.
const COUNT_MAX: usize = 64;

/// A private key.
pub struct SigningKey(EcdsaKeyPair);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// A public key, against which signatures are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// SubjectPublicKeyInfo.
    der: Vec<u8>,
}

/// A signature that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The repository that the signer named, such as `registry.example.org/team/redis`. A mirror
    /// keeps the name of the original; whoever asked for another name must refuse it.
    pub name: String,
    /// Which of the keys it was made with.
    pub key: usize,
}

impl SigningKey {
    /// A new key and its PEM, which only its owner may read.
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn generate() -> Result<(Self, String)> {
        let bytes =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
                .map_err(|_| unfit("a new key", "the machine gives no randomness"))?;
        let key = Self::from_der(bytes.as_ref())?;
        Ok((key, pem("PRIVATE KEY", bytes.as_ref())))
    }

    /// Reads a key: PKCS #8 in PEM.
    ///
    /// # Errors
    /// It is none, or not one of ECDSA with P-256.
    pub fn from_pem(text: &str) -> Result<Self> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes())
            .map_err(|error| unfit("the private key", &error.to_string()))?;
        Self::from_der(der.secret_pkcs8_der())
    }

    fn from_der(der: &[u8]) -> Result<Self> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der)
            .map(Self)
            .map_err(|_| unfit("the private key", "it is none of ECDSA with P-256 in PKCS #8"))
    }

    /// The key to check its signatures with.
    ///
    /// # Errors
    /// The library cannot write it.
    pub fn public(&self) -> Result<PublicKey> {
        let der: PublicKeyX509Der<'_> = self
            .0
            .public_key()
            .as_der()
            .map_err(|_| unfit("the private key", "it has no public half"))?;
        Ok(PublicKey { der: der.as_ref().to_vec() })
    }

    /// Signs bytes: ASN.1, as openssl has it.
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let signed = self.0.sign(&SystemRandom::new(), bytes);
        let signed = signed.map_err(|_| unfit("signing", "the machine gives no randomness"))?;
        Ok(signed.as_ref().to_vec())
    }
}

impl PublicKey {
    /// Reads a key: SubjectPublicKeyInfo in PEM.
    ///
    /// # Errors
    /// It is none.
    pub fn from_pem(text: &str) -> Result<Self> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes())
            .map_err(|error| unfit("the public key", &error.to_string()))?;
        let key = Self { der: der.as_ref().to_vec() };
        // Found out now and not with the first signature.
        aws_lc_rs::signature::ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &key.der)
            .map_err(|_| unfit("the public key", "it is none of ECDSA with P-256"))?;
        Ok(key)
    }

    /// The key as PEM.
    pub fn to_pem(&self) -> String {
        pem("PUBLIC KEY", &self.der)
    }

    /// Whether a signature over these bytes was made with this key's private half.
    pub fn made(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.der).verify(bytes, signature).is_ok()
    }
}

impl Repository {
    /// Signs what is here under a digest; signatures that are there already stay.
    ///
    /// # Errors
    /// There is no such thing here, or the registry does not take the signature.
    pub async fn sign(&self, digest: &str, key: &SigningKey) -> Result<Descriptor> {
        let subject = self.resolve(digest).await?;
        let text = payload(&self.name(), digest);
        let signature = BASE64.encode(key.sign(&text)?);
        let mut layer = self.push_blob(PAYLOAD_TYPE, &text).await?;
        layer.annotations.insert(REMARK.to_owned(), signature);
        let mut layers = match self.manifest(&tag(digest)).await {
            Ok(there) => {
                let what = self.what(&tag(digest));
                Fields::parse(&there.bytes).map_err(|reason| self.wrong(&what, reason))?.layers
            }
            Err(Error::Missing { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        layers.push(layer);
        let parts: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
        let config = json!({
            "architecture": "", "os": "", "config": {}, "created": "0001-01-01T00:00:00Z",
            "rootfs": { "type": "layers", "diff_ids": parts },
        });
        let config = self.push_blob(CONFIG_TYPE, config.to_string().as_bytes()).await?;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": SIGNATURE_TYPE,
            "config": config, "layers": layers,
            "subject": {
                "mediaType": subject.media_type, "digest": subject.digest, "size": subject.size,
            },
        });
        self.push_manifest(Some(&tag(digest)), MANIFEST_TYPE, manifest.to_string().as_bytes()).await
    }

    /// The first signature of a digest that one of the keys made.
    ///
    /// # Errors
    /// [`Error::Unsigned`] says why none is good: there is none, another key made it, or it is of
    /// something else.
    pub async fn signed(&self, digest: &str, keys: &[PublicKey]) -> Result<Signed> {
        let (found, why) = self.looked_at(digest, keys, 1).await?;
        found.into_iter().next().ok_or_else(|| self.unsigned(digest, why))
    }

    /// Every good signature of a digest that one of the keys made, under whatever name.
    ///
    /// # Errors
    /// The registry does not answer, or there are more signatures than anybody makes.
    pub async fn signers(&self, digest: &str, keys: &[PublicKey]) -> Result<Vec<Signed>> {
        self.looked_at(digest, keys, COUNT_MAX).await.map(|(found, _)| found)
    }

    fn unsigned(&self, digest: &str, reason: &str) -> Error {
        Error::Unsigned { name: format!("{}@{digest}", self.name()), reason: reason.to_owned() }
    }

    /// Up to `enough` good signatures, and why the last of the others is none.
    async fn looked_at(
        &self,
        digest: &str,
        keys: &[PublicKey],
        enough: usize,
    ) -> Result<(Vec<Signed>, &'static str)> {
        let (mut found, mut why) = (Vec::new(), "nobody signed it");
        let mut manifests = vec![tag(digest)];
        let others = self.referrers(digest, Some(SIGNATURE_TYPE)).await?;
        manifests.extend(others.into_iter().map(|one| one.digest));
        let mut left = COUNT_MAX;
        for place in manifests {
            let manifest = match self.manifest(&place).await {
                Ok(manifest) => manifest,
                Err(Error::Missing { .. }) => continue,
                Err(error) => return Err(error),
            };
            let what = self.what(&place);
            let fields =
                Fields::parse(&manifest.bytes).map_err(|reason| self.wrong(&what, reason))?;
            for layer in fields.layers.iter().filter(|one| one.media_type == PAYLOAD_TYPE) {
                left = left.checked_sub(1).ok_or_else(|| {
                    self.unsigned(digest, "there are too many signatures to look at")
                })?;
                let signature = layer.annotations.get(REMARK).map(|text| BASE64.decode(text));
                let Some(Ok(signature)) = signature.filter(|_| layer.size <= PAYLOAD_MAX) else {
                    continue;
                };
                let text = self.blob(layer).await?;
                let Some(key) = keys.iter().position(|key| key.made(&text, &signature)) else {
                    why = "it was signed with a key that is not trusted here";
                    continue;
                };
                match named(&text, digest) {
                    Some(name) => found.push(Signed { name, key }),
                    None => why = "the signature beside it is of something else",
                }
                if found.len() >= enough {
                    return Ok((found, why));
                }
            }
        }
        Ok((found, why))
    }

    /// Its registry and its path: what a signer signs.
    pub fn name(&self) -> String {
        format!("{}/{}", crate::host::familiar(&self.host), self.path)
    }
}

/// Where cosign keeps the signatures of a digest.
fn tag(digest: &str) -> String {
    format!("{}.sig", digest.replace(':', "-"))
}

/// The text that is signed.
fn payload(name: &str, digest: &str) -> Vec<u8> {
    let text: Value = json!({
        "critical": {
            "identity": { "docker-reference": name },
            "image": { "docker-manifest-digest": digest },
            "type": MEANING,
        },
        "optional": null,
    });
    text.to_string().into_bytes()
}

/// The repository that a signed text names, if it is about this digest.
fn named(text: &[u8], digest: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Text {
        critical: Critical,
    }
    #[derive(Deserialize)]
    struct Critical {
        identity: Identity,
        image: Image,
        #[serde(rename = "type")]
        meaning: String,
    }
    #[derive(Deserialize)]
    struct Identity {
        #[serde(rename = "docker-reference")]
        name: String,
    }
    #[derive(Deserialize)]
    struct Image {
        #[serde(rename = "docker-manifest-digest")]
        digest: String,
    }
    let critical = serde_json::from_slice::<Text>(text).ok()?.critical;
    let fits = critical.meaning == MEANING && critical.image.digest == digest;
    fits.then_some(critical.identity.name)
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let body = BASE64.encode(der);
    for line in body.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

fn unfit(what: &str, reason: &str) -> Error {
    Error::Setting { what: what.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000001";

    #[test]
    fn a_key_is_read_as_it_was_written_and_knows_its_own() {
        let (key, text) = SigningKey::generate().unwrap();
        let again = SigningKey::from_pem(&text).unwrap();
        let public = PublicKey::from_pem(&key.public().unwrap().to_pem()).unwrap();
        let mut bytes = payload("r.example.org/team/redis", DIGEST);
        let signature = again.sign(&bytes).unwrap();
        assert!(public.made(&bytes, &signature));
        let (other, _) = SigningKey::generate().unwrap();
        assert!(!other.public().unwrap().made(&bytes, &signature));
        bytes[3] ^= 1;
        assert!(!public.made(&bytes, &signature));
        assert!(!format!("{key:?}").contains("Ecdsa"));
    }

    #[test]
    fn what_is_no_key_is_refused_in_words() {
        for text in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(SigningKey::from_pem(text).is_err());
            assert!(PublicKey::from_pem(text).is_err());
        }
        let wrong = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
        let said = PublicKey::from_pem(wrong).unwrap_err().to_string();
        assert_eq!(said, "the public key: it is none of ECDSA with P-256");
    }

    #[test]
    fn a_text_counts_for_its_own_digest_only() {
        let text = payload("r.example.org/team/redis", DIGEST);
        assert_eq!(named(&text, DIGEST).as_deref(), Some("r.example.org/team/redis"));
        assert_eq!(named(&text, &DIGEST.replace('1', "2")), None);
        let other = String::from_utf8(text).unwrap().replace(MEANING, "a greeting");
        assert_eq!(named(other.as_bytes(), DIGEST), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_text_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(named(&bytes, DIGEST).is_none());
            let text = String::from_utf8_lossy(&bytes).into_owned();
            prop_assert!(PublicKey::from_pem(&text).is_err());
        }
    }
}
