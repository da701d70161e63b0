//! Where the fields of a compiled object come from, read from the app's folder alone.
//!
//! Where next: `explain.rs` of the composer, which decides it.

use std::path::Path;

use composer::graph::Source;

use crate::{Around, Result, load, model};

/// An object that the app becomes, and its fields with where each value comes from.
#[derive(Debug, Clone)]
pub struct Explained {
    /// `Deployment/web`, as the object writes itself.
    pub object: String,
    /// Path, value and origin of each field that somebody decided, in the object's order.
    pub decided: Vec<[String; 3]>,
    /// How many other fields it has, by the compiler's own rules.
    pub ruled: usize,
}

/// The fields of an object of the app in `dir`, named `Kind/name` (the kind in any case), or
/// nothing if the app does not become such an object. Values that only a target knows are empty.
///
/// # Errors
/// The file cannot be read, or is no app file at all.
pub fn explain_object(dir: &Path, object: &str) -> Result<Option<Explained>> {
    let (_, sketch) = model::sketched(dir, &load::text(dir)?, &Around::default())?;
    let compiled = model::compile(&sketch);
    let named = compiled.phases.iter().flat_map(|phase| &phase.objects).find_map(|one| {
        let part = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let key = format!("{}/{}", part(&one["kind"]), part(&one["metadata"]["name"]));
        key.eq_ignore_ascii_case(object).then_some(key)
    });
    Ok(named.and_then(|object| {
        let fields = composer::explain(&sketch.graph, &compiled, &object)?;
        let (ruled, decided): (Vec<_>, Vec<_>) =
            fields.into_iter().partition(|field| field.source == Source::Shelf);
        let row = |field: composer::Field| [field.path, field.value, field.source.to_string()];
        let decided = one_row_each(decided.into_iter().map(row));
        Some(Explained { object, decided, ruled: ruled.len() })
    }))
}

/// A variable from a Secret or ConfigMap is three fields of one decision: told in one row, as
/// `…env[DB_HOST]  web-db/host`.
fn one_row_each(rows: impl Iterator<Item = [String; 3]>) -> Vec<[String; 3]> {
    let mut out: Vec<[String; 3]> = Vec::new();
    for [path, value, source] in rows {
        let Some((variable, field)) = path.split_once("].").filter(|_| path.contains(".env["))
        else {
            out.push([path, value, source]);
            continue;
        };
        // The container's bracket comes first: the variable's is the last one.
        let (variable, field) = match field.split_once("].") {
            Some((own, field)) => (format!("{variable}].{own}]"), field),
            None => (format!("{variable}]"), field),
        };
        match (field.rsplit_once('.'), out.last_mut()) {
            (None, _) if field == "name" => {}
            (Some((_, "key")), Some(last)) if last[0] == variable => {
                last[1] = format!("{}/{value}", last[1]);
            }
            _ => out.push([variable, value, source]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_one_row_with_the_wire_it_comes_from() {
        let shop = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop"));
        let known = explain_object(shop, "deployment/web-worker").unwrap().unwrap();
        assert_eq!(known.object, "Deployment/web-worker");
        let rows: Vec<_> = known.decided.iter().filter(|row| row[0].contains("DB_HOST")).collect();
        let place = "spec.template.spec.containers[worker].env[DB_HOST]";
        assert_eq!(rows, [&[place, "web-db/host", "wire web.db"].map(str::to_owned)]);
        assert!(explain_object(shop, "Deployment/nobody").unwrap().is_none());
    }
}
