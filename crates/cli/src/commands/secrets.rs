//! `shelf secret`: list, set and rotate. Values are never shown.

use std::process::ExitCode;

use http::Method;
use serde_json::json;

use super::{Outcome, decode, go, say, say_list};
use crate::app;
use crate::arguments::SecretVerb;
use crate::arguments::edits::{Set, Trial};
use crate::error::{Code, Failure};
use crate::settings::Global;
use crate::table;

/// Runs a subcommand.
pub(crate) async fn secret(global: &Global, verb: &SecretVerb) -> Outcome {
    match verb {
        SecretVerb::List => list(global).await,
        SecretVerb::Set { secret } => set(global, secret).await,
        SecretVerb::Rotate { wire } => rotate(global, wire).await,
    }
}

async fn list(global: &Global) -> Outcome {
    let app = app::name(global)?;
    let client = global.client();
    let mut value = client.json(Method::GET, &format!("/v1/apps/{app}/secrets"), None).await?;
    if global.json {
        say(&json!({"schema": "shelf/secrets/1", "result": value}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let secrets: Vec<apps::SecretReport> = decode(value["secrets"].take())?;
    let row = |one: apps::SecretReport| {
        let of = match (one.wire, one.keep_with) {
            (Some(wire), _) => format!("login of {wire}"),
            (None, Some(block)) => format!("born with the data of {block}"),
            (None, None) => String::new(),
        };
        let since = one.since.map(|since| table::age(&since)).unwrap_or_default();
        vec![one.name, since, of, one.keys.join(" ")]
    };
    let rows: Vec<Vec<String>> = secrets.into_iter().map(row).collect();
    say_list(global, &["SECRET", "AGE", "OF", "VALUES"], &rows)?;
    Ok(ExitCode::SUCCESS)
}

/// `shelf set BLOCK --secret NAME`, in the words of this noun.
async fn set(global: &Global, secret: &str) -> Outcome {
    let Some((block, name)) = secret.split_once('.').filter(|(_, name)| !name.contains('=')) else {
        // What follows a sign of equality may be a value; it is not repeated here.
        return Err(Failure::new(Code::Usage, "secret/name", "which secret of which block?")
            .hint("shelf secret set web.STRIPE_KEY < FILE"));
    };
    let options = Set {
        block: block.to_owned(),
        settings: Vec::new(),
        env: Vec::new(),
        secret: Some(name.to_owned()),
        trial: Trial { dry_run: false },
    };
    super::secret::set(global, &options, name).await
}

async fn rotate(global: &Global, wire: &str) -> Outcome {
    let body = json!({"app": app::name(global)?, "wire": wire});
    let report: apps::RotateReport = decode(go::verb(global, "rotate", &body).await?)?;
    if global.json {
        say(&json!({"schema": "shelf/rotate/1", "result": report}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!(
        "{} has a new login on {}; the old one is gone   (Secret {})",
        report.wire, report.provider, report.secret
    ))?;
    Ok(ExitCode::SUCCESS)
}
