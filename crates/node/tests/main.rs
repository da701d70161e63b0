//! Pods through the real API, made real on the real kernel: needs root and a static busybox.
//!
//! Its own main, because zygote and door are this binary started again. Arguments: parts of test
//! names; `--list` and `--exact` as the usual harness has them.

#![expect(clippy::unwrap_used, reason = "a failing step is a failing test")]

mod cluster;
mod probing;
mod running;
mod services;
mod stopping;
mod streams;
mod survival;
mod volumes;
#[path = "../../pod/tests/world.rs"]
#[expect(dead_code, reason = "the pod room's tests use more of it")]
mod world;

/// A test: its name and body.
type Test = (&'static str, fn());

fn main() {
    engine::run_if_asked();
    net::door::run_if_asked();
    survival::daemon_if_asked();
    let tests = [
        running::TESTS,
        stopping::TESTS,
        probing::TESTS,
        volumes::TESTS,
        streams::TESTS,
        services::TESTS,
        survival::TESTS,
    ];
    world::run(&tests.concat());
}
