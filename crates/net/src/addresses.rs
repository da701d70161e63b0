//! Which pod has which address, remembered across restarts in `net.json`
//! (`docs/formats/net.md`). Addresses are given round robin: a freed one comes
//! up again only after all others, so stale routes and DNS answers run dry.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::cidr::Cidr;
use crate::{Error, Result};

const FORMAT: &str = "shelf-net";
const VERSION: u32 = 1;

/// The file's content.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct File {
    format: String,
    version: u32,
    /// Network address and prefix length of the pods.
    pod_cidr: (Ipv4Addr, u8),
    /// Index in the pod network where the search for a free address goes on.
    next: u32,
    /// Whether it was us who switched `net.ipv4.ip_forward` on.
    forwarding_changed: bool,
    /// Pod id to address.
    attachments: BTreeMap<String, Ipv4Addr>,
}

/// The addresses of one instance.
#[derive(Debug)]
pub(crate) struct Addresses {
    path: PathBuf,
    file: File,
}

impl Addresses {
    /// What `state_dir` remembers; `None` if it holds no `net.json`.
    pub(crate) fn load(state_dir: &Path) -> Result<Option<Self>> {
        let path = state_dir.join("net.json");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::state("read", path, source)),
        };
        let wrong = |reason: String| Error::Format {
            path: path.clone(),
            expected: "shelf-net version 1",
            reason,
        };
        let file: File = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
        if file.format != FORMAT || file.version != VERSION {
            return Err(wrong(format!("it says {} version {}", file.format, file.version)));
        }
        Ok(Some(Self { path, file }))
    }

    /// No pod yet in `pods`; not written before the first change.
    pub(crate) fn new(state_dir: &Path, pods: Cidr) -> Self {
        let file = File {
            format: FORMAT.into(),
            version: VERSION,
            pod_cidr: (pods.network, pods.prefix),
            next: 2,
            forwarding_changed: false,
            attachments: BTreeMap::new(),
        };
        Self { path: state_dir.join("net.json"), file }
    }

    pub(crate) fn pod_cidr(&self) -> Cidr {
        Cidr::new(self.file.pod_cidr.0, self.file.pod_cidr.1)
    }

    pub(crate) fn forwarding_changed(&self) -> bool {
        self.file.forwarding_changed
    }

    /// Remembers that forwarding was off before us; never forgets it again.
    pub(crate) fn note_forwarding_changed(&mut self) {
        self.file.forwarding_changed = true;
    }

    pub(crate) fn get(&self, pod_id: &str) -> Option<Ipv4Addr> {
        self.file.attachments.get(pod_id).copied()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, Ipv4Addr)> {
        self.file.attachments.iter().map(|(id, ip)| (id, *ip))
    }

    /// The pod's address, a new one if it has none. The caller saves.
    pub(crate) fn take(&mut self, pod_id: &str) -> Result<Ipv4Addr> {
        if let Some(ip) = self.get(pod_id) {
            return Ok(ip);
        }
        let pods = self.pod_cidr();
        // 0 is the network, 1 the bridge, the last one broadcast.
        let usable = pods.size().saturating_sub(3);
        let used: std::collections::BTreeSet<u32> =
            self.file.attachments.values().map(|ip| pods.index(*ip)).collect();
        let start = self.file.next.saturating_sub(2);
        let free = (0..usable).map(|n| 2 + (start.wrapping_add(n)) % usable);
        let index = free
            .into_iter()
            .find(|index| !used.contains(index))
            .ok_or(Error::NoFreeAddress { network: pods.network, prefix: pods.prefix })?;
        self.file.next = index + 1;
        let ip = pods.at(index);
        self.file.attachments.insert(pod_id.to_owned(), ip);
        Ok(ip)
    }

    /// Frees the pod's address. The caller saves.
    pub(crate) fn release(&mut self, pod_id: &str) -> Option<Ipv4Addr> {
        self.file.attachments.remove(pod_id)
    }

    /// Removes the file: nothing of this instance is left.
    pub(crate) fn forget(&mut self) -> Result<()> {
        self.file.attachments.clear();
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::state("remove", &self.path, error))
            }
            _ => Ok(()),
        }
    }

    /// Writes the file so that a power cut leaves the old or the new one.
    pub(crate) fn save(&self) -> Result<()> {
        let text = serde_json::to_vec_pretty(&self.file)
            .map_err(|e| Error::state("write", &self.path, e.into()))?;
        replace_file(&self.path, &text, true).map_err(|e| Error::state("write", &self.path, e))
    }
}

/// Replaces a file by rename; `durable` also waits for the disk.
pub(crate) fn replace_file(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let staged = path.with_extension("json.new");
    let mut file = fs::File::create(&staged)?;
    file.write_all(bytes)?;
    if durable {
        file.sync_all()?;
    }
    fs::rename(&staged, path)?;
    if durable && let Some(dir) = path.parent() {
        fs::File::open(dir)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Dir(PathBuf);
    impl Dir {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("net-{name}-{}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }
    }
    impl Drop for Dir {
        fn drop(&mut self) {
            // Only a test's directory; nothing to do about a failure.
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn small(dir: &Dir) -> Addresses {
        Addresses::new(&dir.0, Cidr::new(Ipv4Addr::new(10, 88, 0, 0), 29))
    }

    #[test]
    fn a_pod_keeps_its_address_across_a_restart() {
        let dir = Dir::new("keeps");
        let mut addresses = small(&dir);
        let ip = addresses.take("one").unwrap();
        addresses.save().unwrap();
        let mut again = Addresses::load(&dir.0).unwrap().unwrap();
        assert_eq!(again.take("one").unwrap(), ip);
        assert_ne!(again.take("two").unwrap(), ip);
    }

    #[test]
    fn a_freed_address_comes_last() {
        let dir = Dir::new("last");
        let mut addresses = small(&dir);
        // A /29 has five usable addresses: .2 to .6.
        let first = addresses.take("a").unwrap();
        addresses.release("a");
        let next: Vec<_> =
            ["b", "c", "d", "e"].iter().map(|id| addresses.take(id).unwrap()).collect();
        assert!(!next.contains(&first));
        assert_eq!(addresses.take("f").unwrap(), first);
        assert!(matches!(addresses.take("g"), Err(Error::NoFreeAddress { .. })));
    }

    #[test]
    fn a_foreign_file_is_refused_with_a_reason() {
        let dir = Dir::new("foreign");
        assert!(Addresses::load(&dir.0).unwrap().is_none());
        fs::write(dir.0.join("net.json"), "{}").unwrap();
        assert!(matches!(Addresses::load(&dir.0), Err(Error::Format { .. })));
        let mut other = small(&dir);
        other.file.version = 2;
        other.save().unwrap();
        let error = Addresses::load(&dir.0).unwrap_err().to_string();
        assert!(error.contains("version 2"), "{error}");
    }
}
