//! What the store promises, tested through its public door.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

mod crash;
mod files;
mod model;
mod watches;

use std::future::Future;

/// Runs a test's future on a runtime of its own.
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
