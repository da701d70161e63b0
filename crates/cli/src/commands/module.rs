//! `shelf module`: modules are made here and tried on the server. Where next: `publish.rs`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use apps::{CheckState, TrialReport};
use serde_json::json;

use super::{Outcome, decode, go, publish, say};
use crate::app;
use crate::arguments::modules::{Module, ModuleNew, ModuleTest};
use crate::error::{Code, Failure};
use crate::settings::Global;
use crate::table;

/// One of the verbs on modules.
pub(crate) async fn module(global: &Global, verb: &Module) -> Outcome {
    match verb {
        Module::New(options) => new(global, options),
        Module::Test(options) => test(global, options).await,
        Module::Key { file } => publish::key(global, file),
        Module::Publish(options) => publish::publish(global, options).await,
        Module::Pull(options) => publish::pull(global, options).await,
    }
}

fn new(global: &Global, options: &ModuleNew) -> Outcome {
    let here = std::env::current_dir().map_err(|error| {
        Failure::new(Code::Failed, "module/here", format!("this folder cannot be read: {error}"))
    })?;
    let made = apps::new_module(&here, &options.name, &options.provides)
        .map_err(|error| app::failure(&error))?;
    if global.json {
        say(&json!({"schema": "shelf/module-new/1", "result": made}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("{} begins in ./{}: {}", made.name, options.name, made.files.join(" ")))?;
    for line in &made.to_do {
        say(&format!("to do  {line}"))?;
    }
    say(&format!("next: shelf module test {}", options.name))?;
    Ok(ExitCode::SUCCESS)
}

async fn test(global: &Global, options: &ModuleTest) -> Outcome {
    let folder = folder(&options.folder)?;
    let report = if options.lint {
        apps::inspect(&folder).map_err(|error| app::failure(&error))?
    } else {
        let body = json!({"dir": folder, "timeout_seconds": options.timeout});
        decode(go::verb(global, "module-test", &body).await?)?
    };
    print(global, &report)
}

/// A module's folder, for who runs elsewhere.
pub(super) fn folder(given: &Path) -> Result<PathBuf, Failure> {
    std::fs::canonicalize(given).map_err(|error| {
        let text = format!("{}: {error}", given.display());
        Failure::new(Code::NotFound, "module/folder", text)
    })
}

fn print(global: &Global, report: &TrialReport) -> Outcome {
    let code = if report.passed { ExitCode::SUCCESS } else { ExitCode::from(Code::Failed as u8) };
    if global.json {
        say(&json!({"schema": "shelf/module-test/1", "result": report}).to_string())?;
        return Ok(code);
    }
    say(&format!("{} {}", report.module, report.version))?;
    let rows: Vec<Vec<String>> = report
        .checks
        .iter()
        .map(|one| {
            let state = match one.state {
                CheckState::Passed => "ok",
                CheckState::Failed => "FAILED",
                CheckState::None => "-",
            };
            let seconds = match one.seconds {
                none if none < 0.05 => String::new(),
                seconds => format!("{seconds:.1} s"),
            };
            vec![state.to_owned(), one.name.clone(), seconds, one.detail.clone()]
        })
        .collect();
    for line in table::rows(&rows) {
        say(&format!("  {line}"))?;
    }
    let failed = report.checks.iter().filter(|one| one.state == CheckState::Failed).count();
    say(&match failed {
        0 => "as it should be".to_owned(),
        1 => "1 check failed".to_owned(),
        many => format!("{many} checks failed"),
    })?;
    Ok(code)
}
