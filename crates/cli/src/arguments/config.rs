//! Options of `shelf config`.

use clap::{Args, Subcommand};

/// Options of `shelf config`.
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) verb: Option<ConfigVerb>,
}

/// What is done with one's own defaults.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// All settings, what they are and who says so
    List,
    /// What a setting is
    Get {
        /// Its name, which is the flag's
        key: String,
    },
    /// A default of your own for a flag
    Set {
        /// The flag's name
        key: String,
        /// What it is from now on; several where the flag may be given again
        #[arg(required = true)]
        values: Vec<String>,
        /// Say what would be written, and write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Take a default of your own back
    Unset {
        /// The flag's name
        key: String,
        /// Say what would be written, and write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Who says what a setting is, and what would count before
    Explain {
        /// The flag's name
        key: String,
    },
}
