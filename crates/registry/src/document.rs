//! Manifests, indexes and descriptors (OCI image-spec) as a registry sends and takes them.
//!
//! Limited to 4 MiB. What we do not know is kept, for documents are passed on byte for byte. Where
//! next: `repository.rs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Type of an OCI image index.
pub const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// Type of an OCI image manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// Type of the two bytes `{}`: the configuration of an artifact that has none.
pub const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// Docker's types of the same.
pub(crate) const DOCKER_LIST_TYPE: &str =
    "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_MANIFEST_TYPE: &str =
    "application/vnd.docker.distribution.manifest.v2+json";
/// What a manifest may be, in the order we like it.
pub(crate) const ACCEPTED: [&str; 4] =
    [INDEX_TYPE, DOCKER_LIST_TYPE, MANIFEST_TYPE, DOCKER_MANIFEST_TYPE];
/// Largest manifest that is read, in bytes.
pub(crate) const DOCUMENT_MAX: u64 = 4 << 20;

/// A pointer to a blob or a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    #[serde(default)]
    pub media_type: String,
    /// `sha256:…` of its bytes.
    pub digest: String,
    /// Count of its bytes.
    pub size: u64,
    /// What it is for, where it is an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The machine it is for, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Remarks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A kind of machine, in Go's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64` …
    #[serde(default)]
    pub architecture: String,
    /// `linux` …
    #[serde(default)]
    pub os: String,
    /// `v8` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A manifest or index as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its type, digest and size.
    pub descriptor: Descriptor,
    /// The very bytes that the digest is of.
    pub bytes: Vec<u8>,
}

/// The fields of a manifest or an index that we read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Fields {
    schema_version: u32,
    pub(crate) media_type: Option<String>,
    pub(crate) artifact_type: Option<String>,
    pub(crate) config: Option<Descriptor>,
    pub(crate) layers: Vec<Descriptor>,
    pub(crate) manifests: Vec<Descriptor>,
    pub(crate) subject: Option<Descriptor>,
    pub(crate) annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    /// A pointer to these bytes.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: image::sha256(bytes),
            size: bytes.len() as u64,
            ..Self::default()
        }
    }
}

impl Fields {
    /// Reads a manifest or an index.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() as u64 > DOCUMENT_MAX {
            return Err("the manifest is longer than 4 MiB".to_owned());
        }
        let fields: Self = serde_json::from_slice(bytes)
            .map_err(|error| format!("the manifest is not understood: {error}"))?;
        if fields.schema_version != 2 {
            let version = fields.schema_version;
            return Err(format!("a manifest of schema {version}; only schema 2 is understood"));
        }
        let all = [
            fields.config.as_slice(),
            &fields.layers,
            &fields.manifests,
            fields.subject.as_slice(),
        ];
        let odd = all.into_iter().flatten().find(|one| !is_digest(&one.digest));
        if let Some(odd) = odd {
            let digest = odd.digest.escape_default().take(80).collect::<String>();
            return Err(format!(
                "the manifest has the digest `{digest}`; only sha256 is understood"
            ));
        }
        Ok(fields)
    }

    /// Whether this is a list of manifests: by what is in it, for the type is not always there.
    pub(crate) fn is_index(&self) -> bool {
        match self.media_type.as_deref() {
            Some(INDEX_TYPE | DOCKER_LIST_TYPE) => true,
            Some(MANIFEST_TYPE | DOCKER_MANIFEST_TYPE) => false,
            _ => self.config.is_none() && !self.manifests.is_empty(),
        }
    }

    /// What an artifact is, in words.
    pub(crate) fn kind(&self) -> String {
        let config = self.config.as_ref().map(|config| config.media_type.as_str());
        let known = self.artifact_type.as_deref().or(config).unwrap_or("an artifact");
        known.chars().filter(|letter| !letter.is_control()).take(120).collect()
    }

    /// Whether the configuration is one of an image.
    pub(crate) fn is_image(&self) -> bool {
        const IMAGES: [&str; 2] = [
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.docker.container.image.v1+json",
        ];
        self.config.as_ref().is_some_and(|config| IMAGES.contains(&config.media_type.as_str()))
    }

    /// The manifest of an index for this machine.
    pub(crate) fn for_machine(&self) -> Option<&Descriptor> {
        let fits = |one: &&Descriptor| {
            one.platform.as_ref().is_some_and(|platform| {
                platform.os == "linux" && platform.architecture == image::architecture()
            })
        };
        // An index with one image that does not say for what is for everybody.
        let only = || match &self.manifests[..] {
            [one] if one.platform.is_none() => Some(one),
            _ => None,
        };
        self.manifests.iter().find(fits).or_else(only)
    }

    /// What an index is for, as `linux/arm64`.
    pub(crate) fn platforms(&self) -> Vec<String> {
        let named = self.manifests.iter().filter_map(|one| one.platform.as_ref());
        let known = named.filter(|platform| platform.os != "unknown");
        known.map(|one| format!("{}/{}", one.os, one.architecture)).take(30).collect()
    }
}

/// This machine, as indexes name it.
pub(crate) fn machine() -> String {
    format!("linux/{}", image::architecture())
}

/// Whether this is a digest that we can check.
pub(crate) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// A registry's own words in an error document, or the beginning of whatever it sent.
pub(crate) fn words(body: &[u8]) -> String {
    let clean = |text: &str| -> String {
        let text: String =
            text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
        text.trim().to_owned()
    };
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        let text = String::from_utf8_lossy(body);
        // A page for people says nothing in a line.
        return if text.trim_start().starts_with('<') { String::new() } else { clean(&text) };
    };
    let word = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let errors = value["errors"].as_array().cloned().unwrap_or_default();
    let told: Vec<String> = errors
        .iter()
        .map(|error| {
            let message = [&error["message"], &error["code"]].map(word).into_iter();
            message.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
        })
        .filter(|text| !text.is_empty())
        .collect();
    if !told.is_empty() {
        return clean(&told.join("; "));
    }
    let known = ["message", "details", "detail", "error_description", "error"]
        .map(|name| word(&value[name]));
    clean(&known.into_iter().find(|text| !text.is_empty()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn index(platforms: &[(&str, &str)]) -> Vec<u8> {
        let hex = "a".repeat(64);
        let all: Vec<Value> = platforms
            .iter()
            .map(|(os, architecture)| {
                serde_json::json!({"mediaType": MANIFEST_TYPE, "size": 1,
                    "digest": format!("sha256:{hex}"),
                    "platform": {"os": os, "architecture": architecture}})
            })
            .collect();
        serde_json::json!({"schemaVersion": 2, "manifests": all}).to_string().into_bytes()
    }

    #[test]
    fn the_manifest_for_this_machine_is_chosen() {
        let here = image::architecture();
        let fields =
            Fields::parse(&index(&[("linux", "s390x"), ("unknown", "unknown"), ("linux", here)]))
                .unwrap();
        assert!(fields.is_index());
        assert_eq!(fields.for_machine().unwrap().platform.as_ref().unwrap().architecture, here);
        let other = Fields::parse(&index(&[("linux", "s390x"), ("windows", here)])).unwrap();
        assert!(other.for_machine().is_none());
        assert_eq!(other.platforms(), ["linux/s390x".to_owned(), format!("windows/{here}")]);
    }

    #[test]
    fn old_and_odd_manifests_are_refused_in_words() {
        let old = br#"{"schemaVersion":1,"fsLayers":[]}"#;
        assert!(Fields::parse(old).unwrap_err().contains("schema 1"));
        let odd = br#"{"schemaVersion":2,"layers":[{"digest":"sha512:00","size":1}]}"#;
        assert!(Fields::parse(odd).unwrap_err().contains("only sha256"));
    }

    #[test]
    fn the_registrys_words_are_found() {
        let docker =
            br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{}}]}"#;
        assert_eq!(words(docker), "manifest unknown");
        assert_eq!(
            words(br#"{"details":"incorrect username or password"}"#),
            "incorrect username or password"
        );
        assert_eq!(words(b"<html>no</html>"), "");
        assert_eq!(words(b"plain\nwords\x1b[31m"), "plain words [31m");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_manifest_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(fields) = Fields::parse(&bytes) {
                fields.for_machine();
                fields.kind();
            }
            prop_assert!(!words(&bytes).contains(char::is_control));
        }

        #[test]
        fn a_manifest_that_parses_has_only_digests_we_can_check(
            digest in "sha256:[0-9a-fA-F]{62,66}|\\PC{0,80}", size in any::<u64>(), kind in "\\PC{0,40}",
        ) {
            let text = serde_json::json!({"schemaVersion": 2, "mediaType": kind, "config":
                {"mediaType": kind, "digest": digest, "size": size}, "layers": []});
            match Fields::parse(text.to_string().as_bytes()) {
                Ok(fields) => prop_assert!(is_digest(&fields.config.unwrap().digest)),
                Err(reason) => prop_assert!(!reason.contains(char::is_control)),
            }
        }
    }
}
