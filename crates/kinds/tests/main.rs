//! The room as its users see it: real kubectl output, printed rows, generated documents, and
//! properties on random objects.

mod kubectl;
mod lifecycle;
mod openapi;
mod properties;
mod rows;
mod server;
mod validation;
