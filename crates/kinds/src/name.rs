//! The grammar of names, labels and paths. Each function returns what is wrong, or `None`.

const DNS_LABEL_MAX: usize = 63;
const DNS_SUBDOMAIN_MAX: usize = 253;

/// RFC 1123 label: `[a-z0-9]([-a-z0-9]*[a-z0-9])?`, at most 63 bytes.
pub(crate) fn dns_label(text: &str) -> Option<String> {
    if text.len() > DNS_LABEL_MAX {
        return Some(format!("must be no more than {DNS_LABEL_MAX} bytes"));
    }
    if label_chars(text) {
        return None;
    }
    Some(
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
         and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
         regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            .to_owned(),
    )
}

/// RFC 1035 label: as [`dns_label`], but it starts with a letter.
pub(crate) fn dns_1035_label(text: &str) -> Option<String> {
    if text.len() > DNS_LABEL_MAX {
        return Some(format!("must be no more than {DNS_LABEL_MAX} bytes"));
    }
    if label_chars(text) && text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return None;
    }
    Some(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with \
         an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or \
         'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
            .to_owned(),
    )
}

/// RFC 1123 subdomain: labels joined by dots, at most 253 bytes.
pub(crate) fn dns_subdomain(text: &str) -> Option<String> {
    if text.len() > DNS_SUBDOMAIN_MAX {
        return Some(format!("must be no more than {DNS_SUBDOMAIN_MAX} bytes"));
    }
    if text.split('.').all(label_chars) {
        return None;
    }
    Some(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' \
         or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex \
         used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            .to_owned(),
    )
}

/// A name that is one segment of a URL path, as RBAC objects have.
pub(crate) fn path_segment(text: &str) -> Option<String> {
    match text {
        "." => Some("may not be '.'".to_owned()),
        ".." => Some("may not be '..'".to_owned()),
        _ => {
            text.chars().find(|c| matches!(c, '/' | '%')).map(|c| format!("may not contain '{c}'"))
        }
    }
}

fn label_chars(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn name_part(text: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && edge(text.bytes().next())
        && edge(text.bytes().next_back())
}

/// A label or annotation key: `[prefix/]name`.
pub(crate) fn qualified_name(text: &str) -> Option<String> {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    if let Some(prefix) = prefix {
        if prefix.is_empty() {
            return Some("prefix part must be non-empty".to_owned());
        }
        if let Some(fault) = dns_subdomain(prefix) {
            return Some(format!("prefix part {fault}"));
        }
    }
    if name.is_empty() {
        return Some("name part must be non-empty".to_owned());
    }
    if name.len() > DNS_LABEL_MAX {
        return Some(format!("name part must be no more than {DNS_LABEL_MAX} bytes"));
    }
    if name_part(name) {
        return None;
    }
    Some(
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and \
         end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex \
         used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
            .to_owned(),
    )
}

/// A label's value: empty, or at most 63 bytes of letters, digits, `-_.`.
pub(crate) fn label_value(text: &str) -> Option<String> {
    if text.len() > DNS_LABEL_MAX {
        return Some(format!("must be no more than {DNS_LABEL_MAX} bytes"));
    }
    if text.is_empty() || name_part(text) {
        return None;
    }
    Some(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
         '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or \
         'my_value',  or '12345', regex used for validation is \
         '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            .to_owned(),
    )
}

/// The name of an environment variable: anything printable but `=`.
pub(crate) fn env_name(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("a variable name must not be empty".to_owned());
    }
    let bad = text.chars().find(|c| !c.is_ascii() || c.is_ascii_control() || *c == '=');
    bad.map(|_| {
        "a valid environment variable name must consist only of printable ASCII characters other \
         than '='"
            .to_owned()
    })
}

/// A key of a ConfigMap or Secret: a file name.
pub(crate) fn config_key(text: &str) -> Option<String> {
    if text.len() > DNS_SUBDOMAIN_MAX {
        return Some(format!("must be no more than {DNS_SUBDOMAIN_MAX} bytes"));
    }
    let chars = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if text.is_empty() || !chars {
        return Some(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. \
             'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is \
             '[-._a-zA-Z0-9]+')"
                .to_owned(),
        );
    }
    match text {
        "." => Some("must not be '.'".to_owned()),
        ".." => Some("must not be '..'".to_owned()),
        _ if text.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    }
}

/// A port number.
pub(crate) fn port_number(number: i64) -> Option<&'static str> {
    (!(1..=65535).contains(&number)).then_some("must be between 1 and 65535, inclusive")
}

/// The name of a port: at most 15 characters, a letter among them.
pub(crate) fn port_name(text: &str) -> Option<&'static str> {
    const MAX: usize = 15;
    if text.len() > MAX {
        return Some("must be no more than 15 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Some("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        return Some("must contain at least one letter (a-z)");
    }
    if text.contains("--") {
        return Some("must not contain consecutive hyphens");
    }
    (text.starts_with('-') || text.ends_with('-')).then_some("must not begin or end with a hyphen")
}
