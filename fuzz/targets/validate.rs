//! Objects from outside: defaults, preparation, validation, table rows.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: (u8, &str)| {
    let (kind, text) = data;
    let kind = &kinds::all()[usize::from(kind) % kinds::all().len()];
    let Ok(object) = serde_json::from_str::<Value>(text) else { return };
    // As the API does: what has wrong types goes no further.
    let _unknown = kind.unknown_fields(&object);
    if !kind.type_errors(&object).is_empty() {
        return;
    }
    let mut new = object.clone();
    kind.prepare_create(&mut new);
    kind.default(&mut new);
    let _wrong = kind.validate(&new, None);
    let old = new.clone();
    kind.prepare_update(&mut new, &old, None);
    let _wrong = kind.validate(&new, Some(&old));
    let row = kind.row(&new, Timestamp::UNIX_EPOCH);
    assert_eq!(row.len(), kind.columns().len());
});
