//! The file: its format, the checks at open, and the statements of the writer.
//!
//! One table of changes, keyed by revision, holds both the state and the recent history; see
//! `docs/formats/store.md`. Playing it back in order gives `memory.rs` its content.

use crate::error::Error;
use crate::memory::{Entry, Event, EventKind, Memory};
use bytes::Bytes;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// "shlf": tells our files from other SQLite databases (`PRAGMA application_id`).
const APPLICATION_ID: i64 = 0x7368_6c66;
/// The format's number (`PRAGMA user_version`); see `docs/formats/store.md`.
const FORMAT: i64 = 1;
/// Name of the database inside the store's directory.
const FILE_NAME: &str = "store.sqlite";
/// Name of the file whose lock says the store is in use.
const LOCK_NAME: &str = "store.lock";

/// The open database; the writer owns it.
pub(crate) struct File {
    connection: Connection,
    path: PathBuf,
    on_disk: bool,
    /// Held until the process ends or the store is dropped.
    _lock: Option<std::fs::File>,
}

impl File {
    /// Opens or makes the store in `directory`, and reads it whole.
    pub(crate) fn open(directory: &Path) -> Result<(Self, Memory), Error> {
        std::fs::create_dir_all(directory).map_err(|source| Error::Io {
            operation: "create directory",
            path: directory.to_owned(),
            source: Arc::new(source),
        })?;
        let lock = lock(&directory.join(LOCK_NAME))?;
        let path = directory.join(FILE_NAME);
        restrict(&path)?;
        let connection = Connection::open(&path).map_err(sqlite("open", &path))?;
        let file = Self { connection, path, on_disk: true, _lock: Some(lock) };
        let memory = file.prepare()?;
        Ok((file, memory))
    }

    pub(crate) fn in_memory() -> Result<(Self, Memory), Error> {
        let path = PathBuf::from(":memory:");
        let connection = Connection::open_in_memory().map_err(sqlite("open", &path))?;
        let file = Self { connection, path, on_disk: false, _lock: None };
        let memory = file.prepare()?;
        Ok((file, memory))
    }

    /// The database's path, when it is a file.
    pub(crate) fn on_disk(&self) -> Option<&Path> {
        self.on_disk.then_some(self.path.as_path())
    }

    fn prepare(&self) -> Result<Memory, Error> {
        self.check_format()?;
        self.run(
            "set up",
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = 0;
             PRAGMA journal_size_limit = 67108864;",
        )?;
        // The checkpoint connection may hold the log for a moment.
        self.connection
            .busy_timeout(Duration::from_secs(30))
            .map_err(sqlite("set up", &self.path))?;
        self.check_pages()?;
        self.load()
    }

    fn check_format(&self) -> Result<(), Error> {
        let application = self.pragma("application_id")?;
        let format = self.pragma("user_version")?;
        let tables: i64 = self
            .connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(sqlite("read", &self.path))?;
        if (application, format, tables) == (0, 0, 0) {
            return self.run(
                "create",
                &format!(
                    "PRAGMA page_size = 4096;
                     BEGIN;
                     CREATE TABLE change (
                         revision INTEGER PRIMARY KEY,
                         key TEXT NOT NULL,
                         create_revision INTEGER NOT NULL,
                         value BLOB,
                         checksum INTEGER NOT NULL
                     ) STRICT;
                     CREATE TABLE setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
                     INSERT INTO setting VALUES ('compacted', 0);
                     PRAGMA application_id = {APPLICATION_ID};
                     PRAGMA user_version = {FORMAT};
                     COMMIT;"
                ),
            );
        }
        if application != APPLICATION_ID {
            return Err(Error::Foreign { path: self.path.clone() });
        }
        if format != FORMAT {
            return Err(Error::NewerFormat {
                path: self.path.clone(),
                found: format,
                known: FORMAT,
            });
        }
        Ok(())
    }

    fn check_pages(&self) -> Result<(), Error> {
        let found: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(sqlite("check", &self.path))?;
        if found != "ok" {
            return Err(self.damaged(found));
        }
        Ok(())
    }

    fn load(&self) -> Result<Memory, Error> {
        let compacted: Option<i64> = self
            .connection
            .query_row("SELECT value FROM setting WHERE name = 'compacted'", [], |row| row.get(0))
            .optional()
            .map_err(sqlite("read", &self.path))?;
        let compacted =
            compacted.ok_or_else(|| self.damaged("no compacted revision".into()))?.cast_unsigned();
        let mut memory = Memory::new(compacted);
        let mut statement = self
            .connection
            .prepare(
                "SELECT revision, key, create_revision, value, checksum FROM change ORDER BY 1",
            )
            .map_err(sqlite("read", &self.path))?;
        let mut rows = statement.query([]).map_err(sqlite("read", &self.path))?;
        while let Some(row) = rows.next().map_err(sqlite("read", &self.path))? {
            let event = self.event(row, &memory)?;
            if event.revision > compacted {
                if event.revision != memory.revision() + 1 {
                    let expected = memory.revision() + 1;
                    return Err(self.damaged(format!("revision {expected} is missing")));
                }
                memory.publish(event);
            } else if event.kind == EventKind::Put {
                memory.restore(Entry {
                    key: event.key,
                    value: event.value,
                    create_revision: event.create_revision,
                    mod_revision: event.revision,
                });
            }
        }
        Ok(memory)
    }

    fn event(&self, row: &rusqlite::Row<'_>, memory: &Memory) -> Result<Event, Error> {
        let read = sqlite("read", &self.path);
        let (revision, key, create_revision, value, sum) = (|| {
            Ok::<_, rusqlite::Error>((
                row.get::<_, i64>(0)?.cast_unsigned(),
                row.get::<_, String>(1)?,
                row.get::<_, i64>(2)?.cast_unsigned(),
                row.get::<_, Option<Vec<u8>>>(3)?,
                row.get::<_, i64>(4)?,
            ))
        })()
        .map_err(read)?;
        if sum != checksum(revision, &key, create_revision, value.as_deref()) {
            return Err(self.damaged(format!("the checksum of revision {revision} does not match")));
        }
        let kind = if value.is_some() { EventKind::Put } else { EventKind::Delete };
        let prev = memory.get(&key);
        let value = value.map(Bytes::from).unwrap_or_default();
        Ok(Event { kind, key: key.into(), value, create_revision, prev, revision })
    }

    /// Writes the events and forgets the surplus of the history, all or nothing, durably.
    pub(crate) fn commit(
        &self,
        events: &[Event],
        forgotten: &[Arc<Event>],
    ) -> rusqlite::Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO change VALUES (?1, ?2, ?3, ?4, ?5)")?;
            for event in events {
                let value = (event.kind == EventKind::Put).then_some(&*event.value);
                let sum = checksum(event.revision, &event.key, event.create_revision, value);
                insert.execute(params![
                    event.revision.cast_signed(),
                    &*event.key,
                    event.create_revision.cast_signed(),
                    value,
                    sum
                ])?;
            }
            let mut delete =
                transaction.prepare_cached("DELETE FROM change WHERE revision = ?1")?;
            let mut compacted = None;
            for event in forgotten {
                compacted = Some(event.revision);
                if let Some(prev) = &event.prev {
                    delete.execute([prev.mod_revision.cast_signed()])?;
                }
                if event.kind == EventKind::Delete {
                    delete.execute([event.revision.cast_signed()])?;
                }
            }
            if let Some(revision) = compacted {
                transaction
                    .prepare_cached("UPDATE setting SET value = ?1 WHERE name = 'compacted'")?
                    .execute([revision.cast_signed()])?;
            }
        }
        transaction.commit()
    }

    /// The error callers see, and whether the store must stop for good.
    pub(crate) fn failure(&self, error: &rusqlite::Error) -> (Error, bool) {
        // A full disk is noticed before anything is in the log: SQLite rolled back, we may go on.
        // Everything else leaves us not knowing what is on disk (a failed fsync most of all).
        if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
            return (Error::Full { path: self.path.clone() }, false);
        }
        let reason = error.to_string().into();
        (Error::Stopped { path: self.path.clone(), reason }, true)
    }

    fn pragma(&self, name: &str) -> Result<i64, Error> {
        let result = self.connection.pragma_query_value(None, name, |row| row.get(0));
        match result {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
                Err(Error::Foreign { path: self.path.clone() })
            }
            other => other.map_err(sqlite("read", &self.path)),
        }
    }

    fn run(&self, operation: &'static str, statements: &str) -> Result<(), Error> {
        self.connection.execute_batch(statements).map_err(sqlite(operation, &self.path))
    }

    fn damaged(&self, what: String) -> Error {
        Error::Damaged { path: self.path.clone(), what }
    }
}

fn sqlite<'a>(
    operation: &'static str,
    path: &'a Path,
) -> impl Fn(rusqlite::Error) -> Error + use<'a> {
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => {
            Error::Damaged { path: path.to_owned(), what: source.to_string() }
        }
        Some(ErrorCode::NotADatabase) => Error::Foreign { path: path.to_owned() },
        _ => Error::Sqlite { operation, path: path.to_owned(), source: Arc::new(source) },
    }
}

/// Makes the database file readable for its owner only: it holds Secrets.
fn restrict(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop).map_err(
        |source| Error::Io { operation: "open", path: path.to_owned(), source: Arc::new(source) },
    )
}

/// How long a lock may still be held by who is ending: a store that was just dropped, or a process
/// that a server began as it died and that has not closed what it inherited yet.
const ENDING: Duration = Duration::from_millis(500);

fn lock(path: &Path) -> Result<std::fs::File, Error> {
    let io = |operation| {
        move |source| Error::Io { operation, path: path.to_owned(), source: Arc::new(source) }
    };
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(io("open lock"))?;
    let end = std::time::Instant::now() + ENDING;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) if std::time::Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(Error::InUse { path: path.to_owned() });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(io("lock")(source)),
        }
    }
}

/// FNV-1a, 64 bits: finds a flipped bit that SQLite's own page checks cannot see.
fn checksum(revision: u64, key: &str, create_revision: u64, value: Option<&[u8]>) -> i64 {
    let parts: [&[u8]; 5] = [
        &revision.to_le_bytes(),
        &create_revision.to_le_bytes(),
        key.as_bytes(),
        &[u8::from(value.is_some())],
        value.unwrap_or_default(),
    ];
    let mut sum: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in parts.into_iter().flatten() {
        sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    sum.cast_signed()
}
