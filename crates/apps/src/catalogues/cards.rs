//! What catalogues have, for who chooses from it: beside the shelf in the program, under their own
//! names. A module that was fetched shows all of itself, another what its catalogue says of it.

use composer::index::Listed;
use composer::{Card, Given, Module, Socket};
use serde_json::{Value, json};

use super::taken::kept;
use super::{Known, known};
use crate::{Error, Result, Target, shelf};

/// All interfaces and modules that this server has, as `docs/formats/verbs.md` describes them.
///
/// # Errors
/// A file of the server cannot be read, or a stock file is wrong, which is a bug of ours.
pub fn catalogue_of(target: &Target) -> Result<Value> {
    let mut value = shelf::catalogue()?;
    let mut modules = Vec::new();
    for known in known(target)? {
        for listed in known.index.newest_first() {
            modules.push(shown(target, &known, listed)?);
        }
    }
    if let Some(all) = value["modules"].as_array_mut() {
        all.extend(modules);
    }
    Ok(value)
}

fn shown(target: &Target, known: &Known, listed: &Listed) -> Result<Value> {
    let mut card = match kept(target, &known.name, &listed.digest)? {
        Some(taken) => Module::parse("module.toml", &taken.text).map_err(Error::Wrong)?.card(),
        None => card(listed),
    };
    card.name = format!("{}/{}", known.name, listed.name);
    let mut value = shelf::module_value(&card);
    value["catalogue"] = json!(known.name);
    value["from"] = json!(format!("{}/{}@{}", known.prefix, listed.at, listed.digest));
    value["signed"] = json!(listed.signed);
    value["asks"] = json!(listed.asks);
    if let Some(fields) = value.as_object_mut() {
        // Pictures of others are not shown yet.
        fields.remove("icon");
    }
    Ok(value)
}

/// What a catalogue says of a module that nobody fetched yet.
fn card(listed: &Listed) -> Card {
    let plain = |interface: &String| interface.split('/').next().unwrap_or_default().to_owned();
    let offer = |interface: &String| Given {
        name: plain(interface),
        interface: interface.clone(),
        facts: Vec::new(),
        max: None,
    };
    let need = |interface: &String| Socket {
        name: plain(interface),
        interface: interface.clone(),
        limits: Vec::new(),
        cardinality: "one",
        needed: true,
        line: None,
    };
    Card {
        name: listed.name.clone(),
        version: listed.version.clone(),
        summary: listed.summary.clone(),
        offers: listed.offers.iter().map(offer).collect(),
        needs: listed.needs.iter().map(need).collect(),
        settings: Vec::new(),
        assumes: Vec::new(),
        aliases: Vec::new(),
        group: listed.group.clone(),
        extend: Vec::new(),
    }
}
