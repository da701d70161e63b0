//! `shelf push`: send the folder's code, build it there, roll; back by itself if it does not come up.
//!
//! The folder travels as one stream; the server unpacks it, so it need not be on this machine.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use super::{Outcome, decode, go, say};
use crate::app;
use crate::arguments::Push;
use crate::error::{Code, Failure};
use crate::settings::Global;
use crate::source::Source;

/// Sends the code of one block or all, and waits until it is live.
pub(crate) async fn push(global: &Global, options: &Push) -> Outcome {
    let sending = Sending::of(global, options.block.as_deref())?;
    let source = sending.look()?;
    if global.json {
        let mut said = json!({"event": "sends", "files": source.files.len(),
            "bytes": source.size_bytes(), "uncommitted": source.uncommitted,
            "left_out": source.left_out});
        said["dry_run"] = options.dry_run.into();
        say(&said.to_string())?;
    } else {
        say(&source.line())?;
    }
    if options.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let operation = AtomicU64::new(0);
    let report = tokio::select! {
        report = sending.send(global, source, options.timeout, &operation) => report?,
        _ = tokio::signal::ctrl_c() => {
            let operation = Some(operation.load(Ordering::Relaxed)).filter(|id| *id != 0);
            return Err(go::interrupted(&global.client(), "push", operation).await);
        }
    };
    go::print(global, &report, "shelf/push/1")
}

/// What is sent: an app's folder, with the code of one block or all.
pub(crate) struct Sending {
    folder: std::path::PathBuf,
    pub(crate) app: String,
    block: Option<String>,
    sources: Vec<apps::Sourced>,
}

impl Sending {
    /// The app meant, checked; so a mistake in its file needs no server.
    pub(crate) fn of(global: &Global, block: Option<&str>) -> Result<Sending, Failure> {
        let folder = app::folder(global)?;
        let folder = std::fs::canonicalize(&folder).unwrap_or(folder);
        let all = apps::sources(&folder).map_err(|error| app::failure(&error))?;
        let app = apps::app_name(&folder).map_err(|error| app::failure(&error))?;
        let names: Vec<String> = all.iter().map(|one| one.block.clone()).collect();
        let chosen: Vec<_> =
            all.into_iter().filter(|each| block.is_none_or(|one| one == each.block)).collect();
        if chosen.is_empty() {
            let what = match block {
                Some(block) => format!("{app} has no block {block} that is built from a folder"),
                None => format!("{app} has no block that is built from a folder"),
            };
            let failure = Failure::new(Code::NotFound, "push/block", what);
            return Err(match names.is_empty() {
                true => failure.hint("shelf go  brings up an app of modules alone"),
                false => failure.hint(format!("there are: {}", names.join(", "))),
            });
        }
        Ok(Sending { folder, app, block: block.map(str::to_owned), sources: chosen })
    }

    /// Which files there are now.
    pub(crate) fn look(&self) -> Result<Source, Failure> {
        Source::find(&self.folder, &self.sources)
    }

    /// Sends them and waits for the end of the push.
    pub(crate) async fn send(
        &self,
        global: &Global,
        source: Source,
        timeout: u64,
        operation: &AtomicU64,
    ) -> Result<apps::GoReport, Failure> {
        let client = global.client();
        let mut path = format!("/v1/apps/{}/push?timeout_seconds={timeout}", self.app,);
        if let Some(block) = &self.block {
            path.push_str(&format!("&block={block}"));
        }
        let answer = client.upload(&path, move |to| source.write(to)).await?;
        let end = go::read(global, &client, answer, operation).await?;
        decode(end.ok_or_else(|| {
            Failure::new(
                Code::Unreachable,
                "server/gone",
                "the server went away during push; what runs goes on running",
            )
            .hint("start it again (shelf serve), then:  shelf push")
        })?)
    }
}
