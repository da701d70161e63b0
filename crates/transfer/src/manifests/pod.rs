//! One workload in the words of a compose service. Every word keeps the number of the value it is
//! from, so that the account speaks of the manifest's lines.

use super::{Objects, at, data, kind, made, name, scalar, text_name};
use crate::ledger::{Ledger, Verdict};
use crate::yaml::{Node, Value};

/// The service that a workload is.
pub(super) fn service(object: &Node, space: &Objects, ledger: &mut Ledger) -> (String, Node) {
    let template = match kind(object) {
        "CronJob" => at(object, &["spec", "jobTemplate", "spec", "template"]),
        "Pod" => Some(object),
        _ => at(object, &["spec", "template"]),
    };
    let nothing = made(0, Vec::new());
    let template = template.unwrap_or(&nothing);
    let spec = template.get("spec").unwrap_or(&nothing);
    let labels = at(template, &["metadata", "labels"]).unwrap_or(&nothing);
    let leads = space.services_of(labels);
    let containers = spec.get("containers").map(Node::items).unwrap_or_default();
    for more in containers.iter().skip(1) {
        let why = "a process is one container";
        ledger.say(
            more,
            &Verdict::not(why).next("a block of its own, if it can do without the other's files"),
        );
    }
    for init in spec.get("initContainers").map(Node::items).unwrap_or_default() {
        let why = "blocks wait for what they are wired to by themselves";
        ledger.say(
            init,
            &Verdict::not(why)
                .next("what it prepares belongs into a step:  before = { NAME = \"command\" }"),
        );
    }
    let container = containers.first().unwrap_or(&nothing);
    let mut parts: Vec<(&str, Node)> = vec![("container_name", scalar(0, name(object)))];
    for (from, to) in [
        ("image", "image"),
        ("command", "entrypoint"),
        ("args", "command"),
        ("workingDir", "working_dir"),
    ] {
        parts.extend(container.get(from).map(|value| (to, value.clone())));
    }
    parts.push(("environment", environment(container, space, ledger)));
    parts.extend(ports(container, &leads, space, ledger));
    parts.extend(mounts(container, spec, space, ledger));
    parts.push(("deploy", deploy(object, container)));
    if let Some(check) = check(container, &leads) {
        parts.push(("healthcheck", check));
    }
    let user = at(container, &["securityContext", "runAsUser"]);
    let user = user.or(at(spec, &["securityContext", "runAsUser"]));
    parts.extend(user.map(|user| ("user", user.clone())));
    if let Some(grace) = spec.get("terminationGracePeriodSeconds") {
        let text = format!("{}s", grace.text().unwrap_or_default());
        parts.push(("stop_grace_period", scalar(grace.id, &text)));
    }
    if let Some(schedule) = at(object, &["spec", "schedule"]).filter(|_| kind(object) == "CronJob")
    {
        parts.push(("shelf.every", schedule.clone()));
    }
    say_names(object, template, container, ledger);
    say_defaults(object, spec, container, ledger);
    let own = leads.first().map_or(name(object), |service| name(service));
    (own.to_owned(), made(0, parts))
}

/// Names of containers, ports and volumes, and labels, that an app makes itself.
fn say_names(object: &Node, template: &Node, container: &Node, ledger: &mut Ledger) {
    let own = Verdict::so_anyway("names and labels are made from the app");
    let places = [
        container.get("name"),
        container.get("imagePullPolicy"),
        at(object, &["spec", "selector"]),
        at(object, &["spec", "serviceName"]),
        template.get("metadata"),
    ];
    for place in places.into_iter().flatten() {
        ledger.say(place, &own);
    }
    for port in container.get("ports").map(Node::items).unwrap_or_default() {
        for key in ["name", "protocol"] {
            if let Some(value) = port.get(key) {
                ledger.say(value, &own);
            }
        }
    }
}

/// A place in an object, and what a cluster writes there: keys with values.
type Defaults<'a> = (Option<&'a Node>, &'a [(&'a str, &'a str)]);

/// What a cluster writes into every object by itself: it is so here as well.
fn say_defaults(object: &Node, spec: &Node, container: &Node, ledger: &mut Ledger) {
    let so = Verdict::so_anyway("every block has it so");
    let defaults: [Defaults<'_>; 3] = [
        (
            object.get("spec"),
            &[
                ("progressDeadlineSeconds", "600"),
                ("revisionHistoryLimit", "10"),
                ("podManagementPolicy", "OrderedReady"),
            ],
        ),
        (
            Some(spec),
            &[
                ("dnsPolicy", "ClusterFirst"),
                ("restartPolicy", "Always"),
                ("schedulerName", "default-scheduler"),
                ("enableServiceLinks", "false"),
                ("automountServiceAccountToken", "false"),
            ],
        ),
        (
            Some(container),
            &[
                ("terminationMessagePath", "/dev/termination-log"),
                ("terminationMessagePolicy", "File"),
            ],
        ),
    ];
    for (place, known) in defaults {
        for (key, default) in known {
            let value = place.and_then(|place| place.get(key));
            if let Some(value) = value.filter(|value| value.text() == Some(default)) {
                ledger.say(value, &so);
            }
        }
    }
}

fn environment(container: &Node, space: &Objects, ledger: &mut Ledger) -> Node {
    let mut pairs = Vec::new();
    let plain = |id: usize, name: &str, text: &str| (scalar(0, name), scalar(id, text));
    let secret = |id: usize, name: &str, text: &str| {
        (scalar(0, name), made(0, vec![("secret", scalar(id, text))]))
    };
    let held = Verdict::so_anyway("blocks that use it have its value");
    for from in container.get("envFrom").map(Node::items).unwrap_or_default() {
        for (key, kind) in [("configMapRef", "ConfigMap"), ("secretRef", "Secret")] {
            let Some(wanted) = at(from, &[key, "name"]) else { continue };
            let Some(object) = space.named(kind, wanted.text().unwrap_or_default()) else {
                ledger.say(
                    from,
                    &Verdict::not(format!("there is no {kind} of this name in what was given"))
                        .next("give it, too"),
                );
                continue;
            };
            ledger.say(from, &Verdict::so_anyway("its values are in the environment"));
            for (name, text, node) in data(object) {
                pairs.push(match kind {
                    "Secret" => secret(node.id, &name, &text),
                    _ => plain(node.id, &name, &text),
                });
            }
        }
    }
    for one in container.get("env").map(Node::items).unwrap_or_default() {
        let Some(name) = one.get("name").and_then(Node::text) else { continue };
        if let Some(node) = one.get("name") {
            ledger.say(node, &Verdict::so_anyway("see its value"));
        }
        if let Some(value) = one.get("value") {
            pairs.push(plain(value.id, name, value.text().unwrap_or_default()));
            continue;
        }
        let mut found = false;
        for (key, kind) in [("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")] {
            let Some(from) = at(one, &["valueFrom", key]) else { continue };
            let word = |key: &str| from.get(key).and_then(Node::text).unwrap_or_default();
            let held_in = space.named(kind, word("name"));
            let value = held_in
                .and_then(|object| data(object).into_iter().find(|(key, _, _)| key == word("key")));
            let Some(id) = from.get("key").map(|key| key.id) else { continue };
            found = true;
            if let Some(name) = from.get("name") {
                ledger.say(name, &Verdict::so_anyway("see its key"));
            }
            let text = value.as_ref().map(|(_, text, _)| text.as_str());
            if let Some((_, _, node)) = &value {
                ledger.say(node, &held);
            }
            pairs.push(match (kind, text) {
                ("Secret", text) => secret(id, name, text.unwrap_or_default()),
                (_, Some(text)) => plain(id, name, text),
                // Nobody gave it: as a variable that a shell has.
                (_, None) => (
                    scalar(0, name),
                    Node { id, line: 0, value: Value::Scalar { text: String::new(), plain: true } },
                ),
            });
        }
        if !found {
            ledger.say(
                one,
                &Verdict::not("a copy is not told this of itself")
                    .next("the program's own host name may do"),
            );
        }
    }
    Node { id: 0, line: 0, value: Value::Map(pairs) }
}

/// Ports, and the labels that say which paths lead there.
fn ports<'k>(
    container: &Node,
    leads: &[&Node],
    space: &Objects,
    ledger: &mut Ledger,
) -> Vec<(&'k str, Node)> {
    let mut exposed = Vec::new();
    for port in container.get("ports").map(Node::items).unwrap_or_default() {
        exposed.extend(port.get("containerPort").cloned());
    }
    let mut labels = Vec::new();
    let mut published = Vec::new();
    for service in leads {
        let outside = at(service, &["spec", "type"]).and_then(Node::text);
        for port in at(service, &["spec", "ports"]).map(Node::items).unwrap_or_default() {
            let target = port.get("targetPort").or(port.get("port"));
            let number = target.and_then(Node::text).and_then(|text| text.parse::<u16>().ok());
            if let (Some(number), Some(target)) = (number, target) {
                match outside {
                    Some("LoadBalancer" | "NodePort") => {
                        let text = format!(
                            "{}:{number}",
                            port.get("port").and_then(Node::text).unwrap_or("80")
                        );
                        published.push(scalar(target.id, &text));
                    }
                    _ if exposed.is_empty() => exposed.push(target.clone()),
                    _ => {}
                }
            }
        }
        for ingress in space.of("Ingress") {
            for rule in at(ingress, &["spec", "rules"]).map(Node::items).unwrap_or_default() {
                let host = rule.get("host").and_then(Node::text);
                for path in at(rule, &["http", "paths"]).map(Node::items).unwrap_or_default() {
                    let backend = at(path, &["backend", "service", "name"]).and_then(Node::text);
                    if backend != Some(name(service)) {
                        continue;
                    }
                    let prefix = path.get("path").and_then(Node::text).unwrap_or("/");
                    let prefix = prefix.split('(').next().unwrap_or("/");
                    let host = host.map_or(String::new(), |host| format!("Host(`{host}`) && "));
                    let id = path.get("path").map_or(0, |path| path.id);
                    let rule_name = format!("traefik.http.routers.{}.rule", labels.len());
                    labels.push((
                        scalar(0, &rule_name),
                        scalar(id, &format!("{host}PathPrefix(`{prefix}`)")),
                    ));
                    if let Some(host) = rule.get("host") {
                        ledger.say(host, &Verdict::guessed("app", "it is the app's address"));
                    }
                }
            }
        }
    }
    let list = |items: Vec<Node>| Node { id: 0, line: 0, value: Value::List(items) };
    let mut parts = Vec::new();
    if !exposed.is_empty() {
        parts.push(("expose", list(exposed)));
    }
    if !published.is_empty() {
        parts.push(("ports", list(published)));
    }
    if !labels.is_empty() {
        parts.push(("labels", Node { id: 0, line: 0, value: Value::Map(labels) }));
    }
    parts
}

fn mounts<'k>(
    container: &Node,
    spec: &Node,
    space: &Objects,
    ledger: &mut Ledger,
) -> Vec<(&'k str, Node)> {
    let (mut volumes, mut texts): (Vec<Node>, Vec<(&str, Node)>) = (Vec::new(), Vec::new());
    for mount in container.get("volumeMounts").map(Node::items).unwrap_or_default() {
        let word = |key: &str| mount.get(key).and_then(Node::text);
        let (Some(wanted), Some(place), Some(place_node)) =
            (word("name"), word("mountPath"), mount.get("mountPath"))
        else {
            continue;
        };
        ledger.say(
            mount.get("name").unwrap_or(mount),
            &Verdict::so_anyway("see where it is mounted"),
        );
        let all = spec.get("volumes").map(Node::items).unwrap_or_default();
        let volume = all.iter().find(|one| one.get("name").and_then(Node::text) == Some(wanted));
        let claim = volume.and_then(|one| at(one, &["persistentVolumeClaim", "claimName"])?.text());
        let memory = volume.is_some_and(|one| one.get("emptyDir").is_some());
        let host = volume.and_then(|one| at(one, &["hostPath", "path"])?.text());
        let text_of = |kind: &str, key: &str, field: &str| {
            let named = at(volume?, &[key, field])?.text()?;
            space.named(kind, named)
        };
        let config = text_of("ConfigMap", "configMap", "name").map(|one| ("configs", one));
        let held = config.or(text_of("Secret", "secret", "secretName").map(|one| ("secrets", one)));
        if let Some(volume) = volume {
            ledger.say(volume, &Verdict::so_anyway("see where it is mounted"));
        }
        if let Some((kind, object)) = held {
            for (key, _, node) in data(object) {
                let path = match word("subPath") {
                    Some(sub) if sub == key => place.to_owned(),
                    Some(_) => continue,
                    None => format!("{}/{key}", place.trim_end_matches('/')),
                };
                let source = text_name(name(object), &key);
                texts.push((
                    kind,
                    made(
                        0,
                        vec![
                            ("source", scalar(node.id, &source)),
                            ("target", scalar(place_node.id, &path)),
                        ],
                    ),
                ));
            }
            continue;
        }
        let text = match (claim, memory, host, volume) {
            (Some(claim), _, _, _) => format!("{claim}:{place}"),
            (None, true, _, _) => place.to_owned(),
            (None, false, Some(host), _) => format!("{host}:{place}"),
            // A claim that a StatefulSet makes.
            (None, false, None, None) => format!("{wanted}:{place}"),
            (None, false, None, Some(_)) => continue,
        };
        volumes.push(scalar(place_node.id, &text));
    }
    let list = |items: Vec<Node>| Node { id: 0, line: 0, value: Value::List(items) };
    let mut parts = Vec::new();
    if !volumes.is_empty() {
        parts.push(("volumes", list(volumes)));
    }
    for kind in ["configs", "secrets"] {
        let own: Vec<Node> =
            texts.iter().filter(|(of, _)| *of == kind).map(|(_, one)| one.clone()).collect();
        if !own.is_empty() {
            parts.push((kind, list(own)));
        }
    }
    parts
}

fn deploy(object: &Node, container: &Node) -> Node {
    let mut parts = Vec::new();
    if let Some(replicas) = at(object, &["spec", "replicas"]) {
        parts.push(("replicas", replicas.clone()));
    }
    let mut limits = Vec::new();
    let limit = |name: &str| {
        at(container, &["resources", "limits", name])
            .or(at(container, &["resources", "requests", name]))
    };
    limits.extend(limit("memory").map(|memory| ("memory", memory.clone())));
    if let Some(cpu) = limit("cpu") {
        let text = cpu.text().unwrap_or_default();
        let cores = match text.strip_suffix('m') {
            Some(thousandths) => thousandths
                .parse::<f64>()
                .map(|count| (count / 1000.0).to_string())
                .unwrap_or_default(),
            None => text.to_owned(),
        };
        limits.push(("cpus", scalar(cpu.id, &cores)));
    }
    if !limits.is_empty() {
        parts.push(("resources", made(0, vec![("limits", made(0, limits))])));
    }
    made(0, parts)
}

/// A probe over HTTP, as the check of a compose file; its port is that of the container.
fn check(container: &Node, leads: &[&Node]) -> Option<Node> {
    let path = at(container, &["readinessProbe", "httpGet", "path"])?;
    let asked = at(container, &["readinessProbe", "httpGet", "port"]).and_then(Node::text);
    let ports = container.get("ports").map(Node::items).unwrap_or_default();
    let named = ports.iter().find(|port| port.get("name").and_then(Node::text) == asked);
    let first = named.or(ports.first()).and_then(|port| port.get("containerPort")?.text());
    let number = asked.filter(|text| text.parse::<u16>().is_ok()).or(first);
    let of_service = leads
        .first()
        .and_then(|one| at(one, &["spec", "ports"])?.items().first()?.get("targetPort")?.text());
    let number = number.or(of_service)?;
    let test = format!("curl http://localhost:{number}{}", path.text().unwrap_or("/"));
    Some(made(0, vec![("test", scalar(path.id, &test))]))
}
