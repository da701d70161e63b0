//! `filters=`: a JSON object of lists, or of maps whose keys count, as older clients write it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::values::{Pairs, text};

/// Wanted values by the filter's name.
#[derive(Debug, Default)]
pub(crate) struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Reads them; a filter not in `known` is refused, because ignoring it would give too much.
    pub(crate) fn parse(query: &Pairs, known: &[&str]) -> Result<Self> {
        let Some(json) = text(query, "filters") else { return Ok(Self::default()) };
        let invalid = || Error::bad(format!("invalid filters: {json}"));
        let parsed: BTreeMap<String, Value> = serde_json::from_str(json).map_err(|_| invalid())?;
        let mut filters = BTreeMap::new();
        for (name, values) in parsed {
            if !known.contains(&name.as_str()) {
                return Err(Error::bad(format!("invalid filter '{name}'")));
            }
            let values = match values {
                Value::Array(values) => values
                    .into_iter()
                    .map(|value| value.as_str().map(str::to_owned).ok_or_else(invalid))
                    .collect::<Result<_>>()?,
                Value::Object(values) => values.into_iter().map(|(value, _)| value).collect(),
                _ => return Err(invalid()),
            };
            filters.insert(name, values);
        }
        Ok(Self(filters))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether there is no such filter, or one of its values fits.
    pub(crate) fn any(&self, name: &str, fits: impl Fn(&str) -> bool) -> bool {
        self.0.get(name).is_none_or(|values| values.iter().any(|value| fits(value)))
    }

    /// Whether all values of the filter fit.
    pub(crate) fn all(&self, name: &str, fits: impl Fn(&str) -> bool) -> bool {
        self.0.get(name).is_none_or(|values| values.iter().all(|value| fits(value)))
    }

    /// Whether all `label` filters fit: `name` or `name=value`.
    pub(crate) fn labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.all("label", |wanted| match wanted.split_once('=') {
            Some((name, value)) => labels.get(name).is_some_and(|found| found == value),
            None => labels.contains_key(wanted),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Filters> {
        Filters::parse(&vec![("filters".to_owned(), json.to_owned())], &["name", "label"])
    }

    #[test]
    fn lists_and_maps_are_the_same() {
        for json in [r#"{"name":["a","b"]}"#, r#"{"name":{"a":true,"b":true}}"#] {
            let filters = parse(json).unwrap();
            assert!(filters.any("name", |name| name == "b"));
            assert!(!filters.any("name", |name| name == "c"));
            assert!(
                filters.any("status", |_| false),
                "a filter that is not given lets all through"
            );
        }
    }

    #[test]
    fn labels_are_all_wanted() {
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        assert!(parse(r#"{"label":["a","a=1"]}"#).unwrap().labels(&labels));
        assert!(!parse(r#"{"label":["a=2"]}"#).unwrap().labels(&labels));
    }

    #[test]
    fn unknown_filters_are_refused() {
        assert!(parse(r#"{"colour":["red"]}"#).unwrap_err().to_string().contains("colour"));
        assert!(parse("[]").is_err());
    }
}
