//! Compose files: read, turned into an app, and every value accounted for.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use composer::Catalogue;
use libfuzzer_sys::fuzz_target;
use transfer::{Compose, compose, compose_files};

static STOCK: LazyLock<Catalogue> = LazyLock::new(|| {
    let mut stock = Catalogue::default();
    let text = include_str!("../../modules/postgres/module.toml");
    stock.add_module("postgres", text).expect("a stock module");
    for (path, text) in [
        ("postgres", include_str!("../../interfaces/postgres.toml")),
        ("http", include_str!("../../interfaces/http.toml")),
        ("tcp", include_str!("../../interfaces/tcp.toml")),
    ] {
        stock.add_interface(path, text).expect("a stock interface");
    }
    stock
});

fuzz_target!(|text: &str| {
    let _names = compose_files("compose.yaml", text);
    let env = "A=1\nB=\"x y\"\nC=${A}\n".to_owned();
    let files = BTreeMap::from([(".env".to_owned(), env)]);
    let asked =
        Compose { path: "compose.yaml", text, files: &files, app: None, folder: "x", profiles: &[] };
    let Ok(made) = compose(&asked, &STOCK) else { return };
    assert!(made.rows.iter().all(|row| row.becomes.is_some() || !row.why.is_empty()));
});
