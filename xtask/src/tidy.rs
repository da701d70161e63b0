//! The house rules, as tests: what a reviewer should not have to say twice.
//!
//! Each failing rule prints its reason. A new arrow or room needs a decision note in
//! `docs/decisions/` and a line in `ROOMS`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::host::root;

/// Every room with the rooms it may call, lowest first. Calls go down, facts go up.
const ROOMS: &[(&str, &[&str])] = &[
    ("store", &[]),
    ("kinds", &[]),
    ("image", &[]),
    ("git", &[]),
    ("engine", &[]),
    ("net", &[]),
    ("registry", &["image"]),
    ("pod", &["engine", "image", "net"]),
    ("build", &["image", "pod", "registry"]),
    ("composer", &["kinds"]),
    // see docs/decisions/transfer-is-pure.md
    ("transfer", &["composer"]),
    ("api", &["kinds", "store"]),
    ("control", &["kinds"]),
    // net: service rules and routes follow the API; see docs/decisions/services-in-node.md
    // image and registry: a pod's image is fetched; see docs/decisions/registry.md
    ("node", &["image", "kinds", "net", "pod", "registry"]),
    // image and pod: what a build is handed; see docs/decisions/verbs-in-the-daemon.md
    ("apps", &["build", "composer", "image", "pod", "registry", "transfer"]),
    // git: pushes; see docs/decisions/git-without-git.md
    ("web", &["apps", "git"]),
    ("docker", &["build", "image", "pod", "registry"]),
    (
        "cli",
        &[
            "api", "apps", "build", "control", "docker", "engine", "image", "net", "node", "pod",
            "registry", "store", "web",
        ],
    ),
];

/// Files that may hold unsafe code: system calls and nothing else.
const UNSAFE: &[&str] = &["crates/engine/src/sys", "crates/net/src/sys", "crates/image/src/sys"];

const SOFT_LINES: usize = 600;
const LIB_LINES: usize = 200;

fn rust_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join("crates"), root().join("xtask"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the checkout").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 50, "found only {} Rust files: is this the checkout?", files.len());
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn complain(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}\n  {}", found.join("\n  "));
}

/// The dependencies of a room on other rooms, from the `[dependencies]` table of its manifest.
fn arrows(room: &str) -> Vec<String> {
    let path = root().join("crates").join(room).join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", name(&path)));
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with('[') {
            inside = line.trim() == "[dependencies]";
        } else if inside {
            let dependency = line.split(['.', '=', ' ']).next().unwrap_or_default();
            if ROOMS.iter().any(|(known, _)| *known == dependency) {
                found.push(dependency.to_owned());
            }
        }
    }
    found
}

#[test]
fn arrows_go_down_as_drawn() {
    let mut wrong = Vec::new();
    for (room, allowed) in ROOMS {
        for arrow in arrows(room) {
            if !allowed.contains(&arrow.as_str()) {
                wrong.push(format!("{room} -> {arrow}"));
            }
        }
    }
    complain("calls go down: these arrows are not in ROOMS (xtask/src/tidy.rs)", &wrong);
}

#[test]
fn every_room_is_known_and_in_the_architecture() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root().join("crates")).expect("crates").flatten() {
        let room = entry.file_name().to_string_lossy().into_owned();
        if !ROOMS.iter().any(|(known, _)| *known == room) {
            wrong.push(format!("{room} is not in ROOMS"));
        }
        if !page.contains(&format!("`{room}`")) {
            wrong.push(format!("{room} is not in ARCHITECTURE.md"));
        }
    }
    complain("a newcomer finds every room in ARCHITECTURE.md", &wrong);
}

#[test]
fn every_file_says_what_it_is() {
    let wrong: Vec<String> = rust_files()
        .iter()
        .filter(|path| {
            let text = fs::read_to_string(path).expect("a source file");
            !text.trim_start().starts_with("//!")
        })
        .map(|path| name(path))
        .collect();
    complain("every file opens with `//!`: what it is, why, where next", &wrong);
}

#[test]
fn no_file_grows_without_a_wall() {
    let wrong: Vec<String> = rust_files()
        .iter()
        .filter(|path| {
            let path = name(path);
            !path.contains("/tests/") && !path.ends_with("tests.rs")
        })
        .filter_map(|path| {
            let text = fs::read_to_string(path).expect("a source file");
            // Unit tests at the bottom do not count: they are read one at a time.
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(&text);
            let lines = code.lines().count();
            let is_lib = path.file_name().is_some_and(|name| name == "lib.rs");
            let limit = if is_lib { LIB_LINES } else { SOFT_LINES };
            (lines > limit).then(|| format!("{} has {lines} lines, limit {limit}", name(path)))
        })
        .collect();
    complain("a file past its limit is split by a new noun", &wrong);
}

#[test]
fn unsafe_code_stays_in_its_files() {
    let wrong: Vec<String> = rust_files()
        .iter()
        .filter(|path| {
            let shown = name(path);
            !UNSAFE.iter().any(|allowed| shown.starts_with(allowed)) && !shown.contains("/tests/")
        })
        .filter(|path| {
            let text = fs::read_to_string(path).expect("a source file");
            let needle = concat!("unsafe", " {");
            text.lines().any(|line| line.contains(needle) && !line.trim_start().starts_with("//"))
        })
        .map(|path| name(path))
        .collect();
    complain("unsafe code lives in the sys files only", &wrong);
}

#[test]
fn names_say_what_a_thing_is() {
    let banned = ["util", "utils", "common", "helpers", "helper", "misc", "shared", "manager"];
    let wrong: Vec<String> = rust_files()
        .iter()
        .filter(|path| {
            path.components().any(|part| {
                let part = part.as_os_str().to_string_lossy();
                banned.contains(&part.trim_end_matches(".rs"))
            }) || path.file_name().is_some_and(|file| file == "mod.rs")
        })
        .map(|path| name(path))
        .collect();
    complain("a file is named for a noun of the field; never mod.rs", &wrong);
}

#[test]
fn every_dependency_says_why() {
    let text = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let (_, table) = text.split_once("[workspace.dependencies]").expect("the dependency table");
    let table = table.split("\n[").next().unwrap_or(table);
    let wrong: Vec<String> = table
        .lines()
        .filter(|line| line.contains('=') && !line.contains("path = "))
        .filter(|line| !line.contains("# "))
        .map(str::to_owned)
        .collect();
    complain("each direct dependency carries one line that says why", &wrong);
}

#[test]
fn no_test_is_left_out_in_silence() {
    let wrong: Vec<String> = rust_files()
        .iter()
        .filter(|path| {
            let text = fs::read_to_string(path).expect("a source file");
            text.lines().any(|line| line.trim() == concat!("#[", "ignore]"))
        })
        .map(|path| name(path))
        .collect();
    complain("an ignored test needs a reason: #[ignore = \"…\"]", &wrong);
}

#[test]
fn the_committed_canvas_is_what_its_sources_give() {
    if !root().join("ui/dist/index.html").is_file() {
        return; // There is none yet, and the server says so itself.
    }
    let now = crate::ui::sources().expect("the sources of the canvas");
    let wrong = match crate::ui::noted() {
        Some(built) if built == now => Vec::new(),
        Some(built) => vec![format!("ui/dist was built from {built}, the sources are {now}")],
        None => vec!["ui/dist does not say what it was built from".to_owned()],
    };
    complain("ui/dist is committed with the sources it was built from: cargo x ui", &wrong);
}

/// A link into another folder, or what is built, came in with a commit once: a clean clone could
/// not be built, while the one it was made in could.
#[test]
fn only_sources_are_kept() {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(root()).output();
        let output = output.expect("git is installed");
        assert!(output.status.success(), "git {arguments:?} failed: is this a checkout?");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let kept = git(&["ls-files", "--stage"]);
    assert!(kept.lines().count() > 500, "found only {} files", kept.lines().count());
    let links = kept.lines().filter(|line| line.starts_with("120000 "));
    complain("no symbolic link is kept", &links.map(str::to_owned).collect::<Vec<_>>());
    let ignored = git(&["ls-files", "--cached", "--ignored", "--exclude-standard"]);
    complain(
        "what .gitignore names is not kept",
        &ignored.lines().map(str::to_owned).collect::<Vec<_>>(),
    );
}

#[test]
fn interfaces_and_examples_fit_on_a_card() {
    let mut lines = BTreeMap::new();
    for entry in fs::read_dir(root().join("interfaces")).expect("interfaces").flatten() {
        let text = fs::read_to_string(entry.path()).expect("an interface");
        lines.insert(name(&entry.path()), text.lines().count());
    }
    assert!(lines.len() >= 3, "the interfaces of the shop are missing: {lines:?}");
    let wrong: Vec<String> = lines
        .iter()
        .filter(|(_, count)| **count > 25)
        .map(|(file, count)| format!("{file} has {count} lines"))
        .collect();
    complain("an interface is one file of at most 25 lines", &wrong);
}
