//! A client of OCI registries: images to and from the store, and any other artifact by digest.
//!
//! Speaks the distribution protocol (OCI distribution-spec 1.1) to any registry. Every byte that
//! is taken is checked against its digest; every error says what was asked of whom and what the
//! registry answered. Knows nothing of containers, apps or Kubernetes. Start reading at
//! [`Client`] (`client.rs`), then `pull.rs`, `push.rs` (images) and `repository.rs` (everything
//! else); `wire.rs` is HTTP, `challenge.rs` and `token.rs` are how a registry is satisfied.
//!
//! ```no_run
//! # async fn example(images: image::Images) -> registry::Result<()> {
//! use registry::{Client, Settings};
//! let client = Client::new(&Settings::default())?;
//! let name = image::Reference::parse("localhost:5000/team/app:1.0").unwrap();
//! let login = client.login(&name)?;
//! let image = client.pull(&images, &name, login.as_ref(), &|_| ()).await?;
//! println!("{}", image.digest);
//! # Ok(()) }
//! ```

mod blob;
mod challenge;
mod client;
mod document;
mod error;
mod host;
mod login;
mod look;
mod pull;
mod push;
mod referrers;
mod repository;
mod signature;
mod token;
mod upload;
mod wire;

pub use client::{Client, Progress, Settings};
pub use document::{Descriptor, EMPTY_TYPE, INDEX_TYPE, MANIFEST_TYPE, Manifest, Platform};
pub use error::Error;
pub use login::{Login, Logins, login_in};
pub use look::Looked;
pub use repository::Repository;
pub use signature::{PublicKey, SIGNATURE_TYPE, Signed, SigningKey};

/// The result of every door of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;
