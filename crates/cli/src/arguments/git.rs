//! Options of `shelf git`.

use clap::Args;

/// Options of `shelf git`.
#[derive(Debug, Args)]
pub(crate) struct Git {
    /// The branch that goes live [default: what it was, or main]
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
    /// End every key of the app; nobody can push until another is made
    #[arg(long, conflicts_with = "branch")]
    pub(crate) revoke: bool,
}
