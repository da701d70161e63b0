//! Copies follow the load: more while visitors ask for work, fewer when they have gone, and no
//! request fails on the way.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::page::Visitor;
use crate::server::{Server, eventually};

/// A page that costs some processor time. The patch only shortens the five minutes before copies go.
const APP: &str = r#"app = "load"

[web]
source = "./web"
run    = { web = { port = 8080, path = "/", ready = "/", copies = "1..2" } }

[web.patch."HorizontalPodAutoscaler/web"]
why = "a test does not wait five minutes"
spec.behavior.scaleDown.stabilizationWindowSeconds = 5
"#;

const DOCKERFILE: &str = r#"FROM scratch
COPY busybox /bin/busybox
COPY index.html /www/
COPY --chmod=0755 work /www/cgi-bin/work
CMD ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]
"#;

const WORK: &str = "#!/bin/busybox sh\ni=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done\n\
                    printf 'Content-Type: text/plain\\r\\n\\r\\ndone\\n'\n";

fn write(folder: &Path) -> Result<()> {
    let web = folder.join("web");
    fs::create_dir_all(&web)?;
    let busybox =
        ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).is_file());
    fs::copy(busybox.context("no busybox here")?, web.join("busybox"))?;
    for (name, text) in [("index.html", "here\n"), ("work", WORK), ("Dockerfile", DOCKERFILE)] {
        fs::write(web.join(name), text)?;
    }
    fs::set_permissions(web.join("work"), fs::Permissions::from_mode(0o755))?;
    Ok(fs::write(folder.join("app.toml"), APP)?)
}

/// One copy, then two under load, then one again.
pub(crate) fn copies(server: &mut Server) -> Result<()> {
    write(&server.scratch("load"))?;
    server.shelf_in("load", &["go"]).good()?;
    let able = server.shelf(&["target", "check", "local"]).good()?;
    ensure!(able.contains("measured") && !able.contains("not measured"), "{able}");
    let ready = || -> Result<u64> {
        let object = server.object(&["-n", "load", "get", "deployment", "web"])?;
        Ok(object["status"]["readyReplicas"].as_u64().unwrap_or(0))
    };
    ensure!(ready()? == 1, "{} copies before anybody came", ready()?);
    let began = Instant::now();
    let visitors: Vec<Visitor> =
        (0..4).map(|_| Visitor::come_to("load", server.http_port, "/cgi-bin/work")).collect();
    let grown = eventually(90, || {
        let count = ready()?;
        ensure!(count == 2, "{count} copies under load");
        Ok(())
    });
    let took = began.elapsed();
    for visitor in visitors {
        visitor.leave(5)?;
    }
    grown?;
    let quiet = Instant::now();
    eventually(120, || {
        let count = ready()?;
        ensure!(count == 1, "{count} copies without a visitor");
        Ok(())
    })?;
    let event = server.kubectl(&["-n", "load", "get", "events"]).good()?;
    ensure!(event.contains("SuccessfulRescale"), "nothing is said of it:\n{event}");
    println!(
        "    two copies after {:.0} s, one again {:.0} s after the last visitor",
        took.as_secs_f64(),
        quiet.elapsed().as_secs_f64()
    );
    server.shelf_in("load", &["destroy", "--yes"]).good().map(drop)
}
