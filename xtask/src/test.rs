//! `cargo x test` and `cargo x check`.
//!
//! Tests that need root, packages or kubectl are not skipped: what they need is installed first.

use std::process::Command;

use anyhow::Result;

use crate::host::{Need, cargo, install, require_root, root, run as start};

const NEEDS: &[Need] = &[
    Need { program: "cc", package: "gcc", why: "crates that build C" },
    Need { program: "mmdebstrap", package: "mmdebstrap", why: "makes the Debian base image" },
    Need { program: "kubectl", package: "kubernetes-client", why: "drives the Kubernetes API" },
    Need { program: "docker", package: "docker.io", why: "drives the Docker API" },
    Need {
        program: "docker-compose",
        package: "docker-compose",
        why: "takes exported compose files",
    },
    Need { program: "busybox", package: "busybox-static", why: "the tiny test image" },
    Need { program: "git", package: "git", why: "pushes to an app" },
    Need { program: "nft", package: "nftables", why: "oracle for the service rules" },
    Need { program: "ip", package: "iproute2", why: "oracle for links and namespaces" },
    Need { program: "curl", package: "curl", why: "a real HTTP client" },
    Need { program: "skopeo", package: "skopeo", why: "drives registries" },
    Need { program: "docker-registry", package: "docker-registry", why: "a real registry" },
    Need { program: "htpasswd", package: "apache2-utils", why: "a registry with a password" },
    Need { program: "openssl", package: "openssl", why: "a registry with a certificate" },
    Need { program: "virtualenv", package: "virtualenv", why: "Pulp's own command line" },
];

/// Runs all tests, or those of one room (a package's name).
///
/// # Errors
/// Says which need could not be installed, or that a test failed.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    require_root("test")?;
    install(NEEDS)?;
    // End-to-end tests drive the real binary, so it is built before any of them starts.
    cargo(&["build", "--package", "cli"])?;
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    command.arg("test").current_dir(root());
    match arguments.first() {
        Some(room) => command.args(["--package", room]).args(&arguments[1..]),
        None => command.args(["--workspace", "--no-fail-fast"]),
    };
    start(&mut command)?;
    if !arguments.is_empty() {
        return Ok(());
    }
    crate::canvas::run(&[])?;
    // The same programs once more, where Debian's kernel takes other paths through them.
    if cfg!(target_arch = "x86_64") { crate::vm::run() } else { Ok(()) }
}

/// Formatting, lints and the house rules; warnings are errors.
///
/// # Errors
/// Names the first of them that does not hold.
pub(crate) fn check() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    cargo(&["test", "--quiet", "--package", "xtask"])
}
