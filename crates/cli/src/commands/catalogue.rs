//! `shelf catalogue`: places at registries that modules come from, and making one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use apps::{CataloguePublishReport, CatalogueReport};
use http::Method;
use serde_json::{Value, json};

use super::{Outcome, decode, go, say, say_list};
use crate::app;
use crate::arguments::catalogues::{Add, Catalogue, Publish};
use crate::error::{Code, Failure};
use crate::settings::Global;

/// Does what was said.
pub(crate) async fn catalogue(global: &Global, verb: &Catalogue) -> Outcome {
    match verb {
        Catalogue::Ls => {
            let value = global.client().json(Method::GET, "/v1/catalogues", None).await?;
            list(global, "shelf/catalogues/1", value)
        }
        Catalogue::Add(options) => add(global, options).await,
        Catalogue::Rm { name } => {
            let path = format!("/v1/catalogues/{name}");
            global.client().json(Method::DELETE, &path, None).await?;
            if global.json {
                say(&json!({"schema": "shelf/catalogue-rm/1", "result": {"name": name}})
                    .to_string())?;
            } else {
                say(&format!("{name} is forgotten; apps keep what they have from it"))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Catalogue::Update { name } => {
            let body = json!({ "name": name });
            let path = "/v1/catalogues/update";
            let value = global.client().json(Method::POST, path, Some(&body)).await?;
            list(global, "shelf/catalogue-update/1", value)
        }
        Catalogue::Publish(options) => publish(global, options).await,
        Catalogue::Sign(options) => {
            let body = json!({"prefix": options.prefix, "key": whole(&options.key)?});
            let report = decode(go::verb(global, "catalogue-sign", &body).await?)?;
            made(global, "shelf/catalogue-sign/1", &report)
        }
    }
}

/// Has the server fetch modules of catalogues that an edit is about to name.
pub(crate) async fn take(global: &Global, used: Option<&str>) -> Result<(), Failure> {
    let Some(used) = used.filter(|used| names_one(used)) else { return Ok(()) };
    let body = json!({"dir": app::folder(global)?, "used": [used]});
    global.client().json(Method::POST, "/v1/catalogues/take", Some(&body)).await.map(drop)
}

/// Whether this is `team/redis` and no folder of that name.
pub(crate) fn names_one(what: &str) -> bool {
    let folder = what.starts_with(['.', '/', '~']) || Path::new(what).is_dir();
    !folder && !what.contains(':') && what.split('/').count() == 2
}

async fn add(global: &Global, options: &Add) -> Outcome {
    let body = json!({
        "name": options.name, "prefix": options.prefix, "keys": texts(&options.key)?,
        "threshold": options.threshold, "before": options.before,
    });
    let value = global.client().json(Method::POST, "/v1/catalogues", Some(&body)).await?;
    if global.json {
        say(&json!({"schema": "shelf/catalogue-add/1", "result": value}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let CatalogueReport { name, prefix, version, modules, .. } = decode(value)?;
    say(&format!("{name} is {prefix}: number {version}, {modules} modules"))?;
    say(&format!("use one:  use = \"{name}/MODULE\"        what there is:  shelf search"))?;
    Ok(ExitCode::SUCCESS)
}

fn list(global: &Global, schema: &str, value: Value) -> Outcome {
    if global.json {
        say(&json!({"schema": schema, "result": value}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let all: Vec<CatalogueReport> = decode(value["catalogues"].clone())?;
    if all.is_empty() {
        say("no catalogue: modules come from the shelf in the program")?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |one: &CatalogueReport| {
        let until = one.expires.split('T').next().unwrap_or_default();
        let until = if one.expired { format!("EXPIRED {until}") } else { until.to_owned() };
        vec![
            one.name.clone(),
            one.prefix.clone(),
            one.version.to_string(),
            until,
            one.modules.to_string(),
            format!("{} of {}", one.threshold, one.keys.len()),
        ]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    say_list(global, &["NAME", "PLACE", "NUMBER", "UNTIL", "MODULES", "SIGNED BY"], &rows)?;
    Ok(ExitCode::SUCCESS)
}

async fn publish(global: &Global, options: &Publish) -> Outcome {
    let days = options.expires.strip_suffix('d').unwrap_or(&options.expires).parse::<u32>();
    let days = days.map_err(|_| {
        let text = format!("{:?} is no number of days", options.expires);
        Failure::new(Code::Usage, "catalogue/expires", text).hint("such as  --expires 90d")
    })?;
    let keys: Result<Vec<PathBuf>, Failure> = options.key.iter().map(|key| whole(key)).collect();
    let body = json!({
        "prefix": options.prefix, "keys": keys?, "others": texts(&options.trust)?,
        "threshold": options.threshold, "days": days, "modules": options.modules,
        "remove": options.remove, "dry_run": options.dry_run,
    });
    let report = decode(go::verb(global, "catalogue-publish", &body).await?)?;
    made(global, "shelf/catalogue-publish/1", &report)
}

fn made(global: &Global, schema: &str, report: &CataloguePublishReport) -> Outcome {
    if global.json {
        say(&json!({"schema": schema, "result": report}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    for (name, version, digest) in &report.modules {
        say(&format!("  {name} {version}   {digest}"))?;
    }
    let CataloguePublishReport { prefix, version, signatures, threshold, .. } = report;
    let state = match (&report.digest, report.current) {
        (None, _) => "would be made".to_owned(),
        (_, true) => format!("is taken from now on, until {}", report.expires),
        (_, false) => format!(
            "waits: {signatures} of the {threshold} signatures it needs        next:  shelf catalogue sign {prefix} --key FILE"
        ),
    };
    say(&format!("{prefix} number {version} {state}"))?;
    Ok(ExitCode::SUCCESS)
}

fn unread(path: &Path, error: &std::io::Error) -> Failure {
    let text = format!("the key {}: {error}", path.display());
    Failure::new(Code::NotFound, "catalogue/key", text).hint("a new one:  shelf module key FILE")
}

fn texts(paths: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(|error| unread(path, &error));
    paths.iter().map(read).collect()
}

/// A file's whole path, for who runs elsewhere.
fn whole(path: &Path) -> Result<PathBuf, Failure> {
    std::fs::canonicalize(path).map_err(|error| unread(path, &error))
}
