//! What a registry has that an app's images are not: a tag that stands for another image by now,
//! and tags that count further. A registry that is away says nothing.

use std::time::Duration;

use composer::graph::{From, Part};
use image::Reference;
use serde::{Deserialize, Serialize};

use super::{ask, reference};
use crate::Target;
use crate::images::short;
use crate::load::Loaded;

/// How long a registry may take to say what is new.
const WITHIN: Duration = Duration::from_secs(5);
/// More newer tags than this are not told.
const MOST: usize = 5;

/// A tag that stands for another image than the one that a block is pinned to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The block.
    pub block: String,
    /// The image, as the app file says it.
    pub image: String,
    /// The digest that is pinned.
    pub pinned: String,
    /// The digest that the tag stands for now.
    pub now: String,
}

impl Moved {
    /// The same as a line of a plan.
    pub fn line(&self) -> String {
        format!(
            "! {}: {} stands for another image now, {} instead of {}; take it:  shelf go --pull",
            self.block,
            self.image,
            short(&self.now),
            short(&self.pinned),
        )
    }
}

/// What is new about the image of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageNews {
    /// The block.
    pub block: String,
    /// The image, as the app file says it.
    pub image: String,
    /// Set if its tag stands for another image by now.
    pub moved: Option<Moved>,
    /// Images of the same name whose tags count further, the newest first.
    pub newer: Vec<String>,
}

/// The tags that stand for another image by now.
pub(crate) async fn moved(target: &Target, loaded: &Loaded) -> Vec<Moved> {
    let mut all = Vec::new();
    for part in &loaded.graph.blocks {
        all.extend(moved_of(target, loaded, part).await);
    }
    all
}

async fn moved_of(target: &Target, loaded: &Loaded, part: &Part) -> Option<Moved> {
    let From::Image { name, .. } = &part.from else { return None };
    let seen = loaded.around.images.get(name).filter(|_| !name.contains('@'))?;
    let now = tokio::time::timeout(WITHIN, ask(target, name)).await.ok()?.ok()?;
    if now.digest == seen.digest {
        return None;
    }
    // The same image, by the digest it has in an index and by its own.
    let same = |digest: &str| {
        target.images.find(&reference(name, digest)).ok().flatten().map(|image| image.digest)
    };
    let (before, after) = (same(&seen.digest), same(&now.digest));
    (before.is_none() || before != after).then(|| Moved {
        block: part.name.clone(),
        image: name.clone(),
        pinned: seen.digest.clone(),
        now: now.digest,
    })
}

/// What is new about each image that nobody builds here.
pub(crate) async fn news(target: &Target, loaded: &Loaded) -> Vec<ImageNews> {
    let mut all = Vec::new();
    for part in &loaded.graph.blocks {
        let From::Image { name, .. } = &part.from else { continue };
        all.push(ImageNews {
            block: part.name.clone(),
            image: name.clone(),
            moved: moved_of(target, loaded, part).await,
            newer: newer(target, name).await.unwrap_or_default(),
        });
    }
    all
}

async fn newer(target: &Target, name: &str) -> Option<Vec<String>> {
    let (path, tag) = tagged(name)?;
    let wanted = Reference::parse(name).ok()?;
    let login = target.registry.login(&wanted).ok()?;
    let repository = target.registry.repository(&wanted, login.as_ref());
    let tags = tokio::time::timeout(WITHIN, repository.tags()).await.ok()?.ok()?;
    Some(further(tag, &tags).into_iter().map(|tag| format!("{path}:{tag}")).collect())
}

/// A name and its tag; nothing if it is pinned by digest or has none.
fn tagged(name: &str) -> Option<(&str, &str)> {
    let (path, tag) = name.rsplit_once(':').filter(|_| !name.contains('@'))?;
    (!tag.contains('/')).then_some((path, tag))
}

/// The tags that are written like `tag` and count further, the newest first.
fn further(tag: &str, all: &[String]) -> Vec<String> {
    let Some((numbers, form)) = counted(tag) else { return Vec::new() };
    let mut found: Vec<(Vec<u64>, &String)> = all
        .iter()
        .filter_map(|other| {
            let (others, its) = counted(other)?;
            let fits = its == form && others.len() == numbers.len() && others > numbers;
            fits.then_some((others, other))
        })
        .collect();
    found.sort_by(|one, other| other.cmp(one));
    found.into_iter().take(MOST).map(|(_, tag)| tag.clone()).collect()
}

/// `v1.27.3-alpine` as its numbers and what is around them.
fn counted(tag: &str) -> Option<(Vec<u64>, (&str, &str))> {
    let bare = tag.strip_prefix('v').unwrap_or(tag);
    let (count, rest) = bare.split_at(bare.find('-').unwrap_or(bare.len()));
    let numbers: Option<Vec<u64>> = count.split('.').map(|part| part.parse().ok()).collect();
    Some((numbers?, (&tag[..tag.len() - bare.len()], rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_count_further_are_newer() {
        let all: Vec<String> = [
            "1.27.3",
            "1.27.10",
            "1.28.0",
            "2.0.0",
            "1.28",
            "1.28.0-alpine",
            "v1.29.0",
            "latest",
            "1.26.9",
            "nightly-20260101",
            "1.28.0-rc1",
        ]
        .map(str::to_owned)
        .to_vec();
        assert_eq!(further("1.27.3", &all), ["2.0.0", "1.28.0", "1.27.10"]);
        assert_eq!(further("1.27.3-alpine", &all), ["1.28.0-alpine"]);
        assert_eq!(further("v1.0.0", &all), ["v1.29.0"]);
        assert!(further("latest", &all).is_empty());
        assert_eq!(tagged("host:5000/team/web:1.2"), Some(("host:5000/team/web", "1.2")));
        assert_eq!(tagged("host:5000/team/web"), None);
        assert_eq!(tagged("host/web@sha256:ab"), None);
    }
}
