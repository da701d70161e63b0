//! The loops against the real API on a store in memory, with a node that only pretends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod autoscaling;
mod deployments;
mod garbage;
mod jobs;
mod namespaces;
mod services;
mod stateful_sets;
mod volumes;
mod world;

#[test]
fn no_test_file_is_forgotten() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let stem = name.trim_end_matches(".rs");
        let listed = include_str!("main.rs").lines().any(|line| line == format!("mod {stem};"));
        assert!(stem == "main" || listed, "{name} is not in main.rs");
    }
}
