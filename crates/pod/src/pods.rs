//! The door: one handle on all pods of this machine.

use crate::{Error, Exit, Settings, Step};
use image::Images;
use net::Net;

/// All pods of this machine. Cheap to clone.
#[derive(Clone)]
pub struct Pods {}

impl Pods {
    /// Starts the engine and finds again every pod that outlived the last daemon.
    ///
    /// Blocks; must not be called on a thread that runs async tasks.
    pub fn start(
        _settings: Settings,
        _images: Images,
        _net: Net,
        _handle: tokio::runtime::Handle,
    ) -> Result<Self, Error> {
        unimplemented!()
    }

    /// Runs one build step to its end in a throw-away pod.
    pub fn run_step(&self, _step: Step<'_>) -> Result<Exit, Error> {
        unimplemented!()
    }
}
