//! The app language from text to objects, as its users see it. One file per promise.

mod compile;
mod errors;
mod guide;
mod modules;
mod shelf;
mod wires;
