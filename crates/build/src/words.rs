//! Variables and quotes in the words of an instruction, as the shell has them.

/// Substitutes variables and takes quotes away. `get` gives a variable's value.
///
/// Understood are `$x`, `${x}`, `${x:-default}`, `${x:+other}`, `${x:?message}` and the same
/// without the colon, which then asks whether `x` is set instead of whether it is non-empty.
pub(crate) fn expand(word: &str, get: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let chars: Vec<char> = word.chars().collect();
    let mut expander = Expander { chars: &chars, at: 0, get, depth: 0, quotes: true };
    expander.until(None)
}

/// The same for the text of a here-document, where quotes are ordinary characters.
pub(crate) fn expand_text(
    text: &str,
    get: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let chars: Vec<char> = text.chars().collect();
    let mut expander = Expander { chars: &chars, at: 0, get, depth: 0, quotes: false };
    expander.until(None)
}

struct Expander<'a> {
    chars: &'a [char],
    at: usize,
    get: &'a dyn Fn(&str) -> Option<String>,
    depth: usize,
    quotes: bool,
}

impl Expander<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.chars.get(self.at).copied();
        self.at += usize::from(c.is_some());
        c
    }

    /// Up to `end`, which is taken, or to the end of the word.
    fn until(&mut self, end: Option<char>) -> Result<String, String> {
        let mut out = String::new();
        while let Some(c) = self.next() {
            match c {
                c if Some(c) == end => return Ok(out),
                '\'' if self.quotes => loop {
                    match self.next() {
                        Some('\'') => break,
                        Some(c) => out.push(c),
                        None => return Err("a quote ' is not closed".to_owned()),
                    }
                },
                '"' if self.quotes => self.double(&mut out)?,
                '\\' => match self.next() {
                    Some(c) if self.quotes || matches!(c, '$' | '\\') => out.push(c),
                    Some(c) => out.extend(['\\', c]),
                    None => out.push('\\'),
                },
                '$' => out.push_str(&self.variable()?),
                c => out.push(c),
            }
        }
        match end {
            Some(end) => Err(format!("`{end}` is missing after `${{`")),
            None => Ok(out),
        }
    }

    fn double(&mut self, out: &mut String) -> Result<(), String> {
        loop {
            match self.next() {
                Some('"') => return Ok(()),
                Some('\\') => match self.next() {
                    Some(c @ ('"' | '$' | '\\')) => out.push(c),
                    Some(c) => out.extend(['\\', c]),
                    None => out.push('\\'),
                },
                Some('$') => out.push_str(&self.variable()?),
                Some(c) => out.push(c),
                None => return Err("a quote \" is not closed".to_owned()),
            }
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.chars.get(self.at) {
            if !(c.is_ascii_alphanumeric() || *c == '_') {
                break;
            }
            // `$1x` is the variable `1`, then x.
            if name.starts_with(|c: char| c.is_ascii_digit()) {
                break;
            }
            name.push(*c);
            self.at += 1;
        }
        name
    }

    fn variable(&mut self) -> Result<String, String> {
        if self.chars.get(self.at) != Some(&'{') {
            let name = self.name();
            // A dollar alone is a dollar.
            return Ok(if name.is_empty() {
                "$".to_owned()
            } else {
                (self.get)(&name).unwrap_or_default()
            });
        }
        self.at += 1;
        self.depth += 1;
        if self.depth > 32 {
            return Err("`${` is nested too deep".to_owned());
        }
        let name = self.name();
        if name.is_empty() {
            return Err("`${` is not followed by a name".to_owned());
        }
        let value = (self.get)(&name);
        let (colon, operator) = match self.next() {
            Some(':') => (true, self.next()),
            other => (false, other),
        };
        // With the colon an empty value counts as none.
        let there = value.as_ref().is_some_and(|value| !(colon && value.is_empty()));
        let result = match operator {
            Some('}') if !colon => value.unwrap_or_default(),
            Some('-') => {
                let other = self.until(Some('}'))?;
                if there { value.unwrap_or_default() } else { other }
            }
            Some('+') => {
                let other = self.until(Some('}'))?;
                if there { other } else { String::new() }
            }
            Some('?') => {
                let message = self.until(Some('}'))?;
                if !there {
                    let message =
                        if message.is_empty() { "is not set".to_owned() } else { message };
                    return Err(format!("variable {name}: {message}"));
                }
                value.unwrap_or_default()
            }
            _ => return Err(format!("`${{{name}` is not followed by `}}`, `:-`, `:+` or `:?`")),
        };
        self.depth -= 1;
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn get(name: &str) -> Option<String> {
        match name {
            "a" => Some("A".to_owned()),
            "empty" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_as_the_shell_has_them() {
        for (word, expect) in [
            ("$a", "A"),
            ("${a}b$a/c", "AbA/c"),
            ("x$none.y", "x.y"),
            ("${none:-d}", "d"),
            ("${empty:-d}", "d"),
            ("${empty-d}", ""),
            ("${none-d}", "d"),
            ("${a:+o}${none:+o}${empty:+o}${empty+o}", "oo"),
            ("${none:-${a}-$a}", "A-A"),
            ("${none:-a b}", "a b"),
            ("${a:?no}", "A"),
            ("\\$a", "$a"),
            ("'$a'", "$a"),
            ("\"$a b\"", "A b"),
            ("\"a\\\"b\\x\"", "a\"b\\x"),
            ("a\\ b", "a b"),
            ("cost: 5$", "cost: 5$"),
            ("$1a", "a"),
        ] {
            assert_eq!(expand(word, &get).unwrap(), expect, "{word}");
        }
        for bad in ["${a", "${}", "${none:?must be set}", "'x", "\"x", "${a%b}", "${a:=b}"] {
            expand(bad, &get).unwrap_err();
        }
        assert!(expand("${none?}", &get).unwrap_err().contains("none"));
        assert_eq!(expand_text("it's \"$a\" \\$a \\n", &get).unwrap(), "it's \"A\" $a \\n");
    }

    proptest! {
        #[test]
        fn any_word_is_expanded_or_refused(word in "[${}:a\\\\'\"?+-]{0,40}|\\PC{0,40}") {
            drop(expand(&word, &get));
            drop(expand_text(&word, &get));
        }
    }
}
