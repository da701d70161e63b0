//! `shelf graph`: the app as text, for Graphviz, or as a picture. No server is asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::shelf::{list, text};
use super::{Outcome, say};
use crate::app;
use crate::arguments::looks::{Drawing, Graph};
use crate::settings::Global;
use crate::table;

/// Draws the app meant, also one that is not finished.
pub(crate) fn graph(global: &Global, options: &Graph) -> Outcome {
    let folder = app::folder(global)?;
    let model = apps::model(&folder).map_err(|error| app::failure(&error))?.value;
    if global.json {
        let part = |key: &str| model[key].clone();
        let result = json!({
            "app": part("app"), "valid": part("valid"), "blocks": part("blocks"),
            "wires": part("wires"), "diagnostics": part("diagnostics"),
        });
        say(&json!({"schema": "shelf/graph/1", "result": result}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&match options.format {
        Drawing::Text => as_text(&model),
        Drawing::Dot => as_dot(&model),
        Drawing::Svg => as_svg(&model),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Where a block comes from, in a few words.
pub(crate) fn origin(block: &Value) -> String {
    let from = &block["from"];
    match (from["module"].as_str(), from["path"].as_str()) {
        (Some(module), _) => match from["version"].as_str() {
            Some(version) => format!("{module} {version}"),
            None => module.to_owned(),
        },
        (None, Some(path)) => path.to_owned(),
        (None, None) => String::new(),
    }
}

fn as_text(model: &Value) -> String {
    let mut rows = Vec::new();
    for block in list(model, "blocks") {
        let name = text(block, "name");
        let paths = list(block, "processes").iter().flat_map(|one| list(one, "paths"));
        let paths: Vec<&str> = paths.filter_map(Value::as_str).collect();
        rows.push(vec![name.to_owned(), origin(block), String::new(), paths.join(" ")]);
        for socket in list(block, "sockets") {
            let wires = list(model, "wires")
                .iter()
                .filter(|wire| text(wire, "consumer") == name && wire["socket"] == socket["name"]);
            let mut any = false;
            for wire in wires {
                any = true;
                let order = if wire["before_start"] == true { "starts after it" } else { "" };
                rows.push(vec![
                    format!("  {}", text(socket, "name")),
                    format!("-> {}", text(wire, "provider")),
                    text(wire, "interface").to_owned(),
                    order.to_owned(),
                ]);
            }
            if !any {
                let state = if socket["missing"] == true { "-> MISSING" } else { "-> nothing" };
                let interface = text(socket, "interface").to_owned();
                rows.push(vec![
                    format!("  {}", text(socket, "name")),
                    state.to_owned(),
                    interface,
                    String::new(),
                ]);
            }
        }
    }
    let mut out = format!("{}\n", text(model, "app"));
    for line in table::rows(&rows) {
        let _ = writeln!(out, "  {line}");
    }
    for one in list(model, "diagnostics") {
        let _ = writeln!(out, "! {}", text(one, "message"));
    }
    out
}

fn as_dot(model: &Value) -> String {
    let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut out =
        format!("digraph {} {{\n  rankdir=LR\n  node [shape=box]\n", quote(text(model, "app")));
    for block in list(model, "blocks") {
        let name = text(block, "name");
        let label = quote(&format!("{name}\n{}", origin(block))).replace('\n', "\\n");
        let _ = writeln!(out, "  {} [label={label}]", quote(name));
    }
    for wire in list(model, "wires") {
        let style = if wire["before_start"] == true { "solid" } else { "dashed" };
        let _ = writeln!(
            out,
            "  {} -> {} [label={}, style={style}]",
            quote(text(wire, "consumer")),
            quote(text(wire, "provider")),
            quote(text(wire, "interface")),
        );
    }
    out.push_str("}\n");
    out
}

const WIDTH: usize = 180;
const HEIGHT: usize = 52;
const GAP_X: usize = 110;
const GAP_Y: usize = 28;

/// Columns by how many wires lead to a block at most; providers stand to the right.
fn as_svg(model: &Value) -> String {
    let blocks = list(model, "blocks");
    let wires: Vec<(&str, &str, &Value)> = list(model, "wires")
        .iter()
        .map(|wire| (text(wire, "consumer"), text(wire, "provider"), wire))
        .collect();
    let mut column: BTreeMap<&str, usize> =
        blocks.iter().map(|one| (text(one, "name"), 0)).collect();
    // Circles of http wires exist, so this ends after as many rounds as there are blocks.
    for _ in 0..blocks.len() {
        for (consumer, provider, _) in &wires {
            let at = column.get(consumer).copied().unwrap_or(0) + 1;
            if let Some(known) = column.get_mut(provider)
                && *known < at
                && at < blocks.len()
            {
                *known = at;
            }
        }
    }
    let mut used: BTreeMap<usize, usize> = BTreeMap::new();
    let mut place: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for block in blocks {
        let name = text(block, "name");
        let x = column.get(name).copied().unwrap_or(0);
        let row = used.entry(x).or_insert(0);
        place.insert(name, (20 + x * (WIDTH + GAP_X), 20 + *row * (HEIGHT + GAP_Y)));
        *row += 1;
    }
    let width = 40 + place.values().map(|(x, _)| x + WIDTH).max().unwrap_or(0);
    let height = 40 + place.values().map(|(_, y)| y + HEIGHT).max().unwrap_or(0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<title>{}</title>\n<defs><marker id=\"to\" \
         viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto\"><path d=\"M0 0 8 4 0 8z\"/></marker></defs>\n",
        inert(text(model, "app"))
    );
    for (consumer, provider, wire) in &wires {
        let (Some(from), Some(to)) = (place.get(consumer), place.get(provider)) else { continue };
        let (x1, y1, x2, y2) = (from.0 + WIDTH, from.1 + HEIGHT / 2, to.0, to.1 + HEIGHT / 2);
        let dash = if wire["before_start"] == true { "" } else { " stroke-dasharray=\"5 4\"" };
        let _ = writeln!(
            out,
            "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"black\"{dash} \
             marker-end=\"url(#to)\"/>\n<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" \
             font-size=\"11\">{}</text>",
            (x1 + x2) / 2,
            (y1 + y2) / 2 - 5,
            inert(text(wire, "interface")),
        );
    }
    for block in blocks {
        let name = text(block, "name");
        let (x, y) = place.get(name).copied().unwrap_or_default();
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\" fill=\"white\" \
             stroke=\"black\"/>\n<text x=\"{}\" y=\"{}\" font-weight=\"bold\">{}</text>\n\
             <text x=\"{}\" y=\"{}\">{}</text>",
            x + 12,
            y + 21,
            inert(name),
            x + 12,
            y + 40,
            inert(&origin(block)),
        );
    }
    out.push_str("</svg>\n");
    out
}

/// Text inside XML.
fn inert(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Value {
        json!({"app": "s\"<", "blocks": [
            {"name": "web", "from": {"path": "./web"}, "sockets": [
                {"name": "db", "interface": "postgres/1"},
                {"name": "q", "interface": "amqp/1", "missing": true}]},
            {"name": "db", "from": {"module": "postgres", "version": "15.1.0"}}],
         "wires": [
            {"consumer": "web", "socket": "db", "provider": "db", "interface": "postgres/1", "before_start": true},
            {"consumer": "db", "socket": "x", "provider": "web", "interface": "http/1"}],
         "diagnostics": [{"message": "web.q needs amqp/1 and nothing gives it"}]})
    }

    #[test]
    fn text_names_what_is_missing() {
        let text = as_text(&model());
        assert!(text.contains("    db   -> db             postgres/1   starts after it"), "{text}");
        assert!(text.contains("-> MISSING"), "{text}");
    }

    #[test]
    fn dot_and_svg_hold_names_that_are_hostile_and_circles() {
        assert!(as_dot(&model()).starts_with("digraph \"s\\\"<\" {\n"));
        assert!(as_dot(&model()).contains("\"web\" -> \"db\" [label=\"postgres/1\", style=solid]"));
        let svg = as_svg(&model());
        assert!(svg.contains("<title>s&quot;&lt;</title>") && svg.contains(">postgres 15.1.0<"));
        assert_eq!(svg.matches("<rect").count(), 2);
    }
}
