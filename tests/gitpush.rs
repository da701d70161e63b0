//! `git push` with the real git: live, refused, gone back, and never more than data.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::page::{Visitor, get};
use crate::server::{Ended, Server};

const PAGE: &str = "web/shop/__init__.py";

/// A repository of its own beside the shop's folder, and what opens the app.
struct Pusher {
    folder: PathBuf,
    url: String,
    key: String,
}

impl Pusher {
    fn git(&self, arguments: &[&str]) -> Ended {
        self.git_with(arguments, &self.key)
    }

    fn git_with(&self, arguments: &[&str], key: &str) -> Ended {
        let mut command = Command::new("git");
        // Nobody's settings, and the key from a program: no command line has it.
        let name = "promise";
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", self.folder.join(".git/ask.sh"))
            .env("PUSH_KEY", key)
            .envs([("GIT_AUTHOR_NAME", name), ("GIT_COMMITTER_NAME", name)])
            .envs([("GIT_AUTHOR_EMAIL", "p@x"), ("GIT_COMMITTER_EMAIL", "p@x")]);
        Ended::new(&command.output().expect("git runs"))
    }

    fn commit(&self, says: &str) -> Result<()> {
        self.git(&["add", "--all"]).good()?;
        self.git(&["commit", "--quiet", "--message", says]).good()?;
        Ok(())
    }

    fn replace(&self, file: &str, from: &str, to: &str) -> Result<()> {
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path)?;
        ensure!(text.contains(from), "no {from:?} in {}", path.display());
        Ok(fs::write(&path, text.replacen(from, to, 1))?)
    }
}

fn executable(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

fn release(server: &Server) -> Result<String> {
    let status = server.shelf(&["--json", "status"]).good()?;
    let status: Value = serde_json::from_str(&status)?;
    Ok(status["result"]["release"].as_str().context("a release")?.to_owned())
}

/// A push is live without a failed request and says so; one that does not come up goes back and
/// fails; hooks, filters and options of the pusher do nothing here.
pub(crate) fn live(server: &mut Server) -> Result<()> {
    server.shelf(&["go"]).good()?;
    let text = server.shelf(&["--json", "git"]).good()?;
    let made: Value = serde_json::from_str(&text)?;
    let word = |name: &str| made["result"][name].as_str().map(str::to_owned).context("a word");
    let pusher =
        Pusher { folder: server.scratch("pushed"), url: word("url")?, key: word("password")? };
    let copied = Command::new("cp").arg("-a").arg(server.shop()).arg(&pusher.folder).status()?;
    ensure!(copied.success());
    pusher.git(&["init", "--quiet", "--initial-branch=main"]).good()?;
    executable(
        &pusher.folder.join(".git/ask.sh"),
        "#!/bin/sh\ncase $1 in User*) echo shelf ;; *) echo \"$PUSH_KEY\" ;; esac\n",
    )?;
    pusher.git(&["remote", "add", "shelf", &pusher.url]).good()?;
    // What a server that ran git would do for a stranger.
    let canary = server.scratch("canary");
    let harm = format!("#!/bin/sh\ntouch {}\n", canary.display());
    fs::create_dir_all(pusher.folder.join("hooks"))?;
    for hook in ["pre-receive", "update", "post-receive", "post-update", "post-checkout"] {
        executable(&pusher.folder.join("hooks").join(hook), &harm)?;
    }
    fs::write(pusher.folder.join(".gitattributes"), "* filter=harm\n")?;
    let config = format!(
        "[filter \"harm\"]\n\tsmudge = touch {0}\n[core]\n\thooksPath = hooks\n\tfsmonitor = touch {0}\n",
        canary.display()
    );
    fs::write(pusher.folder.join(".gitconfig"), &config)?;
    pusher.commit("the shop as it is")?;

    let wrong = pusher.git_with(&["push", "shelf", "main"], "wrong");
    ensure!(wrong.code != 0 && wrong.err.contains("Authentication failed"), "{wrong:?}");
    let other = pusher.git(&["push", "shelf", "main:other"]);
    ensure!(other.code != 0 && other.err.contains("only main goes live here"), "{other:?}");

    pusher.replace(PAGE, "VERSION = \"", "VERSION = \"by-git ")?;
    pusher.commit("a new page")?;
    let visitor = Visitor::come(server.http_port, "/");
    let pushed = pusher.git(&["push", "shelf", "main"]);
    visitor.leave(20)?;
    ensure!(pushed.code == 0, "{pushed:?}");
    for wanted in ["remote: web  build ", "a new page", "remote: shop is live at", "main -> main"] {
        ensure!(pushed.err.contains(wanted), "no {wanted:?} in {}", pushed.err);
    }
    ensure!(get(server.http_port, "/")?.contains("by-git "), "the old page is still there");
    let again = pusher.git(&["push", "shelf", "main"]);
    ensure!(again.code == 0 && again.err.contains("Everything up-to-date"), "{again:?}");
    ensure!(!canary.exists(), "something of the pusher's ran here");

    // What does not come up goes back, and the branch stays where it was.
    let before = release(server)?;
    let good = fs::read_to_string(pusher.folder.join("web/bin/web"))?;
    executable(&pusher.folder.join("web/bin/web"), "#!/bin/sh\necho broken by git\nexit 3\n")?;
    pusher.commit("broken")?;
    let visitor = Visitor::come(server.http_port, "/");
    let broken = pusher.git(&["push", "shelf", "main"]);
    visitor.leave(20)?;
    ensure!(broken.code != 0 && broken.err.contains("broken by git"), "{broken:?}");
    ensure!(broken.err.contains("the app is what it was before"), "{}", broken.err);
    ensure!(release(server)? == before, "another release is recorded");
    // The file of before comes back, out of what was sent long ago, with another change.
    executable(&pusher.folder.join("web/bin/web"), &good)?;
    pusher.replace(PAGE, "by-git ", "by-git-again ")?;
    pusher.commit("mended")?;
    let mended = pusher.git(&["push", "shelf", "main"]);
    ensure!(mended.code == 0, "{mended:?}");
    ensure!(get(server.http_port, "/")?.contains("by-git-again "));

    server.shelf(&["git", "--revoke"]).good()?;
    let ended = pusher.git(&["push", "--force", "shelf", "HEAD~1:main"]);
    ensure!(ended.code != 0 && ended.err.contains("Authentication failed"), "{ended:?}");
    Ok(())
}
