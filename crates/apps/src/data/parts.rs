//! Which blocks of an app hold data, and how each says and takes it. Where next: `backup.rs`.

use std::collections::BTreeSet;

use composer::Graph;
use composer::graph::{From, Part};

use super::archive::LeftOut;

/// A block that holds data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) block: String,
    /// `name version` of its module; empty for one built from source.
    pub(super) module: String,
    pub(super) way: Way,
    /// Its server stops while it says its data.
    pub(super) pauses: bool,
}

/// How its data is said and taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// By programs of its module, in the running block.
    Program { backup: String, restore: String },
    /// As files: the disk's name and its claim.
    Files(Vec<(String, String)>),
}

/// The blocks that hold data, and those that do but cannot say it.
pub(super) fn holders(graph: &Graph) -> (Vec<Holder>, Vec<LeftOut>) {
    let (mut holders, mut left_out) = (Vec::new(), Vec::new());
    for part in &graph.blocks {
        let mut holder = |module: String, way| {
            let (block, pauses) = (part.name.clone(), part.pauses);
            holders.push(Holder { block, module, way, pauses });
        };
        let (From::Module { name, version, .. } | From::Local { name, version, .. }) = &part.from
        else {
            if !part.disks.is_empty() {
                holder(String::new(), Way::Files(claims(part)));
            }
            continue;
        };
        let module = format!("{name} {version}");
        let says =
            |key: &str| part.data.iter().find(|(known, _)| known == key).map(|(_, v)| v.clone());
        match (says("backup"), says("restore")) {
            (Some(backup), _) if backup == "files" => holder(module, Way::Files(claims(part))),
            (Some(backup), Some(restore)) => holder(module, Way::Program { backup, restore }),
            _ if part.disks.is_empty() => {}
            _ => left_out.push(LeftOut {
                block: part.name.clone(),
                reason: format!("module {name} does not say how its data is backed up"),
            }),
        }
    }
    (holders, left_out)
}

/// The names of the blocks that hold data, of those that must run to say it, and what cannot be
/// said.
pub(crate) fn holders_of(graph: &Graph) -> (Vec<String>, BTreeSet<String>, Vec<LeftOut>) {
    let (holders, left_out) = holders(graph);
    let speaks = |holder: &&Holder| matches!(holder.way, Way::Program { .. });
    let speakers = holders.iter().filter(speaks).map(|holder| holder.block.clone()).collect();
    (holders.into_iter().map(|holder| holder.block).collect(), speakers, left_out)
}

/// The claims of a block's disks.
fn claims(part: &Part) -> Vec<(String, String)> {
    let workload = part.processes.first().map_or(&part.name, |process| &process.workload);
    let claim = |disk: &composer::graph::Disk| match disk.claimed {
        true => part.claim(&disk.name),
        // As a StatefulSet names the claim of its first copy; such a block has one.
        false => format!("{}-{workload}-0", disk.name),
    };
    part.disks.iter().map(|disk| (disk.name.clone(), claim(disk))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;

    #[test]
    fn databases_speak_for_themselves_and_disks_are_files() {
        let text = "app = \"x\"\n[db]\nuse = \"postgres@15\"\n\
                    [web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\n\
                    [web.disk.index]\nat = \"/data\"\nsize = \"1Gi\"\n";
        let graph = load::from_text(std::path::Path::new(""), text.into()).unwrap().graph;
        let (holders, left_out) = holders(&graph);
        assert!(left_out.is_empty(), "{left_out:?}");
        assert!(
            matches!(&holders[0].way, Way::Program { backup, .. } if backup.contains("backup"))
        );
        assert_eq!(holders[0].module, "postgres 15.1.0");
        let claims = vec![("index".to_owned(), "index-web-0".to_owned())];
        assert_eq!(holders[1].way, Way::Files(claims));
    }
}
