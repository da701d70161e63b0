//! How an app begins: from the Dockerfiles in a folder, as a copy of an example, or empty.
//!
//! Only what the files say is taken over; what they do not say is said in a note, not guessed.

use std::path::{Path, PathBuf};

use composer::App;
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, examples, history};

/// What a new app starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// The Dockerfiles in the folder and right below it.
    Folder,
    /// A copy of this example.
    Example(String),
    /// Nothing.
    Empty,
}

/// What `init` made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InitReport {
    /// The app's name.
    pub app: String,
    /// Its folder, as it was named.
    pub dir: PathBuf,
    /// Its app file.
    pub text: String,
    /// What could not be taken from the files.
    pub notes: Vec<String>,
}

/// A Dockerfile that was found.
struct Found {
    block: String,
    source: String,
    ports: Vec<u16>,
    odd: Vec<String>,
}

/// Begins an app in `dir`, which is made if it is not there.
///
/// # Errors
/// There is an app already, the example is not known, or the folder cannot be read or written.
pub fn init(dir: &Path, start: &Start, name: Option<&str>, dry_run: bool) -> Result<InitReport> {
    let unfit = |code, message: String| Error::Unfit { code, message };
    if dir.join("app.toml").exists() {
        let message = format!("there is an app in {} already", dir.display());
        return Err(unfit("app/exists", message));
    }
    let full = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let folder = full.file_name().map(|name| name.to_string_lossy().into_owned());
    let app = match name {
        Some(name) => name.to_owned(),
        None => block_name(&folder.unwrap_or_default()),
    };
    let mut notes = Vec::new();
    let text = match start {
        Start::Empty => format!("app = \"{app}\"\n"),
        Start::Folder => from_folder(dir, &app, &mut notes)?,
        Start::Example(example) => {
            let found = examples::find(example)?;
            if dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
                let message =
                    format!("{} is not empty; an example wants a folder of its own", dir.display());
                return Err(unfit("app/folder", message));
            }
            let text = examples::app_file(found, &app);
            // Before any file is written: the name may be none.
            App::parse("app.toml", &text).map_err(Error::Wrong)?;
            if !dry_run {
                make(dir)?;
                examples::write(found, &app, dir)?;
            }
            text
        }
    };
    App::parse("app.toml", &text).map_err(Error::Wrong)?;
    if !dry_run && !matches!(start, Start::Example(_)) {
        make(dir)?;
        history::replace(&dir.join("app.toml"), text.as_bytes())?;
    }
    Ok(InitReport { app, dir: dir.to_owned(), text, notes })
}

fn make(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.to_owned(), source })
}

/// A name for a block or an app, made from any other name; `web` if nothing of it can stay.
pub fn block_name(from: &str) -> String {
    let free = |name: &String| name != "app" && name != "url";
    composer::name_from(from).filter(free).unwrap_or_else(|| "web".to_owned())
}

fn from_folder(dir: &Path, app: &str, notes: &mut Vec<String>) -> Result<String> {
    let mut found = Vec::new();
    if dir.join("Dockerfile").is_file() {
        found.push(dockerfile(dir, app.to_owned(), ".".to_owned())?);
    }
    let read = |source| Error::Read { path: dir.to_owned(), source };
    let mut names: Vec<String> = match fs::read_dir(dir) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<std::io::Result<_>>()
            .map_err(read)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(read(error)),
    };
    names.sort();
    for name in names.iter().filter(|name| !name.starts_with('.')) {
        let folder = dir.join(name);
        if folder.join("Dockerfile").is_file() {
            found.push(dockerfile(&folder, block_name(name), format!("./{name}"))?);
        }
    }
    if found.is_empty() {
        notes.push(format!(
            "no Dockerfile in {} or right below it, so the app has no block yet",
            dir.display()
        ));
    }
    for compose in ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"] {
        if names.iter().any(|name| name == compose) {
            notes.push(format!(
                "{compose} was not read; all it says, as an app:  shelf import compose {compose} --force"
            ));
        }
    }
    Ok(written(app, &found, notes))
}

/// The app file for what was found. The address leads to the only block with a port.
fn written(app: &str, found: &[Found], notes: &mut Vec<String>) -> String {
    let mut text = format!("app = \"{app}\"\n");
    let served: Vec<&Found> = found.iter().filter(|one| !one.ports.is_empty()).collect();
    let front = match served.as_slice() {
        [one] => Some(one.block.as_str()),
        [] => None,
        many => {
            let names: Vec<&str> = many.iter().map(|one| one.block.as_str()).collect();
            notes.push(format!(
                "several blocks have a port ({}); say which one people see:  shelf url {} /",
                names.join(", "),
                names[0]
            ));
            None
        }
    };
    for one in found {
        let block = &one.block;
        text.push_str(&format!("\n[{block}]\nsource = \"{}\"\n", one.source));
        for odd in &one.odd {
            notes.push(format!(
                "{block}: EXPOSE {odd} is no port number; say it:  shelf url {block} / --port 8080"
            ));
        }
        let Some(port) = one.ports.first() else {
            if one.odd.is_empty() {
                notes.push(format!(
                    "{block}: its Dockerfile has no EXPOSE; if it listens:  shelf url {block} / --port 8080"
                ));
            }
            continue;
        };
        let path = if front == Some(block) { ", path = \"/\"" } else { "" };
        text.push_str(&format!("run    = {{ {block} = {{ port = {port}{path} }} }}\n"));
        if one.ports.len() > 1 {
            let others: Vec<String> = one.ports[1..].iter().map(u16::to_string).collect();
            notes.push(format!(
                "{block}: port {port} was taken, the others not: {}",
                others.join(", ")
            ));
        }
    }
    text
}

/// The port that a source folder's Dockerfile exposes first, if it says one.
pub(crate) fn exposed(folder: &Path) -> Option<u16> {
    let found = dockerfile(folder, String::new(), String::new()).ok()?;
    found.ports.first().copied()
}

/// The ports that the last stage of a Dockerfile exposes, as far as they are numbers.
fn dockerfile(folder: &Path, block: String, source: String) -> Result<Found> {
    let path = folder.join("Dockerfile");
    let text = fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
    let (mut ports, mut odd) = (Vec::new(), Vec::new());
    for line in text.replace("\\\n", " ").lines() {
        let mut words = line.split_whitespace();
        match words.next().map(str::to_ascii_uppercase).as_deref() {
            Some("FROM") => {
                ports.clear();
                odd.clear();
            }
            Some("EXPOSE") => {
                for word in words.take_while(|word| !word.starts_with('#')) {
                    match word.strip_suffix("/tcp").unwrap_or(word).parse::<u16>() {
                        Ok(port) if port > 0 && !ports.contains(&port) => ports.push(port),
                        Ok(_) => {}
                        Err(_) if word.ends_with("/udp") => {}
                        Err(_) => odd.push(word.to_owned()),
                    }
                }
            }
            _ => {}
        }
    }
    Ok(Found { block, source, ports, odd })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn a_dockerfile_with_a_port_is_an_app_that_people_see() {
        let dir =
            folder(&[("Dockerfile", "FROM a AS b\nEXPOSE 1\nFROM c\nexpose 8000/tcp 9/udp\n")]);
        let made = init(dir.path(), &Start::Folder, Some("shop"), false).unwrap();
        assert_eq!(
            made.text,
            "app = \"shop\"\n\n[shop]\nsource = \".\"\nrun    = { shop = { port = 8000, path = \"/\" } }\n"
        );
        assert_eq!(made.notes, [] as [&str; 0]);
        assert_eq!(fs::read_to_string(dir.path().join("app.toml")).unwrap(), made.text);
        let again = init(dir.path(), &Start::Folder, None, false).unwrap_err();
        assert_eq!(again.report().code, "app/exists");
    }

    #[test]
    fn what_the_files_do_not_say_is_said_and_not_guessed() {
        let files = [
            ("web/Dockerfile", "FROM a\nEXPOSE $PORT\n"),
            ("api/Dockerfile", "FROM a\nEXPOSE 80 81\n"),
            ("job/Dockerfile", "FROM a\n"),
            ("compose.yaml", "services: {}\n"),
        ];
        let made = init(folder(&files).path(), &Start::Folder, Some("s"), true).unwrap();
        assert!(made.text.contains(
            "[api]\nsource = \"./api\"\nrun    = { api = { port = 80, path = \"/\" } }\n"
        ));
        assert!(made.text.contains("[web]\nsource = \"./web\"\n"));
        assert_eq!(made.notes.len(), 4, "{:?}", made.notes);
        let none = init(folder(&[]).path(), &Start::Folder, Some("s"), true).unwrap();
        assert_eq!((none.text.as_str(), none.notes.len()), ("app = \"s\"\n", 1));
    }

    #[test]
    fn an_example_is_copied_under_its_new_name() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("mine");
        let made = init(&to, &Start::Example("shop".into()), Some("mine"), false).unwrap();
        assert!(made.text.starts_with("app = \"mine\"\n"));
        assert!(to.join("web/Dockerfile").is_file());
        assert_eq!(crate::check(&to).unwrap().app, "mine");
        let full = init(dir.path(), &Start::Example("shop".into()), None, false).unwrap_err();
        assert_eq!(full.report().code, "app/folder");
        let none = init(&dir.path().join("x"), &Start::Example("shp".into()), None, false);
        assert_eq!(none.unwrap_err().report().code, "example/unknown");
    }

    #[test]
    fn any_folder_name_becomes_a_name() {
        for (from, to) in
            [("My Shop!", "my-shop"), ("2024_api", "api"), ("--", "web"), ("app", "web")]
        {
            assert_eq!(block_name(from), to);
        }
    }
}
