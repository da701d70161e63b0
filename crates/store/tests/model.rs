//! Random operations against a plain map, with the store closed and opened in between.

use crate::wait;
use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::BTreeMap;
use std::path::Path;
use store::{Error, Expect, Store};

#[derive(Default)]
struct Model {
    entries: BTreeMap<String, (Vec<u8>, u64, u64)>,
    /// The whole state after each revision, to check lists of the past.
    past: BTreeMap<u64, BTreeMap<String, Vec<u8>>>,
    revision: u64,
    compacted: u64,
}

fn open(path: &Path) -> Store {
    // The former store's writer lets go of the file when its thread ends, shortly after the drop.
    for _ in 0..500 {
        match Store::open(path) {
            Err(Error::InUse { .. }) => std::thread::sleep(std::time::Duration::from_millis(5)),
            other => return other.unwrap(),
        }
    }
    panic!("the store was never released");
}

#[test]
fn random_operations_agree_with_a_map() {
    for seed in 0..6 {
        let directory = tempfile::tempdir().unwrap();
        let mut random = StdRng::seed_from_u64(seed);
        let mut model = Model::default();
        for _ in 0..4 {
            let store = open(directory.path());
            assert_eq!(store.revision(), model.revision, "seed {seed}");
            check_all(&store, &model, seed);
            wait(async {
                for _ in 0..150 {
                    step(&store, &mut model, &mut random, seed).await;
                }
            });
            check_all(&store, &model, seed);
        }
    }
}

async fn step(store: &Store, model: &mut Model, random: &mut StdRng, seed: u64) {
    let key = format!("/{}/{}", random.random_range(0..3), random.random_range(0..12));
    let found = model.entries.get(&key).map(|entry| entry.2);
    let expect = match random.random_range(0..4) {
        0 => Expect::Absent,
        1 => Expect::Revision(found.unwrap_or(7) + u64::from(random.random_bool(0.2))),
        _ => Expect::Any,
    };
    match random.random_range(0..20) {
        0..12 => {
            let value: Vec<u8> =
                (0..random.random_range(0..300)).map(|_| random.random()).collect();
            let result = store.put(&key, Bytes::from(value.clone()), expect).await;
            let met = match expect {
                Expect::Absent => found.is_none(),
                Expect::Revision(revision) => found == Some(revision),
                Expect::Any => true,
            };
            if check(met, result, model, seed) {
                let created = model.entries.get(&key).map_or(model.revision, |entry| entry.1);
                model.entries.insert(key, (value, created, model.revision));
            }
        }
        12..18 => {
            let met = match expect {
                Expect::Absent => false,
                Expect::Revision(revision) => found == Some(revision),
                Expect::Any => found.is_some(),
            };
            if check(met, store.delete(&key, expect).await, model, seed) {
                model.entries.remove(&key);
            }
        }
        18 => check_past(store, model, random, seed),
        _ if model.revision > 0 => {
            let revision = random.random_range(0..=model.revision);
            store.compact(revision).await.unwrap();
            model.compacted = model.compacted.max(revision);
        }
        _ => {}
    }
    let state = model.entries.iter().map(|(key, entry)| (key.clone(), entry.0.clone())).collect();
    model.past.insert(model.revision, state);
}

fn check(met: bool, result: Result<u64, Error>, model: &mut Model, seed: u64) -> bool {
    match result {
        Ok(revision) => {
            assert!(met, "seed {seed}: a write against its expectation was accepted");
            assert_eq!(revision, model.revision + 1, "seed {seed}");
            model.revision = revision;
            true
        }
        Err(Error::Conflict { .. }) => {
            assert!(!met, "seed {seed}: a good write was refused");
            false
        }
        Err(error) => panic!("seed {seed}: {error}"),
    }
}

fn check_all(store: &Store, model: &Model, seed: u64) {
    let list = store.list("", None, None, None).unwrap();
    assert_eq!(list.revision, model.revision);
    let found: Vec<_> = list
        .entries
        .iter()
        .map(|e| (e.key.to_string(), (e.value.to_vec(), e.create_revision, e.mod_revision)))
        .collect();
    let expected: Vec<_> = model.entries.clone().into_iter().collect();
    assert_eq!(found, expected, "seed {seed}");
}

/// Pages through a list as of a random revision.
fn check_past(store: &Store, model: &Model, random: &mut StdRng, seed: u64) {
    let revision = random.random_range(0..=model.revision + 2);
    let prefix = if random.random_bool(0.5) { "/1/" } else { "/" };
    let limit = random.random_range(1..5);
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        match store.list(prefix, Some(limit), after.as_deref(), Some(revision)) {
            Ok(list) => {
                found.extend(list.entries.iter().map(|e| (e.key.to_string(), e.value.to_vec())));
                after = list.entries.last().map(|entry| entry.key.to_string());
                if !list.more {
                    break;
                }
            }
            Err(Error::Compacted { .. }) => {
                assert!(revision < model.compacted, "seed {seed}");
                return;
            }
            Err(Error::Future { .. }) => {
                assert!(revision > model.revision, "seed {seed}");
                return;
            }
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    let expected: Vec<_> = model.past.get(&revision).map_or(Vec::new(), |state| {
        state.clone().into_iter().filter(|(key, _)| key.starts_with(prefix)).collect()
    });
    assert_eq!(found, expected, "seed {seed}, revision {revision}");
}
