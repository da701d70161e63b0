//! `stats`: what a container uses, one value or one a second.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header;
use jiff::Timestamp;
use pod::{Pods, Stats};
use serde_json::{Value, json};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::api::Door;
use crate::containers::blocking;
use crate::error::{Error, Result};
use crate::options::MAIN;
use crate::values::{Pairs, flag, text};

const PERIOD: Duration = Duration::from_secs(1);

/// One measurement and when it was made.
#[derive(Clone, Copy)]
struct Sample {
    at: Timestamp,
    used: Stats,
}

pub(crate) async fn stats(
    State(door): State<Door>,
    Path(name): Path<String>,
    Query(query): Query<Pairs>,
) -> Result<Response> {
    let entry = door.containers.find(&name)?;
    let stream = text(&query, "stream").is_none() || flag(&query, "stream");
    let once = flag(&query, "one-shot");
    let pods = door.settings.pods.clone();
    let limit = entry.request()?.container(0)?.limits.memory_bytes.unwrap_or_else(memory);
    let (id, name) = (entry.id.clone(), entry.record().name);
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let mut before = None;
        loop {
            let Ok(now) = sample(&pods, &id).await else {
                // Not running: one answer without figures, as Docker gives.
                drop(sender.send(describe(&id, &name, None, None, limit)).await);
                return;
            };
            if before.is_some() || once || stream {
                let value = describe(&id, &name, Some(now), before, limit);
                if sender.send(value).await.is_err() || !stream {
                    return;
                }
            }
            before = Some(now);
            tokio::time::sleep(PERIOD).await;
        }
    });
    let body = ReceiverStream::new(receiver)
        .map(|value: Value| Ok::<_, std::convert::Infallible>(Bytes::from(format!("{value}\n"))));
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from_stream(body)).into_response())
}

async fn sample(pods: &Pods, id: &str) -> Result<Sample> {
    let (pods, id) = (pods.clone(), id.to_owned());
    blocking("measure", move || {
        let used = pods.stats(&id, MAIN).map_err(Error::pod("measure"))?;
        Ok(Sample { at: Timestamp::now(), used })
    })
    .await
}

/// The machine's memory in bytes.
fn memory() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram.saturating_mul(u64::from(info.mem_unit))
}

fn describe(
    id: &str,
    name: &str,
    now: Option<Sample>,
    before: Option<Sample>,
    limit: u64,
) -> Value {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let cpu = |sample: Option<Sample>| match sample {
        None => json!({"cpu_usage": {"total_usage": 0}, "throttling_data": {}}),
        Some(sample) => json!({
            "cpu_usage": {"total_usage": sample.used.cpu_ns},
            // The share is one difference by the other: both in nanoseconds of all processors.
            "system_cpu_usage": sample.at.as_nanosecond().unsigned_abs() as u64 * processors as u64,
            "online_cpus": processors,
            "throttling_data": {},
        }),
    };
    let memory = now.map_or_else(
        || json!({}),
        |sample| json!({"usage": sample.used.memory_bytes, "limit": limit, "stats": {}}),
    );
    json!({
        "id": id, "name": format!("/{name}"),
        "read": now.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |sample| sample.at.to_string()),
        "preread": before.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |sample| sample.at.to_string()),
        "cpu_stats": cpu(now), "precpu_stats": cpu(before), "memory_stats": memory,
        "pids_stats": now.map_or_else(|| json!({}), |sample| json!({"current": sample.used.pids})),
        "blkio_stats": {}, "num_procs": 0, "storage_stats": {},
    })
}
