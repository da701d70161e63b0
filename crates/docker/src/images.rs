//! Images: list, inspect, history, tag, remove, and making the base image.
//!
//! An image's id is its manifest's digest. `debian:12` is made from Debian packages when it is asked
//! for and missing; everything else is fetched from its registry (`distribution.rs`).

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use image::{Image, Images, Reference};
use serde_json::{Value, json};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::api::Door;
use crate::containers::blocking;
use crate::distribution;
use crate::error::{Error, Result};
use crate::filters::Filters;
use crate::values::{Pairs, flag, text};

const NO_DATE: &str = "0001-01-01T00:00:00Z";

/// This machine's architecture in Go's words.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// By name, digest, or the beginning of a digest, in this order.
pub(crate) fn find(images: &Images, name: &str) -> Result<Image> {
    let missing = || Error::NoImage { name: name.to_owned() };
    let hex = name.strip_prefix("sha256:").unwrap_or(name);
    let digits = hex.len() <= 64 && hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    let named = if name.starts_with("sha256:") && hex.len() < 64 {
        None
    } else {
        images.find(name).map_err(Error::image("find image"))?
    };
    if let Some(image) = named {
        return Ok(image);
    }
    if !digits || hex.len() < 2 {
        return Err(missing());
    }
    let all = images.list().map_err(Error::image("list images"))?;
    let mut begin = all.into_iter().filter(|image| image.digest[7..].starts_with(hex));
    match (begin.next(), begin.next()) {
        (Some(image), None) => Ok(image),
        (Some(_), Some(_)) => Err(Error::Ambiguous { prefix: name.to_owned() }),
        (None, _) => Err(missing()),
    }
}

/// A name as Docker shows it: `debian:12`, not `docker.io/library/debian:12`.
pub(crate) fn familiar(name: &str) -> String {
    let short = name.strip_prefix("docker.io/").unwrap_or(name);
    short.strip_prefix("library/").unwrap_or(short).to_owned()
}

fn size(image: &Image) -> u64 {
    image.layers.iter().map(|layer| layer.size).sum()
}

fn created(image: &Image) -> Option<jiff::Timestamp> {
    image.config.created.as_deref()?.parse().ok()
}

fn tags(image: &Image) -> Vec<String> {
    image.names.iter().map(|name| familiar(name)).collect()
}

fn repository(tag: &str) -> &str {
    let slash = tag.rfind('/').map_or(0, |at| at + 1);
    tag[slash..].find(':').map_or(tag, |colon| &tag[..slash + colon])
}

fn digests(image: &Image) -> Vec<String> {
    let mut all: Vec<String> =
        tags(image).iter().map(|tag| format!("{}@{}", repository(tag), image.digest)).collect();
    all.dedup();
    all
}

pub(crate) async fn list(
    State(door): State<Door>,
    Query(query): Query<Pairs>,
) -> Result<Json<Value>> {
    let filters = Filters::parse(&query, &["reference", "label", "dangling"])?;
    let images = door.settings.images.list().map_err(Error::image("list images"))?;
    let mut rows = Vec::new();
    for image in images {
        let tags = tags(&image);
        let dangling = tags.is_empty();
        let wanted = filters.any("dangling", |value| matches!(value, "true" | "1") == dangling)
            && filters.labels(&image.config.config.labels)
            && filters.any("reference", |pattern| {
                tags.iter().any(|tag| fits(pattern, tag) || fits(pattern, repository(tag)))
            });
        if !wanted || (dangling && !flag(&query, "all") && !filters.has("dangling")) {
            continue;
        }
        let made = created(&image).map_or(0, crate::entry::seconds);
        let row = json!({
            "Id": image.digest, "ParentId": "", "RepoTags": tags, "RepoDigests": digests(&image),
            "Created": made, "Size": size(&image), "SharedSize": -1, "Containers": -1,
            "Labels": image.config.config.labels,
        });
        rows.push((made, row));
    }
    rows.sort_by_key(|(made, _)| std::cmp::Reverse(*made));
    Ok(Json(Value::Array(rows.into_iter().map(|(_, row)| row).collect())))
}

/// `*` stands for anything but a slash.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|text| {
            let end = text.find('/').unwrap_or(text.len());
            (0..=end).filter(|at| text.is_char_boundary(*at)).any(|at| fits(rest, &text[at..]))
        }),
    }
}

pub(crate) async fn get(State(door): State<Door>, Path(rest): Path<String>) -> Result<Json<Value>> {
    let images = &door.settings.images;
    match rest.rsplit_once('/') {
        Some((name, "json")) => Ok(Json(describe(&find(images, name)?))),
        Some((name, "history")) => Ok(Json(history(&find(images, name)?))),
        _ => Err(Error::unsupported(format!("GET /images/{rest}"))),
    }
}

fn describe(image: &Image) -> Value {
    let config = &image.config;
    let layers: Vec<&str> = image.layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    json!({
        "Id": image.digest, "RepoTags": tags(image), "RepoDigests": digests(image),
        "Parent": "", "Comment": "", "DockerVersion": "",
        "Author": config.author.clone().unwrap_or_default(),
        "Created": config.created.as_deref().unwrap_or(NO_DATE),
        "Config": config.config, "Architecture": config.architecture, "Os": config.os,
        "Size": size(image), "GraphDriver": {"Name": "overlayfs", "Data": null},
        "RootFS": {"Type": "layers", "Layers": layers},
        "Metadata": {"LastTagTime": NO_DATE},
    })
}

fn history(image: &Image) -> Value {
    let mut layers = image.layers.iter();
    let mut rows: Vec<Value> = image
        .config
        .history
        .iter()
        .map(|step| {
            let layer = if step.empty_layer { None } else { layers.next() };
            let time = step.created.as_deref().and_then(|text| text.parse().ok());
            json!({
                "Id": "<missing>", "Created": time.map_or(0, crate::entry::seconds),
                "CreatedBy": step.created_by.clone().unwrap_or_default(),
                "Comment": step.comment.clone().unwrap_or_default(),
                "Size": layer.map_or(0, |layer| layer.size), "Tags": null,
            })
        })
        .collect();
    rows.reverse();
    if let Some(newest) = rows.first_mut() {
        newest["Id"] = json!(image.digest);
        newest["Tags"] = json!(tags(image));
    }
    Value::Array(rows)
}

pub(crate) async fn post(
    State(door): State<Door>,
    Path(rest): Path<String>,
    Query(query): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Response> {
    match rest.rsplit_once('/') {
        Some((name, "tag")) => tag(&door, name, &query).await.map(IntoResponse::into_response),
        Some((name, "push")) => distribution::push(&door, name, &query, &headers),
        None if rest == "prune" => prune(&door).await.map(IntoResponse::into_response),
        _ => Err(Error::unsupported(rest)),
    }
}

/// Frees the space of what no name and no container needs.
async fn prune(door: &Door) -> Result<Json<Value>> {
    let (images, pods) = (door.settings.images.clone(), door.settings.pods.clone());
    let collected = blocking("prune images", move || {
        let states = pods.list();
        let used = states.iter().flat_map(|state| &state.containers);
        let used: Vec<String> = used.map(|container| container.image_digest.clone()).collect();
        images.collect(&used).map_err(Error::image("prune images"))
    })
    .await?;
    Ok(Json(json!({
        "ImagesDeleted": vec![json!({"Deleted": ""}); collected.images],
        "SpaceReclaimed": collected.bytes,
    })))
}

async fn tag(door: &Door, name: &str, query: &Pairs) -> Result<StatusCode> {
    let query = query.clone();
    let repository = text(&query, "repo").ok_or_else(|| Error::bad("no repository given"))?;
    let wanted = match text(&query, "tag") {
        Some(tag) => format!("{repository}:{tag}"),
        None => repository.to_owned(),
    };
    let (images, name) = (door.settings.images.clone(), name.to_owned());
    blocking("tag", move || {
        let image = find(&images, &name)?;
        images.tag(&image, &wanted).map_err(Error::image("tag image"))
    })
    .await?;
    Ok(StatusCode::CREATED)
}

pub(crate) async fn delete(
    State(door): State<Door>,
    Path(name): Path<String>,
    Query(query): Query<Pairs>,
) -> Result<Json<Value>> {
    let force = flag(&query, "force");
    let users: BTreeMap<String, String> = door
        .containers
        .all()
        .into_iter()
        .map(|entry| (entry.record().image_digest, entry.id.clone()))
        .collect();
    let images = door.settings.images.clone();
    let answer = blocking("remove image", move || {
        let image = find(&images, &name)?;
        let by_name = image.names.iter().find(|known| {
            Reference::parse(&name).is_ok_and(|asked| asked.digest.is_none() && asked.name() == **known)
        });
        let last = image.names.len() <= 1;
        if (last || by_name.is_none())
            && let Some(user) = users.get(&image.digest)
        {
            return Err(Error::Conflict {
                reason: format!(
                    "conflict: unable to remove repository reference \"{name}\" (must force) - container {} is using its referenced image {}",
                    &user[..12], &image.digest[7..19]
                ),
            });
        }
        if by_name.is_none() && image.names.len() > 1 && !force {
            return Err(Error::Conflict {
                reason: format!(
                    "conflict: unable to delete {} (must be forced) - image is referenced in multiple repositories",
                    &image.digest[7..19]
                ),
            });
        }
        let gone = by_name.map_or_else(|| image.names.clone(), |name| vec![name.clone()]);
        for name in &gone {
            images.remove(name).map_err(Error::image("remove image"))?;
        }
        Ok(gone.iter().map(|name| json!({"Untagged": familiar(name)})).collect())
    })
    .await?;
    Ok(Json(Value::Array(answer)))
}

/// JSON, one value a line, as it comes.
pub(crate) fn lines(receiver: tokio::sync::mpsc::UnboundedReceiver<Value>) -> Response {
    let body = UnboundedReceiverStream::new(receiver)
        .map(|value| Ok::<_, std::convert::Infallible>(Bytes::from(format!("{value}\r\n"))));
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_short() {
        assert_eq!(familiar("docker.io/library/debian:12"), "debian:12");
        assert_eq!(familiar("docker.io/me/app:1"), "me/app:1");
        assert_eq!(familiar("shelf.local/shop/web:1"), "shelf.local/shop/web:1");
        assert_eq!(repository("localhost:5000/a/b:1"), "localhost:5000/a/b");
    }

    #[test]
    fn patterns_stop_at_slashes() {
        assert!(fits("deb*", "debian:12") && fits("*:12", "debian:12") && fits("a/*", "a/b:1"));
        assert!(!fits("a*", "a/b:1") && !fits("debian", "debian:12"));
    }

    #[test]
    fn images_are_found_by_the_beginning_of_their_digest() {
        let dir = tempfile::tempdir().unwrap();
        let images = Images::open(&dir.path().join("images")).unwrap();
        let config = image::ImageConfig::empty();
        let image = images.write(None, config, vec![], Some("example:1")).unwrap();
        for name in ["example:1", &image.digest, &image.digest[..19], &image.digest[7..19]] {
            assert_eq!(find(&images, name).unwrap().digest, image.digest, "{name}");
        }
        assert!(matches!(find(&images, "other:1"), Err(Error::NoImage { .. })));
    }
}
