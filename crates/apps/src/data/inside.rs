//! Programs in a running container, with their input and output as streams.
//!
//! They run as the container's user with its environment, so a module's program has the module's
//! secrets, and nobody else sees them. Everything here blocks. Where next: `files.rs`.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::far;
use crate::{Error, Target};

/// How many lines of what a program says of its troubles are shown.
pub(super) const LINES: usize = 12;

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) app: String,
    pub(crate) pod: String,
    pub(crate) container: String,
}

impl Place {
    /// The first container of a pod.
    pub(super) fn of(app: &str, pod: &Pod) -> Option<Self> {
        let container = pod.spec.as_ref()?.containers.first()?.name.clone();
        Some(Self { app: app.to_owned(), pod: pod.name_any(), container })
    }
}

/// What a program is for: named in errors.
pub(crate) struct Program<'a> {
    pub(crate) block: &'a str,
    /// `backup`, `restore` or `test`.
    pub(crate) verb: &'static str,
    pub(crate) command: Vec<String>,
    /// Exit codes that are as good as 0.
    pub(crate) fine: &'a [i32],
}

/// Runs a program to its end: `input` is given to it, and what it writes goes to `output`.
pub(crate) fn run(
    target: &Target,
    place: &Place,
    program: &Program<'_>,
    input: Option<&mut (dyn Read + Send)>,
    output: &mut dyn Write,
) -> Result<(), Error> {
    let failed = |lines: Vec<String>, why: String| Error::Program {
        block: program.block.to_owned(),
        verb: program.verb,
        why,
        lines,
    };
    if target.cluster.is_some() {
        let ended = far::run(target, place, program, input, output)?;
        return match ended.code == 0 || program.fine.contains(&ended.code) {
            true => Ok(()),
            false => {
                Err(failed(ended.lines, format!("its program ended with code {}", ended.code)))
            }
        };
    }
    let found = target
        .pods
        .list()
        .into_iter()
        .filter(|state| state.spec.namespace == place.app && state.spec.name == place.pod);
    let Some(state) = found.max_by_key(|state| state.created_at) else {
        return Err(failed(Vec::new(), format!("{} does not run here", place.pod)));
    };
    let exec = pod::Exec { args: program.command.clone(), stdin: input.is_some(), terminal: None };
    let mut session = target
        .pods
        .exec(&state.spec.id, &place.container, &exec)
        .map_err(|error| failed(Vec::new(), error.to_string()))?;
    let (stdin, stderr) = (session.stdin.take(), session.stderr.take());
    let stdout = session.stdout.take();
    let process = session.process.clone();
    let (copied, given, lines) = std::thread::scope(|scope| {
        let said = scope.spawn(move || last_lines(stderr));
        let giving = scope.spawn(move || match (input, stdin) {
            (Some(input), Some(mut stdin)) => give(input, &mut stdin),
            _ => Ok(()),
        });
        let copied = match stdout {
            Some(mut stdout) => io::copy(&mut stdout, output).map(|_| ()),
            None => Ok(()),
        };
        if copied.is_err() {
            // Nobody takes what it writes: it would wait for ever. One that has ended is fine.
            let _ended = process.kill(9);
        }
        let given = giving.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")));
        (copied, given, said.join().unwrap_or_default())
    });
    let exit = process.wait().map_err(|error| failed(lines.clone(), error.to_string()))?;
    let disk = |source| Error::File { what: format!("{} {}", program.verb, program.block), source };
    copied.map_err(disk)?;
    given.map_err(disk)?;
    if exit.code != 0 && !program.fine.contains(&exit.code) {
        return Err(failed(lines, format!("its program ended with exit code {}", exit.code)));
    }
    Ok(())
}

/// A program that ends before it has read everything says by its exit code whether that is well.
fn give(input: &mut dyn Read, stdin: &mut dyn Write) -> io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = input.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        match stdin.write_all(&bytes[..count]) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
}

fn last_lines(from: Option<impl Read>) -> Vec<String> {
    let mut lines = VecDeque::new();
    let Some(from) = from else { return Vec::new() };
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    // A line without an end is cut: it must not fill the memory.
    while let Ok(count) = (&mut from).take(4096).read_until(b'\n', &mut line) {
        if count == 0 {
            break;
        }
        lines.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
        if lines.len() > LINES {
            lines.pop_front();
        }
    }
    lines.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept() {
        let text: String = (0..100).map(|number| format!("line {number}\n")).collect();
        let lines = last_lines(Some(text.as_bytes()));
        assert_eq!((lines.len(), lines[LINES - 1].as_str()), (LINES, "line 99"));
        let endless = io::repeat(b'x').take(1_000_000);
        assert!(last_lines(Some(endless)).iter().all(|line| line.len() <= 4096));
    }
}
