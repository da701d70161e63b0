//! Kubernetes quantities as far as sizes need them: `512Mi`, `10Gi`, `1500m`, `2`.

/// Whether a text is a quantity.
pub(crate) fn is_quantity(text: &str) -> bool {
    parse(text).is_some()
}

/// A quantity of bytes or cores as a number.
fn parse(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let factor = match &text[end..] {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_need_a_known_unit() {
        assert_eq!(parse("2Ki"), Some(2048.0));
        assert!(is_quantity("10Gi") && is_quantity("1500m") && is_quantity("2"));
        assert!(!is_quantity("10GB") && !is_quantity("big") && !is_quantity(""));
    }
}
