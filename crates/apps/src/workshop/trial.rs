//! A module alone in an app of its own, with a consumer on each of its offers: it is built and
//! started, its wires are used, granted again, rotated, and its data outlives a stop and comes back
//! from a backup. Afterwards nothing of it is left.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use composer::graph::Wire;
use composer::interface::FieldKind;
use composer::{Catalogue, Module};
use fs_err as fs;

use super::scratch::{Scratch, take_away};
use super::{CheckState, TrialReport, inspect};
use crate::data::{self, BackupOptions, From, Program, RestoreOptions};
use crate::event::Events;
use crate::go::{self, GoOptions, Settled};
use crate::progress::Clock;
use crate::{Error, Result, Target, back, images, live, load, published, release, rotate, scale};

/// The block of the module, and the one that uses it.
const MODULE: &str = "it";
const CONSUMER: &str = "one";
/// Whom the consumer runs as: nobody special.
const CONSUMER_USER: u32 = 1000;
/// What is left on a disk to be found again.
const MARK: &str = ".shelf-trial";

/// How a trial is made.
#[derive(Debug, Clone)]
pub struct TrialOptions {
    /// How long the module may take to become ready, after it is built.
    pub timeout: Duration,
    /// Who says so.
    pub by: String,
}

/// Tries the module in `dir`.
///
/// # Errors
/// The folder is no module, or the trial's app cannot be written at all. What the module does
/// wrong is in the report.
pub async fn trial(
    target: &Target,
    dir: &Path,
    options: &TrialOptions,
    events: Events<'_>,
) -> Result<TrialReport> {
    let (report, module, shelf) = inspect::look(dir)?;
    let wrong = |source| Error::File { what: "make the trial's app".into(), source };
    let app = format!("trial-{:08x}", rand::random::<u32>());
    let text = app_text(&app, &module, &shelf)?;
    let scratch = Scratch::new(target, &app).map_err(wrong)?;
    // What is tried is what would be published.
    let files = published::files_of(dir).map_err(wrong)?;
    published::write(&scratch.path.join(MODULE), &files).map_err(wrong)?;
    fs::create_dir(scratch.path.join(CONSUMER)).map_err(wrong)?;
    let dockerfile = "FROM debian:12\nCMD [\"sleep\", \"infinity\"]\n";
    fs::write(scratch.path.join(CONSUMER).join("Dockerfile"), dockerfile).map_err(wrong)?;
    fs::write(scratch.path.join("app.toml"), text).map_err(wrong)?;
    let mut trial = Trial { target, module: &module, app: app.clone(), options, report };
    if trial.report.passed {
        trial.all(&scratch.path, events).await;
    }
    let began = Instant::now();
    if let Err((app, error)) = take_away(target, &app, events).await {
        let told: Result<((), String)> = Err(error);
        trial.note(&format!("taking {app} away"), began, told);
    }
    Ok(trial.report)
}

/// The trial's app: the module, a consumer with a socket for each of its offers, and what it needs.
fn app_text(app: &str, module: &Module, shelf: &Catalogue) -> Result<String> {
    let card = module.card();
    let mut text = format!("app = \"{app}\"\n\n[{MODULE}]\nmodule = \"./it\"\n");
    let (mut wires, mut others) = (Vec::new(), String::new());
    for need in card.needs.iter().filter(|need| need.needed) {
        let gives = |other: &&Module| {
            other.name != module.name
                && other.card().offers.iter().any(|one| one.interface == need.interface)
        };
        let Some(other) = shelf.modules().find(gives) else {
            let message =
                format!("{} needs {}, which nothing on the shelf gives", card.name, need.interface);
            return Err(Error::Unfit { code: "module/needs", message });
        };
        let block = format!("for-{}", need.name);
        let offers = other.card().offers;
        let offer = offers.iter().find(|one| one.interface == need.interface);
        let offer = offer.map(|one| one.name.clone()).unwrap_or_default();
        wires.push(format!("{} = \"{block}.{offer}\"", need.name));
        others.push_str(&format!("\n[{block}]\nuse = \"{}@{}\"\n", other.name, other.version));
    }
    if !wires.is_empty() {
        text.push_str(&format!("wire = {{ {} }}\n", wires.join(", ")));
    }
    text.push_str(&others);
    let (mut needs, mut wires) = (Vec::new(), Vec::new());
    for (number, offer) in card.offers.iter().enumerate() {
        let path = shelf.interface(&offer.interface).is_some_and(|interface| {
            interface.fields.iter().any(|field| field.kind == FieldKind::Path)
        });
        needs.push(match path {
            true => {
                format!("w{number} = {{ type = \"{}\", at = \"/mnt/w{number}\" }}", offer.interface)
            }
            false => format!("w{number} = \"{}\"", offer.interface),
        });
        wires.push(format!("w{number} = \"{MODULE}.{}\"", offer.name));
    }
    text.push_str(&format!(
        "\n[{CONSUMER}]\nsource = \"./one\"\nuser = {CONSUMER_USER}\nstop-within = 1\n"
    ));
    if !needs.is_empty() {
        text.push_str(&format!(
            "needs = {{ {} }}\nwire = {{ {} }}\n",
            needs.join(", "),
            wires.join(", ")
        ));
    }
    Ok(text)
}

struct Trial<'a> {
    target: &'a Target,
    module: &'a Module,
    app: String,
    options: &'a TrialOptions,
    report: TrialReport,
}

/// A wire's values as its consumer has them: `WIRE_HOST` and so on.
type Values = BTreeMap<String, String>;

impl Trial<'_> {
    /// Notes how a step ended; what it gave, if it did.
    fn note<T>(&mut self, name: &str, began: Instant, done: Result<(T, String)>) -> Option<T> {
        let seconds = began.elapsed().as_secs_f64();
        match done {
            Ok((value, detail)) => {
                self.report.timed(name, CheckState::Passed, detail, seconds);
                Some(value)
            }
            Err(error) => {
                let told = error.report();
                let why = told.cause.unwrap_or_default();
                let lines = lines_of(&error).last().cloned().unwrap_or_default();
                let detail = [told.message, why, lines];
                let detail: Vec<String> =
                    detail.into_iter().filter(|one| !one.is_empty()).collect();
                self.report.timed(name, CheckState::Failed, detail.join(": "), seconds);
                None
            }
        }
    }

    async fn all(&mut self, dir: &Path, events: Events<'_>) {
        let began = Instant::now();
        let options = GoOptions {
            timeout: self.options.timeout,
            by: self.options.by.clone(),
            snapshot: false,
            ..GoOptions::default()
        };
        let went = go::go(self.target, dir, &options, events).await;
        let went = went
            .map(|done| ((), format!("{} steps, {} cached", done.build_steps, done.cached_steps)));
        if self.note("builds, starts, is ready", began, went).is_none() {
            return;
        }
        let Some(wires) = self.wires().await else { return };
        for wire in &wires {
            self.over(wire).await;
        }
        self.granted_again(&wires, events).await;
        for wire in wires.iter().filter(|wire| wire.rotates()) {
            self.rotated(wire, events).await;
        }
        self.stopped(&wires, events).await;
        self.backed_up(&wires, events).await;
    }

    /// The consumer's wires.
    async fn wires(&mut self) -> Option<Vec<Wire>> {
        let began = Instant::now();
        let found = async {
            let live = live::list(self.target, &self.app).await?;
            let release = release::read(&live).ok_or_else(|| Error::Absent(self.app.clone()))?;
            Ok((load::of_release(&release)?.graph.wires, String::new()))
        };
        let found: Result<(Vec<Wire>, String)> = found.await;
        let wires = match found {
            Ok((wires, _)) => wires,
            Err(error) => return self.note("wires", began, Err(error)),
        };
        Some(wires.into_iter().filter(|wire| wire.consumer == CONSUMER).collect())
    }

    /// Runs a command in a block of an app; what it wrote.
    async fn exec(&self, app: &str, block: &'static str, command: Vec<String>) -> Result<Vec<u8>> {
        let place = data::running(self.target, app, block).await?;
        let target = self.target.clone();
        let running = tokio::task::spawn_blocking(move || {
            let mut out = Vec::new();
            let program = Program { block, verb: "test", command, fine: &[] };
            data::run(&target, &place, &program, None, &mut out).map(|()| out)
        });
        running.await.map_err(|source| Error::Task { what: "a trial".into(), source })?
    }

    /// The values that the consumer of a wire was given.
    async fn values(&self, app: &str, wire: &Wire) -> Result<Values> {
        let script = format!(
            "cd /bindings/{} && for f in *; do printf 'WIRE_%s=%s\\0' \"$(echo $f | tr a-z- A-Z_)\" \"$(cat $f)\"; done",
            wire.binding
        );
        let out = self.exec(app, CONSUMER, words(&["bash", "-c", &script])).await?;
        let text = String::from_utf8_lossy(&out).into_owned();
        let pair = |line: &str| {
            line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        Ok(text.split('\0').filter_map(pair).collect())
    }

    /// The wire carries something: its port answers the consumer, or its folder keeps a file.
    async fn over(&mut self, wire: &Wire) {
        let began = Instant::now();
        let name = format!("{} answers its consumer", wire.offer.name);
        let tried = async {
            let values = self.values(&self.app, wire).await?;
            let script = match (values.get("WIRE_HOST"), values.get("WIRE_PATH")) {
                (Some(host), _) => {
                    let port = values.get("WIRE_PORT").cloned().unwrap_or_default();
                    format!("exec 3<>/dev/tcp/{host}/{port}")
                }
                (None, Some(path)) => format!(
                    "echo there > {path}/{MARK} && grep -q there {path}/{MARK} && rm {path}/{MARK}"
                ),
                (None, None) => return Ok(((), "delivers no place to connect to".to_owned())),
            };
            self.exec(&self.app, CONSUMER, words(&["bash", "-c", &script])).await?;
            Ok(((), format!("{} values", values.len())))
        };
        let tried: Result<((), String)> = tried.await;
        self.note(&name, began, tried);
        self.probed(wire).await;
    }

    /// The probe says yes to the wire's login, and no to a wrong one.
    async fn probed(&mut self, wire: &Wire) {
        let name = format!("{} is probed", wire.offer.name);
        if wire.offer.probe.is_none() {
            self.report.add(name, CheckState::None, "no probe");
            return;
        }
        let began = Instant::now();
        let tried = async {
            let values = self.values(&self.app, wire).await?;
            self.probe(&self.app, wire, &values).await?;
            if wire.offer.grant.is_none() {
                return Ok(((), "no login to get wrong".to_owned()));
            }
            let mut wrong = values.clone();
            for field in wire.fields.iter().filter(|field| field.secret) {
                let name = upper(&field.name);
                // Derived fields hold the password as well.
                let stale = values.get(&name).cloned().unwrap_or_default();
                wrong.insert(
                    name,
                    stale.chars().rev().map(|c| if c == 'a' { 'b' } else { 'a' }).collect(),
                );
            }
            match self.probe(&self.app, wire, &wrong).await {
                Err(Error::Program { .. }) => {
                    Ok(((), "and a wrong password is noticed".to_owned()))
                }
                Err(other) => Err(other),
                Ok(()) => Err(unfit("the probe is content with a wrong password")),
            }
        };
        let tried: Result<((), String)> = tried.await;
        self.note(&name, began, tried);
    }

    /// Runs a wire's probe beside the server, as its consumers' copies do before they start.
    async fn probe(&self, app: &str, wire: &Wire, values: &Values) -> Result<()> {
        let Some(probe) = &wire.offer.probe else { return Ok(()) };
        let mut command = words(&["env"]);
        command.extend(values.iter().map(|(name, value)| format!("{name}={value}")));
        // From its own pod the server is at home; the network was tried from the consumer.
        command.push("WIRE_HOST=127.0.0.1".into());
        if let Some(probe) = &wire.probe {
            command.push(format!("WIRE_PROBE={probe}"));
        }
        command.push(format!("/module/{probe}"));
        self.exec(app, MODULE, command).await.map(|_| ())
    }

    /// Grants run a second time and change nothing.
    async fn granted_again(&mut self, wires: &[Wire], events: Events<'_>) {
        let granted: Vec<&Wire> = wires.iter().filter(|wire| wire.offer.grant.is_some()).collect();
        if granted.is_empty() {
            self.report.add("grants twice", CheckState::None, "no logins");
            return;
        }
        let began = Instant::now();
        let tried = async {
            let live = live::list(self.target, &self.app).await?;
            let release = release::read(&live).ok_or_else(|| Error::Absent(self.app.clone()))?;
            let loaded = load::of_release(&release)?;
            let built = images::Built {
                images: back::still_there(self.target, &release),
                ..Default::default()
            };
            let settled = Settled {
                renewed: granted.iter().map(|wire| wire.secret_name()).collect(),
                record: false,
                ..Settled::new(&loaded, built, release.sources.clone())
            };
            let options = GoOptions {
                snapshot: false,
                timeout: self.options.timeout,
                ..GoOptions::default()
            };
            go::settle(self.target, settled, &options, &Clock::start(), events).await?;
            for wire in &granted {
                let values = self.values(&self.app, wire).await?;
                self.probe(&self.app, wire, &values).await?;
            }
            Ok(((), "the login still works".to_owned()))
        };
        let tried: Result<((), String)> = tried.await;
        self.note("grants twice", began, tried);
    }

    /// A second login is made, the first one taken away.
    async fn rotated(&mut self, wire: &Wire, events: Events<'_>) {
        let began = Instant::now();
        let tried = async {
            let old = self.values(&self.app, wire).await?;
            rotate::rotate(self.target, &self.app, &wire.end(), &self.options.by, events).await?;
            let new = self.values(&self.app, wire).await?;
            self.probe(&self.app, wire, &new).await?;
            if old == new {
                return Err(unfit("the consumer has its old login"));
            }
            if wire.offer.probe.is_none() {
                return Ok(((), "new login; no probe to try the old one with".to_owned()));
            }
            match self.probe(&self.app, wire, &old).await {
                Err(Error::Program { .. }) => {
                    Ok(((), "new login works, old one is revoked".to_owned()))
                }
                Err(other) => Err(other),
                Ok(()) => Err(unfit("the revoked login still works")),
            }
        };
        let tried: Result<((), String)> = tried.await;
        self.note(&format!("{} is rotated", wire.offer.name), began, tried);
    }

    /// Logins and disks outlive a stop.
    async fn stopped(&mut self, wires: &[Wire], events: Events<'_>) {
        // A module that is only a disk has nobody to ask.
        if self.module.build.is_none() {
            self.report.add("outlives a stop", CheckState::None, "only a disk");
            return;
        }
        let began = Instant::now();
        let mounts = self.module.mounts();
        let on_disks = |script: &str| {
            let all: Vec<String> =
                mounts.iter().map(|at| script.replace("AT", &format!("{at}/{MARK}"))).collect();
            words(&["/bin/sh", "-ec", &all.join("\n")])
        };
        let tried = async {
            self.exec(&self.app, MODULE, on_disks("echo kept > AT")).await?;
            scale::stop(self.target, &self.app, events).await?;
            scale::start(self.target, &self.app, events).await?;
            self.exec(&self.app, MODULE, on_disks("test \"$(cat AT)\" = kept; rm AT")).await?;
            for wire in wires.iter().filter(|wire| wire.offer.probe.is_some()) {
                let values = self.values(&self.app, wire).await?;
                self.probe(&self.app, wire, &values).await?;
            }
            Ok(((), format!("{} disks and {} logins are as they were", mounts.len(), wires.len())))
        };
        let tried: Result<((), String)> = tried.await;
        self.note("outlives a stop", began, tried);
    }

    /// A backup makes a second app of it, whose wires work.
    async fn backed_up(&mut self, wires: &[Wire], events: Events<'_>) {
        let says = |key: &str| self.module.data.iter().any(|(name, _)| name == key);
        if !says("backup") {
            self.report.add("backup and restore", CheckState::None, "declares none");
            return;
        }
        let began = Instant::now();
        let into = format!("{}-b", self.app);
        let tried = async {
            let backup =
                data::backup(self.target, &self.app, &BackupOptions::default(), events).await?;
            let bytes =
                backup.parts.iter().find(|(block, _)| block == MODULE).map(|(_, bytes)| *bytes);
            let Some(bytes) = bytes.filter(|bytes| *bytes > 0) else {
                return Err(unfit("the backup holds nothing of it"));
            };
            let from = From::Kept(self.app.clone(), backup.name);
            let options = RestoreOptions {
                into: Some(into.clone()),
                by: self.options.by.clone(),
                ..RestoreOptions::default()
            };
            data::restore(self.target, &from, &options, events).await?;
            for wire in wires.iter().filter(|wire| wire.offer.probe.is_some()) {
                let values = self.values(&into, wire).await?;
                self.probe(&into, wire, &values).await?;
            }
            Ok(((), format!("{bytes} bytes, and its wires work in a new app")))
        };
        let tried: Result<((), String)> = tried.await;
        self.note("backup and restore", began, tried);
    }
}

fn unfit(message: &str) -> Error {
    Error::Unfit { code: "module/trial", message: message.to_owned() }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn upper(field: &str) -> String {
    format!("WIRE_{}", field.to_uppercase().replace('-', "_"))
}

/// What was printed last before it failed.
fn lines_of(error: &Error) -> &[String] {
    match error {
        Error::Build { lines, .. }
        | Error::Start { lines, .. }
        | Error::Step { lines, .. }
        | Error::Grant { lines, .. }
        | Error::Timeout { lines, .. }
        | Error::Program { lines, .. } => lines,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stock;

    #[test]
    fn every_stock_module_has_an_app_to_be_tried_in() {
        let shelf = stock::catalogue().unwrap();
        for module in shelf.modules() {
            let text = app_text("trial-x", module, &shelf).unwrap();
            let mut app = composer::App::parse("app.toml", &text)
                .map_err(|wrong| composer::render(&wrong))
                .unwrap();
            let mut shelf = shelf.clone();
            let folder = stock::folder(&module.name, &module.version);
            let file = stock::file(&folder, "module.toml").unwrap();
            shelf.add_local("./it", std::str::from_utf8(file).unwrap()).unwrap();
            app.give_file("", "");
            let graph =
                composer::check(&app, &shelf).map_err(|wrong| composer::render(&wrong)).unwrap();
            let used = graph.wires.iter().filter(|wire| wire.provider == MODULE).count();
            assert_eq!(used, module.card().offers.len(), "{text}");
        }
    }
}
