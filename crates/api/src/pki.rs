//! Keys and certificates: our CA, the server's certificate, the administrator's.

use crate::Error;
use std::net::IpAddr;
use std::path::Path;

/// The certificates and the token of one instance, kept in one directory.
#[derive(Clone)]
pub struct Pki {}

impl Pki {
    /// Opens the directory, making or renewing what is missing or near its end.
    ///
    /// # Errors
    /// When a file cannot be read, made or written.
    pub fn open(_dir: &Path, _addresses: &[IpAddr], _names: &[String]) -> Result<Self, Error> {
        unimplemented!()
    }

    /// The CA certificate as PEM, for `kube-root-ca.crt`.
    pub fn ca_pem(&self) -> &str {
        unimplemented!()
    }

    /// The administrator's bearer token.
    pub fn token(&self) -> &str {
        unimplemented!()
    }

    /// A kubeconfig for the administrator; `server` is a URL such as `https://127.0.0.1:6443`.
    pub fn kubeconfig(&self, _server: &str) -> String {
        unimplemented!()
    }
}
