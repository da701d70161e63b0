//! Verbs of the canvas, as JSON lines after an app file: each is refused or done; what is done
//! parses, and its inverse gives the bytes back.
#![no_main]

use composer::{App, Edit, edit, render};
use libfuzzer_sys::fuzz_target;

#[path = "../stock.rs"]
mod stock;
use stock::STOCK;

/// Between the file and the verbs.
const LINE: &str = "\n===\n";

fuzz_target!(|input: &str| {
    let (text, verbs) = input.split_once(LINE).unwrap_or(("app = \"a\"\n", input));
    let mut text = text.to_owned();
    for verb in verbs.lines().take(8) {
        let Ok(verb) = serde_json::from_str::<Edit>(verb) else { continue };
        let done = match edit("app.toml", &text, &verb, &STOCK) {
            Ok(done) => done,
            Err(wrong) => {
                assert!(!wrong.is_empty(), "refused without a reason");
                let _drawn = render(&wrong);
                continue;
            }
        };
        App::parse("app.toml", &done.text).expect("what an edit leaves parses");
        let mut back = done.text.clone();
        for inverse in &done.inverse {
            back = edit("app.toml", &back, inverse, &STOCK).expect("an inverse is taken").text;
        }
        assert_eq!(back, text, "the inverse gives the bytes back");
        text = done.text;
    }
});
