//! The engine against the real kernel: needs root, a busybox and two v1 or v2 cgroup controllers.
//!
//! Its own main, because the zygote is this binary started again. Arguments: parts of test
//! names; `--list` and `--exact` as the usual harness has them.

#![expect(clippy::unwrap_used, reason = "a failing step is a failing test")]

mod confinement;
mod exec;
mod isolation;
mod life;
mod survival;
mod world;

/// A test: its name and body.
type Test = (&'static str, fn());

fn main() {
    engine::run_if_asked();
    survival::daemon_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|a| a == flag);
    let wanted: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let tests: Vec<Test> =
        [life::TESTS, confinement::TESTS, isolation::TESTS, exec::TESTS, survival::TESTS].concat();
    let chosen = tests.into_iter().filter(|(name, _)| {
        wanted.is_empty()
            || wanted
                .iter()
                .any(|w| if has("--exact") { name == w } else { name.contains(w.as_str()) })
    });
    if has("--list") {
        chosen.for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    let mut failed = Vec::new();
    for (name, test) in chosen {
        let start = std::time::Instant::now();
        let outcome = std::panic::catch_unwind(test);
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("test {name} ... {word} ({} ms)", start.elapsed().as_millis());
        if outcome.is_err() {
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        println!("failed: {failed:?}");
        std::process::exit(101);
    }
}
