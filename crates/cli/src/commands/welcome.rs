//! What `shelf` alone and `shelf --help` show, and all commands by what they are for.

use std::process::ExitCode;
use std::time::Duration;

use clap::CommandFactory;
use http::Method;

use super::{Outcome, say};
use crate::arguments::Arguments;
use crate::settings::Global;

/// The page without its last line, which says how this machine is.
pub(crate) const PAGE: &str = "\
Put an application together from parts, run it, and get its address.

  shelf init            start here           shelf go        make it so, print the URL
  shelf add postgres    take from the shelf  shelf push      send your code
  shelf wire web db     tie two together     shelf logs -f   watch
  shelf open            the canvas           shelf undo      take it back

Usage: shelf [-a APP] [--json] <command>
";

/// How long the server may take to say how it is.
const PATIENCE: Duration = Duration::from_millis(100);

/// Commands in the order of their use; those that stand nowhere come last in `help --all`.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "App",
        &[
            "init", "add", "remove", "rename", "wire", "unwire", "need", "unneed", "set", "unset",
            "copies", "use", "url", "extend", "fmt", "check", "plan", "go", "push", "dev", "undo",
            "redo", "diff", "git", "stop", "start", "restart", "destroy",
        ],
    ),
    (
        "Look",
        &[
            "status", "logs", "exec", "shell", "forward", "connect", "top", "events", "explain",
            "graph", "open",
        ],
    ),
    (
        "Shelf",
        &[
            "search",
            "show",
            "interface",
            "upgrade",
            "fork",
            "module",
            "catalogue",
            "pack",
            "publish",
            "unpack",
        ],
    ),
    ("Data", &["backup", "restore", "snapshot", "copy", "move", "secret", "import", "export"]),
    ("Targets", &["target"]),
    ("Engine", &["build", "images", "image", "pull", "login", "logout", "kubectl", "kubeconfig"]),
    ("System", &["serve", "doctor", "config", "completion", "version", "help"]),
];

/// The first page.
pub(crate) async fn welcome(global: &Global) -> Outcome {
    say(PAGE)?;
    for (name, commands) in &GROUPS[1..] {
        say(&format!("{:<9}{}", format!("{name}:"), commands.join(" ")))?;
    }
    say(&format!("\nThis machine: {}", machine(global).await))?;
    say("all commands: shelf help --all      of one: shelf COMMAND --help")?;
    Ok(ExitCode::SUCCESS)
}

async fn machine(global: &Global) -> String {
    let client = global.client();
    let asked = client.json(Method::GET, "/v1/apps", None);
    let answer = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => return "no server runs here   (shelf serve)".to_owned(),
        Err(_) => return "the server is busy   (shelf status)".to_owned(),
    };
    let apps = answer["apps"].as_array().cloned().unwrap_or_default();
    let word =
        |app: &serde_json::Value, key: &str| app[key].as_str().unwrap_or_default().to_owned();
    let named: Vec<String> =
        apps.iter().map(|app| format!("{} {}", word(app, "app"), word(app, "state"))).collect();
    match named.as_slice() {
        [] => "ready, no app yet".to_owned(),
        [one] => format!("ready, 1 app ({one})"),
        many => format!("ready, {} apps ({})", many.len(), many.join(", ")),
    }
}

/// All commands, one line each.
pub(crate) fn all() -> Outcome {
    let table = Arguments::command();
    let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
    let rest: Vec<&str> = table
        .get_subcommands()
        .map(clap::Command::get_name)
        .filter(|name| !grouped.contains(name))
        .collect();
    let more = (!rest.is_empty()).then_some(("More", rest.as_slice()));
    for (name, commands) in GROUPS.iter().copied().chain(more) {
        say(name)?;
        for command in commands {
            let about = table.find_subcommand(command).and_then(clap::Command::get_about);
            say(&format!("  {command:<12}{}", about.map(ToString::to_string).unwrap_or_default()))?;
        }
    }
    say(&format!("\ntopics: shelf help {}", super::version::TOPICS.join("|")))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grouped_command_is_there_once() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let count = grouped.len();
        grouped.sort_unstable();
        grouped.dedup();
        assert_eq!(grouped.len(), count);
        let table = Arguments::command();
        for name in grouped {
            assert!(table.find_subcommand(name).is_some(), "there is no command {name}");
        }
    }
}
