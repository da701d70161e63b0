//! Which cgroup hierarchies there are, and our folder in each.
//!
//! Read from /proc/self/mountinfo and /proc/self/cgroup, never assumed. Our folder goes
//! directly below a hierarchy's mount point, or below the daemon's own group where only that
//! may be written.

use std::fs;
use std::path::{Path, PathBuf};

use super::Root;
use crate::error::{Error, Result};

/// v1 controllers worth joining; `name=systemd` keeps service managers from killing us with
/// the daemon's service.
const WANTED_V1: [&str; 7] =
    ["cpu", "cpuacct", "memory", "pids", "devices", "freezer", "name=systemd"];
/// v2 controllers to enable.
const WANTED_V2: [&str; 3] = ["cpu", "memory", "pids"];

/// A mounted hierarchy.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    mount: PathBuf,
    unified: bool,
    controllers: Vec<String>,
}

/// Finds or makes the folder `name` in every usable hierarchy.
pub(crate) fn roots(name: &str) -> Result<Vec<Root>> {
    let read = |path: &'static str| {
        fs::read_to_string(path).map_err(|source| Error::File {
            operation: "read",
            path: path.into(),
            source,
        })
    };
    let (mounts, own) = (read("/proc/self/mountinfo")?, read("/proc/self/cgroup")?);
    let roots: Vec<Root> = hierarchies(&mounts)
        .into_iter()
        .filter_map(|hierarchy| open(&hierarchy, &own, name))
        .collect();
    if roots.is_empty() {
        let reason = "no writable cgroup hierarchy is mounted".to_owned();
        return Err(Error::Cgroups { reason });
    }
    for wanted in WANTED_V2 {
        if !roots.iter().any(|root| root.has(wanted)) {
            tracing::warn!(
                controller = wanted,
                "cgroup controller missing: its limits cannot hold"
            );
        }
    }
    Ok(roots)
}

fn hierarchies(mountinfo: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        // proc(5): id parent major:minor root mount options [optional…] - type source options
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let Some(mount) = left.split(' ').nth(4) else { continue };
        let right: Vec<&str> = right.split(' ').collect();
        let (Some(kind), Some(options)) = (right.first(), right.get(2)) else { continue };
        let unified = *kind == "cgroup2";
        let controllers: Vec<String> = match *kind {
            "cgroup2" => Vec::new(),
            "cgroup" => options
                .split(',')
                .filter(|option| WANTED_V1.contains(option))
                .map(str::to_owned)
                .collect(),
            _ => continue,
        };
        let known =
            found.iter().any(|h| h.unified == unified && (unified || h.controllers == controllers));
        if (unified || !controllers.is_empty()) && !known {
            found.push(Hierarchy { mount: unescape(mount), unified, controllers });
        }
    }
    found
}

/// mountinfo writes space, tab, newline and backslash as octal.
fn unescape(path: &str) -> PathBuf {
    let text = path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n");
    PathBuf::from(text.replace("\\134", "\\"))
}

fn open(hierarchy: &Hierarchy, own: &str, name: &str) -> Option<Root> {
    let below_own = own_path(own, hierarchy).map(|path| hierarchy.mount.join(path));
    let dir =
        [Some(hierarchy.mount.clone()), below_own].into_iter().flatten().find_map(|parent| {
            let dir = parent.join(name);
            match fs::create_dir(&dir) {
                Ok(()) => Some(dir),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Some(dir),
                Err(_) => None,
            }
        })?;
    let controllers = if hierarchy.unified {
        WANTED_V2.iter().filter(|c| enable(&dir, c)).map(|c| (*c).to_owned()).collect()
    } else {
        let named = |c: &&String| !c.starts_with("name=");
        hierarchy.controllers.iter().filter(named).cloned().collect()
    };
    Some(Root { dir, unified: hierarchy.unified, controllers })
}

/// Enables a v2 controller for our folder and for the folders in it.
fn enable(dir: &Path, controller: &str) -> bool {
    let order = format!("+{controller}");
    let has = |file: &str, dir: &Path| {
        fs::read_to_string(dir.join(file))
            .is_ok_and(|text| text.split_whitespace().any(|word| word == controller))
    };
    let Some(parent) = dir.parent() else { return false };
    if !has("cgroup.controllers", dir)
        && fs::write(parent.join("cgroup.subtree_control"), &order).is_err()
    {
        return false;
    }
    fs::write(dir.join("cgroup.subtree_control"), &order).is_ok()
}

/// The daemon's own group in a hierarchy, relative.
fn own_path<'a>(own: &'a str, hierarchy: &Hierarchy) -> Option<&'a str> {
    own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let same = if hierarchy.unified {
            controllers.is_empty()
        } else {
            controllers.split(',').any(|c| hierarchy.controllers.iter().any(|h| h == c))
        };
        same.then(|| path.trim_start_matches('/')).filter(|path| !path.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrid_and_pure_layouts_are_read() {
        let hybrid = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
            33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
            40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
            41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw - cgroup2 cgroup2 rw\n\
            42 31 0:38 / /other rw - cgroup2 cgroup2 rw\n";
        let found = hierarchies(hybrid);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0].controllers, ["cpu", "cpuacct"]);
        assert_eq!(found[1].controllers, ["name=systemd"]);
        assert_eq!(found[2].mount, Path::new("/sys/fs/cgroup/uni fied"));
        assert!(found[2].unified);
    }

    #[test]
    fn our_own_group_is_found_by_controller() {
        let own = "4:cpu,cpuacct:/a/b\n1:name=systemd:/\n0::/system.slice/x\n";
        let hierarchy = |unified, controllers: &[&str]| Hierarchy {
            mount: "/m".into(),
            unified,
            controllers: controllers.iter().map(|c| (*c).to_owned()).collect(),
        };
        assert_eq!(own_path(own, &hierarchy(false, &["cpuacct"])), Some("a/b"));
        assert_eq!(own_path(own, &hierarchy(true, &[])), Some("system.slice/x"));
        assert_eq!(own_path(own, &hierarchy(false, &["name=systemd"])), None);
        assert_eq!(own_path(own, &hierarchy(false, &["memory"])), None);
    }
}
