//! What may be typed to make modules and to hand them, or a whole app, to others.

use clap::Args;

use super::edits::Trial;

/// Options of `shelf fork`.
#[derive(Debug, Args)]
pub(crate) struct Fork {
    /// The block
    pub(crate) block: String,
    /// The folder of the copy, inside the app's [default: the block's name]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) trial: Trial,
}
