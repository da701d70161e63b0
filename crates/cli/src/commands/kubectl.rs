//! `shelf kubectl` and `shelf kubeconfig`: the Kubernetes door of this server.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use super::{Outcome, say};
use crate::app;
use crate::arguments::Kubectl;
use crate::error::{Code, Failure};
use crate::settings::Global;

/// Prints the kubeconfig; it holds a credential, so it goes to stdout only when asked for.
pub(crate) fn kubeconfig(global: &Global) -> Outcome {
    let path = global.kubeconfig();
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::new(
            Code::Unreachable,
            "kubeconfig",
            format!("reading {}: {error}", path.display()),
        )
        .hint("shelf serve writes it when it starts; only root may read it")
    })?;
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Becomes kubectl, pointed at this server and the app of this folder.
pub(crate) fn kubectl(global: &Global, options: &Kubectl) -> Outcome {
    let mut command = Command::new("kubectl");
    command.arg("--kubeconfig").arg(global.kubeconfig());
    let names_namespace = options.arguments.iter().any(|argument| {
        argument == "-n"
            || argument == "-A"
            || argument.starts_with("--namespace")
            || argument == "--all-namespaces"
    });
    if !names_namespace && let Ok(name) = app::name(global) {
        command.args(["--namespace", &name]);
    }
    let error = command.args(&options.arguments).exec();
    Err(Failure::new(Code::Failed, "kubectl", format!("starting kubectl: {error}"))
        .hint("install it, for example: apt-get install kubernetes-client"))
}
