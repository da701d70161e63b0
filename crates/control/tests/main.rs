//! The loops against the real API on a store in memory, with a node that only pretends.

mod deployments;
mod garbage;
mod jobs;
mod namespaces;
mod services;
mod stateful_sets;
mod volumes;
mod world;
