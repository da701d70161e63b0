//! The app language from text to objects, as its users see it. One file per promise.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod building;
mod compile;
mod edits;
mod errors;
mod explain;
mod guide;
mod keeping;
mod modules;
mod outside;
mod pulp;
mod rungs;
mod shelf;
mod targets;
mod wires;
