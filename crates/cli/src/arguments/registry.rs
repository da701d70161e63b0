//! What may be typed about images and the registries they come from and go to.

use clap::{Args, Subcommand};

/// `shelf image …`, in Docker's words.
#[derive(Debug, Subcommand)]
pub(crate) enum Image {
    /// Images in the store
    #[command(alias = "ls")]
    List,
    /// Fetch an image from its registry
    Pull(Pull),
    /// Send an image to the registry its name names
    Push {
        /// Such as registry.example.org/team/app:1.0
        image: String,
    },
    /// Give an image another name
    Tag {
        /// A name or digest
        image: String,
        /// The other name
        name: String,
    },
    /// Take a name away; prune frees the space
    #[command(alias = "remove")]
    Rm {
        /// A name or digest
        image: String,
    },
    /// What an image is, as JSON
    Inspect {
        /// A name or digest
        image: String,
    },
    /// Free the space of what no name and no container needs
    Prune,
}

/// Options of `shelf pull`.
#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// Such as registry.example.org/team/app:1.0
    pub(crate) image: String,
}

/// Options of `shelf login`.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The registry, such as registry.example.org
    pub(crate) registry: String,
    /// Who you are there
    #[arg(long, short, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

/// Options of `shelf logout`.
#[derive(Debug, Args)]
pub(crate) struct Logout {
    /// The registry
    pub(crate) registry: String,
}
