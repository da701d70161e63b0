//! Generated values: created if absent, never made again.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use composer::{GeneratedSecret, Taken};
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde_json::Value;

use crate::live::{Key, Live};
use crate::{Error, Result, Target, apply, changes, live};

/// What was written, and what is to be shown once.
#[derive(Default)]
pub(crate) struct Written {
    /// Names of Secrets that were created, or whose values changed.
    pub(crate) changed: Vec<String>,
    /// `block: value` of values marked to be shown after the go that made them.
    pub(crate) shown: Vec<(String, String)>,
}

/// Creates or completes every Secret of the app.
pub(crate) async fn ensure(
    target: &Target,
    app: &str,
    secrets: &[GeneratedSecret],
    live: &Live,
) -> Result<Written> {
    let mut written = Written::default();
    if let Some((block, name)) = ungiven(secrets, live).into_iter().next() {
        return Err(Error::NotGiven { block, name });
    }
    // What was written here counts for those that copy it.
    let mut now: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for secret in secrets {
        let own = place(secret);
        let existing = existing(live, &own);
        let look = |taken: &Taken| {
            let from = source(app, taken);
            match now.get(&from) {
                Some(values) => values.get(&taken.key).cloned(),
                None => self::existing(live, &from).remove(&taken.key),
            }
        };
        let missing: Vec<String> = secret
            .takes()
            .filter(|taken| taken.required && look(taken).is_none())
            .map(|taken| taken.key.clone())
            .collect();
        if let Some(from) = secret.takes().next().filter(|_| !missing.is_empty()) {
            let (app, secret) = (app.to_owned(), from.secret.clone());
            return Err(Error::Outside { app, secret, keys: missing });
        }
        let wanted = secret.fill_from(&existing, &look, &mut random);
        if wanted == existing {
            continue;
        }
        if let Some(disk) = disk_without_it(secret, &existing, live) {
            return Err(Error::Lost { secret: secret.name.clone(), disk });
        }
        let encode = |(key, value): (&String, &String)| (key.clone(), STANDARD.encode(value));
        let data: BTreeMap<String, String> = wanted.iter().map(encode).collect();
        apply::write_secret(target, app, secret, &data).await?;
        now.insert(own, wanted.clone());
        written.changed.push(secret.name.clone());
        for key in secret.keys.iter().filter(|key| key.show_after_go) {
            if !existing.contains_key(&key.name) {
                let label = format!("{}.{}", secret.name, key.name);
                written.shown.push((label, wanted.get(&key.name).cloned().unwrap_or_default()));
            }
        }
    }
    Ok(written)
}

/// Reads the Secrets that values are copied from, which are nobody's in the app, into `live`.
pub(crate) async fn read_others(
    target: &Target,
    app: &str,
    secrets: &[GeneratedSecret],
    live: &mut Live,
) -> Result<()> {
    for name in secrets.iter().flat_map(GeneratedSecret::takes).map(|taken| source(app, taken)) {
        let key = Key { kind: "Secret".into(), name };
        if live.contains_key(&key) {
            continue;
        }
        let (namespace, name) = key.place(app);
        let found = live::door(target, namespace, "Secret").get_opt(name).await;
        let found = found.map_err(Error::api(format!("read {key}")))?;
        if let Some(value) = found.and_then(|one| serde_json::to_value(&one).ok()) {
            live.insert(key, value);
        }
    }
    Ok(())
}

/// Block and name of every secret that a person has to give and did not.
pub(crate) fn ungiven(secrets: &[GeneratedSecret], live: &Live) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for secret in secrets {
        let block = secret.name.strip_suffix("-secrets").unwrap_or(&secret.name);
        let existing = existing(live, &place(secret));
        found.extend(secret.wanting(&existing).map(|name| (block.to_owned(), name.to_owned())));
    }
    found
}

/// Names of the Secrets that are missing or not as they should be.
pub(crate) fn incomplete(app: &str, secrets: &[GeneratedSecret], live: &Live) -> Vec<String> {
    let wrong = |secret: &&GeneratedSecret| {
        let existing = existing(live, &place(secret));
        // Asked only whether something would change, so what is made here goes nowhere.
        let mut next = 0u8;
        let mut anything = |bytes: &mut [u8]| {
            for byte in bytes {
                *byte = next;
                next = (next + 1) % 62;
            }
        };
        let look = |taken: &Taken| self::existing(live, &source(app, taken)).remove(&taken.key);
        secret.fill_from(&existing, &look, &mut anything) != existing
    };
    secrets.iter().filter(wrong).map(|secret| secret.name.clone()).collect()
}

/// A Secret's name in a [`Key`].
fn place(secret: &GeneratedSecret) -> String {
    live::named(secret.namespace.as_deref(), &secret.name)
}

/// The same of the Secret that a value is copied from.
fn source(app: &str, taken: &Taken) -> String {
    live::named(taken.app.as_deref().filter(|other| *other != app), &taken.secret)
}

/// The disk that a missing Secret was born with, if that disk is still there: a password made anew
/// would not open what lies on it.
fn disk_without_it(
    secret: &GeneratedSecret,
    existing: &BTreeMap<String, String>,
    live: &Live,
) -> Option<String> {
    let kept = secret.annotations.get("shelf.dev/keep-with").filter(|_| existing.is_empty())?;
    let blocks: Vec<&str> = kept.split(',').collect();
    let disk = live.iter().find(|(key, object)| {
        let block = changes::component(object);
        key.kind == "PersistentVolumeClaim"
            && block.is_some_and(|block| blocks.contains(&block.as_str()))
    });
    disk.map(|(key, _)| key.name.clone())
}

fn existing(live: &Live, name: &str) -> BTreeMap<String, String> {
    let key = Key { kind: "Secret".into(), name: name.to_owned() };
    let data = live.get(&key).and_then(|object| object["data"].as_object());
    let decode = |(key, value): (&String, &Value)| {
        let bytes = STANDARD.decode(value.as_str()?).ok()?;
        Some((key.clone(), String::from_utf8(bytes).ok()?))
    };
    data.into_iter().flatten().filter_map(decode).collect()
}

fn random(bytes: &mut [u8]) {
    // The kernel's generator does not fail once the system is up; a password made of anything
    // else must never be written.
    OsRng.try_fill_bytes(bytes).expect("the kernel gives random bytes");
}

#[cfg(test)]
mod tests {
    use super::*;
    use composer::{Recipe, SecretKey, SecretValue};
    use serde_json::json;

    fn secret(keep_with: Option<&str>) -> GeneratedSecret {
        let annotations =
            keep_with.map(|block| ("shelf.dev/keep-with".to_owned(), block.to_owned()));
        GeneratedSecret {
            name: "db-secrets".into(),
            namespace: None,
            labels: BTreeMap::new(),
            annotations: annotations.into_iter().collect(),
            keys: vec![SecretKey {
                name: "PASSWORD".into(),
                value: SecretValue::Generated(Recipe::Random(32)),
                show_after_go: false,
            }],
        }
    }

    fn key(kind: &str, name: &str) -> Key {
        Key { kind: kind.into(), name: name.into() }
    }

    #[test]
    fn a_password_is_not_made_anew_while_its_disk_is_there() {
        let labels = json!({ "metadata": { "labels": { "app.kubernetes.io/component": "db" } } });
        let live = Live::from([(key("PersistentVolumeClaim", "data-db-0"), labels)]);
        let none = BTreeMap::new();
        let own = secret(Some("db"));
        assert_eq!(disk_without_it(&own, &none, &live).as_deref(), Some("data-db-0"));
        assert_eq!(disk_without_it(&secret(Some("other")), &none, &live), None);
        assert_eq!(disk_without_it(&secret(None), &none, &live), None);
        assert_eq!(disk_without_it(&own, &none, &Live::new()), None);
        let there = BTreeMap::from([("PASSWORD".to_owned(), "x".to_owned())]);
        assert_eq!(disk_without_it(&own, &there, &live), None);
    }

    #[test]
    fn a_value_from_outside_follows_the_one_it_is_copied_from() {
        let mut own = secret(None);
        own.keys[0].value = SecretValue::Taken(Taken {
            app: None,
            secret: "prod-db".into(),
            key: "PASSWORD".into(),
            required: true,
            otherwise: None,
        });
        let data = |value: &str| json!({ "data": { "PASSWORD": STANDARD.encode(value) } });
        let live = |outside: &str| {
            Live::from([
                (key("Secret", "db-secrets"), data("one")),
                (key("Secret", "prod-db"), data(outside)),
            ])
        };
        assert!(incomplete("shop", &[own.clone()], &live("one")).is_empty());
        assert_eq!(incomplete("shop", &[own], &live("two")), ["db-secrets"]);
    }

    #[test]
    fn a_missing_secret_is_noticed_and_a_complete_one_left_alone() {
        let secrets = [secret(None)];
        assert_eq!(incomplete("shop", &secrets, &Live::new()), ["db-secrets"]);
        let data = json!({ "data": { "PASSWORD": STANDARD.encode("kept") } });
        let live = Live::from([(key("Secret", "db-secrets"), data)]);
        assert!(incomplete("shop", &secrets, &live).is_empty());
    }
}
