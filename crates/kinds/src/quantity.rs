//! Kubernetes quantities: `100m`, `1.5Gi`, `2e3`.

/// A parsed quantity, exact to a thousandth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity {
    milli: i128,
}

/// The text is not a quantity.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("quantity {0:?} does not match number and suffix")]
pub struct ParseError(pub String);

/// Parses a quantity; values finer than a thousandth are rounded up.
pub fn parse(_text: &str) -> Result<Quantity, ParseError> {
    unimplemented!()
}

/// Parses a JSON string or number.
pub fn from_value(_value: &serde_json::Value) -> Result<Quantity, ParseError> {
    unimplemented!()
}

impl Quantity {
    /// Thousandths of the unit, e.g. millicores.
    pub fn milli(self) -> i128 {
        self.milli
    }
    /// Whole units rounded up, e.g. bytes.
    pub fn value(self) -> i128 {
        unimplemented!()
    }
}

/// An IntOrString against a total: `25%` of 4, or the number itself.
pub fn int_or_percent(
    _value: &serde_json::Value,
    _total: i64,
    _round_up: bool,
) -> Result<i64, ParseError> {
    unimplemented!()
}
