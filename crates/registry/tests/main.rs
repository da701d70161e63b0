//! The client against a real registry (Debian's `docker-registry`), `skopeo`, and servers that
//! misbehave: broken connections, wrong bytes, too many requests.

mod distribution;
mod misbehaving;
mod world;
