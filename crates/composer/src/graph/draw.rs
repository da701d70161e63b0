//! A graph drawn: as text, for Graphviz, and as a picture.

use std::fmt::Write as _;

use super::{Graph, Part};

/// As text: level by level, each block with what its sockets are tied to.
///
/// ```text
/// db    postgres 15.1.0
/// web   ./web   http://…
///   db -> db   postgres/1
/// ```
pub fn text(graph: &Graph) -> String {
    let width = graph.blocks.iter().map(|part| part.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for part in &graph.blocks {
        let _ = writeln!(out, "{:width$}  {}", part.name, about(part));
        for wire in graph.wires_of(&part.name) {
            let waits = if wire.before_start { "  waits for it" } else { "" };
            let _ = writeln!(
                out,
                "{:width$}    {} -> {}  {}{waits}",
                "",
                wire.socket,
                wire.provider_name(),
                wire.offer.interface
            );
        }
    }
    out
}

/// For Graphviz.
pub fn dot(graph: &Graph) -> String {
    let mut out = format!("digraph {:?} {{\n  rankdir=LR;\n  node [shape=box];\n", graph.app);
    for part in &graph.blocks {
        let _ = writeln!(
            out,
            "  {:?} [label={:?}];",
            part.name,
            format!("{}\n{}", part.name, part.from)
        );
    }
    for wire in &graph.wires {
        let style = if wire.before_start { "solid" } else { "dashed" };
        let _ = writeln!(
            out,
            "  {:?} -> {:?} [label={:?}, style={style}];",
            wire.consumer,
            wire.provider_name(),
            wire.offer.interface
        );
    }
    out.push_str("}\n");
    out
}

const WIDTH: usize = 180;
const HEIGHT: usize = 52;
const GAP_X: usize = 110;
const GAP_Y: usize = 24;
const EDGE: usize = 20;

/// As a picture: consumers to the right of what they wait for.
pub fn svg(graph: &Graph) -> String {
    let mut rows = std::collections::BTreeMap::new();
    let mut places: Vec<(&str, (usize, usize))> = Vec::new();
    for part in &graph.blocks {
        let row = rows.entry(part.level).or_insert(0usize);
        let at = (EDGE + part.level * (WIDTH + GAP_X), EDGE + *row * (HEIGHT + GAP_Y));
        *row += 1;
        places.push((&part.name, at));
    }
    let right = places.iter().map(|(_, (x, _))| x + WIDTH + EDGE).max().unwrap_or(EDGE);
    let bottom = places.iter().map(|(_, (_, y))| y + HEIGHT + EDGE).max().unwrap_or(EDGE);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {right} {bottom}\" \
         width=\"{right}\" height=\"{bottom}\" font-family=\"sans-serif\" font-size=\"13\">\n"
    );
    let at = |name: &str| places.iter().find(|(other, _)| *other == name).map(|(_, at)| *at);
    for wire in graph.wires.iter().filter(|wire| wire.beyond.is_none()) {
        let (Some(from), Some(to)) = (at(&wire.provider), at(&wire.consumer)) else { continue };
        let (x1, y1) = (from.0 + WIDTH, from.1 + HEIGHT / 2);
        let (x2, y2) = (to.0, to.1 + HEIGHT / 2);
        let dash = if wire.before_start { "" } else { " stroke-dasharray=\"5 4\"" };
        let _ = writeln!(
            out,
            "  <path d=\"M{x1} {y1} C{} {y1} {} {y2} {x2} {y2}\" fill=\"none\" stroke=\"#667\"{dash}>\
             <title>{} {}</title></path>",
            x1 + GAP_X / 2,
            x2.saturating_sub(GAP_X / 2),
            escape(&wire.end()),
            escape(&wire.offer.interface)
        );
    }
    for (part, (_, (x, y))) in graph.blocks.iter().zip(&places) {
        let _ = writeln!(
            out,
            "  <rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"8\" \
             fill=\"#fff\" stroke=\"#334\"/>\n  <text x=\"{tx}\" y=\"{t1}\" font-weight=\"bold\">{}\
             </text>\n  <text x=\"{tx}\" y=\"{t2}\" fill=\"#556\">{}</text>",
            escape(&part.name),
            escape(&part.from.to_string()),
            tx = x + 12,
            t1 = y + 22,
            t2 = y + 40,
        );
    }
    out.push_str("</svg>\n");
    out
}

fn about(part: &Part) -> String {
    let mut about = part.from.to_string();
    for process in part.processes.iter().filter(|process| !process.paths.is_empty()) {
        let _ = write!(about, "  {} {}", process.name, process.paths.join(" "));
    }
    about
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
