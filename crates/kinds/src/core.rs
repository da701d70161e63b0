//! Kinds of the core group, and their newer forms in `discovery.k8s.io` and `events.k8s.io`.

pub(crate) mod config;
pub(crate) mod endpoints;
pub(crate) mod event;
pub(crate) mod namespace;
pub(crate) mod node;
pub(crate) mod pod;
pub(crate) mod service;
pub(crate) mod volume;
