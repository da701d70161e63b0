//! The API, driven through its router, a kube client and the real kubectl.

mod changing;
mod client;
mod deleting;
mod discovering;
mod harness;
mod kubectl;
mod parts;
mod reading;
mod watching;
