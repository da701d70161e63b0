//! What a person may type: one table of commands with their help.
//!
//! One file per command in `commands/`. Docker's words where the thing is Docker's, kubectl's
//! under `shelf kubectl`, ours where it is new.

pub(crate) mod catalogues;
pub(crate) mod config;
pub(crate) mod edits;
pub(crate) mod git;
pub(crate) mod inside;
pub(crate) mod looks;
pub(crate) mod modules;
pub(crate) mod registry;
pub(crate) mod targets;
pub(crate) mod transfer;
pub(crate) mod upgrade;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::settings;

/// Put an application together from parts, run it, and get its address.
#[derive(Debug, Parser)]
#[command(name = "shelf", version, override_help = crate::commands::welcome::PAGE, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: settings::Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start an app here: from this folder, an example, or empty
    Init(edits::Init),
    /// An app from a compose file; every line of it is accounted for
    Import(transfer::Import),
    /// The app as plain objects, a chart, or a compose file
    Export(transfer::Export),
    /// Put a module or your source on the canvas
    Add(edits::Add),
    /// Take a block away; its data stays
    #[command(alias = "rm")]
    Remove(edits::Remove),
    /// Give a block another name
    Rename(edits::Rename),
    /// Tie a need to a block that offers it
    Wire(edits::Wire),
    /// Untie
    Unwire(edits::Unwire),
    /// Give your source a socket
    Need(edits::Need),
    /// Take a socket of your source away
    Unneed(edits::Unneed),
    /// Change a setting or a variable (--secret reads its value from the input)
    Set(edits::Set),
    /// Take a setting back to its default, or a variable away
    Unset(edits::Unset),
    /// How many of a block
    Copies(edits::Copies),
    /// Change a block's module or version
    Use(edits::Use),
    /// Use a declared extension point
    Extend(edits::Extend),
    /// Write app.toml the standard way, wires written out
    Fmt(edits::Fmt),
    /// Take back your last edit, or with --go the last go
    Undo(edits::Undo),
    /// Make it again
    Redo,
    /// The file against what runs
    Diff(looks::Diff),
    /// Why is this value, wire, object or line here?
    Explain(looks::Explain),
    /// The app as text, dot or svg
    Graph(looks::Graph),
    /// Find modules
    Search(looks::Search),
    /// What a module offers, needs, assumes
    Show(looks::Show),
    /// The types of wires
    #[command(subcommand)]
    Interface(looks::Interface),
    /// Make a block's module yours: a copy in this folder
    Fork(modules::Fork),
    /// App, images and this program in one file, for a machine without a network
    Pack(modules::Pack),
    /// Send the app to a registry: signed, with its images and the list of their parts
    Publish(modules::AppPublish),
    /// Bring the app of a packed file, or one that was published, to life here
    Unpack(modules::Unpack),
    /// Make modules: new, test, key, publish, pull
    #[command(subcommand)]
    Module(modules::Module),
    /// Is the app right? Checks the file, types and versions; needs no server
    Check,
    /// What `go` would do, and what it assumes
    Plan(Plan),
    /// Make it so; wait; print the URL
    #[command(alias = "up")]
    Go(Go),
    /// Send this folder's code and go; back by itself if it does not come up
    Push(Push),
    /// The address and a key for `git push`, which does what `push` does
    Git(git::Git),
    /// Push on every save, logs below; Ctrl-C leaves the app as it was last good
    Dev(Dev),
    /// Blocks, copies, addresses; without an app: all apps
    #[command(aliases = ["ps", "ls"])]
    Status(Status),
    /// What blocks have written
    Logs(Logs),
    /// Run a command in a block
    Exec(Exec),
    /// The same, interactive: a shell in a block
    Shell(inside::Shell),
    /// A local port to a block
    Forward(inside::Forward),
    /// psql, redis-cli, mariadb with a wire's own login
    Connect(inside::Connect),
    /// Use of CPU, memory and disk, and requests
    Top,
    /// What happened and why
    Events(looks::Events),
    /// Where the app lives, or which paths lead to a block
    Url(edits::Url),
    /// Stop the app; its data stays
    #[command(alias = "down")]
    Stop,
    /// Start a stopped app again
    Start,
    /// New copies of blocks, one after the other; old ones serve until new ones do
    Restart {
        /// The blocks
        #[arg(required = true, value_name = "BLOCK")]
        blocks: Vec<String>,
    },
    /// Remove the app; asks, and keeps the data unless told otherwise
    Destroy(Destroy),
    /// Newer versions on the shelf, rehearsed on a copy of the data (--check)
    Upgrade(upgrade::Upgrade),
    /// Data in a file: now, list, schedule, delete
    Backup(Backup),
    /// A backup back into its app, or with --as into a new one
    Restore(Restore),
    /// What a go keeps before it touches data: list, now, back
    Snapshot(Snapshot),
    /// The app with its data once more, for a preview
    Copy(Copy),
    /// Generated values: list (never shown), rotate
    #[command(subcommand)]
    Secret(SecretVerb),
    /// Where modules come from beside the shelf in the program: add, ls, update, publish, sign
    #[command(subcommand)]
    Catalogue(catalogues::Catalogue),
    /// Where apps run: list, add, use, protect, check
    #[command(subcommand)]
    Target(targets::Target),
    /// The app with its data to another target, and back
    Move(targets::Move),
    /// Build an image from a Dockerfile
    Build(Build),
    /// Images in the store
    Images,
    /// Images and their registries: list, pull, push, tag, rm, inspect, prune
    #[command(subcommand)]
    Image(registry::Image),
    /// Fetch an image from its registry
    Pull(registry::Pull),
    /// Who you are to a registry; kept in a file of yours
    Login(registry::Login),
    /// Forget who you are to a registry
    Logout(registry::Logout),
    /// Print a link that opens the canvas in a browser, once
    Open(Open),
    /// The engine, the Kubernetes API and the front door
    Serve(settings::Serve),
    /// Print the kubeconfig of the server
    Kubeconfig,
    /// Run kubectl against this server
    #[command(disable_help_flag = true)]
    Kubectl(Kubectl),
    /// Check this machine and say what to fix
    Doctor,
    /// Your own defaults for flags, and who says what a setting is
    Config(config::Config),
    /// What this is
    Version(Version),
    /// What a shell needs to complete commands: bash, zsh, fish
    Completion(looks::Completion),
    /// Help on a command or a topic: app-file, docker, environment, exit-codes, kubernetes, output
    Help(Help),
}

/// Options of `shelf plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Exit with 5 if there is something to do
    #[arg(long)]
    pub(crate) exit_code: bool,
}

/// Options of `shelf go`.
#[derive(Debug, Args)]
pub(crate) struct Go {
    /// Build every step again
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Give up waiting after so many seconds (the work goes on)
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub(crate) timeout: u64,
    /// Refuse anything but what app.lock pins
    #[arg(long)]
    pub(crate) locked: bool,
    /// Take what the tags of images stand for now
    #[arg(long, conflicts_with = "locked")]
    pub(crate) pull: bool,
}

/// Options of `shelf push`.
#[derive(Debug, Args)]
pub(crate) struct Push {
    /// The one block whose code is sent [default: all that are built from a folder]
    pub(crate) block: Option<String>,
    /// Say what would be sent, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Go back if it is not ready after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) timeout: u64,
}

/// Options of `shelf dev`.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// The one block whose code is sent [default: all that are built from a folder]
    pub(crate) block: Option<String>,
    /// Go back if it is not ready after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub(crate) timeout: u64,
}

/// Options of `shelf status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Print again whenever something changes, until interrupted
    #[arg(long, short)]
    pub(crate) watch: bool,
}

/// Options of `shelf logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// A block [default: all of them]
    pub(crate) block: Option<String>,
    /// Go on as lines are written
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Lines from the end, of each copy
    #[arg(long, short = 'n', default_value_t = 100, value_name = "LINES")]
    pub(crate) tail: u64,
    /// Only lines of the last so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub(crate) since: Option<u64>,
    /// Write each line's time
    #[arg(long, short)]
    pub(crate) timestamps: bool,
    /// The run before the last restart
    #[arg(long)]
    pub(crate) previous: bool,
}

/// Options of `shelf exec`.
#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// A terminal inside [default: if this is one]
    #[arg(long, short)]
    pub(crate) tty: bool,
    /// No terminal inside, even if this is one
    #[arg(long, short = 'T', conflicts_with = "tty")]
    pub(crate) no_tty: bool,
    /// The block, or block/pod for one copy
    pub(crate) block: String,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
}

/// Options of `shelf destroy`.
#[derive(Debug, Args)]
pub(crate) struct Destroy {
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Delete the disks and their passwords too: give the app's name
    #[arg(long, value_name = "APP")]
    pub(crate) delete_data: Option<String>,
}

/// Options of `shelf backup`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Backup {
    #[command(subcommand)]
    pub(crate) verb: Option<BackupVerb>,
    #[command(flatten)]
    pub(crate) now: BackupNow,
}

/// What is done with backups.
#[derive(Debug, Subcommand)]
pub(crate) enum BackupVerb {
    /// Make one now
    Now(BackupNow),
    /// Those that are kept, and the schedule
    List,
    /// Make them by themselves
    Schedule(BackupSchedule),
    /// Delete one
    Delete {
        /// Its name
        name: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// Options of `shelf backup now`.
#[derive(Debug, Args)]
pub(crate) struct BackupNow {
    /// Write it to this file as well
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    /// Seal it with the passphrase in this file; - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
}

/// Options of `shelf backup schedule`.
#[derive(Debug, Args)]
pub(crate) struct BackupSchedule {
    /// Five fields as cron has them, in UTC: "0 3 * * *" [default: show what is set]
    pub(crate) every: Option<String>,
    /// How many scheduled ones are kept
    #[arg(long, value_name = "COUNT", default_value_t = 7)]
    pub(crate) keep: usize,
    /// End it; the backups stay
    #[arg(long, conflicts_with = "every")]
    pub(crate) off: bool,
}

/// Options of `shelf snapshot`.
#[derive(Debug, Args)]
pub(crate) struct Snapshot {
    #[command(subcommand)]
    pub(crate) verb: Option<SnapshotVerb>,
}

/// What is done with snapshots.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotVerb {
    /// Those that are kept
    List,
    /// Make one now
    Now,
    /// Code, wiring, secrets and rows as they were then
    Back {
        /// Its name [default: the newest]
        name: Option<String>,
        /// The app's name: its data is replaced
        #[arg(long, value_name = "APP")]
        confirm: Option<String>,
        /// Keep nothing of what is there now
        #[arg(long)]
        no_backup: bool,
    },
}

/// What is done with secrets.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretVerb {
    /// Names and ages; values are never shown
    List,
    /// A value of your own for block.NAME: read from the input or a hidden prompt
    Set {
        /// Whose, and its name: web.STRIPE_KEY
        secret: String,
    },
    /// A new login for a wire; the old one works until every copy has moved
    Rotate {
        /// The wire: block.socket
        wire: String,
    },
}

/// Options of `shelf restore`.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The name of a backup (shelf backup list), or a file
    pub(crate) backup: String,
    /// Into a new app of this name, with the code it had then
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) into: Option<String>,
    /// The app's name: its data is replaced
    #[arg(long, value_name = "APP")]
    pub(crate) confirm: Option<String>,
    /// The code it had then, too
    #[arg(long)]
    pub(crate) with_code: bool,
    /// Keep nothing of what is there now
    #[arg(long)]
    pub(crate) no_backup: bool,
    /// The passphrase is in this file; - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
}

/// Options of `shelf copy`.
#[derive(Debug, Args)]
pub(crate) struct Copy {
    /// The app [default: the one in this folder]
    pub(crate) from: Option<String>,
    /// The new app's name
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) into: String,
}

/// Options of `shelf build`.
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The folder that holds the source
    #[arg(default_value = ".")]
    pub(crate) context: PathBuf,
    /// The Dockerfile [default: CONTEXT/Dockerfile]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// A name for the image
    #[arg(long, short, value_name = "NAME")]
    pub(crate) tag: Option<String>,
    /// Stop at this stage
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,
    /// A value for an ARG
    #[arg(long = "build-arg", value_name = "NAME=VALUE")]
    pub(crate) build_args: Vec<String>,
    /// Build every step again
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Ask registries again for images that came from them
    #[arg(long)]
    pub(crate) pull: bool,
}

/// Options of `shelf open`.
#[derive(Debug, Args)]
pub(crate) struct Open {
    /// Whose session it will be [default: yours]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// Options of `shelf kubectl`.
#[derive(Debug, Args)]
pub(crate) struct Kubectl {
    /// What kubectl gets
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
}

/// Options of `shelf version`.
#[derive(Debug, Args)]
pub(crate) struct Version {
    /// Ask the server too; fails if none answers
    #[arg(long)]
    pub(crate) server: bool,
}

/// Options of `shelf help`.
#[derive(Debug, Args)]
pub(crate) struct Help {
    /// A command or a topic
    pub(crate) topic: Option<String>,
    /// All commands, one line each
    #[arg(long)]
    pub(crate) all: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_table_of_commands_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does() {
        for command in Arguments::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{} has no help", command.get_name());
        }
    }
}
