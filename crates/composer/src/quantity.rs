//! Kubernetes quantities as far as sizes need them: `512Mi`, `10Gi`, `1500m`, `2`.

use kinds::quantity::{self, Quantity};

/// A quantity of bytes or cores; `None` for a text that is none, or has a sign.
pub fn quantity(text: &str) -> Option<Quantity> {
    text.starts_with(|c: char| c.is_ascii_digit()).then(|| quantity::parse(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_quantities_and_words_are_not() {
        let sound = |text: &str| quantity(text).is_some();
        assert!(sound("10Gi") && sound("1500m") && sound("2"));
        assert!(!sound("10GB") && !sound("big") && !sound("") && !sound("-1"));
    }
}
