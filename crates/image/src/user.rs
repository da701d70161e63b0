//! Who a container runs as: names of the image's `/etc/passwd` and `/etc/group` to numbers.

use std::os::fd::BorrowedFd;

use crate::Result;

/// A user of an image, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User id inside the container.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary group ids.
    pub groups: Vec<u32>,
    /// Home directory, `/` when unknown.
    pub home: String,
}

/// Resolves `name[:group]` in the root at `root`; empty is root.
pub fn resolve(_root: BorrowedFd<'_>, _user: &str) -> Result<User> {
    unimplemented!()
}
