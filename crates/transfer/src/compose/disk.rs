//! Volumes, files, secrets and configs of services: disks of blocks, folders that several share,
//! and texts the server keeps. Where next: `rest.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::place::Place;
use super::work::Work;
use crate::draft::{Block, Disk};
use crate::ledger::Verdict;
use crate::words;
use crate::yaml::Node;

/// A volume as a service mounts it.
struct Mount {
    service: usize,
    kind: Kind,
    at: String,
    id: Vec<usize>,
}

enum Kind {
    Named(String),
    Bind(String),
    Memory,
    Nameless,
}

/// Where programs keep their own code: a mount there is for developing.
const CODE: [&str; 8] =
    ["/app", "/code", "/src", "/usr/src", "/workspace", "/srv/app", "/var/www/html", "/opt/app"];

impl Work<'_> {
    /// Disks for all blocks.
    pub(super) fn place_disks(&mut self) {
        let mut named: BTreeMap<String, Vec<Mount>> = BTreeMap::new();
        for mount in self.mounts() {
            let Some(block) = self.places[mount.service].block().map(str::to_owned) else {
                continue;
            };
            let module = matches!(self.places[mount.service], Place::Module(_));
            match &mount.kind {
                _ if module => self.module_mount(&mount, &block),
                Kind::Named(volume) => named.entry(volume.clone()).or_default().push(mount),
                Kind::Memory | Kind::Nameless => {
                    let why =
                        "what is written there stays until the copy ends, without being asked for";
                    self.say(&mount, &Verdict::so_anyway(why));
                }
                Kind::Bind(from) => self.bind(&mount, &block, from),
            }
        }
        for (volume, mounts) in named {
            self.named(&volume, &mounts);
        }
        self.say_volumes();
    }

    fn say(&mut self, mount: &Mount, verdict: &Verdict) {
        for id in &mount.id {
            self.ledger.say_of(*id, verdict.clone());
        }
    }

    fn mounts(&mut self) -> Vec<Mount> {
        let mut all = Vec::new();
        for service in 0..self.services.len() {
            let node = self.services[service].node.clone();
            for one in node.get("volumes").map(Node::items).unwrap_or_default() {
                let id = one.leaves().iter().map(|(_, leaf)| leaf.id).collect();
                let read = if one.is_map() { long(one) } else { one.text().and_then(short) };
                match read {
                    Some((kind, at)) => all.push(Mount { service, kind, at, id }),
                    None => {
                        self.ledger.say(one, &Verdict::not("this is no volume that is known here"))
                    }
                }
            }
            for one in node.get("tmpfs").map(Node::items).unwrap_or_default() {
                let at = one.text().unwrap_or_default().to_owned();
                all.push(Mount { service, kind: Kind::Memory, at, id: vec![one.id] });
            }
        }
        all
    }

    fn module_mount(&mut self, mount: &Mount, block: &str) {
        let Some(known) = self.services[mount.service].known else { return };
        let data = known.data.iter().any(|data| mount.at.starts_with(data));
        let verdict = match (data, &mount.kind) {
            (true, _) => Verdict::so_anyway(format!(
                "{block} has a disk of its own; what lies in the old volume does not come along"
            ))
            .next("dump it there, and read the dump in here"),
            (false, Kind::Memory | Kind::Nameless) => {
                Verdict::so_anyway("what is written there stays until the copy ends")
            }
            (false, _) => Verdict::not(format!("{} takes no files at {}", known.module, mount.at))
                .next(format!("shelf show {} lists its settings; SQL that makes tables belongs into a step:  before = {{ NAME = \"command\" }}", known.module)),
        };
        self.say(mount, &verdict);
    }

    fn bind(&mut self, mount: &Mount, block: &str, from: &str) {
        let code =
            CODE.iter().any(|code| mount.at == *code || mount.at.starts_with(&format!("{code}/")));
        if mount.at == "/var/run/docker.sock" || from.ends_with("docker.sock") {
            let why = "the engine is not given to what it runs";
            let next = "shelf docker shows how to reach its Docker socket from outside";
            return self.say(mount, &Verdict::not(why).next(next));
        }
        if let Some(text) = self.files.get(from) {
            let text = text.clone();
            return self.kept_text(mount, block, from, text);
        }
        let local = from.starts_with('.');
        let own = self.services[mount.service].build.is_some();
        if local && (code || from == ".") && own {
            let why = "the code is in the image";
            return self.say(
                mount,
                &Verdict::not(why).next("shelf dev brings every save to the running block"),
            );
        }
        let file = mount.at.rsplit('/').next().is_some_and(|last| last.contains('.'));
        if !local || file || mount.at.starts_with("/etc") || self.is_read_only(mount) {
            let why = format!("{from} is a place of one machine, and blocks run on any");
            let next =
                format!("copy it into the image at {}, with a Dockerfile of your own", mount.at);
            return self.say(mount, &Verdict::not(why).next(next));
        }
        let name = words::name(from);
        let why = format!("a disk takes the place of {from}; what lies there does not come along");
        self.disk(mount, block, &name, Some(&why));
    }

    fn is_read_only(&self, mount: &Mount) -> bool {
        let node = &self.services[mount.service].node;
        let items = node.get("volumes").map(Node::items).unwrap_or_default();
        items.iter().any(|one| {
            let ours = one.leaves().iter().any(|(_, leaf)| mount.id.contains(&leaf.id));
            let short =
                one.text().is_some_and(|text| text.ends_with(":ro") || text.ends_with(":ro,z"));
            ours && (short || one.get("read_only").is_some_and(Node::is_true))
        })
    }

    /// A file that is mounted: its text is kept by the server and put in its place.
    fn kept_text(&mut self, mount: &Mount, block: &str, from: &str, text: String) {
        let name = words::name(from);
        self.give(block, &name, Some(text), Some(mount.at.clone()));
        let why = format!("the server keeps the text of {from}, and puts it there");
        let next =
            format!("after a change of the file:  shelf set {block} --secret {name} < {from}");
        self.say(mount, &Verdict::guessed(format!("{block}.secrets.{name}"), why).next(next));
    }

    /// A disk of one block.
    fn disk(&mut self, mount: &Mount, block: &str, name: &str, doubt: Option<&str>) {
        let name = words::name(name);
        if let Some(made) = self.draft.block(block) {
            let many = made.run.len() > 1;
            if !made.disks.iter().any(|disk| disk.name == name) {
                let (at, size) = (mount.at.clone(), "10Gi".to_owned());
                made.disks.push(Disk { name: name.clone(), at, size, shared: many });
            }
        }
        let why = doubt.unwrap_or("compose names no size: 10Gi");
        self.say(mount, &Verdict::guessed(format!("{block}.disk.{name}"), why));
    }

    /// A named volume: a disk if one block has it, a block of its own if several do.
    fn named(&mut self, volume: &str, mounts: &[Mount]) {
        let blocks: BTreeSet<String> = mounts
            .iter()
            .filter_map(|mount| self.places[mount.service].block().map(str::to_owned))
            .collect();
        let places: BTreeSet<&str> = mounts.iter().map(|mount| mount.at.as_str()).collect();
        if blocks.len() == 1 && places.len() == 1 {
            for (mount, block) in mounts.iter().zip(blocks.iter().cycle()) {
                self.disk(mount, block, volume, None);
            }
            return;
        }
        let mut name = words::name(volume);
        while self.draft.block(&name).is_some() {
            name = words::name(&format!("{}-files", &name[..name.len().min(24)]));
        }
        let from = ("use", "shared-files@1".to_owned());
        self.draft.blocks.push(Block { name: name.clone(), from, ..Block::default() });
        for mount in mounts {
            let Some(block) = self.places[mount.service].block().map(str::to_owned) else {
                continue;
            };
            let at = crate::draft::string(&mount.at);
            let need = format!("{{ type = \"files/1\", access = \"shared\", at = {at} }}");
            let Some(made) = self.draft.block(&block) else { continue };
            if made.needs.iter().any(|(socket, value, _)| *socket == name && *value != need) {
                let why = format!("{block} has it at another place already");
                self.say(mount, &Verdict::not(why).next("use one place for it in all processes"));
                continue;
            }
            made.need_toml(&name, &need, &name);
            let why = "blocks share it through a block of its own";
            self.say(mount, &Verdict::guessed(format!("{block}.needs.{name}"), why));
        }
    }

    /// The tables at the top, and who uses them.
    fn say_volumes(&mut self) {
        let root = self.root.clone();
        for (name, volume) in root.get("volumes").into_iter().flat_map(Node::entries) {
            let verdict = match volume.get("external").is_some_and(Node::is_true) {
                true => Verdict::not("a volume that is there already cannot be taken over")
                    .next(format!("copy what is in {name} to the new disk")),
                false => Verdict::so_anyway("disks are written where they are used"),
            };
            self.ledger.say(volume, &verdict);
        }
        self.texts("secrets", "/run/secrets/");
        self.texts("configs", "/");
    }

    /// Secrets and configs: texts that the server keeps.
    fn texts(&mut self, kind: &str, folder: &str) {
        let root = self.root.clone();
        let table = root.get(kind);
        for index in 0..self.services.len() {
            let Some(block) = self.places[index].block().map(str::to_owned) else { continue };
            let module = matches!(self.places[index], Place::Module(_));
            let node = self.services[index].node.clone();
            for one in node.get(kind).map(Node::items).unwrap_or_default() {
                let source = one.text().or_else(|| one.get("source")?.text()).unwrap_or_default();
                let target = one.get("target").and_then(Node::text).unwrap_or(source);
                if module {
                    self.ledger.say(
                        one,
                        &Verdict::so_anyway(
                            "the module makes what it needs, and each wire has its own login",
                        ),
                    );
                    continue;
                }
                let at = match target.starts_with('/') {
                    true => target.to_owned(),
                    false => format!("{folder}{target}"),
                };
                let written = table.and_then(|table| table.get(source));
                let value = written.and_then(|one| self.text_of(one));
                let name = words::name(source);
                self.give(&block, &name, value, Some(at));
                let why = "the server keeps its text";
                let next = format!("shelf set {block} --secret {name} < FILE");
                let verdict = match kind {
                    "secrets" => Verdict::mapped(format!("{block}.secrets.{name}")).why(why),
                    _ => Verdict::guessed(format!("{block}.secrets.{name}"), why),
                };
                self.ledger.say(one, &verdict.next(next));
            }
        }
        for (_, one) in table.into_iter().flat_map(Node::entries) {
            self.ledger.say(one, &Verdict::so_anyway("it is a secret of the blocks that use it"));
        }
    }

    fn text_of(&self, written: &Node) -> Option<String> {
        let file = written.get("file").and_then(Node::text);
        let text = file.and_then(|file| self.files.get(file)).cloned();
        text.or_else(|| Some(written.get("content")?.text()?.to_owned()))
    }
}

fn short(text: &str) -> Option<(Kind, String)> {
    let mut parts = text.split(':');
    let (first, second) = (parts.next()?, parts.next());
    let Some(at) = second else {
        return first.starts_with('/').then(|| (Kind::Nameless, first.to_owned()));
    };
    let kind = match first.starts_with(['.', '/', '~']) {
        true => Kind::Bind(first.to_owned()),
        false => Kind::Named(first.to_owned()),
    };
    at.starts_with('/').then(|| (kind, at.trim_end_matches('/').to_owned()))
}

fn long(node: &Node) -> Option<(Kind, String)> {
    let at = node.get("target")?.text()?.trim_end_matches('/').to_owned();
    let source = node.get("source").and_then(Node::text).map(str::to_owned);
    let kind = match (node.get("type").and_then(Node::text), source) {
        (Some("tmpfs"), _) => Kind::Memory,
        (Some("bind"), Some(source)) => Kind::Bind(source),
        (_, Some(source)) => Kind::Named(source),
        (_, None) => Kind::Nameless,
    };
    at.starts_with('/').then_some((kind, at))
}
