//! The throwaway app of a rehearsal, as text: the block with what it needs, and for each block
//! wired to it a stand-in that has the same wires and does nothing but hold them. So every wire is
//! granted and probed as it is in the app, and nobody's code runs twice.

use std::collections::{BTreeMap, BTreeSet};

use composer::Graph;
use composer::graph::Wire;
use toml_edit::{Array, DocumentMut, Item, Table, Value};

use super::Newer;
use crate::release::Release;
use crate::{Error, Result, images};

/// What is rehearsed, and on what.
pub(super) struct Stage {
    /// The app it is a rehearsal of.
    pub(super) of: String,
    /// The throwaway app's name.
    pub(super) app: String,
    /// The block.
    pub(super) block: String,
    /// The version that runs, as the release says it.
    pub(super) from: String,
    /// The version that is tried.
    pub(super) to: String,
    /// The blocks whose data is copied: the block and what it needs.
    pub(super) real: Vec<String>,
    /// The app as it is.
    pub(super) before: String,
    /// The app as it would be, with the files that it names.
    pub(super) after: Release,
    /// Block to image of the app as it is.
    pub(super) images: BTreeMap<String, String>,
    /// The wires that are probed, `block.socket`.
    pub(super) wires: Vec<String>,
}

impl Stage {
    /// Writes the throwaway app for a block of an app.
    pub(super) fn set(
        release: &Release,
        graph: &Graph,
        block: &str,
        newer: &Newer,
    ) -> Result<Self> {
        let real = closure(graph, block);
        let into = |wire: &&Wire| {
            wire.beyond.is_none() && wire.provider == block && !real.contains(&wire.consumer)
        };
        let wires: Vec<&Wire> = graph.wires.iter().filter(into).collect();
        let broken = |error: toml_edit::TomlError| Error::Data {
            code: "upgrade/text",
            message: format!("the app file of the running release cannot be read: {error}"),
            hint: None,
        };
        let written: DocumentMut = release.text.parse().map_err(broken)?;
        let app = format!("rehearsal-{}", graph.app);
        let mut file = DocumentMut::new();
        file["app"] = toml_edit::value(app.as_str());
        for name in &real {
            if let Some(item) = written.get(name) {
                file.insert(name, item.clone());
            }
        }
        let mut images: BTreeMap<String, String> = release
            .images
            .iter()
            .filter(|(name, _)| real.contains(*name))
            .map(|(name, image)| (name.clone(), image.clone()))
            .collect();
        // Any image of these runs a stand-in: it only waits, and what probes is the provider's.
        let holder = images.get(block).or_else(|| images.values().next()).cloned();
        for wire in &wires {
            let needs = written.get(&wire.consumer).and_then(|one| one.get("needs"));
            stand_in(&mut file, wire, needs.and_then(|needs| needs.get(&wire.socket)));
            if let Some(holder) = &holder {
                images.insert(wire.consumer.clone(), holder.clone());
            }
        }
        let before = file.to_string();
        file[block]["use"] = toml_edit::value(newer.written.as_str());
        let from = graph.block(block).map(|part| part.from.to_string()).unwrap_or_default();
        Ok(Self {
            of: graph.app.clone(),
            app,
            block: block.to_owned(),
            from: release.from.get(block).cloned().unwrap_or(from),
            to: newer.version.clone(),
            before,
            after: Release { text: file.to_string(), ..release.clone() },
            images,
            wires: wires
                .iter()
                .filter(|one| one.offer.probe.is_some())
                .map(|one| one.end())
                .collect(),
            real: real.into_iter().collect(),
        })
    }

    /// The name that an image of the throwaway app has, without its digest.
    pub(super) fn image_prefix(&self) -> String {
        let name = images::reference(&self.app, "", "");
        name.trim_end_matches(['@', '/']).to_owned() + "/"
    }
}

/// The block and, transitively, everything of the app that it needs.
fn closure(graph: &Graph, block: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from([block.to_owned()]);
    let mut open = vec![block.to_owned()];
    while let Some(name) = open.pop() {
        for wire in graph.wires_of(&name).filter(|wire| wire.beyond.is_none()) {
            if found.insert(wire.provider.clone()) {
                open.push(wire.provider.clone());
            }
        }
    }
    found
}

/// Adds a wire to the stand-in of its consumer, which is made if it is not there.
fn stand_in(file: &mut DocumentMut, wire: &Wire, written: Option<&Item>) {
    if file.get(&wire.consumer).is_none() {
        let mut table = Table::new();
        table["source"] = toml_edit::value("./stand-in");
        table["needs"] = Item::Table(Table::new());
        table["wire"] = Item::Table(Table::new());
        let mut hold = Table::new();
        hold["run"] = toml_edit::value("sleep infinity");
        let mut run = Table::new();
        run["hold"] = Item::Table(hold);
        table["run"] = Item::Table(run);
        file.insert(&wire.consumer, Item::Table(table));
    }
    let many = if wire.many { "*" } else { "" };
    let plain = || toml_edit::value(format!("{}{many}", wire.offer.interface));
    let block = &mut file[&wire.consumer];
    block["needs"][&wire.socket] = match written {
        // With its limits: that the newer version keeps them is part of the rehearsal.
        Some(Item::Value(value)) => Item::Value(value.clone()),
        Some(Item::Table(table)) => Item::Table(table.clone()),
        _ => plain(),
    };
    block["wire"][&wire.socket] = match wire.many {
        true => {
            let provider: Value = wire.provider.as_str().into();
            Item::Value(Value::Array(Array::from_iter([provider])))
        }
        false => toml_edit::value(wire.provider.as_str()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;
    use std::path::Path;

    #[test]
    fn the_stage_has_the_block_and_stand_ins_with_its_wires_alone() {
        let text = "app = \"shop\"\nurl = \"https://shop.example\"\n\
            [db]\nuse = \"postgres@15\"  # ours\nset = { size = \"2Gi\" }\n\
            [jobs]\nuse = \"rabbitmq@3\"\n\
            [web]\nsource = \"./web\"\n\
            needs = { db = { type = \"postgres/1\", version = \">=14\" }, jobs = \"amqp/1\" }\n\
            before = { migrate = \"bin/migrate\" }\nrun = { web = { port = 8080, path = \"/\" } }\n";
        let graph = load::from_text(Path::new(""), text.to_owned()).unwrap().graph;
        let image = |block: &str| (block.to_owned(), format!("shelf.local/shop/{block}@sha256:1"));
        let release = Release {
            release: "a".into(),
            at: String::new(),
            url: None,
            images: BTreeMap::from([image("db"), image("jobs"), image("web")]),
            sources: BTreeMap::new(),
            from: BTreeMap::new(),
            text: text.to_owned(),
            around: crate::around::Around::default(),
            second: Vec::new(),
            beside: BTreeMap::new(),
        };
        let newer = Newer { version: "17.1.0".into(), written: "postgres@17".into(), major: true };
        let stage = Stage::set(&release, &graph, "db", &newer).unwrap();
        assert_eq!(
            (stage.real.as_slice(), stage.wires.as_slice()),
            (&["db".to_owned()][..], &["web.db".to_owned()][..])
        );
        assert_eq!(stage.images["web"], release.images["db"], "nobody's code runs");
        assert_eq!(stage.image_prefix(), "shelf.local/rehearsal-shop/");
        for (text, version) in [(&stage.before, "15"), (&stage.after.text, "17")] {
            let graph = load::from_text(Path::new(""), text.clone())
                .map_err(|error| error.report().rendered)
                .unwrap()
                .graph;
            let names: Vec<&str> = graph.blocks.iter().map(|one| one.name.as_str()).collect();
            assert_eq!(names, ["db", "web"], "{text}");
            assert_eq!(graph.wires.len(), 1);
            assert_eq!(graph.wires[0].limits.len(), 1, "the limit is tried too");
            assert_eq!(graph.wires[0].offer.fact("version"), Some(version));
            assert!(graph.block("web").unwrap().before.is_empty());
        }
    }
}
