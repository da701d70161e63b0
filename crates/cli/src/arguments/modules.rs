//! What may be typed to make modules and to hand them, or a whole app, to others.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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

/// What is done with modules.
#[derive(Debug, Subcommand)]
pub(crate) enum Module {
    /// A new folder that is a module
    New(ModuleNew),
    /// Lint a module, then try it in an app of its own: logins, rotation, a stop, a backup
    Test(ModuleTest),
    /// A new pair of keys to sign modules with: FILE, which only you can read, and FILE.pub
    Key {
        /// The file
        #[arg(default_value = "shelf.key")]
        file: PathBuf,
    },
    /// Try a module, then send it to a registry: signed, with its image and the list of its parts
    Publish(ModulePublish),
    /// Fetch a published module into a folder; refused unless one of the keys signed it
    Pull(ModulePull),
}

/// Options of `shelf module publish`.
#[derive(Debug, Args)]
pub(crate) struct ModulePublish {
    /// The module's folder
    pub(crate) folder: PathBuf,
    /// Where to, such as registry.example.org/team/redis [default tag: its version]
    pub(crate) to: String,
    /// The file of the key that signs it (shelf module key)
    #[arg(long, value_name = "FILE", required_unless_present = "unsigned")]
    pub(crate) key: Option<PathBuf>,
    /// Do not sign it; shelf module pull refuses it then
    #[arg(long, conflicts_with = "key")]
    pub(crate) unsigned: bool,
    /// Publish it without a trial
    #[arg(long)]
    pub(crate) untried: bool,
    /// Only say what would be published: the folder is looked at, nothing is built or sent
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Give up waiting for it to become ready after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) timeout: u64,
}

/// Options of `shelf module pull`.
#[derive(Debug, Args)]
pub(crate) struct ModulePull {
    /// Such as registry.example.org/team/redis:7.0.1
    pub(crate) from: String,
    /// A public key that may have signed it; may be given several times
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) key: Vec<PathBuf>,
    /// The folder it becomes [default: the last part of its name]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: Option<PathBuf>,
}

/// Options of `shelf module new`.
#[derive(Debug, Args)]
pub(crate) struct ModuleNew {
    /// Its name, and that of its folder here
    pub(crate) name: String,
    /// What it gives, such as postgres/1; may be given several times [default: http/1]
    #[arg(long, value_name = "INTERFACE", value_delimiter = ',')]
    pub(crate) provides: Vec<String>,
}

/// Options of `shelf module test`.
#[derive(Debug, Args)]
pub(crate) struct ModuleTest {
    /// The module's folder [default: this one]
    #[arg(default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Only look at the folder; needs no server
    #[arg(long)]
    pub(crate) lint: bool,
    /// Give up waiting for it to become ready after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) timeout: u64,
}

/// Options of `shelf pack`.
#[derive(Debug, Args)]
pub(crate) struct Pack {
    /// The file [default: the app's name with .app, in the app's folder]
    pub(crate) file: Option<PathBuf>,
}

/// Options of `shelf publish`.
#[derive(Debug, Args)]
pub(crate) struct AppPublish {
    /// Where to, with a tag, such as registry.example.org/team/shop:1.2
    pub(crate) to: String,
    /// The file of the key that signs it (shelf module key)
    #[arg(long, value_name = "FILE", required_unless_present = "unsigned")]
    pub(crate) key: Option<PathBuf>,
    /// Do not sign it; shelf unpack refuses it then
    #[arg(long, conflicts_with = "key")]
    pub(crate) unsigned: bool,
    /// Only say what would be published: the app is checked, nothing is built or sent
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Options of `shelf unpack`.
#[derive(Debug, Args)]
pub(crate) struct Unpack {
    /// A file that `shelf pack` wrote, or a name that `shelf publish` gave an app at a registry
    #[arg(value_name = "FILE|NAME")]
    pub(crate) what: String,
    /// A public key that may have signed what comes from a registry; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<PathBuf>,
    /// Only say what is in it
    #[arg(long, visible_alias = "dry-run")]
    pub(crate) list: bool,
    /// Give up waiting after so many seconds (the work goes on)
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub(crate) timeout: u64,
}
