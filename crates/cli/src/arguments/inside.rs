//! Options of what reaches into a block: `shelf shell`, `forward`, `connect`.

use clap::Args;

/// Options of `shelf shell`.
#[derive(Debug, Args)]
pub(crate) struct Shell {
    /// The block, or block/pod for one copy
    pub(crate) block: String,
}

/// Options of `shelf forward`.
#[derive(Debug, Args)]
pub(crate) struct Forward {
    /// The block, with the port if it has several: web, web:8080
    pub(crate) block: String,
    /// The port here [default: the same, or any that is free]
    pub(crate) local: Option<u16>,
}

/// Options of `shelf connect`.
#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// The wire (web.db), or the block it leads to if that has one wire
    pub(crate) wire: String,
    /// What the client gets, after --
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
}
