//! What the door knows, as written to `door.json` in the run directory: read by
//! a daemon that comes back, and by a door that has to start before its daemon
//! speaks. Format: `docs/formats/door.md`.

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::addresses::replace_file;
use crate::cidr::Cidr;
use crate::dns::zone::Zone;
use crate::model::{Route, Service};
use crate::{Error, Result};

const FORMAT: &str = "shelf-door";
const VERSION: u32 = 1;

/// The whole configuration; the drained are taken out already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Config {
    format: String,
    version: u32,
    pub(crate) domain: String,
    pub(crate) pod_cidr: (Ipv4Addr, u8),
    pub(crate) service_cidr: (Ipv4Addr, u8),
    pub(crate) services: Vec<Service>,
    pub(crate) routes: Vec<Route>,
}

impl Config {
    pub(crate) fn new(domain: &str, pods: Cidr, services: Cidr) -> Self {
        Self {
            format: FORMAT.into(),
            version: VERSION,
            domain: domain.into(),
            pod_cidr: (pods.network, pods.prefix),
            service_cidr: (services.network, services.prefix),
            services: Vec::new(),
            routes: Vec::new(),
        }
    }

    pub(crate) fn zone(&self) -> Zone {
        let pods = Cidr::new(self.pod_cidr.0, self.pod_cidr.1);
        let services = Cidr::new(self.service_cidr.0, self.service_cidr.1);
        Zone::new(&self.domain, pods, services, &self.services)
    }

    /// Where the file is.
    pub(crate) fn path(run_dir: &Path) -> PathBuf {
        run_dir.join("door.json")
    }

    /// The last configuration; `None` if there is none of this version, as after
    /// a reboot: the caller brings a new one anyway.
    pub(crate) fn load(run_dir: &Path) -> Option<Self> {
        let config: Self = serde_json::from_slice(&fs::read(Self::path(run_dir)).ok()?).ok()?;
        (config.format == FORMAT && config.version == VERSION).then_some(config)
    }

    /// Replaces the file. Not waited for on disk: after a power cut there is no
    /// door to read it.
    pub(crate) fn save(&self, run_dir: &Path) -> Result<()> {
        let path = Self::path(run_dir);
        let write = || -> io::Result<()> { replace_file(&path, &serde_json::to_vec(self)?, false) };
        write().map_err(|source| Error::state("write", &path, source))
    }
}
