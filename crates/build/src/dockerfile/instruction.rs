//! One logical line to one instruction.

use super::lines::Logical;
use super::{Command, Copy, Healthcheck, HereDoc, Instruction, Kind, Run};
use crate::error::Problem;

const KEYWORDS: [&str; 18] = [
    "FROM",
    "RUN",
    "COPY",
    "ADD",
    "ENV",
    "ARG",
    "WORKDIR",
    "USER",
    "EXPOSE",
    "VOLUME",
    "LABEL",
    "ENTRYPOINT",
    "CMD",
    "HEALTHCHECK",
    "SHELL",
    "STOPSIGNAL",
    "ONBUILD",
    "MAINTAINER",
];

/// Parses an instruction without here-documents, as `ONBUILD` stores it.
pub(crate) fn parse_one(text: &str, line: usize) -> Result<Instruction, Problem> {
    parse(&Logical { line, text: text.to_owned(), heredocs: Vec::new() })
}

pub(super) fn parse(logical: &Logical) -> Result<Instruction, Problem> {
    let line = logical.line;
    let (keyword, rest) = match logical.text.split_once(char::is_whitespace) {
        Some((keyword, rest)) => (keyword, rest.trim()),
        None => (logical.text.as_str(), ""),
    };
    let upper = keyword.to_ascii_uppercase();
    if !KEYWORDS.contains(&upper.as_str()) {
        let shown: String = keyword.chars().take(40).collect();
        let help = match closest(&upper) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("an instruction is one of {}", KEYWORDS.join(", ")),
        };
        return Err(Problem::new(line, format!("unknown instruction `{shown}`"), help));
    }
    if rest.is_empty() {
        return Err(Problem::new(line, format!("{upper} needs an argument"), example(&upper)));
    }
    let fail = |what: String| Problem::new(line, what, example(&upper));
    let (flags, rest) = match upper.as_str() {
        "FROM" | "RUN" | "COPY" | "ADD" | "HEALTHCHECK" => flags(rest),
        _ => (Vec::new(), rest),
    };
    if rest.is_empty() {
        return Err(fail(format!("{upper} needs an argument after its options")));
    }
    let kind = match upper.as_str() {
        "FROM" => from(&flags, rest).map_err(fail)?,
        "RUN" => Kind::Run(run(&flags, rest, &logical.heredocs).map_err(fail)?),
        "COPY" | "ADD" => {
            Kind::Copy(copy(upper == "ADD", &flags, rest, &logical.heredocs).map_err(fail)?)
        }
        "ENV" => Kind::Env(pairs(rest, true).map_err(fail)?),
        "LABEL" => Kind::Label(pairs(rest, true).map_err(fail)?),
        "ARG" => Kind::Arg(arguments(rest).map_err(fail)?),
        "WORKDIR" => Kind::Workdir(rest.to_owned()),
        "USER" => Kind::User(rest.to_owned()),
        "EXPOSE" => Kind::Expose(rest.split_whitespace().map(str::to_owned).collect()),
        "VOLUME" => Kind::Volume(
            json(rest).unwrap_or_else(|| rest.split_whitespace().map(str::to_owned).collect()),
        ),
        "ENTRYPOINT" => Kind::Entrypoint(command(rest)),
        "CMD" => Kind::Cmd(command(rest)),
        "HEALTHCHECK" => Kind::Healthcheck(healthcheck(&flags, rest).map_err(fail)?),
        "SHELL" => match json(rest) {
            Some(words) if !words.is_empty() => Kind::Shell(words),
            _ => return Err(fail("SHELL needs a JSON list of words".to_owned())),
        },
        "STOPSIGNAL" => Kind::Stopsignal(rest.to_owned()),
        "ONBUILD" => Kind::Onbuild(onbuild(rest, line)?),
        _ => Kind::Maintainer(rest.to_owned()),
    };
    let mut text = format!(
        "{upper} {}",
        logical.text[keyword.len()..].split_whitespace().collect::<Vec<_>>().join(" ")
    );
    if text.chars().count() > 400 {
        text = text.chars().take(400).chain("…".chars()).collect();
    }
    Ok(Instruction { line, text, kind })
}

/// Options at the start: `--name=value` or `--name`.
fn flags(mut rest: &str) -> (Vec<(&str, Option<&str>)>, &str) {
    let mut flags = Vec::new();
    while let Some(flag) = rest.strip_prefix("--") {
        let end = flag.find(char::is_whitespace).unwrap_or(flag.len());
        let (word, after) = flag.split_at(end);
        rest = after.trim_start();
        if word.is_empty() {
            break;
        }
        match word.split_once('=') {
            Some((name, value)) => flags.push((name, Some(value))),
            None => flags.push((word, None)),
        }
    }
    (flags, rest)
}

fn from(flags: &[(&str, Option<&str>)], rest: &str) -> Result<Kind, String> {
    let mut platform = None;
    for flag in flags {
        match flag {
            ("platform", Some(value)) => platform = Some((*value).to_owned()),
            (name, _) => return Err(format!("FROM has no option --{name}")),
        }
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (image, name) = match words[..] {
        [image] => (image, None),
        [image, word, name] if word.eq_ignore_ascii_case("as") => (image, Some(name)),
        _ => return Err("FROM takes one image and perhaps `AS name`".to_owned()),
    };
    if let Some(name) = name {
        let valid = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if !valid {
            return Err(format!(
                "`{name}` cannot be a stage's name: letters, digits, `_`, `-`, `.`"
            ));
        }
    }
    Ok(Kind::From { image: image.to_owned(), name: name.map(str::to_ascii_lowercase), platform })
}

fn run(flags: &[(&str, Option<&str>)], rest: &str, heredocs: &[HereDoc]) -> Result<Run, String> {
    let mut network = true;
    for flag in flags {
        match flag {
            ("network", Some("default")) => {}
            ("network", Some("none")) => network = false,
            ("network", Some("host")) => {
                return Err(
                    "RUN --network=host is not supported: a step never shares the host's network"
                        .to_owned(),
                );
            }
            ("security", Some("sandbox")) => {}
            ("security", _) => {
                return Err(
                    "RUN --security=insecure is not supported: steps have no rights on the host"
                        .to_owned(),
                );
            }
            ("mount", Some(value)) => {
                return Err(format!(
                    "RUN --mount={value} is not supported; COPY the files, or do without the cache"
                ));
            }
            (name, _) => return Err(format!("RUN has no option --{name}")),
        }
    }
    Ok(Run { command: command(rest), heredocs: heredocs.to_vec(), network })
}

fn copy(
    add: bool,
    flags: &[(&str, Option<&str>)],
    rest: &str,
    heredocs: &[HereDoc],
) -> Result<Copy, String> {
    let name = if add { "ADD" } else { "COPY" };
    let (mut from, mut chown, mut chmod) = (None, None, None);
    for (flag, value) in flags {
        let slot = match *flag {
            "from" if !add => &mut from,
            "chown" => &mut chown,
            "chmod" => &mut chmod,
            // A hint for other builders' caches; the files are the same.
            "link" => continue,
            other => return Err(format!("{name} has no option --{other} here")),
        };
        match value {
            Some(value) if !value.is_empty() && slot.is_none() => *slot = Some((*value).to_owned()),
            _ => return Err(format!("{name} --{flag} needs one value: --{flag}=…")),
        }
    }
    let mut words =
        json(rest).unwrap_or_else(|| rest.split_whitespace().map(str::to_owned).collect());
    let to = words.pop().filter(|_| !words.is_empty());
    let Some(to) = to else {
        return Err(format!("{name} needs at least one source and a destination"));
    };
    let is_heredoc = |word: &String| heredocs.iter().any(|heredoc| heredoc.word == *word);
    if from.is_some() && words.iter().any(is_heredoc) {
        return Err("a here-document cannot come --from elsewhere".to_owned());
    }
    let sources: Vec<String> = words.iter().filter(|word| !is_heredoc(word)).cloned().collect();
    if add {
        for source in &sources {
            if source.contains("://") || source.starts_with("git@") {
                return Err(format!(
                    "ADD does not fetch `{source}`; use RUN with curl or git, which says what it does and checks certificates"
                ));
            }
        }
    }
    if sources.iter().any(String::is_empty) || to.is_empty() {
        return Err(format!("{name} has an empty path"));
    }
    Ok(Copy { add, sources, heredocs: heredocs.to_vec(), to, from, chown, chmod })
}

/// `key=value …` with quotes, or the old `key rest of the line`.
fn pairs(rest: &str, old_form: bool) -> Result<Vec<(String, String)>, String> {
    let words = quoted_words(rest)?;
    let first = words.first().map(String::as_str).unwrap_or_default();
    if old_form && !first.contains('=') {
        let (key, value) = rest
            .split_once(char::is_whitespace)
            .ok_or_else(|| format!("`{first}` has no value"))?;
        return Ok(vec![(key.to_owned(), value.trim().to_owned())]);
    }
    words
        .iter()
        .map(|word| match word.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(format!("`{word}` is not of the form key=value")),
        })
        .collect()
}

fn arguments(rest: &str) -> Result<Vec<(String, Option<String>)>, String> {
    quoted_words(rest)?
        .into_iter()
        .map(|word| {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (word, None),
            };
            let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
            if valid {
                Ok((name, value))
            } else {
                Err(format!("`{name}` cannot be the name of an argument"))
            }
        })
        .collect()
}

/// Words at white space; quotes and escapes are kept, what is inside them is one word.
fn quoted_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            (Some('\''), '\\') => {}
            (_, '\\') => {
                word.push(c);
                if let Some(next) = chars.next() {
                    word.push(next);
                }
                continue;
            }
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
        word.push(c);
    }
    if let Some(open) = quote {
        return Err(format!("a quote {open} is not closed"));
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

fn command(rest: &str) -> Command {
    match json(rest) {
        Some(words) => Command::Exec(words),
        None => Command::Shell(rest.to_owned()),
    }
}

fn json(rest: &str) -> Option<Vec<String>> {
    if rest.starts_with('[') { serde_json::from_str(rest).ok() } else { None }
}

fn healthcheck(flags: &[(&str, Option<&str>)], rest: &str) -> Result<Healthcheck, String> {
    let mut check = Healthcheck {
        command: None,
        interval: 0,
        timeout: 0,
        start_period: 0,
        start_interval: 0,
        retries: 0,
    };
    for (name, value) in flags {
        let value = value.ok_or_else(|| format!("HEALTHCHECK --{name} needs a value"))?;
        match *name {
            "interval" => check.interval = duration(value)?,
            "timeout" => check.timeout = duration(value)?,
            "start-period" => check.start_period = duration(value)?,
            "start-interval" => check.start_interval = duration(value)?,
            "retries" => {
                let retries: u32 =
                    value.parse().map_err(|_| format!("retries `{value}` is no number"))?;
                check.retries = retries.into();
            }
            other => return Err(format!("HEALTHCHECK has no option --{other}")),
        }
    }
    let (word, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    match word.to_ascii_uppercase().as_str() {
        "NONE" if rest.is_empty() && flags.is_empty() => Ok(check),
        "CMD" if !rest.trim().is_empty() => {
            check.command = Some(command(rest.trim()));
            Ok(check)
        }
        _ => Err("HEALTHCHECK is followed by NONE or by CMD and a command".to_owned()),
    }
}

/// Go's durations: `1m30s`, `500ms`.
fn duration(text: &str) -> Result<i64, String> {
    let bad = || format!("`{text}` is no duration such as 30s or 1m30s");
    let mut rest = text;
    let mut total = 0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(bad)?;
        let count: f64 = rest[..digits].parse().map_err(|_| bad())?;
        let unit_end = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |end| digits + end);
        total += count
            * match &rest[digits..unit_end] {
                "ns" => 1.0,
                "us" | "µs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 6e10,
                "h" => 3.6e12,
                _ => return Err(bad()),
            };
        rest = &rest[unit_end..];
    }
    // A day is longer than any check waits and far from the limits of the number.
    if text.is_empty() || total > 8.64e13 {
        return Err(bad());
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked to be small just above")]
    Ok(total as i64)
}

fn onbuild(rest: &str, line: usize) -> Result<String, Problem> {
    let inner = parse_one(rest, line)?;
    if matches!(inner.kind, Kind::Onbuild(_) | Kind::From { .. } | Kind::Maintainer(_)) {
        let word = inner.text.split(' ').next().unwrap_or_default();
        let what = format!("{word} cannot be an ONBUILD trigger");
        return Err(Problem::new(line, what, "RUN, COPY and most others can"));
    }
    Ok(rest.to_owned())
}

fn example(keyword: &str) -> String {
    let example = match keyword {
        "FROM" => "FROM debian:12 AS build",
        "RUN" => "RUN apt-get update && apt-get install -y --no-install-recommends curl",
        "COPY" => "COPY src/ /app/",
        "ADD" => "ADD files.tar.gz /opt/",
        "ENV" => "ENV NAME=value",
        "ARG" => "ARG VERSION=1.0",
        "LABEL" => "LABEL version=\"1.0\"",
        "WORKDIR" => "WORKDIR /app",
        "USER" => "USER www-data",
        "EXPOSE" => "EXPOSE 8080",
        "VOLUME" => "VOLUME /data",
        "SHELL" => "SHELL [\"/bin/bash\", \"-c\"]",
        "STOPSIGNAL" => "STOPSIGNAL SIGTERM",
        "HEALTHCHECK" => "HEALTHCHECK --interval=30s CMD curl -f http://localhost/",
        "ONBUILD" => "ONBUILD COPY . /app",
        _ => "CMD [\"program\", \"argument\"]",
    };
    format!("for example: {example}")
}

/// The instruction that differs least, when it is near.
fn closest(word: &str) -> Option<&'static str> {
    KEYWORDS
        .into_iter()
        .map(|keyword| (distance(word, keyword), keyword))
        .min()
        .filter(|(distance, _)| *distance <= 2)
        .map(|(_, keyword)| keyword)
}

/// Levenshtein's edit distance; words far apart in length are simply far.
fn distance(one: &str, two: &str) -> usize {
    if one.len() > 20 {
        return usize::MAX;
    }
    let two: Vec<char> = two.chars().collect();
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, b) in two.iter().enumerate() {
            let cost = before + usize::from(a != *b);
            before = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(before + 1);
        }
    }
    row[two.len()]
}
