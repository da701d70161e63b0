//! `shelf go`: make it so, wait, print the URL.
//!
//! The server does the work; this prints what it reports. Ctrl-C once stops the waiting, twice
//! ends the work.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;
use serde_json::{Value, json};

use super::{Outcome, decode, say};
use crate::app;
use crate::arguments::Go;
use crate::client::Client;
use crate::error::{Code, Failure};
use crate::progress::Progress;
use crate::settings::Global;

/// Brings the app in this folder to life.
pub(crate) async fn go(global: &Global, options: &Go) -> Outcome {
    let folder = app::folder(global)?;
    let folder = std::fs::canonicalize(&folder).unwrap_or(folder);
    // The file is checked here first: its errors need no server.
    app::check_here(global, &folder)?;
    let body = json!({
        "dir": folder, "no_cache": options.no_cache, "timeout_seconds": options.timeout,
        "locked": options.locked, "pull": options.pull,
    });
    let report: apps::GoReport = decode(verb(global, "go", &body).await?)?;
    print(global, &report, "shelf/go/1")
}

/// Prints how a go ended.
pub(crate) fn print(global: &Global, report: &apps::GoReport, schema: &str) -> Outcome {
    if global.json {
        say(&json!({"schema": schema, "result": report}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    for (name, value) in &report.shown_secrets {
        say(&format!("{name}: {value}   (shown once; kept in a Secret)"))?;
    }
    let steps = match (report.build_steps, report.cached_steps) {
        (0, _) => String::new(),
        (all, cached) => format!("   {all} build steps, {cached} cached"),
    };
    let what = match (&report.url, report.changed) {
        (Some(url), true) => format!("{} is at {url}", report.app),
        (Some(url), false) => format!("nothing to do: {} is at {url}", report.app),
        (None, true) => format!("{} is up", report.app),
        (None, false) => format!("nothing to do: {} is up", report.app),
    };
    say(&format!("{what}   {:.1} s{steps}", report.seconds))?;
    Ok(ExitCode::SUCCESS)
}

/// Says a verb to the server, prints its events and returns its result.
pub(crate) async fn verb(global: &Global, verb: &str, body: &Value) -> Result<Value, Failure> {
    let client = global.client();
    let answer = client.send(Method::POST, &format!("/v1/verbs/{verb}"), Some(body)).await?;
    follow(global, &client, verb, answer).await
}

/// Prints the events of an answer in lines and returns its result.
pub(crate) async fn follow(
    global: &Global,
    client: &Client,
    verb: &str,
    answer: http::Response<hyper::body::Incoming>,
) -> Result<Value, Failure> {
    let operation = AtomicU64::new(0);
    let end = tokio::select! {
        end = read(global, client, answer, &operation) => end?,
        _ = tokio::signal::ctrl_c() => None,
    };
    match end {
        Some(value) => Ok(value),
        None => {
            let operation = Some(operation.load(Ordering::Relaxed)).filter(|id| *id != 0);
            Err(interrupted(client, verb, operation).await)
        }
    }
}

/// Prints the events of an answer in lines; its result, or nothing if it broke off. The number
/// of the operation is told as soon as it is known.
pub(crate) async fn read(
    global: &Global,
    client: &Client,
    answer: http::Response<hyper::body::Incoming>,
    operation: &AtomicU64,
) -> Result<Option<Value>, Failure> {
    if !answer.status().is_success() {
        let status = answer.status();
        let bytes = client.whole(answer.into_body()).await?;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        return Err(failed(&value["error"], status.as_str()));
    }
    let mut progress = Progress::new(global);
    let mut end = None;
    let mut lines = client.lines(answer.into_body());
    // A stream that breaks off means what one without a verdict means: the server is gone.
    while let Ok(Some(line)) = lines.next().await {
        let value: Value = serde_json::from_slice(&line).unwrap_or(Value::Null);
        if let Some(id) = value["operation"].as_u64() {
            operation.store(id, Ordering::Relaxed);
        } else if value.get("result").is_some() || value.get("error").is_some() {
            end = Some(value);
        } else if let Ok(event) = serde_json::from_value::<apps::Event>(value) {
            progress.event(&event);
        }
    }
    progress.finish();
    match end {
        Some(mut value) if value.get("result").is_some() => Ok(Some(value["result"].take())),
        Some(value) => Err(failed(&value["error"], "failed")),
        None => Ok(None),
    }
}

/// After the first Ctrl-C, or when the server has gone away in the middle.
pub(crate) async fn interrupted(client: &Client, verb: &str, operation: Option<u64>) -> Failure {
    let alive = client.json(Method::GET, "/v1/version", None).await.is_ok();
    let Some(operation) = operation.filter(|_| alive) else {
        return Failure::new(
            Code::Unreachable,
            "server/gone",
            format!("the server went away during {verb}; what runs goes on running"),
        )
        .hint("start it again (shelf serve), then say it again: it carries on where it was");
    };
    eprintln!(
        "{verb} goes on in the server; look:  shelf status   Ctrl-C again within 2 s ends it"
    );
    let again = tokio::time::timeout(std::time::Duration::from_secs(2), tokio::signal::ctrl_c());
    if again.await.is_ok() {
        let path = format!("/v1/operations/{operation}/cancel");
        match client.json(Method::POST, &path, None).await {
            Ok(_) => eprintln!(
                "{verb} is cancelled; what was already done stays. {verb} again carries on."
            ),
            Err(error) => eprintln!("{verb} had ended already: {}", error.message),
        }
    }
    Failure::silent(Code::Cancelled)
}

/// The error line of a verb.
pub(crate) fn failed(error: &Value, otherwise: &str) -> Failure {
    let text = |key: &str| error[key].as_str().map(str::to_owned);
    let name = text("code").unwrap_or_else(|| otherwise.to_owned());
    let code = match name.as_str() {
        name if name.contains("timeout") => Code::TimedOut,
        "target/protected" | "target/namespace" => Code::Refused,
        name if name.ends_with("/absent") => Code::NotFound,
        _ => Code::Failed,
    };
    let mut failure = Failure::new(code, &name, text("message").unwrap_or_default());
    failure.hint = text("hint");
    failure.rendered = text("rendered");
    failure
}
