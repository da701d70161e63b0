//! Every route of the canvas, asked the way a browser asks: an API over a store in memory, a real
//! image store, network and pod room, the real routers. Needs root, as the rooms below do.
//!
//! Its own main, because the engine's zygote and the network's door are this binary started
//! again. Arguments: parts of test names; `--list` and `--exact` as the usual harness has them.

#![expect(clippy::unwrap_used, reason = "a failing step is a failing test")]

mod apps;
mod doors;
mod routes;
mod stream;
mod verbs;
mod world;

use world::World;

/// A test: its name and body.
type Test = (&'static str, fn(&World));

fn main() {
    engine::run_if_asked();
    net::door::run_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let wanted: Vec<&String> =
        arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let all = [doors::TESTS, apps::TESTS, stream::TESTS, verbs::TESTS].concat();
    let chosen: Vec<&Test> = all
        .iter()
        .filter(|(name, _)| {
            let fits = |wanted: &&String| {
                if has("--exact") { *name == **wanted } else { name.contains(wanted.as_str()) }
            };
            wanted.is_empty() || wanted.iter().any(fits)
        })
        .collect();
    if has("--list") {
        chosen.iter().for_each(|(name, _)| println!("{name}: test"));
        return;
    }
    let world = World::new();
    let mut failed = Vec::new();
    for (name, test) in &chosen {
        let start = std::time::Instant::now();
        let run = std::panic::AssertUnwindSafe(|| test(&world));
        let good = std::panic::catch_unwind(run).is_ok();
        let word = if good { "ok" } else { "FAILED" };
        println!("test {name} ... {word} ({} ms)", start.elapsed().as_millis());
        failed.extend((!good).then_some(*name));
    }
    drop(world);
    println!("\n{} tests, {} failed {failed:?}", chosen.len(), failed.len());
    std::process::exit(if failed.is_empty() { 0 } else { 101 });
}
