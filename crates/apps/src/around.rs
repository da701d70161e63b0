//! What decides about an app beside its own file: the file laid over it for the target, and the
//! other apps of that target which its wires reach.
//!
//! Both are read once, from the folder and from the target, and kept with the release, so that a
//! release means the same later. Where next: `load.rs`.

use std::collections::BTreeMap;
use std::path::Path;

use composer::{App, Catalogue, Images};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::borrowed::{self, Seen};
use crate::catalogues::{self, Taken};
use crate::live::{self, Key};
use crate::{Error, Result, Target, release, stock};

/// What decides about an app beside its own file, on one target.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Around {
    /// The file laid over the app for its target, such as `app.prod.toml`, and its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) overlay: Option<(String, String)>,
    /// The other apps that wires reach, as they last came up.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) others: BTreeMap<String, Other>,
    /// The images that blocks name, as they were seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) images: BTreeMap<String, Seen>,
    /// The modules of catalogues that blocks use, by what the file says of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) modules: BTreeMap<String, Taken>,
}

/// Another app, as it last came up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Other {
    text: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    beside: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    overlay: Option<(String, String)>,
    images: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    seen: BTreeMap<String, Seen>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    modules: BTreeMap<String, Taken>,
}

impl Around {
    /// Reads what decides about an app that is written as `text` in `dir`. An app that is not there
    /// is left out: the checker says so, with the line that names it. With `pull`, images are what
    /// their tags stand for now.
    ///
    /// # Errors
    /// A file cannot be read or is wrong, or the target does not answer.
    pub(crate) async fn read(target: &Target, dir: &Path, text: &str, pull: bool) -> Result<Self> {
        let mut around = Self { overlay: overlay(target.name(), dir)?, ..Self::default() };
        let app = around.parse(text)?;
        around.images = borrowed::look(target, dir, &app, pull).await?;
        around.modules = catalogues::resolve(target, dir, &app).await?;
        around.others = others(target, &app).await?;
        Ok(around)
    }

    /// What the folder alone says of it, which no server is asked for: with the file of the target of
    /// that name, if one is meant.
    ///
    /// # Errors
    /// A file cannot be read or is wrong.
    pub(crate) fn beside(target: Option<&str>, dir: &Path) -> Result<Self> {
        let overlay = target.map(|target| overlay(target, dir)).transpose()?.flatten();
        Ok(Self { overlay, modules: catalogues::beside(dir)?, ..Self::default() })
    }

    /// The same for a drawing, which waits for no registry and is made of what can be had: the
    /// target's file, and the other apps if any are named.
    pub async fn glance(target: &Target, dir: &Path, text: &str) -> Self {
        let mut around =
            Self { overlay: overlay(target.name(), dir).ok().flatten(), ..Self::default() };
        if let Ok(app) = around.parse(text) {
            around.others = others(target, &app).await.unwrap_or_default();
        }
        around
    }

    /// Reads an app file and lays the target's over it.
    pub(crate) fn parse(&self, text: &str) -> Result<App> {
        let mut app = lay(text, self.overlay.as_ref())?;
        for (name, seen) in &self.images {
            app.give_image(name, &seen.opened);
        }
        Ok(app)
    }

    /// Puts the other apps and the modules of catalogues where the checker looks for them.
    pub(crate) fn give(&self, catalogue: &mut Catalogue) -> Result<()> {
        catalogues::give(&self.modules, catalogue)?;
        for other in self.others.values() {
            let mut app = lay(&other.text, other.overlay.as_ref())?;
            for (name, seen) in &other.seen {
                app.give_image(name, &seen.opened);
            }
            let mut shelf = stock::catalogue()?;
            catalogues::give(&other.modules, &mut shelf)?;
            let mut brought = catalogues::interfaces(&other.modules);
            for path in app.local_modules().into_iter().map(str::to_owned).collect::<Vec<_>>() {
                let own = format!("{path}/module.toml");
                let read = |file: &str| Ok(other.beside.get(file).cloned());
                let files = crate::load::add_local(&mut shelf, &path, read)?;
                brought.extend(files.into_iter().filter(|(file, _)| *file != own));
            }
            for path in app.named_files().into_iter().map(str::to_owned).collect::<Vec<_>>() {
                if let Some(text) = other.beside.get(&path) {
                    app.give_file(&path, text);
                }
            }
            // A wire to that app has a type that its modules may have brought along.
            for (path, text) in brought {
                catalogue.bring_interface(&path, &text).map_err(Error::Wrong)?;
            }
            // What that app is itself tied to elsewhere is no matter of this one.
            catalogue.add_app(composer::sound(&app, &shelf));
        }
        Ok(())
    }

    /// The images of the other apps' blocks, as the compiler wants them: `billing/db`.
    pub(crate) fn images(&self) -> Images {
        let all = self.others.iter().flat_map(|(app, other)| {
            other.images.iter().map(move |(block, image)| (format!("{app}/{block}"), image.clone()))
        });
        all.collect()
    }
}

/// The file laid over the app for a target, and its text.
fn overlay(target: &str, dir: &Path) -> Result<Option<(String, String)>> {
    let name = format!("app.{target}.toml");
    let path = dir.join(&name);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some((name, text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// The other apps of the target that an app's wires reach, as they last came up.
async fn others(target: &Target, app: &App) -> Result<BTreeMap<String, Other>> {
    let mut all = BTreeMap::new();
    for other in app.other_apps().into_iter().filter(|other| *other != app.name()) {
        let record = Key { kind: "ConfigMap".into(), name: release::NAME.into() };
        let found = live::door(target, other, &record.kind).get_opt(&record.name).await;
        let found = found.map_err(Error::api(format!("read the release of {other}")))?;
        let found = found.and_then(|object| serde_json::to_value(object).ok());
        let there = found.map(|object| live::Live::from([(record, object)]));
        let Some(release) = there.as_ref().and_then(release::read) else { continue };
        if !release.text.is_empty() {
            all.insert(
                other.to_owned(),
                Other {
                    text: release.text,
                    beside: release.beside,
                    overlay: release.around.overlay,
                    seen: release.around.images,
                    modules: release.around.modules,
                    images: release.images,
                },
            );
        }
    }
    Ok(all)
}

fn lay(text: &str, overlay: Option<&(String, String)>) -> Result<App> {
    let app = App::parse("app.toml", text).map_err(Error::Wrong)?;
    match overlay {
        Some((path, over)) => app.lay_over(path, over).map_err(Error::Wrong),
        None => Ok(app),
    }
}
