//! The stream: what is told to whom, when, and to a page that comes back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Test;
use crate::world::World;

pub(crate) const TESTS: &[Test] = &[
    ("root_a_page_gets_the_present_state_first", first),
    ("root_a_change_on_disk_is_told_within_a_second", disk),
    ("root_a_page_that_comes_back_gets_what_it_missed", resume),
    ("root_people_see_each_other", people),
    ("root_pages_of_other_apps_hear_nothing", others),
];

const TEXT: &str = "app = \"NAME\"\n\n[db]\nuse = \"postgres@15\"\n";

fn app(world: &World, name: &str) -> std::path::PathBuf {
    world.app(name, &TEXT.replace("NAME", name))
}

fn set(world: &World, name: &str, value: &str) {
    let edit = json!({ "verb": "set", "block": "db", "setting": "memory", "value": value });
    let path = format!("/v1/apps/{name}/edits");
    world.ask("POST", &path, &json!({ "edits": [edit] })).expect(200);
}

fn first(world: &World) {
    app(world, "first");
    let mut events = world.events(None, "first", None);
    let (id, kind, model) = events.next();
    assert!(id.parse::<u64>().unwrap() > 1_000_000);
    assert_eq!(kind, "model");
    assert_eq!(model["revision"], world.get("/v1/apps/first/model")["revision"]);
    assert_eq!(model["valid"], true);
    let (_, _, status) = events.next_of("status");
    assert_eq!((&status["app"], &status["state"]), (&json!("first"), &json!("draft")));
    let (_, _, people) = events.next_of("people");
    assert_eq!(people["people"][0]["name"], "Ana Maria");
}

fn disk(world: &World) {
    let dir = app(world, "watched");
    let mut events = world.events(None, "watched", None);
    let before = events.next_of("model").2["revision"].clone();
    // Past the first look at the file, so that this is a change of it.
    std::thread::sleep(Duration::from_millis(700));
    let began = Instant::now();
    std::fs::write(dir.join("app.toml"), "app = \"watched\"\n# by an editor\n").unwrap();
    let (_, _, model) = loop {
        let seen = events.next_of("model");
        if seen.2["revision"] != before {
            break seen;
        }
    };
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(model["valid"], true);
    std::fs::write(dir.join("app.toml"), "app = ").unwrap();
    let (_, _, model) = events.next_of("model");
    assert_eq!(model["valid"], false);
    assert!(!model["error"].as_str().unwrap().is_empty());
    std::fs::write(dir.join("app.layout.toml"), "[db]\nx = 1\ny = 2\n").unwrap();
    events.next_of("layout");
}

fn resume(world: &World) {
    app(world, "back");
    let mut events = world.events(None, "back", None);
    events.next_of("status");
    set(world, "back", "1Gi");
    let (id, _, one) = events.next_of("model");
    drop(events);
    set(world, "back", "2Gi");
    set(world, "back", "3Gi");
    let mut events = world.events(None, "back", Some(&id));
    let (second, _, two) = events.next_of("model");
    let (third, _, three) = events.next_of("model");
    assert!(third.parse::<u64>().unwrap() > second.parse::<u64>().unwrap());
    let revision = world.get("/v1/apps/back/model")["revision"].clone();
    assert_eq!(three["revision"], revision);
    assert!(one["revision"] != two["revision"] && two["revision"] != three["revision"]);
    // One that saw nothing we know gets the present state.
    for last in ["1", "99999999999999999999", "x", "9999999999999999999"] {
        let mut events = world.events(None, "back", Some(last));
        assert_eq!(events.next_of("model").2["revision"], revision, "{last}");
    }
}

fn people(world: &World) {
    app(world, "shared");
    let url = world.socket("POST", "/v1/sessions", &json!({ "name": "Bo" })).expect(200);
    let bo = world.enter(url["url"].as_str().unwrap().split_once('#').unwrap().1);
    let mut events = world.events(None, "shared", None);
    events.next_of("people");
    let theirs = world.events(Some(&bo), "shared", None);
    let names = |people: &Value| -> Vec<String> {
        let all = people["people"].as_array().unwrap().iter();
        let mut names: Vec<String> =
            all.map(|one| format!("{} {}", one["initials"], one["block"])).collect();
        names.sort();
        names
    };
    let both = loop {
        let (_, _, people) = events.next_of("people");
        if people["people"].as_array().unwrap().len() == 2 {
            break people;
        }
    };
    assert_eq!(names(&both), ["\"AM\" null", "\"BO\" null"]);
    let chosen = json!({ "block": "db" });
    assert_eq!(world.ask_as(&bo, "POST", "/v1/apps/shared/presence", &chosen).status, 204);
    let (_, _, people) = events.next_of("people");
    assert_eq!(names(&people), ["\"AM\" null", "\"BO\" \"db\""]);
    drop(theirs);
    // The server notices a closed page when it next has something to say to it.
    let began = Instant::now();
    loop {
        let (_, _, people) = events.next_of("people");
        if people["people"].as_array().unwrap().len() == 1 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(15));
    }
}

fn others(world: &World) {
    app(world, "quiet");
    app(world, "loud");
    let mut events = world.events(None, "quiet", None);
    events.next_of("status");
    set(world, "loud", "1Gi");
    set(world, "quiet", "1Gi");
    let (_, _, model) = events.next_of("model");
    assert_eq!(model["app"], "quiet");
}
