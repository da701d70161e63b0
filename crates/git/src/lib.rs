//! What a server of `git push` needs: the words of the protocol, packs that are believed only after
//! every object was checked, and the files of a commit.
//!
//! Nothing of git's own program runs here, and so no hook, option, filter, attribute or setting
//! that a pusher may have put somewhere: what arrives is data. Every size that a stranger chooses
//! has a limit, named where it is kept. Knows nothing of HTTP and of apps.
//!
//! Start reading at `repository.rs` (what is kept), then `receive.rs` (how a pack is checked),
//! `checkout.rs` (how its files are written) and `line.rs` (the protocol).

mod checkout;
mod error;
mod id;
mod line;
mod object;
mod pack;
mod receive;
mod repository;
mod request;

pub use checkout::Files;
pub use error::Error;
pub use id::Id;
pub use line::{Band, advertisement, flush, said, verdict};
pub use repository::{Repository, Staged};
pub use request::{Command, Request};

/// The result of every door of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;
