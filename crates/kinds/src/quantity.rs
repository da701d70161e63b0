//! Kubernetes quantities: `100m`, `1.5Gi`, `2e3`, and numbers that may be percentages.
//!
//! A quantity is a decimal number with a binary (`Ki`…`Ei`), decimal (`n`…`E`) or exponent (`e3`)
//! suffix. Ours are exact to a thousandth, which is all that CPU and memory need.

use serde_json::Value;

/// A parsed quantity, exact to a thousandth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity {
    milli: i128,
}

/// The text is not a quantity.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("quantity {0:?} is not a number with an optional suffix such as m, k, Mi or e3")]
pub struct ParseError(pub String);

/// Quantities beyond this are refused: i64 is upstream's limit too.
const MAX_VALUE: i128 = i64::MAX as i128;
/// Digits that a quantity may have; more can only be an attack.
const MAX_DIGITS: usize = 30;

/// Parses a quantity; values finer than a thousandth are rounded up, away from zero.
pub fn parse(text: &str) -> Result<Quantity, ParseError> {
    let fault = || ParseError(text.chars().take(64).collect());
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let end = body.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(body.len());
    let (number, suffix) = body.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = whole.len() + fraction.len();
    if digits == 0 || digits > MAX_DIGITS || fraction.contains('.') {
        return Err(fault());
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().map_err(|_| fault())?;
    let (factor, exponent) = suffix_value(suffix).ok_or_else(fault)?;
    // value = mantissa · factor · 10^(exponent - fraction digits), wanted in thousandths.
    let shift = exponent + 3 - i32::try_from(fraction.len()).map_err(|_| fault())?;
    let scaled = mantissa.checked_mul(factor).ok_or_else(fault)?;
    let milli = if shift >= 0 {
        pow10(shift).and_then(|p| scaled.checked_mul(p)).ok_or_else(fault)?
    } else {
        match pow10(-shift) {
            Some(divisor) => scaled.div_euclid(divisor) + i128::from(scaled % divisor != 0),
            None => i128::from(scaled != 0),
        }
    };
    if milli / 1000 > MAX_VALUE {
        return Err(fault());
    }
    Ok(Quantity { milli: if negative { -milli } else { milli } })
}

/// Factor and power of ten of a suffix.
fn suffix_value(suffix: &str) -> Option<(i128, i32)> {
    Some(match suffix {
        "" => (1, 0),
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        other => {
            (1, other.strip_prefix(['e', 'E'])?.parse().ok().filter(|e| (-99..=99).contains(e))?)
        }
    })
}

fn pow10(exponent: i32) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(exponent).ok()?)
}

/// Parses a JSON string or number.
pub fn from_value(value: &Value) -> Result<Quantity, ParseError> {
    match value {
        Value::String(text) => parse(text),
        Value::Number(number) => parse(&number.to_string()),
        other => Err(ParseError(other.to_string().chars().take(64).collect())),
    }
}

impl Quantity {
    /// From thousandths of the unit.
    pub fn from_milli(milli: i128) -> Self {
        Self { milli }
    }

    /// Thousandths of the unit, e.g. millicores.
    pub fn milli(self) -> i128 {
        self.milli
    }

    /// Whole units, rounded up, e.g. bytes.
    pub fn value(self) -> i128 {
        self.milli.div_euclid(1000) + i128::from(self.milli.rem_euclid(1000) != 0)
    }
}

impl std::ops::Add for Quantity {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { milli: self.milli.saturating_add(other.milli) }
    }
}

/// Decimal form: `1500m`, `2`.
impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.milli % 1000 == 0 {
            write!(f, "{}", self.milli / 1000)
        } else {
            write!(f, "{}m", self.milli)
        }
    }
}

/// An IntOrString against a total: `25%` of 4 is 1, a number is itself.
pub fn int_or_percent(value: &Value, total: i64, round_up: bool) -> Result<i64, ParseError> {
    if let Some(number) = value.as_i64() {
        return Ok(number);
    }
    let text = value.as_str().ok_or_else(|| ParseError(value.to_string()))?;
    let percent: i64 = text
        .strip_suffix('%')
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| ParseError(text.to_owned()))?;
    let product = i128::from(percent) * i128::from(total);
    let up = i128::from(round_up && product.rem_euclid(100) != 0);
    i64::try_from(product.div_euclid(100) + up).map_err(|_| ParseError(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_of_every_suffix() {
        for (text, milli) in [
            ("0", 0),
            ("100m", 100),
            ("1", 1000),
            ("1.5", 1500),
            (".5", 500),
            ("1.5Gi", 1_610_612_736_000),
            ("1Ki", 1_024_000),
            ("2k", 2_000_000),
            ("2e3", 2_000_000),
            ("2E3", 2_000_000),
            ("1E", 1_000_000_000_000_000_000_000),
            ("1e-3", 1),
            ("1n", 1),
            ("-1", -1000),
            ("+3", 3000),
            ("500u", 1),
        ] {
            assert_eq!(parse(text).map(Quantity::milli), Ok(milli), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity() {
        for text in ["", "m", "1 Gi", "1gi", "1.2.3", "-", "1e", "1e1000", "10E99", "é", "1Kib"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"9".repeat(5000)).is_err());
    }

    #[test]
    fn whole_units_round_up() {
        assert_eq!(parse("1m").unwrap().value(), 1);
        assert_eq!(parse("1500m").unwrap().value(), 2);
        assert_eq!(parse("-1500m").unwrap().value(), -1);
        assert_eq!(from_value(&json!(2)).unwrap().value(), 2);
        assert!(parse("1000m") == parse("1") && parse("1Mi").unwrap() > parse("1M").unwrap());
    }

    #[test]
    fn percentages_of_a_total() {
        assert_eq!(int_or_percent(&json!("25%"), 10, true), Ok(3));
        assert_eq!(int_or_percent(&json!("25%"), 10, false), Ok(2));
        assert_eq!(int_or_percent(&json!(4), 10, false), Ok(4));
        assert!(int_or_percent(&json!("x"), 10, false).is_err());
    }
}
