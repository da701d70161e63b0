//! Shell that makes values which are missing, and none that are there. Values never are arguments
//! of a program, where others could read them.

use composer::{GeneratedSecret, Recipe, SecretValue};

/// The functions that every script begins with.
pub(super) const HEAD: &str = r#"set -eu
letters() { LC_ALL=C tr -dc A-Za-z0-9 < /dev/urandom | head -c "$1"; }
bytes() { head -c "$1" /dev/urandom | base64 | tr -d '\n' | tr '+/' '-_'; }
given() {
  [ -s "given/$1" ] || { echo "write the value into given/$1 first" >&2; exit 1; }
  cat "given/$1"
}
"#;

/// How a value is made, as shell; none if nothing is made.
pub(super) fn made(secret: &GeneratedSecret, key: &str, value: &SecretValue) -> Option<String> {
    match value {
        SecretValue::Generated(Recipe::Random(length)) => Some(format!("$(letters {length})")),
        SecretValue::Generated(Recipe::Base64Url(length)) => Some(format!("$(bytes {length})")),
        SecretValue::Generated(Recipe::Given) => Some(format!("$(given {}.{key})", secret.name)),
        _ => None,
    }
}

/// A variable's name, of a Secret and a key.
pub(super) fn variable(secret: &str, key: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{secret}_{key}").chars().map(letter).collect()
}

/// A text inside a here-document, in which nothing is expanded.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The text of a key, with `made` for values that are made; none if somebody else has it.
pub(super) fn filled(
    secret: &GeneratedSecret,
    key: &str,
    plain: &dyn Fn(&str) -> String,
    made: &dyn Fn(&str) -> String,
) -> Option<String> {
    let found = secret.keys.iter().find(|one| one.name == key)?;
    match &found.value {
        SecretValue::Plain(text) => Some(plain(text)),
        SecretValue::Generated(_) => Some(made(key)),
        SecretValue::Derived(template) => Some(derived(secret, template, plain, made)),
        SecretValue::Taken(_) => None,
    }
}

/// A template such as `x://{user}:{password}@{host}` with its parts filled in.
fn derived(
    secret: &GeneratedSecret,
    template: &str,
    plain: &dyn Fn(&str) -> String,
    made: &dyn Fn(&str) -> String,
) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&plain(&rest[..at]));
        let (brace, after) = rest[at..].split_at(1);
        if after.starts_with(brace) {
            out.push_str(&plain(brace));
            rest = &after[1..];
            continue;
        }
        let Some((name, after)) = after.split_once('}') else { break };
        let found = secret.keys.iter().find(|one| one.name == name).map(|one| &one.value);
        // One level: an interface's templates name fields that are no templates.
        match found {
            Some(SecretValue::Plain(text)) => out.push_str(&plain(text)),
            Some(SecretValue::Generated(_)) => out.push_str(&made(name)),
            _ => {}
        }
        rest = after;
    }
    out.push_str(&plain(rest));
    out
}
