//! `restart`: new copies of one block, without any other change, and the wait until they serve.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::changes;
use crate::event::{BlockState, Event, Events};
use crate::live::{self, Key};
use crate::observe::{Observer, Verdict, Waited, World};
use crate::progress::Clock;
use crate::report::ScaleReport;
use crate::{Error, Result, Target, apply, go, release};

const TIMEOUT: Duration = Duration::from_secs(300);

/// Replaces the copies of a block, the way a change of it would: old ones serve until new ones do.
///
/// # Errors
/// There is no such app or block, it is stopped, or the new copies are not ready in time.
pub async fn restart(
    target: &Target,
    app: &str,
    block: &str,
    events: Events<'_>,
) -> Result<ScaleReport> {
    let clock = Clock::start();
    let live = live::list(target, app).await?;
    if live.is_empty() {
        return Err(Error::Absent(app.to_owned()));
    }
    let own: Vec<&Key> = live
        .iter()
        .filter(|(key, object)| {
            ["Deployment", "StatefulSet"].contains(&key.kind.as_str())
                && changes::component(object).is_some_and(|name| name == block)
        })
        .map(|(key, _)| key)
        .collect();
    let stopped =
        live.values().any(|object| changes::annotation(object, changes::STOPPED).is_some());
    if own.is_empty() || stopped {
        let why = if stopped { "is stopped" } else { "has no such block with copies" };
        return Err(Error::Unfit {
            code: "block/restart",
            message: format!("cannot restart {block}: {app} {why}"),
        });
    }
    let mut waiting: Vec<(Key, i64)> = Vec::new();
    let now = jiff::Timestamp::now().to_string();
    let patch = json!({ "spec": { "template": { "metadata": {
        "annotations": { "kubectl.kubernetes.io/restartedAt": now },
    } } } });
    for key in own {
        let generation = apply::merge(target, app, key, &patch).await?;
        waiting.push((key.clone(), generation.unwrap_or(0)));
    }
    events(clock.block(block, BlockState::Starting, "restarted"));
    let mut observer = Observer::start(target, app).await?;
    let ready = |world: &World| {
        let missing: Vec<String> = waiting
            .iter()
            .filter_map(|(key, generation)| go::missing(world, key, *generation))
            .collect();
        Ok(match missing.is_empty() {
            true => Verdict::Done,
            false => Verdict::Waiting(missing.join(", ")),
        })
    };
    match observer.until(Instant::now() + TIMEOUT, ready).await {
        Ok(()) => {}
        Err(Waited::Failed(error)) => return Err(error),
        Err(Waited::TooLong(waiting)) => {
            let lines = crate::failure::lines_of_unready(target, app, &observer.world).await;
            return Err(Error::Timeout { seconds: TIMEOUT.as_secs(), waiting, lines });
        }
    }
    events(clock.block(block, BlockState::Ready, ""));
    let url = release::read(&live).and_then(|release| release.url);
    let seconds = clock.seconds();
    events(Event::Done { url: url.clone(), seconds });
    let changed = waiting.into_iter().map(|(key, _)| key.name).collect();
    Ok(ScaleReport { app: app.to_owned(), changed, url, seconds })
}
