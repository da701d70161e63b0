//! The order of starts, restarts and ends.

use super::*;
use pod::Spec;

const BEGIN: &str = "2026-01-01T00:00:00Z";

fn at(second: i64) -> Timestamp {
    BEGIN.parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(second)
}

fn spec(policy: &str, init: &[&str], app: &[&str]) -> PodSpec {
    let container = |name: &&str| Container {
        name: name.trim_end_matches('*').to_owned(),
        restart_policy: name.ends_with('*').then(|| "Always".to_owned()),
        ..Container::default()
    };
    PodSpec {
        init_containers: Some(init.iter().map(container).collect()),
        containers: app.iter().map(container).collect(),
        restart_policy: Some(policy.to_owned()),
        ..PodSpec::default()
    }
}

/// `(name, attempt, started at, exit code and time)`.
type Known<'a> = (&'a str, u32, i64, Option<(i32, i64)>);

fn state(alive: bool, created: i64, containers: &[Known<'_>]) -> State {
    let mut json = serde_json::json!({
        "format": 1, "spec": Spec::default(), "ids_start": null, "ip": null,
        "created_at": at(created), "alive": alive, "containers": [],
    });
    json["containers"] = containers
        .iter()
        .map(|(name, attempt, started, exit)| {
            serde_json::json!({
                "name": name, "attempt": attempt, "image_digest": "", "image": "",
                "stop_signal": 15, "started_at": at(*started), "log": "", "env": [], "cwd": "/",
                "uid": 0, "gid": 0, "groups": [], "capabilities": [],
                "exit": exit.map(|(code, time)| serde_json::json!({
                    "code": code, "signal": null, "oom_killed": false,
                    "finished_at": at(time), "unseen": code == 255,
                })),
            })
        })
        .collect();
    serde_json::from_value(json).unwrap()
}

fn ask(spec: &PodSpec, state: Option<&State>, level: u32, now: i64) -> Plan {
    let back_offs = spec.containers.iter().map(|c| (c.name.clone(), BackOff { level })).collect();
    plan(&Input {
        spec,
        state,
        started: &|_| true,
        back_offs: &back_offs,
        recorded: &BTreeMap::new(),
        now: at(now),
    })
}

fn starts(plan: &Plan) -> Vec<(&str, u32)> {
    plan.start.iter().map(|s| (s.name.as_str(), s.attempt)).collect()
}

#[test]
fn init_containers_run_one_after_the_other_and_then_all_others() {
    let spec = spec("Always", &["i", "j"], &["a", "b"]);
    assert_eq!(starts(&ask(&spec, None, 0, 0)), [("i", 0)]);
    let running = state(true, 0, &[("i", 0, 1, None)]);
    assert_eq!(starts(&ask(&spec, Some(&running), 0, 1)), []);
    let done = state(true, 0, &[("i", 0, 1, Some((0, 2)))]);
    assert_eq!(starts(&ask(&spec, Some(&done), 0, 2)), [("j", 0)]);
    let both = state(true, 0, &[("i", 0, 1, Some((0, 2))), ("j", 0, 2, Some((0, 3)))]);
    let plan = ask(&spec, Some(&both), 0, 3);
    assert!(plan.initialized);
    assert_eq!(starts(&plan), [("a", 0), ("b", 0)]);
}

#[test]
fn side_containers_start_before_and_do_not_keep_the_pod() {
    let spec = spec("Never", &["s*"], &["a"]);
    assert_eq!(starts(&ask(&spec, None, 0, 0)), [("s", 0)]);
    let side = state(true, 0, &[("s", 0, 1, None)]);
    assert_eq!(starts(&ask(&spec, Some(&side), 0, 1)), [("a", 0)]);
    let done = state(true, 0, &[("s", 0, 1, None), ("a", 0, 2, Some((0, 3)))]);
    assert_eq!(ask(&spec, Some(&done), 0, 3).finished, Some(true));
}

#[test]
fn restarts_wait_longer_each_time_up_to_thirty_seconds() {
    let spec = spec("Always", &[], &["a"]);
    let ended = state(true, 0, &[("a", 0, 1, Some((1, 2)))]);
    let first = ask(&spec, Some(&ended), 0, 2);
    assert_eq!(starts(&first), [("a", 1)]);
    assert_eq!(first.start[0].back_off.level, 1);
    for (level, delay) in [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (40, 30)] {
        let early = ask(&spec, Some(&ended), level, 2 + delay - 1);
        assert_eq!(early.backing_off["a"], at(2 + delay), "level {level}");
        assert_eq!(starts(&ask(&spec, Some(&ended), level, 2 + delay)), [("a", 1)]);
    }
    let long = state(true, 0, &[("a", 7, 0, Some((1, 700)))]);
    let forgiven = ask(&spec, Some(&long), 40, 700);
    assert_eq!(
        forgiven.start,
        [Start { name: "a".into(), attempt: 8, back_off: BackOff { level: 1 } }]
    );
}

#[test]
fn policies_decide_what_an_end_means() {
    let good = state(true, 0, &[("a", 0, 1, Some((0, 2)))]);
    let bad = state(true, 0, &[("a", 0, 1, Some((3, 2)))]);
    let once = spec("Never", &[], &["a"]);
    assert_eq!(ask(&once, Some(&good), 0, 9).finished, Some(true));
    assert_eq!(ask(&once, Some(&bad), 0, 9).finished, Some(false));
    let until = spec("OnFailure", &[], &["a"]);
    assert_eq!(ask(&until, Some(&good), 0, 9).finished, Some(true));
    assert_eq!(starts(&ask(&until, Some(&bad), 0, 9)), [("a", 1)]);
    let init = spec("Never", &["i"], &["a"]);
    let failed = state(true, 0, &[("i", 0, 1, Some((1, 2)))]);
    assert_eq!(ask(&init, Some(&failed), 0, 9).finished, Some(false));
}

#[test]
fn after_a_power_cut_what_ran_starts_again_and_what_was_done_does_not() {
    let always = spec("Always", &["i"], &["a"]);
    let cut = state(false, 0, &[("i", 0, 1, Some((0, 2))), ("a", 4, 3, Some((255, 9)))]);
    assert_eq!(starts(&ask(&always, Some(&cut), 9, 9)), [("i", 1)]);
    let again = state(true, 10, &[("i", 1, 11, Some((0, 12))), ("a", 4, 3, Some((255, 9)))]);
    assert_eq!(starts(&ask(&always, Some(&again), 9, 12)), [("a", 5)]);
    let job = spec("OnFailure", &["i"], &["a"]);
    let done = state(false, 0, &[("i", 0, 1, Some((0, 2))), ("a", 0, 3, Some((0, 4)))]);
    let plan = ask(&job, Some(&done), 0, 9);
    assert_eq!((starts(&plan), plan.finished), (vec![], Some(true)));
    let never = spec("Never", &[], &["a"]);
    let lost = state(false, 0, &[("a", 0, 3, Some((255, 4)))]);
    assert_eq!(ask(&never, Some(&lost), 0, 9).finished, Some(false));
}

#[test]
fn what_only_the_api_remembers_is_not_run_twice() {
    let job = spec("OnFailure", &[], &["a"]);
    let recorded = |restart_count, ended| {
        BTreeMap::from([("a".to_owned(), Recorded { restart_count, ended, started: true })])
    };
    let ask = |spec: &PodSpec, recorded: &BTreeMap<String, Recorded>| {
        plan(&Input {
            spec,
            state: None,
            started: &|_| true,
            back_offs: &BTreeMap::new(),
            recorded,
            now: at(0),
        })
    };
    assert_eq!(ask(&job, &recorded(2, Some(0))).finished, Some(true));
    assert_eq!(starts(&ask(&job, &recorded(2, Some(1)))), [("a", 3)]);
    let never = spec("Never", &[], &["a"]);
    assert_eq!(ask(&never, &recorded(0, None)).finished, Some(false));
}
