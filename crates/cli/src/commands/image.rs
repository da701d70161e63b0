//! `shelf image …` and `shelf pull`: images and registries, through the Docker API of the server.

use std::process::ExitCode;

use http::Method;
use serde_json::{Value, json};

use super::{Outcome, say};
use crate::arguments::registry::{Image, Pull};
use crate::client::Client;
use crate::error::{Code, Failure};
use crate::settings::Global;
use crate::table;

/// Runs a subcommand.
pub(crate) async fn image(global: &Global, verb: &Image) -> Outcome {
    match verb {
        Image::List => super::images::images(global).await,
        Image::Pull(options) => pull(global, options).await,
        Image::Push { image } => push(global, image).await,
        Image::Tag { image, name } => tag(global, image, name).await,
        Image::Rm { image } => remove(global, image).await,
        Image::Inspect { image } => inspect(global, image).await,
        Image::Prune => prune(global).await,
    }
}

/// Fetches an image.
pub(crate) async fn pull(global: &Global, options: &Pull) -> Outcome {
    let name = reference(&options.image)?;
    let (repository, tag) = match (&name.digest, &name.tag) {
        (Some(digest), _) => (repository(&name), digest.clone()),
        (None, tag) => (repository(&name), tag.clone().unwrap_or_else(|| "latest".into())),
    };
    let path = format!("/images/create?fromImage={repository}&tag={tag}");
    let told = stream(global, &path).await?;
    let digest = told.iter().find_map(|line| line["status"].as_str()?.strip_prefix("Digest: "));
    done(global, "pull", &json!({"image": name.to_string(), "digest": digest}), || {
        format!("{name} is here   {}", digest.unwrap_or_default())
    })
}

async fn push(global: &Global, image: &str) -> Outcome {
    let name = reference(image)?;
    let tag = name.tag.as_deref().unwrap_or("latest");
    let path = format!("/images/{}/push?tag={tag}", repository(&name));
    let told = stream(global, &path).await?;
    let digest = told.iter().find_map(|line| line["aux"]["Digest"].as_str());
    done(global, "push", &json!({"image": name.to_string(), "digest": digest}), || {
        format!("{name} is sent   {}", digest.unwrap_or_default())
    })
}

async fn tag(global: &Global, image: &str, name: &str) -> Outcome {
    let to = reference(name)?;
    let of = known(image)?;
    let tag = to.tag.as_deref().unwrap_or("latest");
    let path = format!("/images/{of}/tag?repo={}&tag={tag}", repository(&to));
    client(global).json(Method::POST, &path, None).await?;
    done(global, "tag", &json!({"image": image, "name": to.name()}), || {
        format!("{image} is also called {}", to.name())
    })
}

async fn remove(global: &Global, image: &str) -> Outcome {
    let path = format!("/images/{}", known(image)?);
    let gone = client(global).json(Method::DELETE, &path, None).await?;
    done(global, "rm", &gone, || {
        format!("{image} is gone; what it took is freed by:  shelf image prune")
    })
}

async fn inspect(global: &Global, image: &str) -> Outcome {
    let path = format!("/images/{}/json", known(image)?);
    let found = client(global).json(Method::GET, &path, None).await?;
    if global.json {
        say(&json!({"schema": "shelf/image/1", "result": found}).to_string())?;
    } else {
        say(&serde_json::to_string_pretty(&found).unwrap_or_default())?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn prune(global: &Global) -> Outcome {
    let freed = client(global).json(Method::POST, "/images/prune", None).await?;
    done(global, "prune", &freed, || {
        let images = freed["ImagesDeleted"].as_array().map_or(0, Vec::len);
        let bytes = freed["SpaceReclaimed"].as_u64().unwrap_or_default();
        format!("{images} images are gone, {} free", table::size(bytes))
    })
}

fn client(global: &Global) -> Client {
    Client::new(global.docker_socket())
}

fn done(global: &Global, verb: &str, result: &Value, text: impl FnOnce() -> String) -> Outcome {
    if global.json {
        say(&json!({"schema": format!("shelf/image-{verb}/1"), "result": result}).to_string())?;
    } else {
        say(&text())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what the server does, and returns its lines; the last may be an error.
async fn stream(global: &Global, path: &str) -> Result<Vec<Value>, Failure> {
    let client = client(global);
    let answer = client.send(Method::POST, path, None).await?;
    let status = answer.status();
    let mut lines = client.lines(answer.into_body());
    let mut told = Vec::new();
    while let Some(line) = lines.next().await? {
        let Ok(value) = serde_json::from_slice::<Value>(&line) else { continue };
        if let Some(message) = value["error"].as_str().or_else(|| {
            // What was refused at once is not a line but a whole answer.
            value["message"].as_str().filter(|_| !status.is_success())
        }) {
            return Err(failure(message, &value["shelf"]));
        }
        let moving = value["progressDetail"]["current"].is_number();
        if !moving
            && !global.json
            && let Some(status) = value["status"].as_str()
        {
            let id = value["id"].as_str().map(|id| format!("{id}: ")).unwrap_or_default();
            eprintln!("  {}", crate::error::inert(&format!("{id}{status}")));
        }
        if !moving {
            told.push(value);
        }
    }
    Ok(told)
}

fn failure(message: &str, more: &Value) -> Failure {
    let name = more["code"].as_str().unwrap_or("image");
    let code = match name {
        "registry/missing" => Code::NotFound,
        "registry/denied" => Code::Refused,
        "registry/unreachable" => Code::Unreachable,
        _ => Code::Failed,
    };
    let text = more["message"].as_str().unwrap_or(message);
    let failure = Failure::new(code, name, text);
    match more["hint"].as_str() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// The name of an image, before it becomes part of a path.
fn reference(text: &str) -> Result<image::Reference, Failure> {
    image::Reference::parse(text)
        .map_err(|error| Failure::new(Code::Usage, "image/name", error.to_string()))
}

/// An image of the store: by name, digest, or the beginning of a digest.
fn known(text: &str) -> Result<String, Failure> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    if hex.len() <= 64 && !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text.to_owned());
    }
    reference(text).map(|_| text.to_owned())
}

fn repository(name: &image::Reference) -> String {
    format!("{}/{}", name.domain, name.path)
}
