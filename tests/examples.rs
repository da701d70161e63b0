//! The examples that a newcomer begins from: each is brought up by one `shelf go`, all at once, and
//! used at its address by curl as a person would use it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::server::{Ended, Server, eventually};

const EXAMPLES: &[&str] = &["site", "counter", "notes", "blog", "metrics"];

/// curl, at an app's address; each app has its cookies.
fn curl(server: &Server, app: &str, path: &str, options: &[&str]) -> Result<String> {
    let host = format!("{app}.localhost:{}", server.http_port);
    let cookies: PathBuf = server.scratch(&format!("cookies-{app}"));
    let output = Command::new("curl")
        .args(["-sSf", "-m", "30", "--resolve", &format!("{host}:127.0.0.1")])
        .args(["-e", &format!("http://{host}/"), "-b"])
        .arg(&cookies)
        .arg("-c")
        .arg(&cookies)
        .args(options)
        .arg(format!("http://{host}{path}"))
        .output()?;
    Ended::new(&output).good().with_context(|| format!("{app}{path}"))
}

/// A generated value of an app, as its owner reads it.
fn secret(server: &Server, app: &str, secret: &str, key: &str) -> Result<String> {
    let object = server.object(&["-n", app, "get", "secret", secret])?;
    let value = object["data"][key].as_str().with_context(|| format!("{secret}.{key}"))?;
    Ok(String::from_utf8(STANDARD.decode(value)?)?)
}

/// What stands between two texts.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Result<&'a str> {
    let rest = text.split_once(before).with_context(|| format!("no {before:?} in {text}"))?.1;
    Ok(rest.split_once(after).with_context(|| format!("no {after:?} after {before:?}"))?.0)
}

/// Every example comes alive by itself and does what it is for.
pub(crate) fn alive(server: &mut Server) -> Result<()> {
    for name in EXAMPLES {
        server.example(name)?;
    }
    let began = Instant::now();
    let shared: &Server = server;
    let went: Vec<Result<String>> = std::thread::scope(|scope| {
        let go = |name: &'static str| scope.spawn(move || shared.shelf_in(name, &["go"]).good());
        let all: Vec<_> = EXAMPLES.iter().map(|name| go(name)).collect();
        all.into_iter().map(|one| one.join().expect("go's thread")).collect()
    });
    for (name, said) in EXAMPLES.iter().zip(went) {
        let said = said.with_context(|| format!("examples/{name}"))?;
        let url = format!("http://{name}.localhost:{}", server.http_port);
        ensure!(said.contains(&url), "{name} does not say its address:\n{said}");
    }
    println!("    all examples are up after {:.0} s", began.elapsed().as_secs_f64());
    site(server)?;
    counter(server)?;
    notes(server)?;
    blog(server)?;
    metrics(server)?;
    for name in EXAMPLES {
        server.shelf_in(name, &["destroy", "--yes", "--delete-data", name]).good()?;
    }
    Ok(())
}

fn site(server: &Server) -> Result<()> {
    let page = curl(server, "site", "/", &[])?;
    ensure!(page.contains("<h1>It is there</h1>"), "{page}");
    let missing = curl(server, "site", "/nothing", &[]);
    ensure!(missing.is_err_and(|error| format!("{error:#}").contains("404")), "a page of nothing");
    Ok(())
}

fn counter(server: &Server) -> Result<()> {
    let visit = || -> Result<u32> {
        let page = curl(server, "counter", "/", &[])?;
        Ok(between(&page, "Visit ", "<")?.parse()?)
    };
    let first = visit()?;
    ensure!((visit()?, visit()?) == (first + 1, first + 2), "visits are not counted one by one");
    Ok(())
}

/// A form with its token, rows, and the admin's own pages with their style.
fn notes(server: &Server) -> Result<()> {
    let form = curl(server, "notes", "/", &[])?;
    let token = between(&form, "csrfmiddlewaretoken\" value=\"", "\"")?;
    let token = format!("csrfmiddlewaretoken={token}");
    let stranger = curl(server, "notes", "/", &["-d", "text=forged"]);
    ensure!(stranger.is_err_and(|error| format!("{error:#}").contains("403")), "a forged form");
    let kept = ["-L", "-d", &token, "--data-urlencode", "text=bread & <salt>"];
    let page = curl(server, "notes", "/", &kept)?;
    ensure!(page.contains("<li>bread &amp; &lt;salt&gt;</li>"), "{page}");

    let login = curl(server, "notes", "/admin/login/", &[])?;
    let style = between(&login, "href=\"/static/", "\"")?;
    curl(server, "notes", &format!("/static/{style}"), &[])?;
    let token = between(&login, "csrfmiddlewaretoken\" value=\"", "\"")?;
    let password = secret(server, "notes", "web-secrets", "admin")?;
    let fields = format!("csrfmiddlewaretoken={token}&username=admin&password={password}");
    curl(server, "notes", "/admin/login/", &["-d", &fields])?;
    let listed = curl(server, "notes", "/admin/notes/note/", &[])?;
    ensure!(listed.contains("bread &amp; &lt;salt&gt;"), "the admin does not see it:\n{listed}");
    Ok(())
}

/// The wizard was gone through; a post with a picture is written and read back by a visitor.
fn blog(server: &Server) -> Result<()> {
    let page = curl(server, "blog", "/", &[])?;
    ensure!(page.contains("<title>A blog</title>") && page.contains("wp-block"), "{page}");
    let password = secret(server, "blog", "web-secrets", "admin")?;
    let call = |name: &str, password: &str, body: &str| {
        let value = |text: &str| format!("<param><value><string>{text}</string></value></param>");
        let call = format!(
            "<?xml version=\"1.0\"?><methodCall><methodName>{name}</methodName><params>{}{}{}\
             <param><value><struct>{body}</struct></value></param></params></methodCall>",
            value("1"),
            value("admin"),
            value(password)
        );
        curl(server, "blog", "/xmlrpc.php", &["-H", "Content-Type: text/xml", "-d", &call])
    };
    let member = |name: &str, value: &str| {
        format!("<member><name>{name}</name><value>{value}</value></member>")
    };
    let post = [
        member("post_title", "<string>A wire</string>"),
        member("post_content", "<string>Words that are kept.</string>"),
        member("post_status", "<string>publish</string>"),
    ]
    .concat();
    let refused = call("wp.newPost", "guessed", &post)?;
    ensure!(refused.contains("faultCode"), "a stranger may write: {refused}");
    let made = call("wp.newPost", &password, &post)?;
    let id = between(&made, "<string>", "</string>")?;
    let read = curl(server, "blog", &format!("/?p={id}"), &["-L"])?;
    ensure!(read.contains("A wire") && read.contains("Words that are kept."), "{read}");

    let picture = b"\x89PNG\r\n\x1a\n and so on";
    let file = [
        member("name", "<string>wire.png</string>"),
        member("type", "<string>image/png</string>"),
        member("bits", &format!("<base64>{}</base64>", STANDARD.encode(picture))),
    ]
    .concat();
    let made = call("wp.uploadFile", &password, &file)?;
    let path = format!("/wp-content/uploads/{}", between(&made, "/wp-content/uploads/", "<")?);
    let copy = server.scratch("picture");
    curl(server, "blog", &path, &["-o", &copy.to_string_lossy()])?;
    ensure!(std::fs::read(&copy)? == picture, "the picture is not the one that was sent");
    // What is due is done by a process of its own: it goes through the same configuration.
    let due =
        ["exec", "web", "env", "HTTP_HOST=localhost", "php", "/usr/share/wordpress/wp-cron.php"];
    let done = server.shelf_in("blog", &due);
    ensure!(done.code == 0 && !done.out.contains("Warning"), "{done:?}");
    Ok(())
}

/// Both are asked, a rule finds what it looks for, and a mail says so.
fn metrics(server: &Server) -> Result<()> {
    let ask = |query: &str| -> Result<Value> {
        let text = curl(server, "metrics", &format!("/api/v1/query?query={query}"), &[])?;
        let answer: Value = serde_json::from_str(&text)?;
        let value = answer["data"]["result"][0]["value"][1].clone();
        ensure!(value.is_string(), "nothing for {query}: {text}");
        Ok(value)
    };
    eventually(60, || {
        for job in ["web", "machine", "prometheus"] {
            let up = ask(&format!("up%7Bjob%3D%22{job}%22%7D"))?;
            ensure!(up == "1", "{job} is not up: {up}");
        }
        ask("node_memory_MemTotal_bytes").map(drop)
    })?;
    eventually(60, || {
        let text = curl(server, "metrics", "/alerts/api/v2/alerts", &[])?;
        ensure!(text.contains("LongTicking"), "{text}");
        Ok(())
    })?;
    let login = format!("mail:{}", secret(server, "metrics", "mail-secrets", "MAILDEV_WEB_PASS")?);
    eventually(60, || {
        let text = curl(server, "metrics", "/mail/api/email/summary?limit=10", &["-u", &login])?;
        ensure!(text.contains("LongTicking"), "no mail: {text}");
        Ok(())
    })
}
