//! What may be typed to look at the shelf and at an app, without changing it.

use clap::{Args, Subcommand, ValueEnum};

/// Options of `shelf search`.
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// Words of a name, an interface or a description [default: everything]
    pub(crate) words: Vec<String>,
}

/// Options of `shelf show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A module, or a block of this app
    pub(crate) module: String,
}

/// `shelf interface …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Interface {
    /// The types of wires
    List,
    /// What a wire of this type delivers and checks
    Show {
        /// Such as postgres/1
        name: String,
    },
}

/// Options of `shelf graph`.
#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// How it is drawn
    #[arg(long, value_enum, default_value_t = Drawing::Text)]
    pub(crate) format: Drawing,
}

/// Ways to draw an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Drawing {
    /// For a terminal
    Text,
    /// For Graphviz
    Dot,
    /// A picture
    Svg,
}

/// Options of `shelf diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// Exit with 5 if there is a difference
    #[arg(long)]
    pub(crate) exit_code: bool,
}

/// Options of `shelf explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A block (web), a socket or setting (web.db, db.size), a variable (web.DATABASE_URL), an
    /// object (Secret/web-db) or a line of the file (12)
    pub(crate) what: String,
}

/// Options of `shelf completion`.
#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// bash, zsh or fish
    pub(crate) shell: clap_complete::Shell,
}

/// Options of `shelf events`.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// A block [default: all of them]
    pub(crate) block: Option<String>,
}
