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

/// A name for an app, a block, a socket or a disk, made from any other name: lower-case letters,
/// digits and `-`, a letter first, at most 30. `None` if nothing of it can stay. Words that the app
/// file keeps for itself (`app`, `url`) are the caller's to avoid: only it knows a better one.
pub fn name_from(text: &str) -> Option<String> {
    let mut name = String::new();
    for letter in text.chars().flat_map(char::to_lowercase) {
        match letter {
            'a'..='z' => name.push(letter),
            '0'..='9' if !name.is_empty() => name.push(letter),
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    name.truncate(30);
    let name = name.trim_end_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

/// SHA-256 as lower-case hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_gives_a_name_or_nothing() {
        assert_eq!(name_from("My_App.2").as_deref(), Some("my-app-2"));
        assert_eq!(name_from("2-é"), None);
        assert_eq!(name_from(&"x-".repeat(40)).unwrap().len(), 29);
    }

    #[test]
    fn long_names_are_cut_and_stay_distinct() {
        assert_eq!(fit("web-db", 52), "web-db");
        let (one, two) = (fit(&"a".repeat(70), 52), fit(&"a".repeat(71), 52));
        assert_eq!((one.len(), two.len()), (52, 52));
        assert_ne!(one, two);
    }
}
