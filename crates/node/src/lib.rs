//! Pods that are bound to this machine, made real; what became of them, reported.
//!
//! An ordinary client of the Kubernetes API that happens to own a machine: it watches the pods
//! bound to its name and calls the pod room; it watches services, slices and ingresses and calls
//! the net room. It knows nothing of image bytes, Docker, or how objects are stored.
//!
//! Start reading at `start.rs` (all loops), then `worker.rs` (one pod's life), `plan.rs` (what is
//! to be done next, a pure function) and `status.rs` (what is told, another one).

pub mod kubelet;

mod admit;
mod atomic;
mod delete;
mod disks;
mod downward;
mod env;
mod error;
mod events;
mod hooks;
mod host;
mod machine;
mod plan;
mod policies;
mod pressure;
mod probe;
mod services;
mod space;
mod start;
mod status;
mod translate;
mod usage;
mod volumes;
mod worker;
mod workers;

pub use error::Error;
pub use start::{Node, Settings};
