//! `shelf login` and `shelf logout`: who we are to a registry.
//!
//! The server tries the login, then it is kept in a file that only this user can read. A password
//! is read from standard input or a prompt, never from the arguments.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::process::ExitCode;

use http::Method;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::json;

use super::{Outcome, say};
use crate::arguments::registry::{Login, Logout};
use crate::client::Client;
use crate::error::{Code, Failure};
use crate::settings::{self, Global};

/// Longest password that is read, in bytes.
const PASSWORD_MAX: u64 = 64 << 10;

/// Tries a login and keeps it.
pub(crate) async fn login(global: &Global, options: &Login) -> Outcome {
    let registry = host(&options.registry)?;
    let user = match &options.username {
        Some(user) => user.clone(),
        None => prompt("user name: ", true, "--username NAME")?,
    };
    let password = if options.password_stdin {
        let mut text = String::new();
        std::io::stdin()
            .lock()
            .take(PASSWORD_MAX)
            .read_to_string(&mut text)
            .map_err(|error| Failure::new(Code::Usage, "login/input", error.to_string()))?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        prompt("password: ", false, "--password-stdin")?
    };
    let body = json!({"username": user, "password": password, "serveraddress": registry});
    let client = Client::new(global.docker_socket());
    client.json(Method::POST, "/auth", Some(&body)).await.map_err(|failure| {
        Failure::new(Code::Refused, "registry/denied", failure.message).hint(
            "a token in place of the password?   whether it is reached at all:  shelf image pull",
        )
    })?;
    let path = settings::auth_file();
    registry::Logins::keep(&path, &registry, &registry::Login::new(&user, password))
        .map_err(|error| Failure::new(Code::Failed, error.code(), error.to_string()))?;
    if global.json {
        let result = json!({"registry": registry, "user": user, "file": path});
        say(&json!({"schema": "shelf/login/1", "result": result}).to_string())?;
    } else {
        say(&format!("{registry} knows {user}   kept in {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Forgets a login.
pub(crate) fn logout(global: &Global, options: &Logout) -> Outcome {
    let registry = host(&options.registry)?;
    let path = settings::auth_file();
    let had = registry::Logins::forget(&path, &registry)
        .map_err(|error| Failure::new(Code::Failed, error.code(), error.to_string()))?;
    if !had {
        let message = format!("there is no login for {registry} in {}", path.display());
        return Err(Failure::new(Code::NotFound, "registry/login", message));
    }
    if global.json {
        let result = json!({"registry": registry, "file": path});
        say(&json!({"schema": "shelf/logout/1", "result": result}).to_string())?;
    } else {
        say(&format!("the login for {registry} is forgotten"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The host of a registry, without what people copy along with it.
fn host(text: &str) -> Result<String, Failure> {
    let bare = text.trim_start_matches("https://").trim_start_matches("http://");
    let host = bare.split('/').next().unwrap_or_default();
    let host = if host == "index.docker.io" { "docker.io" } else { host };
    let found = image::Reference::parse(&format!("{host}/a")).ok().map(|name| name.domain);
    match found.filter(|domain| domain == host) {
        Some(host) => Ok(host),
        None => {
            let message = format!("{text} is no registry: a host with a dot, or localhost");
            Err(Failure::new(Code::Usage, "registry/name", message))
        }
    }
}

/// Asks on the terminal; without one it names the flag.
fn prompt(question: &str, shown: bool, flag: &str) -> Result<String, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        let message = format!("{question}there is no terminal to ask on");
        return Err(Failure::new(Code::Usage, "prompt", message).hint(flag));
    }
    eprint!("{question}");
    // A prompt that cannot be written is not seen; the answer is read all the same.
    let _unseen = std::io::stderr().flush();
    let before = tcgetattr(&stdin).ok().filter(|_| !shown);
    if let Some(before) = &before {
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Now, &hidden)
            .map_err(|error| Failure::new(Code::Failed, "prompt", error.to_string()).hint(flag))?;
    }
    let mut answer = String::new();
    let read = stdin.lock().read_line(&mut answer);
    if let Some(before) = &before {
        // A terminal that is gone cannot be put back.
        let _gone = tcsetattr(&stdin, OptionalActions::Now, before);
        eprintln!();
    }
    read.map_err(|error| Failure::new(Code::Failed, "prompt", error.to_string()))?;
    Ok(answer.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_a_host() {
        for (text, name) in [
            ("https://registry.example.org/v2/", "registry.example.org"),
            ("localhost:5000", "localhost:5000"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("docker.io", "docker.io"),
        ] {
            assert_eq!(host(text).unwrap(), name, "{text}");
        }
        for text in ["", "team", "a b.c", "x@y.z"] {
            assert!(host(text).is_err(), "{text}");
        }
    }
}
