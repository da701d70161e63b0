//! `shelf pack`: an app in one file. `shelf unpack`: the app of such a file comes to life; so it
//! does when the file itself is run.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::{Outcome, decode, go, publish, say};
use crate::app;
use crate::arguments::modules::{Pack, Unpack};
use crate::client::Client;
use crate::error::{Code, Failure};
use crate::settings::Global;
use crate::table;

/// How long a server that was just started may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Writes the app meant into one file.
pub(crate) async fn pack(global: &Global, options: &Pack) -> Outcome {
    let folder = app::folder(global)?;
    let folder = std::fs::canonicalize(&folder).unwrap_or(folder);
    let name = apps::app_name(&folder).map_err(|error| app::failure(&error))?;
    let here = std::env::current_dir().unwrap_or_else(|_| folder.clone());
    let to = match &options.file {
        Some(file) => here.join(file),
        None => folder.join(format!("{name}.app")),
    };
    let result = go::verb(global, "pack", &json!({"dir": folder, "to": to})).await?;
    if global.json {
        say(&json!({"schema": "shelf/pack/1", "result": result}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let report: apps::PackReport = decode(result)?;
    say(&format!(
        "{}   {}   {} images, {} packages listed   {:.1} s\nrun it anywhere, also without a network:  {}",
        report.path.display(),
        table::size(report.size_bytes),
        report.images.len(),
        report.packages,
        report.seconds,
        report.path.display(),
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Brings the app of a packed file to life on the server here.
pub(crate) async fn unpack(global: &Global, options: &Unpack) -> Outcome {
    let path = Path::new(&options.what);
    if !path.exists() && options.what.contains('/') && !options.what.starts_with(['.', '/']) {
        return unpack_published(global, options).await;
    }
    if !options.key.is_empty() {
        let text = format!("{} is a file here, and files are not signed", path.display());
        return Err(Failure::new(Code::Usage, "unpack/key", text).hint("say it without --key"));
    }
    let (file, label) = open(path)?;
    if options.list {
        return list(global, &label);
    }
    send(global, file, &label, options.timeout).await
}

/// Brings an app to life that was published to a registry.
async fn unpack_published(global: &Global, options: &Unpack) -> Outcome {
    if options.key.is_empty() {
        let text = format!("{} is used only if a key that you trust signed it", options.what);
        let hint = format!("shelf unpack {} --key FILE.pub", options.what);
        return Err(Failure::new(Code::Usage, "unpack/key", text).hint(hint));
    }
    let body = json!({
        "from": options.what, "keys": publish::public_keys(&options.key)?, "list": options.list,
        "timeout_seconds": options.timeout,
    });
    let result = go::verb(global, "unpack", &body).await?;
    if options.list {
        return list(global, &result);
    }
    go::print(global, &decode(result)?, "shelf/go/1")
}

/// This program's own file, if an app is packed in it.
pub(crate) fn own() -> Option<PathBuf> {
    let mut file = File::open("/proc/self/exe").ok()?;
    apps::packed(&mut file).ok()??;
    std::env::current_exe().ok()
}

/// Brings the app in this program's own file to life, starting a server if none is there.
pub(crate) async fn bring(global: &Global, own: &Path) -> Outcome {
    let (file, label) = open(own)?;
    let client = global.client();
    if client.json(Method::GET, "/v1/version", None).await.is_err() {
        start(global, own, &client).await?;
    }
    send(global, file, &label, 900).await
}

/// Starts a server that outlives this command.
async fn start(global: &Global, own: &Path, client: &Client) -> Result<(), Failure> {
    let wrong = |what: &str, error: &dyn std::fmt::Display| {
        Failure::new(
            Code::Failed,
            "pack/serve",
            format!("no server runs here, and {what}: {error}"),
        )
        .hint("start one yourself:  shelf serve")
    };
    let run_dir = &global.run_dir;
    std::fs::create_dir_all(run_dir).map_err(|error| wrong("its folder cannot be made", &error))?;
    let path = run_dir.join("serve.log");
    let log = File::options().create(true).append(true).open(&path);
    let log = log.map_err(|error| wrong("its log cannot be written", &error))?;
    let both = log.try_clone().map_err(|error| wrong("its log cannot be written", &error))?;
    let mut server = Command::new(own)
        .arg("--run-dir")
        .arg(run_dir)
        .arg("serve")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(both)
        .process_group(0)
        .spawn()
        .map_err(|error| wrong("none can be started", &error))?;
    let began = Instant::now();
    if !global.json {
        eprintln!("no server runs here: starting one   (log: {})", path.display());
    }
    loop {
        if client.json(Method::GET, "/v1/version", None).await.is_ok() {
            return Ok(());
        }
        let last = || {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            text.lines().last().unwrap_or("it said nothing").to_owned()
        };
        if let Ok(Some(status)) = server.try_wait() {
            return Err(wrong(&format!("one that was started ended ({status})"), &last()));
        }
        if began.elapsed() > PATIENCE {
            return Err(wrong("one that was started does not answer", &last()));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The file at its archive, and what the archive says of itself.
fn open(path: &Path) -> Result<(impl Read + Send + 'static + use<>, Value), Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        let code = if path.exists() { Code::Failed } else { Code::NotFound };
        Failure::new(code, "pack/read", format!("cannot read {}: {error}", path.display()))
    };
    let mut file = File::open(path).map_err(|error| wrong(&error))?;
    let label = apps::label(&mut file).map_err(|error| wrong(&error))?;
    let place = apps::packed(&mut file).map_err(|error| wrong(&error))?;
    let (Some(label), Some(place)) = (label, place) else {
        return Err(wrong(&"no app is packed in it").hint("make one:  shelf pack"));
    };
    file.seek(SeekFrom::Start(place.start)).map_err(|error| wrong(&error))?;
    Ok((file.take(place.length), label))
}

async fn send(
    global: &Global,
    file: impl Read + Send + 'static,
    label: &Value,
    timeout: u64,
) -> Outcome {
    let client = global.client();
    let name = label["app"].as_str().unwrap_or_default();
    let path = format!("/v1/packs?app={name}&timeout_seconds={timeout}");
    let answer = client
        .upload(&path, move |to| {
            let mut file = file;
            std::io::copy(&mut file, to).map(|_| ())
        })
        .await?;
    let report: apps::GoReport = decode(go::follow(global, &client, "unpack", answer).await?)?;
    go::print(global, &report, "shelf/go/1")
}

fn list(global: &Global, label: &Value) -> Outcome {
    if global.json {
        say(&json!({"schema": "shelf/packed/1", "result": label}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = |key: &str| label[key].as_str().unwrap_or_default().to_owned();
    say(&format!(
        "{} of {}, for {}, by shelf {}",
        text("app"),
        text("at"),
        text("platform"),
        text("shelf")
    ))?;
    let rows: Vec<Vec<String>> = label["images"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(block, digest)| vec![block.clone(), digest.as_str().unwrap_or_default().to_owned()])
        .collect();
    for line in table::rows(&rows) {
        say(&format!("  {line}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
