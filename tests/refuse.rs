//! What is refused, and that nothing has started when it is.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::server::{Ended, Server, binary};

/// An app file with one thing wrong, and what the error must say.
struct Wrong {
    what: &'static str,
    file: &'static str,
    says: &'static [&'static str],
}

const WRONG: &[Wrong] = &[
    Wrong {
        what: "a module that is not on the shelf",
        file: "app = \"x\"\n[db]\nuse = \"postgrez@15\"\n",
        says: &["app.toml:3", "postgrez", "postgres"],
    },
    Wrong {
        what: "a version that is not there",
        file: "app = \"x\"\n[db]\nuse = \"postgres@99\"\n",
        says: &["app.toml:3", "99", "15"],
    },
    Wrong {
        what: "a setting that the module does not have",
        file: "app = \"x\"\n[db]\nuse = \"postgres@15\"\nset = { sizze = \"1Gi\" }\n",
        says: &["app.toml:4", "sizze", "size"],
    },
    Wrong {
        what: "a wire of the wrong type",
        file: "app = \"x\"\n[jobs]\nuse = \"rabbitmq@3\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\nwire = { db = \"jobs\" }\n[web.run]\nweb = { port = 8080 }\n",
        says: &["postgres/1", "amqp/1", "jobs", "app.toml:"],
    },
    Wrong {
        what: "a need that nothing meets",
        file: "app = \"x\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\n[web.run]\nweb = { port = 8080 }\n",
        says: &["postgres/1", "app.toml:4", "postgres"],
    },
    Wrong {
        what: "a version limit that the provider does not meet",
        file: "app = \"x\"\n[db]\nuse = \"postgres@15\"\n[web]\nsource = \"./web\"\n[web.needs]\ndb = { type = \"postgres/1\", version = \">=16\" }\n[web.run]\nweb = { port = 8080 }\n",
        says: &[">=16", "15"],
    },
    Wrong { what: "broken text", file: "app = \"x\"\n[db\nuse = 3\n", says: &["app.toml:2"] },
];

/// Each wrong app is refused with file, line, both sides and the next thing to try.
pub(crate) fn wrong_apps(server: &mut Server) -> Result<()> {
    for wrong in WRONG {
        let folder = server.scratch("wrong");
        fs::create_dir_all(folder.join("web"))?;
        fs::write(folder.join("app.toml"), wrong.file)?;
        fs::write(folder.join("web/Dockerfile"), "FROM debian:12\n")?;
        for verb in ["check", "go"] {
            let output = server.command(&[verb]).current_dir(&folder).output()?;
            let code = output.status.code();
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            ensure!(code == Some(1), "{verb} with {}: exit code {code:?}\n{text}", wrong.what);
            for word in wrong.says {
                ensure!(text.contains(word), "{verb} with {}: no {word:?} in\n{text}", wrong.what);
            }
            ensure!(text.contains("help:"), "{}: no next thing to try in\n{text}", wrong.what);
            ensure!(text.lines().count() <= 25, "{}: more than a screen:\n{text}", wrong.what);
        }
        fs::remove_dir_all(&folder)?;
    }
    let spaces = server.object(&["get", "namespaces"])?;
    let names: Vec<&str> = spaces["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|space| space["metadata"]["name"].as_str())
        .collect();
    ensure!(!names.contains(&"x"), "a refused app has left a namespace: {names:?}");
    Ok(())
}

fn serve(server: &Server, name: &str, more: &[&str]) -> Result<Ended> {
    let output = Command::new(binary())
        .arg("serve")
        .arg("--data-dir")
        .arg(server.scratch(name).join("data"))
        .arg("--run-dir")
        .arg(server.scratch(name).join("run"))
        .args(more)
        .stdin(Stdio::null())
        .output()?;
    Ok(Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// The holder of a taken port is named, and nothing of the second server stays.
pub(crate) fn taken_port(server: &mut Server) -> Result<()> {
    let links = bridges()?;
    let holder = TcpListener::bind("127.0.0.1:0")?;
    let address = holder.local_addr()?.to_string();
    let ended = serve(server, "second", &["--http", &address, "--api", "127.0.0.1:0"])?;
    ensure!(ended.code == 1, "exit code {}", ended.code);
    ensure!(ended.err.contains("error[port/taken]"), "{}", ended.err);
    ensure!(ended.err.contains(&std::process::id().to_string()), "no pid in {}", ended.err);
    ensure!(ended.err.contains("help:"), "no help in {}", ended.err);
    ensure!(links == bridges()?, "the refused server has left a bridge: {links:?}");
    fs::remove_dir_all(server.scratch("second"))?;
    Ok(())
}

/// The bridges of all servers on this machine.
fn bridges() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir("/sys/class/net")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("sh") {
            names.push(name);
        }
    }
    names.sort();
    ensure!(!names.is_empty(), "not even the first server has a bridge");
    Ok(names)
}

/// Two servers never write one data directory.
pub(crate) fn second_server(server: &mut Server) -> Result<()> {
    let output = Command::new(binary())
        .arg("serve")
        .arg("--data-dir")
        .arg(server.data_dir())
        .arg("--run-dir")
        .arg(server.scratch("other-run"))
        .args(["--http", "127.0.0.1:0", "--api", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(1), "{:?}: {text}", output.status);
    ensure!(text.contains("error[serve/running]"), "{text}");
    server.shelf(&["version", "--server"]).good()?;
    Ok(())
}
