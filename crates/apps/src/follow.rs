//! Following an app: its status, said again whenever it changes, until nobody listens.
//! Where next: `status.rs`, which reads it.

use std::time::Duration;

use crate::event::BlockState;
use crate::observe::Observer;
use crate::report::StatusReport;
use crate::{Error, Result, Target, status};

/// Changes within this time are said together: one pod's start is a dozen of them.
const TOGETHER: Duration = Duration::from_millis(100);

/// Says the app's status now and after each change. Ends only with an error; drop it to end it.
///
/// # Errors
/// The target does not let the app be watched, or does not answer.
pub async fn follow(
    target: &Target,
    app: &str,
    tell: impl Fn(&StatusReport) + Send,
) -> Result<std::convert::Infallible> {
    let mut observer = Observer::start(target, app).await?;
    let mut told: Option<StatusReport> = None;
    loop {
        let now = match status(target, app).await {
            Ok(now) => now,
            Err(Error::Absent(app)) => draft(&app),
            Err(error) => return Err(error),
        };
        if told.as_ref() != Some(&now) {
            tell(&now);
            told = Some(now);
        }
        observer.next().await?;
        let end = tokio::time::Instant::now() + TOGETHER;
        while let Ok(next) = tokio::time::timeout_at(end, observer.next()).await {
            next?;
        }
    }
}

/// The status of an app that was never started, or was taken away.
pub fn draft(app: &str) -> StatusReport {
    StatusReport {
        app: app.to_owned(),
        state: BlockState::Draft,
        url: None,
        release: None,
        released_at: None,
        released_by: None,
        warnings: Vec::new(),
        blocks: Vec::new(),
    }
}
