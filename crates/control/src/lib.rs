//! The control loops: desired objects become other objects, and pods find a node.
//!
//! An ordinary client of the Kubernetes API: it would run against any cluster.
//! It knows nothing of machines, images or storage on disk; the node room makes
//! bound pods and the directories of volumes real, and deletes a volume that is
//! `Released` with reclaim policy `Delete`.
//!
//! Start reading at `cache.rs` (one watch per kind feeds all loops) and `queue.rs`
//! (how every loop works), then any loop: `replica_set.rs` is the shortest.
//!
//! ```no_run
//! # async fn example(client: kube::Client) -> Result<(), control::Error> {
//! let settings = control::Settings::new("/var/lib/shelf/volumes".into(), "-----BEGIN …".into());
//! control::run(client, settings, std::future::pending()).await
//! # }
//! ```

mod autoscaler;
mod cache;
mod cluster;
mod cron_job;
mod deployment;
mod disruption;
mod endpoints;
mod error;
mod event;
mod garbage;
mod job;
mod leftover;
mod namespace;
mod object;
mod owner;
mod pod;
mod queue;
mod replica_set;
mod resource;
mod scheduler;
mod selector;
mod start;
mod stateful_set;
mod volume;
mod watch;

pub use cron_job::{Schedule, ScheduleError};
pub use error::Error;
pub use start::{Settings, run};
