//! Generated values: what to make, and how a Secret is filled.
//!
//! The values themselves never pass through an object or a plan: `compile` lists what a Secret
//! holds, and [`GeneratedSecret::fill`] makes what is missing at the moment it is written. A value
//! that exists is never made again. Where next: `compile/secrets.rs`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::template::Template;

const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How a value is generated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// So many letters and digits; safe in a URL.
    Random(usize),
    /// So many random bytes, as base64url with padding (RFC 4648 section 5).
    Base64Url(usize),
    /// Not generated: a person gives it, once, to the server.
    Given,
}

impl Recipe {
    /// Reads `random:32` or `base64url:32`; the error is a phrase.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (kind, length) = text.split_once(':').ok_or("it has no length")?;
        let recipe = match kind {
            "random" => Self::Random,
            "base64url" => Self::Base64Url,
            _ => return Err(format!("\"{kind}\" is not known; it may be random or base64url")),
        };
        let length: usize = length.parse().map_err(|_| "its length is no number")?;
        if !(8..=1024).contains(&length) {
            return Err("its length must be from 8 to 1024".into());
        }
        Ok(recipe(length))
    }

    /// Makes a value; an empty one where a person has to give it. `random` fills a buffer with random bytes.
    pub fn make(&self, random: &mut dyn FnMut(&mut [u8])) -> String {
        match self {
            Self::Random(length) => letters(*length, random),
            Self::Base64Url(length) => {
                let mut bytes = vec![0; *length];
                random(&mut bytes);
                base64url(&bytes)
            }
            Self::Given => String::new(),
        }
    }
}

fn letters(length: usize, random: &mut dyn FnMut(&mut [u8])) -> String {
    let mut text = String::with_capacity(length);
    let mut bytes = [0; 64];
    while text.len() < length {
        random(&mut bytes);
        // 248 is the largest multiple of 62 in a byte: beyond it some letters would be likelier.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        text.extend(fair.map(|byte| char::from(LETTERS[usize::from(byte % 62)])));
    }
    text.truncate(length);
    text
}

fn base64url(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let bits = (group >> (18 - 6 * index)) & 63;
            let filled = index <= chunk.len();
            text.push(if filled { char::from(URL_SAFE[bits as usize]) } else { '=' });
        }
    }
    text
}

/// A Secret to be created if it is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GeneratedSecret {
    /// The Secret's name.
    pub name: String,
    /// The namespace, if it is not the app's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Labels and annotations of the object.
    pub labels: BTreeMap<String, String>,
    /// See `labels`.
    pub annotations: BTreeMap<String, String>,
    /// What it holds, in order.
    pub keys: Vec<SecretKey>,
}

/// One key of a [`GeneratedSecret`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretKey {
    /// The key.
    pub name: String,
    /// Where its value comes from.
    pub value: SecretValue,
    /// Whether the value is printed once, after the go that made it.
    pub show_after_go: bool,
}

/// Where the value of a [`SecretKey`] comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretValue {
    /// Known already, and no secret by itself.
    Plain(String),
    /// Made once; never again while the Secret exists.
    Generated(Recipe),
    /// Put together from the other keys by `{key}`.
    Derived(String),
    /// Copied from a Secret that somebody else keeps.
    Taken(Taken),
}

/// A value that stands in a Secret somebody else keeps, and is copied at each go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// The app, and so the namespace, that the Secret is in; this app's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The Secret.
    pub secret: String,
    /// Its key.
    pub key: String,
    /// Whether there is no value without it.
    pub required: bool,
    /// The value if the key is absent, put together like a derived one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<String>,
}

impl GeneratedSecret {
    /// What the Secret copies from others.
    pub fn takes(&self) -> impl Iterator<Item = &Taken> {
        self.keys.iter().filter_map(|key| match &key.value {
            SecretValue::Taken(taken) => Some(taken),
            _ => None,
        })
    }

    /// The values the Secret should hold, given those it holds now: generated values stay,
    /// missing ones are made, plain and derived ones follow the app, copied ones stay as they are.
    pub fn fill(
        &self,
        existing: &BTreeMap<String, String>,
        random: &mut dyn FnMut(&mut [u8]),
    ) -> BTreeMap<String, String> {
        self.fill_from(existing, &|taken| existing.get(&taken.key).cloned(), random)
    }

    /// As [`GeneratedSecret::fill`], with `look` to find the values that are copied from others.
    pub fn fill_from(
        &self,
        existing: &BTreeMap<String, String>,
        look: &dyn Fn(&Taken) -> Option<String>,
        random: &mut dyn FnMut(&mut [u8]),
    ) -> BTreeMap<String, String> {
        let mut values = BTreeMap::new();
        for key in &self.keys {
            let value = match &key.value {
                SecretValue::Plain(text) => text.clone(),
                SecretValue::Taken(taken) => match look(taken) {
                    Some(value) => value,
                    None => continue,
                },
                SecretValue::Generated(Recipe::Given) if !existing.contains_key(&key.name) => {
                    continue;
                }
                SecretValue::Generated(recipe) => {
                    existing.get(&key.name).cloned().unwrap_or_else(|| recipe.make(random))
                }
                SecretValue::Derived(_) => continue,
            };
            values.insert(key.name.clone(), value);
        }
        for key in &self.keys {
            let template = match &key.value {
                SecretValue::Derived(template) => template,
                SecretValue::Taken(Taken { otherwise: Some(template), .. }) => template,
                _ => continue,
            };
            if values.contains_key(&key.name) {
                continue;
            }
            // An interface's templates are checked when it is read; a field that was left out
            // (optional) makes the derived value empty rather than wrong.
            let filled = Template::parse(template).ok().and_then(|template| {
                template.fill(|part| values.get(&part.name).map(|v| v.as_str().into())).ok()
            });
            values.insert(key.name.clone(), filled.unwrap_or_default());
        }
        values
    }
}

impl GeneratedSecret {
    /// The keys that a person has to give and did not.
    pub fn wanting<'a>(
        &'a self,
        existing: &'a BTreeMap<String, String>,
    ) -> impl Iterator<Item = &'a str> {
        let wanting = |key: &&SecretKey| {
            key.value == SecretValue::Generated(Recipe::Given) && !existing.contains_key(&key.name)
        };
        self.keys.iter().filter(wanting).map(|key| key.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> impl FnMut(&mut [u8]) {
        let mut next = 0u8;
        move |bytes| {
            for byte in bytes {
                *byte = next;
                next = next.wrapping_add(7);
            }
        }
    }

    fn wire() -> GeneratedSecret {
        let key = |name: &str, value| SecretKey { name: name.into(), value, show_after_go: false };
        GeneratedSecret {
            name: "web-db".into(),
            namespace: None,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            keys: vec![
                key("url", SecretValue::Derived("x://{password}@{host}".into())),
                key("host", SecretValue::Plain("db".into())),
                key("password", SecretValue::Generated(Recipe::Random(32))),
            ],
        }
    }

    #[test]
    fn a_value_that_exists_is_never_made_again() {
        let first = wire().fill(&BTreeMap::new(), &mut counting());
        assert_eq!(first["password"].len(), 32);
        assert!(first["password"].chars().all(|c| c.is_ascii_alphanumeric()));
        assert_eq!(first["url"], format!("x://{}@db", first["password"]));
        let again = wire().fill(&first, &mut |_| panic!("asked for randomness"));
        assert_eq!(again, first);
    }

    #[test]
    fn a_given_value_is_never_made_up() {
        let mut secret = wire();
        secret.keys[2].value = SecretValue::Generated(Recipe::Given);
        assert!(!secret.fill(&BTreeMap::new(), &mut counting()).contains_key("password"));
        assert_eq!(secret.wanting(&BTreeMap::new()).collect::<Vec<_>>(), ["password"]);
        let given = BTreeMap::from([("password".to_owned(), "mine".to_owned())]);
        assert_eq!(secret.fill(&given, &mut counting())["password"], "mine");
        assert_eq!(secret.wanting(&given).count(), 0);
    }

    #[test]
    fn plain_and_derived_values_follow_the_app() {
        let first = wire().fill(&BTreeMap::new(), &mut counting());
        let mut moved = wire();
        moved.keys[1].value = SecretValue::Plain("other".into());
        let second = moved.fill(&first, &mut |_| panic!("asked for randomness"));
        assert_eq!(second["password"], first["password"]);
        assert!(second["url"].ends_with("@other"));
    }

    #[test]
    fn base64url_is_that_of_the_rfc() {
        assert_eq!(base64url(b"foobar"), "Zm9vYmFy");
        assert_eq!(base64url(b"fooba"), "Zm9vYmE=");
        assert_eq!(base64url(b"f"), "Zg==");
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8=");
    }

    #[test]
    fn recipes_are_bounded() {
        assert_eq!(Recipe::parse("random:32"), Ok(Recipe::Random(32)));
        for bad in ["random", "random:4", "random:9999", "dice:32", "random:x"] {
            assert!(Recipe::parse(bad).is_err(), "{bad}");
        }
    }
}
