//! What else a service says: copies, limits, users, health; and what has no counterpart here, each
//! with its reason.

use super::place::Place;
use super::work::Work;
use crate::draft;
use crate::ledger::Verdict;
use crate::yaml::Node;

/// Keys without a counterpart: why, and what to do. An empty way out means that nothing is lost.
const NOTHING: [(&str, &str, &str); 40] = [
    ("networks", "wires say who reaches whom", ""),
    ("container_name", "copies are named by their block", ""),
    ("hostname", "blocks are reached by their own names", ""),
    ("restart", "what ends is started again, always", ""),
    ("init", "the engine reaps processes that nobody waits for", ""),
    ("logging", "the engine keeps the output of every copy:  shelf logs", ""),
    ("tty", "shelf exec gives a terminal when asked", ""),
    ("stdin_open", "shelf exec gives an input when asked", ""),
    ("pull_policy", "an image is fetched when it is not there", ""),
    ("platform", "images are taken for this machine", ""),
    (
        "links",
        "wires take the place of links",
        "give the block a need:  shelf need BLOCK.SOCKET INTERFACE",
    ),
    (
        "external_links",
        "wires take the place of links",
        "use = \"external:…\" for a service that exists already",
    ),
    ("extra_hosts", "names of hosts are those of DNS", "give the address by the environment"),
    ("dns", "names are resolved by the engine", "let the machine's resolver know them"),
    ("dns_search", "names are resolved by the engine", "write names in full"),
    ("privileged", "nothing runs with all rights", "see whether the program needs them"),
    ("cap_add", "rights of the kernel are not given out", "see whether the program needs them"),
    ("cap_drop", "processes have no rights that they could use outside", ""),
    ("security_opt", "every copy has a user namespace of its own", ""),
    (
        "devices",
        "devices of a machine are not given out",
        "run it beside, and use = \"external:…\"",
    ),
    ("gpus", "devices of a machine are not given out", "run it beside, and use = \"external:…\""),
    (
        "network_mode",
        "every copy has a network of its own",
        "give it a port, and wire others to it",
    ),
    ("pid", "every copy sees its own processes only", ""),
    ("ipc", "every copy has its own memory", ""),
    ("userns_mode", "every copy has a user namespace of its own", ""),
    ("sysctls", "settings of the kernel are the machine's", "set them on the machine"),
    ("ulimits", "limits are the engine's", "see whether the program needs more"),
    (
        "shm_size",
        "the memory shared by processes has the engine's size",
        "see whether the program needs more",
    ),
    ("read_only", "a copy may write to its own layer, which goes with it", ""),
    ("group_add", "a process has one group", "give its disk to its user"),
    ("annotations", "objects have the app's labels", ""),
    ("labels", "nothing here reads this label", ""),
    ("label_file", "nothing here reads labels", ""),
    ("develop", "shelf dev brings every save to the running block", ""),
    ("attach", "shelf logs shows all blocks", ""),
    ("stop_signal", "copies are stopped by SIGTERM", "let the program end on SIGTERM"),
    ("volumes_from", "blocks share folders by wires", "use = \"shared-files@1\", wired to both"),
    ("cgroup_parent", "the engine places its own groups", ""),
    ("runtime", "the engine is the runtime", ""),
    ("oom_score_adj", "the engine sets this", ""),
];

impl Work<'_> {
    /// Speaks for every key of every service that nobody spoke for yet.
    pub(super) fn say_rest(&mut self) {
        for index in 0..self.services.len() {
            let node = self.services[index].node.clone();
            let block = match self.places[index].clone() {
                Place::Left(why, next) => {
                    self.ledger.say(&node, &Verdict::not(why).next(next));
                    continue;
                }
                place => place.block().unwrap_or_default().to_owned(),
            };
            let process = match &self.places[index] {
                Place::Process(_, process) => process.clone(),
                _ => block.clone(),
            };
            self.copies_and_limits(index, &node, &block, &process);
            self.health(index, &node, &block, &process);
            self.user_and_end(index, &node, &block);
            for (key, value) in node.entries() {
                self.without_counterpart(key, value);
            }
        }
        self.say_top();
    }

    fn without_counterpart(&mut self, key: &str, value: &Node) {
        let known = NOTHING.iter().find(|(name, _, _)| *name == key);
        let verdict = match known {
            Some((_, why, "")) => Verdict::so_anyway(*why),
            Some((_, why, next)) => Verdict::not(*why).next(*next),
            None if key.starts_with("x-") => {
                Verdict::so_anyway("Compose itself does nothing with it")
            }
            None if key == "profiles" => Verdict::so_anyway("it was asked for"),
            None if ["environment", "volumes", "ports", "depends_on", "env_file", "expose"]
                .contains(&key)
                && value.leaves().len() == 1
                && value.items().is_empty() =>
            {
                Verdict::so_anyway("it is empty")
            }
            None if key == "working_dir" => Verdict::not("a process starts where its image says")
                .next("say it in the Dockerfile:  WORKDIR"),
            None => return,
        };
        self.ledger.say(value, &verdict);
    }

    fn copies_and_limits(&mut self, index: usize, node: &Node, block: &str, process: &str) {
        let module = matches!(self.places[index], Place::Module(_));
        let deploy = node.get("deploy");
        let replicas = deploy.and_then(|one| one.get("replicas")).or(node.get("scale"));
        if let Some(replicas) = replicas {
            let count = replicas.text().and_then(|text| text.parse::<u16>().ok());
            let verdict = match count.filter(|count| *count <= 1000) {
                Some(1) => Verdict::so_anyway("one copy runs if nothing is said"),
                Some(count) if !module => {
                    if let Some(made) = self.draft.block(block) {
                        made.process(process).copies = Some(count.to_string());
                        for disk in &mut made.disks {
                            disk.shared = true;
                        }
                    }
                    Verdict::mapped(format!("{block}.run.{process}.copies"))
                }
                _ => Verdict::not("a module says itself how many copies it has"),
            };
            self.ledger.say(replicas, &verdict);
        }
        let limits = deploy.and_then(|one| one.get("resources"));
        let limit = |name: &str| limits.and_then(|one| one.get("limits")?.get(name));
        let memory = limit("memory").or(node.get("mem_limit"));
        let cpu = limit("cpus").or(node.get("cpus"));
        for (setting, value) in [("memory", memory), ("cpu", cpu)] {
            let Some(value) = value else { continue };
            let amount = value.text().and_then(|text| match setting {
                "memory" => memory_amount(text),
                _ => text
                    .parse::<f64>()
                    .ok()
                    .filter(|n| (0.001..10_000.0).contains(n))
                    .map(|n| format!("{}m", (n * 1000.0).round())),
            });
            let known = match (module, self.services[index].known) {
                (true, Some(known)) => self.catalogue.module(known.module).is_some_and(|found| {
                    found.card().settings.iter().any(|one| one.name == setting)
                }),
                _ => true,
            };
            let (Some(amount), true, Some(made)) = (amount, known, self.draft.block(block)) else {
                self.ledger.say(value, &Verdict::not(format!("{block} has no setting for it")));
                continue;
            };
            let list = if module { &mut made.set } else { &mut made.settings };
            if !list.iter().any(|(name, _)| name == setting) {
                let amount = if module { draft::string(&amount) } else { amount };
                list.push((setting.to_owned(), amount));
            }
            let table = if module { "set" } else { "settings" };
            self.ledger.say(value, &Verdict::mapped(format!("{block}.{table}.{setting}")));
        }
        if let Some(deploy) = deploy {
            let why = "copies are placed, rolled and started again by the app's own rules";
            self.ledger.say(
                deploy,
                &Verdict::not(why).next("nothing, unless it is about a certain machine"),
            );
        }
        for key in [
            "mem_reservation",
            "memswap_limit",
            "mem_swappiness",
            "cpu_shares",
            "cpu_quota",
            "cpuset",
            "pids_limit",
        ] {
            if let Some(value) = node.get(key) {
                let verdict = Verdict::not("memory and cpu are what a block is given")
                    .next(format!("in [{block}.settings]:  memory, cpu"));
                self.ledger.say(value, &verdict);
            }
        }
    }

    /// A check over HTTP becomes the path that is asked; a command only where no process is named.
    fn health(&mut self, index: usize, node: &Node, block: &str, process: &str) {
        let Some(check) = node.get("healthcheck") else { return };
        // Modules say themselves when they are ready.
        if matches!(self.places[index], Place::Module(_)) {
            return;
        }
        let words: Vec<String> = match check.get("test") {
            Some(test) if test.is_list() => {
                test.items().iter().filter_map(Node::text).map(str::to_owned).collect()
            }
            Some(test) => vec!["CMD-SHELL".to_owned(), test.text().unwrap_or_default().to_owned()],
            None => Vec::new(),
        };
        let text = words.join(" ");
        let port = self.listens[index].filter(|listen| listen.http).map(|listen| listen.port);
        let path = port.and_then(|port| asked_path(&text, port));
        let Some(made) = self.draft.block(block) else { return };
        let verdict = match (path, made.run.is_empty(), words.first().map(String::as_str)) {
            (Some(path), _, _) => {
                made.process(process).ready = Some(path);
                Verdict::mapped(format!("{block}.run.{process}.ready"))
            }
            (None, true, Some("CMD")) => {
                made.check = Some(crate::words::join(&words[1..]));
                Verdict::mapped(format!("{block}.check.ready"))
            }
            (None, true, Some("CMD-SHELL")) => {
                let shell = ["sh".to_owned(), "-c".to_owned(), words[1..].join(" ")];
                made.check = Some(crate::words::join(&shell));
                Verdict::mapped(format!("{block}.check.ready"))
            }
            (None, _, None | Some("NONE")) => {
                Verdict::so_anyway("nothing is asked unless it is said")
            }
            _ => Verdict::not("a process is ready when its port is open, or a path answers")
                .next(format!("if it answers one:  run.{process}.ready = \"/healthz\"")),
        };
        if let Some(test) = check.get("test") {
            self.ledger.say(test, &verdict);
        }
        let why =
            "how often a copy is asked, and how long it may take, is the engine's: every 2 seconds";
        self.ledger.say(check, &Verdict::so_anyway(why));
    }

    fn user_and_end(&mut self, index: usize, node: &Node, block: &str) {
        let module = matches!(self.places[index], Place::Module(_));
        if let Some(user) = node.get("user") {
            let text = user.text().unwrap_or_default();
            let (own, group) = text.split_once(':').unwrap_or((text, text));
            let verdict = match own.parse::<u32>() {
                Ok(number) if !module => {
                    if let Some(made) = self.draft.block(block) {
                        made.user = Some(i64::from(number));
                    }
                    match own == group {
                        true => Verdict::mapped(format!("{block}.user")),
                        false => Verdict::guessed(
                            format!("{block}.user"),
                            "its group has the same number",
                        ),
                    }
                }
                _ if module => Verdict::so_anyway("the module says its user"),
                _ => Verdict::not("a user is a number here")
                    .next(format!("in [{block}]:  user = 1000")),
            };
            self.ledger.say(user, &verdict);
        }
        if let Some(grace) = node.get("stop_grace_period") {
            let seconds = grace.text().and_then(seconds);
            let verdict = match seconds.filter(|_| !module) {
                Some(seconds) => {
                    if let Some(made) = self.draft.block(block) {
                        made.stop_within = Some(seconds);
                    }
                    Verdict::mapped(format!("{block}.stop-within"))
                }
                None => Verdict::so_anyway("the module says how long it takes to end"),
            };
            self.ledger.say(grace, &verdict);
        }
    }

    fn say_top(&mut self) {
        let root = self.root.clone();
        for (key, value) in root.entries() {
            let verdict = match key {
                "version" => Verdict::so_anyway("Compose itself does not read it any more"),
                "name" => Verdict::mapped("app"),
                "networks" => Verdict::so_anyway("wires say who reaches whom"),
                "services" if value.leaves().len() == 1 => continue,
                "include" => Verdict::not("files that are included are apps of their own")
                    .next("import each by itself, or put its services into this file"),
                _ if key.starts_with("x-") => Verdict::so_anyway("what uses it has it"),
                _ => continue,
            };
            self.ledger.say(value, &verdict);
        }
    }
}

/// The path that a check asks of this machine, on this port.
fn asked_path(text: &str, port: u16) -> Option<String> {
    for host in ["localhost", "127.0.0.1", "0.0.0.0", "[::1]"] {
        let Some(at) = text.find(&format!("http://{host}")) else { continue };
        let rest = &text[at + 7 + host.len()..];
        let rest = match rest.strip_prefix(':') {
            Some(rest) => rest.strip_prefix(&port.to_string())?,
            None if port == 80 => rest,
            None => return None,
        };
        let end = rest.find(|c: char| c.is_whitespace() || "'\"|&;)".contains(c));
        let path = &rest[..end.unwrap_or(rest.len())];
        return match path {
            "" => Some("/".to_owned()),
            path => path.starts_with('/').then(|| path.to_owned()),
        };
    }
    None
}

/// `512m`, `1.5gb` as a Kubernetes quantity.
fn memory_amount(text: &str) -> Option<String> {
    let lower = text.trim().to_ascii_lowercase();
    let end = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let number: f64 = lower[..end].parse().ok()?;
    let factor: f64 = match lower[end..].trim_end_matches('b').trim_end_matches('i') {
        "" => 1.0,
        "k" => 1024.0,
        "m" => 1024.0 * 1024.0,
        "g" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let mebibytes = (number * factor / 1024.0 / 1024.0).round();
    (1.0..1e9).contains(&mebibytes).then(|| format!("{mebibytes}Mi"))
}

/// `1m30s` in seconds.
fn seconds(text: &str) -> Option<u64> {
    let mut total = 0u64;
    let mut number = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' => number.push(c),
            'h' | 'm' | 's' => {
                let factor = match c {
                    'h' => 3600,
                    'm' => 60,
                    _ => 1,
                };
                total = total.checked_add(
                    std::mem::take(&mut number).parse::<u64>().ok()?.checked_mul(factor)?,
                )?;
            }
            _ => return None,
        }
    }
    if !number.is_empty() {
        total = total.checked_add(number.parse().ok()?)?;
    }
    (1..=86_400).contains(&total).then_some(total)
}
