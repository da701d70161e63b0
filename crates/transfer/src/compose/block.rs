//! One block made from its service: where it comes from, what it runs, where it listens. Where
//! next: `disk.rs` and `rest.rs`, for what else a service says.

use super::known::{self, Known};
use super::place::Place;
use super::service::{self, Service};
use super::work::Work;
use crate::draft::{self, Block};
use crate::ledger::Verdict;
use crate::words;
use crate::yaml::Node;

impl Work<'_> {
    /// Makes the blocks, then the processes and steps that go into them.
    pub(super) fn make_blocks(&mut self) {
        for index in 0..self.services.len() {
            match self.places[index].clone() {
                Place::Module(block) => self.module(index, &block),
                Place::Block(block) => self.own(index, &block),
                _ => {}
            }
        }
        for index in 0..self.services.len() {
            match self.places[index].clone() {
                Place::Process(block, process) => self.process(index, &block, &process),
                Place::Step(block, step) => self.step(index, &block, &step),
                _ => {}
            }
        }
    }

    /// A block from the shelf.
    fn module(&mut self, index: usize, block: &str) {
        let service = &self.services[index];
        let (Some(known), Some(image)) = (service.known, service.image.clone()) else { return };
        let node = service.node.clone();
        let (used, doubt) = self.version(known, &image);
        let mut made = Block { name: block.to_owned(), from: ("use", used), ..Block::default() };
        let at = format!("{block}.use");
        let verdict = match doubt {
            None => Verdict::mapped(at),
            Some(why) => Verdict::guessed(at, why),
        };
        if let Some(image) = node.get("image") {
            self.ledger.say(image, &verdict);
        }
        if let Some(build) = node.get("build") {
            self.ledger.say(build, &Verdict::so_anyway("the module is built here as well"));
        }
        self.module_environment(index, known, block);
        self.module_command(&node, known, &mut made);
        let own = Verdict::so_anyway(format!("{} says itself when it is ready", known.module));
        if let Some(check) = node.get("healthcheck") {
            self.ledger.say(check, &own);
        }
        for port in &self.services[index].ports {
            let next =
                format!("shelf kubectl -- -n APP port-forward service/{block} {}", port.inside);
            let why = "only blocks that are wired to it reach its ports";
            self.ledger.say_of(port.id, Verdict::not(why).next(next));
        }
        self.draft.blocks.push(made);
    }

    /// The module's version that an image asks for, or the one nearest to it.
    fn version(&self, known: &Known, image: &str) -> (String, Option<String>) {
        let (last, tag) = known::parts(image);
        let tag = tag.trim_start_matches('v');
        let digits = tag.find(|c: char| !c.is_ascii_digit()).unwrap_or(tag.len());
        let major = &tag[..digits];
        let Some(newest) = self.catalogue.module(known.module) else {
            return (known.module.to_owned(), None);
        };
        let majors = |version: &str| version.split('.').next().unwrap_or_default().to_owned();
        let whole = format!("{}@{}", known.module, majors(&newest.version));
        if !known.versioned {
            let other = (last != known.module)
                .then(|| format!("{} takes the place of {last}", newest.summary));
            return (whole, other);
        }
        if major.is_empty() {
            return (
                whole,
                Some(format!("the image names no version; the shelf has {}", newest.version)),
            );
        }
        if let Some(found) = self.catalogue.module_version(known.module, major) {
            let doubt = (last != known.module)
                .then(|| format!("{} takes the place of {last}", found.summary));
            return (format!("{}@{major}", known.module), doubt);
        }
        let wanted: u64 = major.parse().unwrap_or(0);
        let number = |version: &str| majors(version).parse::<u64>().unwrap_or(0);
        let all = self.catalogue.modules().filter(|one| one.name == known.module);
        let above = all.filter(|one| number(&one.version) >= wanted);
        let found = above.min_by_key(|one| number(&one.version)).unwrap_or(newest);
        let doubt = format!("the file asks for {major}, the shelf has {}", found.version);
        (format!("{}@{}", known.module, majors(&found.version)), Some(doubt))
    }

    fn module_environment(&mut self, index: usize, known: &Known, block: &str) {
        for one in self.services[index].env.clone() {
            let verdict = match known.is_login(&one.name) {
                true => {
                    Verdict::so_anyway("each wire has a login, a password and a name of its own")
                }
                false => Verdict::not(format!("{} is set up by its settings", known.module)).next(
                    format!(
                        "shelf show {} lists them; then:  shelf set {block} NAME=VALUE",
                        known.module
                    ),
                ),
            };
            self.ledger.say_of(one.id, verdict);
        }
    }

    /// Options of a server that are settings of its module.
    fn module_command(&mut self, node: &Node, known: &Known, made: &mut Block) {
        let Some(command) = node.get("command") else { return };
        let words = service::command(command).unwrap_or_default();
        let mut left = Vec::new();
        let mut all = words.iter().map(String::as_str).peekable();
        while let Some(word) = all.next() {
            let option = word.trim_start_matches('-');
            let (name, own) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (option, None),
            };
            let setting = match (known.module, name) {
                ("redis", "appendonly") => "keep",
                ("redis", "maxmemory-policy") => "when_full",
                ("redis", "requirepass") => "",
                ("postgres" | "mariadb", "max_connections" | "max-connections") => {
                    "max_connections"
                }
                _ if word == known.module || option == "c" || word.ends_with("-server") => continue,
                _ => {
                    left.push(word.to_owned());
                    continue;
                }
            };
            let value = match own {
                Some(value) => value.to_owned(),
                None => all.next_if(|next| !next.starts_with("--")).unwrap_or_default().to_owned(),
            };
            let value = match (setting, value.as_str()) {
                ("", _) => continue,
                ("keep", "yes") => "\"everysec\"".to_owned(),
                ("keep", _) => "\"no\"".to_owned(),
                (_, number) if number.parse::<u32>().is_ok() => number.to_owned(),
                (_, text) => draft::string(text),
            };
            made.set.push((setting.to_owned(), value));
        }
        let verdict = match (left.is_empty(), made.set.first()) {
            (true, None) => Verdict::so_anyway("the module starts itself"),
            (true, Some((setting, _))) => Verdict::mapped(format!("{}.set.{setting}", made.name)),
            (false, _) => {
                Verdict::not(format!("{} has no setting for {}", known.module, left.join(" ")))
                    .next(format!("shelf show {}", known.module))
            }
        };
        self.ledger.say(command, &verdict);
        if let Some(entrypoint) = node.get("entrypoint") {
            self.ledger.say(entrypoint, &Verdict::not("the module starts itself"));
        }
    }

    /// A block of one's own: a folder that is built, or an image.
    fn own(&mut self, index: usize, block: &str) {
        let service = &self.services[index];
        let node = service.node.clone();
        // A service may run the image that another one builds.
        let builder = match (&service.build, &service.image) {
            (None, Some(image)) => self.builder(image).unwrap_or(index),
            _ => index,
        };
        let from = match (&self.services[builder].build, &service.image) {
            (Some(build), _) => ("source", build.context.clone()),
            (None, Some(image)) => ("image", image.clone()),
            (None, None) => return,
        };
        let made = Block { name: block.to_owned(), from, ..Block::default() };
        self.draft.blocks.push(made);
        self.take_build(builder, block);
        self.say_origin(index, block);
        self.command(&node, index, block, block);
        self.schedule(&node, block, block);
        self.listens_at(index, block);
    }

    /// The service that builds an image.
    fn builder(&self, image: &str) -> Option<usize> {
        let builds = |one: &Service| one.build.is_some() && one.image.as_deref() == Some(image);
        self.services.iter().position(builds)
    }

    fn say_origin(&mut self, index: usize, block: &str) {
        let node = self.services[index].node.clone();
        let source = self.services[index].build.is_some();
        if let Some(image) = node.get("image") {
            let verdict = match source {
                true => {
                    Verdict::so_anyway("images that are built are named by the app and the block")
                }
                false => match self.draft.block(block).map(|made| made.from.0) {
                    Some("source") => Verdict::mapped(format!("{block}.source")),
                    _ => Verdict::mapped(format!("{block}.image")),
                },
            };
            self.ledger.say(image, &verdict);
        }
        let Some(build) = node.get("build") else { return };
        let context = self.services[index].build.as_ref().map_or(".", |one| one.context.as_str());
        let outside =
            context.starts_with(['/', '~']) || context.starts_with("..") || context.contains("://");
        let at = format!("{block}.source");
        let verdict = match outside {
            false => Verdict::mapped(&at),
            true => {
                let why = format!("{context} is not inside the app's folder");
                let next = format!("put what is in {context} into ./{block}");
                if let Some(made) = self.draft.block(block) {
                    made.from.1 = format!("./{block}");
                }
                Verdict::guessed(&at, why).next(next)
            }
        };
        self.say_build(build, block, &verdict);
    }

    /// The words a process runs, into the app and into the account.
    fn command(&mut self, node: &Node, index: usize, block: &str, process: &str) {
        let Some((run, doubt)) = self.words(node, index) else { return };
        let at = format!("{block}.run.{process}.run");
        if let Some(made) = self.draft.block(block) {
            made.process(process).run = Some(run);
        }
        self.say_command(node, &at, doubt.as_deref());
    }

    fn say_command(&mut self, node: &Node, at: &str, doubt: Option<&str>) {
        let verdict = match doubt {
            None => Verdict::mapped(at),
            Some(why) => Verdict::guessed(at, why).next("see that the program starts as it did"),
        };
        for key in ["command", "entrypoint", "working_dir"] {
            if let Some(value) = node.get(key) {
                self.ledger.say(value, &verdict);
            }
        }
    }

    /// What a service runs, and what may be wrong with it; none if the image says it.
    fn words(&self, node: &Node, index: usize) -> Option<(String, Option<String>)> {
        let own = node.get("command").and_then(service::command);
        let entry = node.get("entrypoint").and_then(service::command);
        let folder = node.get("working_dir").and_then(Node::text);
        let (all, mut doubt) = match (entry, own) {
            (Some(mut entry), own) => {
                entry.extend(own.unwrap_or_default());
                (entry, None)
            }
            (None, Some(own)) => match self.dockerfile(&self.services[index]).map(entrypoint) {
                Some(Some(mut entry)) => {
                    entry.extend(own);
                    (entry, Some("the image's own entrypoint stands before it".to_owned()))
                }
                Some(None) => (own, None),
                None => (
                    own,
                    Some("if the image has an entrypoint, it must stand before it".to_owned()),
                ),
            },
            (None, None) => return None,
        };
        let run = words::join(&all);
        let run = match folder {
            None => run,
            Some(folder) => {
                doubt = doubt.or(Some(format!("it changes to {folder} by a shell")));
                let line = format!("cd {} && exec {}", words::join(&[folder.to_owned()]), run);
                let line = line.replace("{{", "{").replace("}}", "}");
                words::join(&["sh".to_owned(), "-c".to_owned(), line])
            }
        };
        Some((run, doubt))
    }

    /// Where a block listens: a process with a port, or an offer that is not HTTP.
    fn listens_at(&mut self, index: usize, block: &str) {
        let Some(listen) = self.listens[index] else { return };
        let at = match listen.http {
            true => format!("{block}.run.{block}.port"),
            false => format!("{block}.provides.{block}.port"),
        };
        let Some(made) = self.draft.block(block) else { return };
        match listen.http {
            true => made.process(block).port = Some(listen.port),
            false => made.provides.push((block.to_owned(), "tcp/1".to_owned(), listen.port)),
        }
        if !listen.said {
            let why = format!(
                "{block}: the file does not say its port; {} is what others or its Dockerfile name",
                listen.port
            );
            self.ledger.notes.push(why);
        }
        for port in &self.services[index].ports {
            let own = port.inside == listen.port && !port.udp;
            let verdict = match (own, port.udp) {
                (true, _) => Verdict::mapped(&at),
                (_, true) => Verdict::not("datagrams (UDP) are not led to blocks"),
                _ if port.inside == 443 => Verdict::so_anyway("TLS is the front door's"),
                _ => Verdict::not("a process has one port").next(format!(
                    "if other blocks need it, in [{block}]:  provides = {{ NAME = {{ type = \"tcp/1\", port = {} }} }}",
                    port.inside
                )),
            };
            // The one that people see is spoken for by `front.rs`.
            if !(own && port.published) {
                self.ledger.say_of(port.id, verdict);
            }
        }
    }

    /// A further process of a block.
    fn process(&mut self, index: usize, block: &str, process: &str) {
        let node = self.services[index].node.clone();
        self.say_origin(index, block);
        if let Some(made) = self.draft.block(block) {
            made.process(block);
            made.process(process);
        }
        self.command(&node, index, block, process);
        self.schedule(&node, block, process);
    }

    /// A schedule, which only manifests have.
    fn schedule(&mut self, node: &Node, block: &str, process: &str) {
        let Some(every) = node.get("shelf.every") else { return };
        if let Some(made) = self.draft.block(block) {
            made.process(process).every = every.text().map(str::to_owned);
        }
        self.ledger.say(every, &Verdict::mapped(format!("{block}.run.{process}.every")));
    }

    /// A step before the copies of a block start.
    fn step(&mut self, index: usize, block: &str, step: &str) {
        let node = self.services[index].node.clone();
        self.say_origin(index, block);
        let Some((run, doubt)) = self.words(&node, index) else { return };
        if let Some(made) = self.draft.block(block) {
            made.before.push((step.to_owned(), run, Vec::new()));
        }
        self.say_command(&node, &format!("{block}.before.{step}"), doubt.as_deref());
        if let Some(restart) = node.get("restart") {
            self.ledger.say(
                restart,
                &Verdict::so_anyway("a step runs once, and again only if it changed"),
            );
        }
    }
}

/// The entrypoint of a Dockerfile's last stage.
fn entrypoint(text: &str) -> Option<Vec<String>> {
    let mut found = None;
    for line in text.replace("\\\n", " ").lines() {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match word.to_ascii_uppercase().as_str() {
            "FROM" => found = None,
            "ENTRYPOINT" => {
                found = serde_json::from_str(rest.trim()).ok().or_else(|| {
                    Some(vec!["sh".to_owned(), "-c".to_owned(), rest.trim().to_owned()])
                });
            }
            _ => {}
        }
    }
    found.filter(|words| !words.is_empty())
}
