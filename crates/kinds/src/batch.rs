//! Kinds of the `batch` group: workloads that end.

pub(crate) mod cron_job;
pub(crate) mod job;
