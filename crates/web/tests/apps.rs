//! Apps on the canvas: made, drawn, changed by verbs and as text, laid out, taken back.

use serde_json::{Value, json};

use crate::Test;
use crate::world::World;

pub(crate) const TESTS: &[Test] = &[
    ("root_apps_are_made_in_three_ways", made),
    ("root_the_model_shows_what_is_written", model),
    ("root_an_edit_changes_the_file_and_keeps_comments", edits),
    ("root_edits_that_do_not_fit_say_why", refused),
    ("root_an_edit_of_another_text_is_refused", stale),
    ("root_undo_and_redo_are_per_person", undo),
    ("root_the_file_is_written_whole_or_not_at_all", file),
    ("root_a_broken_file_keeps_the_last_drawing", broken),
    ("root_blocks_stand_where_they_were_put", layout),
    ("root_the_shelf_has_cards_and_icons", shelf),
    ("root_the_objects_are_yaml_without_secrets", objects),
];

const TEXT: &str = "app = \"NAME\"  # ours\n\n[db]\nuse = \"postgres@15\"  # the data\n\n\
    [web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\nrun = { web = { port = 80, path = \"/\" } }\n";

fn text(name: &str) -> String {
    TEXT.replace("NAME", name)
}

fn made(world: &World) {
    let empty = json!({ "name": "empty", "from": { "empty": true } });
    assert_eq!(world.ask("POST", "/v1/apps", &empty).expect(200)["name"], "empty");
    assert_eq!(world.ask("POST", "/v1/apps", &empty).refused(409), "app/taken");
    let example = json!({ "name": "mine", "from": { "example": "shop" } });
    world.ask("POST", "/v1/apps", &example).expect(200);
    assert_eq!(world.get("/v1/apps/mine/model")["valid"], true);
    world.app("own", &text("own"));
    let absent = json!({ "name": "no", "from": { "dir": "/nowhere" } });
    assert_eq!(world.ask("POST", "/v1/apps", &absent).refused(422), "app/folder");
    let unknown = json!({ "name": "no", "from": { "example": "../etc" } });
    assert_eq!(world.ask("POST", "/v1/apps", &unknown).refused(422), "example/unknown");
    let apps = world.get("/v1/apps");
    let line = |name: &str| {
        let all = apps["apps"].as_array().unwrap();
        all.iter().find(|app| app["name"] == name).unwrap_or_else(|| panic!("{apps}")).clone()
    };
    for name in ["empty", "mine", "own"] {
        let line = line(name);
        assert_eq!((&line["state"], &line["changes"]), (&json!("draft"), &json!(0)));
        assert_eq!(line["target"], "here");
    }
    assert!(line("own")["dir"].as_str().unwrap().ends_with("/own"));
}

fn model(world: &World) {
    world.app("drawn", &text("drawn"));
    let model = world.get("/v1/apps/drawn/model");
    assert_eq!(model["app"], "drawn");
    assert_eq!(model["valid"], true);
    assert_eq!((&model["changes"], &model["url"]), (&json!([]), &Value::Null));
    let names: Vec<&str> =
        model["blocks"].as_array().unwrap().iter().filter_map(|b| b["name"].as_str()).collect();
    assert_eq!(names, ["db", "web"]);
    assert_eq!(model["blocks"][1]["sockets"][0]["providers"], json!(["db"]));
    assert_eq!(model["wires"][0]["interface"], "postgres/1");
    assert_eq!(world.ask("GET", "/v1/apps/unknown/model", &Value::Null).refused(404), "app/absent");
}

fn edits(world: &World) {
    let dir = world.app("edited", &text("edited"));
    let revision = world.get("/v1/apps/edited/model")["revision"].clone();
    let body = json!({ "revision": revision, "edits": [
        { "verb": "set", "block": "db", "setting": "memory", "value": "1Gi" },
        { "verb": "add", "block": "jobs", "use": "rabbitmq@3" },
    ] });
    let done = world.ask("POST", "/v1/apps/edited/edits", &body).expect(200);
    assert_eq!(done["command"], "shelf set db memory=1Gi; shelf add rabbitmq@3 --as jobs");
    let model = &done["model"];
    assert_ne!(model["revision"], revision);
    assert_eq!(model["blocks"].as_array().unwrap().len(), 3);
    assert_eq!(model["blocks"][0]["settings"][1]["origin"], "you");
    assert_eq!(model["blocks"][0]["staged"], json!({ "by": "Ana Maria", "initials": "AM" }));
    assert_eq!(model["blocks"][1]["staged"], Value::Null);
    assert_eq!(model["changes"][0]["mine"], true);
    let file = std::fs::read_to_string(dir.join("app.toml")).unwrap();
    assert!(
        file.contains("# ours") && file.contains("# the data") && file.contains("1Gi"),
        "{file}"
    );
    assert_eq!(world.get("/v1/apps/edited/file")["text"], file.as_str());
    let apps = world.get("/v1/apps");
    let line = apps["apps"].as_array().unwrap().iter().find(|app| app["name"] == "edited").unwrap();
    assert_eq!(line["changes"], 1, "one request is one change");
}

fn refused(world: &World) {
    world.app("fits", &text("fits"));
    let ask = |edit: Value| world.ask("POST", "/v1/apps/fits/edits", &json!({ "edits": [edit] }));
    let wrong = ask(json!({ "verb": "set", "block": "db", "setting": "memroy", "value": "1Gi" }));
    let wrong = wrong.expect(422);
    let diagnostic = &wrong["error"]["diagnostics"][0];
    assert_eq!(diagnostic["code"], "setting/unknown", "{wrong}");
    assert!(diagnostic["help"][0]["text"].is_string(), "{wrong}");
    let wrong = ask(json!({ "verb": "wire", "block": "web", "socket": "db", "provider": "web" }));
    assert_eq!(wrong.status, 422);
    for odd in [json!({ "verb": "explode" }), json!({}), json!("x"), json!({ "verb": "set" })] {
        let answer = ask(odd.clone());
        assert!((400..=422).contains(&answer.status), "{odd}: {}", answer.status);
    }
    let none = world.ask("POST", "/v1/apps/fits/edits", &json!({ "edits": [] }));
    assert_eq!(none.refused(422), "edit/count");
    assert_eq!(world.get("/v1/apps/fits/file")["text"], text("fits").as_str(), "nothing changed");
}

fn stale(world: &World) {
    world.app("raced", &text("raced"));
    let revision = world.get("/v1/apps/raced/model")["revision"].clone();
    let set = |value: &str, revision: &Value| {
        let edit = json!({ "verb": "set", "block": "db", "setting": "memory", "value": value });
        world.ask("POST", "/v1/apps/raced/edits", &json!({ "revision": revision, "edits": [edit] }))
    };
    set("1Gi", &revision).expect(200);
    assert_eq!(set("2Gi", &revision).refused(409), "edit/stale");
    let other = json!({ "revision": revision, "edits": [
        { "verb": "set", "block": "db", "setting": "max_connections", "value": 50 } ] });
    // Another field of the text that was seen: no clash.
    world.ask("POST", "/v1/apps/raced/edits", &other).expect(200);
}

fn undo(world: &World) {
    let dir = world.app("taken", &text("taken"));
    let url = world.socket("POST", "/v1/sessions", &json!({ "name": "Bo" })).expect(200);
    let bo = world.enter(url["url"].as_str().unwrap().split_once('#').unwrap().1);
    let set = |setting: &str, value: Value| json!({ "edits": [{ "verb": "set", "block": "db", "setting": setting, "value": value }] });
    world.ask("POST", "/v1/apps/taken/edits", &set("memory", json!("1Gi"))).expect(200);
    let by_bo = set("max_connections", json!(50));
    world.ask_as(&bo, "POST", "/v1/apps/taken/edits", &by_bo).expect(200);
    let done = world.ask("POST", "/v1/apps/taken/undo", &json!({})).expect(200);
    assert_eq!(done["model"]["history"]["undo"], Value::Null);
    assert!(done["model"]["history"]["redo"].as_str().unwrap().contains("memory"), "{done}");
    let file = || std::fs::read_to_string(dir.join("app.toml")).unwrap();
    assert!(!file().contains("1Gi") && file().contains("50"), "only one's own: {}", file());
    assert_eq!(world.ask("POST", "/v1/apps/taken/undo", &json!({})).status, 422);
    world.ask("POST", "/v1/apps/taken/redo", &json!({})).expect(200);
    assert!(file().contains("1Gi"));
    world.ask("POST", "/v1/apps/taken/undo", &json!({})).expect(200);
    world.ask_as(&bo, "POST", "/v1/apps/taken/undo", &json!({})).expect(200);
    assert_eq!(file(), text("taken"), "all taken back, to the byte");
    let history = world.get("/v1/apps/taken/history");
    let by: Vec<&str> =
        history["entries"].as_array().unwrap().iter().filter_map(|e| e["by"].as_str()).collect();
    assert_eq!(by, ["Ana Maria", "Bo"]);
}

fn file(world: &World) {
    let dir = world.app("whole", &text("whole"));
    let before = world.get("/v1/apps/whole/file");
    let put = |text: &str, revision: &Value| {
        world.ask("PUT", "/v1/apps/whole/file", &json!({ "text": text, "revision": revision }))
    };
    let wrong = put("app = \"whole\"\n[db\n", &before["revision"]).expect(422);
    assert_eq!(wrong["error"]["diagnostics"][0]["line"], 2, "{wrong}");
    let file = std::fs::read_to_string(dir.join("app.toml")).unwrap();
    assert_eq!(file, text("whole"), "nothing was kept");
    let new = text("whole").replace("@15", "@15\"\nset = { memory = \"2Gi\" } # \"");
    let done = put(&new, &before["revision"]).expect(200);
    assert_eq!(done["model"]["blocks"][0]["settings"][1]["value"], "2Gi");
    assert_eq!(put(&text("whole"), &before["revision"]).refused(409), "edit/stale");
}

fn broken(world: &World) {
    let dir = world.app("torn", &text("torn"));
    let good = world.get("/v1/apps/torn/model");
    std::fs::write(dir.join("app.toml"), "app = \"torn\"\n[db\nuse =").unwrap();
    let model = world.get("/v1/apps/torn/model");
    assert_eq!((&model["valid"], &model["blocks"][0]["name"]), (&json!(false), &json!("db")));
    assert_eq!(model["wires"], good["wires"]);
    assert!(model["diagnostics"][0]["line"].as_u64().unwrap() >= 2, "{}", model["diagnostics"]);
    // A socket that nothing fits is a draft: it is drawn, and says what is missing.
    let text = text("torn").replace("[db]\nuse = \"postgres@15\"  # the data\n", "");
    std::fs::write(dir.join("app.toml"), text).unwrap();
    let model = world.get("/v1/apps/torn/model");
    assert_eq!(model["blocks"].as_array().unwrap().len(), 1);
    assert_eq!(model["blocks"][0]["sockets"][0]["missing"], true);
    assert_eq!(model["diagnostics"][0]["code"], "wire/missing");
    std::fs::remove_file(dir.join("app.toml")).unwrap();
    assert_eq!(world.ask("GET", "/v1/apps/torn/model", &Value::Null).refused(422), "app/read");
}

fn layout(world: &World) {
    let dir = world.app("placed", &text("placed"));
    let put = |blocks: Value| {
        world.ask("PUT", "/v1/apps/placed/layout", &json!({ "blocks": blocks })).status
    };
    assert_eq!(world.get("/v1/apps/placed/model")["blocks"][0]["x"], Value::Null);
    assert_eq!(put(json!({ "db": { "x": 40, "y": -80.4 } })), 204);
    assert_eq!(put(json!({ "web": { "x": 400, "y": 80 }, "gone": { "x": 1, "y": 1 } })), 204);
    let model = world.get("/v1/apps/placed/model");
    let place = |n: usize| (model["blocks"][n]["x"].as_f64(), model["blocks"][n]["y"].as_f64());
    assert_eq!((place(0), place(1)), ((Some(40.0), Some(-80.0)), (Some(400.0), Some(80.0))));
    let file = std::fs::read_to_string(dir.join("app.layout.toml")).unwrap();
    assert!(file.contains("[db]\nx = 40\ny = -80\n") && !file.contains("gone"), "{file}");
    for wrong in [json!({ "db": { "x": 1e12, "y": 0 } }), json!({ "db": {} }), json!([])] {
        assert_eq!(put(wrong.clone()), 422, "{wrong}");
    }
    assert_eq!(put(json!({ "a]\n[b": { "x": 1, "y": 1 } })), 204, "no name of a block");
    let again = std::fs::read_to_string(dir.join("app.layout.toml")).unwrap();
    assert_eq!(file, again);
}

fn shelf(world: &World) {
    let shelf = world.get("/v1/catalogue");
    let modules = shelf["modules"].as_array().unwrap();
    let postgres = modules.iter().find(|module| module["name"] == "postgres").unwrap();
    for key in ["version", "summary", "aliases", "group", "offers", "needs", "settings", "assumes"]
    {
        assert!(!postgres[key].is_null(), "{key}");
    }
    for module in modules {
        let icon = world.ask("GET", module["icon"].as_str().unwrap(), &Value::Null);
        assert_eq!(icon.status, 200, "{}", module["name"]);
        assert!(icon.text.contains("<svg"), "{}", module["name"]);
    }
    assert_eq!(world.ask("GET", "/v1/catalogue/none/icon.svg", &Value::Null).status, 404);
}

fn objects(world: &World) {
    world.app("yaml", &text("yaml"));
    let yaml = world.get("/v1/apps/yaml/objects")["yaml"].as_str().unwrap().to_owned();
    for part in ["kind: Namespace", "kind: StatefulSet", "kind: NetworkPolicy", "kind: Secret"] {
        assert!(yaml.contains(part), "{part} is not in\n{yaml}");
    }
    assert!(!yaml.contains("stringData:") && !yaml.contains("\ndata:\n  POSTGRES"), "{yaml}");
    let unknown = world.ask("GET", "/v1/apps/yaml/objects?changes=nothing", &Value::Null);
    assert_eq!(unknown.refused(409), "edit/stale");
}
