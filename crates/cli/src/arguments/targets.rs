//! Targets: where apps run.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What is done with targets.
#[derive(Debug, Subcommand)]
pub(crate) enum Target {
    /// Those there are
    List,
    /// Keep a cluster that a kubeconfig leads to
    Add(Add),
    /// Change what is said of one; an empty text takes a setting back
    Set(Settings),
    /// The one that is meant if --on names none
    Use {
        /// Its name; local is this machine
        name: String,
    },
    /// Every change must name it, with --confirm
    Protect {
        /// Its name
        name: String,
        /// No longer
        #[arg(long)]
        off: bool,
    },
    /// Ask it what it can do, and what apps will lack there
    Check {
        /// Its name [default: the one that is used]
        name: Option<String>,
    },
    /// Forget it; what runs there goes on
    Remove {
        /// Its name
        name: String,
    },
    /// What an admin gives for one app: a namespace and a Role in it, as YAML
    Role {
        /// The app
        app: String,
        /// Who the cluster takes you for
        #[arg(long, value_name = "USER", default_value = "shelf")]
        user: String,
    },
}

/// Options of `shelf target add`.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The kubeconfig [default: $KUBECONFIG, or ~/.kube/config]
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Its context [default: the current one]
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// What is said of a target.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Its name
    pub(crate) name: String,
    /// Where its images go, such as registry.example.org/apps
    #[arg(long, value_name = "HOST/PREFIX")]
    pub(crate) registry: Option<String>,
    /// Addresses of its apps, such as https://*.example.org; the star is the app's name
    #[arg(long, value_name = "PATTERN")]
    pub(crate) address: Option<String>,
    /// The class of Ingresses [default: the cluster's]
    #[arg(long, value_name = "NAME")]
    pub(crate) ingress_class: Option<String>,
    /// The class of disks [default: the cluster's]
    #[arg(long, value_name = "NAME")]
    pub(crate) storage_class: Option<String>,
    /// A class whose disks many nodes write to at once
    #[arg(long, value_name = "NAME")]
    pub(crate) shared_storage_class: Option<String>,
}

/// Options of `shelf move`.
#[derive(Debug, Args)]
pub(crate) struct Move {
    /// Where it goes; local is this machine
    #[arg(long, value_name = "TARGET")]
    pub(crate) to: String,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Take a move back that was interrupted
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) undo: bool,
}
