//! Images that somebody else built: a block that runs one from a registry, and source built on one.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::page::request_to;
use crate::server::{Server, eventually, free_port};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Says one word to everybody, on port 8000.
const PROGRAM: &str = r#"use IO::Socket::INET;
$SIG{TERM} = sub { exit };
my $socket = IO::Socket::INET->new(LocalPort => 8000, Listen => 64, ReuseAddr => 1) or die $!;
while (my $client = $socket->accept) {
    while (<$client>) { last if /^\r?\n$/ }
    my $text = "WORD $ENV{WHO}";
    print $client "HTTP/1.1 200 OK\r\nContent-Length: ", length $text, "\r\nConnection: close\r\n\r\n$text";
    close $client;
}
"#;

/// A registry on this machine, ended when it is dropped.
pub(crate) struct Registry {
    child: Child,
    pub(crate) port: u16,
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Registry {
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let port = free_port();
        fs::create_dir_all(folder)?;
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            folder.join("data").display()
        );
        fs::write(folder.join("config.yml"), config)?;
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(folder.join("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("docker-registry; cargo x test installs it")?;
        let registry = Self { child, port };
        eventually(60, || Ok(std::net::TcpStream::connect(("127.0.0.1", port)).map(drop)?))?;
        Ok(registry)
    }
}

/// Builds an image that says `word` and who it is.
pub(crate) fn make(server: &Server, name: &str, word: &str) -> Result<()> {
    let folder = server.scratch("published");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("serve.pl"), PROGRAM.replace("WORD", word))?;
    let dockerfile = "FROM debian:12\nCOPY serve.pl /serve.pl\nEXPOSE 8000\nVOLUME /kept\n\
        CMD [\"perl\", \"/serve.pl\"]\n";
    fs::write(folder.join("Dockerfile"), dockerfile)?;
    server.shelf_in("published", &["build", "--tag", name, "."]).good().map(drop)
}

/// Makes one, pushes it and forgets it here.
fn publish(server: &Server, name: &str, word: &str) -> Result<()> {
    make(server, name, word)?;
    server.shelf_in("published", &["image", "push", name]).good()?;
    server.shelf_in("published", &["image", "rm", name]).good()?;
    Ok(())
}

/// Waits until an app says this.
pub(crate) fn says(server: &Server, app: &str, path: &str, wanted: &str) -> Result<()> {
    eventually(60, || {
        let answer = request_to(app, server.http_port, "GET", path, None)?;
        ensure!(
            answer.status == 200 && answer.body == wanted,
            "{path}: {answer:?}, not {wanted:?}"
        );
        Ok(())
    })
}

/// A block of an image and one built on it live at their paths; a tag that moved is told and taken
/// only when asked; what is not there is refused with its line, before anything starts.
pub(crate) fn blocks(server: &mut Server) -> Result<()> {
    let result = borrowed(server);
    let gone = server.shelf_in("borrowed", &["destroy", "--yes", "--delete-data", "borrowed"]);
    result?;
    gone.good()?;
    Ok(())
}

fn borrowed(server: &Server) -> Result<()> {
    let registry = Registry::start(&server.scratch("registry"))?;
    let port = registry.port;
    let name = format!("127.0.0.1:{port}/team/word:1");
    publish(server, &name, "one")?;

    let folder = server.scratch("borrowed");
    fs::create_dir_all(folder.join("own"))?;
    let text = format!(
        "app = \"borrowed\"\n\n[web]\nimage = \"{name}\"\nrun   = {{ web = {{ path = \"/\" }} }}\n\
         env   = {{ WHO = \"image\" }}\n\n[own]\nsource = \"./own\"\n\
         dockerfile = \"docker/Own\"\ntarget = \"said\"\nargs   = {{ OWN = \"mine\" }}\n\
         run    = {{ own = {{ port = 8000, path = \"/own\" }} }}\nenv    = {{ WHO = \"source\" }}\n"
    );
    fs::write(folder.join("app.toml"), &text)?;
    // The stage that is asked for, with the value that is given; not the last one.
    let dockerfile = format!(
        "FROM {name} AS said\nARG OWN=unsaid\nRUN sed -Ei \"s/one|two/$OWN/\" /serve.pl\n\
         FROM said\nRUN sed -i 's/mine/last/' /serve.pl\n"
    );
    fs::create_dir_all(folder.join("own/docker"))?;
    fs::write(folder.join("own/docker/Own"), dockerfile)?;

    let plan = server.shelf_in("borrowed", &["plan"]).good()?;
    ensure!(plan.contains(&format!("image {name}")), "{plan}");
    ensure!(plan.contains("/kept may be lost"), "its folder is no assumption: {plan}");
    let went = server.shelf_in("borrowed", &["go"]);
    ensure!(went.code == 0, "{went:?}");
    says(server, "borrowed", "/", "one image")?;
    says(server, "borrowed", "/own", "mine source")?;
    let lock = fs::read_to_string(folder.join("app.lock"))?;
    ensure!(lock.contains(&format!("\"{name}@sha256:")), "{lock}");
    ensure!(lock.contains("ports  = [8000]"), "{lock}");

    publish(server, &name, "two")?;
    let plan = server.shelf_in("borrowed", &["plan"]).good()?;
    ensure!(plan.contains("stands for another image now"), "{plan}");
    let plan = server.shelf_in("borrowed", &["--json", "plan"]).good()?;
    let plan: Value = serde_json::from_str(&plan)?;
    let moved = plan.pointer("/result/moved/0").or(plan.pointer("/moved/0")).context("moved")?;
    ensure!(moved["block"] == "web" && moved["image"] == name.as_str(), "{moved}");
    ensure!(moved["now"] != moved["pinned"], "{moved}");
    publish(server, &name.replace("word:1", "word:2"), "three")?;
    let news = server.shelf_in("borrowed", &["upgrade"]).good()?;
    ensure!(news.contains("stands for another image now"), "{news}");
    ensure!(news.contains("take it:  image = ") && news.contains("team/word:2"), "{news}");
    let again = server.shelf_in("borrowed", &["go"]).good()?;
    ensure!(again.contains("nothing to do"), "{again}");
    says(server, "borrowed", "/", "one image")?;
    server.shelf_in("borrowed", &["go", "--pull"]).good()?;
    says(server, "borrowed", "/", "two image")?;
    let plan = server.shelf_in("borrowed", &["plan"]).good()?;
    ensure!(!plan.contains("another image"), "{plan}");

    // Another value is another image, though no file of the folder changed.
    let text = text.replace("\"mine\"", "\"yours\"").replace("= \"source\" }", "= \"push\" }");
    fs::write(folder.join("app.toml"), &text)?;
    server.shelf_in("borrowed", &["push", "own"]).good()?;
    says(server, "borrowed", "/own", "yours push")?;

    fs::write(folder.join("app.toml"), text.replace("word:1", "word:9"))?;
    let refused = server.shelf_in("borrowed", &["go"]);
    ensure!(refused.code != 0, "{refused:?}");
    for word in ["registry/missing", "app.toml:4:", "word:9"] {
        ensure!(refused.err.contains(word), "{word} is not in {refused:?}");
    }
    fs::write(folder.join("app.toml"), &text)?;
    says(server, "borrowed", "/", "two image")
}
