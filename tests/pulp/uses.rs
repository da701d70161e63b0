//! What Pulp is used for, each from the outside, through the front door.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::client::{Pulp, digest, random, sha256};
use super::upstream::Upstream;
use super::{healthy, pods};
use crate::borrowed;
use crate::docker::docker;
use crate::server::{Ended, Server, eventually};

/// Where what `files` published is found.
pub(crate) const PUBLISHED: &str = "/pulp/content/acc/d/";
/// Files on the other server.
const FILES: usize = 120;
/// The big layer: more than any front with a limit on bodies lets through.
const LAYER: u64 = 100 << 20;

/// Upload, publish, fetch: the same bytes from each copy of the content server, which has them
/// from the shared disk; the second answer comes from the cache.
pub(crate) fn files(server: &mut Server) -> Result<()> {
    let pulp = Pulp::new(server)?;
    let blob = pulp.folder.join("blob.bin");
    random(&blob, 3 << 20)?;
    let wanted = sha256(&blob)?;
    let path = blob.to_string_lossy().into_owned();
    pulp.pulp(&["file", "repository", "create", "--name", "acc"])?;
    let names = ["--repository", "acc", "--relative-path", "blob.bin"];
    let upload = [&["file", "content", "upload", "--file", &path], &names[..]].concat();
    pulp.pulp(&upload)?;
    let publication = pulp.pulp(&["file", "publication", "create", "--repository", "acc"])?;
    let href = publication["pulp_href"].as_str().context("the publication")?;
    let place = ["--name", "acc", "--base-path", "acc/d", "--publication", href];
    pulp.pulp(&[&["file", "distribution", "create"], &place[..]].concat())?;
    let url = pulp.at(&format!("{PUBLISHED}blob.bin"));
    let (got, _) = pulp.fetch(&url)?;
    ensure!(got == wanted, "blob.bin came back as {got}, not {wanted}");
    eventually(20, || {
        let (_, head) = pulp.fetch(&url)?;
        let head = head.to_ascii_lowercase();
        ensure!(head.contains("x-pulp-cache: hit"), "not from the cache:\n{head}");
        Ok(())
    })?;
    let copies = pods(server, "content")?;
    ensure!(copies.len() == 2, "{copies:?}");
    for (name, ip) in copies {
        let (got, _) = pulp.fetch(&format!("http://{ip}:24816{PUBLISHED}blob.bin"))?;
        ensure!(got == wanted, "{name} has other bytes: {got}");
    }
    let (_, _) = pulp.fetch(&pulp.at(&format!("{PUBLISHED}PULP_MANIFEST")))?;
    let listed = fs::read_to_string(pulp.folder.join("fetched"))?;
    ensure!(listed.starts_with(&format!("blob.bin,{wanted},")), "{listed}");
    for (method, path) in
        [("GET", "/pulp/api/v3/repositories/"), ("POST", "/pulp/api/v3/repositories/file/file/")]
    {
        let code = pulp.code(method, path)?;
        ensure!(code == "401", "{method} {path} without credentials: {code}");
    }
    Ok(())
}

/// A copy of another server's files, made by a worker; nothing is fetched twice.
pub(crate) fn sync(server: &mut Server) -> Result<()> {
    let pulp = Pulp::new(server)?;
    let upstream = Upstream::start(server, FILES)?;
    let task = begin_sync(&pulp, &upstream, "mirror", "mirror")?;
    let task = pulp.ended(&task, "completed", 180)?;
    let done = |task: &Value| {
        let reports = task["progress_reports"].as_array().into_iter().flatten();
        reports
            .filter(|report| report["code"] == "sync.downloading.artifacts")
            .filter_map(|report| report["done"].as_u64())
            .sum::<u64>()
    };
    ensure!(done(&task) == FILES as u64, "{} files of {FILES}: {task}", done(&task));
    let content =
        ["file", "repository", "content", "list", "--repository", "mirror", "--limit", "500"];
    let listed = pulp.pulp(&content)?;
    let found = listed.as_array().map_or(0, Vec::len);
    ensure!(found == FILES, "{found} files in the repository");
    let before = upstream.served.load(std::sync::atomic::Ordering::Relaxed);
    let again = pulp.begin(&["file", "repository", "sync", "--name", "mirror"])?;
    pulp.ended(&again, "completed", 120)?;
    let after = upstream.served.load(std::sync::atomic::Ordering::Relaxed);
    ensure!(before == after, "{} files were fetched again", after - before);
    Ok(())
}

/// Makes a repository that copies `folder`, and begins to.
pub(crate) fn begin_sync(
    pulp: &Pulp,
    upstream: &Upstream,
    name: &str,
    folder: &str,
) -> Result<String> {
    let url = upstream.url(folder);
    pulp.pulp(&["file", "remote", "create", "--name", name, "--url", &url])?;
    pulp.pulp(&["file", "repository", "create", "--name", name, "--remote", name])?;
    pulp.begin(&["file", "repository", "sync", "--name", name])
}

/// An image goes in with skopeo and comes out the same; nobody pushes without credentials.
pub(crate) fn registry(server: &mut Server) -> Result<()> {
    let pulp = Pulp::new(server)?;
    let (sent, received) = (pulp.folder.join("sent"), pulp.folder.join("received"));
    let manifest = image(&sent)?;
    let there = format!("docker://pulp.localhost:{}/team/app:1.0", server.http_port);
    let from = format!("oci:{}:1.0", sent.display());
    let plain = ["copy", "--preserve-digests", "--dest-tls-verify=false"];
    let refused = pulp.run("skopeo", &[&plain[..], &[&from, &there]].concat())?;
    ensure!(refused.code != 0, "a stranger may push");
    let who = format!("--dest-creds=admin:{}", pulp.password);
    pulp.run("skopeo", &[&plain[..], &[&who, &from, &there]].concat())?.good()?;
    let to = format!("oci:{}:1.0", received.display());
    let pull = ["copy", "--preserve-digests", "--src-tls-verify=false", &there, &to];
    pulp.run("skopeo", &pull)?.good()?;
    let index: Value = serde_json::from_slice(&fs::read(received.join("index.json"))?)?;
    let got = index["manifests"][0]["digest"].as_str().context("a manifest")?;
    ensure!(got == manifest, "the manifest is {got}, not {manifest}");
    ensure!(blobs(&sent)? == blobs(&received)?, "the blobs differ");
    Ok(())
}

/// An image that docker pushed to Pulp is fetched from there for a block, which answers.
pub(crate) fn lends(server: &mut Server) -> Result<()> {
    let pulp = Pulp::new(server)?;
    let host = format!("pulp.localhost:{}", server.http_port);
    let name = format!("{host}/team/greeter:1.0");
    borrowed::make(server, &name, "hello")?;
    let login = ["login", "--username", "admin", "--password-stdin", &host];
    docker(server, &login, Some(pulp.password.as_bytes()))?.good()?;
    docker(server, &["push", &name], None)?.good()?;
    docker(server, &["logout", &host], None)?.good()?;
    docker(server, &["rmi", &name], None)?.good()?;
    let folder = server.scratch("lent");
    fs::create_dir_all(&folder)?;
    let text = format!(
        "app = \"lent\"\n\n[web]\nimage = \"{name}\"\nrun   = {{ web = {{ path = \"/\" }} }}\n\
         env   = {{ WHO = \"pulp\" }}\n"
    );
    fs::write(folder.join("app.toml"), text)?;
    let went = server.shelf_in("lent", &["go"]);
    let seen = match went.code {
        0 => borrowed::says(server, "lent", "/", "hello pulp"),
        _ => Err(anyhow::anyhow!("{went:?}")),
    };
    let lock = fs::read_to_string(folder.join("app.lock")).unwrap_or_default();
    let gone = server.shelf_in("lent", &["destroy", "--yes", "--delete-data", "lent"]);
    seen?;
    ensure!(lock.contains(&format!("\"{name}@sha256:")), "{lock}");
    gone.good().map(drop)
}

/// Names of the blobs of a layout; the names are their digests, which skopeo checks.
fn blobs(layout: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(layout.join("blobs/sha256"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// Writes an image of one large layer as an OCI layout; its manifest's digest.
fn image(layout: &Path) -> Result<String> {
    fs::create_dir_all(layout.join("blobs/sha256"))?;
    let put = |bytes: &[u8]| -> Result<(String, usize)> {
        let digest = digest(bytes);
        fs::write(layout.join("blobs/sha256").join(&digest), bytes)?;
        Ok((format!("sha256:{digest}"), bytes.len()))
    };
    random(&layout.join("big"), LAYER)?;
    let tar = Command::new("tar").args(["-c", "-C"]).arg(layout).arg("big").output()?;
    ensure!(tar.status.success(), "{:?}", Ended::new(&tar).err);
    fs::remove_file(layout.join("big"))?;
    let unpacked = digest(&tar.stdout);
    let mut packed = GzEncoder::new(Vec::new(), Compression::none());
    std::io::Write::write_all(&mut packed, &tar.stdout)?;
    let (layer, size) = put(&packed.finish()?)?;
    let config = json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{unpacked}")]}});
    let (config, config_size) = put(config.to_string().as_bytes())?;
    let kind = |what: &str| format!("application/vnd.oci.image.{what}");
    let manifest = json!({"schemaVersion": 2, "mediaType": kind("manifest.v1+json"),
        "config": {"mediaType": kind("config.v1+json"), "digest": config, "size": config_size},
        "layers": [{"mediaType": kind("layer.v1.tar+gzip"), "digest": layer, "size": size}]});
    let (manifest, manifest_size) = put(manifest.to_string().as_bytes())?;
    let index = json!({"schemaVersion": 2, "manifests": [{"mediaType": kind("manifest.v1+json"),
        "digest": manifest, "size": manifest_size,
        "annotations": {"org.opencontainers.image.ref.name": "1.0"}}]});
    fs::write(layout.join("index.json"), index.to_string())?;
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#)?;
    Ok(manifest)
}

/// Two workers, then four, then one, while they are busy: no task notices.
pub(crate) fn scale(server: &mut Server) -> Result<()> {
    let pulp = Pulp::new(server)?;
    let upstream = Upstream::start(server, 150)?;
    let mut tasks = Vec::new();
    for number in 0..6 {
        let name = format!("scaled-{number}");
        tasks.push(begin_sync(&pulp, &upstream, &name, &format!("{name}-slow"))?);
    }
    copies(server, 2, 4)?;
    eventually(30, || {
        let running = pods(server, "worker")?;
        ensure!(running.len() == 4, "{running:?}");
        Ok(())
    })?;
    healthy(&pulp, 4)?;
    copies(server, 4, 1)?;
    for task in &tasks {
        pulp.ended(task, "completed", 240)?;
    }
    healthy(&pulp, 1)?;
    copies(server, 1, 2)?;
    healthy(&pulp, 2)?;
    Ok(())
}

/// Changes one number in the app's file and says `shelf go`.
fn copies(server: &Server, from: usize, to: usize) -> Result<()> {
    let path = server.example("pulp")?.join("app.toml");
    let text = fs::read_to_string(&path)?;
    let line = |count: usize| format!("\"pulp-worker\",  copies = {count} ");
    ensure!(text.contains(&line(from)), "the worker's line in {text}");
    fs::write(&path, text.replace(&line(from), &line(to)))?;
    server.shelf_in("pulp", &["go"]).good().map(drop)
}
