//! Options of `shelf import` and `shelf export`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::edits::Trial;

/// Options of `shelf import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(subcommand)]
    pub(crate) from: ImportFrom,
}

/// What an app is made from.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportFrom {
    /// A file of Docker Compose: every line is accounted for
    Compose(ImportCompose),
    /// Manifests of Kubernetes, as files or folders
    Manifests(ImportManifests),
    /// What runs in a namespace of the target
    Namespace(ImportNamespace),
}

/// Options of `shelf import manifests`.
#[derive(Debug, Args)]
pub(crate) struct ImportManifests {
    /// Files, and folders with YAML files; the app begins in the current folder
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// The app's name [default: the folder's]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) writes: Writes,
}

/// Options of `shelf import namespace`.
#[derive(Debug, Args)]
pub(crate) struct ImportNamespace {
    /// The namespace; the app begins in the current folder
    pub(crate) namespace: String,
    /// The app's name [default: the namespace's]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) writes: Writes,
}

/// What is written, and what is reported.
#[derive(Debug, Args)]
pub(crate) struct Writes {
    /// Replace the app file that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Report what was mapped, too
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

/// Options of `shelf import compose`.
#[derive(Debug, Args)]
pub(crate) struct ImportCompose {
    /// The compose file; the app begins in its folder
    pub(crate) file: PathBuf,
    /// The app's name [default: the file's own, or its folder's]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Take the services of this profile too; may be given several times
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Vec<String>,
    #[command(flatten)]
    pub(crate) writes: Writes,
}

/// Options of `shelf export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// What the app becomes
    pub(crate) kind: Kind,
    /// The folder to write [default: ./APP-KIND]
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Where images are fetched from, as REGISTRY/BLOCK:TAG
    #[arg(long, value_name = "PREFIX")]
    pub(crate) registry: Option<String>,
    /// The tag of the images
    #[arg(long, default_value = "latest")]
    pub(crate) tag: String,
    /// The app's address there
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// The port that a compose file publishes
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// Replace files that are there
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) trial: Trial,
}

/// What an app becomes.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// Plain objects for kubectl and kustomize
    Yaml,
    /// A chart for Helm
    Helm,
    /// A file for Docker Compose
    Compose,
}
