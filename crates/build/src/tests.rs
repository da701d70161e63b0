//! Whole builds without pods: what does not need `RUN`.

use std::os::fd::AsFd;

use image::rooted;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use super::*;

mod copying;
mod running;

/// A store and a context in one directory.
struct World {
    dir: tempfile::TempDir,
    images: Images,
}

struct Done {
    built: Built,
    events: Vec<Event>,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let images = Images::open(&dir.path().join("images")).unwrap();
        let world = Self { dir, images };
        for (name, text) in files {
            world.write(name, text);
        }
        world
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.context().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    fn context(&self) -> PathBuf {
        self.dir.path().join("context")
    }

    fn request(&self) -> Request {
        Request {
            context: self.context(),
            name: Some("shelf.local/test/it".into()),
            ..Request::default()
        }
    }

    fn with(&self, request: &Request, run: &mut Runner<'_>) -> (Result<Built>, Vec<Event>) {
        let mut events = Vec::new();
        let mut progress = |event| events.push(event);
        // A shorter-lived closure is wanted than the one given.
        let mut run = |step: pod::Step<'_>| run(step);
        let built = build_with(&self.images, &mut run, request, &mut progress);
        (built, events)
    }

    fn build(&self, dockerfile: &str) -> Done {
        self.write("Dockerfile", dockerfile);
        let (built, events) = self.with(&self.request(), &mut no_pods);
        Done { built: built.unwrap_or_else(|error| panic!("{error} {error:?}")), events }
    }

    fn fails(&self, dockerfile: &str) -> String {
        self.write("Dockerfile", dockerfile);
        let (built, _) = self.with(&self.request(), &mut no_pods);
        let error = built.unwrap_err();
        let stage = self.dir.path().join("images/stage");
        assert_eq!(fs_err::read_dir(stage).unwrap().count(), 0, "scratch stays behind");
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error}: {source}")
    }

    /// `path mode uid gid` with content or target, for each file of the image.
    fn files(&self, image: &image::Image) -> Vec<String> {
        let root = self.images.mount(image, self.dir.path(), None, true).unwrap();
        let mut found = Vec::new();
        list(root.as_fd(), "", &mut found);
        found
    }
}

fn no_pods(step: pod::Step<'_>) -> Result<pod::Exit, pod::Error> {
    panic!("{:?} should not run", step.argv);
}

fn exit(code: i32) -> pod::Exit {
    pod::Exit {
        code,
        signal: None,
        oom_killed: false,
        finished_at: jiff::Timestamp::now(),
        unseen: false,
    }
}

fn list(dir: std::os::fd::BorrowedFd<'_>, path: &str, found: &mut Vec<String>) {
    for name in rooted::names(dir).unwrap() {
        let full = format!("{path}/{}", name.to_string_lossy());
        let stat = rustix::fs::statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        let (mode, uid, gid) = (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid);
        let open = |flags| rooted::below(dir, name.to_bytes(), flags, Mode::empty()).unwrap();
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                found.push(format!("{full}/ {mode:o} {uid} {gid}"));
                list(open(OFlags::RDONLY | OFlags::DIRECTORY).as_fd(), &full, found);
            }
            FileType::Symlink => {
                let link = rustix::fs::readlinkat(dir, &name, Vec::new()).unwrap();
                found.push(format!("{full} -> {}", link.to_string_lossy()));
            }
            _ => {
                let mut text = Vec::new();
                let mut file = std::fs::File::from(open(OFlags::RDONLY));
                std::io::Read::read_to_end(&mut file, &mut text).unwrap();
                let text = String::from_utf8_lossy(&text);
                found.push(format!("{full} {mode:o} {uid} {gid} {text}"));
            }
        }
    }
}
