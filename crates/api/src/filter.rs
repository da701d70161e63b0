//! Selectors of a list or watch, asked on stored bytes with as little parsing as possible.

use crate::call::Query;
use crate::encode;
use crate::output;
use crate::status::Failure;
use kinds::Kind;
use kinds::selector::{self, Selector};
use serde::Deserialize;
use serde_json::{Value, json};

/// Which objects a list or watch is about.
#[derive(Default)]
pub(crate) struct Filter {
    labels: Selector,
    fields: Selector,
}

/// The part of an object label selectors look at; everything else is skipped while reading.
#[derive(Deserialize)]
struct Head {
    metadata: Labels,
}

#[derive(Deserialize)]
struct Labels {
    #[serde(default)]
    labels: Value,
}

impl Filter {
    pub(crate) fn parse(query: &Query) -> Result<Self, Failure> {
        let bad = |error: selector::Error| Failure::bad_request(error.to_string());
        let labels = query.text("labelSelector").filter(|text| !text.is_empty());
        let fields = query.text("fieldSelector").filter(|text| !text.is_empty());
        Ok(Self {
            labels: labels.map(selector::parse_label).transpose().map_err(bad)?.unwrap_or_default(),
            fields: fields.map(selector::parse_field).transpose().map_err(bad)?.unwrap_or_default(),
        })
    }

    /// Whether every object passes.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn matches(&self, stored: &[u8]) -> bool {
        if self.is_empty() {
            return true;
        }
        if !self.fields.is_empty() {
            let object = output::parse(stored);
            return self.fields.matches(&object) && self.labels.matches(&object);
        }
        match serde_json::from_slice::<Head>(stored) {
            Ok(head) => self.labels.matches(&json!({"metadata": {"labels": head.metadata.labels}})),
            Err(_) => false,
        }
    }

    /// The narrowest prefix below which every match lies.
    pub(crate) fn prefix(&self, kind: &Kind, namespace: Option<&str>) -> String {
        let namespace = match namespace {
            None if kind.namespaced => self.fields.exact("metadata.namespace"),
            other => other,
        };
        let prefix = encode::prefix(kind, namespace);
        let complete = namespace.is_some() || !kind.namespaced;
        match self.fields.exact("metadata.name").filter(|_| complete) {
            Some(name) => prefix + name,
            None => prefix,
        }
    }
}
