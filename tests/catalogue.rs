//! Catalogues: two in order, an app that lives from one of them with and without its registry, and
//! what is refused: wrong keys, too few signatures, an old index, an artifact that was swapped.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::borrowed::Registry;
use crate::server::{Ended, Server, eventually};

const FOLDER: &str = "shelves";

struct Scene<'a> {
    server: &'a Server,
    folder: PathBuf,
    /// What the registry keeps.
    kept: PathBuf,
    port: u16,
}

impl Scene<'_> {
    fn shelf(&self, arguments: &[&str]) -> Ended {
        self.server.shelf_in(FOLDER, arguments)
    }

    fn good(&self, arguments: &[&str], says: &str) -> Result<String> {
        let text = self.shelf(arguments).good()?;
        ensure!(text.contains(says), "{says:?} is not in {text}");
        Ok(text)
    }

    fn refused(&self, arguments: &[&str], why: &str) -> Result<()> {
        let ended = self.shelf(arguments);
        ensure!(ended.code != 0 && ended.err.contains(why), "{why:?} is not in {ended:?}");
        Ok(())
    }

    fn place(&self, path: &str) -> String {
        format!("127.0.0.1:{}/{path}", self.port)
    }

    /// The file that says what a tag of `team` stands for.
    fn tag(&self, name: &str) -> PathBuf {
        self.kept.join("repositories/team/_manifests/tags").join(name).join("current/link")
    }

    /// A module that answers with `word`, published without a trial.
    fn publish(&self, place: &str, version: &str, key: &str) -> Result<()> {
        let file = self.folder.join("greeter/module.toml");
        let text = fs::read_to_string(&file)?;
        let line = text.lines().find(|line| line.starts_with("version")).context("a version")?;
        fs::write(&file, text.replace(line, &format!("version = \"{version}\"")))?;
        let to = self.place(place);
        self.good(
            &["module", "publish", "greeter", &to, "--key", key, "--untried"],
            &format!("greeter {version} is at"),
        )?;
        Ok(())
    }

    fn app(&self, name: &str, used: &str) -> Result<()> {
        let text = format!(
            "app = \"{name}\"\n\n[hello]\nuse = \"{used}\"\nrun = {{ hello = {{ path = \"/\" }} }}\n"
        );
        Ok(fs::write(self.folder.join("app.toml"), text)?)
    }
}

/// See the file.
pub(crate) fn used(server: &mut Server) -> Result<()> {
    let store = server.scratch("shelves-registry");
    let registry = Registry::start(&store)?;
    let folder = server.scratch(FOLDER);
    fs::create_dir_all(&folder)?;
    let kept = store.join("data/docker/registry/v2");
    let scene = Scene { server, folder, kept, port: registry.port };
    let done = made(&scene)
        .and_then(|()| taken(&scene))
        .and_then(|()| travels(&scene))
        .and_then(|()| old_ones(&scene))
        .and_then(|()| swapped(&scene))
        .and_then(|()| upgraded(&scene))
        .and_then(|()| {
            drop(registry);
            offline(&scene)
        });
    let mut gone = Ok(());
    for app in ["shelves", "again"] {
        gone = gone.and(scene.app(app, "greeter"));
        gone = gone.and(scene.shelf(&["destroy", "--yes", "--delete-data", app]).good().map(drop));
    }
    for name in ["team", "wide"] {
        gone = gone.and(scene.shelf(&["catalogue", "rm", name]).good().map(drop));
    }
    done.and(gone)
}

/// Two people sign one catalogue, one another; nobody else's keys count.
fn made(scene: &Scene<'_>) -> Result<()> {
    scene.good(&["module", "new", "greeter"], "greeter")?;
    for name in ["a", "b", "c"] {
        scene.good(&["module", "key", name], "signs")?;
    }
    scene.publish("wide/greeter", "1.9.0", "c")?;
    scene.publish("team/greeter", "1.2.0", "a")?;
    let (team, wide) = (scene.place("team"), scene.place("wide"));
    let publish = ["catalogue", "publish", &team, "greeter:1.2.0", "--key", "a"];
    let two = ["--trust", "b.pub", "--threshold", "2"];
    scene.refused(&[&publish[..], &["--threshold", "2"]].concat(), "2 of 1 keys cannot sign")?;
    scene.good(&[&publish[..], &two, &["--dry-run"]].concat(), "would be made")?;
    scene.good(&[&publish[..], &two].concat(), "1 of the 2 signatures")?;
    let add = ["catalogue", "add", "team", &team, "--key", "a.pub", "--key", "b.pub"];
    scene.refused(&add, "has no team:catalogue")?;
    scene.refused(&["catalogue", "sign", &team, "--key", "c"], "names no such key")?;
    scene.good(&["catalogue", "sign", &team, "--key", "b"], "is taken from now on")?;
    let stranger = ["catalogue", "add", "team", &team, "--key", "c.pub"];
    scene.refused(&stranger, "0 of the 1 signatures")?;
    scene.good(&["catalogue", "ls"], "no catalogue")?;
    let wide_publish = ["catalogue", "publish", &wide, "greeter:1.9.0", "--key", "c"];
    scene.good(&wide_publish, "is taken from now on")?;
    scene.good(&["catalogue", "add", "wide", &wide, "--key", "c.pub"], "number 1, 1 modules")?;
    let first = [&add[..], &["--threshold", "2", "--before", "wide"]].concat();
    scene.good(&first, "number 1, 1 modules")?;
    scene.refused(&first, "already")?;
    scene.good(&["search", "greeter"], "wide/greeter")?;
    scene.good(&["show", "team/greeter"], "signed itself")?;
    let listed = scene.good(&["catalogue", "ls"], "2 of 2")?;
    let at = |name: &str| listed.find(&format!("\n{name}")).context(listed.clone());
    ensure!(at("team")? < at("wide")?, "{listed}");
    Ok(())
}

/// A name alone means the first catalogue that has it; the app lives with the image it carries, and
/// its lock says where it came from.
fn taken(scene: &Scene<'_>) -> Result<()> {
    scene.app("shelves", "team/greeter@7")?;
    scene.refused(&["plan"], "has no greeter 7")?;
    scene.app("shelves", "greeter@1")?;
    let went = scene.shelf(&["go"]);
    ensure!(went.code == 0 && went.out.contains("shelves is"), "{went:?}");
    ensure!(went.err.contains("from team/greeter 1.2.0, by digest"), "{went:?}");
    lives(scene, "shelves")?;
    let lock = fs::read_to_string(scene.folder.join("app.lock"))?;
    let from = format!("from   = \"{}@sha256:", scene.place("team/greeter"));
    ensure!(lock.contains("\"team/greeter@1.2.0\"") && lock.contains(&from), "{lock}");
    // What is locked stays, whoever comes first; a verb without a server knows it too.
    scene.good(&["catalogue", "rm", "team"], "is forgotten")?;
    scene.good(&["plan"], "nothing to do")?;
    scene.good(&["--json", "graph"], "\"valid\":true")?;
    let team = scene.place("team");
    let add = ["catalogue", "add", "team", &team, "--key", "a.pub", "--key", "b.pub"];
    scene.good(&[&add[..], &["--threshold", "2"]].concat(), "number 1")?;
    Ok(())
}

/// A module of a catalogue travels in a pack and in a published app, to a server that knows neither
/// the catalogue nor its keys; and it becomes the app's own by a fork.
fn travels(scene: &Scene<'_>) -> Result<()> {
    let file = scene.folder.join("shelves.app");
    let path = file.to_string_lossy().into_owned();
    scene.good(&["pack", &path], "run it anywhere")?;
    let name = format!("{}/shelves:1", scene.place("apps"));
    scene.good(&["publish", &name, "--key", "a"], "bring it up")?;
    let mut there = Server::beside()?;
    there.start()?;
    let key = scene.folder.join("a.pub").to_string_lossy().into_owned();
    let ways = [vec!["unpack", &path], vec!["unpack", &name, "--key", &key]];
    let came = ways.iter().try_for_each(|way| {
        let up = there.shelf(way);
        ensure!(up.code == 0 && up.out.contains("shelves is at"), "{way:?}: {up:?}");
        ensure!(!up.err.contains("build "), "something was built: {}", up.err);
        lives_on(&there, "shelves")?;
        there.shelf(&["-a", "shelves", "destroy", "--yes", "--delete-data", "shelves"]).good()?;
        Ok(())
    });
    there.end();
    came?;
    fs::remove_file(file)?;
    // As a compose file: the image it carries, by digest.
    let out = scene.folder.join("composed");
    scene.good(&["export", "compose", "-o", &out.to_string_lossy()], "is in")?;
    let text = fs::read_to_string(out.join("compose.yaml"))?;
    let image = format!("{}@sha256:", scene.place("team/greeter"));
    ensure!(text.contains(&image) && !text.contains("build:"), "no {image} in {text}");
    let config = std::process::Command::new("docker-compose")
        .args(["config", "--quiet"])
        .current_dir(&out)
        .output()?;
    Ended::new(&config).good()?;
    let forked = scene.good(&["fork", "hello", "--to", "mine"], "greeter@1.2.0")?;
    let text = fs::read_to_string(scene.folder.join("app.toml"))?;
    ensure!(text.contains("module = \"./mine\""), "{forked}\n{text}");
    for name in ["module.toml", "Dockerfile"] {
        let own = fs::read(scene.folder.join("mine").join(name))?;
        ensure!(own == fs::read(scene.folder.join("greeter").join(name))?, "{name} differs");
    }
    Ok(())
}

/// The module's page at the app's address.
fn lives(scene: &Scene<'_>, app: &str) -> Result<()> {
    lives_on(scene.server, app)
}

fn lives_on(server: &Server, app: &str) -> Result<()> {
    let port = server.http_port;
    eventually(30, || {
        let page = crate::page::get_from(app, port, "/")?;
        ensure!(page.contains("greeter is here"), "{page}");
        Ok(())
    })
}

/// An index with too few signatures, and one that was put back, change nothing.
fn old_ones(scene: &Scene<'_>) -> Result<()> {
    let team = scene.place("team");
    let first = fs::read(scene.tag("catalogue"))?;
    let publish = ["catalogue", "publish", &team, "--key", "a"];
    scene.good(&publish, "number 2 waits")?;
    let update = ["catalogue", "update", "team"];
    // Somebody who can write to the registry, and has no key.
    fs::write(scene.tag("catalogue"), fs::read(scene.tag("catalogue-next"))?)?;
    scene.refused(&update, "1 of the 2 signatures")?;
    fs::write(scene.tag("catalogue"), &first)?;
    scene.good(&["catalogue", "sign", &team, "--key", "b"], "number 2 is taken")?;
    scene.good(&update, "2 of 2")?;
    fs::write(scene.tag("catalogue"), &first)?;
    scene.refused(&update, "an old one was put back")?;
    let value: serde_json::Value =
        serde_json::from_str(&scene.good(&["--json", "catalogue", "ls"], "team")?)?;
    let all = value["result"]["catalogues"].as_array().context("catalogues")?;
    let known = all.iter().find(|one| one["name"] == "team").context("team")?;
    ensure!(known["version"] == 2, "{known}");
    Ok(())
}

/// Another artifact in the place of the one that an index lists is not taken.
fn swapped(scene: &Scene<'_>) -> Result<()> {
    let digests =
        scene.good(&["catalogue", "publish", &scene.place("wide"), "--key", "c"], "1.9.0")?;
    let hex = digests.split("sha256:").nth(1).context("a digest")?;
    let hex: String = hex.chars().take_while(char::is_ascii_hexdigit).collect();
    let blob = blob(&scene.kept, &hex);
    let good = fs::read(&blob)?;
    let mut bad = good.clone();
    // The same length, another word.
    let at = bad.windows(5).position(|part| part == b"1.9.0").context("a version in it")?;
    bad[at] = b'8';
    fs::write(&blob, &bad)?;
    scene.app("again", "wide/greeter@1")?;
    let ended = scene.shelf(&["plan"]);
    ensure!(ended.code != 0 && ended.err.contains("digest"), "{ended:?}");
    fs::write(&blob, &good)?;
    Ok(())
}

/// A newer version in a catalogue is seen once its index is, rehearsed and taken.
fn upgraded(scene: &Scene<'_>) -> Result<()> {
    scene.app("again", "wide/greeter@1")?;
    let _another_app = fs::remove_file(scene.folder.join("app.lock"));
    scene.shelf(&["go"]).good()?;
    scene.publish("wide/greeter", "2.1.0", "c")?;
    let wide = scene.place("wide");
    scene.good(&["catalogue", "publish", &wide, "greeter:2.1.0", "--key", "c"], "is taken")?;
    let listed = scene.shelf(&["upgrade"]).good()?;
    ensure!(!listed.contains("2.1.0"), "nobody has updated the index: {listed}");
    scene.good(&["catalogue", "update", "wide"], "1 of 1")?;
    scene.good(&["upgrade"], "2.1.0")?;
    let tried = scene.shelf(&["upgrade", "hello", "--check"]);
    ensure!(tried.code == 0, "{tried:?}");
    let file = || fs::read_to_string(scene.folder.join("app.toml"));
    ensure!(file()?.contains("wide/greeter@1"), "a rehearsal changed the file: {}", file()?);
    let done = scene.shelf(&["upgrade", "hello"]);
    ensure!(done.code == 0, "{done:?}");
    ensure!(file()?.contains("use = \"wide/greeter@2\""), "{}", file()?);
    lives(scene, "again")?;
    scene.good(&["plan"], "nothing to do")?;
    let lock = fs::read_to_string(scene.folder.join("app.lock"))?;
    ensure!(lock.contains("wide/greeter@2.1.0"), "{lock}");
    fs::remove_file(scene.folder.join("app.lock"))?;
    Ok(())
}

fn blob(kept: &Path, hex: &str) -> PathBuf {
    kept.join("blobs/sha256").join(&hex[..2]).join(hex).join("data")
}

/// Without the registry: the app changes, and another app begins with the same module.
fn offline(scene: &Scene<'_>) -> Result<()> {
    for (app, used) in [("shelves", "greeter@1"), ("again", "team/greeter")] {
        scene.app(app, used)?;
        let went = scene.shelf(&["go"]);
        ensure!(went.code == 0 && went.out.contains(&format!("{app} is")), "{went:?}");
        lives(scene, app)?;
        // The lock in this folder is of the app before.
        fs::remove_file(scene.folder.join("app.lock"))?;
    }
    scene.refused(&["catalogue", "update"], "127.0.0.1")?;
    Ok(())
}
