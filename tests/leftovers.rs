//! What a server can leave behind on a host, seen with other programs than its own; and the broom
//! for a run whose promises failed half-way.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What of an instance is on this machine, one line each.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    pub(crate) links: Vec<String>,
    pub(crate) tables: Vec<String>,
    pub(crate) mounts: Vec<String>,
    pub(crate) groups: Vec<String>,
}

impl Leftovers {
    /// Looks for links, tables and control groups named after `instance`, and for mounts in or
    /// from `folders`.
    pub(crate) fn of(instance: &str, folders: &[&Path]) -> Result<Self> {
        ensure!(instance.len() == 6, "no instance name: {instance:?}");
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let folders: Vec<_> = folders.iter().map(|folder| folder.to_string_lossy()).collect();
        let ours = |line: &&str| folders.iter().any(|folder| line.contains(&**folder));
        let point = |line: &str| line.split(' ').nth(4).map(str::to_owned);
        // A control group's children come before their parents.
        let find = ["/sys/fs/cgroup", "-depth", "-type", "d", "-path", &format!("*{instance}*")];
        Ok(Self {
            links: lines("ip", &["-o", "link"], instance)?
                .iter()
                .filter_map(|line| Some(line.split(": ").nth(1)?.split('@').next()?.to_owned()))
                .collect(),
            tables: lines("nft", &["list", "tables"], instance)?,
            mounts: mounts.lines().filter(ours).filter_map(point).collect(),
            groups: lines("find", &find, instance)?,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        [&self.links, &self.tables, &self.mounts, &self.groups].iter().all(|list| list.is_empty())
    }

    /// Removes what it can; a link's other end goes with it.
    pub(crate) fn sweep(&self) {
        let run = |program: &str, arguments: &[&str]| {
            let _tried = Command::new(program).args(arguments).output();
        };
        self.mounts.iter().rev().for_each(|point| run("umount", &["-l", point]));
        self.links.iter().for_each(|link| run("ip", &["link", "delete", link]));
        for table in &self.tables {
            let words: Vec<&str> = table.split(' ').collect();
            run("nft", &[&["delete"], words.as_slice()].concat());
        }
        self.groups.iter().for_each(|group| run("rmdir", &[group]));
    }
}

fn lines(program: &str, arguments: &[&str], word: &str) -> Result<Vec<String>> {
    let output = Command::new(program).args(arguments).output().context(program.to_owned())?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter(|line| line.contains(word)).map(str::to_owned).collect())
}
