//! `shelf logs`: what blocks have written, merged, each line with its block in front.

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::sync::mpsc;

use super::target::{self, Api};
use super::{Outcome, app_status, say};
use crate::arguments::Logs;
use crate::error::{Code, Failure, inert};
use crate::settings::Global;

/// Lines in flight between the readers and the terminal; a slow terminal slows the readers.
const QUEUE_LINES: usize = 1024;

struct Source {
    app: String,
    block: String,
    pod: String,
}

/// Prints the logs of one block or all.
pub(crate) async fn logs(global: &Global, options: &Logs) -> Outcome {
    let api = target::api(global).await?;
    let (sender, mut lines) = mpsc::channel::<(String, String)>(QUEUE_LINES);
    let mut seen = HashSet::new();
    let mut width = 0;
    loop {
        for source in sources(global, options).await? {
            width = width.max(source.block.len());
            if seen.insert(source.pod.clone()) {
                let late = !seen.is_empty() && width == 0;
                tokio::spawn(read(api.clone(), source, path_query(options, late), sender.clone()));
            }
        }
        if seen.is_empty() && !options.follow {
            eprintln!("no copy has run yet: shelf status");
            return Ok(ExitCode::SUCCESS);
        }
        if !options.follow {
            drop(sender);
            while let Some((block, line)) = lines.recv().await {
                print(global, &block, &line, width)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        // New copies appear when the app rolls; look for them while lines are printed.
        let look_again = tokio::time::sleep(Duration::from_secs(1));
        tokio::pin!(look_again);
        loop {
            tokio::select! {
                () = &mut look_again => break,
                line = lines.recv() => match line {
                    Some((block, line)) => print(global, &block, &line, width)?,
                    None => return Ok(ExitCode::SUCCESS),
                },
                _ = tokio::signal::ctrl_c() => return Err(Failure::silent(Code::Cancelled)),
            }
        }
    }
}

fn print(global: &Global, block: &str, line: &str, width: usize) -> Result<(), Failure> {
    if global.json {
        return say(&json!({"block": block, "line": line}).to_string());
    }
    say(&format!("{block:<width$}  {}", inert(line)))
}

async fn sources(global: &Global, options: &Logs) -> Result<Vec<Source>, Failure> {
    let report = app_status(global).await?;
    let mut found = Vec::new();
    for block in &report.blocks {
        if options.block.as_ref().is_some_and(|wanted| *wanted != block.name) {
            continue;
        }
        found.extend(block.pods.iter().map(|pod| Source {
            app: report.app.clone(),
            block: block.name.clone(),
            pod: pod.name.clone(),
        }));
    }
    let known = options
        .block
        .as_ref()
        .is_none_or(|wanted| report.blocks.iter().any(|block| block.name == *wanted));
    if !known {
        let names: Vec<&str> = report.blocks.iter().map(|block| block.name.as_str()).collect();
        let wanted = options.block.as_deref().unwrap_or_default();
        return Err(Failure::new(
            Code::NotFound,
            "block/absent",
            format!("{} has no block {wanted}; it has {}", report.app, names.join(", ")),
        ));
    }
    Ok(found)
}

fn path_query(options: &Logs, whole: bool) -> String {
    let mut query = vec![format!("timestamps={}", options.timestamps)];
    if options.follow {
        query.push("follow=true".into());
    }
    if options.previous {
        query.push("previous=true".into());
    }
    if !whole {
        query.push(format!("tailLines={}", options.tail));
    }
    if let Some(seconds) = options.since {
        query.push(format!("sinceSeconds={seconds}"));
    }
    query.join("&")
}

async fn read(api: Api, source: Source, query: String, lines: mpsc::Sender<(String, String)>) {
    let path = format!("/api/v1/namespaces/{}/pods/{}/log?{query}", source.app, source.pod);
    let Ok(answer) = api.client.send(Method::GET, &api.path(&path), None).await else { return };
    if !answer.status().is_success() {
        // A copy whose container has not started has no log yet; status says what it waits for.
        return;
    }
    let mut reader = api.client.lines(answer.into_body());
    // The connection ending is how a log ends; there is nothing to add to what was printed.
    while let Ok(Some(line)) = reader.next().await {
        let line = String::from_utf8_lossy(&line).into_owned();
        if lines.send((source.block.clone(), line)).await.is_err() {
            return;
        }
    }
}
