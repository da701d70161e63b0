//! The folder that `push` sends: which files, by which rules, and how they travel.
//!
//! `.gitignore` (with `.git/info/exclude` and the person's own) and each source's `.dockerignore`
//! leave files out, and the count says which did. Where next: `commands/push.rs`.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use fs_err as fs;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::error::{Code, Failure};

/// One file or link to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Relative to the app's folder.
    path: PathBuf,
    size_bytes: u64,
    modified: Option<SystemTime>,
}

/// What is sent, and what is not.
#[derive(Debug, Default)]
pub(crate) struct Source {
    folder: PathBuf,
    /// In order of their paths.
    pub(crate) files: Vec<Sent>,
    /// The ignore file's name to how many files and folders it left out.
    pub(crate) left_out: BTreeMap<String, usize>,
    /// Files that differ from the last commit; nothing where git has no say.
    pub(crate) uncommitted: Option<usize>,
}

impl Source {
    /// Looks at the app in `folder` and the folders of its blocks.
    ///
    /// # Errors
    /// A folder lies outside the app's, or cannot be read.
    pub(crate) fn find(folder: &Path, sources: &[apps::Sourced]) -> Result<Source, Failure> {
        let mut source = Source { folder: folder.to_owned(), ..Source::default() };
        for name in ["app.toml", "app.layout.toml"] {
            source.add(Path::new(name)).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound if name != "app.toml" => Ok(()),
                _ => Err(unreadable(&folder.join(name), &error)),
            })?;
        }
        let rules = above(folder);
        for each in sources {
            let path = &each.folder;
            let inside: PathBuf =
                path.components().filter(|one| *one != std::path::Component::CurDir).collect();
            let plain = |one| matches!(one, std::path::Component::Normal(_));
            if !inside.components().all(plain) {
                return Err(Failure::new(
                    Code::Failed,
                    "push/outside",
                    format!("{} lies outside of {}", path.display(), folder.display()),
                )
                .hint("move it below the app's folder; push sends that folder alone"));
            }
            // The file beside the Dockerfile comes before the folder's, as in a build.
            let beside = PathBuf::from(format!("{}.dockerignore", each.dockerfile.display()));
            let own = folder.join(&inside);
            let docker = fs::read_to_string(own.join(&beside))
                .or_else(|_| fs::read_to_string(own.join(".dockerignore")));
            let docker = build::Ignore::parse(&docker.unwrap_or_default());
            let needed = [each.dockerfile.clone(), beside, ".dockerignore".into()];
            let mut rules = rules.clone();
            let mut upto = folder.to_owned();
            for part in inside.components() {
                rules.extend(own_rules(&upto));
                upto.push(part);
            }
            let mut walk =
                Walk { source: &mut source, root: inside.clone(), docker: &docker, needed };
            walk.folder(&inside, &rules)?;
        }
        source.files.sort_by(|one, other| one.path.cmp(&other.path));
        source.files.dedup_by(|one, other| one.path == other.path);
        let folders = sources.iter().map(|one| one.folder.as_path());
        source.uncommitted = uncommitted(folder, folders);
        Ok(source)
    }

    /// The bytes of all files.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }

    /// `sends 214 files, 1.8 MB, 2 not committed (left out: 12 by .gitignore, 1 by .dockerignore)`.
    pub(crate) fn line(&self) -> String {
        let mut line =
            format!("sends {} files, {}", self.files.len(), crate::table::size(self.size_bytes()));
        if let Some(count) = self.uncommitted {
            line.push_str(&format!(", {count} not committed"));
        }
        if !self.left_out.is_empty() {
            let each = self.left_out.iter().map(|(rule, count)| format!("{count} by {rule}"));
            line.push_str(&format!(" (left out: {})", each.collect::<Vec<_>>().join(", ")));
        }
        line
    }

    /// Whether a file came, went or changed since `other` was looked at.
    pub(crate) fn differs(&self, other: &Source) -> bool {
        self.files != other.files
    }

    /// Writes everything as a tar archive.
    ///
    /// # Errors
    /// A file cannot be read, or changed its size while it was; or nobody takes the archive.
    pub(crate) fn write(&self, to: impl Write) -> io::Result<()> {
        let mut archive = tar::Builder::new(to);
        for file in &self.files {
            let place = self.folder.join(&file.path);
            let about = fs::symlink_metadata(&place)?;
            let mut header = tar::Header::new_gnu();
            header.set_mode(about.permissions().mode() & 0o777);
            header.set_mtime(0);
            if about.is_symlink() {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                archive.append_link(&mut header, &file.path, fs::read_link(&place)?)?;
                continue;
            }
            header.set_size(about.len());
            let mut exact =
                Exact { file: fs::File::open(&place)?, left: about.len(), path: &place };
            archive.append_data(&mut header, &file.path, &mut exact)?;
        }
        archive.into_inner()?.flush()
    }

    fn add(&mut self, path: &Path) -> io::Result<()> {
        let about = fs::symlink_metadata(self.folder.join(path))?;
        if about.is_file() || about.is_symlink() {
            let size_bytes = if about.is_file() { about.len() } else { 0 };
            let modified = about.modified().ok();
            self.files.push(Sent { path: path.to_owned(), size_bytes, modified });
        }
        Ok(())
    }
}

/// A file of exactly the size that was announced: an archive with another would be garbage.
struct Exact<'a> {
    file: fs::File,
    left: u64,
    path: &'a Path,
}

impl Read for Exact<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let count = self.file.read(&mut buffer[..most])?;
        if count == 0 {
            let text = format!("{} became shorter while it was sent", self.path.display());
            return Err(io::Error::other(text));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

struct Walk<'a> {
    source: &'a mut Source,
    /// The block's folder, in which `.dockerignore` speaks.
    root: PathBuf,
    docker: &'a build::Ignore,
    /// What the build itself needs, relative to the root.
    needed: [PathBuf; 3],
}

impl Walk<'_> {
    fn folder(&mut self, inside: &Path, above: &[Gitignore]) -> Result<(), Failure> {
        let place = self.source.folder.join(inside);
        let mut rules = above.to_vec();
        rules.extend(own_rules(&place));
        let list = fs::read_dir(&place).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for entry in list.map_err(|error| unreadable(&place, &error))? {
            let name = entry.file_name();
            let path = inside.join(&name);
            if name == ".git" || name == ".shelf" {
                continue;
            }
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if let Some(rule) = git_says(&rules, &self.source.folder.join(&path), is_dir) {
                *self.source.left_out.entry(rule).or_default() += 1;
                continue;
            }
            let below = path.strip_prefix(&self.root).unwrap_or(&path);
            let said = self.docker.ignores(below.as_os_str().as_encoded_bytes());
            // What the build itself needs is sent in any case.
            let needed = self.needed.iter().any(|one| one.starts_with(below));
            if said && !needed && !(is_dir && self.docker.takes_back()) {
                *self.source.left_out.entry(".dockerignore".into()).or_default() += 1;
                continue;
            }
            if is_dir {
                self.folder(&path, &rules)?;
            } else {
                let place = self.source.folder.join(&path);
                match self.source.add(&path) {
                    Ok(()) => {}
                    // Editors save by a file that is there for a moment.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(unreadable(&place, &error)),
                }
            }
        }
        Ok(())
    }
}

/// The ignore file that leaves a path out, if one does: the last rule that matches decides.
fn git_says(rules: &[Gitignore], path: &Path, is_dir: bool) -> Option<String> {
    for rule in rules.iter().rev() {
        let found = rule.matched(path, is_dir);
        if found.is_whitelist() {
            return None;
        }
        if let ignore::Match::Ignore(glob) = found {
            let name = glob.from().and_then(Path::file_name);
            return Some(name.map_or_else(|| ".gitignore".into(), |n| n.to_string_lossy().into()));
        }
    }
    None
}

/// The rules of a folder's own `.gitignore`.
fn own_rules(folder: &Path) -> Option<Gitignore> {
    let file = folder.join(".gitignore");
    file.is_file().then(|| {
        let mut builder = GitignoreBuilder::new(folder);
        // A line git would not understand is left out by git as well.
        let _wrong = builder.add(file);
        builder.build().unwrap_or_else(|_| Gitignore::empty())
    })
}

/// The rules that hold from above: the person's own, the repository's, and those of the folders
/// between its root and this one.
fn above(folder: &Path) -> Vec<Gitignore> {
    let Some(root) = folder.ancestors().find(|above| above.join(".git").exists()) else {
        return Vec::new();
    };
    let mut rules = vec![GitignoreBuilder::new(root).build_global().0];
    let mut exclude = GitignoreBuilder::new(root);
    if exclude.add(root.join(".git/info/exclude")).is_none() {
        rules.extend(exclude.build());
    }
    let mut between: Vec<&Path> =
        folder.ancestors().skip(1).take_while(|above| above.starts_with(root)).collect();
    between.reverse();
    rules.extend(between.into_iter().filter_map(own_rules));
    // The folder's own rules are read when its sources are; here only for a source that is it.
    rules
}

/// How many files differ from the last commit, if git is here and this is a checkout.
fn uncommitted<'a>(folder: &Path, sources: impl Iterator<Item = &'a Path>) -> Option<usize> {
    let output = Command::new("git")
        .args(["--no-optional-locks", "-c", "core.fsmonitor=false", "status", "--porcelain", "-z"])
        .args(["--untracked-files=all", "--no-renames", "--", "app.toml"])
        .args(sources)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let entries = output.stdout.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    output.status.success().then(|| entries.count())
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Code::Failed, "push/read", format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let place = dir.path().join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        }
        dir
    }

    fn of(folder: &str) -> apps::Sourced {
        let (folder, dockerfile) = (folder.into(), "Dockerfile".into());
        apps::Sourced { block: "web".into(), folder, dockerfile }
    }

    #[test]
    fn another_dockerfile_has_its_own_ignore_file_and_is_sent() {
        let dir = tree(&[
            ("app.toml", ""),
            (".dockerignore", "*\n"),
            ("docker/web.Dockerfile", "FROM debian:12"),
            ("docker/web.Dockerfile.dockerignore", "docker\ndocs\n"),
            ("docker/other", "1"),
            ("docs/page", "1"),
            ("a.py", "1"),
        ]);
        let web = apps::Sourced { dockerfile: "docker/web.Dockerfile".into(), ..of(".") };
        let source = Source::find(dir.path(), &[web]).unwrap();
        let sent = [
            ".dockerignore",
            "a.py",
            "app.toml",
            "docker/web.Dockerfile",
            "docker/web.Dockerfile.dockerignore",
        ];
        assert_eq!(names(&source), sent);
    }

    fn names(source: &Source) -> Vec<String> {
        source.files.iter().map(|file| file.path.display().to_string()).collect()
    }

    #[test]
    fn both_ignore_files_are_honoured_and_named() {
        let dir = tree(&[
            ("app.toml", ""),
            (".gitignore", "*.log\n"),
            ("web/.gitignore", "/build\n!keep.log\n"),
            ("web/.dockerignore", "docs\n*.md\nDockerfile\n"),
            ("web/Dockerfile", "FROM debian:12"),
            ("web/a.py", "1"),
            ("web/x.log", "1"),
            ("web/keep.log", "1"),
            ("web/build/out", "1"),
            ("web/docs/page", "1"),
            ("web/README.md", "1"),
            ("web/sub/README.md", "1"),
            ("web/.git/config", "1"),
            ("other/b.py", "1"),
        ]);
        let source = Source::find(dir.path(), &[of("./web")]).unwrap();
        assert_eq!(
            names(&source),
            [
                "app.toml",
                "web/.dockerignore",
                "web/.gitignore",
                "web/Dockerfile",
                "web/a.py",
                "web/keep.log",
                "web/sub/README.md"
            ]
        );
        assert_eq!(source.left_out[".gitignore"], 2);
        assert_eq!(source.left_out[".dockerignore"], 2);
        assert!(source.line().contains("left out: 2 by .dockerignore, 2 by .gitignore"));
        assert!(Source::find(dir.path(), &[of("../elsewhere")]).is_err());
    }

    #[test]
    fn what_is_written_is_what_was_found() {
        let dir = tree(&[("app.toml", "app = \"x\""), ("web/Dockerfile", "FROM debian:12")]);
        std::os::unix::fs::symlink("Dockerfile", dir.path().join("web/link")).unwrap();
        let source = Source::find(dir.path(), &[of("web")]).unwrap();
        let mut bytes = Vec::new();
        source.write(&mut bytes).unwrap();
        let to = tempfile::tempdir().unwrap();
        assert_eq!(apps::receive(&bytes[..], to.path()).unwrap().file_count, 3);
        let again = Source::find(dir.path(), &[of("web")]).unwrap();
        assert!(!again.differs(&source));
        fs::write(dir.path().join("web/new"), "").unwrap();
        assert!(Source::find(dir.path(), &[of("web")]).unwrap().differs(&source));
    }
}
