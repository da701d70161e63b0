//! Developer commands: `cargo x demo`, `cargo x test` and the rest.
//!
//! Why an xtask: nothing but the Rust toolchain is needed to start, and what CI runs is what a
//! person runs. Next: `demo.rs` for the first command of the README, `test.rs` for the second,
//! `tidy.rs` for the house rules.

mod bench;
mod canvas;
mod demo;
mod host;
mod measure;
mod test;
#[cfg(test)]
mod tidy;
mod ui;
mod vm;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo x demo [--stop]    install what is missing, build, bring examples/shop to life, print its URL
cargo x test [ROOM]      all tests (or one room's), on real components; needs root
cargo x check            formatting, lints and house rules
cargo x ci               what CI runs: check, then test
cargo x ui               the canvas, from ui/ into ui/dist; needs Node and a registry
cargo x canvas [WORD]    the canvas's tests and its journeys in Chromium; needs root and Node;
                         --pictures: renews the reference pictures in ui/e2e/pictures
cargo x vm               the lower rooms' tests on Debian's kernel, emulated; needs root
cargo x bench            the start of a container beside docker's, in one run; needs root
cargo x measure          the figures of docs/performance.md, taken anew; needs root
cargo x dist             the binary to give to others (static, link-time optimised)";

fn main() {
    if let Err(error) = run() {
        // The one place where a developer sees an error: the whole chain, once.
        eprintln!("error: {error:#}");
        std::process::exit(1);
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match arguments.first().map(String::as_str) {
        Some("demo") => demo::run(&rest),
        Some("test") => test::run(&rest),
        Some("check") => test::check(),
        Some("ci") => test::check().and_then(|()| test::run(&[])),
        Some("ui") => ui::build(),
        Some("canvas") => canvas::run(&rest),
        Some("vm") => vm::run(),
        Some("bench") => bench::run(),
        Some("measure") => measure::run(),
        Some("dist") => host::cargo(&["build", "--profile", "dist", "--package", "cli"]),
        Some("help" | "--help" | "-h") | None => {
            println!("{HELP}");
            Ok(())
        }
        Some(other) => bail!("`cargo x {other}` is not a command\n{HELP}"),
    }
}
