//! The root of an image as a detached overlay mount, by descriptors only.
//!
//! With a user namespace, the directory of all layers and the scratch directory are each cloned
//! as a detached mount whose owners are mapped (`MOUNT_ATTR_IDMAP`), and the overlay is put
//! together from directories below those. Kernels before 6.15 refuse detached mounts as layers
//! and those before 6.13 refuse descriptors: there a thread with a mount namespace of its own
//! attaches the two clones over the original directories and mounts by names, as kernels since
//! 5.19 can. Nothing ever shows in the host's mount table. Next: `sys.rs`.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, mkdirat, symlink};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, fsconfig_create, fsconfig_set_fd, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen, mount_change, move_mount, open_tree,
};

use crate::layers::make_root;
use crate::layout::Layout;
use crate::{Error, Image, Result, digest, rooted, sys};

/// Most layers an overlay can have.
const LAYERS_MAX: usize = 500;

/// Renamed directories and changed metadata must be whole in the upper directory, because it
/// becomes a layer.
const OPTIONS: [(&str, &str); 3] = [("redirect_dir", "off"), ("metacopy", "off"), ("index", "off")];

/// What one mount is made of.
struct Parts<'a> {
    image: &'a str,
    /// The directory of all layers.
    layers: PathBuf,
    /// Names below it, uppermost first.
    names: Vec<String>,
    /// Two empty directories below the store for images without layers; an overlay without an
    /// upper directory needs two layers.
    empty: PathBuf,
    /// Where `upper` and `work` are, unless read-only.
    scratch: Option<PathBuf>,
    userns: Option<BorrowedFd<'a>>,
}

pub(crate) fn mount(
    layout: &Layout,
    image: &Image,
    scratch: &Path,
    userns: Option<BorrowedFd<'_>>,
    read_only: bool,
) -> Result<OwnedFd> {
    if image.layers.len() > LAYERS_MAX {
        let reason = format!("has {} layers, over {LAYERS_MAX}", image.layers.len());
        return Err(Error::Rule { what: format!("image {}", image.digest), reason });
    }
    let mut names = Vec::new();
    for layer in image.layers.iter().rev() {
        layout.unpacked(layer)?;
        let name = format!("{}/fs", digest::hex(&layer.diff_id).unwrap_or_default());
        // The same layer twice adds nothing, and the kernel refuses it.
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if !read_only {
        prepare(scratch)?;
    }
    let parts = Parts {
        image: &image.digest,
        layers: layout.path.join("layers"),
        names,
        empty: layout.path.join("empty"),
        scratch: (!read_only).then(|| scratch.to_owned()),
        userns,
    };
    // In a thread of its own, which may change its credentials and mount namespace.
    match parts.in_thread(Parts::by_descriptor) {
        Err(Error::Mount { source, step, .. }) if too_old(&source) => {
            tracing::debug!(%step, %source, "kernel refuses descriptors, using paths");
            parts.in_thread(Parts::by_path)
        }
        other => other,
    }
}

/// Makes `upper` when missing and `work` anew: it may hold the mark of a mount that was never
/// taken down in order, which the kernel takes for damage.
fn prepare(scratch: &Path) -> Result<()> {
    fs_err::create_dir_all(scratch).map_err(Error::io("make directory", scratch))?;
    let upper = scratch.join("upper");
    if !upper.exists() {
        make_root(&upper)?;
    }
    let dir = rooted::directory(scratch).map_err(Error::errno("open", scratch))?;
    rooted::remove_tree(dir.as_fd(), c"work").map_err(Error::errno("clear work in", scratch))?;
    make_root(&scratch.join("work"))
}

fn too_old(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP))
}

impl Parts<'_> {
    fn fail(&self, step: impl Into<String>) -> impl FnOnce(Errno) -> Error {
        let (step, image) = (step.into(), self.image.to_owned());
        move |errno| Error::Mount { step, image, source: errno.into() }
    }

    /// A directory of the host, with mapped owners if there is a user namespace.
    fn mapped(&self, path: &Path) -> Result<OwnedFd> {
        let Some(userns) = self.userns else {
            return rooted::directory(path).map_err(Error::errno("open", path));
        };
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(CWD, path, flags)
            .map_err(self.fail(format!("clone mount of {}", path.display())))?;
        sys::map_owners(tree.as_fd(), userns).map_err(|source| Error::Mount {
            step: format!("map owners of {}", path.display()),
            image: self.image.to_owned(),
            source,
        })?;
        Ok(tree)
    }

    fn by_descriptor(&self) -> Result<OwnedFd> {
        let fs =
            fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(self.fail("open overlay"))?;
        let open = |of: BorrowedFd<'_>, name: &str| {
            rooted::below(of, name.as_bytes(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
                .map_err(self.fail(format!("open {name}")))
        };
        let set = |key: &str, fd: OwnedFd| {
            fsconfig_set_fd(fs.as_fd(), key, fd.as_fd()).map_err(self.fail(format!("set {key}")))
        };
        let layers = self.mapped(&self.layers)?;
        for name in &self.names {
            set("lowerdir+", open(layers.as_fd(), name)?)?;
        }
        if self.needs_empty() {
            let empty = self.mapped(&self.empty)?;
            for name in self.empties()? {
                set("lowerdir+", open(empty.as_fd(), name)?)?;
            }
        }
        if let Some(scratch) = &self.scratch {
            let scratch = self.mapped(scratch)?;
            if self.userns.is_some() {
                self.become_root_of(scratch.as_fd())?;
            }
            set("upperdir", open(scratch.as_fd(), "upper")?)?;
            set("workdir", open(scratch.as_fd(), "work")?)?;
        }
        self.create(&fs)
    }

    fn in_thread(&self, mount: fn(&Self) -> Result<OwnedFd>) -> Result<OwnedFd> {
        std::thread::scope(|scope| {
            scope.spawn(|| mount(self)).join().unwrap_or_else(|_| {
                let source = io::Error::other("the mounting thread panicked");
                Err(Error::Mount { step: "mount".to_owned(), image: self.image.to_owned(), source })
            })
        })
    }

    /// The overlay makes its own files in `work` as whoever put it together, and a mapped mount
    /// takes only owners of the user namespace: so this thread becomes its root. Which id that
    /// is, the owner of a file of ours tells, seen through the mapped mount.
    fn become_root_of(&self, scratch: BorrowedFd<'_>) -> Result<()> {
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        let work = rustix::fs::statat(scratch, "work", flags).map_err(self.fail("look at work"))?;
        sys::own_files_as(work.st_uid, work.st_gid).map_err(|source| Error::Mount {
            step: format!("act as owner {}:{}", work.st_uid, work.st_gid),
            image: self.image.to_owned(),
            source,
        })
    }

    /// With paths, in a mount namespace that has the mapped mounts attached over the directories.
    fn by_path(&self) -> Result<OwnedFd> {
        // The clones are made before: they come from the host's namespace.
        let mut attach = vec![(self.layers.clone(), self.mapped(&self.layers)?)];
        attach.push((self.empty.clone(), self.mapped(&self.empty)?));
        if let Some(scratch) = &self.scratch {
            attach.push((scratch.clone(), self.mapped(scratch)?));
        }
        sys::own_mount_namespace().map_err(self.fail("make mount namespace"))?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).map_err(self.fail("make mounts private"))?;
        if self.userns.is_some() {
            for (path, tree) in &attach {
                move_mount(tree, "", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
                    .map_err(self.fail(format!("attach {}", path.display())))?;
            }
            if let (Some(_), Some((_, scratch))) = (&self.scratch, attach.last()) {
                self.become_root_of(scratch.as_fd())?;
            }
        }
        self.mount_named()
    }

    /// Mounts with one line of options, which is all that kernels before 6.5 take. It may not be
    /// longer than a page and commas and colons mean something in it, so every directory gets a
    /// link with a short name, in a tmpfs that ends with this thread's mount namespace.
    fn mount_named(&self) -> Result<OwnedFd> {
        // Any directory will do that nothing in this thread looks at any more.
        let links = "/sys";
        rustix::mount::mount("shelf", links, "tmpfs", MountFlags::empty(), None)
            .map_err(self.fail("mount a place for names"))?;
        rustix::process::chdir(links).map_err(self.fail("go to the place for names"))?;
        let mut lower: Vec<PathBuf> = self.names.iter().map(|n| self.layers.join(n)).collect();
        if self.needs_empty() {
            lower.extend(self.empties()?.map(|name| self.empty.join(name)));
        }
        let link = |path: &Path, name: &str| {
            symlink(path, name).map_err(self.fail(format!("name {}", path.display())))
        };
        let mut options = String::new();
        for (index, path) in lower.iter().enumerate() {
            link(path, &index.to_string())?;
            options.push_str(if index == 0 { "lowerdir=" } else { ":" });
            options.push_str(&index.to_string());
        }
        let mut flags = MountFlags::NODEV;
        match &self.scratch {
            Some(scratch) => {
                link(&scratch.join("upper"), "upper")?;
                link(&scratch.join("work"), "work")?;
                options.push_str(",upperdir=upper,workdir=work,volatile");
            }
            None => flags |= MountFlags::RDONLY,
        }
        for (key, value) in OPTIONS {
            options.push_str(&format!(",{key}={value}"));
        }
        mkdirat(CWD, "root", Mode::RWXU).map_err(self.fail("make a mount point"))?;
        let options =
            CString::new(options).map_err(|_| self.fail("write options")(Errno::INVAL))?;
        rustix::mount::mount("shelf", "root", "overlay", flags, Some(options.as_c_str()))
            .map_err(self.fail("put the layers together (Linux 5.19 or later is needed)"))?;
        let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        open_tree(CWD, "root", clone).map_err(self.fail("take the mount out"))
    }

    /// An overlay needs a lower layer, and two of them without an upper one.
    fn needs_empty(&self) -> bool {
        self.names.is_empty() || self.names.len() == 1 && self.scratch.is_none()
    }

    fn empties(&self) -> Result<[&'static str; 2]> {
        let names = ["a", "b"];
        for name in names {
            let path = self.empty.join(name);
            if !path.exists() {
                match make_root(&path) {
                    Err(Error::Io { source, .. })
                        if source.kind() == io::ErrorKind::AlreadyExists => {}
                    other => other?,
                }
            }
        }
        Ok(names)
    }

    fn create(&self, fs: &OwnedFd) -> Result<OwnedFd> {
        let set = |key: &str, value: &str| {
            fsconfig_set_string(fs.as_fd(), key, value)
                .map_err(self.fail(format!("set {key}={value}")))
        };
        set("source", "shelf")?;
        for (key, value) in OPTIONS {
            set(key, value)?;
        }
        if self.scratch.is_some() {
            // What a container writes beside its volumes does not outlive a power cut anyway.
            fsconfig_set_flag(fs.as_fd(), "volatile").map_err(self.fail("set volatile"))?;
        }
        fsconfig_create(fs.as_fd()).map_err(self.fail("put the layers together"))?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NODEV;
        let attributes = match self.scratch {
            Some(_) => attributes,
            None => attributes | MountAttrFlags::MOUNT_ATTR_RDONLY,
        };
        fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
            .map_err(self.fail("mount overlay"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ImageConfig, Images};

    #[test]
    fn root_older_kernels_get_the_same_root_by_path() {
        let dir = tempfile::tempdir().unwrap();
        let images = Images::open(&dir.path().join("images")).unwrap();
        let upper = dir.path().join("upper");
        make_root(&upper).unwrap();
        fs_err::write(upper.join("file"), "x").unwrap();
        let layer = images.layer_from_upper(&upper).unwrap().unwrap();
        let image = images.write(None, ImageConfig::empty(), vec![layer.clone()], None).unwrap();
        let child = std::process::Command::new("unshare").args(["--user", "sleep", "30"]).spawn();
        let mut child = child.unwrap();
        let proc = PathBuf::from(format!("/proc/{}", child.id()));
        let own = fs_err::read_link("/proc/self/ns/user").unwrap();
        for _ in 0..500 {
            if fs_err::read_link(proc.join("ns/user")).is_ok_and(|link| link != own) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        for map in ["uid_map", "gid_map"] {
            fs_err::write(proc.join(map), "0 300000 65536").unwrap();
        }
        let userns = std::fs::File::open(proc.join("ns/user")).unwrap();
        let scratch = dir.path().join("scratch");
        for (scratch, userns) in
            [(None, None), (Some(&scratch), None), (Some(&scratch), Some(userns.as_fd()))]
        {
            if let Some(scratch) = scratch {
                prepare(scratch).unwrap();
            }
            let parts = Parts {
                image: &image.digest,
                layers: images.layout.path.join("layers"),
                names: vec![format!("{}/fs", digest::hex(&layer.diff_id).unwrap())],
                empty: images.layout.path.join("empty"),
                scratch: scratch.cloned(),
                userns,
            };
            let tree = parts.in_thread(Parts::by_path).unwrap();
            let stat = rustix::fs::statat(&tree, "file", rustix::fs::AtFlags::empty()).unwrap();
            assert_eq!(stat.st_uid, if userns.is_some() { 300_000 } else { 0 });
            let name = if userns.is_some() { "mapped" } else { "made" };
            let made = rustix::fs::mkdirat(&tree, name, Mode::RWXU);
            match (scratch, userns) {
                (None, _) => assert_eq!(made, Err(Errno::ROFS)),
                // Host root has no id in the mapped mount, so it is not the one to make files.
                (Some(_), Some(_)) => assert_eq!(made, Err(Errno::OVERFLOW)),
                (Some(_), None) => made.unwrap(),
            }
        }
        let table = fs_err::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!table.contains(&dir.path().display().to_string()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
