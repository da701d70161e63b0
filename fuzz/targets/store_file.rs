//! The store's file, damaged: it opens with what it says, or is refused.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use store::Store;

/// A good file, to be damaged: that is more telling than noise.
static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let place = tempfile::tempdir().expect("a temporary directory");
    drop(Store::open(place.path()).expect("a new store"));
    fs::read(place.path().join("store.sqlite")).expect("the store's file")
});

fuzz_target!(|damage: Vec<(u16, u8)>| {
    let mut bytes = GOOD.clone();
    for (place, byte) in damage {
        let length = bytes.len().max(1);
        if let Some(old) = bytes.get_mut(usize::from(place) % length) {
            *old = byte;
        }
    }
    let place = tempfile::tempdir().expect("a temporary directory");
    fs::write(place.path().join("store.sqlite"), bytes).expect("the damaged file");
    if let Ok(store) = Store::open(place.path()) {
        let _known = store.list("/", None, None, None);
    }
});
