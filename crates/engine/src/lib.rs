//! The engine: one container = a spec + a root file system → a process, and its keeper.
//!
//! It knows nothing of images, networks or pods as objects. Three kinds of process work
//! together, all the same binary: the *daemon* (whoever calls [`Engine::start`]), one small
//! single-threaded *zygote* forked from nothing but itself, and one *keeper* per sandbox,
//! forked from the zygote, parent of the sandbox's containers. Keepers outlive the daemon.
//!
//! Start reading at `engine.rs`, then `zygote.rs`, `keeper.rs`, `launch.rs`.
//!
//! ```no_run
//! use std::os::fd::AsFd;
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     engine::run_if_asked();
//!     let (engine, events) = engine::Engine::start(engine::Settings {
//!         run_dir: "/run/shelf/keepers".into(),
//!         cgroup: "shelf-demo".into(),
//!     })?;
//!     let sandbox = engine.create(&engine::SandboxSpec { id: "a".into(), ..Default::default() })?;
//!     let root = std::fs::File::open("/srv/root")?; // in earnest: a detached mount
//!     let spec = engine::ContainerSpec {
//!         id: "c".into(),
//!         args: vec!["/bin/true".into()],
//!         log: "/var/log/c.log".into(),
//!         ..Default::default()
//!     };
//!     sandbox.start(&spec, root.as_fd(), &[])?;
//!     println!("{:?}", events.recv()?);
//!     sandbox.destroy()?;
//!     Ok(())
//! }
//! ```

mod capability;
mod cgroup;
mod engine;
mod error;
mod events;
mod keeper;
mod launch;
mod probe;
mod sandbox;
mod seccomp;
mod spec;
mod state;
mod sys;
mod wire;
mod zygote;

pub use engine::{Adopted, Engine, Settings, run_if_asked};
pub use error::Error;
pub use probe::probe_namespaces;
pub use sandbox::{Attach, Exec, Sandbox, Stdio};
pub use spec::{
    ContainerSpec, ExecSpec, IdRange, Limits, Mount, MountKind, SandboxSpec, Seccomp, User,
};
pub use state::{ContainerState, Event, Exit, Started, Stats, Status};
