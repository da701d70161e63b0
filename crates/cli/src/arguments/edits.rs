//! What may be typed to change the app file. Every one takes `--dry-run`, and prints the lines it
//! changed and what they create.

use std::path::PathBuf;

use clap::Args;

/// An option of every command that changes the app file.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Trial {
    /// Show what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Options of `shelf init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder [default: this one; for an example, a new one of its name]
    pub(crate) folder: Option<PathBuf>,
    /// Start from an example (shelf init --example list shows them)
    #[arg(long, value_name = "NAME", conflicts_with = "empty")]
    pub(crate) example: Option<String>,
    /// An app without blocks, whatever is in the folder
    #[arg(long)]
    pub(crate) empty: bool,
    /// The app's name [default: the folder's]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

/// Options of `shelf add`.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// A module (postgres, postgres@15) or a folder with your source (./web)
    #[arg(required_unless_present = "image")]
    pub(crate) what: Option<String>,
    /// An image of a registry instead, such as ghcr.io/org/web:1.4
    #[arg(long, value_name = "IMAGE", conflicts_with = "what")]
    pub(crate) image: Option<String>,
    /// The block's name [default: the socket it is wired to, or the module's or folder's name]
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Tie this socket to it, as BLOCK.SOCKET; may be given several times
    #[arg(long, value_name = "BLOCK.SOCKET")]
    pub(crate) wire: Vec<String>,
    /// The port that your source listens on
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// A setting; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

/// Options of `shelf remove`.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The block
    pub(crate) block: String,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

/// Options of `shelf rename`.
#[derive(Debug, Args)]
pub(crate) struct Rename {
    /// The block
    pub(crate) block: String,
    /// Its new name
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

/// Options of `shelf wire`.
#[derive(Debug, Args)]
pub(crate) struct Wire {
    /// What needs: BLOCK.SOCKET, or BLOCK if only one socket fits
    pub(crate) end: String,
    /// What gives: BLOCK or BLOCK.OFFER
    pub(crate) provider: String,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

/// Options of `shelf unwire`.
#[derive(Debug, Args)]
pub(crate) struct Unwire {
    /// BLOCK.SOCKET
    pub(crate) end: String,
    /// Only the wire to this block [default: all of the socket]
    pub(crate) provider: Option<String>,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

/// Options of `shelf need`.
#[derive(Debug, Args)]
pub(crate) struct Need {
    /// BLOCK.SOCKET
    pub(crate) end: String,
    /// The interface, such as postgres/1, with ? (or none), * (any number) or + (at least one)
    pub(crate) interface: String,
    /// Limits on what the provider states, such as version=>=14
    #[arg(value_name = "NAME=LIMIT")]
    pub(crate) limits: Vec<String>,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

/// Options of `shelf unneed`.
#[derive(Debug, Args)]
pub(crate) struct Unneed {
    /// BLOCK.SOCKET
    pub(crate) end: String,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

/// Options of `shelf set`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["settings", "env", "secret"])))]
pub(crate) struct Set {
    /// The block
    pub(crate) block: String,
    /// Settings of the block
    #[arg(value_name = "NAME=VALUE")]
    pub(crate) settings: Vec<String>,
    /// A variable of your source's environment; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// A secret variable: its value is read from the input or a hidden prompt and is kept by the
    /// server, never in the file
    #[arg(long, value_name = "NAME", conflicts_with_all = ["settings", "env"])]
    pub(crate) secret: Option<String>,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

/// Options of `shelf unset`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["settings", "env", "secret"])))]
pub(crate) struct Unset {
    /// The block
    pub(crate) block: String,
    /// Settings that go back to their defaults
    #[arg(value_name = "NAME")]
    pub(crate) settings: Vec<String>,
    /// A variable to take away; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Vec<String>,
    /// A secret that the file names no more; its value stays with the server
    #[arg(long, value_name = "NAME")]
    pub(crate) secret: Vec<String>,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

/// Options of `shelf copies`.
#[derive(Debug, Args)]
pub(crate) struct Copies {
    /// The block, or BLOCK.PROCESS
    pub(crate) end: String,
    /// How many: 3, or 2..8
    pub(crate) copies: String,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

/// Options of `shelf use`.
#[derive(Debug, Args)]
pub(crate) struct Use {
    /// The block
    pub(crate) block: String,
    /// The module, such as postgres@16; for a block with an image, the image
    pub(crate) module: String,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

/// Options of `shelf url`.
#[derive(Debug, Args)]
pub(crate) struct Url {
    /// The block, or BLOCK.PROCESS, whose place is set [default: print where the app lives]
    pub(crate) end: Option<String>,
    /// Paths of the app's address that lead to it
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<String>,
    /// No path leads to it
    #[arg(long, requires = "end", conflicts_with = "paths")]
    pub(crate) private: bool,
    /// The port it listens on, if the file does not say it yet
    #[arg(long, requires = "end")]
    pub(crate) port: Option<u16>,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

/// Options of `shelf extend`.
#[derive(Debug, Args)]
pub(crate) struct Extend {
    /// The block
    pub(crate) block: String,
    /// An extension point of its module (shelf show MODULE lists them)
    pub(crate) point: String,
    /// NAME=VALUE for points that take keys, files or text otherwise
    #[arg(required_unless_present = "remove")]
    pub(crate) values: Vec<String>,
    /// Take it away: the whole point, or the keys named
    #[arg(long)]
    pub(crate) remove: bool,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

/// Options of `shelf fmt`.
#[derive(Debug, Args)]
pub(crate) struct Fmt {
    /// Change nothing; exit with 1 if the file is not written the standard way
    #[arg(long)]
    pub(crate) check: bool,
}

/// Options of `shelf undo` and `shelf redo`.
#[derive(Debug, Args)]
pub(crate) struct Undo {
    /// Show what was done by whom, and undo nothing
    #[arg(long, conflicts_with = "go")]
    pub(crate) list: bool,
    /// Take back the last go instead: its code and wiring; data and passwords stay
    #[arg(long)]
    pub(crate) go: bool,
    /// With --go: the data and passwords of the snapshot before it, too
    #[arg(long, requires = "go")]
    pub(crate) data: bool,
    /// With --go: say what would come back and what would be lost, and change nothing
    #[arg(long, requires = "go")]
    pub(crate) dry_run: bool,
    /// With --go: do not ask
    #[arg(long, short, requires = "go")]
    pub(crate) yes: bool,
}
