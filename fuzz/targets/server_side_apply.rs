//! Server-side apply: what was applied once is unchanged by applying it again.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: (u8, bool, &str, &str)| {
    let (kind, force, live, applied) = data;
    let kind = &kinds::all()[usize::from(kind) % kinds::all().len()];
    let live = serde_json::from_str::<Value>(live).ok();
    let Ok(applied) = serde_json::from_str::<Value>(applied) else { return };
    let now = Timestamp::UNIX_EPOCH;
    let once = kinds::apply::server_side(kind, live.as_ref(), &applied, "fuzz", force, now);
    if let Ok(once) = once {
        let _again = kinds::apply::server_side(kind, Some(&once), &applied, "fuzz", force, now);
        let mut updated = once.clone();
        kinds::apply::track(kind, live.as_ref(), &mut updated, "other", "Update", None, now);
    }
});
