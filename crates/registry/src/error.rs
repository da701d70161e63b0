//! The one error type of this room: what was asked of whom, and what came back.
//!
//! Up to [`Error::Login`] it is for the user to change something; the rest is the registry's or the
//! machine's. Where next: `wire.rs`, where most of them begin.

use std::path::PathBuf;

use http::StatusCode;

/// What failed between us and a registry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The registry has no such thing, or shows it to others only.
    #[error("{registry} has no {what}{}", said(answer))]
    Missing {
        /// The registry's host.
        registry: String,
        /// What was asked for.
        what: String,
        /// The registry's words.
        answer: String,
        /// Tags that are there and look like the one asked for.
        near: Vec<String>,
    },
    /// The registry wants another login, or one at all.
    #[error("{registry} refuses {}{what}{}", who(user.as_deref()), said(answer))]
    Denied {
        /// The registry's host.
        registry: String,
        /// What was asked for.
        what: String,
        /// The registry's words.
        answer: String,
        /// Who asked; None without a login.
        user: Option<String>,
    },
    /// No platform of an index is this machine's.
    #[error("{name} is not made for {wanted}; it is for {}", list(offered))]
    Platform {
        /// The image.
        name: String,
        /// This machine, such as `linux/amd64`.
        wanted: String,
        /// What there is.
        offered: Vec<String>,
    },
    /// An artifact that is no image.
    #[error("{name} is no image that can run: it is {kind}")]
    Kind {
        /// What was to be pulled.
        name: String,
        /// What its manifest says it is.
        kind: String,
    },
    /// The file of logins cannot be used.
    #[error("logins in {}: {reason}", path.display())]
    Login {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A setting cannot be used.
    #[error("{what}: {reason}")]
    Setting {
        /// Which.
        what: String,
        /// Why not.
        reason: String,
    },
    /// No answer.
    #[error("cannot reach {registry} for {what}")]
    Unreachable {
        /// The registry's host.
        registry: String,
        /// What was asked for.
        what: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An answer that is none of the expected ones.
    #[error("{registry} answers {status} to {what}{}", said(answer))]
    Answer {
        /// The registry's host.
        registry: String,
        /// What was asked for.
        what: String,
        /// Its status.
        status: StatusCode,
        /// The registry's words.
        answer: String,
    },
    /// What was sent is not what it should be.
    #[error("{registry} sends something else for {what}: {reason}")]
    Wrong {
        /// The registry's host.
        registry: String,
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No signature that counts.
    #[error("{name} is not used: {reason}")]
    Unsigned {
        /// What should be signed, with its digest.
        name: String,
        /// What is wrong with its signatures.
        reason: String,
    },
    /// The store of images failed.
    #[error("{action}")]
    Store {
        /// What was tried.
        action: &'static str,
        /// Why not.
        #[source]
        source: Box<image::Error>,
    },
}

impl Error {
    /// A stable name of what happened, such as `registry/missing`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "registry/missing",
            Self::Denied { .. } => "registry/denied",
            Self::Platform { .. } => "registry/platform",
            Self::Kind { .. } => "registry/kind",
            Self::Login { .. } => "registry/login",
            Self::Setting { .. } => "registry/setting",
            Self::Unreachable { .. } => "registry/unreachable",
            Self::Answer { .. } => "registry/answer",
            Self::Wrong { .. } => "registry/wrong",
            Self::Unsigned { .. } => "registry/unsigned",
            Self::Store { .. } => "registry/store",
        }
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { near, .. } if !near.is_empty() => {
                Some(format!("tags that are there: {}", near.join(", ")))
            }
            Self::Denied { registry, user: None, .. } => Some(format!(
                "if it is there, it needs a login:  shelf login {}",
                crate::host::familiar(registry)
            )),
            Self::Denied { registry, user: Some(user), .. } => Some(format!(
                "{user} may not do this, or the password is old:  shelf login {}",
                crate::host::familiar(registry)
            )),
            Self::Unreachable { registry, .. } => {
                Some(format!("is that its address, and is it up?   curl -i https://{registry}/v2/"))
            }
            _ => None,
        }
    }

    /// The message, its causes and the hint in one line, for statuses and events.
    pub fn line(&self) -> String {
        match self.hint() {
            Some(hint) => format!("{} ({hint})", self.why()),
            None => self.why(),
        }
    }

    /// The message and its causes in one line, for those who show the hint on a line of its own.
    pub fn why(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            let cause_text = cause.to_string();
            // Some layers repeat what the one below says.
            if !text.ends_with(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            next = cause.source();
        }
        text
    }

    /// Whether asking again unchanged may help.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Answer { .. } | Self::Wrong { .. })
    }

    pub(crate) fn store(action: &'static str) -> impl FnOnce(image::Error) -> Self {
        move |source| Self::Store { action, source: Box::new(source) }
    }
}

fn said(answer: &str) -> String {
    if answer.is_empty() { String::new() } else { format!(": {answer}") }
}

fn who(user: Option<&str>) -> String {
    user.map_or_else(String::new, |user| format!("{user} "))
}

fn list(offered: &[String]) -> String {
    if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") }
}
