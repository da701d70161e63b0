//! `shelf version` and `shelf help TOPIC`.

use std::process::ExitCode;

use http::Method;
use serde_json::json;

use super::{Outcome, say};
use crate::arguments::{Help, Version};
use crate::error::{Code, Failure};
use crate::settings::Global;

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
SHELF_LOG       what `shelf serve` logs, as in RUST_LOG    info
NO_COLOR        no colour, no redraw
CI              as NO_COLOR";

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
        other => {
            let Some(command) = table.find_subcommand(other) else {
                let message = format!("there is no command and no topic {other}");
                return Err(Failure::new(Code::Usage, "help", message)
                    .hint("topics: exit-codes, environment; commands:  shelf help --all"));
            };
            let name = format!("shelf {}", command.get_name());
            let mut command = command.clone().bin_name(name);
            say(&command.render_long_help().to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
