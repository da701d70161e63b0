//! `shelf set BLOCK --secret NAME`: a value from the input or a hidden prompt, kept by the server.
//! It is in no argument, no file and no history; the app file has its name.

use std::io::{BufRead, IsTerminal, Read, Write};

use apps::Edit;
use http::Method;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::json;

use super::{Outcome, edit};
use crate::app;
use crate::arguments::edits::Set;
use crate::error::{Code, Failure};
use crate::settings::Global;

/// More than the server takes is not read.
const MOST_BYTES: u64 = 1024 * 1024;

/// Names the secret in the file and hands its value to the server.
pub(crate) async fn set(global: &Global, options: &Set, name: &str) -> Outcome {
    if name.contains('=') {
        // Its value is in the shell's history by now; it is not repeated here.
        return Err(Failure::new(
            Code::Usage,
            "secret/argument",
            "--secret takes a name; a value given as an argument can be read by others",
        )
        .hint("give another value by the input:  shelf set BLOCK --secret NAME < FILE"));
    }
    let folder = app::folder(global)?;
    let app = apps::app_name(&folder).map_err(|error| app::failure(&error))?;
    let block = options.block.clone();
    let named = Edit::Secret { block: block.clone(), name: name.to_owned(), given: true };
    // What the file refuses is refused before anybody types a secret.
    apps::try_edit(&folder, std::slice::from_ref(&named), None)
        .map_err(|error| app::failure(&error))?;
    if !options.trial.dry_run {
        let value = read(&format!("{block}.{name}"))?;
        let body = json!({ "block": block, "name": name, "value": value });
        let client = global.client();
        let answer =
            client.json(Method::POST, &format!("/v1/apps/{app}/secrets"), Some(&body)).await?;
        if !global.json {
            let rolled = answer["rolled"] == true;
            let then = if rolled { "; its copies are replaced" } else { "" };
            eprintln!("{block}.{name} is kept by the server{then}");
        }
    }
    edit::perform(global, options.trial, &[named])
}

fn read(what: &str) -> Result<String, Failure> {
    let fails = |error: std::io::Error| {
        Failure::new(Code::Failed, "secret/input", format!("reading the value of {what}: {error}"))
    };
    let stdin = std::io::stdin();
    let mut value = String::new();
    if stdin.is_terminal() {
        eprint!("{what} (not shown): ");
        // A prompt that cannot be written is not seen; what is typed is still not shown.
        let _unseen = std::io::stderr().flush();
        let before = tcgetattr(&stdin).map_err(|error| fails(error.into()))?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden).map_err(|error| fails(error.into()))?;
        let typed = stdin.lock().read_line(&mut value);
        tcsetattr(&stdin, OptionalActions::Flush, &before).map_err(|error| fails(error.into()))?;
        eprintln!();
        typed.map_err(fails)?;
    } else {
        stdin.lock().take(MOST_BYTES).read_to_string(&mut value).map_err(fails)?;
    }
    if value.ends_with('\n') {
        value.pop();
        if value.ends_with('\r') {
            value.pop();
        }
    }
    if value.is_empty() {
        return Err(Failure::new(
            Code::Usage,
            "prompt",
            format!("no value for {what}: the input is empty"),
        )
        .hint(
            "give it by the input, never as an argument:  shelf set BLOCK --secret NAME < FILE",
        ));
    }
    Ok(value)
}
