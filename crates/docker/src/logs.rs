//! Output: log records to frames, for `logs` and for attached clients.

use std::ops::ControlFlow;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http::header;
use jiff::{SignedDuration, Timestamp};
use pod::{LogOptions, Pods};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::api::Door;
use crate::entry::Phase;
use crate::error::{Error, Result};
use crate::options::MAIN;
use crate::streams::{PIECES, STDERR, STDOUT, content_type, frame};
use crate::values::{Pairs, flag, text};

/// How often the end of a followed container is looked for.
const TICK: Duration = Duration::from_millis(20);

/// Which part of the output is wanted, and how.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
    pub(crate) timestamps: bool,
    /// Bytes as they are instead of frames.
    pub(crate) raw: bool,
    pub(crate) follow: bool,
    pub(crate) tail: Option<u64>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

pub(crate) async fn logs(
    State(door): State<Door>,
    Path(name): Path<String>,
    Query(query): Query<Pairs>,
) -> Result<Response> {
    let entry = door.containers.find(&name)?;
    let tail = match text(&query, "tail") {
        None | Some("all") => None,
        // Docker takes what is no number for all.
        Some(count) => count.parse().ok(),
    };
    let wanted = Wanted {
        stdout: flag(&query, "stdout"),
        stderr: flag(&query, "stderr"),
        timestamps: flag(&query, "timestamps"),
        raw: entry.request()?.tty,
        follow: flag(&query, "follow"),
        tail,
        since: time(&query, "since")?,
        until: time(&query, "until")?,
    };
    if !wanted.stdout && !wanted.stderr {
        return Err(Error::bad("Bad parameters: you must choose at least one stream"));
    }
    let content = [(header::CONTENT_TYPE, content_type(wanted.raw))];
    if matches!(entry.phase(&door.settings.pods).0, Phase::Created) {
        return Ok((content, Body::empty()).into_response());
    }
    let pieces = read(door.settings.pods.clone(), entry.id.clone(), wanted);
    let body = ReceiverStream::new(pieces).map(Ok::<_, std::convert::Infallible>);
    Ok((content, Body::from_stream(body)).into_response())
}

/// Seconds since 1970 with a fraction, or RFC 3339. Zero is no time.
fn time(query: &Pairs, name: &str) -> Result<Option<Timestamp>> {
    let Some(value) = text(query, name).filter(|value| *value != "0") else { return Ok(None) };
    if let Ok(time) = value.parse::<Timestamp>() {
        return Ok(Some(time));
    }
    let invalid = || Error::bad(format!("invalid value for {name:?}: {value:?}"));
    let (seconds, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let seconds: i64 = seconds.parse().map_err(|_| invalid())?;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanos: i32 = digits.parse().map_err(|_| invalid())?;
    Timestamp::new(seconds, nanos).map(Some).map_err(|_| invalid())
}

/// Reads on a thread of its own until the end, or until nobody listens.
pub(crate) fn read(pods: Pods, id: String, wanted: Wanted) -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let options = LogOptions {
            follow: wanted.follow,
            tail_lines: wanted.tail,
            since: wanted.since,
            records: true,
            tick: TICK,
            ..LogOptions::default()
        };
        let mut printer = Printer { wanted, in_line: [false; 2] };
        let mut sink = |records: &[u8]| {
            if sender.is_closed() {
                return ControlFlow::Break(());
            }
            let text = printer.print(records);
            if !text.is_empty() && sender.blocking_send(text).is_err() {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        if let Err(error) = pods.read_log(&id, MAIN, None, &options, &mut sink) {
            tracing::debug!(container = id, %error, "output not read");
        }
    });
    receiver
}

/// Turns whole records into frames.
struct Printer {
    wanted: Wanted,
    /// Whether the last record of each output was a piece of a line.
    in_line: [bool; 2],
}

impl Printer {
    fn print(&mut self, records: &[u8]) -> Bytes {
        let mut out = BytesMut::new();
        for record in records.split(|byte| *byte == b'\n') {
            self.record(record, &mut out);
        }
        out.freeze()
    }

    fn record(&mut self, record: &[u8], out: &mut BytesMut) {
        let mut parts = record.splitn(4, |byte| *byte == b' ');
        let (Some(time), Some(stream), Some(tag)) = (parts.next(), parts.next(), parts.next())
        else {
            return;
        };
        let text = parts.next().unwrap_or_default();
        let (number, wanted) = match stream {
            b"stdout" => (STDOUT, self.wanted.stdout),
            b"stderr" => (STDERR, self.wanted.stderr),
            _ => return,
        };
        if let Some(until) = self.wanted.until {
            let written = std::str::from_utf8(time).ok().and_then(|time| time.parse().ok());
            if written.is_some_and(|written: Timestamp| written > until) {
                return;
            }
        }
        let partial = tag.first() == Some(&b'P');
        let in_line = &mut self.in_line[usize::from(number - 1)];
        let mut line = Vec::with_capacity(text.len() + 40);
        if self.wanted.timestamps && !*in_line {
            line.extend_from_slice(time);
            line.push(b' ');
        }
        line.extend_from_slice(text);
        if !partial {
            line.push(b'\n');
        }
        *in_line = partial;
        if wanted && !line.is_empty() {
            out.extend_from_slice(&frame(number, &line, self.wanted.raw));
        }
    }
}

/// A little earlier than a start: the first record may bear the same moment.
pub(crate) fn just_before(start: Timestamp) -> Timestamp {
    start.checked_sub(SignedDuration::from_micros(1)).unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDS: &[u8] = b"2026-01-01T00:00:00Z stdout F one\n\
        2026-01-01T00:00:01Z stderr F two\n\
        2026-01-01T00:00:02Z stdout P thr\n\
        2026-01-01T00:00:03Z stdout F ee\n";

    fn print(wanted: Wanted) -> String {
        let mut printer = Printer { wanted, in_line: [false; 2] };
        String::from_utf8_lossy(&printer.print(RECORDS)).into_owned()
    }

    #[test]
    fn each_record_is_a_frame_of_its_stream() {
        let both = Wanted { stdout: true, stderr: true, ..Wanted::default() };
        assert_eq!(
            print(both),
            "\x01\0\0\0\0\0\0\x04one\n\x02\0\0\0\0\0\0\x04two\n\x01\0\0\0\0\0\0\x03thr\x01\0\0\0\0\0\0\x03ee\n"
        );
    }

    #[test]
    fn a_line_in_pieces_has_one_time() {
        let wanted = Wanted { stdout: true, timestamps: true, raw: true, ..Wanted::default() };
        assert_eq!(print(wanted), "2026-01-01T00:00:00Z one\n2026-01-01T00:00:02Z three\n");
    }

    #[test]
    fn times_are_seconds_or_text() {
        let query = |value: &str| vec![("since".to_owned(), value.to_owned())];
        let parsed = time(&query("1767225600.5"), "since").unwrap().unwrap();
        assert_eq!(parsed.to_string(), "2026-01-01T00:00:00.5Z");
        assert_eq!(time(&query("0"), "since").unwrap(), None);
        assert!(time(&query("soon"), "since").is_err());
    }
}
