//! Generated values: created if absent, never made again.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use composer::GeneratedSecret;
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde_json::Value;

use crate::live::{Key, Live};
use crate::{Result, Target, apply};

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
    for secret in secrets {
        let existing = existing(live, &secret.name);
        let wanted = secret.fill(&existing, &mut random);
        if wanted == existing {
            continue;
        }
        let encode = |(key, value): (&String, &String)| (key.clone(), STANDARD.encode(value));
        let data: BTreeMap<String, String> = wanted.iter().map(encode).collect();
        apply::write_secret(target, app, secret, &data).await?;
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

/// Whether some Secret is missing or incomplete.
pub(crate) fn incomplete(secrets: &[GeneratedSecret], live: &Live) -> bool {
    secrets.iter().any(|secret| {
        let existing = existing(live, &secret.name);
        // Asked only what would be filled in, so what is made here goes nowhere.
        secret.fill(&existing, &mut |bytes| bytes.fill(0)) != existing
    })
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
