//! The Debian base image, made from Debian's own packages where no registry has it.
//!
//! `mmdebstrap` fetches and configures the packages and streams a tar; that goes through our own
//! extractor into a staged directory, gets the few files a container image needs, and becomes an
//! ordinary layer. This is the one place of the product that runs another program.
//! Next: `extract.rs`.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::PoisonError;
use std::sync::mpsc;

use crate::extract::{Budget, Meaning, extract};
use crate::layers::make_root;
use crate::{Error, History, Image, ImageConfig, Images, Reference, Result, rooted};

/// The names of Debian 12, which all mean the same small image here.
const NAMES: [&str; 5] = ["12", "bookworm", "12-slim", "bookworm-slim", "12-minbase"];
const SUITE: &str = "bookworm";
/// Debian 12's release, 10 June 2023: no file of the image is newer, so the same packages give
/// the same bytes.
const EPOCH: &str = "1686355200";
const MIRROR: &str = "http://deb.debian.org/debian";
const SECURITY: &str = "http://deb.debian.org/debian-security";
/// Lines of the tool's own output that an error shows.
const LINES_SHOWN: usize = 12;

/// For dpkg, while the image is made and later in it. Documentation and translations are half of
/// a small image; licences stay. A layer is synced once, when it is whole, not file by file.
const DPKG_OPTIONS: [&str; 9] = [
    "force-unsafe-io",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/linda/*",
];

/// Files of ours in the image: path, mode, text.
const FILES: [(&str, u32, &str); 2] = [
    (
        "usr/sbin/policy-rc.d",
        0o755,
        "#!/bin/sh\n# Nothing is started while packages are installed into an image.\nexit 101\n",
    ),
    (
        "etc/apt/apt.conf.d/99image",
        0o644,
        "// Package files, caches and translations do not belong into image layers.\n\
         APT::Keep-Downloaded-Packages \"false\";\n\
         DPkg::Post-Invoke { \"rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb || true\"; };\n\
         Dir::Cache::pkgcache \"\";\nDir::Cache::srcpkgcache \"\";\n\
         Acquire::Languages \"none\";\nAcquire::GzipIndexes \"true\";\n",
    ),
];

/// What the making leaves behind that must not be in an image.
const REMOVED: [&str; 6] = [
    "etc/resolv.conf",
    "etc/hostname",
    "var/log/dpkg.log",
    "var/log/alternatives.log",
    "var/log/bootstrap.log",
    "var/cache/ldconfig/aux-cache",
];

impl Images {
    /// Finds `name`, or makes it from Debian packages when it is one of Debian 12's names;
    /// that takes about half a minute, once, and `progress` gets a line for each thing done.
    ///
    /// # Errors
    /// [`Error::Unknown`] when it is neither here nor Debian 12, [`Error::Base`] when the packages
    /// cannot be fetched or `mmdebstrap` is missing.
    pub fn base(&self, name: &str, progress: &mut dyn FnMut(&str)) -> Result<Image> {
        if let Some(image) = self.find(name)? {
            return Ok(image);
        }
        let reference = Reference::parse(name)?;
        let tag = reference.tag.as_deref().unwrap_or("latest");
        let debian =
            (reference.domain.as_str(), reference.path.as_str()) == ("docker.io", "library/debian");
        if !debian || !NAMES.contains(&tag) || reference.digest.is_some() {
            return Err(Error::Unknown { name: name.to_owned() });
        }
        let _one_at_a_time = self.layout.base.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(image) = self.find(name)? {
            return Ok(image);
        }
        if let Some(image) = self.find("debian:12")? {
            self.tag(&image, name)?;
            return Ok(image);
        }
        let image = self.make_base(progress)?;
        self.tag(&image, name)?;
        self.find(name)?.ok_or(Error::Unknown { name: name.to_owned() })
    }

    fn make_base(&self, progress: &mut dyn FnMut(&str)) -> Result<Image> {
        progress("debian:12 is not in the local store: making it from Debian packages (once)");
        let _hold = self.hold();
        let stage = self.layout.stage()?;
        let fs = stage.path.join("base");
        make_root(&fs)?;
        run_tool(&fs, progress)?;
        finish_root(&fs)?;
        progress("packing the layer");
        let layer = self.layer_from_upper(&fs)?;
        let layer = layer.ok_or_else(|| base_error("the packages gave no files"))?;
        progress(&format!("debian:12 is ready, {} MB compressed", layer.size / 1_000_000));
        let mut config = ImageConfig::empty();
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        config.config.env = vec![path.to_owned()];
        config.config.cmd = Some(vec!["bash".to_owned()]);
        config.history = vec![History {
            created_by: Some(format!("Debian packages of {SUITE}, minbase")),
            ..History::default()
        }];
        self.write(None, config, vec![layer], Some("debian:12"))
    }
}

fn base_error(reason: impl Into<String>) -> Error {
    Error::Base { name: "debian:12".to_owned(), reason: reason.into() }
}

/// Runs mmdebstrap and unpacks what it streams into `fs`.
fn run_tool(fs: &Path, progress: &mut dyn FnMut(&str)) -> Result<()> {
    let mut command = Command::new("mmdebstrap");
    command.args(["--variant=minbase", "--format=tar", "--skip=output/dev"]);
    command.arg("--aptopt=Acquire::Languages \"none\"");
    for option in DPKG_OPTIONS {
        command.arg(format!("--dpkgopt={option}"));
    }
    command.args([SUITE, "-"]);
    for (mirror, suite) in
        [(MIRROR, "bookworm"), (MIRROR, "bookworm-updates"), (SECURITY, "bookworm-security")]
    {
        command.arg(format!("deb {mirror} {suite} main"));
    }
    command
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive");
    command.env_remove("TMPDIR");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => base_error(
            "mmdebstrap is not installed; run `apt-get install mmdebstrap`, then try again",
        ),
        _ => base_error(format!("mmdebstrap cannot be started: {error}")),
    })?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(base_error("mmdebstrap has no output"));
    };
    let (lines, said) = mpsc::channel();
    let bytes_lines = lines.clone();
    let root = rooted::directory(fs).map_err(Error::errno("open", fs))?;
    let (unpacked, last) = std::thread::scope(|scope| {
        scope.spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(std::result::Result::ok) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                // The receiver is gone only when this function has already failed.
                drop(lines.send(Said::Line(text)));
            }
        });
        let unpack = scope.spawn(move || {
            let mut tar = Counted { inner: stdout, bytes: 0, told: 0, lines: bytes_lines };
            let result = extract(&mut tar, root.as_fd(), Meaning::Layer, Budget::default());
            // Without a reader the tool would die of a broken pipe and hide the reason.
            drop(std::io::copy(&mut tar.inner, &mut std::io::sink()));
            result
        });
        let mut last = VecDeque::new();
        for said in said {
            match said {
                Said::Line(line) => tell(&line, &mut last, progress),
                Said::Megabytes(count) => progress(&format!("unpacked {count} MB")),
            }
        }
        let unpacked =
            unpack.join().unwrap_or_else(|_| Err(base_error("the unpacking thread panicked")));
        (unpacked, last)
    });
    let status =
        child.wait().map_err(|error| base_error(format!("mmdebstrap is lost: {error}")))?;
    if !status.success() {
        let lines: Vec<String> = last.into_iter().collect();
        let hint = "is the network reachable, and `deb.debian.org` with it?";
        return Err(base_error(format!(
            "mmdebstrap ended with {status}; {hint}\n  {}",
            lines.join("\n  ")
        )));
    }
    unpacked
}

enum Said {
    Line(String),
    Megabytes(u64),
}

/// Passes on what the tool says it does, and keeps the last lines for an error.
fn tell(line: &str, last: &mut VecDeque<String>, progress: &mut dyn FnMut(&str)) {
    if line.is_empty() {
        return;
    }
    if let Some(doing) = line.strip_prefix("I: ") {
        progress(doing);
    }
    last.push_back(line.to_owned());
    if last.len() > LINES_SHOWN {
        last.pop_front();
    }
}

/// Tells how much came through, every 32 MB.
struct Counted<R> {
    inner: R,
    bytes: u64,
    told: u64,
    lines: mpsc::Sender<Said>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        if self.bytes - self.told >= 32_000_000 {
            self.told = self.bytes;
            drop(self.lines.send(Said::Megabytes(self.bytes / 1_000_000)));
        }
        Ok(read)
    }
}

/// Removes what belongs to the making and adds what belongs to an image.
fn finish_root(fs: &Path) -> Result<()> {
    let root = rooted::directory(fs).map_err(Error::errno("open", fs))?;
    let remove = |parent: &str, name: &std::ffi::CStr| {
        let path = fs.join(parent);
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        match rooted::below(root.as_fd(), parent.as_bytes(), flags, rustix::fs::Mode::empty()) {
            Ok(dir) => {
                rooted::remove_tree(dir.as_fd(), name).map_err(Error::errno("remove from", path))
            }
            Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(errno) => Err(Error::errno("open", path)(errno)),
        }
    };
    for path in REMOVED {
        let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
        remove(parent, &std::ffi::CString::new(name).unwrap_or_default())?;
    }
    for cache in ["var/lib/apt/lists", "var/cache/apt", "var/log/apt", "tmp", "run"] {
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        let Ok(dir) =
            rooted::below(root.as_fd(), cache.as_bytes(), flags, rustix::fs::Mode::empty())
        else {
            continue;
        };
        for name in rooted::names(dir.as_fd()).map_err(Error::errno("list", fs.join(cache)))? {
            // apt wants these two directories and makes them only when it runs as root.
            if !matches!(name.to_bytes(), b"partial" | b"archives" | b"lock") {
                remove(cache, &name)?;
            }
        }
    }
    // The mount point for a container's devices; the tool leaves it out with them.
    let dev = fs.join("dev");
    if !dev.exists() {
        make_root(&dev)?;
        set_time(&dev)?;
    }
    for (path, mode, text) in FILES {
        let path = fs.join(path);
        fs_err::write(&path, text).map_err(Error::io("write", &path))?;
        let permissions = std::fs::Permissions::from_mode(mode);
        fs_err::set_permissions(&path, permissions).map_err(Error::io("open up", &path))?;
        set_time(&path)?;
    }
    Ok(())
}

/// Our own files and directories are as old as the rest.
fn set_time(path: &Path) -> Result<()> {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(EPOCH.parse().unwrap_or(0));
    let file = std::fs::File::open(path).map_err(Error::io("open", path))?;
    file.set_modified(time).map_err(Error::io("set the time of", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_made_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let images = Images::open(&dir.path().join("images")).unwrap();
        for name in ["redis:7", "debian:99", "debian", "ghcr.io/library/debian:12"] {
            let error = images.base(name, &mut |_| {}).unwrap_err();
            assert!(matches!(&error, Error::Unknown { .. }), "{name}");
            assert!(error.to_string().contains(name) && error.to_string().contains("debian:12"));
        }
    }
}
