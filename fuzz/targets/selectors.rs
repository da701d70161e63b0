//! Label and field selectors of queries, and those inside objects.
#![no_main]

use kinds::selector;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|text: &str| {
    let object = json!({"metadata": {"name": "a", "labels": {"a": "b"}}, "spec": {}});
    for parsed in [selector::parse_label(text), selector::parse_field(text)].into_iter().flatten() {
        let _matches = parsed.matches(&object);
    }
    if let Ok(value) = serde_json::from_str(text)
        && let Ok(parsed) = selector::from_object(&value)
    {
        let _matches = parsed.matches(&object);
    }
});
