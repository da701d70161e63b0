//! What a plan says beside the changes themselves: data at risk, new addresses, assumptions that do
//! not hold, what differs from the lock, and how long it takes by this target's own history.
//! Where next: `plan.rs`.

use std::collections::BTreeSet;

use composer::graph::{Part, Standing};
use composer::{Compiled, Graph};
use serde_json::Value;

use crate::changes::Changes;
use crate::live::Live;
use crate::release::{self, Release};
use crate::report::ChangeKind;

/// How many of the last goes count.
const GOES: usize = 5;

/// See the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Outlook {
    /// One phrase for each disk that something else than before would open.
    pub(crate) data_at_risk: Vec<String>,
    /// Addresses that lead to the app and did not before.
    pub(crate) new_addresses: Vec<String>,
    /// One line for each assumption that does not hold.
    pub(crate) broken: Vec<String>,
    /// The median of the last goes that changed something, in seconds.
    pub(crate) about_seconds: Option<f64>,
}

impl Outlook {
    /// `graph` is judged by the target's facts already.
    pub(crate) fn of(
        graph: &Graph,
        compiled: &Compiled,
        changes: &Changes,
        recorded: Option<&Release>,
        live: &Live,
    ) -> Self {
        Self {
            data_at_risk: data_at_risk(graph, changes, recorded),
            new_addresses: new_addresses(graph, compiled, live),
            broken: broken(graph),
            about_seconds: about_seconds(live),
        }
    }
}

/// The assumptions that do not hold, one line each.
pub(crate) fn broken(graph: &Graph) -> Vec<String> {
    let of_part = |part: &Part| {
        let broken = part.assumes.iter().filter(|one| one.state == Standing::Broken);
        let line = |one: &composer::graph::Assumption| {
            let because = one.because.as_deref().unwrap_or("a fact says so");
            format!("{}.{} does not hold: {because}.  if not: {}", part.name, one.name, one.if_not)
        };
        broken.map(line).collect::<Vec<_>>()
    };
    graph.blocks.iter().flat_map(of_part).collect()
}

/// Data that another module, or another major version of the same, is about to open.
fn data_at_risk(graph: &Graph, changes: &Changes, recorded: Option<&Release>) -> Vec<String> {
    let Some(recorded) = recorded else { return Vec::new() };
    let changed = changes.blocks.iter().filter(|one| one.kind == ChangeKind::Changed);
    let phrase = |part: &Part| {
        let (before, now) = (recorded.from.get(&part.name)?, part.from.to_string());
        // `postgres 15.1.0`: the name and the major version are what data depends on.
        let opens = |text: &str| text.split('.').next().map(str::to_owned);
        (!part.disks.is_empty() && opens(before) != opens(&now))
            .then(|| format!("{}: {now} opens what {before} wrote", part.name))
    };
    changed.filter_map(|one| graph.block(&one.block)).filter_map(phrase).collect()
}

fn new_addresses(graph: &Graph, compiled: &Compiled, live: &Live) -> Vec<String> {
    let there: BTreeSet<String> = live.values().flat_map(hosts).collect();
    let objects = compiled.phases.iter().flat_map(|phase| &phase.objects);
    let new: BTreeSet<String> =
        objects.flat_map(hosts).filter(|host| !there.contains(host)).collect();
    let url = |host: String| {
        let named = |url: &&String| {
            let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
            rest.split(':').next() == Some(&host)
        };
        graph.urls.iter().chain(&compiled.url).find(named).cloned().unwrap_or(host)
    };
    new.into_iter().map(url).collect()
}

/// The hosts that an object leads to the app.
fn hosts(object: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let spec = &object["spec"];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    match object["kind"].as_str() {
        Some("Ingress") => {
            list(&spec["rules"]).iter().filter_map(|one| text(&one["host"])).collect()
        }
        Some("HTTPRoute") => list(&spec["hostnames"]).iter().filter_map(text).collect(),
        _ => Vec::new(),
    }
}

fn about_seconds(live: &Live) -> Option<f64> {
    let past = release::past(live);
    let told = past.iter().filter(|(_, story)| story.seconds > 0.0 && !story.summary.is_empty());
    let mut seconds: Vec<f64> = told.map(|(_, story)| story.seconds).take(GOES).collect();
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::live::Key;
    use crate::report::Change;

    const APP: &str = "app = \"shop\"\nurl = \"https://shop.example.org\"\n[db]\nuse = \"postgres@15\"\n[web]\nsource = \"./web\"\nrun = { web = { port = 80, path = \"/\" } }\n";

    fn changes(block: &str) -> Changes {
        let change = Change {
            block: block.into(),
            kind: ChangeKind::Changed,
            reasons: Vec::new(),
            restarts: true,
        };
        Changes { write: BTreeMap::new(), remove: Vec::new(), blocks: vec![change], stopped: false }
    }

    #[test]
    fn data_is_at_risk_when_another_major_version_opens_it() {
        let graph = crate::load::from_text(Path::new(""), APP.into()).unwrap().graph;
        let recorded = |from: &str| {
            let text = json!({
                "release": "a", "at": "", "url": null, "images": {}, "sources": {},
                "from": { "db": from, "web": "./other" },
            });
            serde_json::from_value::<Release>(text).unwrap()
        };
        let risk =
            |block: &str, from: &str| data_at_risk(&graph, &changes(block), Some(&recorded(from)));
        assert_eq!(risk("db", "postgres 13.4.0").len(), 1);
        assert_eq!(risk("db", "mariadb 15.1.0").len(), 1);
        assert!(risk("db", "postgres 15.0.9").is_empty());
        assert!(risk("web", "postgres 13.4.0").is_empty(), "it has no disk, or does not change");
    }

    #[test]
    fn addresses_and_times_are_those_of_the_target() {
        let graph = crate::load::from_text(Path::new(""), APP.into()).unwrap().graph;
        let facts = composer::Facts {
            host: "shop.localhost".into(),
            url: "http://shop.localhost:8080".into(),
            ..composer::Facts::default()
        };
        let compiled = composer::compile(&graph, &composer::Images::new(), &facts);
        let all = new_addresses(&graph, &compiled, &Live::new());
        assert_eq!(all, ["https://shop.example.org", "shop.localhost"]);
        let ingress =
            json!({ "kind": "Ingress", "spec": { "rules": [{ "host": "shop.localhost" }] } });
        let mut live = Live::from([(Key { kind: "Ingress".into(), name: "shop".into() }, ingress)]);
        assert_eq!(new_addresses(&graph, &compiled, &live), ["https://shop.example.org"]);

        assert_eq!(about_seconds(&live), None);
        for (name, seconds) in [("a", 3.0), ("b", 9.0), ("c", 4.0)] {
            let release = json!({
                "release": name, "at": name, "url": null, "images": {}, "sources": {}, "from": {},
            });
            let story = json!({ "by": "", "seconds": seconds, "summary": "+ web" });
            let data = json!({ "release": release.to_string(), "story": story.to_string() });
            let key = Key { kind: "ConfigMap".into(), name: format!("shelf-release.{name}") };
            live.insert(key, json!({ "data": data }));
        }
        assert_eq!(about_seconds(&live), Some(4.0));
    }
}
