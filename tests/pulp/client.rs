//! Pulp's own command line from PyPI, skopeo, curl: each in a mount namespace whose `/etc/hosts`
//! knows the app's address, because not every resolver knows that `*.localhost` is this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::server::{Ended, Server, eventually, pypi};

/// The version of the command line that is driven.
const CLI: &str = "pulp-cli==0.41.1";

/// A client of the app.
pub(crate) struct Pulp {
    pub(crate) url: String,
    pub(crate) password: String,
    /// Where files to be sent and received are put.
    pub(crate) folder: PathBuf,
    hosts: PathBuf,
    cli: PathBuf,
}

impl Pulp {
    /// A client that knows the admin's password.
    pub(crate) fn new(server: &Server) -> Result<Pulp> {
        let folder = server.scratch("pulp-client");
        fs::create_dir_all(&folder)?;
        let hosts = folder.join("hosts");
        fs::write(&hosts, "127.0.0.1 localhost pulp.localhost\n")?;
        let secret = server.object(&["-n", "pulp", "get", "secret", "pulp-secrets"])?;
        let password = secret["data"]["admin"].as_str().context("the admin's password")?;
        let password = String::from_utf8(STANDARD.decode(password)?)?;
        let url = format!("http://pulp.localhost:{}", server.http_port);
        let config = format!(
            "[cli]\nbase_url = \"{url}\"\nusername = \"admin\"\npassword = \"{password}\"\n"
        );
        fs::write(folder.join("cli.toml"), config)?;
        Ok(Pulp { url, password, folder, hosts, cli: pypi(CLI, "pulp")? })
    }

    /// Runs any program as a client of the app.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<Ended> {
        let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
        let output = Command::new("unshare")
            .args(["--mount", "--", "sh", "-c", script])
            .arg(&self.hosts)
            .arg(program)
            .args(arguments)
            .env("HOME", &self.folder)
            .env("XDG_CONFIG_HOME", &self.folder)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("running {program}"))?;
        Ok(Ended::new(&output))
    }

    /// Pulp's command line, as admin; waits for the tasks it starts.
    pub(crate) fn pulp(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.call(&[], arguments)?.good();
        let text = text.with_context(|| format!("pulp {}", arguments.join(" ")))?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("pulp {}: {text}", arguments.join(" ")))
    }

    /// The same, but a task is only started.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Result<String> {
        let ended = self.call(&["--background"], arguments)?;
        let said = format!("{}{}", ended.out, ended.err);
        ended.good()?;
        let word = said.split_whitespace().find(|word| word.contains("/api/v3/tasks/"));
        Ok(word.with_context(|| format!("a task in {said:?}"))?.to_owned())
    }

    fn call(&self, options: &[&str], arguments: &[&str]) -> Result<Ended> {
        let config = self.folder.join("cli.toml").to_string_lossy().into_owned();
        let all = [&["--config", config.as_str()], options, arguments].concat();
        self.run(&self.cli.to_string_lossy(), &all)
    }

    pub(crate) fn status(&self) -> Result<Value> {
        let text =
            self.run("curl", &["-sSf", "-m", "20", &self.at("/pulp/api/v3/status/")])?.good()?;
        Ok(serde_json::from_str(&text)?)
    }

    /// The state of a task; its error, if it has one, stands in `/error/description`.
    pub(crate) fn task(&self, href: &str) -> Result<Value> {
        self.pulp(&["task", "show", "--href", href])
    }

    /// Waits until a task has ended; it must end in `state`.
    pub(crate) fn ended(&self, href: &str, state: &str, seconds: u64) -> Result<Value> {
        let task = eventually(seconds, || {
            let task = self.task(href)?;
            let now = task["state"].as_str().unwrap_or_default();
            ensure!(["completed", "failed", "canceled"].contains(&now), "{href} is {now}");
            Ok(task)
        })?;
        ensure!(task["state"] == state, "{href} should have {state}: {task}");
        Ok(task)
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Fetches a URL into a file and gives the file's SHA-256 and the answer's head.
    pub(crate) fn fetch(&self, url: &str) -> Result<(String, String)> {
        let (file, head) = (self.folder.join("fetched"), self.folder.join("head"));
        let places = [file.to_string_lossy(), head.to_string_lossy()];
        self.run("curl", &["-sSfL", "-m", "60", "-o", &places[0], "-D", &places[1], url])?
            .good()?;
        Ok((sha256(&file)?, fs::read_to_string(&head)?))
    }

    /// A status code without credentials.
    pub(crate) fn code(&self, method: &str, path: &str) -> Result<String> {
        let url = self.at(path);
        let form = ["-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", "-X", method, &url];
        self.run("curl", &form)?.good()
    }
}

/// SHA-256 of a file.
pub(crate) fn sha256(file: &Path) -> Result<String> {
    Ok(digest(&fs::read(file)?))
}

/// SHA-256 of some bytes.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// So many random bytes.
pub(crate) fn random(file: &Path, bytes: u64) -> Result<()> {
    use std::io::Read;
    let mut source = fs::File::open("/dev/urandom")?.take(bytes);
    std::io::copy(&mut source, &mut fs::File::create(file)?)?;
    Ok(())
}
