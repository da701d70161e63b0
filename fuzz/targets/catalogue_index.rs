//! The index of a catalogue: anything is read, or refused in words; what was read comes back.
#![no_main]

use composer::index::Index;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Index::parse(bytes) {
        Ok(index) => {
            assert_eq!(Index::parse(&index.to_bytes()).as_ref(), Ok(&index));
            let now = "2026-06-01T00:00:00Z".parse().expect("a moment");
            let _judged = index.judge("r.example.org/team", Some((7, false)), now);
            let _found = index.find("redis", Some("7"));
        }
        Err(flaw) => assert!(!flaw.to_string().is_empty()),
    }
});
