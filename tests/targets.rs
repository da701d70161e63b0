//! Any target: an app lives on another cluster with no more rights there than one Role gives.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::data::place;
use crate::elsewhere::{Guard, There};
use crate::page::request_to;
use crate::server::{Ended, Server, eventually, repository};

const APP: &str = r#"app = "depot"

[db]
use = "postgres@15"

[web]
source = "./web"
needs = { db = "postgres/1" }
env = { WORD = "plain" }

[web.run]
web = { port = 8080, path = "/", ready = "/" }
tick = { run = "sh -c 'trap exit TERM; sleep 1000000 & wait'" }
"#;

const PROGRAM: &str = r#"import http.server, os, psycopg2, signal

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with psycopg2.connect(os.environ["DB_URL"]) as rows:
            with rows.cursor() as cursor:
                cursor.execute("select session_user")
                name = cursor.fetchone()[0]
        body = f"{os.environ['WORD']} {name} CODE-1".encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

print("the depot opens", flush=True)
http.server.ThreadingHTTPServer(("", 8080), Page).serve_forever()
"#;

/// An app of a database and a program, whose image has the shop's first layers.
pub(crate) fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder.join("web"))?;
    fs::write(folder.join("app.toml"), APP)?;
    fs::write(folder.join("web/main.py"), PROGRAM)?;
    let shop = fs::read_to_string(repository().join("examples/shop/web/Dockerfile"))?;
    let (first, _) = shop.split_once("WORKDIR").context("WORKDIR")?;
    let rest = "WORKDIR /app\nCOPY . .\nUSER 700\nCMD [\"python3\", \"main.py\"]\n";
    fs::write(folder.join("web/Dockerfile"), format!("{first}{rest}"))?;
    Ok(())
}

fn edit(folder: &Path, file: &str, from: &str, to: &str) -> Result<()> {
    let path = folder.join(file);
    let text = fs::read_to_string(&path)?;
    ensure!(text.contains(from), "no {from:?} in {}", path.display());
    Ok(fs::write(&path, text.replacen(from, to, 1))?)
}

/// A kubectl of the other cluster's admin, with something on its input.
pub(crate) fn admin(there: &Server, arguments: &[&str], input: &str) -> Result<String> {
    let mut child = std::process::Command::new("kubectl")
        .arg("--kubeconfig")
        .arg(there.run_dir().join("kubeconfig"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("stdin")?.write_all(input.as_bytes())?;
    Ended::new(&child.wait_with_output()?).good()
}

/// Images to that cluster's registry, objects by server-side apply, everything by the rights of one
/// Role; its data, logs, programs and end as here.
pub(crate) fn lives(server: &mut Server) -> Result<()> {
    let here = server.shelf(&["target", "check", "local"]).good()?;
    ensure!(here.contains("its own front door") && here.contains("images stay here"), "{here}");
    let there = There::start()?;
    let done = on_another_cluster(server, &there);
    let removed = server.shelf(&["target", "remove", "far"]);
    there.end();
    done?;
    removed.good().map(drop)
}

fn on_another_cluster(server: &Server, there: &There) -> Result<()> {
    let folder = server.scratch("depot");
    make(&folder)?;
    let role = server.shelf(&["target", "role", "depot", "--user", "ana"]).good()?;
    let guard = Guard::start(&there.server, "depot", &role)?;
    let kubeconfig = there.scratch("kubeconfig");
    fs::write(&kubeconfig, guard.kubeconfig())?;
    there.add(server, "far", &kubeconfig.to_string_lossy())?;
    let far =
        |arguments: &[&str]| server.shelf_in("depot", &[&["--on", "far"], arguments].concat());

    // Without a namespace of its own it is told who must make it, and nothing is written.
    let ended = far(&["go"]);
    ensure!(ended.code == 4 && ended.err.contains("target role depot"), "{ended:?}");
    ensure!(guard.wrote().is_empty(), "{:?}", guard.wrote());
    // The Role in it is what the guard goes by.
    let (namespace, _) = role.split_once("---\napiVersion: rbac").context("a Role")?;
    admin(&there.server, &["apply", "-f", "-"], namespace)?;

    comes_up(server, there, &folder, &far)?;
    is_reached_inside(server, there, &far)?;
    follows_its_file(there, &folder, &far)?;
    is_protected(server, &far)?;
    // What it may read of the cluster itself is asked for, and done without.
    for refused in guard.refused() {
        ensure!(refused.starts_with("list "), "it tried to {refused}");
    }
    ensure!(guard.refused().iter().any(|one| one.contains("storageclasses")), "nobody was asked");
    for wrote in guard.wrote() {
        ensure!(wrote.ends_with(" depot") && !wrote.contains("customresource"), "{wrote}");
    }
    ensure!(guard.wrote().iter().any(|one| one.starts_with("patch apps/deployments")));

    far(&["--confirm", "far", "destroy", "--yes", "--delete-data", "depot"]).good()?;
    let kinds = "deploy,sts,svc,cm,secret,pvc,ingress,networkpolicy,job,pod";
    let own = "app.kubernetes.io/part-of=depot";
    eventually(60, || {
        let left =
            admin(&there.server, &["-n", "depot", "get", kinds, "-l", own, "-o", "name"], "")?;
        ensure!(left.trim().is_empty(), "left: {left}");
        Ok(())
    })
}

fn comes_up(
    server: &Server,
    there: &There,
    folder: &Path,
    far: &dyn Fn(&[&str]) -> Ended,
) -> Result<()> {
    fs::write(
        folder.join("app.far.toml"),
        "[db]\nset = { memory = \"384Mi\" }\n[web.run]\nweb = { copies = 2 }\n",
    )?;
    let plan = far(&["plan"]).good()?;
    ensure!(plan.contains("+ web") && plan.contains("depot.localhost"), "{plan}");
    let said = far(&["go"]);
    ensure!(said.code == 0 && said.err.contains("parts sent"), "{said:?}");
    let page = request_to("depot", there.server.http_port, "GET", "/", None)?;
    ensure!(page.status == 200 && page.body == "plain web_db CODE-1", "{page:?}");
    // It is there and not here, and its image comes from that target's registry.
    ensure!(request_to("depot", server.http_port, "GET", "/", None)?.status == 404);
    let get = ["-n", "depot", "get", "deploy", "web", "-o", "json"];
    let web: Value = serde_json::from_str(&admin(&there.server, &get, "")?)?;
    let image = web["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or("");
    let registry = format!("127.0.0.1:{}/apps/depot/web@sha256:", there.registry.port);
    ensure!(image.starts_with(&registry) && web["spec"]["replicas"] == 2, "{web}");
    let get = ["-n", "depot", "get", "sts", "db", "-o", "json"];
    let db: Value = serde_json::from_str(&admin(&there.server, &get, "")?)?;
    let memory = &db["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"];
    ensure!(memory == "384Mi", "{memory}");
    let again = far(&["go"]).good()?;
    ensure!(again.contains("nothing to do"), "{again}");
    let status = far(&["status"]).good()?;
    ensure!(status.contains("depot: ready") && status.contains("3/3"), "{status}");
    // For scripts: names alone, and of what goes on its end alone.
    let names = far(&["status", "-q"]).good()?;
    ensure!(names.lines().eq(["db", "web"]), "{names}");
    let quiet = far(&["go", "-q"]);
    ensure!(quiet.code == 0 && !quiet.err.contains("db"), "{quiet:?}");
    ensure!(folder.join("app.lock").is_file(), "no app.lock");
    Ok(())
}

fn is_reached_inside(server: &Server, there: &There, far: &dyn Fn(&[&str]) -> Ended) -> Result<()> {
    let logs = far(&["logs", "web"]).good()?;
    ensure!(logs.contains("the depot opens"), "{logs}");
    let who = "PGPASSWORD=$POSTGRES_PASSWORD psql -h 127.0.0.1 -U postgres -tAc 'create table kept(n int); insert into kept values (7)'";
    far(&["exec", "-T", "db", "--", "sh", "-c", who]).good()?;
    let ended = far(&["exec", "-T", "web", "--", "sh", "-c", "exit 7"]);
    ensure!(ended.code == 7, "{ended:?}");
    let pods = far(&["kubectl", "get", "pods", "-o", "name"]).good()?;
    ensure!(pods.contains("pod/db-0"), "{pods}");
    // What it uses is what that cluster's own API tells, to us and to kubectl.
    eventually(30, || {
        let top = far(&["top"]).good()?;
        let db = top.lines().find(|line| line.starts_with("db ")).context("no line of db")?;
        ensure!(db.contains(" MB ") && db.contains('–'), "{top}");
        Ok(())
    })?;
    let top = far(&["kubectl", "top", "pods", "--no-headers"]).good()?;
    ensure!(top.lines().any(|line| line.starts_with("db-0 ") && line.contains("Mi")), "{top}");
    // The same without naming it each time.
    server.shelf(&["target", "use", "far"]).good()?;
    let used = server.shelf_in("depot", &["exec", "-T", "db", "--", "hostname"]);
    server.shelf(&["target", "use", "local"]).good()?;
    ensure!(used.code == 0 && used.out.contains("db-0"), "{used:?}");
    far(&["stop"]).good()?;
    ensure!(far(&["status"]).good()?.contains("depot: stopped"));
    far(&["start"]).good()?;
    let read =
        "PGPASSWORD=$POSTGRES_PASSWORD psql -h 127.0.0.1 -U postgres -tAc 'select n from kept'";
    let kept = far(&["exec", "-T", "db", "--", "sh", "-c", read]).good()?;
    ensure!(kept.trim() == "7", "{kept}");
    eventually(30, || {
        let page = request_to("depot", there.server.http_port, "GET", "/", None)?;
        ensure!(page.status == 200, "{page:?}");
        Ok(())
    })
}

fn follows_its_file(there: &There, folder: &Path, far: &dyn Fn(&[&str]) -> Ended) -> Result<()> {
    // Code that is not what the lock pins is refused, and taken by a push.
    edit(folder, "web/main.py", "CODE-1", "CODE-2")?;
    let ended = far(&["go", "--locked"]);
    ensure!(ended.code == 1 && ended.err.contains("lock/stale"), "{ended:?}");
    far(&["push", "web"]).good()?;
    eventually(30, || {
        let page = request_to("depot", there.server.http_port, "GET", "/", None)?;
        ensure!(page.body == "plain web_db CODE-2", "{page:?}");
        Ok(())
    })?;
    far(&["go"]).good()?;
    far(&["go", "--locked"]).good()?;
    // What the file has no more is not there any more either.
    edit(
        folder,
        "app.toml",
        "tick = { run = \"sh -c 'trap exit TERM; sleep 1000000 & wait'\" }\n",
        "",
    )?;
    let said = far(&["go"]).good()?;
    ensure!(said.contains("depot is at"), "{said}");
    let left = admin(&there.server, &["-n", "depot", "get", "deploy", "-o", "name"], "")?;
    ensure!(left.contains("/web") && !left.contains("tick"), "{left}");
    Ok(())
}

fn is_protected(server: &Server, far: &dyn Fn(&[&str]) -> Ended) -> Result<()> {
    server.shelf(&["target", "protect", "far"]).good()?;
    for change in [&["go"][..], &["stop"], &["exec", "-T", "db", "--", "true"]] {
        let ended = far(change);
        ensure!(ended.code != 0 && ended.err.contains("--confirm far"), "{ended:?}");
    }
    far(&["plan"]).good()?;
    far(&["status"]).good()?;
    far(&["--confirm", "far", "exec", "-T", "db", "--", "true"]).good().map(drop)
}

/// The shop with its orders to another cluster and back: nothing is lost, what is left behind is
/// stopped, and a move that was cut off is taken back.
pub(crate) fn moves(server: &mut Server) -> Result<()> {
    let there = There::start()?;
    let done = to_and_fro(server, &there);
    let removed = server.shelf(&["target", "remove", "far"]);
    there.end();
    done?;
    removed.good().map(drop)
}

/// The keys of all orders at a front door.
fn orders(port: u16) -> Result<Vec<String>> {
    let answer = request_to("shop", port, "GET", "/orders.json", None)?;
    ensure!(answer.status == 200, "{answer:?}");
    let value: Value = serde_json::from_str(&answer.body)?;
    let orders = value["orders"].as_array().context("orders")?;
    let mut all: Vec<String> = orders
        .iter()
        .map(|one| format!("{} {} {}", one["id"], one["product"], one["quantity"]))
        .collect();
    all.sort();
    Ok(all)
}

/// Waits until a front door shows these orders.
fn has(port: u16, wanted: &[String]) -> Result<()> {
    eventually(60, || {
        let found = orders(port)?;
        ensure!(found == wanted, "{found:?} instead of {wanted:?}");
        Ok(())
    })
}

fn to_and_fro(server: &mut Server, there: &There) -> Result<()> {
    let kubeconfig = there.server.run_dir().join("kubeconfig");
    there.add(server, "far", &kubeconfig.to_string_lossy())?;
    server.shelf(&["go"]).good()?;
    place(server, "shop", 3)?;
    let (here, far) = (server.http_port, there.server.http_port);
    let before = orders(here)?;

    let said = server.shelf(&["move", "--to", "far", "--dry-run"]);
    ensure!(said.code == 0 && said.err.contains("with the data of db, jobs"), "{said:?}");
    ensure!(orders(here)? == before && orders(far).is_err(), "a dry run did something");

    let moved = server.shelf(&["move", "--to", "far"]).good()?;
    ensure!(moved.contains("shop is at far") && moved.contains("db "), "{moved}");
    has(far, &before)?;
    let left = server.shelf(&["status"]).good()?;
    ensure!(left.contains("shop: stopped"), "{left}");
    let again = server.shelf(&["move", "--to", "far"]);
    ensure!(again.code != 0 && again.err.contains("was moved"), "{again:?}");
    // It is an app like any other there: what it is given counts.
    let product = serde_json::json!({"product": "lamp", "quantity": 2, "key": "placed far away"});
    let answer = request_to("shop", far, "POST", "/orders", Some(&product))?;
    ensure!([200, 201, 303].contains(&answer.status), "{answer:?}");
    let more = orders(far)?;
    ensure!(more.len() == before.len() + 1, "{more:?}");

    let back = server.shelf(&["--on", "far", "move", "--to", "local"]).good()?;
    ensure!(back.contains("shop is at local"), "{back}");
    has(here, &more)?;
    let left = server.shelf(&["--on", "far", "status"]).good()?;
    ensure!(left.contains("shop: stopped"), "{left}");
    // Nothing is to do, for it is what the file says.
    ensure!(server.shelf(&["go"]).good()?.contains("nothing to do"));
    server.shelf(&["--on", "far", "destroy", "--yes", "--delete-data", "shop"]).good()?;
    is_taken_back(server, there, &more)
}

/// A server that is killed in the middle of a move leaves it to be taken back.
fn is_taken_back(server: &mut Server, there: &There, before: &[String]) -> Result<()> {
    let mut moving = server.command(&["move", "--to", "far"]).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(moving.stderr.take().context("stderr")?).lines();
    let cut = lines.by_ref().any(|line| line.is_ok_and(|line| line.contains("its data is kept")));
    ensure!(cut, "it did not say when its data was kept");
    server.kill()?;
    lines.for_each(drop);
    moving.wait()?;
    server.start()?;
    let said = server.shelf(&["move", "--to", "far", "--undo"]).good()?;
    ensure!(said.contains("shop is at local as it was"), "{said}");
    has(server.http_port, before)?;
    let kinds = "deploy,sts,svc,secret,pvc,pod";
    let left = admin(&there.server, &["-n", "shop", "get", kinds, "-o", "name"], "")?;
    ensure!(left.trim().is_empty(), "left at the other target: {left}");
    Ok(())
}
