//! `shelf target`: the clusters that apps can run on, beside this machine.

use std::process::ExitCode;

use http::Method;
use serde_json::{Value, json};

use super::{Outcome, decode, say, say_list};
use crate::app;
use crate::arguments::targets::{Add, Settings, Target};
use crate::client::Client;
use crate::error::{Code, Failure};
use crate::settings::{self, Global};

/// Does what was said.
pub(crate) async fn target(global: &Global, verb: &Target) -> Outcome {
    match verb {
        Target::List => list(global).await,
        Target::Add(options) => add(global, options).await,
        Target::Set(options) => keep(global, &options.name, said(options)).await,
        Target::Use { name } => {
            ask(global, Method::POST, &format!("{name}/use"), None).await?;
            tell(
                global,
                "shelf/target-use/1",
                &json!({"used": name}),
                &format!("{name} is used from now on"),
            )
        }
        Target::Protect { name, off } => {
            let value = keep_value(global, name, json!({"protected": !off})).await?;
            let text = match off {
                true => format!("{name} is no longer protected"),
                false => format!("{name} is protected: changes need  --confirm {name}"),
            };
            tell(global, "shelf/target/1", &value, &text)
        }
        Target::Check { name } => {
            let name = match name.as_ref().or(global.on.as_ref()) {
                Some(name) => name.clone(),
                None => used(global).await?,
            };
            let value = ask(global, Method::POST, &format!("{name}/check"), None).await?;
            print(global, value)
        }
        Target::Remove { name } => {
            ask(global, Method::DELETE, name, None).await?;
            let text = format!("{name} is forgotten; what runs there goes on");
            tell(global, "shelf/target-remove/1", &json!({"removed": name}), &text)
        }
        Target::Role { app, user } => {
            say(&apps::role(app, user).map_err(|error| app::failure(&error))?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The Kubernetes API of the target that is meant.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    /// Leads there.
    pub(crate) client: Client,
    lead: &'static str,
}

impl Api {
    /// A path of the API as the client says it.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.lead)
    }
}

/// The API of the target that is meant: this server's own socket, or through it another cluster's.
///
/// # Errors
/// No server answers.
pub(crate) async fn api(global: &Global) -> Result<Api, Failure> {
    Ok(match elsewhere(global).await? {
        Some(_) => Api { client: global.client(), lead: "/v1/kubernetes" },
        None => Api { client: Client::new(global.api_socket()), lead: "" },
    })
}

/// The target that is meant, if it is not this machine.
///
/// # Errors
/// No server answers.
pub(crate) async fn elsewhere(global: &Global) -> Result<Option<String>, Failure> {
    let meant = match &global.on {
        Some(name) => Some(name.clone()),
        None => all(global).await?.into_iter().find(|one| one.used).map(|one| one.name),
    };
    Ok(meant.filter(|name| name != apps::HERE))
}

/// The kubeconfig of the target that is meant, if it is not this machine.
///
/// # Errors
/// No server answers, or there is no such target.
pub(crate) async fn kubeconfig(global: &Global) -> Result<Option<String>, Failure> {
    let Some(name) = elsewhere(global).await? else { return Ok(None) };
    let value = ask(global, Method::GET, &format!("{name}/kubeconfig"), None).await?;
    Ok(value.as_str().map(str::to_owned))
}

async fn all(global: &Global) -> Result<Vec<apps::TargetReport>, Failure> {
    let client = global.client();
    let value = client.json(Method::GET, "/v1/targets", None).await?;
    decode(value["targets"].clone())
}

async fn used(global: &Global) -> Result<String, Failure> {
    let used = all(global).await?.into_iter().find(|one| one.used);
    match used.filter(|one| one.server.is_some()) {
        Some(one) => Ok(one.name),
        None => Err(Failure::new(Code::Usage, "target/name", "which target? this machine is used")
            .hint("shelf target check NAME        this machine:  shelf doctor")),
    }
}

async fn list(global: &Global) -> Outcome {
    let targets = all(global).await?;
    if global.json {
        say(&json!({"schema": "shelf/targets/1", "targets": targets}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let yes = |yes: bool| if yes { "yes".to_owned() } else { String::new() };
    let row = |one: apps::TargetReport| {
        vec![
            one.name,
            yes(one.used),
            yes(one.protected),
            one.server.unwrap_or_else(|| "this machine".into()),
            one.registry.unwrap_or_default(),
            one.address.unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> = targets.into_iter().map(row).collect();
    let heading = ["NAME", "USED", "PROTECTED", "SERVER", "REGISTRY", "ADDRESS"];
    say_list(global, &heading, &rows)?;
    Ok(ExitCode::SUCCESS)
}

async fn add(global: &Global, options: &Add) -> Outcome {
    let path = options.kubeconfig.clone();
    let path = path.unwrap_or_else(|| settings::home().join(".kube/config"));
    let path = std::fs::canonicalize(&path).map_err(|error| {
        Failure::new(
            Code::NotFound,
            "target/kubeconfig",
            format!("cannot read {}: {error}", path.display()),
        )
        .hint("shelf target add NAME --kubeconfig FILE")
    })?;
    let mut body = said(&options.settings);
    body["kubeconfig"] = json!(path);
    if let Some(context) = &options.context {
        body["context"] = json!(context);
    }
    keep(global, &options.settings.name, body).await
}

fn said(options: &Settings) -> Value {
    let mut body = json!({});
    let pairs = [
        ("registry", &options.registry),
        ("address", &options.address),
        ("ingress_class", &options.ingress_class),
        ("storage_class", &options.storage_class),
        ("shared_storage_class", &options.shared_storage_class),
    ];
    for (key, value) in pairs {
        if let Some(value) = value {
            body[key] = json!(value);
        }
    }
    body
}

async fn keep_value(global: &Global, name: &str, body: Value) -> Result<Value, Failure> {
    ask(global, Method::PUT, name, Some(&body)).await
}

async fn keep(global: &Global, name: &str, body: Value) -> Outcome {
    let value = keep_value(global, name, body).await?;
    print(global, value)
}

async fn ask(
    global: &Global,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Failure> {
    global.client().json(method, &format!("/v1/targets/{path}"), body).await
}

fn tell(global: &Global, schema: &str, value: &Value, text: &str) -> Outcome {
    match global.json {
        true => say(&json!({"schema": schema, "result": value}).to_string())?,
        false => say(text)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what a target can do; one that no app can run on is a failure.
fn print(global: &Global, value: Value) -> Outcome {
    let report: apps::TargetCheck = decode(value)?;
    if global.json {
        say(&json!({"schema": "shelf/target-check/1", "result": report}).to_string())?;
    } else {
        for one in &report.findings {
            let sign = match one.state.as_str() {
                "ok" => " ",
                "missing" => "!",
                _ => "x",
            };
            say(&format!("{sign} {:<15} {}", one.fact, one.value))?;
            if let Some(hint) = one.hint.as_ref() {
                say(&format!("  {:<15} {hint}", ""))?;
            }
        }
        let fit = if report.fit { "apps can run there" } else { "no app can run there yet" };
        say(&format!("{}: {fit}", report.name))?;
    }
    Ok(ExitCode::from(if report.fit { 0 } else { Code::Failed as u8 }))
}
