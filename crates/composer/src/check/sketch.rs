//! An app as far as it can be known, whatever else may be wrong with it: what each block needs and
//! gives, and how the wires are tied. Edits of a draft stand on it.

use super::{blocks, wires};
use crate::app::{App, Origin};
use crate::catalogue::Catalogue;
use crate::graph::{Offer, Wire};
use crate::shape::{Need, Shape};

/// Blocks and wires of an app that may be unfinished.
pub(crate) struct Sketch<'a> {
    pub(crate) blocks: Vec<Sketched<'a>>,
    pub(crate) wires: Vec<Wire>,
}

/// A block whose module or source could be read.
pub(crate) struct Sketched<'a> {
    pub(crate) name: &'a str,
    pub(crate) is_source: bool,
    pub(crate) shape: &'a Shape,
    pub(crate) offers: Vec<Offer>,
}

/// Reads what can be read; what is wrong is [`super::check`]'s to say.
pub(crate) fn sketch<'a>(app: &'a App, catalogue: &'a Catalogue) -> Sketch<'a> {
    let mut ignored = Vec::new();
    let nodes: Vec<_> = app
        .blocks
        .iter()
        .filter_map(|block| blocks::node(block, catalogue, &mut ignored))
        .collect();
    let wires = wires::tie(app, &nodes, catalogue, false, &mut ignored);
    let sketched = |node: super::Node<'a>| Sketched {
        name: &node.block.name.value,
        is_source: matches!(node.block.from, Origin::Source(_) | Origin::Image(_)),
        shape: node.shape,
        offers: node.offers,
    };
    Sketch { wires, blocks: nodes.into_iter().map(sketched).collect() }
}

impl Sketch<'_> {
    /// The block of this name.
    pub(crate) fn block(&self, name: &str) -> Option<&Sketched<'_>> {
        self.blocks.iter().find(|block| block.name == name)
    }

    fn need(&self, block: &str, socket: &str) -> Option<&Need> {
        self.block(block)?.shape.needs.iter().find(|need| need.socket.value == socket)
    }

    pub(crate) fn has_socket(&self, block: &str, socket: &str) -> bool {
        self.need(block, socket).is_some()
    }

    pub(crate) fn takes_many(&self, block: &str, socket: &str) -> bool {
        self.need(block, socket).is_some_and(|need| need.cardinality.takes_many())
    }

    /// The name of the type of a setting.
    pub(crate) fn setting_kind(&self, block: &str, setting: &str) -> Option<&'static str> {
        let settings = &self.block(block)?.shape.settings;
        settings.iter().find(|one| one.name.value == setting).map(|one| one.kind)
    }

    /// What a socket is tied to, as the file would name it: `db`, or `db.sql` if `db` alone could
    /// mean several offers.
    pub(crate) fn providers(&self, block: &str, socket: &str) -> Vec<String> {
        let own = |wire: &&Wire| wire.consumer == block && wire.socket == socket;
        self.wires.iter().filter(own).map(|wire| self.target(&wire.provider, &wire.offer)).collect()
    }

    fn target(&self, provider: &str, offer: &Offer) -> String {
        let same = |one: &&Offer| one.interface == offer.interface;
        match self.block(provider).map(|block| block.offers.iter().filter(same).count()) {
            Some(2..) => format!("{provider}.{}", offer.name),
            _ => provider.to_owned(),
        }
    }

    /// Whether a target gives the interface that a socket needs.
    pub(crate) fn fits(&self, block: &str, socket: &str, target: &str) -> bool {
        let Some(need) = self.need(block, socket) else { return false };
        let wanted = need.interface.value.to_string();
        let (provider, offer) = match target.split_once('.') {
            Some((provider, offer)) => (provider, Some(offer)),
            None => (target, None),
        };
        self.block(provider).is_some_and(|block| {
            let mut offers = block.offers.iter();
            offers.any(|one| one.interface == wanted && offer.is_none_or(|name| one.name == name))
        })
    }
}
