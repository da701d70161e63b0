//! `shelf config`: one's own defaults for flags, and who says what a setting is.

use std::process::ExitCode;

use clap::{Arg, CommandFactory};
use serde_json::{Value, json};

use super::{Outcome, say, say_list};
use crate::arguments::Arguments;
use crate::arguments::config::{Config, ConfigVerb};
use crate::error::{Code, Failure};
use crate::preferences::{KEYS, Key, Preferences};
use crate::settings::{self, Global};

/// A setting, what it is and who says so.
struct Setting {
    name: &'static str,
    values: Vec<String>,
    from: String,
}

impl Setting {
    fn text(&self) -> String {
        match self.values.is_empty() {
            true => "-".to_owned(),
            false => self.values.join(" "),
        }
    }

    fn value(&self) -> Value {
        json!({"key": self.name, "values": self.values, "from": self.from})
    }
}

/// Lists, reads, changes and explains settings.
pub(crate) fn config(global: &Global, options: &Config) -> Outcome {
    let mine = Preferences::read()?;
    match &options.verb {
        None | Some(ConfigVerb::List) => list(global, &mine)?,
        Some(ConfigVerb::Get { key }) => {
            let found = setting(&mine, Key::named(key)?);
            match (global.json, found.values.is_empty()) {
                (true, _) => told(&mine, &found)?,
                (false, true) => {
                    let message = format!("{key} has no value; shelf decides");
                    return Err(Failure::new(Code::NotFound, "config/empty", message)
                        .hint(format!("more:  shelf config explain {key}")));
                }
                (false, false) => say(&found.values.join("\n"))?,
            }
        }
        Some(ConfigVerb::Set { key, values, dry_run }) => {
            let key = Key::named(key)?;
            if values.len() > 1 && !key.is_list() {
                let message = format!("{} has one value", key.name);
                return Err(Failure::new(Code::Usage, "config/value", message));
            }
            key.check(Arguments::command(), values)?;
            change(global, mine, key, values, *dry_run)?;
        }
        Some(ConfigVerb::Unset { key, dry_run }) => {
            change(global, mine, Key::named(key)?, &[], *dry_run)?;
        }
        Some(ConfigVerb::Explain { key }) => explain(global, &mine, Key::named(key)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(global: &Global, mine: &Preferences) -> Result<(), Failure> {
    let all: Vec<Setting> = KEYS.into_iter().map(|key| setting(mine, key)).collect();
    let path = mine.path.display().to_string();
    if global.json {
        let all: Vec<Value> = all.iter().map(Setting::value).collect();
        let result = json!({"file": path, "settings": all});
        return say(&json!({"schema": "shelf/config/1", "result": result}).to_string());
    }
    let rows: Vec<Vec<String>> =
        all.iter().map(|one| vec![one.name.to_owned(), one.text(), one.from.clone()]).collect();
    say_list(global, &["SETTING", "VALUE", "FROM"], &rows)?;
    for name in mine.unknown().into_iter().filter(|_| !global.quiet) {
        say(&format!("! {path}: there is no setting {name}"))?;
    }
    Ok(())
}

fn told(mine: &Preferences, one: &Setting) -> Result<(), Failure> {
    let result = json!({"file": mine.path.display().to_string(), "settings": [one.value()]});
    say(&json!({"schema": "shelf/config/1", "result": result}).to_string())
}

fn change(
    global: &Global,
    mut mine: Preferences,
    key: Key,
    values: &[String],
    dry_run: bool,
) -> Result<(), Failure> {
    mine.set(key, values);
    if !dry_run {
        mine.write()?;
    }
    let now = setting(&mine, key);
    if global.json {
        return told(&mine, &now);
    }
    let would = if dry_run { "would be " } else { "" };
    say(&format!("{} {}   (from {})", key.name, format_args!("{would}{}", now.text()), now.from))?;
    if key.command == Some("serve") && !dry_run {
        say("the next shelf serve uses it")?;
    }
    Ok(())
}

fn explain(global: &Global, mine: &Preferences, key: Key) -> Result<(), Failure> {
    let found = setting(mine, key);
    if global.json {
        return told(mine, &found);
    }
    let table = Arguments::command();
    let flag = key.flag(&table);
    let help = flag.and_then(Arg::get_help).map(ToString::to_string).unwrap_or_default();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    say(&format!("{} is {}   {help}", key.name, found.text()))?;
    say(&format!("says: {}", found.from))?;
    let mut before = vec![format!("--{}", key.name)];
    before.extend(variable(flag));
    say(&format!("before your file counts: {}", before.join(", then ")))?;
    say(&format!("change it:  shelf config set {} …", key.name))
}

fn variable(flag: Option<&Arg>) -> Option<String> {
    Some(flag?.get_env()?.to_string_lossy().into_owned())
}

/// What a setting is without its flag.
fn setting(mine: &Preferences, key: Key) -> Setting {
    let table = Arguments::command();
    let flag = key.flag(&table);
    let name = variable(flag);
    let given = name.as_deref().and_then(settings::variable);
    if let (Some(name), Some(given)) = (name, given) {
        return Setting { name: key.name, values: vec![given], from: name };
    }
    let values = mine.get(key);
    if !values.is_empty() {
        let line = mine.line(key).map(|line| format!(":{line}")).unwrap_or_default();
        return Setting { name: key.name, values, from: format!("{}{line}", mine.path.display()) };
    }
    let built_in = flag.map(Arg::get_default_values).unwrap_or_default();
    let values = built_in.iter().map(|value| value.to_string_lossy().into_owned()).collect();
    Setting { name: key.name, values, from: "built in".to_owned() }
}
