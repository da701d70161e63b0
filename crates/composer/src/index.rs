//! The index of a catalogue: which modules there are, each by the digest of its published artifact.
//!
//! A document comes from anybody, so everything in it has a limit. Whether it may be taken after
//! another one, at a moment that the caller says, is decided here as well; who signed it is not.
//! Format: `docs/formats/catalogue.md`. Where next: `apps`' `catalogues.rs`.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Module, version};

/// What a document says it is.
pub const SCHEMA: &str = "shelf/catalogue/1";
/// Longest document, in bytes.
pub const MOST_BYTES: usize = 4 << 20;
const MOST_MODULES: usize = 4096;
const MOST_KEYS: usize = 16;
const MOST_TEXT: usize = 1024;
/// How far a maker's clock may be ahead of this one.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// What a catalogue holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// What it is: [`SCHEMA`].
    pub schema: String,
    /// The place it was made for, such as `registry.example.org/team`.
    pub name: String,
    /// A counter that only grows.
    pub version: u64,
    /// When it was made.
    pub made: Timestamp,
    /// Until when it may be taken.
    pub expires: Timestamp,
    /// The public keys (PEM) of which the next index needs signatures.
    pub keys: Vec<String>,
    /// How many of them.
    pub threshold: usize,
    /// Its modules.
    pub modules: Vec<Listed>,
}

/// A module in a catalogue, with what a search needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its repository below the catalogue's place.
    pub at: String,
    /// The digest of its published artifact.
    pub digest: String,
    /// One sentence.
    #[serde(default)]
    pub summary: String,
    /// Its group on the shelf.
    #[serde(default)]
    pub group: String,
    /// The interfaces it gives.
    #[serde(default)]
    pub offers: Vec<String>,
    /// The interfaces it needs.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Size of what is fetched, without its image, in bytes.
    #[serde(default)]
    pub size: u64,
    /// Whether one of the catalogue's keys signed the module itself as well.
    #[serde(default)]
    pub signed: bool,
    /// What it is given when it runs, in a few words each: disks, ports, logins.
    #[serde(default)]
    pub asks: Vec<String>,
}

/// Why an index is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// It is no index, or breaks a limit.
    Wrong(String),
    /// It was made for another place.
    Name(String),
    /// It may not be taken any more.
    Expired(Timestamp),
    /// It was made in what is the future here.
    Early(Timestamp),
    /// A newer one was seen before: the counter that is offered, and the one that was seen.
    Older(u64, u64),
    /// Another one with this counter was seen before.
    Changed(u64),
}

impl Flaw {
    /// A short code for who handles it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Wrong(_) => "catalogue/wrong",
            Self::Name(_) => "catalogue/name",
            Self::Expired(_) => "catalogue/expired",
            Self::Early(_) => "catalogue/early",
            Self::Older(..) => "catalogue/older",
            Self::Changed(_) => "catalogue/changed",
        }
    }
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wrong(why) => write!(out, "it is no index of a catalogue: {why}"),
            Self::Name(name) => write!(out, "it is the index of {name}"),
            Self::Expired(at) => write!(
                out,
                "it expired at {at}: its maker, or who answers for it, holds newer ones back"
            ),
            Self::Early(at) => write!(
                out,
                "it was made at {at}, which is not yet here: one of the clocks is wrong"
            ),
            Self::Older(offered, seen) => {
                write!(
                    out,
                    "it is number {offered}, and number {seen} was seen before: an old one was put back"
                )
            }
            Self::Changed(number) => {
                write!(out, "another index with the number {number} was seen before")
            }
        }
    }
}

impl Index {
    /// Reads a document.
    ///
    /// # Errors
    /// It is none, or has more of something than any catalogue needs.
    pub fn parse(bytes: &[u8]) -> Result<Self, Flaw> {
        let wrong = |why: &str| Flaw::Wrong(why.to_owned());
        if bytes.len() > MOST_BYTES {
            return Err(wrong("it is too long"));
        }
        let index: Self =
            serde_json::from_slice(bytes).map_err(|error| Flaw::Wrong(error.to_string()))?;
        if index.schema != SCHEMA {
            return Err(wrong("its schema is another one"));
        }
        if index.keys.is_empty() || index.keys.len() > MOST_KEYS {
            return Err(wrong("it has no keys, or too many"));
        }
        let different: BTreeSet<&String> = index.keys.iter().collect();
        if index.threshold == 0 || index.threshold > different.len() {
            return Err(wrong("its threshold is not between 1 and the number of its keys"));
        }
        if index.modules.len() > MOST_MODULES {
            return Err(wrong("it has too many modules"));
        }
        let mut seen = BTreeSet::new();
        for one in &index.modules {
            one.look()
                .map_err(|why| Flaw::Wrong(format!("module {:?}: {why}", shown(&one.name))))?;
            if !seen.insert((&one.name, &one.version)) {
                return Err(Flaw::Wrong(format!("{} {} is there twice", one.name, one.version)));
            }
        }
        Ok(index)
    }

    /// The document; the same index gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text.into_bytes()
    }

    /// Whether it may be taken from the place `name` at `now`, by who saw the index `seen` (its
    /// counter, and whether that is this very one) before.
    ///
    /// # Errors
    /// It is of another place, too old, too new, or not what was seen.
    pub fn judge(&self, name: &str, seen: Option<(u64, bool)>, now: Timestamp) -> Result<(), Flaw> {
        if self.name != name {
            return Err(Flaw::Name(shown(&self.name)));
        }
        match seen {
            Some((number, _)) if self.version < number => {
                return Err(Flaw::Older(self.version, number));
            }
            Some((number, false)) if self.version == number => return Err(Flaw::Changed(number)),
            _ => {}
        }
        if now >= self.expires {
            return Err(Flaw::Expired(self.expires));
        }
        if self.made > now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX) {
            return Err(Flaw::Early(self.made));
        }
        Ok(())
    }

    /// Its modules by name, the newest version of each first.
    pub fn newest_first(&self) -> Vec<&Listed> {
        let mut all: Vec<&Listed> = self.modules.iter().collect();
        all.sort_by(|a, b| {
            a.name.cmp(&b.name).then_with(|| version::order(&b.version, &a.version))
        });
        all
    }

    /// The versions of a module that are newer than this one, the newest first.
    pub fn newer(&self, name: &str, version: &str) -> Vec<&Listed> {
        let mut all = self.newest_first();
        all.retain(|one| one.name == name && version::order(&one.version, version).is_gt());
        all
    }

    /// The newest version of a module that keeps a limit such as `7`.
    pub fn find(&self, name: &str, wanted: Option<&str>) -> Option<&Listed> {
        let keeps = |one: &&Listed| {
            one.name == name
                && wanted.is_none_or(|wanted| version::keeps(&one.version, wanted) == Some(true))
        };
        let found = self.modules.iter().filter(keeps);
        found.max_by(|a, b| version::order(&a.version, &b.version))
    }
}

impl Listed {
    /// What a catalogue says of a published module; nobody signed it yet.
    pub fn of(module: &Module, at: &str, digest: &str, size: u64) -> Self {
        let shape = &module.shape;
        let card = module.card();
        let mut asks: Vec<String> = Vec::new();
        if shape.user.as_ref().is_some_and(|user| user.value == 0) {
            asks.push("to run as root".into());
        }
        asks.extend(shape.disks.iter().map(|disk| format!("a disk {}", disk.name.value)));
        asks.extend(shape.needs.iter().map(|need| format!("a wire to {}", need.interface.value)));
        for process in &shape.run {
            let paths = process.paths.iter();
            asks.extend(paths.map(|path| format!("the public path {}", path.value)));
        }
        let mut offers: Vec<String> = card.offers.into_iter().map(|one| one.interface).collect();
        offers.dedup();
        Self {
            name: module.name.clone(),
            version: module.version.clone(),
            at: at.to_owned(),
            digest: digest.to_owned(),
            summary: module.summary.clone(),
            group: module.group.clone(),
            offers,
            needs: card.needs.into_iter().map(|one| one.interface).collect(),
            size,
            signed: false,
            asks,
        }
    }

    fn look(&self) -> Result<(), &'static str> {
        let texts = [&self.name, &self.version, &self.at, &self.summary, &self.group];
        let lists = [&self.offers, &self.needs, &self.asks];
        let long = |text: &String| text.len() > MOST_TEXT || text.chars().any(char::is_control);
        if texts.into_iter().any(long) || lists.iter().any(|list| list.iter().any(long)) {
            return Err("a text is too long or no text for a person");
        }
        if lists.iter().any(|list| list.len() > 64) {
            return Err("it lists too much of itself");
        }
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fine = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(letter)
        };
        if !fine(&self.name) || self.name.len() > 30 {
            return Err("its name is none");
        }
        if version::keeps(&self.version, ">=0").is_none() {
            return Err("its version is none");
        }
        let part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part.chars().all(|c| letter(c) || c == '.' || c == '_')
        };
        if !self.at.split('/').all(part) {
            return Err("its place is none below the catalogue's");
        }
        let hex = self.digest.strip_prefix("sha256:").unwrap_or_default();
        let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if hex.len() != 64 || !hex.chars().all(digit) {
            return Err("its digest is none");
        }
        Ok(())
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(name: &str, version: &str) -> Listed {
        Listed {
            name: name.into(),
            version: version.into(),
            at: name.into(),
            digest: format!("sha256:{}", "a".repeat(64)),
            summary: "A store.".into(),
            group: String::new(),
            offers: vec!["redis/1".into()],
            needs: Vec::new(),
            size: 1,
            signed: true,
            asks: Vec::new(),
        }
    }

    fn index() -> Index {
        Index {
            schema: SCHEMA.into(),
            name: "r.example.org/team".into(),
            version: 7,
            made: "2026-06-01T00:00:00Z".parse().unwrap(),
            expires: "2026-09-01T00:00:00Z".parse().unwrap(),
            keys: vec!["a".into(), "b".into()],
            threshold: 2,
            modules: vec![
                listed("redis", "7.0.1"),
                listed("redis", "7.2.0"),
                listed("mail", "1.0"),
            ],
        }
    }

    #[test]
    fn an_index_is_read_as_it_was_written() {
        let index = index();
        assert_eq!(Index::parse(&index.to_bytes()).unwrap(), index);
        assert_eq!(index.find("redis", None).unwrap().version, "7.2.0");
        assert_eq!(index.find("redis", Some("7.0")).unwrap().version, "7.0.1");
        assert!(index.find("redis", Some("8")).is_none());
        assert!(index.find("redi", None).is_none());
        let newer = |version| index.newer("redis", version).first().map(|one| &*one.version);
        assert_eq!((newer("7.0.1"), newer("7.2.0")), (Some("7.2.0"), None));
    }

    #[test]
    fn a_clock_that_is_a_year_off_is_noticed() {
        let index = index();
        let judge = |now: &str| index.judge(&index.name, None, now.parse().unwrap());
        assert_eq!(judge("2026-07-01T00:00:00Z"), Ok(()));
        assert_eq!(judge("2026-05-31T12:00:00Z"), Ok(()));
        assert_eq!(judge("2027-07-01T00:00:00Z").unwrap_err().code(), "catalogue/expired");
        assert_eq!(judge("2025-07-01T00:00:00Z").unwrap_err().code(), "catalogue/early");
        assert_eq!(judge("2026-09-01T00:00:00Z").unwrap_err().code(), "catalogue/expired");
        let end = index.judge(&index.name, None, Timestamp::MAX);
        assert_eq!(end.unwrap_err().code(), "catalogue/expired");
    }

    #[test]
    fn an_old_one_another_one_and_one_of_elsewhere_are_refused() {
        let index = index();
        let now = "2026-07-01T00:00:00Z".parse().unwrap();
        let judge = |name: &str, seen| index.judge(name, seen, now).map_err(|flaw| flaw.code());
        assert_eq!(judge("r.example.org/team", Some((7, true))), Ok(()));
        assert_eq!(judge("r.example.org/team", Some((6, false))), Ok(()));
        assert_eq!(judge("r.example.org/team", Some((7, false))), Err("catalogue/changed"));
        assert_eq!(judge("r.example.org/team", Some((8, false))), Err("catalogue/older"));
        assert_eq!(judge("r.example.org/other", None), Err("catalogue/name"));
    }

    #[test]
    fn what_no_catalogue_needs_is_refused() {
        let refused = |change: &dyn Fn(&mut Index)| {
            let mut index = index();
            change(&mut index);
            Index::parse(&index.to_bytes()).unwrap_err().to_string()
        };
        assert!(refused(&|one| one.threshold = 3).contains("threshold"));
        assert!(refused(&|one| one.keys[1] = "a".into()).contains("threshold"));
        assert!(refused(&|one| one.threshold = 0).contains("threshold"));
        assert!(refused(&|one| one.schema = "else/1".into()).contains("schema"));
        assert!(refused(&|one| one.modules.push(listed("mail", "1.0"))).contains("twice"));
        for at in ["../up", "/root", "", "a//b", "a/../b", "host:5000/x", "A"] {
            assert!(refused(&|one| one.modules[0].at = at.into()).contains("place"), "{at}");
        }
        assert!(refused(&|one| one.modules[0].digest = "sha256:0".into()).contains("digest"));
        assert!(refused(&|one| one.modules[0].name = "a\u{1b}[31m".into()).contains("text"));
        assert!(refused(&|one| one.modules[0].version = "new".into()).contains("version"));
        let many = |one: &mut Index| {
            one.modules = (0..=MOST_MODULES).map(|at| listed("a", &at.to_string())).collect();
        };
        assert!(refused(&many).contains("too many modules"));
        assert!(Index::parse(&vec![b' '; MOST_BYTES + 1]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_index_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Index::parse(&bytes).is_err());
        }
    }
}
