//! Who a container runs as: names of the image's `/etc/passwd` and `/etc/group` to numbers.
//!
//! The files belong to the image, so they are opened inside its root (links stay inside, a FIFO
//! or device is refused) and read within bounds. A name that is not found is an error: nothing
//! ever falls back to root.

use std::fs::File;
use std::io::Read;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::{Error, Result, rooted};

/// A user of an image, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User id inside the container.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary group ids.
    pub groups: Vec<u32>,
    /// Home directory, `/` when unknown.
    pub home: String,
}

/// Largest passwd or group file that is read, in bytes.
const FILE_MAX: u64 = 4 << 20;
/// Largest id, as Docker and Kubernetes have it.
const ID_MAX: u32 = i32::MAX as u32;

/// One line of `/etc/passwd`.
struct Passwd {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

/// Resolves `user[:group]`, names or numbers, in the root at `root`; empty is root.
///
/// A numeric user needs no entry and then has group 0; with a group given there are no
/// supplementary groups (as Docker does it).
///
/// # Errors
/// [`Error::User`] when a name is not there or a number is out of range.
pub fn resolve(root: BorrowedFd<'_>, user: &str) -> Result<User> {
    let fail = |reason: &str| {
        let user = user.escape_debug().take(80).collect();
        Err(Error::User { user, reason: reason.to_owned() })
    };
    let (name, group) = match user.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (user, None),
    };
    let name = if name.is_empty() && group.is_none() { "0" } else { name };
    if name.is_empty() || group == Some("") {
        return fail("is not `user[:group]`");
    }
    let accounts = passwd(&read(root, b"/etc/passwd", user)?);
    let number = number(name).map_err(|reason| user_error(user, reason))?;
    let account = match number {
        Some(uid) => accounts.into_iter().find(|account| account.uid == uid),
        None => match accounts.into_iter().find(|account| account.name == name) {
            Some(account) => Some(account),
            None => return fail("its /etc/passwd has no such user"),
        },
    };
    let (uid, primary, home) = match (&account, number) {
        (Some(account), _) => (account.uid, account.gid, account.home.clone()),
        (None, Some(uid)) => (uid, 0, "/".to_owned()),
        (None, None) => return fail("its /etc/passwd has no such user"),
    };
    let groups_text = read(root, b"/etc/group", user)?;
    if let Some(group) = group {
        let gid = match self::number(group).map_err(|reason| user_error(user, reason))? {
            Some(gid) => gid,
            None => match group_id(&groups_text, group) {
                Some(gid) => gid,
                None => return fail("its /etc/group has no such group"),
            },
        };
        return Ok(User { uid, gid, groups: Vec::new(), home });
    }
    let groups =
        account.map_or_else(Vec::new, |account| member_of(&groups_text, &account.name, primary));
    Ok(User { uid, gid: primary, groups, home })
}

/// The id of a group by name or number, for `--chown`.
///
/// # Errors
/// [`Error::User`] when the name is not there or the number is out of range.
pub fn resolve_group(root: BorrowedFd<'_>, group: &str) -> Result<u32> {
    match number(group).map_err(|reason| user_error(group, reason))? {
        Some(gid) => Ok(gid),
        None => group_id(&read(root, b"/etc/group", group)?, group)
            .ok_or_else(|| user_error(group, "its /etc/group has no such group")),
    }
}

fn user_error(user: &str, reason: &str) -> Error {
    Error::User { user: user.escape_debug().take(80).collect(), reason: reason.to_owned() }
}

/// A number in range; None for a name.
fn number(text: &str) -> Result<Option<u32>, &'static str> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(id) if id <= ID_MAX && digits == text => Ok(Some(id)),
        _ => Err("an id is out of range, 0 to 2147483647"),
    }
}

/// A file's text, bounded; empty when it does not exist.
fn read(root: BorrowedFd<'_>, path: &[u8], user: &str) -> Result<String> {
    let shown = String::from_utf8_lossy(path).into_owned();
    let fail =
        |reason: String| Error::User { user: user.escape_debug().take(80).collect(), reason };
    // NONBLOCK: opening a FIFO must not wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = match rooted::inside(root, path, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(String::new()),
        Err(errno) => return Err(fail(format!("cannot open its {shown}: {errno}"))),
    };
    let stat = rustix::fs::fstat(&fd)
        .map_err(|errno| fail(format!("cannot look at its {shown}: {errno}")))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(fail(format!("its {shown} is no regular file")));
    }
    let mut bytes = Vec::new();
    File::from(fd)
        .take(FILE_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| fail(format!("cannot read its {shown}: {error}")))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(fail(format!("its {shown} is over 4 MiB")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Lines that are no account (comments, broken numbers) are passed over.
fn passwd(text: &str) -> Vec<Passwd> {
    let line = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
        let uid = fields.nth(1)?.parse().ok().filter(|id| *id <= ID_MAX)?;
        let gid = fields.next()?.parse().ok().filter(|id| *id <= ID_MAX)?;
        let home = fields.nth(1).filter(|home| home.starts_with('/')).unwrap_or("/").to_owned();
        Some(Passwd { name, uid, gid, home })
    };
    text.lines().filter_map(line).collect()
}

/// Name, id and members of each group.
fn groups(text: &str) -> impl Iterator<Item = (&str, u32, &str)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let gid = fields.nth(1)?.parse().ok().filter(|id| *id <= ID_MAX)?;
        Some((name, gid, fields.next().unwrap_or_default()))
    })
}

fn group_id(text: &str, name: &str) -> Option<u32> {
    groups(text).find(|(group, _, _)| *group == name).map(|(_, gid, _)| gid)
}

fn member_of(text: &str, user: &str, primary: u32) -> Vec<u32> {
    let mut ids: Vec<u32> = groups(text)
        .filter(|(_, gid, members)| {
            *gid != primary && members.split(',').any(|name| name.trim() == user)
        })
        .map(|(_, gid, _)| gid)
        // The kernel's NGROUPS_MAX is higher; no real image is near this.
        .take(1000)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    use super::*;

    fn root() -> (tempfile::TempDir, std::os::fd::OwnedFd) {
        let dir = tempfile::tempdir().unwrap();
        fs_err::create_dir(dir.path().join("etc")).unwrap();
        let fd = rooted::directory(dir.path()).unwrap();
        (dir, fd)
    }

    #[test]
    fn names_and_numbers_resolve_as_docker_does() {
        let (dir, fd) = root();
        fs_err::write(
            dir.path().join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\n# no\nweb:x:1000:1001:,:/srv/web:/bin/sh\nbad:x:99999999999:0::/:\n",
        )
        .unwrap();
        fs_err::write(
            dir.path().join("etc/group"),
            "root:x:0:\nweb:x:1001:\ntape:x:26:web,x\nadm:x:4:x, web\n",
        )
        .unwrap();
        let get = |text| resolve(fd.as_fd(), text);
        let web = User { uid: 1000, gid: 1001, groups: vec![4, 26], home: "/srv/web".to_owned() };
        assert_eq!(get("web").unwrap(), web);
        assert_eq!(get("1000").unwrap(), web);
        assert_eq!(get("").unwrap().uid, 0);
        assert_eq!(get("web:tape").unwrap(), User { gid: 26, groups: vec![], ..web });
        let stranger = User { uid: 7, gid: 0, groups: vec![], home: "/".to_owned() };
        assert_eq!(get("7").unwrap(), stranger);
        for bad in [
            "4294967296",
            "-1",
            "0x0",
            "root:..",
            "nobody",
            "bad",
            ":0",
            "root:",
            "root:4294967295",
            "2147483648",
        ] {
            assert!(matches!(get(bad), Err(Error::User { .. })), "{bad}");
        }
    }

    #[test]
    fn the_files_cannot_hang_or_lead_out() {
        let (dir, fd) = root();
        let passwd = dir.path().join("etc/passwd");
        rustix::fs::mknodat(rustix::fs::CWD, &passwd, FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert!(resolve(fd.as_fd(), "root").is_err());
        fs_err::remove_file(&passwd).unwrap();
        // The host's root exists, the image's does not.
        symlink("/etc/passwd-of-host", &passwd).unwrap();
        assert!(resolve(fd.as_fd(), "root").is_err());
        fs_err::remove_file(&passwd).unwrap();
        let huge = fs_err::File::create(&passwd).unwrap();
        huge.set_len(1 << 30).unwrap();
        assert!(resolve(fd.as_fd(), "root").is_err());
    }
}
