//! `shelf add`: a module of the shelf or a folder of yours becomes a block, wired if asked.

use std::path::{Component, Path, PathBuf};

use apps::Edit;
use serde_json::Value;

use super::{Outcome, catalogue, edit};
use crate::app;
use crate::arguments::edits::Add;
use crate::error::{Code, Failure};
use crate::settings::Global;

/// Adds a block; with `--wire`, ties sockets to it in the same edit.
pub(crate) async fn add(global: &Global, options: &Add) -> Outcome {
    catalogue::take(global, options.what.as_deref()).await?;
    let folder = app::folder(global)?;
    let what = options.what.as_deref();
    let source = what.map(|what| source(&folder, what)).transpose()?.flatten();
    let image = options.image.clone();
    let sockets: Vec<(String, Option<String>)> =
        options.wire.iter().map(|end| edit::split(end)).collect();
    let default = || match (sockets.first(), &source) {
        (Some((_, Some(socket))), _) => socket.clone(),
        (_, Some(source)) => last_name(&folder, source),
        (_, None) => match (&image, what) {
            (Some(image), _) => {
                let last = image.rsplit('/').next().unwrap_or_default();
                apps::block_name(last.split(['@', ':']).next().unwrap_or_default())
            }
            (None, what) => {
                let what = what.unwrap_or_default();
                let name = what.split(['@', ':']).next().unwrap_or_default();
                let own = catalogue::names_one(what);
                let mut parts = name.split('/');
                if own { parts.next_back() } else { parts.next() }.unwrap_or_default().to_owned()
            }
        },
    };
    let block = options.name.clone().unwrap_or_else(default);
    let use_ = options.what.clone().filter(|_| source.is_none());
    let port = options.port;
    let mut edits = vec![Edit::Add { block: block.clone(), use_, source, image, port }];
    for (setting, value) in edit::pairs(&options.set)? {
        edits.push(Edit::Set { block: block.clone(), setting, value: Value::String(value) });
    }
    for (consumer, socket) in sockets {
        let socket = socket.unwrap_or_default();
        edits.push(Edit::Wire { block: consumer, socket, provider: block.clone() });
    }
    edit::perform(global, options.trial, &edits)
}

/// The folder as the app file names it, if it is one and not a module.
fn source(app: &Path, what: &str) -> Result<Option<String>, Failure> {
    let shaped = what.starts_with(['.', '/', '~']) || (what.contains('/') && !what.contains(':'));
    if !shaped || catalogue::names_one(what) {
        return Ok(None);
    }
    let outside = |why: String| {
        Failure::new(Code::Failed, "block/source", format!("cannot add {what}: {why}"))
            .hint("a source is a folder inside the app's, such as  shelf add ./web")
    };
    let here = Path::new(what)
        .canonicalize()
        .map_err(|error| outside(format!("{what} cannot be read ({error})")))?;
    if !here.is_dir() {
        return Err(outside("it is no folder".to_owned()));
    }
    let app = app.canonicalize().unwrap_or_else(|_| app.to_owned());
    let inside = here
        .strip_prefix(&app)
        .map_err(|_| outside(format!("it is not inside {}", app.display())))?;
    let path: PathBuf = Path::new(".").join(inside);
    let parts: Vec<String> = path
        .components()
        .map(|part| match part {
            Component::CurDir => ".".to_owned(),
            other => other.as_os_str().to_string_lossy().into_owned(),
        })
        .collect();
    Ok(Some(parts.join("/")))
}

/// What a block made from a folder is called.
fn last_name(app: &Path, source: &str) -> String {
    let name = match source.rsplit('/').next() {
        Some(".") | None => app.file_name().map(|name| name.to_string_lossy().into_owned()),
        Some(name) => Some(name.to_owned()),
    };
    apps::block_name(&name.unwrap_or_default())
}
