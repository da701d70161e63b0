//! Where apps live: which folder holds the app of a name.
//!
//! Written down by every `go` and by the canvas, in `<data>/apps/folders.json`; apps made on the
//! canvas live beside it. A name leads to a folder through this list only, never by being put
//! into a path. Where next: `load.rs`, which reads a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fs_err as fs;
use serde::Deserialize;

use crate::{Error, Result, examples, load};

/// The folders of apps that this machine knows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry {
    /// Where apps that are made here get their folders.
    root: PathBuf,
    known: Arc<Mutex<BTreeMap<String, PathBuf>>>,
}

/// What a new app starts from.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beginning {
    /// An app without blocks.
    Empty(bool),
    /// A copy of an example, by name.
    Example(String),
    /// A folder that is there; it gets an `app.toml` if it has none.
    Dir(PathBuf),
}

impl Registry {
    /// Opens the list in `root`, which is made if it is not there.
    ///
    /// # Errors
    /// The folder cannot be made, or the list cannot be read.
    pub fn open(root: &Path) -> Result<Self> {
        let fails = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Read { path, source }
        };
        fs::create_dir_all(root).map_err(fails(root))?;
        let list = root.join("folders.json");
        let known = match fs::read(&list) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| fails(&list)(std::io::Error::other(error)))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(fails(&list)(error)),
        };
        Ok(Self { root: root.to_owned(), known: Arc::new(Mutex::new(known)) })
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, PathBuf>> {
        // One insert or remove at a time: a panic elsewhere cannot have broken it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder of an app.
    ///
    /// # Errors
    /// No folder of this app is known here.
    pub fn dir(&self, app: &str) -> Result<PathBuf> {
        self.known().get(app).cloned().ok_or_else(|| Error::Absent(app.to_owned()))
    }

    /// All apps and their folders, by name.
    pub fn all(&self) -> BTreeMap<String, PathBuf> {
        self.known().clone()
    }

    /// Notes that the app lives in `dir`; the last folder that is said wins.
    ///
    /// # Errors
    /// The list cannot be written.
    pub fn record(&self, app: &str, dir: &Path) -> Result<()> {
        let dir =
            fs::canonicalize(dir).map_err(|source| Error::Read { path: dir.to_owned(), source })?;
        let mut known = self.known();
        if known.get(app) == Some(&dir) {
            return Ok(());
        }
        known.insert(app.to_owned(), dir);
        self.write(&known)
    }

    /// Forgets where an app lives; its folder stays as it is.
    ///
    /// # Errors
    /// The list cannot be written.
    pub fn forget(&self, app: &str) -> Result<()> {
        let mut known = self.known();
        if known.remove(app).is_some() { self.write(&known) } else { Ok(()) }
    }

    fn write(&self, known: &BTreeMap<String, PathBuf>) -> Result<()> {
        let path = self.root.join("folders.json");
        let bytes = serde_json::to_vec_pretty(known).unwrap_or_default();
        write_private(&path, &bytes).map_err(|source| Error::Read { path, source })
    }

    /// Makes an app and returns its folder.
    ///
    /// # Errors
    /// The name is none, it is taken, or what it starts from is not there.
    pub fn make(&self, app: &str, from: &Beginning) -> Result<PathBuf> {
        let empty = format!("app = \"{app}\"\n");
        // Quotes and line ends are refused here as well: they are in no name.
        composer::App::parse("app.toml", &empty).map_err(Error::Wrong)?;
        let taken = |dir: &Path| Error::Taken { app: app.to_owned(), dir: dir.to_owned() };
        if let Some(dir) = self.known().get(app).filter(|dir| dir.join("app.toml").is_file())
            && !matches!(from, Beginning::Dir(asked) if fs::canonicalize(asked).is_ok_and(|asked| asked == *dir))
        {
            return Err(taken(dir));
        }
        let dir = match from {
            Beginning::Dir(dir) => self.adopt(app, dir, &empty)?,
            Beginning::Empty(_) => {
                let dir = self.fresh(app)?;
                write_new(&dir.join("app.toml"), empty.as_bytes())?;
                dir
            }
            Beginning::Example(name) => {
                let example = examples::find(name)?;
                let dir = self.fresh(app)?;
                examples::write(example, app, &dir)?;
                dir
            }
        };
        self.record(app, &dir)?;
        Ok(dir)
    }

    fn adopt(&self, app: &str, dir: &Path, empty: &str) -> Result<PathBuf> {
        let unfit = |message: String| Error::Unfit { code: "app/folder", message };
        if !dir.is_absolute() || !dir.is_dir() {
            return Err(unfit(format!("{} is no folder on this machine", dir.display())));
        }
        let file = dir.join("app.toml");
        if !file.exists() {
            write_new(&file, empty.as_bytes())?;
        }
        let name = load::app_name(dir)?;
        if name != app {
            return Err(unfit(format!("the app in {} is called {name}", dir.display())));
        }
        Ok(dir.to_owned())
    }

    /// Where an app of this name would get its folder; nothing if it has one, or the place is taken.
    pub fn vacant(&self, app: &str) -> Option<PathBuf> {
        let place = self.root.join(app);
        let taken = self.known().contains_key(app) || fs::symlink_metadata(&place).is_ok();
        (!taken).then_some(place)
    }

    /// A folder that was not there before.
    fn fresh(&self, app: &str) -> Result<PathBuf> {
        let dir = self.root.join(app);
        fs::create_dir(&dir).map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::Taken { app: app.to_owned(), dir: dir.clone() }
            }
            _ => Error::Read { path: dir.clone(), source },
        })?;
        Ok(dir)
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write as _;
    let fails = |source| Error::Read { path: path.to_owned(), source };
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(fails)?;
    file.write_all(bytes).map_err(fails)
}

/// Writes a file that only this user can read, whole or not at all.
///
/// # Errors
/// The folder cannot be written to.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let folder = path.parent().unwrap_or(Path::new("."));
    // The file of a temporary name has mode 0600 from its first moment.
    let mut staged = tempfile::NamedTempFile::new_in(folder)?;
    staged.write_all(bytes)?;
    staged.as_file().sync_all()?;
    staged.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> (tempfile::TempDir, Registry) {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::open(&dir.path().join("apps")).unwrap();
        (dir, registry)
    }

    #[test]
    fn an_app_is_made_once_and_found_again_by_the_next_server() {
        let (dir, registry) = registry();
        let made = registry.make("shop", &Beginning::Empty(true)).unwrap();
        assert_eq!(fs::read_to_string(made.join("app.toml")).unwrap(), "app = \"shop\"\n");
        let again = registry.make("shop", &Beginning::Empty(true)).unwrap_err();
        assert!(matches!(again, Error::Taken { .. }), "{again}");
        let other = Registry::open(&dir.path().join("apps")).unwrap();
        assert_eq!(other.dir("shop").unwrap(), fs::canonicalize(made).unwrap());
        other.forget("shop").unwrap();
        assert!(matches!(other.dir("shop"), Err(Error::Absent(_))));
        let left = other.make("shop", &Beginning::Empty(true)).unwrap_err();
        assert!(matches!(left, Error::Taken { .. }), "its folder is still there: {left}");
    }

    #[test]
    fn an_example_is_copied_under_its_new_name_and_checks() {
        let (_dir, registry) = registry();
        let made = registry.make("mine", &Beginning::Example("shop".into())).unwrap();
        assert_eq!(load::app_name(&made).unwrap(), "mine");
        crate::check(&made).map_err(|error| error.report().rendered).unwrap();
        assert!(registry.make("x", &Beginning::Example("../etc".into())).is_err());
    }

    #[test]
    fn a_folder_is_taken_as_it_is() {
        let (dir, registry) = registry();
        let own = dir.path().join("own");
        fs::create_dir(&own).unwrap();
        fs::write(own.join("app.toml"), "app = \"other\"  # mine\n").unwrap();
        assert!(registry.make("shop", &Beginning::Dir(own.clone())).is_err(), "another name");
        registry.make("other", &Beginning::Dir(own.clone())).unwrap();
        let text = fs::read_to_string(own.join("app.toml")).unwrap();
        assert_eq!(text, "app = \"other\"  # mine\n");
        assert!(registry.make("a", &Beginning::Dir("relative".into())).is_err());
    }

    #[test]
    fn names_that_are_paths_or_more_are_refused() {
        let (_dir, registry) = registry();
        for name in ["..", "a/b", "", "a\"\nb=1\n#", "A", &"a".repeat(300), "%2e%2e", "a\0"] {
            let made = registry.make(name, &Beginning::Empty(true));
            assert!(matches!(made, Err(Error::Wrong(_))), "{name:?}");
        }
    }
}
