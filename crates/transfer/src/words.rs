//! Commands as one string: how foreign files split them, and how the app file writes them.

/// Splits a command as a shell does, without running one. An open quote ends with the text.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"') | None, '\\') => {
                if let Some(next) = chars.next().filter(|next| *next != '\n') {
                    word.get_or_insert_default().push(next);
                }
            }
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Words as the app file writes a command: quoted where a shell would need it, braces doubled.
pub(crate) fn join(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
    braces(&quoted.join(" "))
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+{}".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if !word.contains('\'') {
        return format!("'{word}'");
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A text in which no brace is a reference.
pub(crate) fn braces(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// A name for a block, a socket, a disk, made from what a foreign file calls it.
pub(crate) fn name(from: &str) -> String {
    match composer::name_from(from) {
        None => "block".to_owned(),
        Some(name) if name == "app" || name == "url" => format!("{name}-1"),
        Some(name) => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_joined_splits_again() {
        for words in [
            vec!["sh", "-c", "a | b \"c\" 'd' \\e"],
            vec!["bin/web", "--port", "80", ""],
            vec!["x", "it's", "a*b?", "$HOME"],
        ] {
            let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
            assert_eq!(split(&join(&words)), words);
        }
        assert_eq!(join(&["{a}".to_owned()]), "{{a}}");
        assert_eq!(name("My_App.2"), "my-app-2");
        assert_eq!((name("2"), name("app")), ("block".into(), "app-1".into()));
    }
}
