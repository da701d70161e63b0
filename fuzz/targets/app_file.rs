//! App files: parsed and checked against the stock modules, every complaint drawn.
#![no_main]

use composer::{App, check, render};
use libfuzzer_sys::fuzz_target;

#[path = "../stock.rs"]
mod stock;
use stock::STOCK;

fuzz_target!(|text: &str| {
    let wrong = match App::parse("app.toml", text) {
        Ok(app) => check(&app, &STOCK).err().unwrap_or_default(),
        Err(wrong) => {
            assert!(!wrong.is_empty(), "refused without a reason");
            wrong
        }
    };
    let _drawn = render(&wrong);
});
