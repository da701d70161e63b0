//! What can go wrong in a loop, named by the operation that failed.

/// Why a loop could not do what it wanted; the key is tried again later.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request to the API was refused or did not get through.
    #[error("{operation} {path}")]
    Request {
        /// HTTP method, or the verb of the API.
        operation: &'static str,
        /// URL path of the object or collection.
        path: String,
        /// What the API or the transport said.
        #[source]
        source: Box<kube::Error>,
    },
    /// An object does not say what it must; its loop can do nothing until it changes.
    #[error("{object}: {problem}")]
    Object {
        /// Kind, namespace and name.
        object: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A request that we built is not a valid one.
    #[error("build a request: {0}")]
    Bug(String),
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    fn status(&self) -> Option<&kube::core::Status> {
        match self {
            Self::Request { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status),
                _ => None,
            },
            _ => None,
        }
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.status().is_some_and(|status| status.code == 404)
    }

    pub(crate) fn is_already_exists(&self) -> bool {
        self.status().is_some_and(kube::core::Status::is_already_exists)
    }

    /// Someone else wrote first, or the object or its namespace went away: expected.
    pub(crate) fn is_race(&self) -> bool {
        self.is_not_found()
            || self.status().is_some_and(|status| status.code == 409 || status.is_forbidden())
    }
}
