//! CronJob: a Job made on a schedule.

use super::job;
use crate::FieldError;
use crate::cell::{self, AGE, NAME, at, list_at, or_none, str_at};
use crate::duration;
use crate::kind::{Column, Hooks, Kind, Subresource};
use jiff::Timestamp;
use serde_json::{Value, json};

const COLUMNS: &[Column] = &[
    NAME,
    cell::text("Schedule", "minute, hour, day of month, month, day of week"),
    cell::text("Timezone", "zone of the schedule"),
    cell::text("Suspend", "whether it is paused"),
    cell::count("Active", "jobs running now"),
    cell::text("Last Schedule", "time since the last job was made"),
    AGE,
    cell::wide("Containers", "their names"),
    cell::wide("Images", "their images"),
    cell::wide("Selector", "labels of its pods"),
];

pub(crate) fn cron_job() -> Kind {
    Kind {
        short_names: &["cj"],
        categories: &["all"],
        subresources: &[Subresource::Status],
        counts_generations: true,
        ..Kind::new(
            ("batch", "v1", "CronJob"),
            ("cronjobs", "cronjob"),
            COLUMNS,
            Hooks {
                canonical: |_| {},
                default: |object| {
                    if let Some(spec) = object.pointer_mut("/spec/jobTemplate/spec") {
                        job::default_spec(spec);
                    }
                },
                validate,
                create: |_| {},
                row,
            },
        )
    }
}

fn validate(new: &Value, _old: Option<&Value>, faults: &mut Vec<FieldError>) {
    /// Leaves room for the suffix of a job's name.
    const NAME_MAX: usize = 52;
    let own = str_at(new, "/metadata/name");
    if own.len() > NAME_MAX {
        let detail = "must be no more than 52 characters";
        faults.push(FieldError::invalid("metadata.name", &json!(own), detail));
    }
    let schedule = str_at(new, "/spec/schedule");
    if schedule.is_empty() {
        faults.push(FieldError::required("spec.schedule", ""));
    } else if let Some(fault) = schedule_fault(schedule) {
        faults.push(FieldError::invalid("spec.schedule", &json!(schedule), &fault));
    }
    if let Some(spec) = new.pointer("/spec/jobTemplate/spec") {
        job::check_spec(spec, None, "spec.jobTemplate.spec", faults);
    }
}

/// What is wrong with a five-field schedule or `@` shorthand.
fn schedule_fault(schedule: &str) -> Option<String> {
    const FIELDS: [(&str, u32, u32); 5] = [
        ("minute", 0, 59),
        ("hour", 0, 23),
        ("day of month", 1, 31),
        ("month", 1, 12),
        ("day of week", 0, 7),
    ];
    const WORDS: [&str; 19] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "sun",
        "mon", "tue", "wed", "thu", "fri", "sat",
    ];
    if let Some(shorthand) = schedule.strip_prefix('@') {
        let known = ["yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"];
        let every = shorthand.starts_with("every ");
        return (!known.contains(&shorthand) && !every)
            .then(|| format!("unrecognized descriptor: {schedule}"));
    }
    let parts: Vec<&str> = schedule.split_whitespace().collect();
    if parts.len() != FIELDS.len() {
        let count = parts.len();
        return Some(format!("expected exactly 5 fields, found {count}: {parts:?}"));
    }
    for (part, (name, low, high)) in parts.iter().zip(FIELDS) {
        for term in part.split(',') {
            let (range, step) = term.split_once('/').unwrap_or((term, "1"));
            let bounds = range.split('-').all(|bound| {
                matches!(bound, "*" | "?")
                    || bound.parse::<u32>().is_ok_and(|n| (low..=high).contains(&n))
                    || WORDS.contains(&bound.to_lowercase().as_str())
            });
            if !bounds || !step.parse::<u32>().is_ok_and(|n| n > 0) || range.split('-').count() > 2
            {
                return Some(format!("{name} {part:?} is not within {low} to {high}"));
            }
        }
    }
    None
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let template = at(object, "/spec/jobTemplate/spec");
    let (containers, images) = cell::containers(at(template, "/template/spec"));
    let suspend = object.pointer("/spec/suspend") == Some(&Value::Bool(true));
    let last = match object.pointer("/status/lastScheduleTime") {
        Some(time) => json!(duration::since(Some(time), now)),
        None => or_none(""),
    };
    vec![
        cell::name(object),
        json!(str_at(object, "/spec/schedule")),
        or_none(str_at(object, "/spec/timeZone")),
        json!(if suspend { "True" } else { "False" }),
        json!(list_at(object, "/status/active").len()),
        last,
        cell::age(object, now),
        containers,
        images,
        match at(template, "/selector") {
            Value::Null => or_none(""),
            selector => cell::label_selector(selector),
        },
    ]
}
