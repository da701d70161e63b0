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
    let mut problems = Vec::new();
    let mut globals: BTreeMap<String, String> = BTreeMap::new();
    let mut stages: Vec<Stage> = Vec::new();
    for instruction in instructions {
        let line = instruction.line;
        match &instruction.kind {
            Kind::From { image, name, platform: wanted } => {
                let get = |name: &str| globals.get(name).cloned().or_else(|| platform(name));
                let image = expand(image, &get).unwrap_or_else(|reason| {
                    problems.push(Problem::new(
                        line,
                        reason,
                        "set it with ARG before the first FROM",
                    ));
                    "scratch".to_owned()
                });
                let wanted = wanted.as_deref().map(|wanted| expand(wanted, &get)).transpose();
                check_platform(line, wanted, &mut problems);
                if image.is_empty() {
                    let help = "give the variable a value with ARG before the first FROM";
                    problems.push(Problem::new(
                        line,
                        "FROM has no image after its variables are filled in",
                        help,
                    ));
                }
                let base = match stage_named(&stages, &image) {
                    _ if image.eq_ignore_ascii_case("scratch") => Base::Scratch,
                    Some(stage) => Base::Stage(stage),
                    None => Base::Image(image),
                };
                if let Some(name) = name
                    && stages.iter().any(|stage| stage.name.as_ref() == Some(name))
                {
                    problems.push(Problem::new(
                        line,
                        format!("two stages are named `{name}`"),
                        "rename one of them",
                    ));
                }
                stages.push(Stage {
                    name: name.clone(),
                    base,
                    from: instruction.clone(),
                    instructions: Vec::new(),
                });
            }
            Kind::Arg(arguments) if stages.is_empty() => {
                for (name, default) in arguments {
                    let given = args
                        .iter()
                        .rev()
                        .find(|(given, _)| given == name)
                        .map(|(_, value)| value.clone());
                    let get = |name: &str| globals.get(name).cloned().or_else(|| platform(name));
                    let value = match (given, default) {
                        (Some(given), _) => Some(given),
                        (None, Some(default)) => match expand(default, &get) {
                            Ok(value) => Some(value),
                            Err(reason) => {
                                problems.push(Problem::new(
                                    line,
                                    reason,
                                    "only earlier ARGs can be used here",
                                ));
                                None
                            }
                        },
                        (None, None) => platform(name),
                    };
                    if let Some(value) = value {
                        globals.insert(name.clone(), value);
                    }
                }
            }
            _ => match stages.last_mut() {
                Some(stage) => stage.instructions.push(instruction),
                None => {
                    let word = instruction.text.split(' ').next().unwrap_or_default();
                    let what = format!("{word} comes before the first FROM");
                    problems.push(Problem::new(
                        line,
                        what,
                        "begin with FROM debian:12; only ARG may come before",
                    ));
                }
            },
        }
    }
    check_sources(&stages, &mut problems);
    if stages.is_empty() && problems.is_empty() {
        problems.push(Problem::new(1, "there is no FROM", "begin with FROM debian:12"));
    }
    let target = match target {
        None => stages.len().checked_sub(1),
        Some(target) => stage_named(&stages, target)
            .or_else(|| target.parse().ok().filter(|at| *at < stages.len())),
    };
    let Some(target) = target else {
        if problems.is_empty() {
            let names: Vec<&str> =
                stages.iter().filter_map(|stage| stage.name.as_deref()).collect();
            problems.push(Problem::new(
                1,
                "there is no stage of the target's name",
                format!("stages are: {}", names.join(", ")),
            ));
        }
        return Err(problems);
    };
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.line);
        return Err(problems);
    }
    let needed = needed(&stages, target);
    let count = needed.iter().map(|at| 1 + stages[*at].instructions.len()).sum();
    Ok(Plan { stages, globals, needed, count })
}

fn check_platform(
    line: usize,
    wanted: Result<Option<String>, String>,
    problems: &mut Vec<Problem>,
) {
    let ours = platform("TARGETPLATFORM").unwrap_or_default();
    match wanted {
        Ok(Some(wanted)) if wanted != ours && !wanted.is_empty() => {
            let what = format!("platform {wanted} cannot be built here");
            problems.push(Problem::new(
                line,
                what,
                format!("this machine builds {ours}: leave --platform out"),
            ));
        }
        Ok(_) => {}
        Err(reason) => {
            problems.push(Problem::new(line, reason, "set it with ARG before the first FROM"))
        }
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
