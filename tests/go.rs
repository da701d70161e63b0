//! From one file to a living app with an address, and what the command line shows of it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::page::{get, request};
use crate::server::{Server, eventually};

/// Places an order and returns its number; the answer means that it is stored.
pub(crate) fn place_order(server: &Server, key: &str) -> Result<Value> {
    let order = json!({"product": "lamp", "quantity": 1, "key": key});
    let answer = request(server.http_port, "POST", "/orders", Some(&order))?;
    ensure!(answer.status == 201, "the order was refused: {} {}", answer.status, answer.body);
    let answer: Value = serde_json::from_str(&answer.body)?;
    Ok(answer["id"].clone())
}

/// The shop's orders, newest first.
pub(crate) fn orders(server: &Server) -> Result<Vec<Value>> {
    let answer: Value = serde_json::from_str(&get(server.http_port, "/orders.json")?)?;
    Ok(answer["orders"].as_array().cloned().unwrap_or_default())
}

/// `shelf go` in examples/shop ends with the URL, and the page answers there.
pub(crate) fn living_app(server: &mut Server) -> Result<()> {
    let ended = server.shelf(&["go"]);
    let progress = ended.err.clone();
    let text = ended.good()?;
    let url = format!("shop is at http://shop.localhost:{}", server.http_port);
    ensure!(text.contains(&url), "no {url:?} in\n{text}");
    for word in ["FROM debian:12", "build ", "db", "jobs", "web", "postgres/1", "amqp/1", "probed"]
    {
        ensure!(progress.contains(word), "the progress does not show {word:?}:\n{progress}");
    }
    let page = get(server.http_port, "/")?;
    ensure!(page.contains("Reading lamp"), "{page}");
    ensure!(server.shelf(&["url"]).good()?.trim() == &url["shop is at ".len()..]);
    Ok(())
}

/// An order is stored in PostgreSQL, goes through RabbitMQ to the worker, and shows as done.
pub(crate) fn order(server: &mut Server) -> Result<()> {
    let number = place_order(server, "Ana-1")?;
    let done = eventually(15, || {
        let order = orders(server)?.into_iter().find(|order| order["id"] == number);
        let order = order.context("the order is not in the list")?;
        ensure!(order["state"] == "done", "{order}");
        Ok(order)
    })?;
    ensure!(done["packed_by"].as_str().is_some_and(|by| by.contains("worker")), "{done}");
    let page = get(server.http_port, "/")?;
    ensure!(page.contains(&format!("order-{number}")), "{page}");
    // Through the real database, past the shop.
    let sql = "select state from orders where key = 'Ana-1'";
    let database = server.object(&["get", "secret", "web-db"])?["data"]["database"].clone();
    ensure!(database.is_string(), "the wire's secret has no database");
    let command = format!(
        "psql -U postgres -At -d \"$(psql -U postgres -At -c \"select datname from pg_database where datname not in ('postgres','template0','template1')\" | head -1)\" -c \"{sql}\""
    );
    let rows = server.kubectl(&["exec", "db-0", "--", "sh", "-c", &command]).good()?;
    ensure!(rows.trim() == "done", "{rows:?}");
    let log = server.shelf(&["logs", "web", "-n", "500"]).good()?;
    ensure!(log.contains("order."), "the worker has not said so:\n{log}");
    Ok(())
}

/// Twice go with nothing changed does nothing and says so.
pub(crate) fn twice(server: &mut Server) -> Result<()> {
    let revisions = |server: &Server| -> Result<Vec<(String, String)>> {
        let all =
            server.object(&["get", "deployments,statefulsets,services,configmaps,secrets,pods"])?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(all["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|object| {
                (text(&object["metadata"]["name"]), text(&object["metadata"]["resourceVersion"]))
            })
            .collect())
    };
    let before = revisions(server)?;
    let began = Instant::now();
    let text = server.shelf(&["go"]).good()?;
    ensure!(text.contains("nothing to do"), "{text}");
    ensure!(began.elapsed() < Duration::from_secs(5), "doing nothing took {:?}", began.elapsed());
    let after = revisions(server)?;
    ensure!(before == after, "something was written:\n{before:?}\n{after:?}");
    let plan = server.shelf(&["plan", "--exit-code"]);
    ensure!(plan.code == 0, "{plan:?}");
    Ok(())
}

/// status, logs, exec and plan tell the truth.
pub(crate) fn look(server: &mut Server) -> Result<()> {
    let status = server.shelf(&["status"]).good()?;
    for block in ["db", "jobs", "web"] {
        let line = status.lines().find(|line| line.starts_with(&format!("{block} ")));
        let line = line.with_context(|| format!("no block {block} in\n{status}"))?;
        ensure!(line.contains("ready"), "{line}");
    }
    let report: Value = serde_json::from_str(&server.shelf(&["--json", "status"]).good()?)?;
    ensure!(report["schema"] == "shelf/status/1" && report["result"]["app"] == "shop", "{report}");
    let log = server.shelf(&["logs", "db", "-n", "1000"]).good()?;
    ensure!(log.contains("database system is ready"), "{log}");
    let version =
        server.shelf(&["exec", "db", "psql", "-U", "postgres", "-At", "-c", "show server_version"]);
    ensure!(version.good()?.starts_with("15."), "not PostgreSQL 15");
    let exit = server.shelf(&["exec", "web", "sh", "-c", "exit 7"]);
    ensure!(exit.code == 7, "{exit:?}");
    let world = server.shelf(&[
        "exec",
        "web",
        "python3",
        "-c",
        "import socket; print(socket.gethostbyname('deb.debian.org'))",
    ]);
    ensure!(world.code == 0, "no way out to the world's names: {world:?}");
    let secret = server.shelf(&["exec", "web", "cat", "/bindings/db/username"]).good()?;
    ensure!(!secret.trim().is_empty());
    let absent = server.shelf(&["exec", "nothere", "true"]);
    ensure!(absent.code == 3 && absent.err.contains("db, jobs, web"), "{absent:?}");
    let images = server.shelf(&["images"]).good()?;
    ensure!(images.contains("debian:12"), "{images}");
    // A wire's password is in no argument, log or object but its Secret.
    let secret = server.object(&["get", "secret", "web-db"])?;
    let encoded = secret["data"]["password"].as_str().context("the password")?.to_owned();
    let plain = decode(&encoded)?;
    for kind in ["deployments", "statefulsets", "jobs", "configmaps", "pods", "events"] {
        let text = server.kubectl(&["get", kind, "-o", "json"]).good()?;
        ensure!(!text.contains(&plain) && !text.contains(&encoded), "the password is in {kind}");
    }
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        ensure!(!line.contains(&plain), "the password is an argument: {line}");
    }
    ensure!(!server.log_tail(100_000).contains(&plain), "the password is in the server's log");
    Ok(())
}

fn decode(text: &str) -> Result<String> {
    let mut bits = 0_u32;
    let mut count = 0;
    let mut bytes = Vec::new();
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => anyhow::bail!("not base64: {text}"),
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff)?);
        }
    }
    Ok(String::from_utf8(bytes)?)
}
