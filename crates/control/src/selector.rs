//! Requirements on labels: selectors of workloads and services, terms of node affinity.

use serde_json::Value;
use std::collections::BTreeMap;

/// A conjunction of requirements on a map of labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Gt,
    Lt,
}

impl Selector {
    /// From a `LabelSelector` object; `None` when it is absent or has an unknown operator,
    /// which must select nothing.
    pub(crate) fn from_object(selector: Option<&Value>) -> Option<Self> {
        let selector = selector?;
        let mut requirements = match selector.get("matchLabels") {
            Some(labels) => Self::from_labels(labels).requirements,
            None => Vec::new(),
        };
        requirements.extend(Self::from_expressions(selector.get("matchExpressions"))?.requirements);
        Some(Self { requirements })
    }

    /// From a plain map, as in a Service or a node selector.
    pub(crate) fn from_labels(labels: &Value) -> Self {
        let requirements =
            labels.as_object().into_iter().flatten().map(|(key, value)| Requirement {
                key: key.clone(),
                operator: Operator::In,
                values: vec![value.as_str().unwrap_or("").to_owned()],
            });
        Self { requirements: requirements.collect() }
    }

    /// From a list of `{key, operator, values}`; `None` when an operator is unknown.
    pub(crate) fn from_expressions(expressions: Option<&Value>) -> Option<Self> {
        let mut requirements = Vec::new();
        for expression in expressions.and_then(Value::as_array).into_iter().flatten() {
            let operator = match expression["operator"].as_str()? {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                "Gt" => Operator::Gt,
                "Lt" => Operator::Lt,
                _ => return None,
            };
            let values = expression["values"].as_array().into_iter().flatten();
            requirements.push(Requirement {
                key: expression["key"].as_str()?.to_owned(),
                operator,
                values: values.filter_map(Value::as_str).map(str::to_owned).collect(),
            });
        }
        Some(Self { requirements })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(labels.get(&requirement.key)))
    }
}

impl Requirement {
    fn holds(&self, value: Option<&String>) -> bool {
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt => self.compare(value).is_some_and(|(value, bound)| value > bound),
            Operator::Lt => self.compare(value).is_some_and(|(value, bound)| value < bound),
        }
    }

    fn compare(&self, value: Option<&String>) -> Option<(i64, i64)> {
        Some((value?.parse().ok()?, self.values.first()?.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn labels_and_expressions_must_all_hold() {
        let selector = Selector::from_object(Some(&json!({
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["a", "b"]},
                {"key": "old", "operator": "DoesNotExist"},
            ],
        })))
        .unwrap();
        assert!(selector.matches(&labels(&[("app", "web"), ("tier", "b")])));
        assert!(!selector.matches(&labels(&[("app", "web"), ("tier", "c")])));
        assert!(!selector.matches(&labels(&[("app", "web"), ("tier", "a"), ("old", "")])));
        assert!(!selector.matches(&labels(&[("tier", "a")])));
    }

    #[test]
    fn an_absent_or_odd_selector_selects_nothing() {
        assert!(Selector::from_object(None).is_none());
        let odd = json!({"matchExpressions": [{"key": "a", "operator": "Near"}]});
        assert!(Selector::from_object(Some(&odd)).is_none());
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        let more = Selector::from_expressions(Some(
            &json!([{"key": "n", "operator": "Gt", "values": ["9"]}]),
        ))
        .unwrap();
        assert!(more.matches(&labels(&[("n", "10")])));
        assert!(!more.matches(&labels(&[("n", "9")])));
        assert!(!more.matches(&labels(&[])));
    }
}
