//! An app handed to others: the same as a pack (`bundle.rs`), but at a registry, signed, and without
//! the program. `docs/formats/app.md` describes every part.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::Reference;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fetch::{self, Parts, Trusted};
use super::send::{APP, Parcel};
use super::{files, signing_key};
use crate::bundle::{self, Gathered, Label, Own, Taken};
use crate::event::{Event, Events};
use crate::progress::Clock;
use crate::report::GoReport;
use crate::{Error, Result, TakeOptions, Target, borrowed, load};

/// The longest tag that a registry takes.
const MOST_TAG: usize = 128;

/// How an app is published.
#[derive(Debug, Clone)]
pub struct AppPublishOptions {
    /// Where to: `registry.example.org/team/shop:1.2`.
    pub to: String,
    /// The file of the private key that signs it; unsigned without.
    pub key: Option<PathBuf>,
    /// Whether it is only said what would be published.
    pub dry_run: bool,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppPublishReport {
    /// The app.
    pub app: String,
    /// Where, with its tag.
    pub name: String,
    /// The digest of all of it; none after a dry run.
    pub digest: Option<String>,
    /// Its images by digest, by block; after a dry run the blocks that have one, and nothing for it.
    pub images: BTreeMap<String, String>,
    /// How many files it has, those of the modules it uses among them.
    pub files: usize,
    /// How many packages the list of parts names.
    pub packages: usize,
    /// Whether it is signed.
    pub signed: bool,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// Publishes the app in `dir`; images that are missing are built first. What is published is the app
/// as its files have it, with no secret, no data and no source of what is in its images.
///
/// # Errors
/// The app is wrong, the key cannot be used, an image cannot be built, or the registry refuses
/// something; then the tag is what it was.
pub async fn publish_app(
    target: &Target,
    dir: &Path,
    options: &AppPublishOptions,
    events: Events<'_>,
) -> Result<AppPublishReport> {
    let clock = Clock::start();
    let key = options.key.as_deref().map(signing_key).transpose()?;
    let signed = key.is_some();
    let to = place(&options.to)?;
    if options.dry_run {
        let loaded = load::load_some(target, dir, None, None).await?;
        let blocks = loaded.graph.builds().into_iter().map(|build| (build.block, String::new()));
        let images: BTreeMap<String, String> = blocks.collect();
        roomy(&to, images.keys())?;
        let (app, files) = (loaded.graph.app.clone(), loaded.beside.len() + 1);
        let (name, seconds) = (to.to_string(), clock.seconds());
        let (digest, packages) = (None, 0);
        let report =
            AppPublishReport { app, name, digest, images, files, packages, signed, seconds };
        return Ok(report);
    }
    let Gathered { loaded, label, found, hold: _hold } =
        bundle::gather(target, dir, &clock, events).await?;
    roomy(&to, label.images.keys())?;
    let unfit = |source| Error::File { what: "pack the app's files".into(), source };
    let own: files::Files = bundle::documents(&loaded, &label, &found)
        .into_iter()
        .map(|(name, bytes)| (name, (false, bytes)))
        .collect();
    let archive = files::archive(&own).map_err(unfit)?;
    // Without a moment of time in it, the same app gives the same list.
    let (parts, packages) = bundle::parts(&target.images, &label.app, &found)?;
    events(Event::Note { text: format!("sending {} images to {to}", label.images.len()) });
    let name = to.to_string();
    let parcel = Parcel {
        target: target.clone(),
        to,
        kind: &APP,
        face: json!(label).to_string().into_bytes(),
        archive,
        images: found,
        parts,
        remarks: json!({
            "org.opencontainers.image.title": label.app,
            "org.opencontainers.image.created": label.at,
        }),
        key,
    };
    let digest = Some(parcel.send().await?);
    let Label { app, images, .. } = label;
    let (files, seconds) = (own.len(), clock.seconds());
    Ok(AppPublishReport { app, name, digest, images, files, packages, signed, seconds })
}

/// The place it is published at; somebody has to say which version it is.
fn place(to: &str) -> Result<Reference> {
    let name = APP.place(to)?;
    if name.tag.is_none() {
        let message = format!("{to} has no tag, which says what version of the app it is");
        return Err(APP.misplaced(message));
    }
    Ok(name)
}

/// Refuses a tag that leaves no room for those of the images: each has one of its own, so that a
/// registry does not sweep it away.
fn roomy<'a>(to: &Reference, blocks: impl Iterator<Item = &'a String>) -> Result<()> {
    let tag = to.tag.as_deref().unwrap_or_default();
    let longest = blocks.map(String::len).max().unwrap_or_default();
    if tag.len() + 1 + longest > MOST_TAG {
        let message = format!("the tag {tag} is too long: the images' tags begin with it");
        return Err(APP.misplaced(message));
    }
    Ok(())
}

/// Which published app is opened.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Such as `registry.example.org/team/shop:1.2`.
    pub from: String,
    /// The public keys (PEM), one of which must have signed it.
    pub keys: Vec<String>,
}

/// A published app whose signature, label and files were checked; its images are still where it is.
pub struct PublishedApp {
    label: Label,
    own: Own,
    images: Vec<String>,
    /// Its repository; images are asked for by digest there.
    from: String,
}

impl PublishedApp {
    /// What app it is.
    pub fn app(&self) -> &str {
        &self.label.app
    }

    /// What it says of itself, as `docs/formats/app.md` has it.
    pub fn label(&self) -> serde_json::Value {
        json!(self.label)
    }

    /// Fetches its images by digest and brings it to life; nothing is built.
    ///
    /// # Errors
    /// An image cannot be fetched: then nothing runs. Otherwise as `go`.
    pub async fn bring(
        self,
        target: &Target,
        options: &TakeOptions,
        events: Events<'_>,
    ) -> Result<GoReport> {
        let clock = Clock::start();
        let hold = target.images.hold();
        for (block, digest) in &self.label.images {
            if !self.images.contains(digest) {
                let message = format!("{} does not carry the image of {block}", self.from);
                return Err(unfit(message));
            }
            let what = format!("fetch the image of {block}");
            let here = |source| Error::Image { what: what.clone(), source };
            let image = match target.images.find(digest).map_err(here)? {
                Some(image) => image,
                None => {
                    let name = format!("{}@{digest}", self.from);
                    let pulled = borrowed::pull(target, block, &name, events).await?;
                    pulled.map_err(|error| super::refused(what.clone(), &error))?
                }
            };
            if image.digest != *digest {
                return Err(unfit(format!("the image of {block} is not the one it says")));
            }
            for name in bundle::names(&self.label.app, block, digest) {
                target.images.tag(&image, &name).map_err(here)?;
            }
        }
        let taken = Taken { label: self.label, own: self.own, hold };
        bundle::settle(target, taken, options, &clock, events).await
    }
}

fn unfit(message: String) -> Error {
    Error::Data { code: APP.code, message, hint: None }
}

/// Opens a published app: its signature first, then its label and files.
///
/// # Errors
/// It is not signed by one of the keys or under another name, it is no app, or not one for this
/// machine; then nothing of it was used.
pub async fn open_app(
    target: &Target,
    opening: &Opening,
    events: Events<'_>,
) -> Result<PublishedApp> {
    let Trusted { repository, name, whole, .. } =
        fetch::trusted(target, &APP, &opening.from, &opening.keys, events).await?;
    let Parts { face, archive, images } = fetch::parts(&repository, &APP, &whole, &name).await?;
    let label: Label =
        serde_json::from_slice(&face).map_err(|_| unfit(fetch::none(&APP, &name)))?;
    let refused = |reason: String| unfit(format!("{name} is not used: {reason}"));
    bundle::check(&label).map_err(refused)?;
    let own = own_files(&archive).map_err(refused)?;
    Ok(PublishedApp { label, own, images, from: repository.name().to_string() })
}

/// What of an archive is the app's own; the folders of modules of the shelf are for people to read.
fn own_files(archive: &[u8]) -> std::result::Result<Own, String> {
    let mut own = Own::default();
    for (path, (_, bytes)) in files::unpack(archive).map_err(|error| error.to_string())? {
        if Own::has(&path) {
            own.put(&path, bytes)?;
        }
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_goes_to_a_tag_that_leaves_room_for_its_images() {
        let blocks = ["web".to_owned(), "a-long-name".to_owned()];
        let to = |text: &str| {
            let name = place(text)?;
            roomy(&name, blocks.iter()).map(|()| name.to_string())
        };
        assert_eq!(to("r.example.org/team/shop:1.2").unwrap(), "r.example.org/team/shop:1.2");
        let digest = format!("r.example.org/shop@sha256:{}", "0".repeat(64));
        for wrong in ["r.example.org/team/shop", &digest, "No Such:1"] {
            assert!(to(wrong).is_err(), "{wrong}");
        }
        let tag = |length: usize| to(&format!("r.example.org/shop:{}", "1".repeat(length)));
        assert!(tag(116).is_ok());
        assert!(tag(117).is_err());
    }

    #[test]
    fn only_an_apps_own_files_come_in() {
        let pack = |all: &[(&str, &[u8])]| {
            let all = all.iter().map(|(name, bytes)| ((*name).to_owned(), (true, bytes.to_vec())));
            own_files(&files::archive(&all.collect()).unwrap())
        };
        let found = pack(&[("app/app.toml", b"x"), ("app/db/init.sql", b"y"), ("modules/a", b"z")]);
        let found = found.unwrap();
        assert!(found.modules.is_empty());
        assert_eq!(found.files.keys().collect::<Vec<_>>(), ["app.toml", "db/init.sql"]);
        let said = pack(&[("app/app.toml", b"\xff\xfe")]).err().unwrap();
        assert!(said.contains("no text"), "{said}");
        assert!(own_files(b"no archive").is_err());
        let module = |folder: &str| {
            format!(
                r#"{{"redis":{{"catalogue":"team","module":"redis","version":"7.0.1","from":"r/redis@sha256:0",
                "image":null,"hash":"h","text":"",{folder}"x":0}}}}"#
            )
        };
        let Own { modules, .. } = pack(&[(bundle::MODULES, module("").as_bytes())]).unwrap();
        assert_eq!(modules["redis"].name(), "team/redis");
        let elsewhere = module(r#""folder":"/etc","#);
        let said = pack(&[(bundle::MODULES, elsewhere.as_bytes())]).err().unwrap();
        assert!(said.contains("names a folder for redis"), "{said}");
    }
}
