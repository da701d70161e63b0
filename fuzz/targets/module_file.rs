//! Module and interface files.
#![no_main]

use composer::{Catalogue, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut catalogue = Catalogue::default();
    for wrong in [
        catalogue.add_module("module.toml", text).err(),
        catalogue.add_interface("interface.toml", text).err(),
    ]
    .into_iter()
    .flatten()
    {
        let _drawn = render(&wrong);
    }
});
