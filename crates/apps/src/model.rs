//! An app as the canvas draws it: blocks, sockets, wires, what each wire makes, what is wrong.
//!
//! Everything here is read from the app file, the shelf and the compiled objects; nothing is made
//! up. What only the target knows (states, addresses) is in the status. Where next: `sketch.rs` of
//! the composer, which reads a file that is not finished.

use std::collections::HashMap;
use std::path::Path;

use composer::graph::{From, Part, Piece, Ready, Value as Text, Wire};
use composer::{Catalogue, Compiled, Draft, Facts, Images, Sketch};
use serde_json::{Map, Value, json};

use crate::{Around, Layout, Result, diagnostics_value, layout, load};

/// An app as it is drawn.
#[derive(Debug, Clone)]
pub struct Model {
    /// Names the text it was made from.
    pub revision: String,
    /// Whether the app could go as it is.
    pub valid: bool,
    /// The blocks' names, as written.
    pub names: Vec<String>,
    /// Blocks, wires and the rest, as `docs/formats/verbs.md` describes them.
    pub value: Value,
}

/// Draws the app in `dir`. An app that lacks things is drawn as far as it is sound, with what is
/// wrong beside it.
///
/// # Errors
/// The file cannot be read, or is no app file at all.
pub fn model(dir: &Path) -> Result<Model> {
    let text = load::text(dir)?;
    model_of(dir, &text, &Around::default())
}

/// Draws the app that a text says, as if it stood in `dir`, on a target where `around` is so.
///
/// # Errors
/// The text, or the one laid over it, is no app file at all.
pub fn model_of(dir: &Path, text: &str, around: &Around) -> Result<Model> {
    let (catalogue, sketch) = sketched(dir, text, around)?;
    let revision = load::revision(text);
    let created = created(&sketch);
    let places = layout(dir);
    let blocks: Vec<Value> = sketch
        .blocks
        .iter()
        .map(|draft| block((dir, &catalogue), draft, &sketch, &places))
        .collect();
    let wires: Vec<Value> = sketch.graph.wires.iter().map(|one| wire(one, &created)).collect();
    let valid = sketch.diagnostics.is_empty();
    let value = json!({
        "app": sketch.app,
        "dir": dir,
        "revision": revision,
        "valid": valid,
        "diagnostics": diagnostics_value(&sketch.diagnostics),
        "blocks": blocks,
        "wires": wires,
    });
    let names = sketch.blocks.iter().map(|block| block.name.clone()).collect();
    Ok(Model { revision, valid, names, value })
}

/// The shelf as the app's folder has it, and the app as far as it is sound.
pub(crate) fn sketched(dir: &Path, text: &str, around: &Around) -> Result<(Catalogue, Sketch)> {
    let mut app = around.parse(text)?;
    let mut catalogue = load::beside(dir, &mut app)?;
    around.give(&mut catalogue)?;
    let sketch = composer::sketch(&app, &catalogue);
    Ok((catalogue, sketch))
}

/// What the sound part would become; only names and kinds of it are shown.
pub(crate) fn compile(sketch: &Sketch) -> Compiled {
    let (images, facts) = anywhere(sketch);
    composer::compile(&sketch.graph, &images, &facts)
}

/// Images and facts of no target in particular.
fn anywhere(sketch: &Sketch) -> (Images, Facts) {
    let image = |part: &Part| (part.name.clone(), String::new());
    let images: Images = sketch.graph.blocks.iter().map(image).collect();
    let facts = Facts {
        host: String::new(),
        url: String::new(),
        shared_storage: true,
        user_namespaces: true,
        enforces_network_policy: true,
        ..Facts::default()
    };
    (images, facts)
}

fn block(
    (dir, catalogue): (&Path, &Catalogue),
    draft: &Draft,
    sketch: &Sketch,
    places: &Layout,
) -> Value {
    let part = sketch.graph.block(&draft.name);
    let place = places.get(&draft.name);
    let mut value = json!({
        "name": draft.name,
        "from": origin(dir, draft, part, catalogue),
        "rung": rung(draft, part),
        "line": draft.line,
        "x": place.map(|place| place.x),
        "y": place.map(|place| place.y),
        "group": place.and_then(|place| place.group.as_ref()),
        "summary": draft.summary,
        "public": part.is_some_and(|part| part.processes.iter().any(|one| !one.paths.is_empty())),
        "settings": draft.settings.iter().map(setting).collect::<Vec<Value>>(),
        "sockets": sockets(draft, sketch),
        "assumptions": draft.assumptions.iter().map(|one| assumption(one, part)).collect::<Vec<Value>>(),
        "extend": draft.extend,
        "staged": null,
    });
    if let Some(module) = module_name(draft) {
        value["icon"] = format!("/v1/catalogue/{module}/icon.svg").into();
    }
    let known = part.map(|part| facts_of(draft, part)).unwrap_or_else(|| {
        let none = ["offers", "processes", "disks", "secrets", "env", "before"];
        none.iter().map(|key| ((*key).to_owned(), json!([]))).collect()
    });
    if let Value::Object(value) = &mut value {
        value.extend(known);
    }
    value
}

/// What only a block of the graph has.
fn facts_of(draft: &Draft, part: &Part) -> Map<String, Value> {
    let mut facts = Map::new();
    let disk = |one: &composer::graph::Disk| json!({ "name": one.name, "at": one.at, "size": one.size, "shared": one.shared });
    let env = |(name, value): &(String, Text)| json!({ "name": name, "value": shown(value), "secret": value.is_secret() });
    facts.insert("offers".into(), offers(draft, part));
    facts.insert("processes".into(), part.processes.iter().map(process).collect());
    facts.insert("disks".into(), part.disks.iter().map(disk).collect());
    facts.insert(
        "secrets".into(),
        part.secrets.iter().map(|one| json!({ "name": one.name })).collect(),
    );
    facts.insert("env".into(), part.env.iter().map(env).collect());
    facts.insert("before".into(), part.before.iter().map(|step| json!(step.name)).collect());
    facts
}

fn module_name(draft: &Draft) -> Option<&str> {
    draft.module.as_deref().map(|used| used.split('@').next().unwrap_or(used))
}

fn origin(dir: &Path, draft: &Draft, part: Option<&Part>, catalogue: &Catalogue) -> Value {
    if let Some(path) = &draft.source {
        let how = &draft.build;
        let mut value = json!({ "kind": "source", "path": path, "folder": dir.join(path) });
        for (key, said) in [("dockerfile", &how.path), ("target", &how.target)] {
            if let Some(said) = said {
                value[key] = said.as_str().into();
            }
        }
        if !how.args.is_empty() {
            value["args"] = json!(how.args);
        }
        return value;
    }
    if let Some(image) = &draft.image {
        return json!({ "kind": "image", "image": image });
    }
    let used = draft.module.as_deref().unwrap_or_default();
    if let Some(service) = used.strip_prefix("external:") {
        return json!({ "kind": "external", "module": service });
    }
    let (name, asked) = used.split_once('@').map_or((used, None), |(a, b)| (a, Some(b)));
    let mut value = json!({ "kind": "module", "module": name, "version": asked });
    if let Some(From::Module { version, .. }) = part.map(|part| &part.from) {
        value["version"] = version.clone().into();
        value["newest"] = json!(catalogue.module(name).map(|module| module.version.clone()));
    }
    if let Some(From::Local { path, name, version, .. }) = part.map(|part| &part.from) {
        value = json!({ "kind": "module", "module": name, "version": version, "path": path,
            "folder": dir.join(path) });
        // A copy whose origin cannot be read is drawn without it.
        if let Ok(Some(yours)) = crate::yours(&dir.join(path)) {
            value["yours"] = json!(yours);
        }
    }
    value
}

/// How far a block is from the stock, from 0 to 4; of a block that is wrong, as far as its file says.
fn rung(draft: &Draft, part: Option<&Part>) -> u8 {
    match part {
        Some(part) => part.rung.number(),
        None if draft.source.is_some() || draft.image.is_some() => {
            composer::graph::Rung::Yours.number()
        }
        None => composer::graph::Rung::AsIs.number(),
    }
}

fn origin_of(knob: &composer::Knob) -> &'static str {
    match (&knob.over, knob.line) {
        (Some(_), _) => "target",
        (None, Some(_)) => "you",
        (None, None) => "default",
    }
}

fn setting(knob: &composer::Knob) -> Value {
    let mut value = json!({
        "name": knob.name,
        "value": knob.value,
        "default": knob.default,
        "origin": origin_of(knob),
        "help": knob.help,
        "type": knob.kind,
    });
    if let Some(line) = knob.line {
        value["line"] = line.into();
    }
    value
}

/// An assumption, and whether it holds as far as the app and its target show.
fn assumption(premise: &composer::Premise, part: Option<&Part>) -> Value {
    let known = part.and_then(|part| part.assumes.iter().find(|one| one.name == premise.name));
    json!({ "name": premise.name, "says": premise.says, "if_not": premise.if_not,
        "state": known.map_or(composer::graph::Standing::Unknown, |one| one.state),
        "because": known.and_then(|one| one.because.as_ref()) })
}

fn sockets(draft: &Draft, sketch: &Sketch) -> Vec<Value> {
    let one = |socket: &composer::Socket| {
        let wires = sketch.graph.wires.iter();
        let providers: Vec<String> = wires
            .filter(|wire| wire.consumer == draft.name && wire.socket == socket.name)
            .map(Wire::provider_name)
            .collect();
        json!({
            "name": socket.name,
            "interface": socket.interface,
            "limits": socket.limits,
            "cardinality": socket.cardinality,
            "missing": socket.needed && providers.is_empty(),
            "providers": providers,
            "line": socket.line,
        })
    };
    draft.sockets.iter().map(one).collect()
}

fn offers(draft: &Draft, part: &Part) -> Value {
    let facts = |facts: &[(String, String)]| -> Map<String, Value> {
        facts.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect()
    };
    let process = |offer: &composer::graph::Offer| {
        let found = part.processes.iter().find(|one| one.workload == offer.service);
        found.map(|process| process.name.clone())
    };
    let one = |offer: &composer::graph::Offer| {
        json!({ "name": offer.name, "interface": offer.interface, "facts": facts(&offer.facts),
            "port": offer.port, "max": offer.max, "process": process(offer) })
    };
    let listening =
        part.processes.iter().filter(|one| draft.listening.contains(&one.name)).map(|one| {
            json!({ "name": one.name, "interface": "http/1", "facts": {}, "port": one.port,
            "max": null, "process": one.name })
        });
    let own = part.offers.iter().filter(|offer| !draft.listening.contains(&offer.name));
    own.map(one).chain(listening).collect()
}

fn process(process: &composer::graph::Process) -> Value {
    let words = |words: &Vec<Text>| words.iter().map(shown).collect::<Vec<String>>().join(" ");
    json!({
        "name": process.name,
        "run": process.command.as_ref().map(words),
        "port": process.port,
        "paths": process.paths,
        "copies": process.copies,
        "copies_at_most": process.copies_at_most,
        "every": process.every,
        "ready": match &process.ready {
            Ready::Started => "started".to_owned(),
            Ready::Port => "port".to_owned(),
            Ready::Http(path) => path.clone(),
            Ready::Command(words) => words.join(" "),
        },
    })
}

/// A value as it is written: what is not known here, or not to be seen, stands in braces.
fn shown(value: &Text) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Url => "{url}".to_owned(),
        Piece::Field(binding, field) => format!("{{{binding}.{field}}}"),
        Piece::Secret(name) => format!("{{{name}}}"),
    };
    value.0.iter().map(piece).collect()
}

fn wire(wire: &Wire, created: &Created) -> Value {
    let field = |field: &composer::graph::WireField| {
        json!({ "name": field.name, "env": wire.variable(&field.name),
            "file": format!("/bindings/{}/{}", wire.binding, field.name), "secret": field.secret })
    };
    json!({
        "consumer": wire.consumer,
        "socket": wire.socket,
        "binding": wire.binding,
        "provider": wire.provider_name(),
        "offer": wire.offer.name,
        "interface": wire.offer.interface,
        "before_start": wire.before_start,
        "limits": wire.limits,
        "fields": wire.fields.iter().map(field).collect::<Vec<Value>>(),
        "creates": created.get(&wire.secret_name()).cloned().unwrap_or_default(),
    })
}

/// The objects that are there because of a wire, by the name of its Secret.
type Created = HashMap<String, Vec<String>>;

fn created(sketch: &Sketch) -> Created {
    let (images, facts) = anywhere(sketch);
    let (secrets, objects) = composer::compile_wires(&sketch.graph, &images, &facts);
    let mut created = Created::new();
    for secret in &secrets {
        let name = format!("Secret {}", secret.name);
        created.entry(secret.name.clone()).or_default().push(name);
    }
    for object in &objects {
        let (Some(kind), Some(name)) =
            (object["kind"].as_str(), object["metadata"]["name"].as_str())
        else {
            continue;
        };
        let granted = object["metadata"]["annotations"]["shelf.dev/secret"].as_str();
        let rule = (kind == "NetworkPolicy").then_some(name);
        let mut reasons: Vec<&str> = granted.into_iter().chain(rule).collect();
        reasons.dedup();
        for secret in reasons {
            created.entry(secret.to_owned()).or_default().push(format!("{kind} {name}"));
        }
    }
    created
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shop_is_drawn_from_its_file() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop");
        let model = model(&dir).map_err(|error| error.report().rendered).unwrap();
        assert!(model.valid, "{:#}", model.value["diagnostics"]);
        assert_eq!(model.names, ["db", "jobs", "web"]);
        let web = &model.value["blocks"][2];
        assert_eq!(web["from"]["kind"], "source");
        assert_eq!((&web["rung"], &web["public"]), (&json!(4), &json!(true)));
        assert_eq!(web["sockets"][0]["providers"], json!(["db"]));
        assert_eq!(web["processes"][0]["paths"], json!(["/"]));
        let db = &model.value["blocks"][0];
        assert_eq!(db["offers"][0]["interface"], "postgres/1");
        assert_eq!(db["icon"], "/v1/catalogue/postgres/icon.svg");
        assert_eq!(db["settings"][0]["origin"], "default");
        let wire = &model.value["wires"][0];
        assert_eq!((&wire["consumer"], &wire["provider"]), (&json!("web"), &json!("db")));
        let creates: Vec<&str> =
            wire["creates"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(creates.contains(&"Secret web-db"), "{creates:?}");
        assert!(creates.contains(&"NetworkPolicy web-db"), "{creates:?}");
        assert!(creates.iter().any(|name| name.starts_with("Job web-db-grant")), "{creates:?}");
        let url = wire["fields"].as_array().unwrap().iter().find(|one| one["name"] == "url");
        assert_eq!(url.unwrap()["env"], "DB_URL");
        assert_eq!(url.unwrap()["secret"], true);
    }

    #[test]
    fn what_a_wire_makes_is_made_so_by_a_go() {
        for example in crate::examples() {
            let example = example.as_str();
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example);
            let (_, sketch) =
                sketched(&dir, &load::text(&dir).unwrap(), &Around::default()).unwrap();
            let whole = compile(&sketch);
            let objects = whole.phases.iter().flat_map(|phase| &phase.objects);
            let names: Vec<String> = objects
                .map(|one| format!("{} {}", one["kind"], one["metadata"]["name"]).replace('"', ""))
                .chain(whole.secrets.iter().map(|secret| format!("Secret {}", secret.name)))
                .collect();
            for name in created(&sketch).values().flatten() {
                assert!(names.contains(name), "{example}: {name} is not in {names:?}");
            }
            let of_wires =
                |name: &&String| name.starts_with("NetworkPolicy ") || name.contains("-grant-");
            let told: Vec<String> = created(&sketch).into_values().flatten().collect();
            for name in names.iter().filter(of_wires) {
                assert!(told.contains(name), "{example}: {name} is told of no wire");
            }
        }
    }

    #[test]
    fn an_unfinished_app_is_drawn_as_well() {
        let dir = tempfile::tempdir().unwrap();
        let text = "app = \"x\"\n[db]\nuse = \"postgres@15\"\n\
            set = { memory = \"1Gi\" }\n[web]\nsource = \"./web\"\nneeds = { q = \"amqp/1\" }\n";
        let model = model_of(dir.path(), text, &Around::default()).unwrap();
        assert!(!model.valid);
        assert_eq!(model.names, ["db", "web"]);
        assert_eq!(model.value["blocks"][1]["sockets"][0]["missing"], true);
        let db = &model.value["blocks"][0];
        assert_eq!(db["rung"], 1);
        let memory = db["settings"].as_array().unwrap().iter().find(|s| s["name"] == "memory");
        assert_eq!(memory.unwrap()["origin"], "you");
        assert_eq!(memory.unwrap()["line"], 4);
        assert!(model_of(dir.path(), "app = ", &Around::default()).is_err());
    }
}
