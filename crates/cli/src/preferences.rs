//! A person's own defaults for flags: `config.toml` beside the logins for registries, one line for
//! each. A flag counts before the environment, that before this file, and this before what is built
//! in. The parser itself is told, so `--help` shows them too. Next: `commands/config.rs`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Arg, Command};
use fs_err as fs;
use toml_edit::{Array, DocumentMut, Item, Value, value};

use crate::error::{Code, Failure};
use crate::settings;

/// A flag that may have a default of one's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// The long flag's name.
    pub(crate) name: &'static str,
    /// The command whose flag it is; none for those of every command.
    pub(crate) command: Option<&'static str>,
}

const fn of_serve(name: &'static str) -> Key {
    Key { name, command: Some("serve") }
}

/// All of them.
pub(crate) const KEYS: [Key; 10] = [
    Key { name: "run-dir", command: None },
    of_serve("data-dir"),
    of_serve("http"),
    of_serve("api"),
    of_serve("canvas"),
    of_serve("pod-cidr"),
    of_serve("service-cidr"),
    of_serve("build-ca"),
    of_serve("insecure-registry"),
    of_serve("registry-ca"),
];

impl Key {
    /// # Errors
    /// No setting has that name.
    pub(crate) fn named(name: &str) -> Result<Self, Failure> {
        let names = KEYS.map(|key| key.name).join(", ");
        let found = KEYS.into_iter().find(|key| key.name == name);
        found.ok_or_else(|| {
            let message = format!("there is no setting {name:?}");
            Failure::new(Code::NotFound, "config/absent", message)
                .hint(format!("there are: {names}"))
        })
    }

    /// Its flag in the table of commands.
    pub(crate) fn flag(self, table: &Command) -> Option<&Arg> {
        let command = match self.command {
            None => table,
            Some(name) => table.find_subcommand(name)?,
        };
        command.get_arguments().find(|flag| flag.get_long() == Some(self.name))
    }

    /// Whether it may be given several times.
    pub(crate) fn is_list(self) -> bool {
        self.name == "insecure-registry"
    }

    /// Checks values as the flag itself would.
    ///
    /// # Errors
    /// What the flag says of them.
    pub(crate) fn check(self, table: Command, values: &[String]) -> Result<(), Failure> {
        let mut words = vec!["shelf".to_owned(), self.command.unwrap_or("status").to_owned()];
        words.extend(values.iter().map(|value| format!("--{}={value}", self.name)));
        match table.try_get_matches_from(words) {
            Ok(_) => Ok(()),
            Err(error) => {
                let text = error.to_string();
                let line = text.lines().next().unwrap_or_default();
                let message = line.trim_start_matches("error: ").to_owned();
                Err(Failure::new(Code::Usage, "config/value", message))
            }
        }
    }
}

/// The file.
pub(crate) struct Preferences {
    pub(crate) path: PathBuf,
    text: String,
    document: DocumentMut,
}

impl Preferences {
    /// Reads it; one that is not there is empty.
    ///
    /// # Errors
    /// It cannot be read or is no TOML.
    pub(crate) fn read() -> Result<Self, Failure> {
        let path = settings::preferences_file();
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.map_err(|error| failed(error.to_string()))?,
        };
        let document = DocumentMut::from_str(&text)
            .map_err(|error| failed(format!("{}: {error}", path.display())))?;
        Ok(Self { path, text, document })
    }

    /// What it says of a setting, as it would be typed.
    pub(crate) fn get(&self, key: Key) -> Vec<String> {
        let text = |value: &Value| match value {
            Value::String(text) => text.value().clone(),
            other => other.to_string().trim().to_owned(),
        };
        match self.document.get(key.name).and_then(Item::as_value) {
            Some(Value::Array(list)) => list.iter().map(text).collect(),
            Some(value) => vec![text(value)],
            None => Vec::new(),
        }
    }

    /// The line where it does, from 1.
    pub(crate) fn line(&self, key: Key) -> Option<usize> {
        let says = |line: &str| {
            line.trim_start()
                .strip_prefix(key.name)
                .is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        self.text.lines().position(says).map(|line| line + 1)
    }

    /// Names in it that are no settings.
    pub(crate) fn unknown(&self) -> Vec<&str> {
        let known = |name: &str| KEYS.iter().any(|key| key.name == name);
        self.document.iter().map(|(name, _)| name).filter(|name| !known(name)).collect()
    }

    /// Changes a setting, or takes it out when there is no value. Comments and order stay.
    pub(crate) fn set(&mut self, key: Key, values: &[String]) {
        match values {
            [] => {
                self.document.remove(key.name);
            }
            [one] if !key.is_list() => self.document[key.name] = value(one),
            several => {
                self.document[key.name] = value(several.iter().collect::<Array>());
            }
        }
        self.text = self.document.to_string();
    }

    /// Writes it, in one step.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write(&self) -> Result<(), Failure> {
        let folder = self.path.parent().map(std::path::Path::to_owned).unwrap_or_default();
        let beside = self.path.with_extension("new");
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&beside, &self.text))
            .and_then(|()| fs::rename(&beside, &self.path))
            .map_err(|error| failed(error.to_string()))
    }

    /// The table of commands with these defaults.
    pub(crate) fn lay_over(&self, mut table: Command) -> Command {
        for key in KEYS {
            let values = self.get(key);
            let Some(id) = key.flag(&table).map(|flag| flag.get_id().clone()) else { continue };
            if values.is_empty() {
                continue;
            }
            // The parser wants them for as long as the program runs; they are few.
            let values: Vec<&'static str> = values.into_iter().map(|v| &*v.leak()).collect();
            let with = move |flag: Arg| flag.default_values(values);
            table = match key.command {
                None => table.mut_arg(id, with),
                Some(name) => table.mut_subcommand(name, |command| command.mut_arg(id, with)),
            };
        }
        table
    }
}

fn failed(why: String) -> Failure {
    Failure::new(Code::Failed, "config/file", format!("your settings cannot be used: {why}"))
        .hint("correct the file, or delete it")
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches};

    use super::*;
    use crate::arguments::Arguments;

    fn preferences(text: &str) -> Preferences {
        let document = text.parse().unwrap();
        Preferences { path: PathBuf::new(), text: text.to_owned(), document }
    }

    #[test]
    fn every_setting_is_a_flag() {
        let table = Arguments::command();
        for key in KEYS {
            assert!(key.flag(&table).is_some(), "{} is no flag", key.name);
        }
    }

    #[test]
    fn a_flag_counts_before_the_file_and_that_before_what_is_built_in() {
        let mine = preferences("http = \"127.0.0.1:1\"\ninsecure-registry = [\"a\", \"b:2\"]\n");
        let serve = |words: &[&str]| {
            let words = ["shelf", "serve"].iter().chain(words);
            let matches = mine.lay_over(Arguments::command()).get_matches_from(words);
            let arguments = Arguments::from_arg_matches(&matches).unwrap();
            match arguments.command {
                Some(crate::arguments::Command::Serve(serve)) => serve,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(serve(&[]).http.port(), 1);
        assert_eq!(serve(&[]).insecure_registry, ["a", "b:2"]);
        assert_eq!(serve(&[]).api.port(), 6443);
        assert_eq!(serve(&["--http", "127.0.0.1:3"]).http.port(), 3);
        assert_eq!(serve(&["--insecure-registry", "c"]).insecure_registry, ["c"]);
    }

    #[test]
    fn a_change_leaves_the_rest_of_the_file_alone() {
        let mut mine = preferences("# mine\nhttp = \"127.0.0.1:1\" # why\nhtpp = 3\n");
        assert_eq!(mine.unknown(), ["htpp"]);
        let key = |name| Key::named(name).unwrap();
        assert_eq!(mine.line(key("http")), Some(2));
        mine.set(key("api"), &["127.0.0.1:2".into()]);
        mine.set(key("insecure-registry"), &["a".into()]);
        assert_eq!(
            mine.text,
            "# mine\nhttp = \"127.0.0.1:1\" # why\nhtpp = 3\napi = \"127.0.0.1:2\"\n\
             insecure-registry = [\"a\"]\n"
        );
        mine.set(key("api"), &[]);
        assert!(mine.get(key("api")).is_empty());
        assert!(Key::named("color").is_err());
    }

    #[test]
    fn values_are_those_the_flag_would_take() {
        let check = |name: &str, text: &str| {
            Key::named(name).unwrap().check(Arguments::command(), &[text.to_owned()])
        };
        assert!(check("http", "127.0.0.1:8081").is_ok());
        assert!(check("http", "8081").is_err());
        assert!(check("canvas", "off").is_ok());
        assert!(check("canvas", "0.0.0.0:80").is_err(), "not on this machine alone");
        assert!(check("run-dir", "/tmp/r").is_ok());
    }
}
