//! Kinds of the `apps` group: workloads that keep pods running.

pub(crate) mod deployment;
pub(crate) mod replica_set;
pub(crate) mod stateful_set;
