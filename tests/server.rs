//! A server of our own: real binary, own directories and ports, ended and swept afterwards.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::leftovers::Leftovers;

/// How much of a failed command's output is shown.
const LINES_OF_A_FAILURE: usize = 40;

/// The server, its directories and the shop's source.
pub(crate) struct Server {
    folder: TempDir,
    child: Option<Child>,
    pub(crate) http_port: u16,
    api_port: u16,
}

/// A command that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn new(output: &Output) -> Ended {
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The output, if the command succeeded; else its last lines, which say why, and not the
    /// hundreds of a build before them.
    pub(crate) fn good(self) -> Result<String> {
        let last = |text: &str| {
            let lines: Vec<&str> = text.lines().collect();
            let left_out = lines.len().saturating_sub(LINES_OF_A_FAILURE);
            let begin =
                if left_out > 0 { format!("({left_out} lines before)\n") } else { String::new() };
            begin + &lines[left_out..].join("\n")
        };
        ensure!(
            self.code == 0,
            "exit code {}\n{}\n{}",
            self.code,
            last(&self.out),
            last(&self.err)
        );
        Ok(self.out)
    }
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the checkout").to_path_buf()
}

/// A program of a package on PyPI (`name==version`), installed once below `target/`.
pub(crate) fn pypi(package: &str, program: &str) -> Result<PathBuf> {
    let (name, version) = package.split_once("==").context("a package without its version")?;
    let place = repository().join("target").join(name);
    let program = place.join("bin").join(program);
    let installed = Command::new(&program).arg("--version").output();
    if installed.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains(version)) {
        return Ok(program);
    }
    let began = Instant::now();
    fs::create_dir_all(&place)?;
    let made = Command::new("virtualenv").arg("--quiet").arg(&place).output()?;
    Ended::new(&made).good()?;
    let pip = Command::new(place.join("bin/pip")).args(["install", "--quiet", package]).output()?;
    Ended::new(&pip).good().with_context(|| format!("installing {name} from PyPI"))?;
    println!("    {name} installed in {:.0} s", began.elapsed().as_secs_f64());
    Ok(program)
}

/// The binary under test, beside this test's own.
pub(crate) fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("this test's path");
    let folder = own.parent().and_then(Path::parent).expect("the target folder");
    folder.join("shelf")
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

impl Server {
    /// Starts a server on fresh directories, with a copy of examples/shop to edit.
    pub(crate) fn new() -> Result<Server> {
        ensure!(binary().is_file(), "{} is missing: cargo build -p cli", binary().display());
        let folder = tempfile::Builder::new().prefix("shelf-e2e-").tempdir_in("/var/tmp")?;
        let mut server =
            Server { folder, child: None, http_port: free_port(), api_port: free_port() };
        copy_folder(&repository().join("examples/shop"), &server.shop())?;
        if let Some(images) = std::env::var_os("SHELF_TEST_IMAGES") {
            fs::create_dir_all(server.data_dir())?;
            copy_folder(Path::new(&images), &server.data_dir().join("images"))?;
        }
        server.start()?;
        Ok(server)
    }

    /// Another server, not started yet, with nothing in its directories.
    pub(crate) fn beside() -> Result<Server> {
        let folder = tempfile::Builder::new().prefix("shelf-e2e-").tempdir_in("/var/tmp")?;
        Ok(Server { folder, child: None, http_port: free_port(), api_port: free_port() })
    }

    pub(crate) fn shop(&self) -> PathBuf {
        self.folder.path().join("shop")
    }

    /// A copy of another example, to edit; made once.
    pub(crate) fn example(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.path().join(name);
        if !folder.is_dir() {
            copy_folder(&repository().join("examples").join(name), &folder)?;
        }
        Ok(folder)
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("serve.log")
    }

    pub(crate) fn log_tail(&self, count: usize) -> String {
        let text = fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    /// Starts `shelf serve` and waits until it answers.
    pub(crate) fn start(&mut self) -> Result<Duration> {
        let log = File::options().create(true).append(true).open(self.log_path())?;
        let began = Instant::now();
        let mut child = Command::new(binary())
            .arg("serve")
            .arg("--data-dir")
            .arg(self.data_dir())
            .arg("--run-dir")
            .arg(self.run_dir())
            .args(["--http", &format!("127.0.0.1:{}", self.http_port)])
            .args(["--api", &format!("127.0.0.1:{}", self.api_port)])
            .env("SHELF_LOG", "info")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .context("starting shelf serve")?;
        loop {
            if self.shelf(&["version", "--server"]).code == 0 {
                self.child = Some(child);
                return Ok(began.elapsed());
            }
            if let Some(status) = child.try_wait()? {
                bail!("shelf serve ended: {status}\n{}", self.log_tail(30));
            }
            if began.elapsed() > Duration::from_secs(60) {
                child.kill()?;
                bail!("shelf serve does not answer after 60 s\n{}", self.log_tail(30));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the server as `kill -9` does.
    pub(crate) fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the server is not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Waits for a server that was told to end.
    pub(crate) fn wait(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the server is not running")?;
        child.wait()?;
        Ok(())
    }

    /// A `shelf` command against this server, in the shop's folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .current_dir(if self.shop().is_dir() { self.shop() } else { std::env::temp_dir() })
            .env("SHELF_RUN_DIR", self.run_dir())
            .stdin(Stdio::null());
        command
    }

    /// Runs a `shelf` command and returns what it printed.
    pub(crate) fn shelf(&self, arguments: &[&str]) -> Ended {
        Ended::new(&self.command(arguments).output().expect("the binary runs"))
    }

    /// The same in the folder of another example.
    pub(crate) fn shelf_in(&self, name: &str, arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        let output = command.current_dir(self.folder.path().join(name)).output();
        Ended::new(&output.expect("the binary runs"))
    }

    /// Runs the real kubectl in the shop's namespace.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Ended {
        let output = Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(self.run_dir().join("kubeconfig"))
            .args(["--namespace", "shop"])
            .args(arguments)
            .env("KUBECACHEDIR", self.folder.path().join("kubecache"))
            .stdin(Stdio::null())
            .output()
            .expect("kubectl runs");
        Ended::new(&output)
    }

    /// An object as kubectl gives it.
    pub(crate) fn object(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.kubectl(&[arguments, &["-o", "json"]].concat()).good()?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Every process of this server that lives on without it: keepers, containers, front door.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let instance = self.instance();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let groups = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
            let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let arguments = String::from_utf8_lossy(&arguments).into_owned();
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            if stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z')) {
                // Dead; only its parent has not looked yet.
                continue;
            }
            let ours = !instance.is_empty() && groups.contains(&format!("shelf-{instance}"))
                || arguments.contains(&*self.run_dir().to_string_lossy());
            if ours && pid != std::process::id() {
                found.push(pid);
            }
        }
        found
    }

    /// The name that the kernel's objects of this server carry.
    pub(crate) fn instance(&self) -> String {
        let path = self.folder.path().join("instance");
        if let Ok(known) = fs::read_to_string(&path) {
            return known;
        }
        let ended = self.shelf(&["--json", "version", "--server"]);
        let value: Value = serde_json::from_str(&ended.out).unwrap_or(Value::Null);
        let name = value["result"]["server"]["instance"].as_str().unwrap_or_default().to_owned();
        if !name.is_empty() {
            let _kept = fs::write(&path, &name);
        }
        name
    }

    /// What keeps this server's pods from being ready, for whoever reads that a promise failed:
    /// the pods that are not, the newest warnings, and what room the disk has.
    pub(crate) fn troubles(&self) -> String {
        let all =
            |arguments: &[&str]| self.kubectl(&[arguments, &["-A", "--no-headers"]].concat()).out;
        let pods = all(&["get", "pods"]);
        let unready = pods.lines().filter(|line| {
            let mut words = line.split_whitespace().skip(2);
            let ready = words.next().and_then(|ready| ready.split_once('/'));
            words.next() != Some("Completed") && ready.is_none_or(|(there, wanted)| there != wanted)
        });
        let warnings =
            all(&["get", "events", "--field-selector=type=Warning", "--sort-by=.lastTimestamp"]);
        let warnings: Vec<&str> = warnings.lines().collect();
        let newest = &warnings[warnings.len().saturating_sub(15)..];
        let disk = Command::new("df").arg("-h").arg(self.folder.path()).output();
        let disk = disk.map(|output| Ended::new(&output).out).unwrap_or_default();
        let part = |what: &str, lines: Vec<&str>| format!("    {what}:\n{}\n", lines.join("\n"));
        part("pods that are not ready", unready.collect())
            + &part("the newest warnings", newest.to_vec())
            + &part("the disk", disk.lines().collect())
    }

    /// Ends everything, whatever state the promises left it in.
    pub(crate) fn end(mut self) {
        let _known = self.instance();
        if self.child.is_some() {
            let ended = self.shelf(&["serve", "--stop", "--containers"]);
            if ended.code != 0 {
                println!("the server did not end when told: {}", ended.err);
                let _dead = self.kill();
            } else {
                let _gone = self.wait();
            }
        }
        for pid in self.processes() {
            println!("left over and killed: process {pid}");
            let _dead = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
        // The kernel takes a moment for the mounts and groups of what was just killed.
        let swept = eventually(10, || {
            let left = self.leftovers()?;
            left.sweep();
            ensure!(left.is_empty(), "left over: {left:?}");
            Ok(())
        });
        if let Err(error) = swept {
            println!("{error:#}");
        }
    }

    /// What is on this machine of this server, apart from processes.
    pub(crate) fn leftovers(&self) -> Result<Leftovers> {
        Leftovers::of(&self.instance(), &[&self.data_dir(), &self.run_dir()])
    }
}

/// Waits until `done` gives a value; its last error says what is missing.
pub(crate) fn eventually<T>(seconds: u64, mut done: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        match done() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() > deadline => {
                return Err(error.context(format!("not so after {seconds} s")));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    ensure!(status.success(), "copying {}", from.display());
    Ok(())
}
