//! The client against a real registry (Debian's `docker-registry`), `skopeo`, and servers that
//! misbehave: broken connections, wrong bytes, too many requests.

#![expect(clippy::unwrap_used, reason = "a failing step is a failing test")]

mod distribution;
mod misbehaving;
mod signing;
mod world;
