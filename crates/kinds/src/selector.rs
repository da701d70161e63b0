//! Label and field selectors.
use serde_json::Value;

/// Why a selector text was refused.
#[derive(Debug, thiserror::Error)]
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

/// A conjunction of requirements on labels or fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {}

/// Parses `a=b,c in (d,e),!f`; matched against an object's `metadata.labels`.
pub fn parse_label(_text: &str) -> Result<Selector, Error> {
    unimplemented!()
}

/// Parses `metadata.name=x,status.phase!=Running`; matched against paths of an object.
pub fn parse_field(_text: &str) -> Result<Selector, Error> {
    unimplemented!()
}

/// From a LabelSelector object (`matchLabels`, `matchExpressions`).
pub fn from_object(_selector: &Value) -> Result<Selector, Error> {
    unimplemented!()
}

/// From a plain map of labels, as in a Service.
pub fn from_labels(_labels: &Value) -> Selector {
    unimplemented!()
}

impl Selector {
    /// Whether the object (whole, with metadata) satisfies every requirement.
    pub fn matches(&self, _object: &Value) -> bool {
        unimplemented!()
    }
    /// Whether a bare map of labels satisfies every requirement.
    pub fn matches_labels(&self, _labels: &Value) -> bool {
        unimplemented!()
    }
    /// Whether nothing is required.
    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }
    /// The value a field or label must equal, if the selector demands one.
    pub fn exact(&self, _key: &str) -> Option<&str> {
        unimplemented!()
    }
}
