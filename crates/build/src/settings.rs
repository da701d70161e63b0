//! Instructions that only change the image's configuration.

use image::Healthcheck;

use crate::dockerfile::{self, Command, Kind};
use crate::stage::State;
use crate::words::expand;

/// Applies one of them; others are refused as a bug of the caller.
pub(crate) fn apply(state: &mut State, kind: &Kind) -> Result<(), String> {
    // All words of one instruction see the variables as they were before it.
    let before = state.clone();
    let get = |name: &str| before.get(name);
    let fill = |word: &str| expand(word, &get);
    match kind {
        Kind::Env(pairs) => {
            for (name, value) in pairs {
                set_env(&mut state.config.env, &fill(name)?, &fill(value)?)?;
            }
        }
        Kind::Label(pairs) => {
            for (name, value) in pairs {
                state.config.labels.insert(fill(name)?, fill(value)?);
            }
        }
        Kind::User(user) => {
            let user = fill(user)?;
            if user.is_empty() || user.chars().any(char::is_whitespace) {
                return Err(format!("`{user}` is not `user[:group]`"));
            }
            state.config.user = user;
        }
        Kind::Expose(words) => {
            for word in words {
                // A variable may hold several ports.
                for port in fill(word)?.split_whitespace() {
                    expose(state, port)?;
                }
            }
        }
        Kind::Volume(words) => {
            for word in words {
                let path = fill(word)?;
                state.config.volumes.insert(volume(&path)?, image::Empty {});
            }
        }
        Kind::Entrypoint(command) => {
            state.config.entrypoint = Some(words(state, command));
            if !state.has_cmd {
                // The base image's arguments belonged to its own program.
                state.config.cmd = None;
            }
        }
        Kind::Cmd(command) => {
            state.config.cmd = Some(words(state, command));
            state.has_cmd = true;
        }
        Kind::Healthcheck(check) => state.config.healthcheck = Some(healthcheck(check)),
        Kind::Shell(words) => state.config.shell = Some(words.clone()),
        Kind::Stopsignal(signal) => {
            let signal = fill(signal)?;
            if !is_signal(&signal) {
                return Err(format!("`{signal}` is no signal such as SIGTERM or 15"));
            }
            state.config.stop_signal = Some(signal);
        }
        Kind::Onbuild(trigger) => state.config.on_build.push(trigger.clone()),
        Kind::Maintainer(name) => state.author = Some(name.clone()),
        Kind::From { .. } | Kind::Run(_) | Kind::Copy(_) | Kind::Arg(_) | Kind::Workdir(_) => {
            return Err("is no setting".to_owned());
        }
    }
    Ok(())
}

fn set_env(env: &mut Vec<String>, name: &str, value: &str) -> Result<(), String> {
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        return Err(format!("`{name}` cannot be the name of a variable"));
    }
    let pair = format!("{name}={value}");
    match env.iter_mut().find(|pair| pair.split_once('=').is_some_and(|(known, _)| known == name)) {
        Some(known) => *known = pair,
        None => env.push(pair),
    }
    Ok(())
}

/// `80`, `80/udp`, `8000-8010/tcp`.
fn expose(state: &mut State, text: &str) -> Result<(), String> {
    let bad = || format!("`{text}` is no port such as 80, 53/udp or 8000-8010/tcp");
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(bad());
    }
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let first: u16 = first.parse().map_err(|_| bad())?;
    let last: u16 = last.parse().map_err(|_| bad())?;
    if first == 0 || last < first {
        return Err(bad());
    }
    for port in first..=last {
        state.config.exposed_ports.insert(format!("{port}/{protocol}"), image::Empty {});
    }
    Ok(())
}

fn volume(path: &str) -> Result<String, String> {
    let bad = |why: &str| Err(format!("volume `{path}` {why}"));
    if !path.starts_with('/') {
        return bad("is no absolute path");
    }
    if path.split('/').any(|part| part == "..") || path.contains('\0') {
        return bad("leaves the image");
    }
    let clean = crate::stage::absolute("/", path);
    let system = ["/", "/proc", "/sys", "/dev"];
    let below =
        |dir: &&str| clean == **dir || **dir != *"/" && clean.starts_with(&format!("{dir}/"));
    if system.iter().any(below) {
        return bad("would hide what every container needs");
    }
    Ok(clean)
}

fn words(state: &State, command: &Command) -> Vec<String> {
    match command {
        Command::Exec(words) => words.clone(),
        Command::Shell(text) => {
            let mut words = state.shell();
            words.push(text.clone());
            words
        }
    }
}

fn healthcheck(check: &dockerfile::Healthcheck) -> Healthcheck {
    let test = match &check.command {
        None => vec!["NONE".to_owned()],
        Some(Command::Exec(words)) => {
            std::iter::once("CMD".to_owned()).chain(words.clone()).collect()
        }
        Some(Command::Shell(text)) => vec!["CMD-SHELL".to_owned(), text.clone()],
    };
    Healthcheck {
        test,
        interval: check.interval,
        timeout: check.timeout,
        start_period: check.start_period,
        start_interval: check.start_interval,
        retries: check.retries,
    }
}

fn is_signal(text: &str) -> bool {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    if let Ok(number) = text.parse::<u8>() {
        return (1..=64).contains(&number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let real_time = name
        .strip_prefix("RTMIN+")
        .or_else(|| name.strip_prefix("RTMAX-"))
        .is_some_and(|offset| offset.parse::<u8>().is_ok_and(|offset| offset <= 30));
    NAMES.contains(&name) || real_time || matches!(name, "RTMIN" | "RTMAX")
}
