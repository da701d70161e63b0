//! A folder of its own, and commands run in it as the person `ana`, without a terminal or server.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A folder that is thrown away.
pub(crate) struct Shell {
    dir: tempfile::TempDir,
}

/// What a command wrote, and its exit code.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

impl Shell {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A folder with the shop's app file, and its source folder.
    pub(crate) fn shop() -> Self {
        let shell = Self::new();
        let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop/app.toml");
        shell.write("app.toml", &std::fs::read_to_string(shop).unwrap());
        shell.write("web/Dockerfile", "FROM scratch\n");
        shell
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join(path)).unwrap()
    }

    /// Runs a line as a shell would.
    pub(crate) fn line(&self, line: &str) -> Said {
        let binary = Path::new(env!("CARGO_BIN_EXE_shelf")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(self.path()).env("PATH", path);
        run(&mut command, self.path())
    }

    /// `shelf` with these words.
    pub(crate) fn shelf(&self, words: &str) -> Said {
        self.line(&format!("shelf {words}"))
    }

    /// `shelf` with these words, which must do what they say.
    #[track_caller]
    pub(crate) fn does(&self, words: &str) -> String {
        let said = self.shelf(words);
        assert_eq!(said.code, 0, "shelf {words}: {said:?}");
        said.out
    }

    /// `shelf --json` with these words, as JSON.
    #[track_caller]
    pub(crate) fn json(&self, words: &str) -> serde_json::Value {
        serde_json::from_str(&self.does(&format!("--json {words}"))).unwrap()
    }
}

fn run(command: &mut Command, dir: &Path) -> Said {
    let Output { status, stdout, stderr } = command
        .env("SUDO_USER", "ana")
        .env("SHELF_RUN_DIR", dir.join("no-server"))
        .env("XDG_CONFIG_HOME", dir.join(".config"))
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { out: text(stdout), err: text(stderr), code: status.code().unwrap_or(-1) }
}
