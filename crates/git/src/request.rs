//! What a pusher asks for: names and the commits they are to have; the pack follows.

use std::io::Read;

use crate::line;
use crate::{Error, Id, Result};

/// The most names in one push.
const MOST_COMMANDS: usize = 64;

/// A name that is to have another commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The commit that the pusher takes it to have.
    pub old: Id,
    /// The commit it is to have; [`Id::NONE`] takes the name away.
    pub new: Id,
    /// The name, such as `refs/heads/main`.
    pub name: String,
}

/// Everything before the pack.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The names.
    pub commands: Vec<Command>,
    /// Whether the pusher hears several bands.
    pub bands: bool,
}

impl Request {
    /// Reads what comes before the pack. Without a command it is only a try whether one may push.
    ///
    /// # Errors
    /// It is something else.
    pub fn read(from: &mut impl Read) -> Result<Self> {
        let mut request = Self::default();
        while let Some(read) = line::read(from)? {
            let odd = || Error::Protocol("a line that is no name and its commits".into());
            let text = std::str::from_utf8(&read).map_err(|_| odd())?;
            // Where the pusher's own history ends matters to nobody here.
            if text.starts_with("shallow ") {
                continue;
            }
            let (text, wants) = text.split_once('\0').unwrap_or((text, ""));
            request.bands |= wants.split_whitespace().any(|want| want == "side-band-64k");
            let mut words = text.trim_end_matches('\n').splitn(3, ' ');
            let mut id = || words.next().and_then(Id::parse);
            let (Some(old), Some(new)) = (id(), id()) else { return Err(odd()) };
            let name = words.next().filter(|name| fits(name)).ok_or_else(odd)?.to_owned();
            request.commands.push(Command { old, new, name });
            if request.commands.len() > MOST_COMMANDS {
                return Err(Error::TooMuch(format!("more than {MOST_COMMANDS} names")));
            }
        }
        Ok(request)
    }
}

/// Whether a name is one that git would give (git-check-ref-format(1)); it is shown and kept.
fn fits(name: &str) -> bool {
    let odd = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    name.starts_with("refs/")
        && name.len() <= 200
        && !name.contains(odd)
        && !name.contains("..")
        && !name.ends_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[String]) -> Result<Request> {
        let lines = lines.iter().map(|text| format!("{:04x}{text}", text.len() + 4));
        let text = lines.collect::<String>() + "0000PACK";
        Request::read(&mut text.as_bytes())
    }

    #[test]
    fn names_and_commits_are_read_and_nothing_else() {
        let (old, new) = (Id::NONE, Id([7; 20]));
        let wants = "\0 report-status side-band-64k push-options";
        let good = read(&[format!("shallow {new}"), format!("{old} {new} refs/heads/main{wants}")]);
        let good = good.unwrap();
        assert!(good.bands);
        assert_eq!(good.commands, [Command { old, new, name: "refs/heads/main".into() }]);
        assert_eq!(Request::read(&mut &b"0000"[..]).unwrap(), Request::default());
        for odd in [
            "push-cert\0x",
            "refs/heads/main",
            &format!("{old} {new} refs/../x"),
            &format!("{old} {new} HEAD"),
            &format!("{old} {new} refs/heads/a b"),
        ] {
            assert!(read(&[odd.to_owned()]).is_err(), "{odd:?}");
        }
        assert!(Request::read(&mut &b"00"[..]).is_err());
    }
}
