//! Wires between apps: a login at another app's block is made with the consumer and goes with it.

use std::fs;

use anyhow::{Result, ensure};

use crate::canvas::Browser;
use crate::page::request_to;
use crate::server::{Server, eventually};
use crate::targets::{admin, make};

const APP: &str = r#"app = "teller"

[web]
source = "./web"
needs = { db = "postgres/1" }
wire = { db = "shop/db" }
env = { WORD = "plain" }
run = { web = { port = 8080, path = "/", ready = "/" } }
"#;

/// What ties the program to a database.
const TIE: &str = "needs = { db = \"postgres/1\" }\nwire = { db = \"shop/db\" }\n";

/// An app with a database at the shop's: it has a login of its own there, which is taken away when
/// it is destroyed, and made again for the same data when it comes back.
pub(crate) fn leaves(server: &mut Server) -> Result<()> {
    server.shelf(&["go"]).good()?;
    let folder = server.scratch("teller");
    make(&folder)?;
    fs::write(folder.join("app.toml"), APP)?;
    let done = comes_and_goes(server);
    let gone = server.shelf_in("teller", &["destroy", "--yes", "--delete-data", "teller"]);
    done?;
    gone.good()?;
    server
        .shelf(&["exec", "-T", "db", "--", "sh", "-c", &sql("drop database teller_web_db")])
        .good()?;
    Ok(())
}

fn sql(text: &str) -> String {
    format!("PGPASSWORD=$POSTGRES_PASSWORD psql -h 127.0.0.1 -U postgres -tAc '{text}'")
}

/// The logins that the shop's database has for the other app.
fn logins(server: &Server) -> Result<String> {
    let ask = sql("select rolname from pg_roles where rolcanlogin and rolname like $$teller%$$");
    let said = server.shelf(&["exec", "-T", "db", "--", "sh", "-c", &ask]);
    Ok(said.good()?.trim().to_owned())
}

fn comes_and_goes(server: &Server) -> Result<()> {
    let left = || {
        let own = "app.kubernetes.io/part-of=teller";
        admin(
            server,
            &["-n", "shop", "get", "job,secret,networkpolicy,pod", "-l", own, "-o", "name"],
            "",
        )
    };
    let answers = || {
        eventually(60, || {
            let page = request_to("teller", server.http_port, "GET", "/", None)?;
            ensure!(page.status == 200 && page.body.starts_with("plain teller"), "{page:?}");
            Ok(())
        })
    };
    server.shelf_in("teller", &["go"]).good()?;
    answers()?;
    ensure!(logins(server)?.starts_with("teller"), "{}", logins(server)?);
    let said = server.shelf_in("teller", &["destroy", "--yes"]);
    let told = format!("{}{}", said.out, said.err);
    ensure!(
        said.code == 0 && told.contains("the login of web.db at shop/db is taken away"),
        "{said:?}"
    );
    ensure!(logins(server)?.is_empty(), "{} can still log in", logins(server)?);
    eventually(60, || {
        let left = left()?;
        ensure!(left.trim().is_empty(), "left at the shop: {left}");
        Ok(())
    })?;
    // It comes back to its data with a new login, and is drawn with the wire that leads out of it.
    server.shelf_in("teller", &["go"]).good()?;
    answers()?;
    let model = Browser::open(server)?.get("/v1/apps/teller/model")?;
    let wire = &model["wires"][0];
    ensure!(model["valid"] == true && wire["consumer"] == "web", "{model}");
    ensure!(wire["provider"].as_str().is_some_and(|it| it.contains("shop")), "{wire}");
    untied(server, "teller", &APP.replace(TIE, ""))?;
    ensure!(logins(server)?.is_empty(), "{} can still log in", logins(server)?);
    // The same at a database of its own.
    let own = APP.replace(TIE, "needs = { db = \"postgres/1\" }\n");
    let own = format!("{own}\n[db]\nuse = \"postgres@15\"\n");
    let file = server.scratch("teller").join("app.toml");
    fs::write(&file, &own)?;
    server.shelf_in("teller", &["go"]).good()?;
    let ask = sql("select rolname from pg_roles where rolcanlogin and rolname <> $$postgres$$");
    let inside = || server.shelf_in("teller", &["exec", "-T", "db", "--", "sh", "-c", &ask]).good();
    ensure!(!inside()?.trim().is_empty(), "the wire has no login");
    untied(server, "teller", &own.replace("needs = { db = \"postgres/1\" }\n", ""))?;
    ensure!(inside()?.trim().is_empty(), "{} can still log in", inside()?);
    // Tied again, it is the same login for the same data.
    fs::write(&file, &own)?;
    server.shelf_in("teller", &["go"]).good()?;
    eventually(60, || {
        let page = request_to("teller", server.http_port, "GET", "/", None)?;
        ensure!(page.status == 200 && page.body.starts_with("plain web_db"), "{page:?}");
        Ok(())
    })
}

/// Goes without a wire that was there; the go says that its login is taken away.
fn untied(server: &Server, folder: &str, text: &str) -> Result<()> {
    // Its page wants the database, so nobody asks it.
    let text = text.replace(", ready = \"/\"", "");
    fs::write(server.scratch(folder).join("app.toml"), text)?;
    let said = server.shelf_in(folder, &["go"]);
    let told = format!("{}{}", said.out, said.err);
    ensure!(said.code == 0 && told.contains("is taken away; its data stays there"), "{said:?}");
    Ok(())
}
