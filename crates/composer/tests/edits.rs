//! Edits of app files: each verb on text as people write it, and the laws that hold for all of
//! them: text parses after each, undo restores every byte, comments survive.

use composer::{App, Catalogue, Diagnostic, Edit, Edited, edit, format};
use proptest::prelude::*;
use serde_json::json;

use crate::shelf::{shop, stock};

/// The shelf with a module of which a socket may have many, and one that only few may use.
fn catalogue() -> Catalogue {
    let mut catalogue = stock();
    let cache = "interface = \"cache/1\"\n[fields]\nhost = \"host\"\nport = \"port\"\n[attributes]\nversion = \"version\"\n";
    catalogue.add_interface("cache.toml", cache).unwrap();
    let module = "module = \"cache\"\nversion = \"7.2.0\"\nbuild = \".\"\n[provides.cache]\ntype = \"cache/1\"\nport = 6379\nversion = \"7.2\"\nmax = 2\n[settings]\nmemory = { default = \"64Mi\", help = \"Memory.\" }\nlimit = { default = 10, help = \"A number.\" }\nfast = { default = false, help = \"A truth.\" }\n[assumes]\nsingle = { says = \"One.\", if-not = \"add another\" }\n";
    catalogue.add_module("cache/module.toml", module).unwrap();
    catalogue
}

fn done(text: &str, verb: serde_json::Value) -> Edited {
    let verb: Edit = serde_json::from_value(verb).unwrap();
    edit("app.toml", text, &verb, &catalogue())
        .unwrap_or_else(|wrong| panic!("{}", composer::render(&wrong)))
}

fn refused(text: &str, verb: serde_json::Value) -> Vec<Diagnostic> {
    let verb: Edit = serde_json::from_value(verb).unwrap();
    edit("app.toml", text, &verb, &catalogue()).expect_err("this edit should be refused")
}

fn undone(edited: &Edited) -> String {
    edited.inverse.iter().fold(edited.text.clone(), |text, back| {
        edit("app.toml", &text, back, &catalogue()).unwrap().text
    })
}

const WEB: &str = "\
app = \"web\"

[db]   # the one database
use = \"postgres@15\"

# what people see
[web]
source = \"./web\"    # ours
needs  = { db = \"postgres/1\", cache = \"cache/1?\", backs = \"http/1*\" }

[web.run]
web    = { port = 8080, path = \"/\" }
worker = { run = \"bin/worker\" }
";

#[test]
fn a_fork_keeps_the_line_and_goes_back_byte_for_byte() {
    let mut shelf = catalogue();
    let text =
        std::fs::read_to_string(crate::shelf::repository().join("modules/postgres/module.toml"));
    shelf.add_local("./db", &text.unwrap()).unwrap();
    for (old, new) in [
        (WEB.to_owned(), WEB.replace("use = \"postgres@15\"", "module = \"./db\"")),
        (
            WEB.replace("use = ", "use    = ").replace("@15\"", "@15\"  # why"),
            WEB.replace("use = \"postgres@15\"", "module = \"./db\"  # why"),
        ),
        (
            WEB.replace(
                "[db]   # the one database\nuse = \"postgres@15\"",
                "db = { use = \"postgres@15\" }",
            ),
            WEB.replace(
                "[db]   # the one database\nuse = \"postgres@15\"",
                "db = { module = \"./db\" }",
            ),
        ),
    ] {
        let fork = Edit::Fork { block: "db".into(), to: "./db".into() };
        let done = edit("app.toml", &old, &fork, &shelf).unwrap();
        assert_eq!(done.text, new);
        assert_eq!(
            (done.summary.as_str(), done.command.as_str()),
            ("db is yours, in ./db", "shelf fork db")
        );
        let back = done.inverse.iter().fold(done.text.clone(), |text, back| {
            edit("app.toml", &text, back, &shelf).unwrap().text
        });
        assert_eq!(back, old);
    }
    let fork = Edit::Fork { block: "db".into(), to: "./elsewhere".into() };
    let wrong = edit("app.toml", WEB, &fork, &shelf).unwrap_err();
    assert_eq!(wrong[0].code, "module/unknown", "{}", composer::render(&wrong));
    let fork = Edit::Fork { block: "web".into(), to: "./db".into() };
    assert_eq!(edit("app.toml", WEB, &fork, &shelf).unwrap_err()[0].code, "block/origin");
}

#[test]
fn add_writes_a_block_at_the_end() {
    let edited = done(WEB, json!({"verb":"add","block":"jobs","use":"rabbitmq"}));
    assert_eq!(edited.text, format!("{WEB}\n[jobs]\nuse = \"rabbitmq@3\"\n"));
    assert_eq!((edited.lines, edited.summary.as_str()), ((14, 16), "jobs added from rabbitmq@3"));
    assert_eq!(edited.command, "shelf add rabbitmq@3 --as jobs");
    assert_eq!(edited.inverse, [Edit::Remove { block: "jobs".into() }]);
    assert_eq!(undone(&edited), WEB);
}

#[test]
fn a_source_with_a_port_gets_a_process() {
    let edited = done(WEB, json!({"verb":"add","block":"api","source":"./api","port":9000}));
    assert!(
        edited.text.ends_with("[api]\nsource = \"./api\"\nrun    = { api = { port = 9000 } }\n")
    );
    let edited = done(&edited.text, json!({"verb":"url","block":"api","path":["/api/"]}));
    assert!(edited.text.ends_with("run    = { api = { port = 9000, path = \"/api/\" } }\n"));
    assert_eq!(edited.command, "shelf url api /api/");
}

#[test]
fn a_wire_is_one_line_lined_up_with_its_neighbours() {
    let edited = done(WEB, json!({"verb":"wire","block":"web","socket":"db","provider":"db"}));
    assert!(
        edited.text.contains("http/1*\" }\nwire   = { db = \"db\" }\n\n[web.run]"),
        "{}",
        edited.text
    );
    assert_eq!(edited.lines, (10, 10));
    assert_eq!(edited.command, "shelf wire web.db db");
    assert_eq!(undone(&edited), WEB);
}

#[test]
fn a_socket_that_is_left_out_is_the_one_that_fits() {
    let with = done(WEB, json!({"verb":"add","block":"fast","use":"cache"})).text;
    let edited = done(&with, json!({"verb":"wire","block":"web","provider":"fast"}));
    assert_eq!(edited.summary, "web.cache wired to fast");
    let wrong = refused(&with, json!({"verb":"wire","block":"db","provider":"fast"}));
    assert_eq!(wrong[0].code, "wire/type");
}

#[test]
fn a_wire_that_does_not_fit_is_refused_in_the_words_of_check() {
    let with = done(WEB, json!({"verb":"add","block":"fast","use":"cache"})).text;
    let wrong =
        refused(&with, json!({"verb":"wire","block":"web","socket":"db","provider":"fast"}));
    let text = composer::render(&wrong);
    assert!(text.starts_with("error[wire/type]: web.db cannot be wired to fast\n"), "{text}");
    assert!(text.contains("web needs  postgres/1   (app.toml:9)"), "{text}");
    assert!(text.contains("fast gives cache/1"), "{text}");
    assert!(text.contains("shelf wire web.db db"), "{text}");
    let wrong = refused(WEB, json!({"verb":"wire","block":"web","socket":"db","provider":"dp"}));
    assert_eq!((wrong[0].code.as_str(), wrong[0].help[0].action.as_str()), ("wire/provider", "db"));
    let wrong = refused(WEB, json!({"verb":"wire","block":"web","socket":"bd","provider":"db"}));
    assert_eq!(wrong[0].code, "wire/socket");
    let wrong = refused(WEB, json!({"verb":"wire","block":"wep","socket":"db","provider":"db"}));
    assert_eq!((wrong[0].code.as_str(), wrong[0].help[0].action.as_str()), ("block/absent", "web"));
}

#[test]
fn versions_and_counts_are_checked_before_the_file_changes() {
    let verb = json!({"verb":"need","block":"web","socket":"old","interface":"postgres/1","limits":{"version":"<15"}});
    assert_eq!(refused(WEB, verb)[0].code, "wire/limit");
    let verb = json!({"verb":"need","block":"web","socket":"new","interface":"postgres/2"});
    assert_eq!(refused(WEB, verb)[0].code, "interface/unknown");
    let many = "app = \"many\"\n[c]\nuse = \"cache\"\n[x]\nsource = \"x\"\nneeds = { c = \"cache/1\" }\n[y]\nsource = \"y\"\nneeds = { c = \"cache/1\" }\n";
    let verb = json!({"verb":"add","block":"z","source":"z"});
    let three = done(many, verb).text;
    let verb = json!({"verb":"need","block":"z","socket":"c","interface":"cache/1"});
    assert_eq!(refused(&three, verb)[0].code, "wire/count");
}

#[test]
fn a_socket_that_takes_many_keeps_the_others() {
    let with = done(WEB, json!({"verb":"add","block":"api","source":"./api","port":9000})).text;
    let with = done(&with, json!({"verb":"add","block":"mail","source":"./mail","port":25})).text;
    let one = done(&with, json!({"verb":"wire","block":"web","socket":"backs","provider":"api"}));
    assert!(one.text.contains("wire   = { backs = [\"api\"] }\n"), "{}", one.text);
    let two =
        done(&one.text, json!({"verb":"wire","block":"web","socket":"backs","provider":"mail"}));
    assert!(two.text.contains("wire   = { backs = [\"api\", \"mail\"] }\n"), "{}", two.text);
    assert_eq!(undone(&two), one.text);
    let less =
        done(&two.text, json!({"verb":"unwire","block":"web","socket":"backs","provider":"api"}));
    assert!(less.text.contains("wire   = { backs = [\"mail\"] }\n"), "{}", less.text);
    assert_eq!(undone(&less), two.text);
}

#[test]
fn unwire_holds_where_the_socket_would_tie_itself_again() {
    let edited = done(WEB, json!({"verb":"unwire","block":"web","socket":"db"}));
    assert!(edited.text.contains("wire   = { db = [] }\n"), "{}", edited.text);
    assert_eq!(undone(&edited), WEB);
    let used = done(WEB, json!({"verb":"env","block":"web","name":"URL","value":"{db.url}"})).text;
    let edited = done(&used, json!({"verb":"unwire","block":"web","socket":"db"}));
    assert_eq!(undone(&edited), used);
    let edited = done(&used, json!({"verb":"remove","block":"db"}));
    assert_eq!(undone(&edited), used);
    let wrong = refused(WEB, json!({"verb":"unwire","block":"web","socket":"cache"}));
    assert_eq!(wrong[0].code, "wire/absent");
}

#[test]
fn an_edit_keeps_the_wires_it_is_not_about() {
    let shop = "app = \"s\"\n[db]\nuse = \"postgres\"\n[web]\nsource = \"w\"\nneeds = { store = \"postgres/1\" }\n";
    // A second database would make the socket ambiguous, or take it over by its name.
    for name in ["other", "store"] {
        let edited = done(shop, json!({"verb":"add","block":name,"use":"postgres"}));
        assert!(edited.text.contains("wire  = { store = \"db\" }\n"), "{}", edited.text);
        assert_eq!(undone(&edited), shop);
        let gone = done(&edited.text, json!({"verb":"remove","block":"db"}));
        assert!(gone.text.contains("wire  = { store = [] }"), "{}", gone.text);
        assert_eq!(undone(&gone), edited.text);
    }
}

#[test]
fn remove_takes_a_block_with_its_comments_and_the_wires_to_it() {
    let edited = done(WEB, json!({"verb":"remove","block":"web"}));
    assert_eq!(edited.text, "app = \"web\"\n\n[db]   # the one database\nuse = \"postgres@15\"\n");
    assert!(matches!(edited.inverse.as_slice(), [Edit::Paste { .. }]));
    assert_eq!(undone(&edited), WEB);
    let wired =
        done(WEB, json!({"verb":"wire","block":"web","socket":"db","provider":"db.sql"})).text;
    let edited = done(&wired, json!({"verb":"remove","block":"db"}));
    assert!(!edited.text.contains("wire"), "{}", edited.text);
    assert_eq!(undone(&edited), wired);
}

#[test]
fn a_block_put_back_stands_whole_even_if_the_file_changed() {
    let edited = done(WEB, json!({"verb":"remove","block":"db"}));
    let later = done(&edited.text, json!({"verb":"add","block":"jobs","use":"rabbitmq"})).text;
    let later = format!("# a new first line\n{later}");
    let back = edit("app.toml", &later, &edited.inverse[0], &catalogue()).unwrap().text;
    assert!(back.contains("[db]   # the one database\nuse = \"postgres@15\"\n"), "{back}");
    assert!(composer::check(&App::parse("a", &back).unwrap(), &catalogue()).is_ok(), "{back}");
    let verb = serde_json::to_value(&edited.inverse[0]).unwrap();
    assert_eq!(refused(WEB, verb)[0].code, "block/exists");
}

#[test]
fn rename_reaches_every_place() {
    let text = "app = \"s\"\n[db]\nuse = \"postgres\"\n[db.set]\nsize = \"1Gi\"\n[web]\nsource = \"w\"\nneeds = { db = \"postgres/1\", two = \"postgres/1\" }\nwire = { two = \"db.sql\" }\n[web.secrets]\nkey = { generate = \"random:9\", keep-with = \"db\" }\n";
    let edited = done(text, json!({"verb":"rename","block":"db","to":"store"}));
    let wanted = "app = \"s\"\n[store]\nuse = \"postgres\"\n[store.set]\nsize = \"1Gi\"\n[web]\nsource = \"w\"\nneeds = { db = \"postgres/1\", two = \"postgres/1\" }\nwire = { two = \"store.sql\" }\n[web.secrets]\nkey = { generate = \"random:9\", keep-with = \"store\" }\n";
    assert_eq!(edited.text, wanted);
    assert_eq!(undone(&edited), text);
    assert_eq!(
        refused(text, json!({"verb":"rename","block":"db","to":"web"}))[0].code,
        "block/exists"
    );
    assert_eq!(
        refused(text, json!({"verb":"rename","block":"db","to":"Web"}))[0].code,
        "file/name"
    );
}

#[test]
fn settings_take_the_type_their_module_says() {
    let text = "app = \"s\"\n\n[c]\nuse = \"cache\"   # fast\n";
    let edited = done(text, json!({"verb":"set","block":"c","setting":"limit","value":"20"}));
    assert_eq!(edited.text, "app = \"s\"\n\n[c]\nuse = \"cache\"   # fast\nset = { limit = 20 }\n");
    let edited =
        done(&edited.text, json!({"verb":"set","block":"c","setting":"fast","value":"true"}));
    assert!(edited.text.ends_with("set = { limit = 20, fast = true }\n"));
    let less = done(&edited.text, json!({"verb":"unset","block":"c","setting":"limit"}));
    assert!(less.text.ends_with("set = { fast = true }\n"), "{}", less.text);
    assert_eq!(undone(&less), edited.text);
    let none = done(&less.text, json!({"verb":"unset","block":"c","setting":"fast"}));
    assert_eq!(none.text, text);
    assert_eq!(
        refused(text, json!({"verb":"set","block":"c","setting":"limt","value":1}))[0].code,
        "setting/unknown"
    );
    assert_eq!(
        refused(text, json!({"verb":"set","block":"c","setting":"limit","value":"x"}))[0].code,
        "setting/value"
    );
    assert_eq!(
        refused(text, json!({"verb":"set","block":"c","setting":"limit","value":[1]}))[0].code,
        "edit/value"
    );
}

#[test]
fn an_image_moves_on_by_its_tag() {
    let text = "app = \"s\"\n\n[web]   # theirs\nimage = \"ghcr.io/org/web:1.4\"   # pinned\n";
    let edited = done(text, json!({"verb":"use","block":"web","module":"ghcr.io/org/web:1.5"}));
    assert_eq!(edited.text, text.replace("1.4", "1.5"));
    assert_eq!(edited.command, "shelf use web ghcr.io/org/web:1.5");
    assert_eq!(
        edited.inverse,
        [serde_json::from_value(
            json!({"verb":"use","block":"web","module":"ghcr.io/org/web:1.4"})
        )
        .unwrap()]
    );
    assert_eq!(undone(&edited), text);
    // Named like a module of the shelf, it is still an image, and stays without a major.
    let edited = done(text, json!({"verb":"use","block":"web","module":"cache"}));
    assert!(edited.text.contains("image = \"cache\"   # pinned\n"), "{}", edited.text);
    assert_eq!(
        refused(text, json!({"verb":"use","block":"web","module":"no image"}))[0].code,
        "block/image"
    );
}

#[test]
fn copies_and_addresses_find_their_process() {
    let edited = done(WEB, json!({"verb":"copies","block":"web","copies":"3"}));
    assert!(edited.text.contains("web    = { port = 8080, path = \"/\", copies = 3 }\n"));
    assert_eq!(
        (edited.summary.as_str(), edited.command.as_str()),
        ("web: 3 copies", "shelf copies web 3")
    );
    let edited = done(WEB, json!({"verb":"copies","block":"web","process":"worker","copies":"2"}));
    assert!(edited.text.contains("worker = { run = \"bin/worker\", copies = 2 }\n"));
    let edited = done(WEB, json!({"verb":"url","block":"web","path":[]}));
    assert!(edited.text.contains("web    = { port = 8080 }\n"), "{}", edited.text);
    assert_eq!(undone(&edited), WEB);
    let edited = done(WEB, json!({"verb":"url","block":"web","path":["/a/","/b/"]}));
    assert!(edited.text.contains("path = [\"/a/\", \"/b/\"] }\n"));
}

#[test]
fn a_secret_that_a_person_gives_is_only_named_in_the_file() {
    let edited = done(WEB, json!({"verb":"secret","block":"web","name":"STRIPE_KEY","given":true}));
    let line = "secrets = { STRIPE_KEY = { given = true } }\n";
    assert!(edited.text.contains(line), "{}", edited.text);
    assert_eq!(edited.command, "shelf set web --secret STRIPE_KEY");
    assert_eq!(undone(&edited), WEB);
    let wrong = refused(WEB, json!({"verb":"secret","block":"db","name":"K","given":true}));
    assert_eq!(wrong[0].code, "block/module");
}

#[test]
fn odd_forms_are_edited_in_their_own_way() {
    let inline =
        "app = \"s\"\r\nc = { use = \"cache\" }\r\nweb.source = \"w\"\r\nweb.needs.c = \"cache/1\"";
    let edited = done(inline, json!({"verb":"set","block":"c","setting":"limit","value":5}));
    assert!(
        edited.text.contains("c = { use = \"cache\", set = { limit = 5 } }\r\n"),
        "{}",
        edited.text
    );
    assert_eq!(undone(&edited), inline);
    let edited = done(inline, json!({"verb":"wire","block":"web","socket":"c","provider":"c"}));
    assert!(edited.text.ends_with("\r\nweb.wire = { c = \"c\" }\r\n"), "{:?}", edited.text);
    assert_eq!(undone(&edited), inline);
    let edited = done(inline, json!({"verb":"rename","block":"web","to":"site"}));
    assert!(edited.text.contains("site.source = \"w\"\r\nsite.needs.c"), "{}", edited.text);
    let tables = "app = \"s\"\n[web]\nsource = \"w\"\n[web.needs.c]\ntype = \"cache/1\"\n# end\n[c]\nuse = \"cache\"\n";
    let edited = done(tables, json!({"verb":"env","block":"web","name":"A","value":"{c.host}"}));
    assert!(
        edited.text.contains("source = \"w\"\nenv    = { A = \"{c.host}\" }\n[web.needs.c]"),
        "{}",
        edited.text
    );
    assert_eq!(
        refused(&edited.text, json!({"verb":"unneed","block":"web","socket":"c"}))[0].code,
        "env/reference"
    );
    let edited = done(tables, json!({"verb":"unneed","block":"web","socket":"c"}));
    assert_eq!(edited.text, "app = \"s\"\n[web]\nsource = \"w\"\n# end\n[c]\nuse = \"cache\"\n");
}

#[test]
fn what_was_wrong_before_does_not_stand_in_the_way() {
    let wrong = WEB.replace("postgres@15", "postgrs@15");
    let edited = done(&wrong, json!({"verb":"copies","block":"web","copies":"2"}));
    assert!(edited.text.contains("copies = 2"));
    let mended = done(&wrong, json!({"verb":"use","block":"db","module":"postgres@15"}));
    assert_eq!(mended.text, WEB);
    assert_eq!(undone(&mended), wrong);
    assert_eq!(refused("app = [", json!({"verb":"remove","block":"x"}))[0].code, "file/syntax");
}

#[test]
fn format_lines_up_writes_wires_out_and_keeps_comments() {
    let messy = "app=\"s\"\n\n\n#above\n[db] #here\nuse=\"postgres\"   \n[web]\nsource =\"w\"    # ours\nneeds={ db = \"postgres/1\" }\n\n\n# end\n";
    let tidy = format("app.toml", messy, &catalogue()).unwrap();
    assert_eq!(
        tidy,
        "app = \"s\"\n\n#above\n[db] #here\nuse = \"postgres\"\n\n[web]\nsource = \"w\"   # ours\nneeds  = { db = \"postgres/1\" }\nwire   = { db = \"db\" }\n\n# end\n"
    );
    assert_eq!(format("app.toml", &tidy, &catalogue()).unwrap(), tidy);
    let mut shop = format("app.toml", &shop(), &catalogue()).unwrap();
    assert!(shop.contains("wire   = { db = \"db\", jobs = \"jobs\" }\n"), "{shop}");
    shop = shop.replace("wire   = { db = \"db\", jobs = \"jobs\" }\n", "");
    assert_eq!(shop, self::shop(), "the example is written the standard way");
}

/// Apps as people write them: tidy, crowded with comments, and in every form TOML allows.
fn apps() -> Vec<String> {
    vec![
        shop(),
        WEB.to_owned(),
        "# top\napp = 's' # name\n\n  [ db ] # a\n  use = 'postgres@15' # b\n\n# c\n[web] # d\nsource=\"w\" # e\nneeds={db=\"postgres/1\",c=\"cache/1?\", b = \"http/1*\",} # f\n# g\n[web.run] # h\nweb={port=80} # i\n\n# j\n[c] # k\nuse=\"cache\" # l\nset={memory='1Gi'} # m\n# n".to_owned(),
        "app = \"s\"\r\nc = { use = \"cache\" }\r\nweb.source = \"w\"\r\nweb.needs.c = \"cache/1\"\r\n\r\n[api]\r\nsource = \"a\"\r\n[api.needs]\r\nc = \"cache/1?\"\r\nweb = { type = \"http/1*\" }\r\n[api.run.api]\r\nport = 80\r\n".to_owned(),
        "app = \"s\"\n[web]\nsource = \"w\"\nneeds = { backs = \"http/1*\" }\nwire = { backs = [\n  \"a\", # first\n  \"b\" # second\n] }\n[a]\nsource = \"a\"\nrun = { a = { port = 1 } }\n[web.run.web]\nport = 2\n[b]\nsource = \"b\"\nrun = { b = { port = 1 } }\n".to_owned(),
        "app = \"s\"".to_owned(),
    ]
}

fn verbs() -> impl Strategy<Value = Edit> {
    let block =
        || prop_oneof!["db", "web", "c", "api", "a", "b", "jobs", "new"].prop_map(String::from);
    let socket = || prop_oneof!["db", "c", "b", "backs", "web", "jobs"].prop_map(String::from);
    let process =
        || prop_oneof![Just(None), Just(Some("web".to_owned())), Just(Some("api".to_owned()))];
    let path =
        || prop::collection::vec(prop_oneof!["/", "/x/", "/y/"].prop_map(String::from), 0..3);
    let module =
        || prop_oneof!["postgres", "cache", "rabbitmq@3", "cache@7"].prop_map(String::from);
    let interface =
        prop_oneof!["postgres/1", "cache/1?", "http/1*", "cache/1"].prop_map(String::from);
    let setting = || prop_oneof!["memory", "size", "limit", "fast"].prop_map(String::from);
    let value =
        prop_oneof![Just(json!("2Gi")), Just(json!(7)), Just(json!(true)), Just(json!("9"))];
    prop_oneof![
        (block(), module()).prop_map(|(block, module)| Edit::Add {
            block,
            use_: Some(module),
            source: None,
            image: None,
            port: None
        }),
        (block(), prop::option::of(80_u16..90)).prop_map(|(block, port)| Edit::Add {
            source: Some(format!("./{block}")),
            block,
            use_: None,
            image: None,
            port
        }),
        block().prop_map(|block| Edit::Remove { block }),
        (block(), block()).prop_map(|(block, to)| Edit::Rename { block, to }),
        (block(), socket(), block()).prop_map(|(block, socket, provider)| Edit::Wire {
            block,
            socket,
            provider
        }),
        (block(), socket(), prop::option::of(block()))
            .prop_map(|(block, socket, provider)| Edit::Unwire { block, socket, provider }),
        (block(), setting(), value).prop_map(|(block, setting, value)| Edit::Set {
            block,
            setting,
            value
        }),
        (block(), setting()).prop_map(|(block, setting)| Edit::Unset { block, setting }),
        (block(), socket(), interface).prop_map(|(block, socket, interface)| Edit::Need {
            block,
            socket,
            interface,
            limits: Default::default()
        }),
        (block(), socket()).prop_map(|(block, socket)| Edit::Unneed { block, socket }),
        (block(), process(), 1_u8..9).prop_map(|(block, process, copies)| Edit::Copies {
            block,
            process,
            copies: copies.to_string()
        }),
        (block(), process(), path(), prop::option::of(80_u16..90))
            .prop_map(|(block, process, path, port)| Edit::Url { block, process, path, port }),
        (block(), module()).prop_map(|(block, module)| Edit::Use { block, module }),
        (block(), prop_oneof!["A", "B"], prop::option::of("[a-z \"\\\\]{0,5}"))
            .prop_map(|(block, name, value)| Edit::Env { block, name: name.to_owned(), value }),
    ]
}

/// The comments of a file, each once; none of the apps here has `#` in a value.
fn comments(text: &str) -> Vec<String> {
    let comment = |line: &str| line.split_once('#').map(|(_, text)| text.trim().to_owned());
    text.lines().filter_map(comment).collect()
}

/// Verbs that have no business with anybody's comments.
fn takes_lines(edit: &Edit) -> bool {
    matches!(
        edit,
        Edit::Remove { .. } | Edit::Unneed { .. } | Edit::Unset { .. } | Edit::Unwire { .. }
    ) || matches!(edit, Edit::Env { value: None, .. })
        || matches!(edit, Edit::Url { .. } | Edit::Wire { .. } | Edit::Need { .. })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_sequence_of_edits_parses_and_is_undone_to_the_byte(
        app in prop::sample::select(apps()),
        verbs in prop::collection::vec(verbs(), 1..12),
    ) {
        let catalogue = catalogue();
        let mut texts = vec![app];
        let mut inverses = Vec::new();
        for verb in &verbs {
            let text = texts.last().unwrap().clone();
            // What is refused changes nothing; the laws are about what is done.
            let Ok(edited) = edit("app.toml", &text, verb, &catalogue) else { continue };
            App::parse("app.toml", &edited.text).map_err(|wrong| TestCaseError::fail(composer::render(&wrong)))?;
            if !takes_lines(verb) {
                prop_assert_eq!(comments(&text), comments(&edited.text), "{:?}", verb);
            }
            let (first, last) = edited.lines;
            prop_assert!(first >= 1 && first <= last && last <= edited.text.lines().count().max(1));
            inverses.push(edited.inverse);
            texts.push(edited.text);
        }
        let mut text = texts.pop().unwrap();
        while let (Some(inverse), Some(before)) = (inverses.pop(), texts.pop()) {
            for back in &inverse {
                // An inverse survives its own journey through the journal.
                let back: Edit = serde_json::from_str(&serde_json::to_string(back).unwrap()).unwrap();
                text = edit("app.toml", &text, &back, &catalogue)
                    .map_err(|wrong| TestCaseError::fail(composer::render(&wrong)))?.text;
            }
            prop_assert_eq!(&text, &before);
        }
    }

    #[test]
    fn format_is_idempotent_and_means_the_same(
        app in prop::sample::select(apps()),
        verbs in prop::collection::vec(verbs(), 0..6),
    ) {
        let catalogue = catalogue();
        let text = verbs.iter().fold(app, |text, verb| {
            edit("app.toml", &text, verb, &catalogue).map_or(text, |edited| edited.text)
        });
        let tidy = format("app.toml", &text, &catalogue).map_err(|wrong| TestCaseError::fail(composer::render(&wrong)))?;
        prop_assert_eq!(&format("app.toml", &tidy, &catalogue).unwrap(), &tidy);
        prop_assert_eq!(comments(&text), comments(&tidy));
        let graph = |text: &str| composer::check(&App::parse("a", text).unwrap(), &catalogue).ok();
        prop_assert_eq!(graph(&text), graph(&tidy));
    }
}
