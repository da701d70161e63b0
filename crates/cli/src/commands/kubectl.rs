//! `shelf kubectl` and `shelf kubeconfig`: the Kubernetes door of this server, or of the target that
//! `--on` names.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use super::{Outcome, say, target};
use crate::app;
use crate::arguments::Kubectl;
use crate::error::{Code, Failure};
use crate::settings::Global;

/// Prints the kubeconfig; it holds a credential, so it goes to stdout only when asked for.
pub(crate) async fn kubeconfig(global: &Global) -> Outcome {
    if let Some(text) = elsewhere(global).await? {
        say(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
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

/// Becomes kubectl, pointed at the target that is meant and the app of this folder.
pub(crate) async fn kubectl(global: &Global, options: &Kubectl) -> Outcome {
    let mut command = Command::new("kubectl");
    // Kept until kubectl has taken this process's place.
    let mut kept = None;
    if let Some(text) = elsewhere(global).await? {
        let file = in_memory(&text).map_err(|error| {
            Failure::new(Code::Failed, "kubeconfig", format!("keeping it in memory: {error}"))
        })?;
        command.arg("--kubeconfig").arg(format!("/proc/self/fd/{}", file.as_raw_fd()));
        kept = Some(file);
    } else {
        command.arg("--kubeconfig").arg(global.kubeconfig());
    }
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
    drop(kept);
    Err(Failure::new(Code::Failed, "kubectl", format!("starting kubectl: {error}"))
        .hint("install it, for example: apt-get install kubernetes-client"))
}

/// The kubeconfig of the target that is meant, if it is not this machine. A server that does not
/// answer has no other target.
async fn elsewhere(global: &Global) -> Result<Option<String>, Failure> {
    match target::kubeconfig(global).await {
        Err(_) if global.on.is_none() => Ok(None),
        other => other,
    }
}

/// A file that only this process and the program it becomes can open.
fn in_memory(text: &str) -> std::io::Result<File> {
    let file = rustix::fs::memfd_create("kubeconfig", rustix::fs::MemfdFlags::empty())?;
    let mut file = File::from(file);
    file.write_all(text.as_bytes())?;
    Ok(file)
}
