//! What a limit and a usage figure are called in either cgroup version.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Group, read_key};
use crate::{Limits, Stats};

type Result<T> = std::result::Result<T, (PathBuf, io::Error)>;

/// Period of CPU quotas in both versions.
const CPU_PERIOD_US: u64 = 100_000;

pub(super) fn write(group: &Group, limits: &Limits) -> Result<()> {
    if let Some(bytes) = limits.memory_bytes {
        let (dir, unified) = need(group, "memory")?;
        let bytes = bytes.to_string();
        if unified {
            put(&dir, "memory.max", &bytes)?;
            put_if_there(&dir, "memory.swap.max", "0")?;
        } else {
            put(&dir, "memory.limit_in_bytes", &bytes)?;
            put_if_there(&dir, "memory.memsw.limit_in_bytes", &bytes)?;
        }
    }
    if let Some(millis) = limits.cpu_millis {
        let (dir, unified) = need(group, "cpu")?;
        // The kernel's least quota is 1 ms.
        let quota = millis.saturating_mul(CPU_PERIOD_US / 1_000).max(1_000);
        if unified {
            put(&dir, "cpu.max", &format!("{quota} {CPU_PERIOD_US}"))?;
        } else {
            put(&dir, "cpu.cfs_period_us", &CPU_PERIOD_US.to_string())?;
            put(&dir, "cpu.cfs_quota_us", &quota.to_string())?;
        }
    }
    if let Some(shares) = limits.cpu_shares {
        let (dir, unified) = need(group, "cpu")?;
        let shares = shares.clamp(2, 262_144);
        if unified {
            put(&dir, "cpu.weight", &weight(shares).to_string())?;
        } else {
            put(&dir, "cpu.shares", &shares.to_string())?;
        }
    }
    if let Some(pids) = limits.pids {
        let (dir, _) = need(group, "pids")?;
        put(&dir, "pids.max", &pids.to_string())?;
    }
    Ok(())
}

/// v1 shares (2 to 262,144) on the v2 scale (1 to 10,000), as Kubernetes maps them.
fn weight(shares: u64) -> u64 {
    1 + (shares - 2) * 9_999 / 262_142
}

fn need(group: &Group, controller: &'static str) -> Result<(PathBuf, bool)> {
    group.dir_with(controller).ok_or_else(|| {
        let reason = format!("cgroup controller {controller} is not available");
        (group.path.clone(), io::Error::new(io::ErrorKind::Unsupported, reason))
    })
}

fn put(dir: &Path, file: &str, value: &str) -> Result<()> {
    let path = dir.join(file);
    fs::write(&path, value).map_err(|error| (path, error))
}

/// Swap accounting may be off.
fn put_if_there(dir: &Path, file: &str, value: &str) -> Result<()> {
    match put(dir, file, value) {
        Err((_, error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

pub(super) fn stats(group: &Group) -> Stats {
    let number = |path: PathBuf| -> u64 {
        fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    };
    let mut stats = Stats::default();
    if let Some((dir, unified)) = group.dir_with("memory") {
        let (usage, inactive) = if unified {
            ("memory.current", "inactive_file")
        } else {
            ("memory.usage_in_bytes", "total_inactive_file")
        };
        stats.memory_bytes = number(dir.join(usage));
        let inactive = read_key(&dir.join("memory.stat"), inactive).unwrap_or(0);
        stats.memory_working_set_bytes = stats.memory_bytes.saturating_sub(inactive);
    }
    if let Some((dir, false)) = group.dir_with("cpuacct") {
        stats.cpu_ns = number(dir.join("cpuacct.usage"));
    } else if let Some(root) = group.roots.iter().find(|root| root.unified) {
        let usage = read_key(&group.dir(root).join("cpu.stat"), "usage_usec");
        stats.cpu_ns = usage.unwrap_or(0) * 1_000;
    }
    if let Some((dir, _)) = group.dir_with("pids") {
        stats.pids = number(dir.join("pids.current"));
    }
    stats
}

#[cfg(test)]
mod tests {
    #[test]
    fn shares_map_onto_the_whole_weight_scale() {
        assert_eq!(super::weight(2), 1);
        assert_eq!(super::weight(1_024), 39);
        assert_eq!(super::weight(262_144), 10_000);
    }
}
