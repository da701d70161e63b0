//! The room as its users see it: real kubectl output, printed rows, generated documents, and
//! properties on random objects.

#![expect(clippy::unwrap_used, reason = "functions around the tests, which may unwrap")]

mod kubectl;
mod lifecycle;
mod openapi;
mod page;
mod properties;
mod rows;
mod server;
mod validation;
