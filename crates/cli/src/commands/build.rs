//! `shelf build`: a Dockerfile to an image in the server's store.

use std::process::ExitCode;

use serde_json::json;

use super::{Outcome, go, say};
use crate::arguments::Build;
use crate::error::{Code, Failure};
use crate::settings::Global;

/// Builds an image and prints its digest.
pub(crate) async fn build(global: &Global, options: &Build) -> Outcome {
    let absolute = |path: &std::path::Path| {
        std::fs::canonicalize(path).map_err(|error| {
            Failure::new(Code::NotFound, "build/context", format!("{}: {error}", path.display()))
        })
    };
    let context = absolute(&options.context)?;
    let dockerfile = options.file.as_deref().map(absolute).transpose()?;
    let mut args = Vec::new();
    for pair in &options.build_args {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(Failure::new(
                Code::Usage,
                "build/arg",
                format!("--build-arg {pair}: write NAME=VALUE"),
            ));
        };
        args.push((name.to_owned(), value.to_owned()));
    }
    let body = json!({
        "context": context, "dockerfile": dockerfile, "name": options.tag,
        "target": options.target, "args": args, "no_cache": options.no_cache, "pull": options.pull,
    });
    let result = go::verb(global, "build", &body).await?;
    if global.json {
        say(&json!({"schema": "shelf/build/1", "result": result}).to_string())?;
    } else {
        say(result["digest"].as_str().unwrap_or_default())?;
    }
    Ok(ExitCode::SUCCESS)
}
