//! Event in its two forms: core/v1 and events.k8s.io/v1 are views of the same object.

use crate::cell::{self, at, int_at, or_none, str_at};
use crate::duration;
use crate::kind::{Column, Hooks, Kind};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

const COLUMNS: &[Column] = &[
    cell::text("Last Seen", "time since it was last seen"),
    cell::text("Type", "Normal or Warning"),
    cell::text("Reason", "short machine-readable cause"),
    cell::text("Object", "what it is about"),
    cell::wide("Subobject", "the part of the object"),
    cell::wide("Source", "who reported it"),
    cell::text("Message", "what happened"),
    cell::wide("First Seen", "time since it was first seen"),
    cell::wide("Count", "how often it was seen"),
    Column { priority: 1, ..cell::NAME },
];

/// Pairs of field names: core/v1, events.k8s.io/v1.
const NAMES: [(&str, &str); 6] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];
/// `reportingComponent` in core is `reportingController` in events.k8s.io.
const REPORTER: (&str, &str) = ("reportingComponent", "reportingController");

pub(crate) fn event() -> Kind {
    Kind {
        short_names: &["ev"],
        ..Kind::new(("", "v1", "Event"), ("events", "event"), COLUMNS, Hooks::row_only(row))
    }
}

pub(crate) fn event_v1() -> Kind {
    Kind {
        short_names: &["ev"],
        ..Kind::new(
            ("events.k8s.io", "v1", "Event"),
            ("events", "event"),
            COLUMNS,
            Hooks::row_only(|object, now| row(&to_core(object), now)),
        )
    }
}

/// The same event as a core/v1 object.
pub(crate) fn to_core(object: &Value) -> Value {
    renamed(object, "v1", |name| {
        let pair = NAMES.iter().chain([&REPORTER]).find(|(_, new)| *new == name);
        pair.map(|(old, _)| *old)
    })
}

/// The same event as an events.k8s.io/v1 object.
pub(crate) fn to_events_v1(object: &Value) -> Value {
    renamed(object, "events.k8s.io/v1", |name| {
        let pair = NAMES.iter().chain([&REPORTER]).find(|(old, _)| *old == name);
        pair.map(|(_, new)| *new)
    })
}

fn renamed(
    object: &Value,
    version: &str,
    new_name: impl Fn(&str) -> Option<&'static str>,
) -> Value {
    let mut out = Map::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        let name = new_name(name).unwrap_or(name);
        out.insert(name.to_owned(), value.clone());
    }
    out.insert("apiVersion".to_owned(), json!(version));
    Value::Object(out)
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let first = time(object, &["/firstTimestamp", "/eventTime", "/metadata/creationTimestamp"]);
    let last = time(object, &["/series/lastObservedTime", "/lastTimestamp"]).or(first);
    let count = match int_at(object, "/series/count") {
        0 => int_at(object, "/count").max(1),
        count => count,
    };
    let about = at(object, "/involvedObject");
    let kind = str_at(about, "/kind").to_lowercase();
    let target = match str_at(about, "/name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let component = match str_at(object, "/source/component") {
        "" => str_at(object, "/reportingComponent"),
        component => component,
    };
    let source = match str_at(object, "/source/host") {
        "" => component.to_owned(),
        host => format!("{component}, {host}"),
    };
    vec![
        json!(duration::since(last, now)),
        json!(str_at(object, "/type")),
        json!(str_at(object, "/reason")),
        json!(target),
        json!(str_at(about, "/fieldPath")),
        or_none(&source),
        json!(str_at(object, "/message").trim()),
        json!(duration::since(first, now)),
        json!(count.to_string()),
        cell::name(object),
    ]
}

/// The first time that is set.
fn time<'a>(object: &'a Value, pointers: &[&str]) -> Option<&'a Value> {
    pointers.iter().filter_map(|pointer| object.pointer(pointer)).find(|time| time.is_string())
}
