//! A watch sees every later event, once, in order: under concurrency, and over a restart.

use crate::wait;
use std::collections::BTreeMap;
use store::{Error, EventKind, Expect, Store, WATCH_QUEUE_LENGTH};

#[test]
fn watches_begun_at_any_time_have_no_gap() {
    wait(async {
        let store = Store::open_in_memory().unwrap();
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let store = store.clone();
            writers.spawn(async move {
                for number in 0..200 {
                    let key = format!("/{}/{}", writer % 2, number % 10);
                    store
                        .put(&key, format!("{writer}-{number}").into(), Expect::Any)
                        .await
                        .unwrap();
                    if number % 7 == 0 {
                        // Another writer may have deleted it already: then there is no event.
                        let _ = store.delete(&key, Expect::Any).await;
                    }
                }
            });
        }
        let mut watchers = tokio::task::JoinSet::new();
        for begin in 0..20 {
            let store = store.clone();
            watchers.spawn(async move {
                for _ in 0..begin * 3 {
                    tokio::task::yield_now().await;
                }
                let list = store.list("", None, None, None).unwrap();
                let mut state: BTreeMap<String, u64> =
                    list.entries.iter().map(|e| (e.key.to_string(), e.mod_revision)).collect();
                let mut watch = store.watch("", list.revision).unwrap();
                let mut last = list.revision;
                loop {
                    let event = watch.next().await.unwrap();
                    assert_eq!(event.revision, last + 1, "a gap or a repetition");
                    last = event.revision;
                    let key = event.key.to_string();
                    let before = match event.kind {
                        EventKind::Put => state.insert(key.clone(), event.revision),
                        EventKind::Delete => state.remove(&key),
                    };
                    assert_eq!(before, event.prev.as_ref().map(|entry| entry.mod_revision));
                    if &*event.key == "/end" {
                        return state;
                    }
                }
            });
        }
        while let Some(result) = writers.join_next().await {
            result.unwrap();
        }
        store.put("/end", "".into(), Expect::Any).await.unwrap();
        let end: BTreeMap<String, u64> = store
            .list("", None, None, None)
            .unwrap()
            .entries
            .iter()
            .map(|e| (e.key.to_string(), e.mod_revision))
            .collect();
        while let Some(state) = watchers.join_next().await {
            assert_eq!(state.unwrap(), end);
        }
    });
}

#[test]
fn a_watch_resumes_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let revisions = wait(async {
        let store = Store::open(directory.path()).unwrap();
        let mut revisions = Vec::new();
        for number in 0..10 {
            let key = format!("/a/{}", number % 3);
            revisions.push(store.put(&key, format!("{number}").into(), Expect::Any).await.unwrap());
        }
        revisions.push(store.delete("/a/1", Expect::Any).await.unwrap());
        store.compact(revisions[3]).await.unwrap();
        revisions
    });
    wait(async {
        let store = reopen(directory.path());
        let mut watch = store.watch("/a/", revisions[4]).unwrap();
        for expected in &revisions[5..] {
            let event = watch.try_next().unwrap();
            assert_eq!(event.revision, *expected);
            assert!(event.prev.is_some());
        }
        assert!(watch.try_next().is_none());
        assert_eq!(watch.progress(), revisions.last().copied());
        assert!(matches!(store.watch("/", revisions[2]), Err(Error::Compacted { .. })));
        assert!(matches!(store.watch("/", 99), Err(Error::Future { .. })));
    });
}

fn reopen(path: &std::path::Path) -> Store {
    for _ in 0..500 {
        match Store::open(path) {
            Err(Error::InUse { .. }) => std::thread::sleep(std::time::Duration::from_millis(5)),
            other => return other.unwrap(),
        }
    }
    panic!("the store was never released");
}

#[test]
fn the_revision_survives_when_all_history_is_compacted() {
    let directory = tempfile::tempdir().unwrap();
    wait(async {
        let store = Store::open(directory.path()).unwrap();
        store.put("/a", "1".into(), Expect::Any).await.unwrap();
        let last = store.delete("/a", Expect::Any).await.unwrap();
        store.compact(last).await.unwrap();
    });
    wait(async {
        let store = reopen(directory.path());
        assert_eq!(store.revision(), 2);
        assert_eq!(store.put("/b", "1".into(), Expect::Absent).await.unwrap(), 3);
    });
}

#[test]
fn a_watch_that_is_never_read_is_closed_at_its_limit() {
    wait(async {
        let store = Store::open_in_memory().unwrap();
        let mut watch = store.watch("/", 0).unwrap();
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let store = store.clone();
            writers.spawn(async move {
                for _ in 0..WATCH_QUEUE_LENGTH / 8 + 1 {
                    store.put("/a", "x".into(), Expect::Any).await.unwrap();
                }
            });
        }
        while let Some(result) = writers.join_next().await {
            result.unwrap();
        }
        let mut count = 0;
        while watch.next().await.is_some() {
            count += 1;
        }
        assert_eq!(count, WATCH_QUEUE_LENGTH);
        assert!(watch.was_slow());
    });
}

#[test]
fn a_numbered_write_carries_its_revision() {
    wait(async {
        let store = Store::open_in_memory().unwrap();
        for _ in 0..12 {
            let revision =
                store.put_numbered("/a", "<".into(), ">".into(), Expect::Any).await.unwrap();
            assert_eq!(store.get("/a").unwrap().value, format!("<{revision}>"));
        }
    });
}
