//! Verbs as the canvas says them, and what is seen of an app that does not run yet.

use serde_json::{Value, json};

use crate::Test;
use crate::world::World;

pub(crate) const TESTS: &[Test] = &[
    ("root_a_plan_names_changes_and_who_made_them", plan),
    ("root_a_go_that_fails_is_told_and_kept", go),
    ("root_verbs_on_what_is_not_there_end_with_an_error", absent),
    ("root_a_name_must_be_typed_to_lose_data", confirm),
    ("root_what_does_not_run_has_nothing_to_show", quiet),
    ("root_the_machine_is_shown", machine),
    ("root_a_terminal_that_cannot_be_says_why", terminal),
    ("root_the_socket_speaks_lines", lines),
];

const TEXT: &str = "app = \"NAME\"\n\n[db]\nuse = \"postgres@15\"\n\n[web]\nsource = \"./web\"\n\
    needs = { db = \"postgres/1\" }\nrun = { web = { port = 80, path = \"/\" } }\n";

fn app(world: &World, name: &str) -> std::path::PathBuf {
    world.app(name, &TEXT.replace("NAME", name))
}

fn source(dir: &std::path::Path) {
    std::fs::create_dir_all(dir.join("web")).unwrap();
    std::fs::write(dir.join("web/Dockerfile"), "FROM scratch\n").unwrap();
}

fn plan(world: &World) {
    source(&app(world, "planned"));
    let plan = world.ask("POST", "/v1/apps/planned/plan", &json!({})).expect(200);
    assert_eq!((&plan["app"], &plan["has_changes"]), (&json!("planned"), &json!(true)));
    assert_eq!(plan["edits"], json!([]));
    let set = |setting: &str, value: Value| {
        let edit = json!({ "verb": "set", "block": "db", "setting": setting, "value": value });
        let answer =
            world.ask("POST", "/v1/apps/planned/edits", &json!({ "edits": [edit] })).expect(200);
        answer["id"].as_str().unwrap().to_owned()
    };
    let one = set("memory", json!("1Gi"));
    let two = set("max_connections", json!(7));
    let plan = world.ask("POST", "/v1/apps/planned/plan", &json!({})).expect(200);
    assert_eq!(plan["edits"].as_array().unwrap().len(), 2);
    let chosen = json!({ "changes": [two] });
    let plan = world.ask("POST", "/v1/apps/planned/plan", &chosen).expect(200);
    assert_eq!(plan["edits"][0]["id"], two.as_str());
    let yaml = |query: &str| {
        world.get(&format!("/v1/apps/planned/objects{query}"))["yaml"].as_str().unwrap().to_owned()
    };
    let only = yaml(&format!("?changes={two}"));
    assert!(
        only.contains("max_connections: '7'") || only.contains("max_connections: \"7\""),
        "{only}"
    );
    assert!(!only.contains("1Gi") && yaml("").contains("1Gi"), "{only}");
    assert!(yaml(&format!("?changes={one},{two}")).contains("1Gi"));
    let unknown = world.ask("POST", "/v1/apps/planned/plan", &json!({ "changes": ["c99"] }));
    assert_eq!(unknown.refused(409), "edit/stale");
}

fn go(world: &World) {
    // Without its source the app cannot go, and that is found out before anything starts.
    app(world, "failed");
    let mut events = world.events(None, "failed", None);
    events.next_of("status");
    let started = world.ask("POST", "/v1/apps/failed/go", &json!({})).expect(200);
    let id = started["operation"].as_u64().unwrap();
    let ended = world.ended(id);
    assert_eq!((&ended["verb"], &ended["by"]), (&json!("go"), &json!("Ana Maria")));
    assert_eq!(ended["error"]["code"], "block/source", "{ended}");
    let told = loop {
        let (_, _, told) = events.next_of("operation");
        assert_eq!(told["id"], id);
        if told.get("error").is_some() {
            break told;
        }
    };
    assert_eq!(told["error"], ended["error"]);
    let list = world.get("/v1/operations");
    let line = list["operations"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap();
    assert_eq!((&line["running"], &line["app"]), (&json!(false), &json!("failed")));
    // What cannot be read is refused in the shape of all refusals.
    let odd = world.ask("POST", "/v1/apps/failed/go", &json!({ "changed": [] }));
    assert_eq!(odd.refused(422), "request/unfit");
    let cancel = world.ask("POST", &format!("/v1/operations/{id}/cancel"), &json!({}));
    assert_eq!(cancel.refused(404), "operation/unknown");
    assert_eq!(
        world.ask("GET", "/v1/operations/7", &Value::Null).refused(404),
        "operation/unknown"
    );
}

fn absent(world: &World) {
    app(world, "never");
    for (verb, body) in [
        ("stop", json!({})),
        ("start", json!({})),
        ("destroy", json!({})),
        ("restart", json!({ "block": "db" })),
        ("rollback", json!({ "release": "abc" })),
    ] {
        let started = world.ask("POST", &format!("/v1/apps/never/{verb}"), &body).expect(200);
        let ended = world.ended(started["operation"].as_u64().unwrap());
        assert_eq!(ended["verb"], verb);
        let code = ended["error"]["code"].as_str().unwrap_or_else(|| panic!("{ended}"));
        assert!(code.ends_with("/absent"), "{verb}: {code}");
    }
    for verb in ["go", "plan"] {
        let answer = world.ask("POST", &format!("/v1/apps/unknown/{verb}"), &json!({}));
        assert_eq!(answer.refused(404), "app/absent", "{verb}");
    }
    let answer = world.ask("POST", "/v1/apps/never/restart", &json!({ "blok": "db" }));
    assert_eq!(answer.status, 422, "unknown fields are refused");
}

fn confirm(world: &World) {
    app(world, "kept");
    let answer = world.ask("POST", "/v1/apps/kept/destroy", &json!({ "data": "other" }));
    assert_eq!(answer.refused(422), "destroy/confirm");
    let answer = world.ask("POST", "/v1/apps/kept/destroy", &json!({ "data": true }));
    assert_eq!(answer.status, 422, "the name, not a tick");
}

fn quiet(world: &World) {
    app(world, "still");
    assert_eq!(world.get("/v1/apps/still/status")["state"], "draft");
    assert_eq!(world.ask("GET", "/v1/apps/still/logs", &Value::Null).text, "");
    let negative = world.ask("GET", "/v1/apps/still/logs?tail=-1", &Value::Null);
    assert_eq!(negative.refused(422), "logs/query");
    let odd = world.ask("GET", "/v1/apps/still/logs?tail=x", &Value::Null);
    assert_eq!(odd.status, 400);
    assert_eq!(world.get("/v1/apps/still/events")["events"], json!([]));
    assert_eq!(world.get("/v1/apps/still/releases")["releases"], json!([]));
    let metrics = world.get("/v1/apps/still/metrics");
    assert_eq!(metrics, json!({ "every_seconds": 10, "points": [] }));
    let release = world.ask("GET", "/v1/apps/still/releases/abc", &Value::Null);
    assert_eq!(release.refused(404), "release/absent");
    for part in ["status", "logs"] {
        let answer = world.ask("GET", &format!("/v1/apps/unknown/{part}"), &Value::Null);
        assert_eq!(answer.refused(404), "app/absent", "{part}");
    }
}

fn machine(world: &World) {
    let system = world.get("/v1/system");
    assert!(system["machine"]["cpus"].as_u64().unwrap() > 0);
    assert!(system["machine"]["memory_bytes"].as_u64().unwrap() > 1 << 20);
    assert_eq!(system["server"]["node"], "here");
    assert!(system["data"]["free_bytes"].as_u64().is_some());
    for key in ["nodes", "images", "disks"] {
        assert!(system[key].is_array(), "{key}");
    }
}

fn terminal(world: &World) {
    app(world, "shut");
    let cookie = world.enter(&world.token());
    let upgrade = format!(
        "{}Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        world.page_headers(&cookie)
    );
    let path = "/v1/apps/shut/blocks/web/terminal";
    let head = format!("GET {path} HTTP/1.1\r\n{upgrade}Connection: Upgrade\r\n\r\n");
    // In the socket, for a browser tells its page nothing of an answer that is no upgrade.
    let answer = world.bytes_until(head.as_bytes(), "no copy of web runs");
    assert!(answer.contains("101 Switching"), "{answer}");
    assert!(answer.contains("{\"refused\":{") && answer.contains("copy/absent"), "{answer}");
    let plain = world.ask("GET", path, &Value::Null);
    assert!([400, 404, 426].contains(&plain.status), "{}", plain.status);
}

fn lines(world: &World) {
    let dir = app(world, "lined");
    let answer = world.socket("POST", "/v1/verbs/go", &json!({ "dir": dir }));
    let lines: Vec<Value> =
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let id = lines[0]["operation"].as_u64().unwrap();
    assert_eq!(lines.last().unwrap()["error"]["code"], "block/source");
    // The same operation is seen from the canvas, under the app's name.
    assert_eq!(world.ended(id)["app"], "lined");
}
