//! A registry of our own on a free loopback port, a store, and an image to move.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use image::{Image, ImageConfig, Images, Reference};
use registry::{Client, Login, Settings};
use tempfile::TempDir;

pub(crate) struct Registry {
    child: Child,
    pub(crate) address: String,
    _dir: TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// How the registry is to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Open,
    Password,
    /// With a certificate for 127.0.0.1, written to `<dir>/ca.pem`.
    Tls,
}

pub(crate) const LOGIN: (&str, &str) = ("ana", "s3cret");

fn run(program: &str, arguments: &[&str], dir: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(dir).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program}: {error}; cargo x test installs it"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Starts a registry and waits until it listens.
pub(crate) fn start(kind: Kind) -> Registry {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let mut config = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
        dir.path().join("data").display()
    );
    if kind == Kind::Tls {
        certificate(dir.path());
        let at = |name: &str| dir.path().join(name).display().to_string();
        config.push_str(&format!(
            "  tls:\n    certificate: {}\n    key: {}\n",
            at("ca.pem"),
            at("key.pem")
        ));
    }
    if kind == Kind::Password {
        let line = run("htpasswd", &["-Bbn", LOGIN.0, LOGIN.1], dir.path());
        fs_err::write(dir.path().join("htpasswd"), line).unwrap();
        let path = dir.path().join("htpasswd");
        config.push_str(&format!(
            "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
            path.display()
        ));
    }
    let path = dir.path().join("config.yml");
    fs_err::write(&path, config).unwrap();
    let child = Command::new("docker-registry")
        .arg("serve")
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("docker-registry; cargo x test installs it");
    // Made at once: whatever happens now, its end is this one's.
    let registry = Registry { child, address, _dir: dir };
    let listens = |_: &usize| {
        std::thread::sleep(Duration::from_millis(50));
        std::net::TcpStream::connect(&registry.address).is_ok()
    };
    assert!(
        (0..200).find(listens).is_some(),
        "docker-registry does not listen on {}",
        registry.address
    );
    registry
}

impl Registry {
    pub(crate) fn ca(&self) -> PathBuf {
        self._dir.path().join("ca.pem")
    }
}

fn certificate(dir: &Path) {
    let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
         -keyout key.pem -out ca.pem -subj /CN=test -addext subjectAltName=IP:127.0.0.1 \
         -addext basicConstraints=critical,CA:FALSE";
    run("openssl", &arguments.split_whitespace().collect::<Vec<_>>(), dir);
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) struct Store {
    pub(crate) images: Images,
    pub(crate) dir: TempDir,
}

pub(crate) fn store() -> Store {
    let dir = tempfile::tempdir().unwrap();
    let images = Images::open(&dir.path().join("images")).unwrap();
    Store { images, dir }
}

impl Store {
    /// An image with one file of so many pseudo-random bytes.
    pub(crate) fn make(&self, name: &str, size: usize, seed: u64) -> Image {
        let upper = self.dir.path().join(format!("upper-{seed}"));
        fs_err::create_dir(&upper).unwrap();
        let mut state = seed | 1;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .take(size)
        .collect();
        fs_err::write(upper.join("data"), bytes).unwrap();
        let layer = self.images.layer_from_upper(&upper).unwrap().unwrap();
        self.images.write(None, ImageConfig::empty(), vec![layer], Some(name)).unwrap()
    }

    /// Bytes of a blob as they are on disk.
    pub(crate) fn blob(&self, digest: &str) -> Vec<u8> {
        fs_err::read(self.dir.path().join("images/blobs/sha256").join(&digest[7..])).unwrap()
    }
}

pub(crate) fn client() -> Client {
    Client::new(&Settings::default()).unwrap()
}

pub(crate) fn name(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

pub(crate) fn login() -> Login {
    Login::new(LOGIN.0, LOGIN.1)
}

pub(crate) fn skopeo(arguments: &[&str]) -> String {
    run("skopeo", arguments, Path::new("/"))
}
