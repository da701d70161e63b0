//! `shelf explain`: why is this value, wire, object or line here, and who put it there?

use std::process::ExitCode;

use serde_json::{Value, json};

use super::shelf::{list, text};
use super::{Outcome, graph, say};
use crate::app;
use crate::arguments::looks::Explain;
use crate::error::{Code, Failure};
use crate::settings::Global;
use crate::table;

/// What is asked about, and everything that is known of the app.
struct Question<'a> {
    model: Value,
    text: String,
    blame: Vec<Option<apps::HistoryEntry>>,
    fields: Option<apps::Explained>,
    what: &'a str,
}

/// Explains one thing of the app meant.
pub(crate) fn explain(global: &Global, options: &Explain) -> Outcome {
    let folder = app::folder(global)?;
    let fails = |error: apps::Error| app::failure(&error);
    let question = Question {
        model: apps::model(&folder).map_err(fails)?.value,
        text: apps::text(&folder).map_err(fails)?,
        blame: apps::blame(&folder).map_err(fails)?,
        // Only an object has fields to compile for.
        fields: match options.what.contains('/') {
            true => apps::explain_object(&folder, &options.what).map_err(fails)?,
            false => None,
        },
        what: &options.what,
    };
    let Some(lines) = question.answer() else {
        let blocks = list(&question.model, "blocks").iter().map(|block| text(block, "name"));
        return Err(Failure::new(
            Code::NotFound,
            "explain/unknown",
            format!("nothing here is called {}", options.what),
        )
        .hint(format!(
            "blocks: {}; then BLOCK.SETTING, BLOCK.SOCKET, BLOCK.VARIABLE, Kind/name, or a line number",
            blocks.collect::<Vec<_>>().join(", ")
        )));
    };
    if global.json {
        let result = json!({"what": options.what, "lines": lines});
        say(&json!({"schema": "shelf/explain/1", "result": result}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in lines {
        say(&line)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Question<'_> {
    fn answer(&self) -> Option<Vec<String>> {
        if let Ok(line) = self.what.trim_start_matches("app.toml:").parse::<usize>() {
            return self.line(line);
        }
        if let Some((kind, name)) = self.what.split_once('/') {
            let made = self.object(&format!("{kind} {name}"));
            let fields = self.fields.as_ref().map(fields).unwrap_or_default();
            return match made {
                Some(made) => Some([made, fields].concat()),
                None if fields.is_empty() => None,
                None => Some(fields),
            };
        }
        let (block, part) = match self.what.split_once('.') {
            Some((block, part)) => (block, Some(part)),
            None => (self.what, None),
        };
        let block = list(&self.model, "blocks").iter().find(|one| text(one, "name") == block)?;
        match part {
            None => Some(self.block(block)),
            Some(part) => self
                .socket(block, part)
                .or_else(|| self.setting(block, part))
                .or_else(|| self.variable(block, part)),
        }
    }

    /// `app.toml:9   set by ana 5m ago: db.size set to 20Gi   (shelf set db size=20Gi)`.
    fn place(&self, line: &Value) -> Option<String> {
        let line = usize::try_from(line.as_u64()?).ok()?;
        let who = match self.blame.get(line.checked_sub(1)?)? {
            Some(entry) => format!(
                "by {} {} ago: {}   ({})",
                entry.by,
                table::age(&entry.at),
                entry.summary,
                entry.command
            ),
            None => "there since the history began".to_owned(),
        };
        Some(format!("app.toml:{line}   {who}"))
    }

    fn line(&self, line: usize) -> Option<Vec<String>> {
        let written = self.text.lines().nth(line.checked_sub(1)?)?;
        let above = list(&self.model, "blocks")
            .iter()
            .filter(|block| block["line"].as_u64().is_some_and(|at| at <= line as u64))
            .max_by_key(|block| block["line"].as_u64());
        let mut out = vec![format!("{line} | {written}")];
        out.extend(
            above.map(|block| {
                format!("in block {}   {}", text(block, "name"), graph::origin(block))
            }),
        );
        out.extend(self.place(&json!(line)));
        Some(out)
    }

    fn block(&self, block: &Value) -> Vec<String> {
        let name = text(block, "name");
        let mut out =
            vec![format!("{name}: {}   {}", graph::origin(block), text(block, "summary"))];
        out.extend(self.place(&block["line"]));
        for offer in list(block, "offers") {
            out.push(format!("gives {}   {}", text(offer, "name"), text(offer, "interface")));
        }
        for wire in list(&self.model, "wires") {
            if text(wire, "consumer") == name {
                out.push(format!(
                    "{}.{} -> {}   {}",
                    name,
                    text(wire, "socket"),
                    text(wire, "provider"),
                    text(wire, "interface")
                ));
            } else if text(wire, "provider") == name {
                out.push(format!(
                    "wanted by {}.{}   {}",
                    text(wire, "consumer"),
                    text(wire, "socket"),
                    text(wire, "interface")
                ));
            }
        }
        out
    }

    fn socket(&self, block: &Value, part: &str) -> Option<Vec<String>> {
        let name = text(block, "name");
        let socket = list(block, "sockets").iter().find(|one| text(one, "name") == part)?;
        let says = if text(&block["from"], "kind") == "module" { "its module" } else { "app.toml" };
        let mut out = vec![format!(
            "{name}.{part} needs {} ({}), says {says}",
            text(socket, "interface"),
            text(socket, "cardinality")
        )];
        out.extend(self.place(&socket["line"]));
        let written = self
            .text
            .lines()
            .any(|line| line.trim_start().starts_with("wire") && line.contains(part));
        for wire in list(&self.model, "wires") {
            if text(wire, "consumer") != name || text(wire, "socket") != part {
                continue;
            }
            let provider = text(wire, "provider");
            let why = match (written, provider == part) {
                (true, _) => "it is written so",
                (false, true) => "a block of the socket's name fits",
                (false, false) => "it is the only one that fits",
            };
            out.push(format!("tied to {provider}: {why}"));
            out.extend(
                list(wire, "creates")
                    .iter()
                    .filter_map(Value::as_str)
                    .map(|one| format!("creates {one}")),
            );
            for field in list(wire, "fields") {
                let secret = if field["secret"] == true { "   secret" } else { "" };
                out.push(format!(
                    "delivers {}   {}{secret}",
                    text(field, "env"),
                    text(field, "file")
                ));
            }
        }
        if out.len() <= 2 && socket["missing"] == true {
            out.push(format!("nothing gives it yet:  shelf add MODULE --wire {name}.{part}"));
        }
        Some(out)
    }

    fn setting(&self, block: &Value, part: &str) -> Option<Vec<String>> {
        let setting = list(block, "settings").iter().find(|one| text(one, "name") == part)?;
        let value =
            setting["value"].as_str().map_or_else(|| setting["value"].to_string(), str::to_owned);
        let default = setting["default"]
            .as_str()
            .map_or_else(|| setting["default"].to_string(), str::to_owned);
        let name = text(block, "name");
        let mut out = vec![format!("{name}.{part} is {value}   {}", text(setting, "help"))];
        match self.place(&setting["line"]) {
            Some(place) => {
                out.push(place);
                out.push(format!("default: {default}   back to it:  shelf unset {name} {part}"));
            }
            None => out.push(format!(
                "the default of {}; change it:  shelf set {name} {part}=…",
                graph::origin(block)
            )),
        }
        Some(out)
    }

    fn variable(&self, block: &Value, part: &str) -> Option<Vec<String>> {
        let name = text(block, "name");
        if let Some(own) = list(block, "env").iter().find(|one| text(one, "name") == part) {
            let value = if own["secret"] == true { "a secret" } else { text(own, "value") };
            let line =
                self.text.lines().position(|line| line.contains(part)).map(|at| json!(at + 1));
            let mut out = vec![format!("{name}: variable {part} is {value}, says app.toml")];
            out.extend(line.and_then(|line| self.place(&line)));
            return Some(out);
        }
        let wires = list(&self.model, "wires").iter().filter(|wire| text(wire, "consumer") == name);
        let mut fields =
            wires.flat_map(|wire| list(wire, "fields").iter().map(move |field| (wire, field)));
        let (wire, field) = fields.find(|(_, field)| text(field, "env") == part)?;
        Some(vec![format!(
            "{name}: variable {part} is the {} of the wire {name}.{} -> {}, and stands in {} too",
            text(field, "name"),
            text(wire, "socket"),
            text(wire, "provider"),
            text(field, "file"),
        )])
    }

    /// An object, by the wire, process or disk that makes it.
    fn object(&self, wanted: &str) -> Option<Vec<String>> {
        for wire in list(&self.model, "wires") {
            let made = list(wire, "creates").iter().filter_map(Value::as_str);
            if let Some(made) = made.into_iter().find(|made| made.eq_ignore_ascii_case(wanted)) {
                return Some(vec![format!(
                    "{made} is made for the wire {}.{} -> {}   {}",
                    text(wire, "consumer"),
                    text(wire, "socket"),
                    text(wire, "provider"),
                    text(wire, "interface"),
                )]);
            }
        }
        let (kind, name) = wanted.split_once(' ')?;
        for block in list(&self.model, "blocks") {
            let own = text(block, "name");
            for process in list(block, "processes") {
                let process_name = text(process, "name");
                let workload = if process_name == own {
                    own.to_owned()
                } else {
                    format!("{own}-{process_name}")
                };
                let kinds =
                    ["deployment", "statefulset", "service", "cronjob", "poddisruptionbudget"];
                if workload == name && kinds.contains(&kind.to_lowercase().as_str()) {
                    return Some(vec![format!(
                        "{kind} {name} is made for process {process_name} of block {own}   {}",
                        graph::origin(block)
                    )]);
                }
            }
        }
        None
    }
}

/// The fields that somebody decided, with who it was; the rest only counted.
fn fields(object: &apps::Explained) -> Vec<String> {
    let rows: Vec<Vec<String>> = object.decided.iter().map(|row| row.to_vec()).collect();
    let mut lines = vec![format!("{}:", object.object)];
    lines.extend(table::rows(&rows).into_iter().map(|row| format!("  {row}")));
    lines.push(format!("  and {} fields by the compiler's own rules", object.ruled));
    lines
}
