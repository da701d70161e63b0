//! The data of an app: backups, what is restored from them, and when they are made by themselves.
//!
//! A backup is one file (`docs/formats/backup.md`): what the modules' own programs say of their
//! data, the files of plain disks, the secrets that were born with them, and the release they
//! belong to. Where next: `backup.rs` (written), `restore.rs` (brought back), `archive.rs` (the
//! file), `inside.rs` (programs in a block).

mod archive;
mod backup;
mod copy;
mod far;
mod files;
mod inside;
mod parts;
mod restore;
mod schedule;
mod seal;
mod snapshot;
mod store;
mod undo;
mod unpack;

pub use archive::LeftOut;
pub use backup::{BackupOptions, BackupReport, Passphrase, backup};
pub use copy::{CopyReport, copy};
pub use restore::{From, RestoreOptions, RestoreReport, restore};
pub use schedule::{Schedule, schedule, schedules, set_schedule, was_made};
pub use store::{Kept, TakenIn, backup_file, backups, forget, sweep, take_in, taken_in};
pub use undo::{Moment, UndoData, UndoOptions, UndoPlan, UndoReport, undo_go, undo_plan};
pub use unpack::Damage;

pub(crate) use backup::running;
pub(crate) use far::exit_code;
pub(crate) use inside::{Program, run};
pub(crate) use parts::holders_of;
pub(crate) use restore::{StandIn, restore_in};
pub(crate) use snapshot::{before_go, of_large as snapshot_of_large};
pub(crate) use store::{forget_all, prune as forget_but};
