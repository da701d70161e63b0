//! Pods on this machine: image + network + containers, made in one order and undone in reverse.
//!
//! Knows nothing of the Kubernetes API or Docker's. All doors are synchronous and may block:
//! call them from a thread of their own or through `spawn_blocking`. Start reading at
//! [`Pods::create`], then `start.rs`.

pub mod capabilities;
pub mod tree;

mod create;
mod dial;
mod disk;
mod error;
mod etc;
mod events;
mod exec;
mod ids;
mod log;
mod memory;
mod mount;
mod pods;
mod shift;
mod signal;
mod spec;
mod start;
mod state;
mod step;
mod stop;

pub use error::Error;
pub use exec::{Process, Session, Stats};
pub use log::{LogOptions, Sink};
pub use pods::Pods;
pub use spec::{
    Container, Created, Dns, Exec, HostAlias, Limits, Mount, MountSource, Overrides, RunAs,
    Settings, Spec, Step,
};
pub use state::{ContainerState, Event, Exit, State};
