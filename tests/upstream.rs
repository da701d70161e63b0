//! Everything an app becomes is what upstream's own schemas take, each field of it, in an old version
//! and in a new one: any Kubernetes can be a target.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::server::{Ended, Server, pypi, repository};

/// The schemas of each version, made from upstream's OpenAPI documents.
const VALIDATOR: &str = "kubernetes-validate==1.37.0";
const VERSIONS: [&str; 2] = ["1.27.0", "1.37.0"];

/// What no example has.
const REST: &str = r#"app = "rest"

[web]
source  = "./web"
needs   = { files = { type = "files/1", at = "/srv/files" }, old = "postgres/1" }
before  = { migrate = "bin/migrate" }
secrets = { KEY = { given = true } }

[web.run]
web  = { port = 8080, path = "/", ready = "/", copies = "2..5" }
tidy = { run = "bin/tidy", every = "0 3 * * *" }

[files]
use = "shared-files"

[old]
use   = "external:postgres/1"
from  = "secret:old-database"
facts = { version = "15" }
"#;

pub(crate) fn taken(server: &mut Server) -> Result<()> {
    let validator = pypi(VALIDATOR, "kubernetes-validate")?;
    let rest = server.scratch("upstream-rest");
    fs::create_dir_all(rest.join("web"))?;
    fs::write(rest.join("app.toml"), REST)?;
    fs::write(rest.join("web/Dockerfile"), "FROM debian:12\n")?;
    let mut apps = vec![rest, repository().join("tests/modules")];
    for entry in fs::read_dir(repository().join("examples"))? {
        apps.push(entry?.path());
    }
    let mut objects = 0;
    for (number, app) in apps.iter().filter(|app| app.join("app.toml").is_file()).enumerate() {
        let to = server.scratch(&format!("upstream-{number}"));
        let out = to.display().to_string();
        let exported = server.command(&["export", "yaml", "-o", &out]).current_dir(app).output()?;
        Ended::new(&exported).good()?;
        objects += judged(&validator, &to)?;
    }
    ensure!(objects > 150, "only {objects} objects were looked at");

    // The judge would say so if a field were wrong.
    let folder = server.scratch("upstream-0");
    let mut spoilt = 0;
    for file in files(&folder)? {
        let text = fs::read_to_string(&file)?;
        spoilt += text.matches("readinessProbe:").count();
        fs::write(&file, text.replace("readinessProbe:", "readyProbe:"))?;
    }
    ensure!(spoilt > 0, "no probe of readiness is in {}", folder.display());
    let said = format!("{:?}", judged(&validator, &folder));
    ensure!(said.contains("readyProbe"), "a field that does not exist was taken: {said}");
    Ok(())
}

/// The files with objects in a folder that `export yaml` wrote.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let objects = path.extension().is_some_and(|kind| kind == "yaml");
        if objects && path.file_stem().is_some_and(|name| name != "kustomization") {
            files.push(path);
        }
    }
    Ok(files)
}

/// How many objects are in the files of a folder, all of which the schemas take.
fn judged(validator: &Path, folder: &Path) -> Result<usize> {
    let files = files(folder)?;
    let mut objects = 0;
    for file in &files {
        objects += fs::read_to_string(file)?.lines().filter(|l| l.starts_with("kind: ")).count();
    }
    for version in VERSIONS {
        let mut command = Command::new(validator);
        command.args(["--strict", "-k", version]).args(&files);
        let said = Ended::new(&command.output()?).good()?;
        let passed = said.lines().filter(|line| line.contains(" passed for resource ")).count();
        ensure!(passed == objects, "{passed} of {objects} objects of {}: {said}", folder.display());
    }
    Ok(objects)
}
