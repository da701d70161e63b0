//! Label and field selectors: text or object to a list of requirements, matched against objects.
//!
//! Label selectors speak of `metadata.labels`; field selectors of paths in the object. Which field
//! paths a kind offers is the api room's business; here any path to a scalar works.

use serde_json::Value;

/// Why a selector was refused.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The text is not a selector.
    #[error("unable to parse selector {text:?}: {reason}")]
    Parse {
        /// The text given.
        text: String,
        /// What was expected.
        reason: String,
    },
}

/// A conjunction of requirements on labels or fields. The default one matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    about: About,
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum About {
    #[default]
    Labels,
    Fields,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
    Never,
}

/// Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`; matched against an object's labels.
pub fn parse_label(text: &str) -> Result<Selector, Error> {
    let mut parser = Parser { text, rest: text.trim_start() };
    let mut requirements = Vec::new();
    while !parser.rest.is_empty() {
        requirements.push(parser.requirement()?);
        if parser.rest.is_empty() {
            break;
        }
        if !parser.take(",") {
            return Err(parser.fault("expected a comma or the end"));
        }
        if parser.rest.is_empty() {
            return Err(parser.fault("expected a requirement after the comma"));
        }
    }
    Ok(Selector { about: About::Labels, requirements })
}

/// Parses `metadata.name=x,status.phase!=Running`; matched against paths of an object. Values may
/// carry `\,` `\=` and `\\`.
pub fn parse_field(text: &str) -> Result<Selector, Error> {
    let fault = |reason: &str| Error::Parse { text: text.to_owned(), reason: reason.to_owned() };
    let mut requirements = Vec::new();
    for term in split_unescaped(text) {
        if term.trim().is_empty() {
            continue;
        }
        let (key, negative, value) = if let Some((key, value)) = term.split_once("!=") {
            (key, true, value)
        } else if let Some((key, value)) = term.split_once("==") {
            (key, false, value)
        } else if let Some((key, value)) = term.split_once('=') {
            (key, false, value)
        } else {
            return Err(fault("expected path=value, path==value or path!=value"));
        };
        if key.trim().is_empty() {
            return Err(fault("expected a field path before the operator"));
        }
        let values = vec![unescape(value)];
        let test = if negative { Test::NotIn(values) } else { Test::In(values) };
        requirements.push(Requirement { key: key.trim().to_owned(), test });
    }
    Ok(Selector { about: About::Fields, requirements })
}

fn split_unescaped(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (index, c) in text.char_indices() {
        match c {
            '\\' if !escaped => escaped = true,
            ',' if !escaped => {
                terms.push(&text[start..index]);
                start = index + 1;
            }
            _ => escaped = false,
        }
    }
    terms.push(&text[start..]);
    terms
}

fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { chars.next().unwrap_or('\\') } else { c });
    }
    out
}

/// From a LabelSelector object (`matchLabels`, `matchExpressions`). An empty one matches
/// everything; `null` nothing, as upstream.
pub fn from_object(selector: &Value) -> Result<Selector, Error> {
    if selector.is_null() {
        return Ok(never());
    }
    let fault =
        |reason: &str| Error::Parse { text: selector.to_string(), reason: reason.to_owned() };
    let labels = selector.get("matchLabels").unwrap_or(&Value::Null);
    let mut out = Selector { about: About::Labels, requirements: equal_to(labels) };
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    for expression in expressions.into_iter().flatten() {
        let text = |name: &str| expression.get(name).and_then(Value::as_str);
        let values: Vec<String> = expression
            .get("values")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect();
        let test = match text("operator") {
            Some("In") => Test::In(values),
            Some("NotIn") => Test::NotIn(values),
            Some("Exists") => Test::Exists,
            Some("DoesNotExist") => Test::Absent,
            _ => return Err(fault("expected operator In, NotIn, Exists or DoesNotExist")),
        };
        let key = text("key").ok_or_else(|| fault("an expression has no key"))?.to_owned();
        out.requirements.push(Requirement { key, test });
    }
    Ok(out)
}

/// From a plain map of labels, as in a Service. An empty or absent map matches nothing there.
pub fn from_labels(labels: &Value) -> Selector {
    match equal_to(labels) {
        requirements if requirements.is_empty() => never(),
        requirements => Selector { about: About::Labels, requirements },
    }
}

fn equal_to(labels: &Value) -> Vec<Requirement> {
    let pairs = labels.as_object().into_iter().flatten();
    pairs
        .map(|(key, value)| Requirement {
            key: key.clone(),
            test: Test::In(vec![value.as_str().unwrap_or_default().to_owned()]),
        })
        .collect()
}

fn never() -> Selector {
    let requirement = Requirement { key: String::new(), test: Test::Never };
    Selector { about: About::Labels, requirements: vec![requirement] }
}

impl Selector {
    /// Whether the object (whole, with metadata) satisfies every requirement.
    pub fn matches(&self, object: &Value) -> bool {
        match self.about {
            About::Labels => match object.pointer("/metadata/labels") {
                Some(labels) => self.matches_labels(labels),
                None => self.matches_labels(&Value::Null),
            },
            About::Fields => self.requirements.iter().all(|requirement| {
                requirement.test.holds(Some(&field_text(object, &requirement.key)))
            }),
        }
    }

    /// Whether a bare map of labels satisfies every requirement.
    pub fn matches_labels(&self, labels: &Value) -> bool {
        self.requirements.iter().all(|requirement| {
            requirement.test.holds(labels.get(&requirement.key).and_then(Value::as_str))
        })
    }

    /// Whether nothing is required.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The value that a field or label must equal, if the selector demands exactly one.
    pub fn exact(&self, key: &str) -> Option<&str> {
        self.requirements.iter().find_map(|requirement| match &requirement.test {
            Test::In(values) if requirement.key == key && values.len() == 1 => {
                Some(values[0].as_str())
            }
            _ => None,
        })
    }

    /// The labels or field paths that requirements speak of.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.requirements.iter().map(|requirement| requirement.key.as_str())
    }
}

/// The canonical text, which parses to the same selector.
impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, Requirement { key, test }) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match test {
                Test::In(values) if values.len() == 1 => write!(f, "{key}={}", values[0])?,
                Test::NotIn(values) if values.len() == 1 => write!(f, "{key}!={}", values[0])?,
                Test::In(values) => write!(f, "{key} in ({})", values.join(","))?,
                Test::NotIn(values) => write!(f, "{key} notin ({})", values.join(","))?,
                Test::Exists => f.write_str(key)?,
                Test::Absent => write!(f, "!{key}")?,
                Test::Greater(number) => write!(f, "{key}>{number}")?,
                Test::Less(number) => write!(f, "{key}<{number}")?,
                Test::Never => f.write_str("<none>")?,
            }
        }
        Ok(())
    }
}

impl Test {
    /// An absent label is equal to nothing, so `NotIn` holds.
    fn holds(&self, value: Option<&str>) -> bool {
        match (self, value) {
            (Self::In(values), Some(value)) => values.iter().any(|v| v == value),
            (Self::NotIn(values), Some(value)) => !values.iter().any(|v| v == value),
            (Self::Exists, value) => value.is_some(),
            (Self::Absent, value) => value.is_none(),
            (Self::NotIn(_), None) => true,
            (Self::Greater(bound), Some(value)) => value.parse::<i64>().is_ok_and(|n| n > *bound),
            (Self::Less(bound), Some(value)) => value.parse::<i64>().is_ok_and(|n| n < *bound),
            (Self::In(_) | Self::Greater(_) | Self::Less(_), None) | (Self::Never, _) => false,
        }
    }
}

/// The scalar at a dotted path as text; absent is empty, as upstream's field sets are.
fn field_text(object: &Value, path: &str) -> String {
    let found = path.split('.').try_fold(object, |value, name| value.get(name));
    match found {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(value)) => value.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn fault(&self, reason: &str) -> Error {
        Error::Parse { text: self.text.to_owned(), reason: format!("{reason}, at {:?}", self.rest) }
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    /// A key or value: everything up to an operator, bracket, comma or blank.
    fn word(&mut self) -> &'a str {
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || ",()=!<>".contains(c))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word
    }

    fn requirement(&mut self) -> Result<Requirement, Error> {
        let absent = self.take("!");
        let key = self.key()?;
        let test = if absent {
            Test::Absent
        } else if self.take("==") || self.take("=") {
            Test::In(vec![self.value()?])
        } else if self.take("!=") {
            Test::NotIn(vec![self.value()?])
        } else if self.take(">") {
            Test::Greater(self.number()?)
        } else if self.take("<") {
            Test::Less(self.number()?)
        } else if self.rest.is_empty() || self.rest.starts_with(',') {
            Test::Exists
        } else {
            match self.word() {
                "in" => Test::In(self.values()?),
                "notin" => Test::NotIn(self.values()?),
                _ => return Err(self.fault("expected one of =, ==, !=, in, notin, <, >")),
            }
        };
        Ok(Requirement { key, test })
    }

    fn key(&mut self) -> Result<String, Error> {
        let key = self.word();
        if crate::name::qualified_name(key).is_some() {
            return Err(self.fault(&format!("{key:?} is no label key")));
        }
        Ok(key.to_owned())
    }

    fn value(&mut self) -> Result<String, Error> {
        let value = self.word();
        if crate::name::label_value(value).is_some() {
            return Err(self.fault(&format!("{value:?} is no label value")));
        }
        Ok(value.to_owned())
    }

    fn number(&mut self) -> Result<i64, Error> {
        let word = self.word();
        word.parse().map_err(|_| self.fault(&format!("{word:?} is no number")))
    }

    fn values(&mut self) -> Result<Vec<String>, Error> {
        if !self.take("(") {
            return Err(self.fault("expected ("));
        }
        let mut values = vec![self.value()?];
        while self.take(",") {
            values.push(self.value()?);
        }
        if self.take(")") { Ok(values) } else { Err(self.fault("expected , or )")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn label_selectors_match() {
        let object =
            json!({"metadata": {"labels": {"a": "b", "tier": "web", "n": "5", "x.io/y": ""}}});
        for (text, expected) in [
            ("", true),
            ("a=b", true),
            ("a==b", true),
            ("a = b , tier != db", true),
            ("a=c", false),
            ("tier in (web,db)", true),
            ("tier notin (web, db)", false),
            ("missing notin (web)", true),
            ("missing!=x", true),
            ("a", true),
            ("!a", false),
            ("!missing", true),
            ("n>4,n<6", true),
            ("n>5", false),
            ("x.io/y", true),
            ("x.io/y=", true),
            ("a in ()", false),
        ] {
            let selector = parse_label(text).unwrap();
            assert_eq!(selector.matches(&object), expected, "{text}");
            assert_eq!(parse_label(&selector.to_string()).unwrap(), selector, "{text}");
        }
    }

    #[test]
    fn broken_label_selectors_are_refused() {
        for text in ["=", "a=b,", "a in b", "a in (b", "a b", "a=b c=d", "!", "-a=b", "a=b/c", ","]
        {
            assert!(parse_label(text).is_err(), "{text}");
        }
    }

    #[test]
    fn field_selectors_match_paths() {
        let object =
            json!({"metadata": {"name": "x,y"}, "status": {"phase": "Running"}, "spec": {"n": 1}});
        for (text, expected) in [
            ("metadata.name=x\\,y", true),
            ("status.phase!=Running", false),
            ("status.phase==Running,spec.n=1", true),
            ("spec.nodeName=", true),
            ("spec.nodeName!=a", true),
        ] {
            assert_eq!(parse_field(text).unwrap().matches(&object), expected, "{text}");
        }
        assert!(parse_field("metadata.name").is_err());
        assert_eq!(parse_field("metadata.name=a").unwrap().exact("metadata.name"), Some("a"));
    }

    #[test]
    fn selector_objects_match() {
        let labels = json!({"a": "b"});
        let object = json!({"matchLabels": {"a": "b"}, "matchExpressions": [
            {"key": "c", "operator": "DoesNotExist"}, {"key": "a", "operator": "In", "values": ["b"]}]});
        assert!(from_object(&object).unwrap().matches_labels(&labels));
        assert!(from_object(&json!({})).unwrap().matches_labels(&labels));
        assert!(!from_object(&Value::Null).unwrap().matches_labels(&labels));
        assert!(!from_labels(&Value::Null).matches_labels(&labels));
        assert!(
            from_object(&json!({"matchExpressions": [{"key": "a", "operator": "x"}]})).is_err()
        );
    }
}
