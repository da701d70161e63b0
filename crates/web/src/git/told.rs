//! What a push says while it works, as lines for who pushed.

use apps::{Event, WireState};
use serde_json::Value;

/// Says each state of a block once.
#[derive(Default)]
pub(super) struct Telling {
    last: String,
}

impl Telling {
    /// The lines for something that happened; none for what is of no interest here.
    pub(super) fn lines(&mut self, line: &Value) -> Vec<String> {
        let Ok(event) = serde_json::from_value::<Event>(line.clone()) else { return Vec::new() };
        let text = match event {
            Event::Plan { line } | Event::Note { text: line } => line,
            Event::Base { block, text } => format!("{block}  {text}"),
            Event::BuildStep { block, index, count, text, cached } => {
                let note = if cached { " (cached)" } else { "" };
                let first: String =
                    text.lines().next().unwrap_or_default().chars().take(100).collect();
                format!("{block}  build {index}/{count}{note}  {first}")
            }
            Event::BuildOutput { block, line } => format!("{block}  | {line}"),
            Event::Block { name, state, detail, .. } => {
                let state = serde_json::to_value(state).unwrap_or_default();
                format!("{name}  {} {detail}", state.as_str().unwrap_or_default())
            }
            Event::Wire { consumer, provider, state: WireState::Probed, .. } => {
                format!("wire {consumer} -> {provider}  probed")
            }
            _ => return Vec::new(),
        };
        let text = text.trim_end().to_owned();
        if text == self.last {
            return Vec::new();
        }
        self.last.clone_from(&text);
        vec![text]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_become_lines_and_the_rest_nothing() {
        let mut telling = Telling::default();
        let step = json!({"event": "build-step", "block": "web", "index": 1, "count": 2,
            "text": "RUN make", "cached": false});
        assert_eq!(telling.lines(&step), ["web  build 1/2  RUN make"]);
        assert!(telling.lines(&step).is_empty(), "once is enough");
        assert!(telling.lines(&json!({"operation": 7})).is_empty());
    }
}
