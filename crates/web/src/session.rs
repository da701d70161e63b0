//! Who may use the canvas: one-time tokens, and the sessions that they open.
//!
//! Only who reaches the unix socket makes a token, so the owner can always make another. A token
//! opens one session; the session's cookie is 256 random bits, and the disk keeps its hash only
//! (`<data>/canvas/sessions.json`, mode 0600), so that sessions outlive the server and a copy of
//! the file opens nothing. Where next: `guard.rs`, which asks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fs_err as fs;
use jiff::Timestamp;
use rand::TryRngCore as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::person::Person;

/// Sessions kept; the one unused for longest makes room.
const MOST_SESSIONS: usize = 64;
/// Tokens that wait for their use.
const MOST_TOKENS: usize = 32;
/// A session ends when it was not used for so long.
const IDLE_SECONDS: i64 = 7 * 24 * 3600;
/// A session ends after so long in any case.
pub(crate) const LIFE_SECONDS: i64 = 30 * 24 * 3600;
/// So long after it was let in, a browser may do what [`crate::guard::wants_fresh`] names.
const FRESH_SECONDS: i64 = 12 * 3600;
/// How long a token waits for its use.
const TOKEN_SECONDS: i64 = 24 * 3600;
/// Use is written down no more often than this.
const USE_SECONDS: i64 = 600;
/// Wrong tokens answered within a minute before the rest are turned away unread.
const GUESSES: usize = 10;

/// The sessions of one server.
#[derive(Debug)]
pub(crate) struct Sessions {
    path: PathBuf,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    /// By the hash of their cookie.
    sessions: BTreeMap<String, Session>,
    /// By the hash of the token: whose, and until when.
    tokens: BTreeMap<String, (Person, i64)>,
    /// When wrong tokens came, within the last minute.
    guesses: Vec<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Session {
    person: Person,
    made_at: i64,
    used_at: i64,
}

/// Whose session a cookie belongs to.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) person: Person,
    /// A name of the session that is no secret.
    pub(crate) name: String,
    /// Whether it was opened not long ago.
    pub(crate) fresh: bool,
}

/// Why a token opened nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no such token, or it was used.
    Unknown,
    /// Too many wrong ones came.
    TooMany,
}

impl Sessions {
    /// Reads the sessions that earlier servers left in `dir`.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("sessions.json");
        fs::create_dir_all(dir).map_err(|source| Error::Disk { path: dir.into(), source })?;
        let mut inside = Inside::default();
        match fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(sessions) => inside.sessions = sessions,
                // Nobody is locked out: the socket makes new ones.
                Err(error) => tracing::warn!(%error, path = %path.display(),
                    "the canvas's sessions cannot be read; all must be opened again"),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::Disk { path, source }),
        }
        inside.sessions.retain(|_, session| session.lives(now()));
        Ok(Self { path, inside: Mutex::new(inside) })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // Every change is one insert or remove, so a panic elsewhere cannot have broken it.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token that opens one session for `person`.
    pub(crate) fn invite(&self, person: Person) -> Result<String, Error> {
        let token = secret()?;
        let mut inside = self.inside();
        let now = now();
        inside.tokens.retain(|_, (_, until)| *until > now);
        while inside.tokens.len() >= MOST_TOKENS {
            let first = inside.tokens.iter().min_by_key(|(_, (_, until))| *until);
            let Some(hash) = first.map(|(hash, _)| hash.clone()) else { break };
            inside.tokens.remove(&hash);
        }
        inside.tokens.insert(hash(&token), (person, now + TOKEN_SECONDS));
        Ok(token)
    }

    /// Uses a token up and opens its session; the cookie's value. A right token is taken even
    /// while wrong ones pour in: nobody shuts the owner out by guessing.
    pub(crate) fn redeem(&self, token: &str) -> Result<Result<String, Refused>, Error> {
        let mut inside = self.inside();
        let now = now();
        let found = inside.tokens.remove(&hash(token)).filter(|(_, until)| *until > now);
        let Some((person, _)) = found else {
            inside.guesses.retain(|at| *at > now - 60);
            if inside.guesses.len() >= GUESSES {
                return Ok(Err(Refused::TooMany));
            }
            inside.guesses.push(now);
            return Ok(Err(Refused::Unknown));
        };
        let cookie = secret()?;
        while inside.sessions.len() >= MOST_SESSIONS {
            let idle = inside.sessions.iter().min_by_key(|(_, session)| session.used_at);
            let Some(hash) = idle.map(|(hash, _)| hash.clone()) else { break };
            inside.sessions.remove(&hash);
        }
        inside.sessions.insert(hash(&cookie), Session { person, made_at: now, used_at: now });
        self.write(&inside)?;
        Ok(Ok(cookie))
    }

    /// Whose session a cookie belongs to.
    pub(crate) fn who(&self, cookie: &str) -> Option<Admitted> {
        let mut inside = self.inside();
        let (hash, now) = (hash(cookie), now());
        let session = inside.sessions.get_mut(&hash).filter(|session| session.lives(now))?;
        let (person, fresh) = (session.person.clone(), session.is_fresh(now));
        if now - session.used_at > USE_SECONDS {
            session.used_at = now;
            // The session lives on in memory; after a restart it is a little older than it was.
            if let Err(error) = self.write(&inside) {
                tracing::warn!(%error, "the use of a session was not written down");
            }
        }
        Some(Admitted { person, name: name_of(&hash), fresh })
    }

    /// The sessions that live: a name that is no secret, whose, when made and last used (RFC 3339).
    pub(crate) fn list(&self) -> Vec<(String, Person, String, String)> {
        let now = now();
        let at = |seconds| Timestamp::from_second(seconds).unwrap_or_default().to_string();
        let inside = self.inside();
        let lives = inside.sessions.iter().filter(|(_, session)| session.lives(now));
        let mut all: Vec<_> = lives.collect();
        all.sort_by_key(|(_, session)| std::cmp::Reverse(session.used_at));
        all.into_iter()
            .map(|(hash, it)| (name_of(hash), it.person.clone(), at(it.made_at), at(it.used_at)))
            .collect()
    }

    /// Ends the session of this name; false if there is none.
    pub(crate) fn end_named(&self, name: &str) -> Result<bool, Error> {
        let mut inside = self.inside();
        let before = inside.sessions.len();
        inside.sessions.retain(|hash, _| name_of(hash) != name);
        let ended = inside.sessions.len() < before;
        if ended {
            self.write(&inside)?;
        }
        Ok(ended)
    }

    /// Ends a session.
    pub(crate) fn end(&self, cookie: &str) -> Result<(), Error> {
        let mut inside = self.inside();
        inside.sessions.remove(&hash(cookie));
        self.write(&inside)
    }

    fn write(&self, inside: &Inside) -> Result<(), Error> {
        let bytes = serde_json::to_vec(&inside.sessions).unwrap_or_default();
        apps::write_private(&self.path, &bytes)
            .map_err(|source| Error::Disk { path: self.path.clone(), source })
    }
}

impl Session {
    fn lives(&self, now: i64) -> bool {
        now - self.used_at < IDLE_SECONDS && now - self.made_at < LIFE_SECONDS
    }

    fn is_fresh(&self, now: i64) -> bool {
        now - self.made_at < FRESH_SECONDS
    }
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

/// 256 random bits as text.
pub(crate) fn secret() -> Result<String, Error> {
    let mut bytes = [0_u8; 32];
    rand::rngs::OsRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| Error::Random(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A session's name for people and logs: too little of the hash to be looked for.
fn name_of(hash: &str) -> String {
    hash.chars().take(16).collect()
}

/// What is kept of a secret. It has 256 bits of its own, so a plain hash cannot be searched.
fn hash(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Person {
        Person::named("Ana Maria")
    }

    #[test]
    fn a_token_opens_one_session_and_the_session_outlives_the_server() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(dir.path()).unwrap();
        let token = sessions.invite(person()).unwrap();
        let cookie = sessions.redeem(&token).unwrap().unwrap();
        assert_eq!(sessions.redeem(&token).unwrap(), Err(Refused::Unknown), "used twice");
        assert_eq!(sessions.who(&cookie).unwrap().person, person());
        assert!(sessions.who(&token).is_none(), "a token is no cookie");

        let text = fs::read_to_string(dir.path().join("sessions.json")).unwrap();
        assert!(!text.contains(&cookie), "the disk keeps hashes only");
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(dir.path().join("sessions.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let again = Sessions::open(dir.path()).unwrap();
        assert_eq!(again.who(&cookie).unwrap().person, person());
        again.end(&cookie).unwrap();
        assert!(again.who(&cookie).is_none());
        assert!(again.list().is_empty());
        assert!(Sessions::open(dir.path()).unwrap().who(&cookie).is_none());
    }

    #[test]
    fn one_of_several_sessions_is_ended_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(dir.path()).unwrap();
        let open = || {
            let token = sessions.invite(person()).unwrap();
            sessions.redeem(&token).unwrap().unwrap()
        };
        let (one, other) = (open(), open());
        assert_eq!(sessions.list().len(), 2);
        let name = sessions.who(&one).unwrap().name;
        assert!(sessions.list().iter().any(|session| session.0 == name));
        assert!(sessions.end_named(&name).unwrap());
        assert!(!sessions.end_named(&name).unwrap() && !sessions.end_named("").unwrap());
        assert!(sessions.who(&one).is_none() && sessions.who(&other).is_some());
    }

    #[test]
    fn guesses_are_slowed_down_and_the_owner_still_gets_in() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(dir.path()).unwrap();
        let token = sessions.invite(person()).unwrap();
        for _ in 0..GUESSES {
            assert_eq!(sessions.redeem("guess").unwrap(), Err(Refused::Unknown));
        }
        assert_eq!(sessions.redeem("guess").unwrap(), Err(Refused::TooMany));
        assert!(sessions.redeem(&token).unwrap().is_ok());
    }

    #[test]
    fn sessions_and_tokens_have_a_limit_and_an_end() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(dir.path()).unwrap();
        let first = sessions.invite(person()).unwrap();
        let first = sessions.redeem(&first).unwrap().unwrap();
        for _ in 0..MOST_SESSIONS {
            let token = sessions.invite(person()).unwrap();
            sessions.redeem(&token).unwrap().unwrap();
        }
        assert!(sessions.inside().sessions.len() == MOST_SESSIONS);
        let _ = first;
        let now = now();
        let used = |ago: i64, made: i64| Session {
            person: person(),
            made_at: now - made,
            used_at: now - ago,
        };
        assert!(used(0, 0).lives(now) && used(0, 0).is_fresh(now));
        assert!(used(0, FRESH_SECONDS).lives(now) && !used(0, FRESH_SECONDS).is_fresh(now));
        assert!(!used(IDLE_SECONDS, IDLE_SECONDS).lives(now));
        assert!(!used(0, LIFE_SECONDS).lives(now), "also one that is used every day");
        for _ in 0..MOST_TOKENS + 5 {
            sessions.invite(person()).unwrap();
        }
        assert_eq!(sessions.inside().tokens.len(), MOST_TOKENS);
    }

    #[test]
    fn a_broken_file_locks_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("sessions.json"), b"{").unwrap();
        let sessions = Sessions::open(dir.path()).unwrap();
        let token = sessions.invite(person()).unwrap();
        assert!(sessions.redeem(&token).unwrap().is_ok());
    }
}
