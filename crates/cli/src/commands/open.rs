//! `shelf open`: a link that opens the canvas once, in a browser on this machine.

use std::process::ExitCode;

use http::Method;
use serde_json::json;

use super::target::elsewhere;
use super::{Outcome, say};
use crate::arguments::Open;
use crate::settings::{Global, person};

/// Prints a link for who asked, or for the person named.
pub(crate) async fn open(global: &Global, options: &Open) -> Outcome {
    let name = options.name.clone().unwrap_or_else(person);
    let client = global.client();
    let asked = json!({ "name": name });
    let mut value = client.json(Method::POST, "/v1/sessions", Some(&asked)).await?;
    // The same pages, of another target.
    if let Some(target) = elsewhere(global).await?
        && let Some(url) = value["url"].as_str()
    {
        value["url"] = url.replacen("/open#", &format!("/on/{target}/open#"), 1).into();
    }
    if global.json {
        say(&json!({"schema": "shelf/open/1", "result": value}).to_string())?;
    } else {
        say(value["url"].as_str().unwrap_or_default())?;
    }
    Ok(ExitCode::SUCCESS)
}
