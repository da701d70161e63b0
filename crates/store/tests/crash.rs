//! kill -9 at random moments: nothing acknowledged is lost, no revision is given twice.
//!
//! The test binary starts itself again as the writer: the child prints each acknowledged write,
//! the parent reads those lines, kills the child, opens the file and compares.

use crate::wait;
use rand::Rng;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;
use store::{Expect, Store};

/// Set for the child: the directory it writes to.
const CHILD: &str = "STORE_CRASH_CHILD";
const ROUNDS: u64 = 24;

#[test]
fn kill_9_loses_nothing_acknowledged() {
    if let Some(directory) = std::env::var_os(CHILD) {
        return write_until_killed(directory.as_ref());
    }
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut highest = 0;
    let mut total = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::kill_9_loses_nothing_acknowledged", "--nocapture"])
            .env(CHILD, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut lines = BufReader::new(output);
            let mut text = String::new();
            // Wait for the first write, so that every round kills a store at work.
            while lines.read_line(&mut text).unwrap() > 0 && !text.contains("acked ") {}
            (text, lines)
        });
        let (mut text, mut lines) = reader.join().unwrap();
        std::thread::sleep(Duration::from_micros(rand::rng().random_range(0..60_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        lines.read_to_string(&mut text).unwrap();
        // A last line without its end was cut by the kill; it says nothing.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines().filter_map(|line| line.split_once("acked ")) {
            let mut words = line.1.split(' ');
            let key = words.next().unwrap().to_owned();
            let [number, revision] = [0, 1].map(|_| words.next().unwrap().parse::<u64>().unwrap());
            assert!(revision > highest, "round {round}: revision {revision} was given before");
            highest = revision;
            acknowledged.insert(key, (number, revision));
            total += 1;
        }
        let store = Store::open(directory.path()).unwrap();
        assert!(store.revision() >= highest, "round {round}: the revision went back");
        for (key, (number, revision)) in &acknowledged {
            let entry = store.get(key).unwrap_or_else(|| panic!("round {round}: {key} is lost"));
            assert!(entry.mod_revision >= *revision, "round {round}: {key} went back");
            if entry.mod_revision == *revision {
                assert_eq!(entry.value, number.to_string());
            }
        }
        highest = store.revision();
        drop(store);
        crate::files::wait_until_released(directory.path());
    }
    assert!(total > ROUNDS, "the child wrote too little to prove anything: {total}");
}

fn write_until_killed(directory: &std::path::Path) {
    wait(async {
        let store = Store::open(directory).unwrap();
        // One line at a time, in revision order: acknowledgements of one commit come together.
        let print = std::sync::Arc::new(tokio::sync::Mutex::new(()));
        let (sender, mut acks) = tokio::sync::mpsc::channel::<(u64, String)>(64);
        for writer in 0..8_u64 {
            let (store, sender) = (store.clone(), sender.clone());
            tokio::spawn(async move {
                for number in 0_u64.. {
                    let key = format!("/{writer}/{}", number % 5);
                    let value = number.to_string();
                    let revision = store.put(&key, value.into(), Expect::Any).await.unwrap();
                    sender
                        .send((revision, format!("acked {key} {number} {revision}")))
                        .await
                        .unwrap();
                }
            });
        }
        let _one_printer = print.lock().await;
        let mut waiting = BTreeMap::new();
        let mut next = store.revision() + 1;
        while let Some((revision, line)) = acks.recv().await {
            if waiting.is_empty() && revision < next {
                next = revision;
            }
            waiting.insert(revision, line);
            while let Some(line) = waiting.remove(&next) {
                next += 1;
                let mut output = std::io::stdout().lock();
                writeln!(output, "{line}").unwrap();
                output.flush().unwrap();
            }
        }
    });
}
