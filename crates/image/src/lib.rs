//! Images on disk: blobs by digest, layers as directories, and their roots as detached mounts.
//!
//! This room knows nothing of containers, pods or builds: it takes layers in, checks them, and
//! hands a root file system back as a file descriptor. Everything on disk is an OCI image layout
//! with unpacked layers beside it; `docs/formats/images.md` describes each file.
//!
//! Start reading at [`Images`] (`images.rs`), then `layout.rs` (what is on disk), `layers.rs`
//! (tar to directory and back) and `mount.rs` (directories to one root).
//!
//! ```
//! let dir = tempfile::tempdir().unwrap();
//! let images = image::Images::open(&dir.path().join("images")).unwrap();
//! let scratch = image::ImageConfig::empty();
//! let made = images.write(None, scratch, vec![], Some("example:1")).unwrap();
//! let found = images.find("docker.io/library/example:1").unwrap().unwrap();
//! assert_eq!(found.digest, made.digest);
//! ```

pub mod user;

mod base;
mod collect;
mod config;
mod digest;
mod error;
mod extract;
mod foreign;
mod images;
mod layers;
mod layout;
mod look;
mod manifest;
mod mount;
mod pack;
mod packing;
mod record;
mod reference;
pub mod rooted;
mod scratch;
mod sys;
mod tar;

pub use collect::Collected;
pub use config::{ContainerConfig, Empty, Healthcheck, History, ImageConfig, RootFs, architecture};
pub use digest::{Hasher, sha256};
pub use error::Error;
pub use extract::{Budget, Meaning, extract};
pub use foreign::{Blob, Document, Incoming};
pub use images::{Hold, Image, Images, Layer};
pub use record::Record;
pub use reference::Reference;
pub use scratch::{Exclusive, Scratch};

/// The result of every door of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;
