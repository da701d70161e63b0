//! Everything that can go wrong, with the HTTP status Docker gives it.

use std::path::PathBuf;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

/// A failed or refused request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No container of that name or id.
    #[error("No such container: {name}")]
    NoContainer {
        /// As asked for.
        name: String,
    },
    /// Several containers or images begin with that id.
    #[error("multiple IDs found with provided prefix: {prefix}")]
    Ambiguous {
        /// As asked for.
        prefix: String,
    },
    /// No image of that name or id. The text is the one the command line tool looks for.
    #[error("No such image: {name}")]
    NoImage {
        /// As asked for.
        name: String,
    },
    /// No command of that id.
    #[error("No such exec instance: {id}")]
    NoExec {
        /// Its id.
        id: String,
    },
    /// The request makes no sense as it stands.
    #[error("{reason}")]
    Bad {
        /// What is wrong with it.
        reason: String,
    },
    /// Something else is in the way.
    #[error("{reason}")]
    Conflict {
        /// What, and what to do.
        reason: String,
    },
    /// Docker can do this, Shelf does not.
    #[error("{what} is not supported by shelf")]
    Unsupported {
        /// The option or request.
        what: String,
    },
    /// The program of a container cannot be executed.
    #[error("{reason}")]
    Program {
        /// In the words by which the command line tool picks its exit code.
        reason: String,
    },
    /// A record could not be written or read.
    #[error("{action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A record is not understood.
    #[error("record {} is not understood", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// The pod room failed.
    #[error("{action}")]
    Pod {
        /// What was tried.
        action: &'static str,
        /// Why not.
        #[source]
        source: Box<pod::Error>,
    },
    /// The image store failed.
    #[error("{action}")]
    Image {
        /// What was tried.
        action: &'static str,
        /// Why not.
        #[source]
        source: Box<image::Error>,
    },
    /// A registry refused or could not be reached.
    #[error("{}", .0.line())]
    Registry(registry::Error),
    /// A thread broke off: a bug.
    #[error("{action}: broken off")]
    BrokenOff {
        /// What was tried.
        action: &'static str,
    },
}

/// The result of everything in this room.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn bad(reason: impl Into<String>) -> Self {
        Self::Bad { reason: reason.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }

    pub(crate) fn pod(action: &'static str) -> impl FnOnce(pod::Error) -> Self {
        move |source| Self::Pod { action, source: Box::new(source) }
    }

    pub(crate) fn image(action: &'static str) -> impl FnOnce(image::Error) -> Self {
        move |source| Self::Image { action, source: Box::new(source) }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoContainer { .. } | Self::NoImage { .. } | Self::NoExec { .. } => {
                StatusCode::NOT_FOUND
            }
            Self::Bad { .. } | Self::Ambiguous { .. } | Self::Program { .. } => {
                StatusCode::BAD_REQUEST
            }
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::Unsupported { .. } => StatusCode::NOT_IMPLEMENTED,
            Self::Pod { source, .. } => match **source {
                pod::Error::NoImage { .. } => StatusCode::NOT_FOUND,
                pod::Error::NotRunning { .. } => StatusCode::CONFLICT,
                pod::Error::Refused { .. } | pod::Error::Mount { .. } => StatusCode::BAD_REQUEST,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::Registry(registry::Error::Denied { .. }) => StatusCode::UNAUTHORIZED,
            Self::Registry(registry::Error::Missing { .. }) => StatusCode::NOT_FOUND,
            Self::Image { source, .. } => match **source {
                image::Error::Reference { .. } => StatusCode::BAD_REQUEST,
                image::Error::Unknown { .. } => StatusCode::NOT_FOUND,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.status(), Json(json!({"message": chain(&self)}))).into_response()
    }
}
