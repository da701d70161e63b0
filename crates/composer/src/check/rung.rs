//! How far a block is from the stock.

use super::Node;
use crate::app::Origin;
use crate::graph::Rung;

pub(super) fn of(node: &Node<'_>) -> Rung {
    let block = node.block;
    match &block.from {
        Origin::Source(_) | Origin::Image(_) | Origin::Local(_) => Rung::Yours,
        _ if !block.patches.is_empty() => Rung::Patched,
        _ if !block.extend.is_empty() => Rung::Extended,
        _ if !block.set.is_empty() => Rung::Set,
        _ => Rung::AsIs,
    }
}
