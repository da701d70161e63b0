//! `app.lock`: which module, from which folder, and which image each block had when the app last
//! came up, so that the same file gives the same app elsewhere.

use std::collections::BTreeMap;

use crate::app::Opened;
use crate::compile::Images;
use crate::diagnostic::Diagnostic;
use crate::graph::{From, Graph};
use crate::read::Reader;

/// The pins of an app, by block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// Block to its pin.
    pub blocks: BTreeMap<String, Pin>,
}

/// What a block is pinned to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pin {
    /// Its module with its exact version, such as `postgres@15.1.0`, if it comes from one.
    pub module: Option<String>,
    /// Where that came from, by digest, if not from the shelf in the program.
    pub from: Option<String>,
    /// The hash of the folder that it is built from.
    pub folder: Option<String>,
    /// Its image by digest.
    pub image: Option<String>,
    /// What an image that somebody else built says of itself.
    pub opened: Opened,
}

/// A pin that is no longer what the app would become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// The block.
    pub block: String,
    /// `module`, `folder`, `image` or `block`.
    pub what: &'static str,
    /// The pin.
    pub locked: String,
    /// What it would be now.
    pub now: String,
}

const HEAD: &str =
    "# Written by shelf: what each block was when the app last came up. Keep it with the app.\n";

impl Lock {
    /// The pins of an app as it is: `folders` holds the hash of what each block is built from.
    pub fn of(graph: &Graph, folders: &BTreeMap<String, String>, images: &Images) -> Self {
        let pin = |part: &crate::graph::Part| {
            let module = match &part.from {
                From::Module { name, version, .. } | From::Local { name, version, .. } => {
                    Some(format!("{name}@{version}"))
                }
                From::External { .. } | From::Source { .. } | From::Image { .. } => None,
            };
            let image = images.get(&part.name).filter(|_| part.from.has_image()).cloned();
            let folder = folders.get(&part.name).cloned();
            let opened = match &part.from {
                From::Image { opened, .. } if image.is_some() => opened.clone(),
                _ => Opened::default(),
            };
            (part.name.clone(), Pin { module, folder, image, opened, from: None })
        };
        Self { blocks: graph.blocks.iter().map(pin).collect() }
    }

    /// The text of `app.lock`; the same lock gives the same text.
    pub fn to_text(&self) -> String {
        let mut text = HEAD.to_owned();
        for (block, pin) in &self.blocks {
            text.push_str(&format!("\n[{block}]\n"));
            let lines = [
                ("module", &pin.module),
                ("from", &pin.from),
                ("folder", &pin.folder),
                ("image", &pin.image),
            ];
            for (key, value) in lines {
                if let Some(value) = value {
                    text.push_str(&format!("{key:6} = \"{value}\"\n"));
                }
            }
            let Opened { ports, volumes } = &pin.opened;
            if !ports.is_empty() {
                text.push_str(&format!("ports  = {ports:?}\n"));
            }
            if !volumes.is_empty() {
                text.push_str(&format!("volumes = {volumes:?}\n"));
            }
        }
        text
    }

    /// Reads `app.lock`. `path` is only used in messages.
    pub fn parse(path: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let reader = Reader::new(path, text);
        let document = reader.document()?;
        let mut blocks = BTreeMap::new();
        for entry in reader.root(&document).entries() {
            let Some(table) = entry.table() else { continue };
            table.only(&["module", "from", "folder", "image", "ports", "volumes"], "a pin");
            let text = |key| table.string(key).map(|text| text.value);
            let json = |key| table.entry(key).map(|entry| entry.json()).unwrap_or_default();
            // What is no list of ports or folders counts as nothing: the image is asked again.
            let opened = Opened {
                ports: serde_json::from_value(json("ports")).unwrap_or_default(),
                volumes: serde_json::from_value(json("volumes")).unwrap_or_default(),
            };
            let (module, folder) = (text("module"), text("folder"));
            let (from, image) = (text("from"), text("image"));
            let pin = Pin { module, from, folder, image, opened };
            if let Some(image) = table.string("image").filter(|one| !is_pinned(&one.value)) {
                reader.refuse(
                    Diagnostic::new("lock/image", &image.span, "an image is pinned by its digest")
                        .side("found", &image.value)
                        .help("write the lock anew", "shelf go"),
                );
            }
            blocks.insert(entry.key.value.clone(), pin);
        }
        reader.finish(Some(Self { blocks }))
    }

    /// What an image that somebody else built is pinned to: its digest, and what it says of itself.
    pub fn image(&self, name: &str) -> Option<(&str, &Opened)> {
        self.blocks.values().find_map(|pin| {
            let digest = pin.image.as_deref()?.strip_prefix(name)?.strip_prefix('@')?;
            Some((digest, &pin.opened))
        })
    }

    /// The pin of a block, if it is one of what the app says now: `redis@7`, `team/redis`.
    pub fn pin(&self, block: &str, used: &str) -> Option<&Pin> {
        let pin = self.blocks.get(block)?;
        let (name, version) = pin.module.as_deref()?.split_once('@')?;
        let (meant, wanted) = used.split_once('@').map_or((used, None), |(a, b)| (a, Some(b)));
        let same = name == meant || name.rsplit('/').next() == Some(meant);
        let keeps = |wanted| crate::version::keeps(version, wanted) == Some(true);
        (same && wanted.is_none_or(keeps)).then_some(pin)
    }

    /// What differs between this lock and `now`, block by block. What `now` does not know, such as
    /// an image that is not built, is not compared.
    pub fn stale(&self, now: &Self) -> Vec<Stale> {
        let mut stale = Vec::new();
        let names: std::collections::BTreeSet<&String> =
            self.blocks.keys().chain(now.blocks.keys()).collect();
        for block in names {
            let mut differs = |what, locked: &str, now: &str| {
                let (locked, now) = (locked.to_owned(), now.to_owned());
                stale.push(Stale { block: block.clone(), what, locked, now });
            };
            match (self.blocks.get(block), now.blocks.get(block)) {
                (Some(locked), Some(now)) => {
                    let pairs = [
                        ("module", &locked.module, &now.module),
                        ("from", &locked.from, &now.from),
                        ("folder", &locked.folder, &now.folder),
                        ("image", &locked.image, &now.image),
                    ];
                    for (what, locked, now) in pairs {
                        if now.is_some() && locked != now {
                            let text = |one: &Option<String>| one.clone().unwrap_or_default();
                            differs(what, &text(locked), &text(now));
                        }
                    }
                }
                (Some(_), None) => differs("block", block, ""),
                (None, _) => differs("block", "", block),
            }
        }
        stale
    }
}

fn is_pinned(image: &str) -> bool {
    image.rsplit_once("@sha256:").is_some_and(|(_, digest)| {
        digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_counts_as_long_as_the_file_means_it() {
        let text = "[db]\nmodule = \"team/redis@7.0.1\"\nfrom = \"r.lan/team/redis@sha256:0\"\n";
        let lock = Lock::parse("app.lock", text).unwrap();
        assert!(lock.to_text().contains("from   = \"r.lan/team/redis@sha256:0\""));
        assert_eq!(Lock::parse("app.lock", &lock.to_text()).unwrap(), lock);
        for used in ["team/redis@7", "team/redis", "redis@7", "redis"] {
            assert!(lock.pin("db", used).is_some(), "{used}");
        }
        for used in ["team/redis@8", "other/redis@7", "redis@8", "team"] {
            assert!(lock.pin("db", used).is_none(), "{used}");
        }
        assert!(lock.pin("web", "redis").is_none());
    }
}
