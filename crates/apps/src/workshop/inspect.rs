//! What can be said of a module's folder without running it. Where next: `composer`'s
//! `module/lint.rs`, which knows the words; this file knows the files.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use composer::{Catalogue, Module};
use fs_err as fs;

use super::{CheckState, TrialReport};
use crate::{Error, Result, stock};

/// The largest picture a shelf shows, in bytes.
const MOST_ICON_BYTES: u64 = 64 * 1024;
/// Scripts that a module's file names lie here in its image.
const INSIDE: &str = "/module/";

/// Looks at the module in `dir`: its file, its programs, its picture.
///
/// # Errors
/// The folder has no `module.toml`, or that is no module file at all.
pub fn inspect(dir: &Path) -> Result<TrialReport> {
    Ok(look(dir)?.0)
}

/// The same, and the module that was read.
pub(crate) fn look(dir: &Path) -> Result<(TrialReport, Module, Catalogue)> {
    let path = dir.join("module.toml");
    let text = fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
    let mut shelf = stock::catalogue()?;
    let module = Module::parse("module.toml", &text).map_err(Error::Wrong)?;
    let mut report = TrialReport {
        module: module.name.clone(),
        version: module.version.clone(),
        passed: true,
        checks: Vec::new(),
    };
    bring(dir, &module, &mut shelf, &mut report)?;
    let found = composer::module::lint(&module, &shelf);
    for one in &found {
        let help = one.help.first().map(|help| format!("; {}: {}", help.text, help.action));
        let detail = format!("{}{}", one.message, help.unwrap_or_default());
        report.add(one.code.clone(), CheckState::Failed, detail);
    }
    if found.is_empty() {
        let detail = format!("{} offers, ways out that exist", module.card().offers.len());
        report.add("module.toml", CheckState::Passed, detail);
    }
    let (state, detail) = programs(dir, &module, &text);
    report.add("programs", state, detail);
    let (state, detail) = icon(dir, &module);
    report.add("icon", state, detail);
    Ok((report, module, shelf))
}

/// The types of wires that the module brings along are read as apps will read them.
fn bring(
    dir: &Path,
    module: &Module,
    shelf: &mut Catalogue,
    report: &mut TrialReport,
) -> Result<()> {
    for name in shelf.brought_by(module) {
        let path = dir.join(&name);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            // That there is no such type is said of the offer or the need.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(Error::Read { path, source }),
        };
        let (state, detail) = match shelf.bring_interface(&name, &text) {
            Ok(()) => (CheckState::Passed, "a type of its own".to_owned()),
            Err(wrong) => (CheckState::Failed, composer::render(&wrong).trim_end().to_owned()),
        };
        report.add(name, state, detail);
    }
    Ok(())
}

/// Every program that the file names is in the folder, and there is a Dockerfile to bring it along.
fn programs(dir: &Path, module: &Module, text: &str) -> (CheckState, String) {
    let Some(build) = &module.build else {
        return (CheckState::None, "the module is only a disk".into());
    };
    let folder = dir.join(build);
    if !folder.join("Dockerfile").is_file() {
        return (CheckState::Failed, format!("there is no Dockerfile in {}", folder.display()));
    }
    let named = |word: &str| word.strip_prefix(INSIDE).map(str::to_owned);
    let words = text.split(|c: char| c.is_whitespace() || "\"',".contains(c));
    let mut names: Vec<String> = words.filter_map(named).collect();
    let offers = module.programs();
    names.extend(offers.iter().filter_map(|one| one.grant.clone()));
    names.extend(offers.iter().filter_map(|one| one.probe.clone()));
    names.sort();
    names.dedup();
    let mut wrong = Vec::new();
    for name in &names {
        match fs::metadata(folder.join(name)) {
            Err(_) => wrong.push(format!("{name} is not there")),
            Ok(data) if !data.is_file() => wrong.push(format!("{name} is no file")),
            Ok(data) if data.permissions().mode() & 0o111 == 0 && !sets_mode(&folder) => {
                wrong.push(format!("{name} is not executable"));
            }
            Ok(_) => {}
        }
    }
    match wrong.is_empty() {
        true => (CheckState::Passed, names.join(" ")),
        false => (CheckState::Failed, wrong.join(", ")),
    }
}

/// Whether the Dockerfile makes what it copies executable itself.
fn sets_mode(folder: &Path) -> bool {
    let text = fs::read_to_string(folder.join("Dockerfile")).unwrap_or_default();
    text.contains("--chmod=") || text.contains("chmod ")
}

/// An SVG that draws and does nothing else.
fn icon(dir: &Path, module: &Module) -> (CheckState, String) {
    let name = module.icon.as_deref().unwrap_or("icon.svg");
    let path = dir.join(name);
    let Ok(data) = fs::metadata(&path) else {
        return (CheckState::Failed, format!("there is no {name}"));
    };
    if data.len() > MOST_ICON_BYTES {
        return (CheckState::Failed, format!("{name} has more than {MOST_ICON_BYTES} bytes"));
    }
    let Ok(text) = fs::read_to_string(&path) else {
        return (CheckState::Failed, format!("{name} is no text"));
    };
    let lower = text.to_lowercase();
    if !lower.contains("<svg") {
        return (CheckState::Failed, format!("{name} is no SVG"));
    }
    // Shelves show it beside others' pages: it neither runs nor fetches anything.
    let forbidden =
        ["<script", "<foreignobject", "javascript:", "href=\"http", "onload=", "<!entity"];
    match forbidden.iter().find(|word| lower.contains(**word)) {
        Some(word) => (CheckState::Failed, format!("{name} has {word}, and may only draw")),
        None => (CheckState::Passed, format!("{name}, {} bytes", data.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stock_module_is_as_it_should_be() {
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../modules");
        for entry in fs::read_dir(modules).unwrap().flatten() {
            let report = inspect(&entry.path()).unwrap();
            assert!(report.passed, "{:?}", report.checks);
        }
    }

    #[test]
    fn what_is_missing_in_a_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let stock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../modules/postgres");
        for name in ["module.toml", "Dockerfile", "grant.sh", "probe.sh", "backup.sh", "restore.sh"]
        {
            fs::copy(stock.join(name), dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("icon.svg"), "<svg onload=\"x()\"/>").unwrap();
        let report = inspect(dir.path()).unwrap();
        let failed: Vec<&str> = report
            .checks
            .iter()
            .filter(|one| one.state == CheckState::Failed)
            .map(|one| one.detail.as_str())
            .collect();
        assert_eq!(failed, ["ready.sh is not there", "icon.svg has onload=, and may only draw"]);
        assert!(!report.passed);
    }
}
