//! `POST /containers/create`: a record and nothing else; the pod is made at the first start.

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::Door;
use crate::containers::blocking;
use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::images;
use crate::options::Request;
use crate::record::{FORMAT, Record};
use crate::values::{Pairs, text};

pub(crate) async fn create(
    State(door): State<Door>,
    Query(query): Query<Pairs>,
    Json(body): Json<Value>,
) -> Result<Response> {
    let request = Request::parse(&body)?;
    if let Some(platform) = text(&query, "platform") {
        let wanted = platform.split('/').nth(1).unwrap_or(platform);
        if wanted != images::architecture() {
            return Err(Error::unsupported(format!("platform {platform}")));
        }
    }
    let image = images::find(&door.settings.images, &request.image)?;
    let id = new_id();
    let name = match text(&query, "name") {
        Some(name) => checked(name)?.to_owned(),
        None => id.chars().take(12).collect(),
    };
    let record = Record {
        format: FORMAT,
        id: id.clone(),
        name: name.clone(),
        created: Timestamp::now(),
        image_digest: image.digest,
        request: body,
    };
    // In the list first: the name is taken from here on.
    {
        let mut entries = door.containers.lock();
        taken(entries.values().map(|entry| entry.record()), &name)?;
        entries.insert(id.clone(), Entry::new(record.clone(), false));
    }
    let dir = door.containers.dir.clone();
    if let Err(error) = blocking("write record", move || record.save(&dir)).await {
        door.containers.lock().remove(&id);
        return Err(error);
    }
    Ok((StatusCode::CREATED, Json(json!({"Id": id, "Warnings": []}))).into_response())
}

/// Refuses a name another container has.
pub(crate) fn taken(mut records: impl Iterator<Item = Record>, name: &str) -> Result<()> {
    match records.find(|record| record.name == name) {
        None => Ok(()),
        Some(other) => Err(Error::Conflict {
            reason: format!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You have to remove (or rename) that container to be able to reuse that name.",
                other.id
            ),
        }),
    }
}

/// A name as Docker allows it: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub(crate) fn checked(name: &str) -> Result<&str> {
    let bare = name.strip_prefix('/').unwrap_or(name);
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let first = bare.starts_with(|c: char| c.is_ascii_alphanumeric());
    if first && (2..=128).contains(&bare.len()) && bare.chars().all(inner) {
        return Ok(bare);
    }
    Err(Error::bad(format!(
        "Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
    )))
}

/// 64 hexadecimal digits at random.
pub(crate) fn new_id() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_docker_s() {
        assert_eq!(checked("/web-1").unwrap(), "web-1");
        for wrong in ["", "a", "-a", "a b", "a/b", "ä1"] {
            assert!(checked(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ids_are_long_and_different() {
        let (one, two) = (new_id(), new_id());
        assert!(one != two && one.len() == 64);
        assert!(one.chars().all(|c| c.is_ascii_hexdigit()));
    }
}
