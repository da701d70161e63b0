//! HTTPS door: TLS, authentication, limits.

use crate::{Api, Error, pki::Pki};

/// Serves the API over TLS on `listener` until `shutdown` completes.
///
/// # Errors
/// When the TLS configuration is refused.
pub async fn serve(
    _listener: tokio::net::TcpListener,
    _api: Api,
    _pki: Pki,
    _shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    unimplemented!()
}
