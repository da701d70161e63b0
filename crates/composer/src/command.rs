//! Commands written as one string: words split as a shell would, but no shell runs them, so
//! signals reach the program itself. Anything only a shell understands is refused.

/// Splits a command into its words; the error says what is wrong with it.
pub(crate) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"') | None, '\\') => {
                let next = chars.next().ok_or("it ends with a backslash")?;
                word.get_or_insert_default().push(next);
            }
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '|' | '&' | ';' | '<' | '>' | '`' | '$' | '*' | '?' | '(' | ')') => {
                return Err(format!("\"{c}\" needs a shell; write  sh -c '…'"));
            }
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(format!("the quote {open} is not closed"));
    }
    words.extend(word);
    if words.is_empty() {
        return Err("it is empty".into());
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_quotes_split_like_a_shell() {
        assert_eq!(split("bin/web  --port 80").unwrap(), ["bin/web", "--port", "80"]);
        assert_eq!(split("sh -c 'a | b \"c\"'").unwrap(), ["sh", "-c", "a | b \"c\""]);
        assert_eq!(split(r#"x "a b" c\ d ''"#).unwrap(), ["x", "a b", "c d", ""]);
    }

    #[test]
    fn shell_syntax_outside_quotes_is_refused() {
        for bad in ["a | b", "a && b", "echo $X", "a 'b", "", "a\\"] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }
}
