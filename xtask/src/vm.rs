//! `cargo x vm`: the tests of the lower rooms on Debian's own kernel, in an emulated machine.
//!
//! The kernel of a developer's machine is not that of the users: Debian 12 has Linux 6.1 and
//! cgroup v2 alone, where limits, mounts and namespaces take other paths through the code. The
//! machine is emulated in software, so nothing but a package is needed, here or in CI. It has no
//! network and its disk is thrown away.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::host::{Need, install, require_root, root, run as start};

const NEEDS: &[Need] = &[
    Need { program: "qemu-system-x86_64", package: "qemu-system-x86", why: "emulates a machine" },
    Need { program: "mkfs.ext4", package: "e2fsprogs", why: "makes its disk" },
    Need { program: "busybox", package: "busybox-static", why: "its user land" },
    Need { program: "strip", package: "binutils", why: "makes the tests fit" },
];

/// Debian's package that depends on the newest kernel without drivers for real machines.
const KERNEL: &str = "linux-image-cloud-amd64";

/// Needed to find the disk, in the order of their dependencies.
const DISK_MODULES: &[&str] = &[
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
];

/// What runs inside: a name, the package and target of the test program, its arguments.
const SUITES: &[(&str, &str, &str, &str)] = &[
    ("engine", "engine", "main", ""),
    // Its oracle is Python, which the machine does not have; it runs on the host.
    ("image", "image", "main", "mounts store --skip file_capabilities"),
    ("pod", "pod", "main", ""),
];

/// Emulation is some ten times slower than the processor.
const PATIENCE: Duration = Duration::from_secs(480);

/// Builds the tests, boots the machine with them and reads its console.
///
/// # Errors
/// Says what could not be made, or which suite failed, with the console's last lines.
pub(crate) fn run() -> Result<()> {
    require_root("vm")?;
    ensure!(cfg!(target_arch = "x86_64"), "`cargo x vm` emulates x86_64 on x86_64 only");
    install(NEEDS)?;
    let folder = root().join("target/vm");
    fs::create_dir_all(&folder)?;
    let kernel = kernel(&folder)?;
    let disk = disk(&folder, &kernel)?;
    let initial = initial(&folder, &kernel)?;
    // An emulated machine was once seen to stand still for no reason of ours: what does not end
    // is started once more, on a fresh disk; what ends with a failure is not.
    let console = match boot(&folder, &kernel.image, &initial, &disk)? {
        Some(console) => console,
        None => {
            eprintln!("the emulated machine stood still; starting it once more");
            let disk = disk_image(&folder)?;
            boot(&folder, &kernel.image, &initial, &disk)?
                .with_context(|| format!("it did not end within {} s, twice", PATIENCE.as_secs()))?
        }
    };
    for (name, ..) in SUITES {
        let end = console.lines().find_map(|line| line.strip_prefix(&format!("suite {name}: ")));
        ensure!(
            end == Some("0"),
            "in the emulated machine, the tests of {name} ended with {}:\n{}",
            end.unwrap_or("nothing"),
            last(&console, 60)
        );
    }
    let passed =
        console.lines().filter(|line| line.starts_with("test ") && line.contains("... ok"));
    println!("{} tests passed on Linux {} with cgroup v2", passed.count(), kernel.release);
    Ok(())
}

struct Kernel {
    image: PathBuf,
    modules: PathBuf,
    release: String,
}

/// The kernel, unpacked from its package and kept for the next run.
fn kernel(folder: &Path) -> Result<Kernel> {
    let output = Command::new("apt-cache").args(["depends", KERNEL]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let package = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: "))
        .filter(|name| name.starts_with("linux-image-"))
        .with_context(|| format!("apt knows no {KERNEL}; it is a package of Debian"))?
        .to_owned();
    let release = package.trim_start_matches("linux-image-").to_owned();
    let unpacked = folder.join(&package);
    if !unpacked.join("boot").is_dir() {
        start(Command::new("apt-get").args(["download", "-qq", &package]).current_dir(folder))?;
        let archive = fs::read_dir(folder)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                name.starts_with(&format!("{package}_"))
            })
            .context("apt-get download left no file")?;
        let _half = fs::remove_dir_all(&unpacked);
        start(Command::new("dpkg-deb").arg("-x").args([&archive, &unpacked]))?;
        fs::remove_file(archive)?;
    }
    Ok(Kernel {
        image: unpacked.join("boot").join(format!("vmlinuz-{release}")),
        modules: unpacked.join("lib/modules").join(&release),
        release,
    })
}

/// The programs under test, by package, as the whole workspace builds them.
fn programs() -> Result<Vec<(&'static str, PathBuf)>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["test", "--workspace", "--no-run", "--quiet", "--message-format=json"])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the tests do not build");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages: Vec<Value> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let find = |package: &str, target: &str| {
        messages.iter().find_map(|message| {
            let id = message["package_id"].as_str()?;
            let ours = id.contains(&format!("/crates/{package}#"));
            let fits =
                message["target"]["name"] == target && message["target"]["kind"][0] == "test";
            (ours && fits).then(|| message["executable"].as_str().map(PathBuf::from))?
        })
    };
    SUITES
        .iter()
        .map(|(name, package, target, _)| {
            let path = find(package, target)
                .with_context(|| format!("{package} has no test program {target}"))?;
            Ok((*name, path))
        })
        .collect()
}

/// The root disk: busybox, the test programs, the modules they load, and what starts them.
fn disk(folder: &Path, kernel: &Kernel) -> Result<PathBuf> {
    let tree = folder.join("root");
    let _old = fs::remove_dir_all(&tree);
    for name in ["bin", "sbin", "dev", "proc", "sys", "tmp", "etc", "run", "var"] {
        fs::create_dir_all(tree.join(name))?;
    }
    busybox(&tree)?;
    for (name, program) in programs()? {
        start(Command::new("strip").arg("-o").arg(tree.join("bin").join(name)).arg(program))?;
    }
    let modules = tree.join("lib/modules").join(&kernel.release);
    fs::create_dir_all(&modules)?;
    for part in ["net", "drivers/net/veth.ko", "fs/overlayfs", "lib"] {
        let to = modules.join("kernel").join(part);
        fs::create_dir_all(to.parent().context("a folder above")?)?;
        start(Command::new("cp").arg("-r").arg(kernel.modules.join("kernel").join(part)).arg(to))?;
    }
    start(
        Command::new("busybox")
            .arg("depmod")
            .arg("-b")
            .arg(&tree)
            .arg(&kernel.release)
            .stdout(Stdio::null()),
    )?;
    let mut script = String::from(
        "#!/bin/busybox sh\n\
         /bin/busybox --install -s /bin; ln -sf /bin/busybox /sbin/modprobe; export PATH=/bin:/sbin\n\
         mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev\n\
         mkdir -p /dev/pts /dev/shm; mount -t devpts devpts /dev/pts\n\
         mount -t cgroup2 cgroup2 /sys/fs/cgroup; ip link set lo up\n\
         echo root:x:0:0:root:/:/bin/sh > /etc/passwd; echo nameserver 127.0.0.1 > /etc/resolv.conf\n\
         for m in overlay bridge veth nf_tables nft_chain_nat; do modprobe $m; done\n\
         cd /tmp\n",
    );
    for (name, _, _, arguments) in SUITES {
        script.push_str(&format!("{name} {arguments}; echo \"suite {name}: $?\"\n"));
    }
    script.push_str("sync; poweroff -f\n");
    executable(&tree.join("init"), &script)?;
    disk_image(folder)
}

fn disk_image(folder: &Path) -> Result<PathBuf> {
    let (tree, disk) = (folder.join("root"), folder.join("disk.img"));
    let _old = fs::remove_file(&disk);
    start(Command::new("mkfs.ext4").args(["-q", "-d"]).args([&tree, &disk]).arg("1G"))?;
    Ok(disk)
}

/// The first root, in memory: loads what the disk needs and goes there. A machine's first root
/// cannot be pivoted away from, which containers do.
fn initial(folder: &Path, kernel: &Kernel) -> Result<PathBuf> {
    let tree = folder.join("initial");
    let _old = fs::remove_dir_all(&tree);
    for name in ["bin", "dev", "modules", "root"] {
        fs::create_dir_all(tree.join(name))?;
    }
    busybox(&tree)?;
    let mut script = String::from("#!/bin/busybox sh\n/bin/busybox mount -t devtmpfs dev /dev\n");
    for module in DISK_MODULES {
        let file = format!("{module}.ko");
        let found = ["drivers/virtio", "drivers/block"]
            .map(|part| kernel.modules.join("kernel").join(part).join(&file))
            .into_iter()
            .find(|path| path.is_file());
        let found = found.with_context(|| format!("the kernel's package has no {file}"))?;
        fs::copy(found, tree.join("modules").join(&file))?;
        script.push_str(&format!("/bin/busybox insmod /modules/{file}\n"));
    }
    script.push_str("/bin/busybox mount -t ext4 /dev/vda /root\n");
    script.push_str("exec /bin/busybox switch_root /root /init\n");
    executable(&tree.join("init"), &script)?;
    let archive = folder.join("initial.cpio");
    let pack = "find . | busybox cpio -o -H newc > ../initial.cpio";
    start(Command::new("sh").args(["-c", pack]).current_dir(&tree).stderr(Stdio::null()))?;
    Ok(archive)
}

fn busybox(tree: &Path) -> Result<()> {
    let program = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|p| Path::new(p).exists());
    fs::copy(program.context("busybox-static is not installed")?, tree.join("bin/busybox"))?;
    Ok(())
}

fn executable(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Runs the machine to its end; what its console said, or nothing if it does not end.
fn boot(folder: &Path, kernel: &Path, initial: &Path, disk: &Path) -> Result<Option<String>> {
    let console = folder.join("console.txt");
    let mut machine = Command::new("qemu-system-x86_64")
        .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048"])
        .args(["-display", "none", "-no-reboot", "-nic", "none", "-monitor", "none"])
        .arg("-serial")
        .arg(format!("file:{}", console.display()))
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initial)
        .arg("-drive")
        .arg(format!("file={},format=raw,if=virtio", disk.display()))
        .args(["-append", "console=ttyS0 quiet panic=-1"])
        .stdin(Stdio::null())
        .spawn()
        .context("starting the emulator")?;
    let end = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = machine.try_wait()? {
            break status;
        }
        if Instant::now() > end {
            machine.kill()?;
            machine.wait()?;
            let text = fs::read(&console).unwrap_or_default();
            eprintln!("{}", last(&String::from_utf8_lossy(&text), 20));
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    ensure!(status.success(), "the emulator failed: {status}");
    let text = String::from_utf8_lossy(&fs::read(&console)?).replace('\r', "");
    Ok(Some(text))
}

fn last(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
