//! References in values: `{db.url}`, `{url}`, `{secrets.key}`, `{{` for a brace. One level of
//! substitution, nothing more: no defaults, no functions, no nesting.

/// A value with references in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) parts: Vec<Part>,
}

/// A stretch of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Text as it is.
    Text(String),
    /// `{name}`, `{name.field}` or, as a list, `{name.field, ...}`.
    Reference(Reference),
}

/// What stands between braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) name: String,
    pub(crate) field: Option<String>,
    pub(crate) list: bool,
}

impl std::fmt::Display for Reference {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = if self.list { ", ..." } else { "" };
        match &self.field {
            Some(field) => write!(out, "{{{}.{field}{list}}}", self.name),
            None => write!(out, "{{{}{list}}}", self.name),
        }
    }
}

impl Template {
    /// Reads a template; the error is a phrase that says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let (brace, after) = (rest.as_bytes()[at], &rest[at + 1..]);
            if after.as_bytes().first() == Some(&brace) {
                plain.push(char::from(brace));
                rest = &after[1..];
                continue;
            }
            if brace == b'}' {
                return Err("a \"}\" without its \"{\"; write \"}}\" for a brace".into());
            }
            let Some(end) = after.find('}') else {
                return Err("a \"{\" that is not closed; write \"{{\" for a brace".into());
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Reference(reference(&after[..end])?));
            rest = &after[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    pub(crate) fn references(&self) -> impl Iterator<Item = &Reference> {
        self.parts.iter().filter_map(|part| match part {
            Part::Reference(reference) => Some(reference),
            Part::Text(_) => None,
        })
    }

    /// Puts values in place of references; the error is the first reference without a value.
    pub(crate) fn fill<'a>(
        &self,
        value: impl Fn(&Reference) -> Option<std::borrow::Cow<'a, str>>,
    ) -> Result<String, Reference> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Reference(reference) => {
                    out.push_str(&value(reference).ok_or_else(|| reference.clone())?);
                }
            }
        }
        Ok(out)
    }
}

fn reference(inside: &str) -> Result<Reference, String> {
    let (path, list) = match inside.split_once(',') {
        Some((path, rest)) if rest.trim() == "..." => (path, true),
        Some(_) => return Err(format!("\"{{{inside}}}\": after a comma only \"...\" may follow")),
        None => (inside, false),
    };
    let (name, field) = match path.split_once('.') {
        Some((name, field)) => (name, Some(field)),
        None => (path, None),
    };
    let good = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    if !good(name) || !field.is_none_or(good) {
        return Err(format!("\"{{{inside}}}\" is no reference; write {{socket.field}}"));
    }
    Ok(Reference { name: name.to_owned(), field: field.map(str::to_owned), list })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_and_braces_escaped() {
        let template = Template::parse("a{{b}}{db.url}-{url}{x.y, ...}").unwrap();
        let names: Vec<String> = template.references().map(ToString::to_string).collect();
        assert_eq!(names, ["{db.url}", "{url}", "{x.y, ...}"]);
        let filled = template.fill(|reference| Some(reference.name.to_uppercase().into()));
        assert_eq!(filled.unwrap(), "a{b}DB-URLX");
    }

    #[test]
    fn broken_templates_say_why() {
        for bad in ["{db", "db}", "{}", "{a.b.c}", "{a b}", "{a, b}"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
}
