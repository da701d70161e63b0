//! A private image store, network and pod room, all removed again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use build::{Built, Event, Request};
use image::Images;
use net::Net;
use pod::Pods;

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    instance: String,
    runtime: tokio::runtime::Runtime,
    pub(crate) images: Images,
    net: Net,
    pods: Option<Pods>,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("builds").tempdir().unwrap();
        let mut left = std::process::id();
        let mut instance = String::from("b");
        for _ in 0..5 {
            instance.push(char::from_digit(left % 36, 36).unwrap());
            left /= 36;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let data = dir.path().join("data");
        let images = Images::open(&data.join("images")).unwrap();
        let settings = net::Settings {
            instance: instance.clone(),
            state_dir: data.join("net"),
            run_dir: dir.path().join("run/net"),
            pod_cidr: None,
            service_cidr: ([10, 97, 0, 0].into(), 16),
            domain: "cluster.local".into(),
            front_door: vec!["127.0.0.1:0".parse().unwrap()],
        };
        let net = runtime.block_on(Net::start(settings)).unwrap();
        let settings = pod::Settings {
            data_dir: data,
            run_dir: dir.path().join("run"),
            instance: instance.clone(),
            cgroup: format!("shelf-{instance}"),
        };
        let pods =
            Pods::start(settings, images.clone(), net.clone(), runtime.handle().clone()).unwrap();
        Self { dir, instance, runtime, images, net, pods: Some(pods) }
    }

    /// Builds a Dockerfile in a context with these further files.
    pub(crate) fn build(
        &self,
        dockerfile: &str,
        files: &[(&str, &str)],
    ) -> (Result<Built, build::Error>, Vec<String>) {
        let context = self.dir.path().join("context");
        let _ = fs::remove_dir_all(&context);
        fs::create_dir(&context).unwrap();
        for (name, text) in files.iter().chain(&[("Dockerfile", dockerfile)]) {
            fs::write(context.join(name), text).unwrap();
        }
        self.build_dir(&context)
    }

    pub(crate) fn build_dir(&self, context: &Path) -> (Result<Built, build::Error>, Vec<String>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let shown = std::env::var_os("SHOW").is_some();
        let mut progress = |event: Event| {
            let line = match event {
                Event::Step { index, count, text, cached } => {
                    format!("{index}/{count} {text} {cached}")
                }
                Event::Output(line) | Event::Base(line) => line,
            };
            if shown {
                println!("  {line}");
            }
            lines.lock().unwrap().push(line);
        };
        let bundle = PathBuf::from("/etc/ssl/certs/ca-certificates.crt");
        let request = Request {
            context: context.to_owned(),
            ca_bundle: bundle.exists().then_some(bundle),
            ..Request::default()
        };
        let built =
            build::build(&self.images, self.pods.as_ref().unwrap(), &request, &mut progress);
        let lines = lines.lock().unwrap().clone();
        (built, lines)
    }

    fn groups(&self) -> Vec<PathBuf> {
        let name = format!("shelf-{}", self.instance);
        let roots = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().filter_map(Result::ok);
        let mut found: Vec<_> = roots.map(|root| root.path().join(&name)).collect();
        found.push(Path::new("/sys/fs/cgroup").join(&name));
        found.retain(|dir| dir.is_dir());
        found
    }
}

impl Drop for World {
    /// Also after a failed test: ends and removes all that carries this world's name.
    fn drop(&mut self) {
        self.pods = None;
        let _ = self.runtime.block_on(self.net.shutdown(true));
        let end = Instant::now() + Duration::from_secs(10);
        while !self.groups().is_empty() && Instant::now() < end {
            for group in self.groups() {
                end_group(&group);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Kills what is in a cgroup of this test and removes it.
fn end_group(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            end_group(&entry.path());
        }
    }
    for pid in fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default().lines() {
        if let Some(pid) = pid.parse().ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
    let _ = fs::remove_dir(dir);
}
