//! Cron schedules: five fields, names of months and days, steps, `@hourly` and its kin.
//!
//! As cron has it: when both day fields are restricted, a day that satisfies either counts.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// A schedule that fires at all does so within a leap cycle (29 February, eight years around 2100).
const YEARS_AHEAD: i16 = 9;

/// When something is due: one bit per allowed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    any_day: bool,
    any_weekday: bool,
}

/// Why a text is no schedule.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// It does not have five fields.
    #[error("schedule {0:?} does not have five fields")]
    Fields(String),
    /// A field is no value, range or step; the least and the most it may be.
    #[error("{0:?} in the schedule is not a value, range or step from {1} to {2}")]
    Value(String, u32, u32),
}

impl Schedule {
    /// Reads five fields or `@daily` and its kin.
    ///
    /// # Errors
    /// The text is no schedule.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(ScheduleError::Fields(text.to_owned()));
        };
        let mut week = field(weekdays, 0, 7, &DAYS, 0)?;
        // Seven is Sunday too.
        week |= week >> 7 & 1;
        Ok(Self {
            minutes: field(minutes, 0, 59, &[], 0)?,
            hours: field(hours, 0, 23, &[], 0)?,
            days: field(days, 1, 31, &[], 0)?,
            months: field(months, 1, 12, &MONTHS, 1)?,
            weekdays: week & 0x7f,
            any_day: days.starts_with(['*', '?']),
            any_weekday: weekdays.starts_with(['*', '?']),
        })
    }

    /// The first time after `after`, in UTC; `None` when there is none (30 February).
    pub fn next_utc(&self, after: Timestamp) -> Option<Timestamp> {
        self.next(after, &TimeZone::UTC)
    }

    /// The first time after `after`, in a time zone; `None` when there is none (30 February).
    pub(super) fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let start = after.to_zoned(zone.clone()).datetime();
        let mut date = start.date();
        let mut floor = Some(start);
        let last_year = date.year().checked_add(YEARS_AHEAD)?;
        while date.year() <= last_year {
            if self.is_day(date) {
                for hour in bits(self.hours) {
                    for minute in bits(self.minutes) {
                        let time =
                            date.at(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0);
                        if floor.is_some_and(|floor| time <= truncated(floor)) {
                            continue;
                        }
                        // A time the clock skips happens at the moment it jumps to.
                        let at = zone.to_ambiguous_zoned(time).compatible().ok()?.timestamp();
                        if at > after {
                            return Some(at);
                        }
                    }
                }
            }
            floor = None;
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    fn is_day(&self, date: Date) -> bool {
        let has = |set: u64, value: i8| set >> u32::try_from(value).unwrap_or(63) & 1 == 1;
        let weekday = date.weekday().since(Weekday::Sunday);
        let (day, week) = (has(self.days, date.day()), has(self.weekdays, weekday));
        has(self.months, date.month())
            && if self.any_day || self.any_weekday { day && week } else { day || week }
    }
}

fn truncated(time: DateTime) -> DateTime {
    time.date().at(time.hour(), time.minute(), 0, 0)
}

fn bits(set: u64) -> impl Iterator<Item = u32> {
    (0..64).filter(move |bit| set >> bit & 1 == 1)
}

/// One field: a list of `*`, `a`, `a-b`, each with an optional `/step`.
fn field(
    text: &str,
    low: u32,
    high: u32,
    names: &[&str],
    name_base: u32,
) -> Result<u64, ScheduleError> {
    let wrong = || ScheduleError::Value(text.to_owned(), low, high);
    let value = |part: &str| -> Result<u32, ScheduleError> {
        let name = names.iter().zip(name_base..).find(|(name, _)| name.eq_ignore_ascii_case(part));
        let value = match name {
            Some((_, value)) => value,
            None => part.parse().map_err(|_| wrong())?,
        };
        if (low..=high).contains(&value) { Ok(value) } else { Err(wrong()) }
    };
    let mut set = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                (range, Some(step.parse::<u32>().ok().filter(|step| *step > 0).ok_or_else(wrong)?))
            }
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (low, high),
            Some((first, last)) => (value(first)?, value(last)?),
            // `5/10` means from five on.
            None if step.is_some() => (value(range)?, high),
            None => (value(range)?, value(range)?),
        };
        if first > last {
            return Err(wrong());
        }
        for bit in (first..=last).step_by(usize::try_from(step.unwrap_or(1)).map_err(|_| wrong())?)
        {
            set |= 1 << bit;
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, after: &str) -> String {
        let next = Schedule::parse(schedule).unwrap().next(after.parse().unwrap(), &TimeZone::UTC);
        next.map_or_else(|| "never".to_owned(), |next| next.to_string())
    }

    #[test]
    fn the_next_time_is_strictly_later() {
        assert_eq!(next("* * * * *", "2026-03-01T10:00:00Z"), "2026-03-01T10:01:00Z");
        assert_eq!(next("*/15 * * * *", "2026-03-01T10:46:30Z"), "2026-03-01T11:00:00Z");
        assert_eq!(next("5/20 8-9 * * *", "2026-03-01T09:45:00Z"), "2026-03-02T08:05:00Z");
        assert_eq!(next("@daily", "2026-12-31T00:00:00Z"), "2027-01-01T00:00:00Z");
    }

    #[test]
    fn either_day_field_is_enough_when_both_are_given() {
        // 1 March 2026 is a Sunday.
        assert_eq!(next("0 0 13 * fri", "2026-03-01T00:00:00Z"), "2026-03-06T00:00:00Z");
        assert_eq!(next("0 0 13 * *", "2026-03-01T00:00:00Z"), "2026-03-13T00:00:00Z");
        assert_eq!(next("0 0 * * 7", "2026-03-01T00:00:00Z"), "2026-03-08T00:00:00Z");
        assert_eq!(next("0 0 * jan mon-wed", "2026-03-01T00:00:00Z"), "2027-01-04T00:00:00Z");
    }

    #[test]
    fn leap_days_come_and_impossible_days_do_not() {
        assert_eq!(next("0 12 29 2 *", "2026-03-01T00:00:00Z"), "2028-02-29T12:00:00Z");
        assert_eq!(next("0 0 30 2 *", "2026-03-01T00:00:00Z"), "never");
    }

    #[test]
    fn a_time_the_clock_skips_happens_once_it_has_jumped() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let schedule = Schedule::parse("30 2 * * *").unwrap();
        let at = schedule.next("2026-03-29T00:00:00Z".parse().unwrap(), &zone).unwrap();
        assert_eq!(at.to_string(), "2026-03-29T01:30:00Z");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "* * * *",
            "60 * * * *",
            "* * 0 * *",
            "a * * * *",
            "*/0 * * * *",
            "5-3 * * * *",
            "* * * foo *",
        ] {
            assert!(Schedule::parse(text).is_err(), "{text:?} must not parse");
        }
    }
}
