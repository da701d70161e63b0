//! What the publisher's linter refuses beyond what cannot be read: ways out that do not exist.

use super::Module;
use crate::catalogue::Catalogue;
use crate::diagnostic::Diagnostic;

/// Words of the language that are a way out by themselves.
const WAYS: [&str; 8] =
    ["copies", "url", "external", "backup", "restore", "patch", "fork", "secrets"];

/// Lints a module against a shelf. Every assumption's way out must name a setting, an extension
/// point or a data command of the module, or a module or interface of the shelf.
pub fn lint(module: &Module, catalogue: &Catalogue) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for one in &module.assumes {
        let mut words = one
            .if_not
            .split(|c: char| !(c.is_ascii_alphanumeric() || "-_/".contains(c)))
            .filter(|word| !word.is_empty());
        if words.any(|word| is_way_out(module, catalogue, word)) {
            continue;
        }
        let settings = module.shape.settings.iter().map(|one| one.name.value.as_str());
        let points = module.extend.iter().map(|point| point.name.value.as_str());
        let known: Vec<&str> = settings.chain(points).chain(WAYS).collect();
        let message = format!("assumption \"{}\" has a way out that is none", one.name.value);
        found.push(
            Diagnostic::new("module/if-not", &one.name.span, message)
                .side("if not", &one.if_not)
                .help("name a module, an interface, or one of", known.join(", ")),
        );
    }
    found
}

fn is_way_out(module: &Module, catalogue: &Catalogue, word: &str) -> bool {
    let shape = &module.shape;
    WAYS.contains(&word)
        || shape.settings.iter().any(|one| one.name.value == word)
        || module.extend.iter().any(|point| point.name.value == word)
        || module.data.iter().any(|(name, _)| name == word)
        || (catalogue.module(word).is_some() && word != module.name)
        || catalogue.interface(word).is_some()
}
