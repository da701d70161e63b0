//! Who does something: a name for histories and for presence on the canvas.
//!
//! A name is a label and gives no right: rights come from the socket or from a session.

use serde::{Deserialize, Serialize};

/// The most characters of a name.
const MOST_CHARACTERS: usize = 40;

/// A person, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) initials: String,
}

impl Person {
    /// A person of this name; what cannot be shown in a line is left out.
    pub(crate) fn named(name: &str) -> Self {
        let clean: String =
            name.chars().filter(|letter| !letter.is_control()).take(MOST_CHARACTERS).collect();
        let name = match clean.trim() {
            "" => "owner".to_owned(),
            name => name.to_owned(),
        };
        Self { initials: initials(&name), name }
    }
}

/// Up to two letters: of the first and the last word, or the first two of the only one.
pub(crate) fn initials(name: &str) -> String {
    let words: Vec<&str> = name
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let letters: String = match words.as_slice() {
        [] => "?".into(),
        [only] => only.chars().take(2).collect(),
        [first, .., last] => first.chars().take(1).chain(last.chars().take(1)).collect(),
    };
    letters.to_uppercase()
}

/// Who sent a request, and in which session.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) person: Person,
    /// Names the session; the same for all requests of it, and no secret.
    pub(crate) session: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lines_and_have_initials() {
        assert_eq!(Person::named("ana").initials, "AN");
        assert_eq!(Person::named("Ana Maria da Silva").initials, "AS");
        assert_eq!(Person::named("a\u{1b}[31m\n").name, "a[31m");
        assert_eq!(Person::named("  ").name, "owner");
        assert_eq!(initials("…"), "?");
    }
}
