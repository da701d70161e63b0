//! What may be typed about catalogues.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What is done with catalogues.
#[derive(Debug, Subcommand)]
pub(crate) enum Catalogue {
    /// Those this server knows, in the order in which modules are looked for
    #[command(visible_alias = "list")]
    Ls,
    /// Keep one, after its index was looked at
    Add(Add),
    /// Forget one; apps keep what they have from it
    #[command(visible_alias = "remove")]
    Rm {
        /// Its name
        name: String,
    },
    /// Take the newest index, of one or of all
    Update {
        /// Its name
        name: Option<String>,
    },
    /// Make the next index from published modules, and sign it
    Publish(Publish),
    /// Add a signature to the index that waits for one
    Sign(Sign),
}

/// Options of `shelf catalogue add`.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// What apps call it: use = "NAME/redis@7"
    pub(crate) name: String,
    /// Its place, such as registry.example.org/team
    pub(crate) prefix: String,
    /// A public key that signs it; may be given several times
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) key: Vec<PathBuf>,
    /// How many of the keys must sign
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub(crate) threshold: usize,
    /// The one that it is looked through before [default: after all]
    #[arg(long, value_name = "NAME")]
    pub(crate) before: Option<String>,
}

/// Options of `shelf catalogue publish`.
#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// Its place, such as registry.example.org/team
    pub(crate) prefix: String,
    /// Modules that are published below it, such as redis:7.0.1; what is in it already stays
    pub(crate) modules: Vec<String>,
    /// A private key that signs it; may be given several times (shelf module key)
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) key: Vec<PathBuf>,
    /// The public key of somebody else who signs for it; all of them together, they replace the
    /// others that were named before
    #[arg(long, value_name = "FILE")]
    pub(crate) trust: Vec<PathBuf>,
    /// How many must sign [default: as before, or 1]
    #[arg(long, value_name = "COUNT")]
    pub(crate) threshold: Option<usize>,
    /// For how long it may be taken
    #[arg(long, value_name = "DAYS", default_value = "90d")]
    pub(crate) expires: String,
    /// Take a module out: redis, or redis@7.0.1
    #[arg(long, value_name = "MODULE")]
    pub(crate) remove: Vec<String>,
    /// Only say what would be in it
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Options of `shelf catalogue sign`.
#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// Its place
    pub(crate) prefix: String,
    /// Your private key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
}
