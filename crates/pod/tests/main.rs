//! Pods on the real kernel, with the real engine, network and image store: needs root and a
//! static busybox.
//!
//! Its own main, because zygote and door are this binary started again. Arguments: parts of test
//! names; `--list` and `--exact` as the usual harness has them.

#![expect(clippy::unwrap_used, reason = "a failing step is a failing test")]

mod life;
mod steps;
mod survival;
mod volumes;
mod world;

/// A test: its name and body.
type Test = (&'static str, fn());

fn main() {
    engine::run_if_asked();
    net::door::run_if_asked();
    survival::daemon_if_asked();
    world::run(&[life::TESTS, volumes::TESTS, steps::TESTS, survival::TESTS].concat());
}
