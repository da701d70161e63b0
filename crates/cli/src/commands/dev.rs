//! `shelf dev`: push on every save, with the logs below. Ctrl-C leaves the app as it was last good.
//!
//! The folder is looked at again and again rather than watched: that works on every file system,
//! and what is compared is exactly what would be sent.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use serde_json::json;

use super::{Outcome, app_status, go, logs, push::Sending, say};
use crate::arguments::{Dev, Logs};
use crate::error::{Code, Failure};
use crate::settings::Global;
use crate::source::Source;

/// How often the folder is looked at.
const EVERY: Duration = Duration::from_millis(300);

/// Pushes, then pushes again whenever a file was saved, until interrupted.
pub(crate) async fn dev(global: &Global, options: &Dev) -> Outcome {
    let sending = Sending::of(global, options.block.as_deref())?;
    let mut good = app_status(global).await.ok().and_then(|status| status.release);
    let mut working = Working { global, options, operation: AtomicU64::new(0), sent: None };
    let end = tokio::select! {
        end = working.rounds(&mut good) => end,
        _ = tokio::signal::ctrl_c() => Ok(ExitCode::SUCCESS),
    };
    let operation = working.operation.load(Ordering::Relaxed);
    if operation == 0 {
        return end;
    }
    // In the middle of a push: what it began is taken back.
    let client = global.client();
    let path = format!("/v1/operations/{operation}/cancel");
    let running = client.json(Method::POST, &path, None).await.is_ok();
    if let Some(good) = good.filter(|_| running) {
        eprintln!("the push under way is given up");
        let body = json!({"app": sending.app, "to": good});
        go::verb(global, "back", &body).await?;
        say(&format!("{} is at release {good}, as it was last good", sending.app))?;
    }
    end
}

struct Working<'a> {
    global: &'a Global,
    options: &'a Dev,
    /// The push under way in the server; 0 if there is none.
    operation: AtomicU64,
    sent: Option<Source>,
}

impl Working<'_> {
    async fn rounds(&mut self, good: &mut Option<String>) -> Outcome {
        self.round(good).await?;
        let follow = Logs {
            block: None,
            follow: true,
            tail: 10,
            since: None,
            timestamps: false,
            previous: false,
        };
        let global = self.global;
        let below = async {
            loop {
                if logs::logs(global, &follow).await.is_err() {
                    // No copy yet, or none any more: there will be one.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        };
        let pushing = async {
            loop {
                self.saved().await?;
                self.round(good).await?;
            }
        };
        tokio::select! {
            end = pushing => end,
            () = below => Ok(ExitCode::SUCCESS),
        }
    }

    /// Waits until something was saved, and then until nothing more is.
    async fn saved(&self) -> Result<(), Failure> {
        let mut before = None;
        loop {
            tokio::time::sleep(EVERY).await;
            // A folder in the middle of a change may not be readable as a whole.
            let Ok(now) = self.look() else { continue };
            let new = self.sent.as_ref().is_none_or(|sent| now.differs(sent));
            let still = before.as_ref().is_some_and(|before| !now.differs(before));
            if new && still {
                return Ok(());
            }
            before = Some(now);
        }
    }

    fn look(&self) -> Result<Source, Failure> {
        Sending::of(self.global, self.options.block.as_deref())?.look()
    }

    /// One push. What goes wrong with it is said, and the next save is waited for; only a server
    /// that is gone ends the command.
    async fn round(&mut self, good: &mut Option<String>) -> Result<(), Failure> {
        let sending = Sending::of(self.global, self.options.block.as_deref());
        let sent = match sending {
            Err(failure) => Err(failure),
            Ok(sending) => match sending.look() {
                Err(failure) => Err(failure),
                Ok(source) => {
                    say(&source.line())?;
                    self.sent = Some(sending.look()?);
                    let timeout = self.options.timeout;
                    let sent = sending.send(self.global, source, timeout, &self.operation).await;
                    self.operation.store(0, Ordering::Relaxed);
                    sent
                }
            },
        };
        match sent {
            Ok(report) => {
                *good = Some(report.release.clone());
                go::print(self.global, &report, "shelf/push/1")?;
                Ok(())
            }
            Err(failure) if failure.code == Code::Unreachable => Err(failure),
            Err(failure) => {
                if self.sent.is_none() {
                    self.sent = self.look().ok();
                }
                failure.print(self.global.json);
                eprintln!("waiting for the next save");
                Ok(())
            }
        }
    }
}
