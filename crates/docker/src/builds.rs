//! `POST /build`: the classic builder. A tar of the context comes in, JSON lines go out.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use build::Event;
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use image::{Budget, Meaning};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::Settings;
use crate::api::Door;
use crate::error::{Error, Result, chain};
use crate::images::lines;
use crate::values::{Pairs, flag, is_empty, number, text};

/// Pieces of the context that may wait for the disk.
const PIECES: usize = 16;
/// Numbers that only mean something with limits on build steps, which there are none of.
const LIMITS: &[&str] = &["memory", "memswap", "cpushares", "cpuquota", "cpuperiod", "shmsize"];

/// What is asked for, checked.
struct Asked {
    names: Vec<String>,
    dockerfile: PathBuf,
    target: Option<String>,
    args: Vec<(String, String)>,
    no_cache: bool,
    /// Registries are asked for bases that came from them before.
    pull: bool,
    quiet: bool,
}

pub(crate) async fn build(
    State(door): State<Door>,
    Query(query): Query<Pairs>,
    request: Request,
) -> Result<Response> {
    let asked = parse(&query)?;
    let (sender, receiver) = mpsc::unbounded_channel();
    let cancel = Arc::new(AtomicBool::new(false));
    let context = Context { pieces: feed(request.into_body()), rest: Bytes::new() };
    let settings = door.settings.clone();
    let stopping = cancel.clone();
    let said = sender.clone();
    let work = tokio::task::spawn_blocking(move || {
        if let Err(text) = run(&settings, &asked, context, cancel, &said) {
            drop(said.send(json!({"errorDetail": {"message": text}, "error": text})));
        }
    });
    tokio::spawn(async move {
        tokio::select! {
            // A client that goes away ends its build, as with Docker.
            () = sender.closed() => stopping.store(true, Ordering::Relaxed),
            // The answer ends with the last sender, which is this one's.
            _ = work => {}
        }
    });
    Ok(lines(receiver))
}

fn parse(query: &Pairs) -> Result<Asked> {
    if text(query, "version").is_some_and(|version| version != "1") {
        return Err(Error::unsupported(
            "BuildKit (use the classic builder: DOCKER_BUILDKIT=0 docker build …)",
        ));
    }
    if text(query, "remote").is_some() {
        return Err(Error::unsupported("a remote build context"));
    }
    for name in [
        "labels",
        "ulimits",
        "extrahosts",
        "squash",
        "cgroupparent",
        "cpusetcpus",
        "cpusetmems",
        "outputs",
    ] {
        let given = text(query, name).unwrap_or_default();
        let value = serde_json::from_str(given).unwrap_or_else(|_| json!(given));
        if !is_empty(&value) {
            return Err(Error::unsupported(format!("build option {name}")));
        }
    }
    for name in LIMITS {
        if number::<i64>(query, name)?.is_some_and(|value| value != 0) {
            return Err(Error::unsupported(format!("build option {name}")));
        }
    }
    if let Some(mode) =
        text(query, "networkmode").filter(|mode| !matches!(*mode, "default" | "bridge"))
    {
        return Err(Error::unsupported(format!("build network {mode}")));
    }
    if let Some(platform) = text(query, "platform") {
        return Err(Error::unsupported(format!("build platform {platform}")));
    }
    let dockerfile = PathBuf::from(text(query, "dockerfile").unwrap_or("Dockerfile"));
    if !dockerfile.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    {
        return Err(Error::bad("the Dockerfile must be inside the build context"));
    }
    let args: serde_json::Map<String, Value> = match text(query, "buildargs") {
        Some(json) => serde_json::from_str::<Option<_>>(json)
            .map_err(|error| Error::bad(format!("invalid buildargs: {error}")))?
            .unwrap_or_default(),
        None => serde_json::Map::new(),
    };
    Ok(Asked {
        names: query
            .iter()
            .filter(|(name, value)| name == "t" && !value.is_empty())
            .map(|(_, value)| value.clone())
            .collect(),
        dockerfile,
        target: text(query, "target").map(str::to_owned),
        args: args
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
            .collect(),
        no_cache: flag(query, "nocache"),
        pull: flag(query, "pull"),
        quiet: flag(query, "q"),
    })
}

/// Unpacks the context and builds; an error is what the client is to read.
fn run(
    settings: &Settings,
    asked: &Asked,
    context: Context,
    cancel: Arc<AtomicBool>,
    lines: &mpsc::UnboundedSender<Value>,
) -> Result<(), String> {
    let say = |text: String| drop(lines.send(json!({"stream": text})));
    let scratch = settings.images.scratch().map_err(|error| chain(&error))?;
    let dir = scratch.path().join("context");
    std::fs::create_dir(&dir).map_err(|error| error.to_string())?;
    unpack(context, &dir).map_err(|error| format!("the build context: {error}"))?;
    let request = build::Request {
        context: dir.clone(),
        dockerfile: Some(dir.join(&asked.dockerfile)),
        target: asked.target.clone(),
        args: asked.args.clone(),
        name: asked.names.first().cloned(),
        ca_bundle: settings.build_ca.clone(),
        no_cache: asked.no_cache,
        registry: Some(settings.registry.clone()),
        pull: asked.pull,
        cancel,
    };
    // The path of the unpacked context means nothing to the client.
    let own = format!("{}/", dir.display());
    let shown = |text: String| text.replace(&own, "");
    let mut progress = |event: Event| {
        if asked.quiet {
            return;
        }
        match event {
            Event::Step { index, count, text, cached } => {
                let cached = if cached { " ---> Using cache\n" } else { "" };
                say(format!("Step {index}/{count} : {text}\n{cached}"));
            }
            Event::Output(line) | Event::Base(line) => say(format!("{line}\n")),
        }
    };
    let built = build::build(&settings.images, &settings.pods, &request, &mut progress)
        .map_err(|error| shown(chain(&error)))?;
    for name in asked.names.iter().skip(1) {
        settings.images.tag(&built.image, name).map_err(|error| chain(&error))?;
    }
    drop(lines.send(json!({"aux": {"ID": built.digest}})));
    if asked.quiet {
        say(format!("{}\n", built.digest));
        return Ok(());
    }
    say(format!("Successfully built {}\n", &built.digest[7..19]));
    for name in &asked.names {
        say(format!("Successfully tagged {name}\n"));
    }
    Ok(())
}

/// The tar, plain or gzip, strictly unpacked: nothing leaves `dir`.
fn unpack(mut context: Context, dir: &Path) -> Result<(), String> {
    let root = image::rooted::directory(dir).map_err(|error| error.to_string())?;
    let mut begin = [0; 4];
    let mut count = 0;
    while count < begin.len() {
        match context.read(&mut begin[count..]).map_err(|error| error.to_string())? {
            0 => break,
            more => count += more,
        }
    }
    let gzip = begin.starts_with(&[0x1f, 0x8b]);
    let foreign = begin.starts_with(b"BZh")
        || begin.starts_with(&[0xfd, b'7', b'z'])
        || begin == [0x28, 0xb5, 0x2f, 0xfd];
    if foreign {
        return Err("is compressed with something else than gzip".to_owned());
    }
    let mut whole = Read::chain(io::Cursor::new(begin[..count].to_vec()), context);
    let budget = Budget::default();
    let unpacked = if gzip {
        let tar = flate2::read::MultiGzDecoder::new(&mut whole);
        image::extract(tar, root.as_fd(), Meaning::Archive, budget)
    } else {
        image::extract(&mut whole, root.as_fd(), Meaning::Archive, budget)
    };
    unpacked.map_err(|error| chain(&error))?;
    // What follows the archive's end is padding; the client waits until it is taken.
    io::copy(&mut whole, &mut io::sink()).map(drop).map_err(|error| error.to_string())
}

/// A body read from a thread.
struct Context {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

fn feed(mut body: Body) -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        while let Some(frame) = body.frame().await {
            let piece = match frame {
                Ok(frame) => match frame.into_data() {
                    Ok(data) => Ok(data),
                    Err(_) => continue,
                },
                Err(error) => Err(io::Error::other(error)),
            };
            let last = piece.is_err();
            if sender.send(piece).await.is_err() || last {
                return;
            }
        }
    });
    receiver
}

impl Read for Context {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.rest = piece?,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Pairs {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_the_classic_builder_sends_is_understood() {
        let asked = parse(&query(&[
            ("buildargs", r#"{"A":"1","B":null}"#),
            ("cachefrom", "[]"),
            ("cgroupparent", ""),
            ("cpuperiod", "0"),
            ("dockerfile", "sub/Dockerfile"),
            ("labels", "{}"),
            ("memory", "0"),
            ("networkmode", "default"),
            ("rm", "1"),
            ("shmsize", "0"),
            ("t", "a:1"),
            ("t", "b:2"),
            ("target", ""),
            ("ulimits", "null"),
            ("version", "1"),
        ]))
        .unwrap();
        assert_eq!(asked.names, ["a:1", "b:2"]);
        assert_eq!(asked.args, [("A".to_owned(), "1".to_owned())]);
        assert_eq!((asked.target, asked.no_cache), (None, false));
    }

    #[test]
    fn what_would_be_ignored_is_refused() {
        for (name, value) in [
            ("version", "2"),
            ("labels", r#"{"a":"b"}"#),
            ("memory", "1"),
            ("networkmode", "host"),
            ("remote", "https://example.com"),
            ("dockerfile", "../x"),
        ] {
            assert!(parse(&query(&[(name, value)])).is_err(), "{name}");
        }
    }
}
