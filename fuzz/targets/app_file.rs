//! App files: parsed and checked against the stock modules, every complaint drawn.
#![no_main]

use std::sync::LazyLock;

use composer::{App, Catalogue, check, render};
use libfuzzer_sys::fuzz_target;

static STOCK: LazyLock<Catalogue> = LazyLock::new(|| {
    let mut stock = Catalogue::default();
    for (path, text) in [
        ("postgres", include_str!("../../modules/postgres/module.toml")),
        ("rabbitmq", include_str!("../../modules/rabbitmq/module.toml")),
    ] {
        stock.add_module(path, text).expect("a stock module");
    }
    for (path, text) in [
        ("postgres", include_str!("../../interfaces/postgres.toml")),
        ("amqp", include_str!("../../interfaces/amqp.toml")),
        ("http", include_str!("../../interfaces/http.toml")),
    ] {
        stock.add_interface(path, text).expect("a stock interface");
    }
    stock
});

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
