//! `shelf git`: the address that takes an app's `git push`, and a key for it.

use std::process::ExitCode;

use http::Method;
use serde_json::{Value, json};

use super::{Outcome, say};
use crate::app;
use crate::arguments::git::Git;
use crate::settings::Global;

/// Makes a key and prints it once, or ends all keys.
pub(crate) async fn git(global: &Global, options: &Git) -> Outcome {
    let app = app::name(global)?;
    let client = global.client();
    let path = format!("/v1/apps/{app}/git");
    if options.revoke {
        let value = client.json(Method::DELETE, &path, None).await?;
        if global.json {
            say(&json!({"schema": "shelf/git-revoke/1", "result": value}).to_string())?;
        } else {
            say(&format!("{app}: {} keys ended; another:  shelf git", value["ended"]))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let body = json!({"branch": options.branch});
    let value = client.json(Method::POST, &path, Some(&body)).await?;
    if global.json {
        say(&json!({"schema": "shelf/git/1", "result": value}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (url, branch) = (text(&value["url"]), text(&value["branch"]));
    say(&format!("git remote add shelf {url}\ngit push shelf HEAD:{branch}"))?;
    say(&format!(
        "username  {}\npassword  {}   (shown once; all of them end with  shelf git --revoke)",
        text(&value["username"]),
        text(&value["password"])
    ))?;
    Ok(ExitCode::SUCCESS)
}
