//! Which values of an environment look secret. Where next: `environment.rs`.

/// How a value is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It may stand in the file.
    Plain,
    /// It is secret: a person gives it to the server.
    Secret,
    /// It asks to be replaced, and nobody outside knows it: it may be made here.
    Placeholder,
}

const SECRET: [&str; 9] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "APIKEY",
    "API_KEY",
    "PRIVATE_KEY",
    "CREDENTIAL",
];
const ENDS: [&str; 6] = ["_KEY", "_PASS", "_PW", "_SALT", "_DSN", "_KEY_BASE"];
/// What is about a secret without being one.
const PLAIN: [&str; 16] = [
    "_FILE",
    "_PATH",
    "_URL",
    "_URI",
    "_TTL",
    "_EXPIRE",
    "_EXPIRES",
    "_EXPIRY",
    "_EXPIRATION",
    "_LIFETIME",
    "_LENGTH",
    "_NAME",
    "_ID",
    "_HEADER",
    "_ALGORITHM",
    "_ENDPOINT",
];
/// Names of secrets that only the app itself knows.
const OWN: [&str; 9] = [
    "SECRET_KEY",
    "SECRET_KEY_BASE",
    "JWT_SECRET",
    "SESSION_SECRET",
    "APP_SECRET",
    "COOKIE_SECRET",
    "APP_KEY",
    "SIGNING_SECRET",
    "NEXTAUTH_SECRET",
];

pub(super) fn kind(name: &str, value: &str) -> Kind {
    let upper = name.to_ascii_uppercase();
    let named = SECRET.iter().any(|word| upper.contains(word))
        || ENDS.iter().any(|end| upper.ends_with(end));
    let about = PLAIN.iter().any(|end| upper.ends_with(end)) || upper.contains("PUBLIC");
    let word = value.trim().to_ascii_lowercase();
    let switch = matches!(word.as_str(), "true" | "false" | "yes" | "no" | "on" | "off");
    let number = word.len() < 5 && word.parse::<u32>().is_ok();
    if !named || about || switch || number {
        return Kind::Plain;
    }
    let signs = ["change", "secret", "insecure", "replace", "example", "your", "todo", "dev"];
    let asks = word.is_empty() || signs.iter().any(|sign| word.contains(sign));
    match asks && OWN.iter().any(|own| upper.ends_with(own)) {
        true => Kind::Placeholder,
        false => Kind::Secret,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_from_what_is_about_them() {
        for (name, value, wanted) in [
            ("STRIPE_KEY", "sk_live_1", Kind::Secret),
            ("API_TOKEN", "abc", Kind::Secret),
            ("SECRET_KEY", "changeme", Kind::Placeholder),
            ("JWT_SECRET", "real-0f3a", Kind::Secret),
            ("TOKEN_TTL", "3600", Kind::Plain),
            ("PASSWORD_RESET_ENABLED", "true", Kind::Plain),
            ("PUBLIC_KEY", "x", Kind::Plain),
            ("DEBUG", "1", Kind::Plain),
            ("KEYBOARD", "us", Kind::Plain),
        ] {
            assert_eq!(kind(name, value), wanted, "{name}");
        }
    }
}
