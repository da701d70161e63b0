//! `shelf module key`, `publish` and `pull`, and `shelf publish`: modules and apps go to registries and
//! come from there, signed.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use apps::{AppPublishReport, FetchReport, PublishReport};
use registry::SigningKey;
use serde_json::json;

use super::{Outcome, decode, go, module, say};
use crate::app;
use crate::arguments::modules::{AppPublish, ModulePublish, ModulePull};
use crate::error::{Code, Failure};
use crate::settings::Global;

/// Makes a pair of keys. Neither file may be there: a key that is lost cannot be made again.
pub(crate) fn key(global: &Global, file: &Path) -> Outcome {
    let failed = |error: registry::Error| Failure::new(Code::Failed, error.code(), error.line());
    let (key, private) = SigningKey::generate().map_err(failed)?;
    let public = key.public().map_err(failed)?.to_pem();
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    let beside = PathBuf::from(name);
    write_new(&beside, &public, 0o644)?;
    if let Err(failure) = write_new(file, &private, 0o600) {
        // Half a pair is of no use, and would be in the way of the next try.
        let _left = std::fs::remove_file(&beside);
        return Err(failure);
    }
    if global.json {
        let result = json!({"key": file, "public": beside});
        say(&json!({"schema": "shelf/module-key/1", "result": result}).to_string())?;
    } else {
        say(&format!("{} signs; keep it where only you can read it", file.display()))?;
        say(&format!("{} is for everybody who is to trust it", beside.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(mode).open(path);
    let written = opened.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| {
        let text = format!("{} cannot be written: {error}", path.display());
        let hint = "another name:  shelf module key FILE";
        Failure::new(Code::Failed, "module/key", text).hint(hint)
    })
}

/// Publishes a module.
pub(crate) async fn publish(global: &Global, options: &ModulePublish) -> Outcome {
    let folder = module::folder(&options.folder)?;
    let key = options.key.as_deref().map(readable).transpose()?;
    let body = json!({
        "dir": folder, "to": options.to, "key": key, "untried": options.untried,
        "dry_run": options.dry_run, "timeout_seconds": options.timeout,
    });
    let report: PublishReport = decode(go::verb(global, "module-publish", &body).await?)?;
    if global.json {
        say(&json!({"schema": "shelf/module-publish/1", "result": report}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let PublishReport { module, version, name, .. } = &report;
    let signed = if report.signed { "signed" } else { "not signed" };
    let Some(digest) = &report.digest else {
        say(&format!("{module} {version} would go to {name}: {} files, {signed}", report.files))?;
        return Ok(ExitCode::SUCCESS);
    };
    let tried = if report.tried { "tried" } else { "not tried" };
    say(&format!("{module} {version} is at {name}   {tried}, {signed}   {:.1} s", report.seconds))?;
    say(&format!("{digest}   {} files, {} packages listed", report.files, report.packages))?;
    if report.signed {
        say(&format!("take it:  shelf module pull {name} --key FILE.pub"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A file's whole path, for who runs elsewhere.
fn readable(path: &Path) -> Result<PathBuf, Failure> {
    std::fs::canonicalize(path).map_err(|error| {
        let text = format!("the key {}: {error}", path.display());
        Failure::new(Code::NotFound, "module/key", text).hint("a new one:  shelf module key FILE")
    })
}

/// Public keys as they stand in their files.
pub(crate) fn public_keys(files: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).map_err(|error| {
            let text = format!("the key {}: {error}", path.display());
            Failure::new(Code::NotFound, "module/key", text)
        })
    };
    files.iter().map(read).collect()
}

/// Publishes the app meant.
pub(crate) async fn publish_app(global: &Global, options: &AppPublish) -> Outcome {
    let folder = app::folder(global)?;
    let folder = std::fs::canonicalize(&folder).unwrap_or(folder);
    let key = options.key.as_deref().map(readable).transpose()?;
    let body = json!({"dir": folder, "to": options.to, "key": key, "dry_run": options.dry_run});
    let report: AppPublishReport = decode(go::verb(global, "publish", &body).await?)?;
    if global.json {
        say(&json!({"schema": "shelf/publish/1", "result": report}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let AppPublishReport { app, name, files, images, .. } = &report;
    let (images, signed) = (images.len(), if report.signed { "signed" } else { "not signed" });
    let Some(digest) = &report.digest else {
        say(&format!("{app} would go to {name}: {images} images, {files} files, {signed}"))?;
        return Ok(ExitCode::SUCCESS);
    };
    say(&format!("{app} is at {name}   {images} images, {signed}   {:.1} s", report.seconds))?;
    say(&format!("{digest}   {files} files, {} packages listed", report.packages))?;
    if report.signed {
        say(&format!("bring it up:  shelf unpack {name} --key FILE.pub"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Fetches a published module.
pub(crate) async fn pull(global: &Global, options: &ModulePull) -> Outcome {
    let keys = public_keys(&options.key)?;
    let to = match &options.to {
        Some(folder) => folder.clone(),
        None => PathBuf::from(last_part(&options.from)),
    };
    let to = std::path::absolute(&to).map_err(|error| {
        Failure::new(Code::Failed, "module/folder", format!("{}: {error}", to.display()))
    })?;
    let body = json!({"from": options.from, "keys": keys, "to": to});
    let report: FetchReport = decode(go::verb(global, "module-pull", &body).await?)?;
    if global.json {
        say(&json!({"schema": "shelf/module-pull/1", "result": report}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let FetchReport { module, version, folder, .. } = &report;
    let shown = folder.file_name().unwrap_or_default().to_string_lossy();
    say(&format!("{module} {version} is in {}   {} files", folder.display(), report.files))?;
    say(&format!("from {}", report.name))?;
    say(&format!("use it:  module = \"./{shown}\""))?;
    Ok(ExitCode::SUCCESS)
}

/// `redis` of `registry.example.org/team/redis:7@sha256:…`.
fn last_part(name: &str) -> &str {
    let bare = name.split('@').next().unwrap_or_default();
    let last = bare.rsplit('/').next().unwrap_or_default();
    last.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_last_part_names_the_folder() {
        for name in ["r.lan/team/redis", "r.lan:5000/redis:7", "r.lan/redis:7@sha256:00"] {
            assert_eq!(last_part(name), "redis", "{name}");
        }
    }

    #[test]
    fn a_key_is_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        write_new(&path, "one", 0o600).unwrap();
        assert!(write_new(&path, "two", 0o600).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
