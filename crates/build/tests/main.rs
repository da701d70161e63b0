//! Builds with real `RUN` steps: needs root, `mmdebstrap` and a Debian mirror.
//!
//! Its own main, because the engine's zygote and the network's door are this binary started
//! again. Arguments: parts of test names; `--list` and `--exact` as the usual harness has them.

#![expect(clippy::unwrap_used, reason = "a failing step is a failing test")]

mod steps;
mod world;

/// A test: its name and body.
type Test = (&'static str, fn());

fn main() {
    engine::run_if_asked();
    net::door::run_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let wanted: Vec<&String> =
        arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let mut failed = Vec::new();
    for (name, test) in steps::TESTS {
        let chosen = |wanted: &&String| {
            if has("--exact") { *name == **wanted } else { name.contains(wanted.as_str()) }
        };
        if !wanted.is_empty() && !wanted.iter().any(chosen) {
            continue;
        }
        if has("--list") {
            println!("{name}: test");
            continue;
        }
        let start = std::time::Instant::now();
        let outcome = std::panic::catch_unwind(test);
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("test {name} ... {word} ({} ms)", start.elapsed().as_millis());
        failed.extend(outcome.is_err().then_some(*name));
    }
    if !failed.is_empty() {
        println!("failed: {failed:?}");
        std::process::exit(101);
    }
}
