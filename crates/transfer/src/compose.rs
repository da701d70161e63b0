//! A compose file becomes an app: modules of the shelf with typed wires for what it knows, blocks
//! of one's own for the rest, and an account of every line.
//!
//! Pure: whoever reads files gives the texts of those it names. Nothing is run, fetched or written.
//! Start at [`compose`]; then `compose/place.rs` (what each service becomes) and
//! `compose/refer.rs` (how values turn into wires).

mod block;
mod build;
mod disk;
mod environment;
mod file;
mod front;
mod interpolate;
mod known;
mod labels;
mod place;
mod refer;
mod rest;
mod secret;
mod service;
mod work;

use std::collections::BTreeMap;

use composer::{App, Catalogue, Diagnostic};
use serde::{Deserialize, Serialize};

use crate::draft::Draft;
use crate::ledger::{Ledger, Row, State};
use crate::words;
use crate::yaml::Node;
use crate::{Error, Result};

pub(crate) use file::Project;
pub use file::compose_files;

use service::Beside;
use work::Work;

/// A compose file, and what is known around it.
#[derive(Debug, Clone, Copy)]
pub struct Compose<'a> {
    /// Its name, for the report.
    pub path: &'a str,
    /// What is in it.
    pub text: &'a str,
    /// Files that it names, by the names it has for them, as far as they are there.
    pub files: &'a BTreeMap<String, String>,
    /// The app's name, if somebody chose one.
    pub app: Option<&'a str>,
    /// The folder's name, which an app has otherwise.
    pub folder: &'a str,
    /// Profiles whose services are wanted too.
    pub profiles: &'a [String],
}

/// What came of an import.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Imported {
    /// The app's name.
    pub app: String,
    /// The app file that is proposed.
    pub text: String,
    /// Every value of the foreign files, and what became of it.
    pub rows: Vec<Row>,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// Secrets that a person gives to the server before the first go.
    pub given: Vec<Given>,
    /// What the checker still says about the app file; empty if it can go as it is.
    pub diagnostics: Vec<Diagnostic>,
}

/// A secret of a block that is not in the app file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// The block.
    pub block: String,
    /// The secret.
    pub name: String,
    /// Its value, if the foreign files have it. It is in no report.
    #[serde(skip)]
    pub value: Option<String>,
}

/// A value is never printed, whatever prints the rest.
impl std::fmt::Debug for Given {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = if self.value.is_some() { "known" } else { "not known" };
        write!(out, "{}.{} ({known})", self.block, self.name)
    }
}

impl Imported {
    /// How many values are in this state.
    pub fn count(&self, state: State) -> usize {
        self.rows.iter().filter(|row| row.state == state).count()
    }
}

/// Turns a compose file into an app.
///
/// # Errors
/// It is no YAML, has no services, or is beyond what is read of a foreign file.
pub fn compose(asked: &Compose<'_>, catalogue: &Catalogue) -> Result<Imported> {
    let mut ledger = Ledger::default();
    let project = file::open(asked, &mut ledger)?;
    let named = project.root.get("name").or(project.root.get("x-shelf-app")).and_then(Node::text);
    let app = asked.app.or(named).unwrap_or(asked.folder).to_owned();
    assemble(project, ledger, asked.files, &app, asked.profiles, catalogue)
}

/// Makes the app of services, and closes the account.
pub(crate) fn assemble(
    mut project: Project,
    mut ledger: Ledger,
    files: &BTreeMap<String, String>,
    app: &str,
    profiles: &[String],
    catalogue: &Catalogue,
) -> Result<Imported> {
    if project.services.len() > MOST_SERVICES {
        let why = format!("it has {} services, more than {MOST_SERVICES}", project.services.len());
        return Err(Error::Unfit { path: app.to_owned(), why });
    }
    let mut beside = Beside { files, variables: &mut project.variables, last: project.last };
    let services: Vec<_> = project
        .services
        .iter()
        .map(|(name, node)| service::read(name, node, &mut beside, &mut ledger))
        .collect();
    for name in &project.variables.missing {
        ledger.notes.push(format!("{name} has no value in .env, so it is empty"));
    }
    let places = place::all(&services, profiles);
    let mut work = Work {
        catalogue,
        files,
        root: project.root,
        services,
        places,
        listens: Vec::new(),
        providers: Vec::new(),
        provider_of: Vec::new(),
        front: None,
        draft: Draft { name: words::name(app), ..Draft::default() },
        ledger,
        given: Vec::new(),
    };
    work.find_providers();
    work.make_blocks();
    work.choose_front();
    let own: Vec<String> = work.own_blocks();
    for block in own {
        work.fill_environment(&block);
    }
    work.place_disks();
    work.say_rest();
    Ok(finish(work.draft, work.ledger, work.given, catalogue))
}

/// Services of one file.
const MOST_SERVICES: usize = 200;

impl Work<'_> {
    fn own_blocks(&self) -> Vec<String> {
        let own = self.draft.blocks.iter().filter(|block| block.from.0 != "use");
        own.map(|block| block.name.clone()).collect()
    }
}

/// Writes the app file, checks it, and closes the account.
pub(crate) fn finish(
    draft: Draft,
    ledger: Ledger,
    given: Vec<Given>,
    catalogue: &Catalogue,
) -> Imported {
    let written = draft.text();
    let text = composer::format("app.toml", &written, catalogue).unwrap_or(written);
    let checked = App::parse("app.toml", &text).and_then(|app| composer::check(&app, catalogue));
    let (rows, notes) = ledger.rows();
    Imported {
        app: draft.name,
        text,
        rows,
        notes,
        given,
        diagnostics: checked.err().unwrap_or_default(),
    }
}
