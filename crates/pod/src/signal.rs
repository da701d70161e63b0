//! The signal an image wants to be asked to stop with (`STOPSIGNAL`).

/// `SIGTERM`, `TERM` or `15` as a number; what is not understood is SIGTERM.
pub(crate) fn stop_signal(text: Option<&str>) -> i32 {
    const NAMES: [(&str, i32); 14] = [
        ("HUP", libc::SIGHUP),
        ("INT", libc::SIGINT),
        ("QUIT", libc::SIGQUIT),
        ("ABRT", libc::SIGABRT),
        ("KILL", libc::SIGKILL),
        ("USR1", libc::SIGUSR1),
        ("USR2", libc::SIGUSR2),
        ("PIPE", libc::SIGPIPE),
        ("ALRM", libc::SIGALRM),
        ("TERM", libc::SIGTERM),
        ("CONT", libc::SIGCONT),
        ("WINCH", libc::SIGWINCH),
        ("PWR", libc::SIGPWR),
        ("STOP", libc::SIGSTOP),
    ];
    let text = text.unwrap_or("TERM").trim().to_ascii_uppercase();
    if let Ok(number) = text.parse::<i32>() {
        return if (1..=64).contains(&number) { number } else { libc::SIGTERM };
    }
    let name = text.strip_prefix("SIG").unwrap_or(&text);
    let real_time = |text: &str, base: i32, sign: i32| {
        text.parse::<i32>().ok().map(|n| base + sign * n).filter(|n| (34..=64).contains(n))
    };
    if let Some(rest) = name.strip_prefix("RTMIN") {
        return real_time(if rest.is_empty() { "0" } else { rest }, 34, 1).unwrap_or(libc::SIGTERM);
    }
    NAMES.iter().find(|(known, _)| *known == name).map_or(libc::SIGTERM, |(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_signals_are_read_in_every_spelling() {
        assert_eq!(stop_signal(None), libc::SIGTERM);
        assert_eq!(stop_signal(Some("SIGINT")), libc::SIGINT);
        assert_eq!(stop_signal(Some("quit")), libc::SIGQUIT);
        assert_eq!(stop_signal(Some("SIGRTMIN+3")), 37);
        assert_eq!(stop_signal(Some("9")), 9);
        assert_eq!(stop_signal(Some("nonsense")), libc::SIGTERM);
    }
}
