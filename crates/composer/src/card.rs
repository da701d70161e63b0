//! What is on the shelf, for who looks at it: one card per module. Where next: `sketch.rs`, which
//! shows the same of a block in an app.

use serde::Serialize;

use crate::catalogue::Catalogue;
use crate::module::Module;
use crate::shape::Point;
use crate::sketch::{self, Premise, Socket};
use crate::source::Spanned;

/// A module, as it stands on the shelf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Card {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// What it gives.
    pub offers: Vec<Given>,
    /// What it needs.
    pub needs: Vec<Socket>,
    /// What can be set.
    pub settings: Vec<Choice>,
    /// What it takes for granted.
    pub assumes: Vec<Premise>,
    /// Other names that people look for.
    pub aliases: Vec<String>,
    /// The group it stands in, such as `Databases`; empty if its file does not say.
    pub group: String,
    /// Where an app may add to it.
    pub extend: Vec<Opening>,
}

/// A place where an app may add to a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Opening {
    /// Its name.
    pub point: String,
    /// `files:*.sql`, `keys`, `env` or `text`.
    pub kind: String,
    /// What it is for.
    pub help: String,
}

impl Module {
    /// The module as it stands on the shelf.
    pub fn card(&self) -> Card {
        card(self)
    }
}

pub(crate) fn opening(point: &Point) -> Opening {
    Opening {
        point: point.name.value.clone(),
        kind: point.kind.to_string(),
        help: point.help.clone(),
    }
}

/// Something a module gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Given {
    /// Its name.
    pub name: String,
    /// The interface with its major.
    pub interface: String,
    /// What it states, several words joined with commas.
    pub facts: Vec<(String, String)>,
    /// How many wires it takes at most.
    pub max: Option<i64>,
}

/// A setting of a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// Its name.
    pub name: String,
    /// The module's value.
    pub default: String,
    /// What it does.
    pub help: String,
    /// The name of its type.
    pub kind: String,
}

/// A card for every module, by name.
pub fn cards(catalogue: &Catalogue) -> Vec<Card> {
    catalogue.modules().map(card).collect()
}

fn card(module: &Module) -> Card {
    let shape = &module.shape;
    let words = |(name, words): &(Spanned<String>, Vec<Spanned<String>>)| {
        let words: Vec<&str> = words.iter().map(|word| word.value.as_str()).collect();
        (name.value.clone(), words.join(","))
    };
    let mut offers: Vec<Given> = shape
        .provides
        .iter()
        .map(|one| Given {
            name: one.name.value.clone(),
            interface: one.interface.value.to_string(),
            facts: one.facts.iter().map(words).collect(),
            max: one.max,
        })
        .collect();
    // A process with a port gives http under its own name, unless the file says it itself.
    offers.extend(shape.run.iter().filter(|process| process.port.is_some()).map(|process| Given {
        name: process.name.value.clone(),
        interface: "http/1".into(),
        facts: Vec::new(),
        max: None,
    }));
    let settings = shape.settings.iter().map(|one| Choice {
        name: one.name.value.clone(),
        default: one.default.clone(),
        help: one.help.clone(),
        kind: one.kind.to_owned(),
    });
    Card {
        name: module.name.clone(),
        version: module.version.clone(),
        summary: module.summary.clone(),
        offers,
        needs: shape.needs.iter().map(|need| sketch::socket(need, false)).collect(),
        settings: settings.collect(),
        assumes: module.assumes.iter().map(sketch::premise).collect(),
        aliases: module.aliases.clone(),
        group: module.group.clone(),
        extend: module.extend.iter().map(opening).collect(),
    }
}
