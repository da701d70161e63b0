//! Strategic merge: any patch on any object of any kind.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: (u8, &str, &str)| {
    let (kind, live, patch) = data;
    let kind = &kinds::all()[usize::from(kind) % kinds::all().len()];
    let (Ok(live), Ok(patch)) =
        (serde_json::from_str::<Value>(live), serde_json::from_str::<Value>(patch))
    else {
        return;
    };
    let _merged = kinds::merge::strategic(kind.schema(), &live, &patch);
});
