//! Quantities such as `250m` and `1.5Gi`, percentages, and numbers from JSON.
#![no_main]

use kinds::quantity;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    if let Ok(quantity) = quantity::parse(text) {
        let _units = (quantity.milli(), quantity.value());
        let again = quantity::parse(&quantity.to_string()).expect("what was printed parses");
        assert_eq!(again.milli(), quantity.milli());
    }
    for value in [Some(Value::from(text)), serde_json::from_str(text).ok()].into_iter().flatten() {
        let _quantity = quantity::from_value(&value);
        let _share = quantity::int_or_percent(&value, 10, true);
    }
});
