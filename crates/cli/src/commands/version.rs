//! `shelf version` and `shelf help TOPIC`.

use std::process::ExitCode;

use http::Method;
use serde_json::json;

use super::{Outcome, say};
use crate::arguments::{Help, Version};
use crate::error::{Code, Failure};
use crate::settings::Global;

/// What there is help on besides the commands.
pub(crate) const TOPICS: [&str; 6] =
    ["app-file", "docker", "environment", "exit-codes", "kubernetes", "output"];

/// The guide's own page.
const APP_FILE: &str = include_str!("../../../../docs/guide/app-language.md");

const OUTPUT: &str = "\
Data goes to stdout, all else to stderr.
--json        one object with \"schema\"; what goes on is one object a line, the result last;
              errors are {\"error\":{\"code\",\"message\",\"hint\",...}} on stderr
-q            names alone, one a line, where things are listed; no progress where something goes on
--progress    auto (redrawn on a terminal), plain (a line each) or none
colour        on a terminal only; not with NO_COLOR, CI or SHELF_ACCESSIBLE
questions     on a terminal only; elsewhere the command fails and names the flag that answers
Ctrl-C        once: what was begun goes on in the server; twice within 2 s: it is cancelled";

const DOCKER: &str = "\
The server answers Docker's own command line on a socket:
  export DOCKER_HOST=unix:///run/shelf/docker.sock
  docker run --rm debian:12 true
In the run directory that `shelf serve` was given, if it was. Its containers belong to no app.";

const KUBERNETES: &str = "\
shelf kubectl ...        kubectl against this server; -n APP for an app's objects
shelf kubeconfig         a kubeconfig for anything else that speaks to Kubernetes
shelf export yaml        an app as plain objects
shelf target add ...     an app on another cluster:  shelf go --on TARGET
An app is a namespace of its name.";

const EXIT_CODES: &str = "\
0    done
1    failed
2    usage
3    not found
4    refused (rights, policy, protected)
5    the plan has changes (plan --exit-code)
6    timed out, still going
7    cannot reach the server
130  cancelled";

const ENVIRONMENT: &str = "\
SHELF_RUN_DIR   run directory of the server to talk to     /run/shelf
SHELF_DATA_DIR  data directory of `shelf serve`            /var/lib/shelf
SHELF_CANVAS    where the canvas listens, or off           127.0.0.1:7433
SHELF_ON        the target, as --on                        the used one
SHELF_AUTH_FILE logins for registries                      ~/.config/shelf/auth.json
SHELF_LOG       what `shelf serve` logs, as in RUST_LOG    info
NO_COLOR        no colour, no redraw
CI              as NO_COLOR
SHELF_ACCESSIBLE as NO_COLOR: nothing is redrawn
SHELF_PROGRESS  how what goes on is shown, as --progress   auto
A flag counts before its variable, that before ~/.config/shelf/config.toml: shelf config";

/// Says what this is, and with `--server` what the server is.
pub(crate) async fn version(global: &Global, options: &Version) -> Outcome {
    let mut report = json!({"client": {"version": env!("CARGO_PKG_VERSION")}});
    if options.server {
        let client = global.client();
        report["server"] = client.json(Method::GET, "/v1/version", None).await?;
    }
    if global.json {
        say(&json!({"schema": "shelf/version/1", "result": report}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    say(concat!("shelf ", env!("CARGO_PKG_VERSION")))?;
    if let Some(server) = report.get("server").and_then(|server| server.as_object()) {
        for (key, value) in server {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            say(&format!("  {key:<12} {value}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints help on a command or a topic.
pub(crate) fn help(options: &Help) -> Outcome {
    let table = <crate::arguments::Arguments as clap::CommandFactory>::command();
    let topic = match options.topic.as_deref() {
        _ if options.all => return super::welcome::all(),
        None => return super::welcome::all(),
        Some(topic) => topic,
    };
    match topic {
        "exit-codes" => say(EXIT_CODES)?,
        "environment" => say(ENVIRONMENT)?,
        "app-file" => say(APP_FILE)?,
        "docker" => say(DOCKER)?,
        "kubernetes" => say(KUBERNETES)?,
        "output" => say(OUTPUT)?,
        other => {
            debug_assert!(!TOPICS.contains(&other), "a topic without its text");
            let Some(command) = table.find_subcommand(other) else {
                let message = format!("there is no command and no topic {other}");
                return Err(Failure::new(Code::Usage, "help", message)
                    .hint(format!("topics: {}; commands:  shelf help --all", TOPICS.join(", "))));
            };
            let name = format!("shelf {}", command.get_name());
            let mut command = command.clone().bin_name(name);
            say(&command.render_long_help().to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
