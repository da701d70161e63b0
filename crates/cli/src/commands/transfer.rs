//! `shelf import` and `shelf export`: apps from and to other worlds. The work is done by the `apps`
//! room, here, without a server; only secrets that were found go to one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use apps::{ExportKind, ExportOptions, ImportOptions, Imported, State};
use http::Method;
use serde_json::json;

use super::{Outcome, decode, say};
use crate::app;
use crate::arguments::transfer::{Export, Import, ImportFrom, Kind, Writes};
use crate::error::{Code, Failure};
use crate::settings::Global;
use crate::table;

/// Proposes an app from a foreign file, reports on every line, and writes the app file.
pub(crate) async fn import(global: &Global, options: &Import) -> Outcome {
    let (imported, folder, writes) = match &options.from {
        ImportFrom::Compose(options) => {
            let asked = ImportOptions {
                file: options.file.clone(),
                name: options.name.clone(),
                profiles: options.profile.clone(),
            };
            let folder = options.file.parent().map_or_else(PathBuf::new, Path::to_owned);
            (apps::import(&asked), folder, &options.writes)
        }
        ImportFrom::Manifests(options) => {
            let imported = apps::import_manifests(&options.paths, options.name.as_deref());
            (imported, PathBuf::new(), &options.writes)
        }
        ImportFrom::Namespace(options) => {
            let path = format!("/v1/namespaces/{}/objects", options.namespace);
            let found = decode(global.client().json(Method::GET, &path, None).await?)?;
            let imported = apps::import_namespace(&found, options.name.as_deref());
            (imported, PathBuf::new(), &options.writes)
        }
    };
    let imported = imported.map_err(|error| app::failure(&error))?;
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    if !writes.trial.dry_run {
        apps::write_import(&folder, &imported, writes.force).map_err(|error| {
            let mut failure = app::failure(&error);
            if failure.name == "app/exists" {
                failure.code = Code::Refused;
            }
            failure
        })?;
    }
    let kept = if writes.trial.dry_run { Vec::new() } else { keep(global, &imported).await };
    if global.json {
        let counts = json!({
            "mapped": imported.count(State::Mapped), "guessed": imported.count(State::Guessed),
            "not_mapped": imported.count(State::NotMapped),
        });
        let value = json!({
            "schema": "shelf/import/1", "dry_run": writes.trial.dry_run, "result": imported,
            "counts": counts, "kept": kept,
        });
        say(&value.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    report(&imported, writes, &kept, &folder)?;
    Ok(ExitCode::SUCCESS)
}

/// Hands the secrets that were found to the server, if one is there. Returns their names.
async fn keep(global: &Global, imported: &Imported) -> Vec<String> {
    let client = global.client();
    let mut kept = Vec::new();
    for given in &imported.given {
        let Some(value) = given.value.as_ref().filter(|value| !value.is_empty()) else { continue };
        let body = json!({ "block": given.block, "name": given.name, "value": value });
        let path = format!("/v1/apps/{}/secrets", imported.app);
        // Without a server the report says what to type; nothing is lost.
        if client.json(Method::POST, &path, Some(&body)).await.is_ok() {
            kept.push(format!("{}.{}", given.block, given.name));
        }
    }
    kept
}

fn report(
    imported: &Imported,
    options: &Writes,
    kept: &[String],
    folder: &Path,
) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for row in &imported.rows {
        let sign = match row.state {
            State::Mapped if options.all => "=",
            State::Mapped => continue,
            State::Guessed => "?",
            State::NotMapped => "-",
        };
        let becomes = row.becomes.as_ref().map(|it| format!("-> {it}   ")).unwrap_or_default();
        rows.push(vec![
            sign.to_owned(),
            format!("{}:{}", row.file, row.line),
            row.path.clone(),
            format!("{becomes}{}", row.why),
        ]);
        if let Some(next) = &row.next {
            rows.push(vec![String::new(), String::new(), String::new(), format!("   {next}")]);
        }
    }
    for (number, line) in imported.text.lines().enumerate() {
        say(&format!("{:>3} | {line}", number + 1))?;
    }
    for line in table::rows(&rows) {
        say(&line)?;
    }
    for note in &imported.notes {
        say(&format!("! {note}"))?;
    }
    say(&format!(
        "{} values: {} mapped, {} guessed (?), {} not mapped (-)",
        imported.rows.len(),
        imported.count(State::Mapped),
        imported.count(State::Guessed),
        imported.count(State::NotMapped)
    ))?;
    for given in &imported.given {
        let name = format!("{}.{}", given.block, given.name);
        match kept.contains(&name) {
            true => say(&format!("{name} is kept by the server, and is not in the file"))?,
            false => {
                say(&format!("before go:  shelf set {} --secret {}", given.block, given.name))?
            }
        }
    }
    for one in &imported.diagnostics {
        say(&format!("! {}", one.message))?;
    }
    let done = if options.trial.dry_run { "would begin" } else { "begins" };
    say(&format!("{} {done} in {}", imported.app, folder.join("app.toml").display()))?;
    let next = if imported.diagnostics.is_empty() { "shelf go" } else { "shelf check" };
    say(&format!("next: {next}"))
}

/// Writes the app as files for somewhere else.
pub(crate) fn export(global: &Global, options: &Export) -> Outcome {
    let folder = app::folder(global)?;
    let name = apps::app_name(&folder).map_err(|error| app::failure(&error))?;
    let kind = match options.kind {
        Kind::Yaml => ExportKind::Yaml,
        Kind::Helm => ExportKind::Helm,
        Kind::Compose => ExportKind::Compose,
    };
    let named = || PathBuf::from(format!("{name}-{}", kind.word()));
    let to = options.output.clone().unwrap_or_else(named);
    let asked = ExportOptions {
        kind,
        target: global.on.clone(),
        to,
        registry: options.registry.clone(),
        tag: options.tag.clone(),
        url: options.url.clone(),
        port: options.port,
        force: options.force,
        dry_run: options.trial.dry_run,
    };
    let report = apps::export(&folder, &asked).map_err(|error| {
        let mut failure = app::failure(&error);
        if failure.name == "export/taken" {
            failure.code = Code::Refused;
        }
        failure
    })?;
    if global.json {
        let value =
            json!({"schema": "shelf/export/1", "dry_run": options.trial.dry_run, "result": report});
        say(&value.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    for file in &report.files {
        say(&format!("  {file}"))?;
    }
    for (image, from) in &report.images {
        say(&format!("! {image} must be there: it is built from {from}"))?;
    }
    for note in &report.notes {
        say(&format!("! {note}"))?;
    }
    let done = if options.trial.dry_run { "would be" } else { "is" };
    say(&format!("{} {done} in {}", report.app, report.to.display()))?;
    let next = match options.kind {
        Kind::Yaml => "./apply.sh",
        Kind::Helm => "helm upgrade --install",
        Kind::Compose => "./values.sh   then:   docker compose up --build",
    };
    say(&format!("next, there: {next}"))?;
    Ok(ExitCode::SUCCESS)
}
