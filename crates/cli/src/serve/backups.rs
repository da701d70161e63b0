//! Backups that are made by themselves: the clock, and a call when one is due.
//!
//! The schedule of each app is a file of the apps room; cron's language is the control room's.

use std::time::Duration;

use apps::{BackupOptions, Target};
use control::Schedule;
use jiff::Timestamp;

/// How often the clock is looked at: no schedule is finer than a minute.
const EVERY: Duration = Duration::from_secs(20);

/// Makes every backup when it is due, until `ended`. One that was missed while no server ran is
/// made once, when the next one does.
pub(super) async fn run(target: Target, ended: impl Future<Output = ()>) {
    tokio::pin!(ended);
    loop {
        tokio::select! {
            () = &mut ended => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let schedules = match apps::schedules(&target) {
            Ok(schedules) => schedules,
            Err(error) => {
                tracing::warn!(%error, "no backup is made by itself");
                continue;
            }
        };
        for (app, schedule) in schedules {
            if !due(&schedule, Timestamp::now()) {
                continue;
            }
            let options = BackupOptions { label: "schedule".into(), ..BackupOptions::default() };
            let made = apps::backup(&target, &app, &options, &mut |_| {}).await;
            let trouble = made.err().map(|error| error.to_string());
            match &trouble {
                None => tracing::info!(app, "backed up"),
                Some(trouble) => tracing::error!(app, trouble, "the scheduled backup failed"),
            }
            if let Err(error) = apps::was_made(&target, &app, trouble) {
                tracing::error!(app, %error, "the scheduled backup was not noted");
            }
        }
    }
}

fn due(schedule: &apps::Schedule, now: Timestamp) -> bool {
    let Ok(every) = Schedule::parse(&schedule.every) else { return false };
    let Ok(last) = schedule.last.parse::<Timestamp>() else { return true };
    every.next_utc(last).is_some_and(|next| next <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_due_once_after_its_time_and_after_a_long_sleep() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let nightly = |last: &str| apps::Schedule {
            every: "0 3 * * *".into(),
            keep: 7,
            last: last.into(),
            trouble: None,
        };
        let evening = nightly("2026-03-01T20:00:00Z");
        assert!(!due(&evening, at("2026-03-02T02:59:59Z")));
        assert!(due(&evening, at("2026-03-02T03:00:00Z")));
        assert!(due(&evening, at("2026-03-09T12:00:00Z")), "the server was off for a week");
        assert!(!due(&nightly("2026-03-02T03:00:01Z"), at("2026-03-02T12:00:00Z")));
    }
}
