//! The tree of fields of a kind.

/// One node of the tree.
pub struct Schema {}
