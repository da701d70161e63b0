//! `shelf search`, `shelf show`, `shelf interface`: what is on the shelf. It is in the binary; what
//! catalogues have beside it, a server knows, if one runs.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Outcome, fork, say, say_list};
use crate::app;
use crate::arguments::looks::{Interface, Search, Show};
use crate::error::{Code, Failure};
use crate::settings::Global;
use crate::table;

fn catalogue() -> Result<Value, Failure> {
    apps::catalogue().map_err(|error| app::failure(&error))
}

/// The same with what the server's catalogues have, if a server answers.
async fn everything(global: &Global) -> Result<Value, Failure> {
    match global.client().json(http::Method::GET, "/v1/catalogue", None).await {
        Ok(value) if value["modules"].is_array() => Ok(value),
        Ok(_) | Err(_) => catalogue(),
    }
}

/// A member as text; nothing if it is none.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The members of a list; none if it is none.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// Modules by words of their name, aliases, interfaces, group or description.
pub(crate) async fn search(global: &Global, options: &Search) -> Outcome {
    let catalogue = everything(global).await?;
    let fits = |module: &&Value| {
        let interfaces = list(module, "offers").iter().map(|offer| text(offer, "interface"));
        let aliases = list(module, "aliases").iter().filter_map(Value::as_str);
        let own = ["name", "summary", "group"].map(|key| text(module, key));
        let all = own.into_iter().chain(interfaces).chain(aliases).collect::<Vec<_>>().join(" ");
        let all = all.to_lowercase();
        options.words.iter().all(|word| all.contains(&word.to_lowercase()))
    };
    let found: Vec<&Value> = list(&catalogue, "modules").iter().filter(fits).collect();
    if global.json {
        let value = json!({"schema": "shelf/search/1", "result": {"modules": found}});
        say(&value.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        let all = list(&catalogue, "modules").iter().map(|module| text(module, "name"));
        return Err(Failure::new(
            Code::NotFound,
            "search/none",
            format!("nothing on the shelf is about {}", options.words.join(" ")),
        )
        .hint(format!("what is there: {}", all.collect::<Vec<_>>().join(", "))));
    }
    let row = |module: &&Value| {
        let gives = list(module, "offers").iter().map(|offer| text(offer, "interface"));
        vec![
            text(module, "name").to_owned(),
            text(module, "version").to_owned(),
            gives.collect::<Vec<_>>().join(", "),
            text(module, "summary").to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    say_list(global, &["MODULE", "VERSION", "GIVES", ""], &rows)?;
    Ok(ExitCode::SUCCESS)
}

/// One module, by its name or by a block of this app that uses it.
pub(crate) async fn show(global: &Global, options: &Show) -> Outcome {
    let catalogue = everything(global).await?;
    let (wanted, version) = match options.module.split_once('@') {
        Some((name, version)) => (name, version),
        None => (options.module.as_str(), ""),
    };
    let modules = list(&catalogue, "modules");
    // The newest of a version such as `15`; they are listed newest first.
    let named = |name: &str, version: &str| {
        modules.iter().filter(|module| text(module, "name") == name).find(|module| {
            let rest = text(module, "version").strip_prefix(version);
            rest.is_some_and(|rest| version.is_empty() || rest.is_empty() || rest.starts_with('.'))
        })
    };
    let of_block = || {
        let (module, version) = module_of(global, wanted)?;
        named(&module, &version)
    };
    let module = named(wanted, version).or_else(of_block);
    let Some(module) = module else {
        let near = modules.iter().filter(|module| {
            let aliases = list(module, "aliases").iter().filter_map(Value::as_str);
            aliases.chain([text(module, "name")]).any(|name| alike(name, wanted))
        });
        let near: Vec<&str> = near.map(|module| text(module, "name")).collect();
        let failure = Failure::new(
            Code::NotFound,
            "module/unknown",
            format!("there is no module \"{wanted}\" on the shelf, and no block of this name here"),
        );
        return Err(match near.as_slice() {
            [] => failure.hint("what is there:  shelf search"),
            near => failure.hint(format!("did you mean: {}", near.join(", "))),
        });
    };
    if global.json {
        say(&json!({"schema": "shelf/module/1", "result": module}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&card(module))?;
    if let Ok(folder) = app::folder(global) {
        let mine = fork::stories(&folder).into_iter().filter(|(block, _)| block == wanted);
        for line in mine.flat_map(|(block, yours)| fork::story(&block, &yours)) {
            say(&line)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether two words begin alike or one is in the other.
fn alike(name: &str, wanted: &str) -> bool {
    let common = name.chars().zip(wanted.chars()).take_while(|(one, other)| one == other).count();
    common >= 3 || name.contains(wanted) || wanted.contains(name)
}

/// The module that a block of the app here uses, and its version.
fn module_of(global: &Global, block: &str) -> Option<(String, String)> {
    let model = apps::model(&app::folder(global).ok()?).ok()?.value;
    let found = list(&model, "blocks").iter().find(|one| text(one, "name") == block)?;
    let module = found["from"]["module"].as_str()?.split('@').next().unwrap_or_default();
    Some((module.to_owned(), text(&found["from"], "version").to_owned()))
}

fn card(module: &Value) -> String {
    let mut out = format!(
        "{} {}   {}\n",
        text(module, "name"),
        text(module, "version"),
        text(module, "summary")
    );
    let mut section = |title: &str, rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            out.push_str(&format!("\n{title}\n"));
            for line in table::rows(&rows) {
                out.push_str(&format!("  {line}\n"));
            }
        }
    };
    let offer = |offer: &Value| {
        let facts = offer["facts"].as_object().into_iter().flatten();
        let facts =
            facts.map(|(name, fact)| format!("{name} {}", fact.as_str().unwrap_or_default()));
        let words = |key: &str| text(offer, key).to_owned();
        vec![words("name"), words("interface"), facts.collect::<Vec<_>>().join(", ")]
    };
    let asks: Vec<&str> = list(module, "asks").iter().filter_map(Value::as_str).collect();
    if !text(module, "catalogue").is_empty() {
        let signed = if module["signed"] == true { "signed itself" } else { "signed by its list" };
        let rows = [
            ["catalogue", text(module, "catalogue")],
            ["from", text(module, "from")],
            ["trusted", signed],
            ["asks for", &asks.join(", ")],
        ];
        section("origin", rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect());
    }
    section("gives", list(module, "offers").iter().map(offer).collect());
    let need = |need: &Value| {
        let limits = list(need, "limits").iter().filter_map(Value::as_str).collect::<Vec<_>>();
        let words = |key: &str| text(need, key).to_owned();
        vec![words("socket"), words("interface"), words("cardinality"), limits.join(", ")]
    };
    section("needs", list(module, "needs").iter().map(need).collect());
    let setting = |setting: &Value| {
        let words = |key: &str| text(setting, key).to_owned();
        vec![words("name"), words("default"), words("help")]
    };
    section(
        "settings   (shelf set BLOCK NAME=VALUE)",
        list(module, "settings").iter().map(setting).collect(),
    );
    let point = |point: &Value| {
        let words = |key: &str| text(point, key).to_owned();
        vec![words("point"), words("kind"), words("help")]
    };
    section(
        "extend   (shelf extend BLOCK POINT …)",
        list(module, "extend").iter().map(point).collect(),
    );
    let assumption = |one: &Value| {
        let words = |key: &str| text(one, key).to_owned();
        vec![words("name"), words("says"), format!("if not: {}", words("if_not"))]
    };
    section("assumes", list(module, "assumes").iter().map(assumption).collect());
    out
}

/// The types of wires.
pub(crate) fn interface(global: &Global, options: &Interface) -> Outcome {
    let catalogue = catalogue()?;
    let interfaces = list(&catalogue, "interfaces");
    match options {
        Interface::List if global.json => {
            let value =
                json!({"schema": "shelf/interfaces/1", "result": {"interfaces": interfaces}});
            say(&value.to_string())?;
        }
        Interface::List => {
            let row = |one: &Value| {
                let words = |key: &str| text(one, key).to_owned();
                vec![words("name"), givers(&catalogue, text(one, "name")), words("summary")]
            };
            let rows: Vec<Vec<String>> = interfaces.iter().map(row).collect();
            say_list(global, &["INTERFACE", "GIVEN BY", ""], &rows)?;
        }
        Interface::Show { name } => {
            let plain = |one: &&Value| text(one, "name").split('/').next() == Some(name);
            let exact = interfaces.iter().find(|one| text(one, "name") == name);
            let Some(found) = exact.or_else(|| interfaces.iter().find(plain)) else {
                let known: Vec<&str> = interfaces.iter().map(|one| text(one, "name")).collect();
                return Err(Failure::new(
                    Code::NotFound,
                    "interface/unknown",
                    format!("there is no interface {name}"),
                )
                .hint(format!("there are {}", known.join(", "))));
            };
            if global.json {
                say(&json!({"schema": "shelf/interface/1", "result": found}).to_string())?;
                return Ok(ExitCode::SUCCESS);
            }
            say(&delivered(found, &givers(&catalogue, text(found, "name"))))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn delivered(interface: &Value, givers: &str) -> String {
    let waits = text(interface, "order") == "before-start";
    let order = if waits { "consumers start after it" } else { "in any order" };
    let mut out = format!(
        "{}   {}   {order}\n\na wire delivers\n",
        text(interface, "name"),
        text(interface, "summary")
    );
    let row = |field: &Value| {
        let optional = if field["optional"] == true { "or none" } else { "" };
        let name = text(field, "name");
        vec![
            name.to_owned(),
            text(field, "type").to_owned(),
            format!("<SOCKET>_{}", name.to_uppercase().replace('-', "_")),
            format!("/bindings/<socket>/{name}"),
            optional.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = list(interface, "fields").iter().map(row).collect();
    for line in table::rows(&rows) {
        out.push_str(&format!("  {line}\n"));
    }
    let facts: Vec<&str> = list(interface, "attributes").iter().filter_map(Value::as_str).collect();
    if !facts.is_empty() {
        out.push_str(&format!("\nchecked: {}\n", facts.join(", ")));
    }
    out.push_str(&format!("\ngiven by: {givers}\n"));
    out
}

fn givers(catalogue: &Value, interface: &str) -> String {
    let gives = |module: &&Value| {
        list(module, "offers").iter().any(|offer| text(offer, "interface") == interface)
    };
    let mut names: Vec<&str> = list(catalogue, "modules")
        .iter()
        .filter(gives)
        .map(|module| text(module, "name"))
        .collect();
    if interface.starts_with("http/") {
        names.push("every process with a port");
    }
    if names.is_empty() { "nothing on the shelf".to_owned() } else { names.join(", ") }
}
