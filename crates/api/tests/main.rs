//! The API, driven through its router, a kube client and the real kubectl.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

mod changing;
mod client;
mod deleting;
mod discovering;
mod harness;
mod kubectl;
mod parts;
mod reading;
mod watching;
