//! What can go wrong with a verb, and how it is told: what was tried, why not, what next.
//! How each is told
//! is in `error/told.rs`. Where next: `failure.rs`, which finds out why a copy does not come up.

mod told;

use std::path::PathBuf;

use composer::Diagnostic;

pub use told::{ErrorReport, diagnostics_value};

/// Why a verb did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the app could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of the app could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An edit was made for a text that is not there any more.
    #[error("{what}")]
    Stale {
        /// What was to be changed, and how it stands now.
        what: String,
    },
    /// There is nothing that this person could undo or redo.
    #[error("there is nothing to {verb} for {by}")]
    NoHistory {
        /// `undo` or `redo`.
        verb: &'static str,
        /// The person.
        by: String,
    },
    /// The app is wrong; every reason is listed.
    #[error("{}", summary(.0))]
    Wrong(Vec<Diagnostic>),
    /// A block's source folder is missing, or has no Dockerfile.
    #[error("block {block} cannot be built: {reason}")]
    Source {
        /// The block.
        block: String,
        /// What is missing.
        reason: String,
    },
    /// There is no such app on the target.
    #[error("there is no app {0} here")]
    Absent(String),
    /// An app of this name is there already.
    #[error("there is an app {app} already, in {dir}")]
    Taken {
        /// The name.
        app: String,
        /// Its folder.
        dir: PathBuf,
    },
    /// A secret that a person has to give was not given.
    #[error("{block} wants the secret {name}, and nobody gave it")]
    NotGiven {
        /// The block.
        block: String,
        /// The secret.
        name: String,
    },
    /// Something was asked for that cannot be.
    #[error("{message}")]
    Unfit {
        /// The stable code.
        code: &'static str,
        /// What cannot be, and why not.
        message: String,
    },
    /// An image could not be built.
    #[error("cannot build {block}")]
    Build {
        /// The block, or the name of the image.
        block: String,
        /// Why.
        #[source]
        source: Box<build::Error>,
        /// The last lines that the failing step printed.
        lines: Vec<String>,
    },
    /// The image store refused something.
    #[error("image store: {what}")]
    Image {
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: image::Error,
    },
    /// The Kubernetes API refused something or could not be reached.
    #[error("cannot {what}")]
    Api {
        /// What was tried on which object.
        what: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// Watching the app's objects failed.
    #[error("cannot watch the objects of {app}")]
    Watch {
        /// The app.
        app: String,
        /// Why.
        #[source]
        source: Box<kube::runtime::watcher::Error>,
    },
    /// A copy of a block does not stay up, or cannot be started at all.
    #[error("{block} {what}")]
    Start {
        /// The block.
        block: String,
        /// What happened to which pod.
        what: String,
        /// The last lines it printed.
        lines: Vec<String>,
        /// Where an older version still answers, if one does.
        still_at: Option<String>,
    },
    /// A step before the start failed.
    #[error("the step {step} of {block} failed; no new copy was started")]
    Step {
        /// The block.
        block: String,
        /// The step.
        step: String,
        /// The last lines it printed.
        lines: Vec<String>,
    },
    /// The login of a wire could not be made.
    #[error("{provider} could not make a login for {wire}")]
    Grant {
        /// `consumer.socket`.
        wire: String,
        /// The block that gives.
        provider: String,
        /// The last lines its program printed.
        lines: Vec<String>,
    },
    /// A password that was born with a disk is gone, and the disk is not.
    #[error("the secret {secret} is gone, but the disk it was made for is there: {disk}")]
    Lost {
        /// The Secret.
        secret: String,
        /// The disk.
        disk: String,
    },
    /// The Secret that a service from outside is known by is not there, or lacks values.
    #[error("the secret {secret} of a service from outside lacks {}", keys.join(", "))]
    Outside {
        /// The app, whose namespace the Secret must be in.
        app: String,
        /// The Secret.
        secret: String,
        /// The keys it lacks.
        keys: Vec<String>,
    },
    /// Something was not ready in time; it goes on starting.
    #[error("not ready after {seconds} s: {waiting}")]
    Timeout {
        /// How long was waited.
        seconds: u64,
        /// What is missing.
        waiting: String,
        /// The last lines of what is missing.
        lines: Vec<String>,
    },
    /// The copies are ready, but nothing answers at the app's address.
    #[error("{app} is up, but nothing answers at {address}: {why}")]
    Address {
        /// The app.
        app: String,
        /// Where it should answer.
        address: String,
        /// What came instead.
        why: String,
    },
    /// There is no release to return to.
    #[error("{app} has no release {wanted}")]
    NoRelease {
        /// The app.
        app: String,
        /// What was asked for.
        wanted: String,
        /// The releases there are, the newest first.
        known: Vec<String>,
    },
    /// The image of an earlier release is no longer in the store.
    #[error("the image of {block} in release {release} is gone from the store")]
    ImageGone {
        /// The block.
        block: String,
        /// The release.
        release: String,
    },
    /// What was sent is no source folder.
    #[error("the code that was sent cannot be taken: {reason}")]
    Code {
        /// What is wrong with it.
        reason: String,
        /// Why, if the stream or the disk said so.
        #[source]
        source: Option<std::io::Error>,
    },
    /// What was pushed did not become ready, and the app is what it was before.
    #[error("{cause}; went back to release {release}")]
    WentBack {
        /// Why it did not become ready.
        cause: Box<Error>,
        /// The release that runs again.
        release: String,
        /// When that was complete, RFC 3339.
        at: String,
    },
    /// What was pushed did not become ready, and the release before did not either.
    #[error("{cause}; and release {release} could not be brought back: {back}")]
    Stuck {
        /// Why it did not become ready.
        cause: Box<Error>,
        /// Why the one before could not be brought back.
        back: Box<Error>,
        /// The release that was to run again.
        release: String,
    },
    /// A shell in a copy could not be used.
    #[error("cannot {what} a shell in {block}")]
    Shell {
        /// The block.
        block: String,
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: Box<pod::Error>,
    },
    /// A file of ours could not be read or written.
    #[error("cannot {what}")]
    File {
        /// What was tried.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A program that says or takes a block's data failed.
    #[error("{verb} of {block} failed: {why}")]
    Program {
        /// The block.
        block: String,
        /// `backup`, `restore`, `measure` or `mount`.
        verb: &'static str,
        /// How it failed.
        why: String,
        /// The last lines it printed.
        lines: Vec<String>,
    },
    /// A backup cannot be used.
    #[error("the backup {name} cannot be used; nothing was changed")]
    Backup {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: crate::data::Damage,
    },
    /// Something about data that is refused before anything is changed.
    #[error("{message}")]
    Data {
        /// A stable code.
        code: &'static str,
        /// What, and why not.
        message: String,
        /// What next.
        hint: Option<String>,
    },
    /// A restore failed after it had begun; what was there before is kept.
    #[error("{cause}; {app} is half restored")]
    Half {
        /// What failed.
        cause: Box<Error>,
        /// The app.
        app: String,
        /// The backup of what was there.
        kept: String,
    },
    /// A task of ours ended badly; this is a bug.
    #[error("a task of {what} ended badly")]
    Task {
        /// What it did.
        what: String,
        /// How it ended.
        #[source]
        source: tokio::task::JoinError,
    },
}

fn summary(diagnostics: &[Diagnostic]) -> String {
    match diagnostics {
        [] => "the app is wrong".to_owned(),
        [one] => one.message.clone(),
        [first, rest @ ..] => format!("{}, and {} more", first.message, rest.len()),
    }
}
