//! What `shelf serve` needs of the machine, and whether it is there.
//!
//! Features are probed where a probe is cheap; kernel versions are never compared.

use std::path::Path;

/// What to do where [`namespaces`] fails.
pub(crate) const NAMESPACES_FIX: &str =
    "sysctl user.max_user_namespaces=65536; inside a chroot: enter it with pivot_root instead";

/// One thing looked at.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) found: String,
    pub(crate) problem: Option<String>,
    pub(crate) fix: &'static str,
    /// Without it `shelf serve` cannot do its work; else it is only good to know.
    pub(crate) needed: bool,
}

impl Check {
    fn new(
        name: &'static str,
        needed: bool,
        fix: &'static str,
        result: Result<String, String>,
    ) -> Check {
        match result {
            Ok(found) => Check { name, found, problem: None, fix, needed },
            Err(problem) => {
                Check { name, found: String::new(), problem: Some(problem), fix, needed }
            }
        }
    }
}

/// Looks at everything; `data` is where data is kept, and need not be there yet.
pub(crate) fn checks(data: &Path) -> Vec<Check> {
    vec![
        Check::new("root", true, "run it as root (sudo)", root()),
        Check::new("user namespaces", true, NAMESPACES_FIX, namespaces()),
        Check::new("overlay", true, "modprobe overlay", filesystem("overlay")),
        Check::new(
            "control groups",
            true,
            "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
            control_groups(),
        ),
        Check::new(
            "seccomp",
            true,
            "a kernel with CONFIG_SECCOMP_FILTER",
            exists("/proc/sys/kernel/seccomp/actions_avail"),
        ),
        Check::new(
            "mmdebstrap",
            false,
            "apt-get install mmdebstrap (makes debian:12)",
            program("mmdebstrap"),
        ),
        Check::new(
            "disk",
            false,
            "make room, or give shelf serve another disk (--data-dir)",
            disk(data),
        ),
        Check::new("kubectl", false, "apt-get install kubernetes-client", program("kubectl")),
    ]
}

fn root() -> Result<String, String> {
    if rustix::process::geteuid().is_root() {
        return Ok("uid 0".into());
    }
    Err(format!("this is uid {}", rustix::process::geteuid().as_raw()))
}

/// Whether the kernel gives us user namespaces, which every pod has.
pub(crate) fn namespaces() -> Result<String, String> {
    engine::probe_namespaces().map(|()| "made one".into()).map_err(|error| {
        let why = if error.raw_os_error() == Some(libc::EPERM) {
            " (so it does inside a chroot, and where a security policy forbids them)"
        } else {
            ""
        };
        format!("the kernel refuses a user namespace: {error}{why}")
    })
}

fn filesystem(name: &str) -> Result<String, String> {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let found = known.lines().any(|line| line.split_whitespace().next_back() == Some(name));
    if found { Ok("in the kernel".into()) } else { Err("not in /proc/filesystems".into()) }
}

fn control_groups() -> Result<String, String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let v2 = mounts.contains(" - cgroup2 ");
    let v1 = mounts.contains(" - cgroup ");
    match (v1, v2) {
        (true, true) => Ok("v1 and v2 (hybrid)".into()),
        (true, false) => Ok("v1".into()),
        (false, true) => Ok("v2".into()),
        (false, false) => Err("none is mounted".into()),
    }
}

fn exists(path: &str) -> Result<String, String> {
    if Path::new(path).exists() { Ok("there".into()) } else { Err(format!("{path} is absent")) }
}

fn program(name: &str) -> Result<String, String> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
        .map(|path| path.display().to_string())
        .ok_or_else(|| "not in PATH".into())
}

/// A Debian base, an app's images and a database take about this much.
const ROOM: u64 = 5 << 30;

/// What others than root may take of the disk where data is kept.
fn disk(data: &Path) -> Result<String, String> {
    let place = data.ancestors().find(|place| place.is_dir()).unwrap_or(Path::new("/"));
    let free = apps::space(place)
        .map_err(|error| format!("the disk of {}: {error}", place.display()))?
        .free;
    let found = format!("{} free for {}", crate::table::size(free), data.display());
    if free < ROOM {
        Err(format!("{found}, which is little for images and data"))
    } else {
        Ok(found)
    }
}
