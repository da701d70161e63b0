//! `shelf events` and `shelf top`: what happened and why, and what the blocks use.

use std::process::ExitCode;

use http::Method;
use serde_json::{Value, json};

use super::shelf::{list, text};
use super::{Outcome, say};
use crate::app;
use crate::arguments::looks::Events;
use crate::error::{Code, Failure, inert};
use crate::settings::Global;
use crate::table;

async fn ask(global: &Global, what: &str) -> Result<Value, Failure> {
    let name = app::name(global)?;
    let client = global.client();
    client.json(Method::GET, &format!("/v1/apps/{name}/{what}"), None).await
}

/// What happened to the app meant, oldest first.
pub(crate) async fn events(global: &Global, options: &Events) -> Outcome {
    let mut value = ask(global, "events").await?;
    if let (Some(block), Some(events)) = (&options.block, value["events"].as_array_mut()) {
        events.retain(|event| event["block"] == block.as_str());
    }
    if global.json {
        say(&json!({"schema": "shelf/events/1", "result": value}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    for event in list(&value, "events") {
        let count = event["count"].as_i64().unwrap_or(1);
        let often = if count > 1 {
            format!("{} (×{count})", text(event, "message"))
        } else {
            text(event, "message").to_owned()
        };
        rows.push((
            text(event, "at").to_owned(),
            vec![
                table::age(text(event, "at")),
                text(event, "type").to_owned(),
                text(event, "reason").to_owned(),
                text(event, "object").to_owned(),
                inert(&often),
            ],
        ));
    }
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    if rows.is_empty() {
        say("nothing happened yet")?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
    say(&table::draw(&["AGO", "TYPE", "REASON", "OBJECT", ""], &rows))?;
    Ok(ExitCode::SUCCESS)
}

/// What each block uses, at the last point of measurement.
pub(crate) async fn top(global: &Global) -> Outcome {
    let value = ask(global, "metrics").await?;
    let Some(last) = list(&value, "points").last() else {
        return Err(Failure::new(Code::NotFound, "metrics/none", "nothing was measured yet")
            .hint("the first point comes within 10 s of the start"));
    };
    if global.json {
        say(&json!({"schema": "shelf/top/1", "result": last}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let number = |block: &Value, key: &str| block[key].as_u64().unwrap_or_default();
    // Another cluster tells no disks and no requests.
    let told = |block: &Value, key: &str, words: &dyn Fn(u64) -> String| {
        block[key].as_u64().map_or_else(|| "–".to_owned(), words)
    };
    let row = |(name, block): (&String, &Value)| {
        vec![
            name.clone(),
            format!("{} m", number(block, "cpu_millis")),
            table::size(number(block, "memory_bytes")),
            told(block, "disk_bytes", &table::size),
            told(block, "requests", &|count| count.to_string()),
            told(block, "errors", &|count| count.to_string()),
        ]
    };
    let rows: Vec<Vec<String>> =
        last["blocks"].as_object().into_iter().flatten().map(row).collect();
    say(&table::draw(&["BLOCK", "CPU", "MEMORY", "DISK", "REQUESTS", "ERRORS"], &rows))?;
    say(&format!(
        "measured {} ago; requests and errors since the point before",
        table::age(text(last, "at"))
    ))?;
    Ok(ExitCode::SUCCESS)
}
