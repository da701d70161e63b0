//! A keyed work queue: each key is worked on by one worker at a time, a key put
//! in twice is done once, failures come back with growing delay.
//!
//! Keys due later stand in one ordered set, so a quiet queue sleeps for ever.

use crate::error::Result;
use crate::watch::chain;
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::future::Future;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

const FIRST_DELAY: Duration = Duration::from_millis(10);
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// What a worker found out about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing to do until something changes.
    Wait,
    /// Something is due after this time.
    After(Duration),
}

/// The queue of one loop.
pub(crate) struct Queue<K> {
    name: &'static str,
    state: Mutex<State<K>>,
    wake: Notify,
}

struct State<K> {
    ready: VecDeque<K>,
    /// Keys in `ready`.
    queued: HashSet<K>,
    /// Keys being worked on.
    running: HashSet<K>,
    /// Keys put in while they were worked on.
    again: HashSet<K>,
    due: BTreeSet<(Instant, K)>,
    due_at: HashMap<K, Instant>,
    failures: HashMap<K, u32>,
}

impl<K: Clone + Eq + Hash + Ord + std::fmt::Display + Send + 'static> Queue<K> {
    pub(crate) fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self {
            name,
            state: Mutex::new(State {
                ready: VecDeque::new(),
                queued: HashSet::new(),
                running: HashSet::new(),
                again: HashSet::new(),
                due: BTreeSet::new(),
                due_at: HashMap::new(),
                failures: HashMap::new(),
            }),
            wake: Notify::new(),
        })
    }

    /// Asks for work on a key as soon as possible.
    pub(crate) fn add(&self, key: K) {
        let mut state = self.lock();
        if state.running.contains(&key) {
            state.again.insert(key);
            return;
        }
        if state.queued.insert(key.clone()) {
            state.ready.push_back(key);
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Asks for work on a key after a delay, unless it is due earlier anyway.
    pub(crate) fn add_after(&self, key: K, delay: Duration) {
        let at = Instant::now() + delay;
        let mut state = self.lock();
        if let Some(&earlier) = state.due_at.get(&key) {
            if earlier <= at {
                return;
            }
            state.due.remove(&(earlier, key.clone()));
        }
        state.due_at.insert(key.clone(), at);
        state.due.insert((at, key));
        drop(state);
        self.wake.notify_one();
    }

    /// Works for ever with at most `workers` keys at a time.
    pub(crate) async fn run<F, W>(self: Arc<Self>, workers: usize, work: F)
    where
        F: Fn(K) -> W,
        W: Future<Output = Result<Next>>,
    {
        self.recover();
        let mut busy = FuturesUnordered::new();
        loop {
            let next_due = self.collect_due();
            while busy.len() < workers {
                let Some(key) = self.take() else { break };
                // A panic concerns one key: it counts as a failure of that key.
                let task = AssertUnwindSafe(work(key.clone())).catch_unwind();
                busy.push(async move { (key, task.await) });
            }
            let sleep = async {
                match next_due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some((key, result)) = busy.next() => self.done(key, result),
                () = self.wake.notified() => {}
                () = sleep => {}
            }
        }
    }

    /// Puts back what a stopped run of this queue was working on.
    fn recover(&self) {
        let running = std::mem::take(&mut self.lock().running);
        for key in running {
            self.add(key);
        }
    }

    /// Moves keys whose time has come to the ready ones; returns when the next is due.
    fn collect_due(&self) -> Option<Instant> {
        let now = Instant::now();
        loop {
            let mut state = self.lock();
            let (at, key) = state.due.first()?.clone();
            if at > now {
                return Some(at);
            }
            state.due.remove(&(at, key.clone()));
            state.due_at.remove(&key);
            drop(state);
            self.add(key);
        }
    }

    fn take(&self) -> Option<K> {
        let mut state = self.lock();
        let key = state.ready.pop_front()?;
        state.queued.remove(&key);
        state.running.insert(key.clone());
        Some(key)
    }

    fn done(&self, key: K, result: std::thread::Result<Result<Next>>) {
        let again = {
            let mut state = self.lock();
            state.running.remove(&key);
            state.again.remove(&key)
        };
        let failed = match result {
            Ok(Ok(next)) => {
                self.lock().failures.remove(&key);
                if let Next::After(delay) = next {
                    self.add_after(key.clone(), delay);
                }
                false
            }
            Ok(Err(error)) if error.is_race() => {
                tracing::debug!(queue = self.name, key = %key, error = %chain(&error), "lost a race, will retry");
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(queue = self.name, key = %key, error = %chain(&error), "failed, will retry");
                true
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text =
                    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
                tracing::error!(queue = self.name, key = %key, panic = text, "panicked, will retry");
                true
            }
        };
        if failed {
            let delay = {
                let mut state = self.lock();
                let failures = state.failures.entry(key.clone()).or_insert(0);
                *failures = failures.saturating_add(1);
                FIRST_DELAY.saturating_mul(1 << (*failures - 1).min(16)).min(LONGEST_DELAY)
            };
            self.add_after(key, delay);
        } else if again {
            self.add(key);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State<K>> {
        self.state.lock().expect("queue lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn broken() -> Error {
        Error::Bug("broken".to_owned())
    }

    async fn until(queue: &Arc<Queue<String>>, condition: impl Fn() -> bool) {
        for _ in 0..500 {
            if condition() && queue.lock().running.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("the queue did not get there");
    }

    #[tokio::test]
    async fn a_key_is_never_worked_on_twice_at_once_and_no_addition_is_lost() {
        let queue = Queue::new("test");
        let (now, most, runs) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicUsize::new(0)),
        );
        let worker = {
            let (queue, now, most, runs) = (queue.clone(), now.clone(), most.clone(), runs.clone());
            tokio::spawn(queue.run(4, move |_: String| {
                let (now, most, runs) = (now.clone(), most.clone(), runs.clone());
                async move {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    runs.fetch_add(1, Ordering::SeqCst);
                    Ok(Next::Wait)
                }
            }))
        };
        queue.add("a".to_owned());
        tokio::time::sleep(Duration::from_millis(5)).await;
        queue.add("a".to_owned());
        queue.add("a".to_owned());
        until(&queue, || runs.load(Ordering::SeqCst) == 2).await;
        assert_eq!(most.load(Ordering::SeqCst), 1);
        worker.abort();
    }

    #[tokio::test]
    async fn failures_and_panics_are_retried_with_growing_delay() {
        let queue = Queue::new("test");
        let runs = Arc::new(AtomicUsize::new(0));
        let worker = {
            let (queue, runs) = (queue.clone(), runs.clone());
            tokio::spawn(queue.run(1, move |_: String| {
                let run = runs.fetch_add(1, Ordering::SeqCst);
                async move {
                    match run {
                        0 => Err(broken()),
                        1 => panic!("as the test wants"),
                        _ => Ok(Next::Wait),
                    }
                }
            }))
        };
        let start = Instant::now();
        queue.add("a".to_owned());
        until(&queue, || runs.load(Ordering::SeqCst) == 3).await;
        assert!(start.elapsed() >= FIRST_DELAY * 3, "10 ms, then 20 ms");
        assert!(queue.lock().failures.is_empty());
        worker.abort();
    }
}
