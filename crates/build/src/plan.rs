//! Which stages a target needs, and every error that shows without running anything.
//!
//! Next: `stage.rs`, which carries the plan out.

use std::collections::{BTreeMap, BTreeSet};

use crate::dockerfile::{Instruction, Kind};
use crate::error::Problem;
use crate::words::expand;

/// The stages of a Dockerfile and which of them are built.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) stages: Vec<Stage>,
    /// Values of the `ARG`s before the first `FROM`.
    pub(crate) globals: BTreeMap<String, String>,
    /// Stages to build, in order; the last is the target.
    pub(crate) needed: Vec<usize>,
    /// Steps of all of them.
    pub(crate) count: usize,
}

/// From one `FROM` to the next.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) name: Option<String>,
    pub(crate) base: Base,
    /// The `FROM`.
    pub(crate) from: Instruction,
    pub(crate) instructions: Vec<Instruction>,
}

/// What a stage starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Base {
    Scratch,
    Stage(usize),
    Image(String),
}

/// Arguments that need no `ARG` and never count for the cache.
pub(crate) const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Values that `ARG TARGETARCH` and the like get by themselves.
pub(crate) fn platform(name: &str) -> Option<String> {
    let architecture = image::ImageConfig::empty().architecture;
    match name {
        "TARGETPLATFORM" | "BUILDPLATFORM" => Some(format!("linux/{architecture}")),
        "TARGETOS" | "BUILDOS" => Some("linux".to_owned()),
        "TARGETARCH" | "BUILDARCH" => Some(architecture),
        "TARGETVARIANT" | "BUILDVARIANT" => Some(String::new()),
        _ => None,
    }
}

pub(crate) fn plan(
    instructions: Vec<Instruction>,
    args: &[(String, String)],
    target: Option<&str>,
) -> Result<Plan, Vec<Problem>> {
    let mut planner =
        Planner { args, globals: BTreeMap::new(), stages: Vec::new(), problems: Vec::new() };
    for instruction in instructions {
        match &instruction.kind {
            Kind::From { image, name, platform } => {
                planner.from(&instruction, image, name.as_deref(), platform.as_deref());
            }
            Kind::Arg(arguments) if planner.stages.is_empty() => {
                for (name, default) in arguments {
                    planner.global(instruction.line, name, default.as_deref());
                }
            }
            _ => match planner.stages.last_mut() {
                Some(stage) => stage.instructions.push(instruction),
                None => {
                    let word = instruction.text.split(' ').next().unwrap_or_default();
                    let what = format!("{word} comes before the first FROM");
                    let help = "begin with FROM debian:12; only ARG may come before";
                    planner.problem(instruction.line, what, help);
                }
            },
        }
    }
    planner.finish(target)
}

/// A plan in the making.
struct Planner<'a> {
    args: &'a [(String, String)],
    globals: BTreeMap<String, String>,
    stages: Vec<Stage>,
    problems: Vec<Problem>,
}

impl Planner<'_> {
    fn problem(&mut self, line: usize, what: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::new(line, what, help));
    }

    /// Fills in the variables of a `FROM`: only `ARG`s before the first one count.
    fn fill(&mut self, line: usize, word: &str) -> Option<String> {
        let get = |name: &str| self.globals.get(name).cloned().or_else(|| platform(name));
        match expand(word, &get) {
            Ok(text) => Some(text),
            Err(reason) => {
                self.problem(line, reason, "set it with an ARG before this line");
                None
            }
        }
    }

    fn from(&mut self, from: &Instruction, image: &str, name: Option<&str>, wanted: Option<&str>) {
        let line = from.line;
        let ours = platform("TARGETPLATFORM").unwrap_or_default();
        let wanted = wanted.and_then(|wanted| self.fill(line, wanted));
        if let Some(wanted) = wanted.filter(|wanted| *wanted != ours && !wanted.is_empty()) {
            let help = format!("this machine builds {ours}: leave --platform out");
            self.problem(line, format!("platform {wanted} cannot be built here"), help);
        }
        let image = self.fill(line, image).unwrap_or_else(|| "scratch".to_owned());
        if image.is_empty() {
            let what = "FROM has no image after its variables are filled in";
            self.problem(line, what, "give the variable a value with ARG before the first FROM");
        }
        let base = match stage_named(&self.stages, &image) {
            _ if image.eq_ignore_ascii_case("scratch") => Base::Scratch,
            Some(stage) => Base::Stage(stage),
            None => Base::Image(image),
        };
        if let Some(name) = name
            && self.stages.iter().any(|stage| stage.name.as_deref() == Some(name))
        {
            self.problem(line, format!("two stages are named `{name}`"), "rename one of them");
        }
        let (name, from) = (name.map(str::to_owned), from.clone());
        self.stages.push(Stage { name, base, from, instructions: Vec::new() });
    }

    /// An `ARG` before the first `FROM`: the caller's value, else its default.
    fn global(&mut self, line: usize, name: &str, default: Option<&str>) {
        let given = self.args.iter().rev().find(|(given, _)| given == name);
        let value = match (given, default) {
            (Some((_, value)), _) => Some(value.clone()),
            (None, Some(default)) => self.fill(line, default),
            (None, None) => platform(name),
        };
        if let Some(value) = value {
            self.globals.insert(name.to_owned(), value);
        }
    }

    fn finish(mut self, target: Option<&str>) -> Result<Plan, Vec<Problem>> {
        check_sources(&self.stages, &mut self.problems);
        let number = match target {
            None => self.stages.len().checked_sub(1),
            Some(target) => stage_named(&self.stages, target)
                .or_else(|| target.parse().ok().filter(|at| *at < self.stages.len())),
        };
        if self.stages.is_empty() && self.problems.is_empty() {
            self.problem(1, "there is no FROM", "begin with FROM debian:12");
        } else if let (None, Some(target), true) = (number, target, self.problems.is_empty()) {
            let names: Vec<&str> =
                self.stages.iter().filter_map(|stage| stage.name.as_deref()).collect();
            let help = format!("stages are: {}", names.join(", "));
            self.problem(1, format!("there is no stage `{target}`"), help);
        }
        let Some(number) = number.filter(|_| self.problems.is_empty()) else {
            self.problems.sort_by_key(|problem| problem.line);
            return Err(self.problems);
        };
        let needed = needed(&self.stages, number);
        let count = needed.iter().map(|at| 1 + self.stages[*at].instructions.len()).sum();
        Ok(Plan { stages: self.stages, globals: self.globals, needed, count })
    }
}

/// A stage by name, whatever its case.
pub(crate) fn stage_named(stages: &[Stage], name: &str) -> Option<usize> {
    let name = name.to_ascii_lowercase();
    stages.iter().position(|stage| stage.name.as_ref() == Some(&name))
}

/// The stage a `COPY --from` means: by name or number, only those before.
pub(crate) fn copied_stage(stages: &[Stage], at: usize, from: &str) -> Option<usize> {
    stage_named(&stages[..at], from).or_else(|| from.parse().ok().filter(|number| *number < at))
}

fn check_sources(stages: &[Stage], problems: &mut Vec<Problem>) {
    for (at, stage) in stages.iter().enumerate() {
        for instruction in &stage.instructions {
            let Kind::Copy(copy) = &instruction.kind else { continue };
            let Some(from) = &copy.from else { continue };
            if copied_stage(stages, at, from).is_some() {
                continue;
            }
            let later = stage_named(stages, from).is_some() || from.parse::<usize>().is_ok();
            if later {
                let what = format!("--from={from} is no stage before this one");
                problems.push(Problem::new(instruction.line, what, "copy only from stages above"));
            } else if let Err(error) = image::Reference::parse(from) {
                problems.push(Problem::new(
                    instruction.line,
                    error.to_string(),
                    "name a stage above, or an image",
                ));
            }
        }
    }
}

/// The target and what it is made from, in order.
fn needed(stages: &[Stage], target: usize) -> Vec<usize> {
    let mut needed = BTreeSet::new();
    let mut open = vec![target];
    while let Some(at) = open.pop() {
        if !needed.insert(at) {
            continue;
        }
        if let Base::Stage(base) = stages[at].base {
            open.push(base);
        }
        for instruction in &stages[at].instructions {
            if let Kind::Copy(copy) = &instruction.kind
                && let Some(from) = &copy.from
            {
                open.extend(copied_stage(stages, at, from));
            }
        }
    }
    needed.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::parse;

    fn get(text: &str, args: &[(&str, &str)], target: Option<&str>) -> Result<Plan, Vec<Problem>> {
        let args: Vec<_> = args.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        plan(parse(text).unwrap(), &args, target)
    }

    const THREE: &str = "ARG V=12\nARG IMAGE=debian:$V\nFROM $IMAGE AS one\nRUN a\nFROM scratch AS unused\nRUN b\n\
        FROM scratch AS files\nCOPY --from=one /a /\nFROM ONE\nCOPY --from=2 /a /b\n";

    #[test]
    fn only_what_the_target_needs_is_built() {
        let plan = get(THREE, &[], None).unwrap();
        assert_eq!(plan.needed, [0, 2, 3]);
        assert_eq!(plan.count, 6);
        assert_eq!(plan.stages[0].base, Base::Image("debian:12".into()));
        assert_eq!(plan.stages[3].base, Base::Stage(0));
        let plan = get(THREE, &[("V", "bookworm"), ("V", "11")], Some("Files")).unwrap();
        assert_eq!(plan.needed, [0, 2]);
        assert_eq!(plan.stages[0].base, Base::Image("debian:11".into()));
    }

    #[test]
    fn errors_come_before_any_step_and_together() {
        let text = "RUN x\nFROM --platform=linux/mips a\nCOPY --from=late /a /b\nCOPY --from=1 /a /b\nFROM $NONE\nFROM scratch AS late\nFROM scratch AS late\nCOPY --from=UP/x a b\n";
        let lines: Vec<usize> = get(text, &[], None).unwrap_err().iter().map(|p| p.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5, 7, 8]);
        assert!(get(THREE, &[], Some("nope")).unwrap_err()[0].help.contains("one, unused, files"));
        assert_eq!(get("", &[], None).unwrap_err().len(), 1);
        assert_eq!(get("ARG a", &[], None).unwrap_err().len(), 1);
    }
}
