//! Pods on this machine: image + network + containers, made in one order and undone in reverse.
//!
//! Knows nothing of the Kubernetes API or Docker's. All doors are synchronous and may block:
//! call them from a thread of their own or through `spawn_blocking`. Start reading at
//! [`Pods::create`], then `start.rs`.

pub mod capabilities;
mod error;
mod spec;
mod state;
mod pods;

pub use error::Error;
pub use pods::Pods;
pub use spec::{
    Container, Created, Dns, Exec, HostAlias, Limits, Mount, MountSource, RunAs, Settings, Spec,
    Step,
};
pub use state::{ContainerState, Event, Exit, State};
