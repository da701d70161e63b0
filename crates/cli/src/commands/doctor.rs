//! `shelf doctor`: check this machine and say what to fix.

use std::path::PathBuf;
use std::process::ExitCode;

use http::Method;
use serde_json::json;

use super::{Outcome, say};
use crate::error::Code;
use crate::machine;
use crate::settings::{DATA_DIR, Global};

/// Checks what `shelf serve` needs of this machine; exit code 1 if something is missing.
pub(crate) async fn doctor(global: &Global) -> Outcome {
    // A server that runs knows where its data is.
    let server = global.client().json(Method::GET, "/v1/version", None).await;
    let dir = server.ok().and_then(|server| server["data_dir"].as_str().map(PathBuf::from));
    let checks = machine::checks(&dir.unwrap_or_else(|| DATA_DIR.into()));
    if global.json {
        let rows: Vec<_> = checks
            .iter()
            .map(|check| {
                json!({"name": check.name, "ok": check.problem.is_none(),
                "found": check.found, "problem": check.problem, "fix": check.fix})
            })
            .collect();
        say(&json!({"schema": "shelf/doctor/1", "result": rows}).to_string())?;
    } else {
        for check in &checks {
            match &check.problem {
                None => say(&format!("ok       {:<18} {}", check.name, check.found))?,
                Some(problem) => say(&format!(
                    "{} {:<18} {problem}\n         fix: {}",
                    if check.needed { "missing " } else { "note    " },
                    check.name,
                    check.fix
                ))?,
            }
        }
    }
    let fine = checks.iter().all(|check| check.problem.is_none() || !check.needed);
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(Code::Failed as u8) })
}
