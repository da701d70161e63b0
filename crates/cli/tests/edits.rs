//! Commands that change the app file: what they write, print and refuse.

use crate::shell::Shell;

#[test]
fn an_app_is_put_together_without_an_editor() {
    let shell = Shell::new();
    shell.write("web/Dockerfile", "FROM scratch\nEXPOSE 8080\n");
    let said = shell.does("init --name shop");
    assert!(said.contains("shop begins in ./app.toml\nnext: shelf go\n"), "{said}");
    shell.does("add postgres@15 --as db");
    let said = shell.does("wire web db");
    assert!(said.contains("needs  = { db = \"postgres/1\" }\n"), "{said}");
    assert!(
        said.contains(
            "+ wire web.db -> db  postgres/1 ok (15)   own login, 6 values, starts after it\n"
        ),
        "{said}"
    );
    shell.does("set db size=20Gi memory=1Gi");
    shell.does("set web --env DATABASE_URL={db.url}");
    shell.does("copies web 3");
    shell.does("check");
    assert_eq!(
        shell.read("app.toml"),
        "app = \"shop\"\n\n[web]\nsource = \"./web\"\n\
         run    = { web = { port = 8080, path = \"/\", copies = 3 } }\n\
         needs  = { db = \"postgres/1\" }\nwire   = { db = \"db\" }\n\
         env    = { DATABASE_URL = \"{db.url}\" }\n\n\
         [db]\nuse = \"postgres@15\"\nset = { size = \"20Gi\", memory = \"1Gi\" }\n"
    );
    for _ in 0..5 {
        shell.does("undo");
    }
    assert_eq!(
        shell.read("app.toml"),
        "app = \"shop\"\n\n[web]\nsource = \"./web\"\nrun    = { web = { port = 8080, path = \"/\" } }\n"
    );
    assert_eq!(shell.shelf("undo").code, 1);
    shell.does("redo");
    assert!(shell.read("app.toml").ends_with("\n[db]\nuse = \"postgres@15\"\n"));
}

#[test]
fn a_change_prints_its_lines_and_a_trial_changes_nothing() {
    let shell = Shell::shop();
    let before = shell.read("app.toml");
    let said = shell.does("wire web.db db --dry-run");
    assert_eq!(
        said,
        "13 | wire   = { db = \"db\" }\nwould be done: web.db wired to db   (nothing was written)\n"
    );
    assert_eq!(shell.read("app.toml"), before);
    assert!(!shell.path().join(".shelf").exists());
    let said = shell.does("wire web.db db");
    assert_eq!(said, "13 | wire   = { db = \"db\" }\nweb.db wired to db   (undo: shelf undo)\n");
    assert_eq!(shell.does("wire web.db db"), "nothing to do: web.db wired to db\n");
    let value = shell.json("copies web 2");
    assert_eq!(value["schema"], "shelf/edit/1");
    assert_eq!(value["result"]["command"], "shelf copies web 2");
    assert_eq!(value["result"]["lines"], serde_json::json!([16, 16]));
}

#[test]
fn what_does_not_fit_is_refused_with_the_command_that_does() {
    let shell = Shell::shop();
    let before = shell.read("app.toml");
    let said = shell.shelf("wire web.db jobs");
    assert_eq!(said.code, 1);
    assert_eq!(said.out, "");
    let (what, help) = said.err.split_once("help: ").unwrap();
    assert_eq!(
        what,
        "error[wire/type]: web.db cannot be wired to jobs\n  web needs  postgres/1   (app.toml:11)\n  \
         jobs gives amqp/1       (app.toml:6)\n"
    );
    assert!(help.starts_with("db gives postgres/1 15: shelf wire web.db db\n"), "{help}");
    assert!(help.contains("shelf add postgres@15 --as db --wire web.db\n"), "{help}");
    let said = shell.shelf("--json set db sise=1Gi");
    let error: serde_json::Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error["error"]["code"], "setting/unknown");
    assert_eq!(
        error["error"]["diagnostics"][0]["help"][0]["command"]
            .as_str()
            .or(error["error"]["diagnostics"][0]["help"][0]["action"].as_str()),
        Some("size")
    );
    assert_eq!(shell.shelf("remove dbb").code, 3);
    assert!(shell.shelf("remove dbb").err.contains("did you mean: db"));
    assert_eq!(shell.shelf("add postgrs").code, 3);
    assert_eq!(shell.shelf("add ./nowhere").code, 1);
    assert_eq!(shell.shelf("set db").code, 2);
    assert_eq!(shell.shelf("set db size").code, 2);
    assert_eq!(shell.shelf("url web").code, 2);
    assert_eq!(shell.shelf("unwire web").code, 2);
    let said = shell.shelf("wrie web.db db");
    assert!(said.code == 2 && said.err.contains("'wire'"), "{said:?}");
    assert_eq!(shell.read("app.toml"), before);
}

#[test]
fn blocks_are_added_where_they_are_wanted() {
    let shell = Shell::shop();
    shell.does("need web.store 'postgres/1?'");
    let said = shell.does("add postgres@15 --wire web.store --set size=2Gi");
    assert!(said.contains("[store]"), "{said}");
    let text = shell.read("app.toml");
    assert!(
        text.contains("wire   = { db = \"db\", store = \"store\" }")
            || text.contains("store = \"store\""),
        "{text}"
    );
    assert!(text.ends_with("[store]\nuse = \"postgres@15\"\nset = { size = \"2Gi\" }\n"), "{text}");
    shell.does("check");
    shell.write("api/v2/Dockerfile", "FROM scratch\n");
    shell.does("add ./api/v2 --port 9000");
    assert!(
        shell
            .read("app.toml")
            .ends_with("[v2]\nsource = \"./api/v2\"\nrun    = { v2 = { port = 9000 } }\n")
    );
    shell.does("rename v2 api");
    shell.does("url api /api/ /v2/");
    assert!(
        shell
            .read("app.toml")
            .contains("run    = { api = { port = 9000, path = [\"/api/\", \"/v2/\"] } }")
            || shell.read("app.toml").contains("path = [\"/api/\", \"/v2/\"]")
    );
    assert_eq!(shell.shelf("add ../outside").code, 1);
    shell.does("remove store");
    shell.does("unneed web.store");
    shell.does("check");
}

#[test]
fn the_history_names_who_did_what() {
    let shell = Shell::shop();
    shell.does("copies web 2");
    let text = shell.read("app.toml");
    shell.write("app.toml", &format!("{text}# by hand\n"));
    shell.does("undo");
    let entries = shell.json("undo --list");
    let entries = entries["result"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(
        (entries[0]["by"].as_str(), entries[0]["undone"].as_bool()),
        (Some("ana"), Some(true))
    );
    assert_eq!(
        (entries[1]["by"].as_str(), entries[1]["command"].as_str()),
        (Some("file"), Some("$EDITOR app.toml"))
    );
    assert!(shell.read("app.toml").ends_with("# by hand\n"));
    let said = shell.does("undo --list");
    assert!(said.starts_with("AGO") && said.contains("web: 2 copies"), "{said}");
}

#[test]
fn fmt_writes_the_standard_way_once() {
    let shell = Shell::shop();
    assert_eq!(shell.shelf("fmt --check").code, 1);
    shell.does("fmt");
    let text = shell.read("app.toml");
    assert!(text.contains("wire   = { db = \"db\", jobs = \"jobs\" }"), "{text}");
    assert_eq!(shell.shelf("fmt --check").code, 0);
    assert_eq!(shell.does("fmt"), "");
    shell.does("undo");
    assert!(!shell.read("app.toml").contains("wire"));
}

#[test]
fn an_example_or_an_empty_app_can_be_the_beginning() {
    let shell = Shell::new();
    assert!(shell.does("init --example list").lines().any(|line| line == "shop"));
    let said = shell.does("init --example shop");
    assert!(said.ends_with("next: cd shop   then:   shelf go\n"), "{said}");
    shell.does("-a shop check");
    assert_eq!(shell.shelf("init --example shop").code, 1);
    assert_eq!(shell.shelf("init --example shp").code, 3);
    let said = shell.does("init empty --empty");
    assert!(said.ends_with("next: cd empty   then:   shelf add postgres\n"), "{said}");
    assert_eq!(shell.read("empty/app.toml"), "app = \"empty\"\n");
    assert_eq!(shell.shelf("init empty").code, 1);
    let said = shell.does("init nothing --dry-run");
    assert!(said.contains("! no Dockerfile in nothing"), "{said}");
    assert!(!shell.path().join("nothing").exists());
}

#[test]
fn a_secret_is_never_an_argument_and_needs_its_server() {
    let shell = Shell::shop();
    let before = shell.read("app.toml");
    assert_eq!(shell.shelf("set web --secret KEY").code, 2, "the input is empty");
    let said = shell.shelf("set web --secret KEY=secret-value");
    assert!(said.code == 2 && !said.err.contains("secret-value"), "{said:?}");
    let said = shell.line("printf secret-value | shelf set web --secret KEY");
    assert_eq!(said.code, 7, "{said:?}");
    assert!(!said.err.contains("secret-value"));
    assert_eq!(shell.read("app.toml"), before, "without the server nothing is named");
    assert_eq!(
        shell.line("printf x | shelf set db --secret KEY").code,
        1,
        "a module's are its own"
    );
    let said = shell.does("set web --secret KEY --dry-run");
    assert!(said.contains("secrets = { KEY = { given = true } }"), "{said}");
}
