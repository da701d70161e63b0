//! What an app's copies write, line by line, merged from all of them through the Kubernetes API.
//!
//! Lines of one container come in order; those of several come as they arrive, each with its
//! time. While following, copies that appear later are joined in. Nothing is kept here: a reader
//! that is slow slows the containers' log readers, never the containers.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::AsyncBufReadExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::live;
use crate::{Error, Result, Target};

/// A longer line is given in pieces.
const MOST_LINE: usize = 256 * 1024;
/// Containers read at a time.
const MOST_CONTAINERS: usize = 64;
/// How often new copies are looked for while following.
const LOOK: Duration = Duration::from_secs(1);

/// Which lines.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogQuery {
    /// Of this block only.
    pub block: Option<String>,
    /// Of this copy only.
    pub pod: Option<String>,
    /// The last so many of each container.
    pub tail: Option<i64>,
    /// Go on as lines are written.
    pub follow: bool,
    /// Of the last so many seconds.
    pub since: Option<i64>,
    /// Of the run before the last restart.
    pub previous: bool,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// When it was written, RFC 3339; empty if that is not known.
    pub at: String,
    /// The block.
    pub block: String,
    /// The copy.
    pub pod: String,
    /// The container in it.
    pub container: String,
    /// The line without its end.
    pub text: String,
}

impl LogQuery {
    /// Refuses numbers that mean nothing.
    ///
    /// # Errors
    /// A number is negative.
    pub fn check(&self) -> Result<()> {
        if [self.tail, self.since].iter().flatten().any(|number| *number < 0) {
            let message = "tail and since are whole numbers from 0".to_owned();
            return Err(Error::Unfit { code: "logs/query", message });
        }
        Ok(())
    }
}

/// One run of a container whose lines are read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    block: String,
    pod: String,
    container: String,
    /// How often it was started again before.
    run: i32,
}

/// Sends lines until there are no more, or until nobody takes them.
///
/// # Errors
/// A number is out of range, or the target does not answer.
pub async fn logs(
    target: &Target,
    app: &str,
    query: &LogQuery,
    lines: mpsc::Sender<LogLine>,
) -> Result<()> {
    query.check()?;
    // Each run of a container is read once: one that ended has nothing more to say.
    let mut seen: BTreeSet<Source> = BTreeSet::new();
    let mut readers = tokio::task::JoinSet::new();
    loop {
        for source in sources(target, app, query).await? {
            if readers.len() >= MOST_CONTAINERS || !seen.insert(source.clone()) {
                continue;
            }
            let api: Api<Pod> = Api::namespaced(target.client.clone(), app);
            readers.spawn(read(api, source, query.clone(), lines.clone()));
        }
        if !query.follow {
            while readers.join_next().await.is_some() {}
            return Ok(());
        }
        tokio::select! {
            () = lines.closed() => return Ok(()),
            () = tokio::time::sleep(LOOK) => {}
        }
        while let Some(ended) = readers.try_join_next() {
            if let Ok(Some(unread)) = ended {
                seen.remove(&unread);
            }
        }
    }
}

/// The containers there are now.
async fn sources(target: &Target, app: &str, query: &LogQuery) -> Result<Vec<Source>> {
    let api: Api<Pod> = Api::namespaced(target.client.clone(), app);
    let params = ListParams::default().labels(&live::selector(app));
    let pods = api.list(&params).await.map_err(Error::api(format!("list pods of {app}")))?;
    let mut sources = Vec::new();
    for pod in pods {
        let name = pod.name_any();
        let block = crate::observe::block_of(&pod).unwrap_or_default().to_owned();
        let wanted = query.block.as_ref().is_none_or(|wanted| *wanted == block)
            && query.pod.as_ref().is_none_or(|wanted| *wanted == name);
        if !wanted {
            continue;
        }
        let status = pod.status.as_ref();
        let init = status.and_then(|status| status.init_container_statuses.as_ref());
        let main = status.and_then(|status| status.container_statuses.as_ref());
        for container in init.into_iter().flatten().chain(main.into_iter().flatten()) {
            let state = container.state.as_ref();
            let ran = state.is_some_and(|one| one.running.is_some() || one.terminated.is_some());
            let before = container.restart_count > 0;
            // A container that has not run yet has written nothing; one that waits to run again
            // is still the run that ended.
            if ran || before {
                let (block, pod) = (block.clone(), name.clone());
                let (container, run) = (container.name.clone(), container.restart_count);
                sources.push(Source { block, pod, container, run });
            }
        }
    }
    sources.sort();
    Ok(sources)
}

/// Reads a run to its end; the source again if it could not be opened, to be tried again.
async fn read(
    api: Api<Pod>,
    source: Source,
    query: LogQuery,
    lines: mpsc::Sender<LogLine>,
) -> Option<Source> {
    let params = LogParams {
        container: Some(source.container.clone()),
        follow: query.follow,
        previous: query.previous,
        since_seconds: query.since,
        tail_lines: query.tail,
        timestamps: true,
        ..LogParams::default()
    };
    let mut stream = match api.log_stream(&source.pod, &params).await {
        Ok(stream) => Box::pin(stream),
        Err(error) => {
            // A copy that went away meanwhile, or one without a run before this.
            tracing::debug!(%error, pod = source.pod, "a log was not opened");
            return Some(source);
        }
    };
    let (mut line, mut begun) = (Vec::new(), None);
    while let Ok(end) = next(&mut stream, &mut line).await {
        if end == End::Stream && line.is_empty() {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let parsed = match begun.take() {
            // The rest of a long line was written when its beginning was.
            Some(at) => piece(&source, at, &text),
            None => parse(&source, &text),
        };
        begun = (end == End::Limit).then(|| parsed.at.clone());
        line.clear();
        if lines.send(parsed).await.is_err() || end == End::Stream {
            break;
        }
    }
    None
}

/// Where a read of a line stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Line,
    /// The line is longer than is given at once.
    Limit,
    Stream,
}

/// Reads one line, or a piece of a very long one.
async fn next(
    stream: &mut (impl futures::AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> std::io::Result<End> {
    loop {
        let bytes = stream.fill_buf().await?;
        if bytes.is_empty() {
            return Ok(End::Stream);
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let room = MOST_LINE - line.len();
        let take = end.unwrap_or(bytes.len()).min(room);
        line.extend_from_slice(&bytes[..take]);
        let whole = end == Some(take);
        stream.consume_unpin(take + usize::from(whole));
        if whole {
            return Ok(End::Line);
        }
        if line.len() >= MOST_LINE {
            return Ok(End::Limit);
        }
    }
}

fn parse(source: &Source, line: &str) -> LogLine {
    let time = line.split_once(' ').filter(|(at, _)| at.parse::<jiff::Timestamp>().is_ok());
    let (at, text) = time.unwrap_or(("", line));
    piece(source, at.to_owned(), text)
}

fn piece(source: &Source, at: String, text: &str) -> LogLine {
    LogLine {
        at,
        block: source.block.clone(),
        pod: source.pod.clone(),
        container: source.container.clone(),
        text: text.trim_end_matches('\r').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_cut_at_their_ends_and_at_the_limit() {
        let long = "x".repeat(MOST_LINE + 10);
        let text = format!("one\n\n{long}\nlast");
        let mut stream = futures::io::Cursor::new(text.into_bytes());
        let mut lengths = Vec::new();
        loop {
            let mut line = Vec::new();
            let end = next(&mut stream, &mut line).await.unwrap();
            lengths.push((line.len(), end));
            if end == End::Stream {
                break;
            }
        }
        let long = [(MOST_LINE, End::Limit), (10, End::Line)];
        assert_eq!(lengths[..2], [(3, End::Line), (0, End::Line)]);
        assert_eq!(lengths[2..], [long[0], long[1], (4, End::Stream)]);
    }

    #[test]
    fn a_line_without_a_time_is_kept_whole() {
        let (block, pod, container) = ("web".into(), "web-1".into(), "web".into());
        let source = Source { block, pod, container, run: 0 };
        let line = parse(&source, "2026-11-22T20:00:00.5Z GET / \u{1b}[31m\r");
        assert_eq!(line.at, "2026-11-22T20:00:00.5Z");
        assert_eq!(line.text, "GET / \u{1b}[31m");
        assert_eq!(parse(&source, "no time here").text, "no time here");
    }
}
