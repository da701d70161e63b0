//! Names of objects: short enough for every place a name goes to, and still distinct.

use sha2::{Digest, Sha256};

/// The name itself, or, if it is too long, its beginning and a hash of all of it.
pub(crate) fn fit(name: &str, limit: usize) -> String {
    if name.len() <= limit {
        return name.to_owned();
    }
    let hash = hash(name.as_bytes());
    let mut end = limit - 9;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let joint = if name.contains('_') { '_' } else { '-' };
    format!("{}{joint}{}", name[..end].trim_end_matches(['-', '_']), &hash[..8])
}

/// SHA-256 as lower-case hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_stay_distinct() {
        assert_eq!(fit("web-db", 52), "web-db");
        let (one, two) = (fit(&"a".repeat(70), 52), fit(&"a".repeat(71), 52));
        assert_eq!((one.len(), two.len()), (52, 52));
        assert_ne!(one, two);
    }
}
