//! The one error type of this room: where in the Dockerfile, what failed, what to try.

/// What failed in a build.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The image store refused something.
    #[error("image store")]
    Image(#[source] image::Error),
}
