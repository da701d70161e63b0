//! Image references: what is printed parses to the same.
#![no_main]

use image::Reference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(reference) = Reference::parse(text) {
        let printed = reference.to_string();
        let again = Reference::parse(&printed).expect("what was printed parses");
        assert_eq!(again.to_string(), printed);
        assert!(
            reference.path.split('/').all(|name| !matches!(name, "" | "." | "..")),
            "{printed}"
        );
    }
});
