//! A verb's events on a terminal: one line per block, redrawn; or plain lines where there is no
//! terminal. Nothing is invented: what cannot be counted is shown as a word.

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use apps::{BlockState, Event, WireState};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::error::inert;
use crate::settings::{self, Global, Shown};

/// An instruction in one line: the whole of it stands in the Dockerfile.
fn short(text: &str) -> String {
    const LETTERS: usize = 90;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LETTERS {
        return line;
    }
    line.chars().take(LETTERS - 1).chain(['…']).collect()
}

/// Draws events as they come.
pub(crate) struct Progress {
    mode: Mode,
    blocks: HashMap<String, ProgressBar>,
    bars: MultiProgress,
    /// The last line a step printed, for the block's line.
    outputs: HashMap<String, String>,
}

#[derive(PartialEq)]
enum Mode {
    Json,
    Plain,
    Redraw,
    None,
}

impl Progress {
    /// JSON lines on stdout, redrawn lines on a terminal, plain lines on stderr, or nothing.
    pub(crate) fn new(global: &Global) -> Progress {
        let mode = match global.progress {
            _ if global.json => Mode::Json,
            Shown::None => Mode::None,
            _ if global.quiet => Mode::None,
            Shown::Auto if settings::fancy_terminal() => Mode::Redraw,
            Shown::Auto | Shown::Plain => Mode::Plain,
        };
        Progress {
            mode,
            blocks: HashMap::new(),
            bars: MultiProgress::new(),
            outputs: HashMap::new(),
        }
    }

    /// Shows one event.
    pub(crate) fn event(&mut self, event: &Event) {
        if self.mode == Mode::Json {
            if let Ok(line) = serde_json::to_string(event) {
                let mut out = std::io::stdout().lock();
                // A reader that has gone away ends the command at its result, not here.
                let _gone = writeln!(out, "{line}");
            }
            return;
        }
        if self.mode == Mode::None {
            return;
        }
        match event {
            Event::Plan { line } | Event::Note { text: line } => self.line(line),
            Event::Base { block, text } => self.doing(block, &format!("base image: {text}")),
            Event::BuildStep { block, index, count, text, cached } => {
                let first = short(text);
                let note = if *cached { " (cached)" } else { "" };
                self.doing(block, &format!("build {index}/{count}{note}  {first}"));
            }
            Event::BuildOutput { block, line } => {
                self.outputs.insert(block.clone(), line.clone());
                if let Some(bar) = self.blocks.get(block) {
                    bar.tick();
                }
            }
            Event::Block { name, state, detail, seconds } => {
                self.block(name, *state, detail, *seconds);
            }
            Event::Wire { consumer, provider, interface, state } => {
                let what = match state {
                    WireState::Granted => "own login made",
                    WireState::Probed => "probed",
                    _ => "changed",
                };
                self.line(&format!("  wire {consumer} -> {provider}  {interface}  {what}"));
            }
            _ => {}
        }
    }

    /// Ends the drawing; lines stay as they are.
    pub(crate) fn finish(&mut self) {
        for bar in self.blocks.values() {
            bar.abandon();
        }
    }

    fn line(&self, text: &str) {
        let text = inert(text);
        if self.mode == Mode::Redraw {
            // Drawing needs no more than the terminal it was made for.
            let _drawn = self.bars.println(text);
        } else {
            eprintln!("{text}");
        }
    }

    fn doing(&mut self, block: &str, what: &str) {
        let what = inert(what);
        if self.mode == Mode::Plain {
            eprintln!("  {block}  {what}");
            return;
        }
        self.bar(block).set_message(what);
    }

    fn block(&mut self, name: &str, state: BlockState, detail: &str, seconds: f64) {
        let word = serde_json::to_value(state).ok();
        let word = word.as_ref().and_then(|word| word.as_str()).unwrap_or("?");
        let ended = matches!(
            state,
            BlockState::Ready | BlockState::Unchanged | BlockState::Stopped | BlockState::Removed
        );
        let text = inert(&format!("{word:<10} {detail}"));
        if self.mode == Mode::Plain {
            eprintln!("  {name}  {}  {seconds:.1} s", text.trim_end());
            return;
        }
        let bar = self.bar(name);
        if ended {
            bar.finish_with_message(format!("{text}  {seconds:.1} s"));
        } else {
            bar.set_message(text);
        }
    }

    fn bar(&mut self, block: &str) -> ProgressBar {
        if let Some(bar) = self.blocks.get(block) {
            return bar.clone();
        }
        let bar = self.bars.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("  {prefix:<10} {spinner} {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(block.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        self.blocks.insert(block.to_owned(), bar.clone());
        bar
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_instruction_is_one_line_that_fits() {
        assert_eq!(short("COPY  . \\\n  ."), "COPY . \\ .");
        let long = short(&"apt-get ".repeat(40));
        assert_eq!(long.chars().count(), 90);
        assert!(long.ends_with('…'), "{long}");
    }
}
