//! door
/// Runs the door if this process was started as one; returns at once otherwise.
/// Call it first thing in `main`, before any thread exists.
pub fn run_if_asked() {}
