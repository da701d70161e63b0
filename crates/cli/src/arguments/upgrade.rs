//! Options of `shelf upgrade`.

use clap::Args;

/// Options of `shelf upgrade`.
#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    /// The block to upgrade [default: list what is newer]
    pub(crate) block: Option<String>,
    /// The version, or its first numbers [default: the newest]
    #[arg(long, value_name = "VERSION", requires = "block")]
    pub(crate) to: Option<String>,
    /// Rehearse on a copy of the data and change nothing; without a block, each that has newer
    #[arg(long, alias = "dry-run")]
    pub(crate) check: bool,
    /// Do not ask, even if the block is patched
    #[arg(long, short)]
    pub(crate) yes: bool,
}
