//! Everything that can go wrong with a pod, named by what was tried.

use std::path::PathBuf;

/// A failed operation on a pod.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory of ours could not be used.
    #[error("{action} {path}")]
    File {
        /// What was tried, e.g. `write`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A state file cannot be read as one of ours.
    #[error("state file {path} is not understood")]
    Format {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// No such pod here.
    #[error("no pod {id} on this machine")]
    NoPod {
        /// Its id.
        id: String,
    },
    /// No such container in the pod.
    #[error("no container {container} in pod {id}")]
    NoContainer {
        /// Pod id.
        id: String,
        /// Container name.
        container: String,
    },
    /// The container does not run.
    #[error("container {container} of pod {id} is not running")]
    NotRunning {
        /// Pod id.
        id: String,
        /// Container name.
        container: String,
    },
    /// A port of the pod does not answer.
    #[error("port {port} of pod {id} does not answer")]
    Dial {
        /// Pod id.
        id: String,
        /// The port.
        port: u16,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The image is not on this machine.
    #[error("image {image} is not on this machine")]
    NoImage {
        /// As asked for.
        image: String,
    },
    /// The image store failed.
    #[error("{action} image {image}")]
    Image {
        /// What was tried.
        action: &'static str,
        /// On which image.
        image: String,
        /// Why not.
        #[source]
        source: image::Error,
    },
    /// The engine failed.
    #[error("{action} {id}")]
    Engine {
        /// What was tried.
        action: &'static str,
        /// On which sandbox or container.
        id: String,
        /// Why not.
        #[source]
        source: engine::Error,
    },
    /// The network failed.
    #[error("{action} pod {id}")]
    Net {
        /// What was tried.
        action: &'static str,
        /// On which pod.
        id: String,
        /// Why not.
        #[source]
        source: net::Error,
    },
    /// The request cannot be carried out as it stands.
    #[error("container {container}: {reason}")]
    Refused {
        /// Container name.
        container: String,
        /// What is wrong with it, for the person who wrote it.
        reason: String,
    },
    /// A volume's path could not be reached safely.
    #[error("mount {path} for {destination}")]
    Mount {
        /// Host path.
        path: PathBuf,
        /// Path in the container.
        destination: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A memory volume could not be given to the pod's range of ids (Linux before 6.3).
    #[error("give the volume at {destination} to the pod's user ids")]
    Owners {
        /// Path in the container.
        destination: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Every range of ids is taken.
    #[error("no free range of user ids: {count} pods are on this machine")]
    NoIds {
        /// How many pods there are.
        count: usize,
    },
    /// A container did not end although it was killed.
    #[error("container {container} of pod {id} did not end within {seconds} s of SIGKILL")]
    Unkillable {
        /// Pod id.
        id: String,
        /// Container name.
        container: String,
        /// How long it was waited for.
        seconds: u64,
    },
}
