//! Keys and certificates of one instance: its CA, the server's certificate, the administrator.
//!
//! Files in one directory, secrets readable for their owner only, each written whole or not at
//! all. What is there is used again; what is missing, near its end or no longer fitting is made
//! anew. The administrator is who holds `admin.token` or `admin.key`.

use crate::Error;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rand::RngCore;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

const CA_YEARS: i32 = 10;
const LEAF_YEARS: i32 = 2;
/// A certificate with less left than this is replaced at the next start.
const RENEW_SECONDS: i64 = 90 * 86_400;
/// Names under which pods and this machine reach the API.
const NAMES: [&str; 5] = [
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// The certificates and the token of one instance.
#[derive(Clone)]
pub struct Pki {
    ca_pem: String,
    server: Pair,
    admin: Pair,
    token: String,
}

/// A certificate and its private key, both as PEM.
#[derive(Clone)]
struct Pair {
    certificate: String,
    key: String,
}

impl Pki {
    /// Opens `directory`, making or renewing what is needed; the server's certificate covers this
    /// machine's loopback, `addresses` and `names`.
    ///
    /// # Errors
    /// When a file cannot be read, made or written.
    pub fn open(directory: &Path, addresses: &[IpAddr], names: &[String]) -> Result<Self, Error> {
        std::fs::create_dir_all(directory).map_err(file("create directory", directory))?;
        let (ca, is_new) = authority(directory)?;
        let mut server = leaf("shelf", None, ExtendedKeyUsagePurpose::ServerAuth)?;
        server.subject_alt_names = alt_names(addresses, names)?;
        let admin =
            leaf("system:admin", Some("system:masters"), ExtendedKeyUsagePurpose::ClientAuth)?;
        Ok(Self {
            server: issued(directory, "server", &server, &ca, is_new)?,
            admin: issued(directory, "admin", &admin, &ca, is_new)?,
            token: token(&directory.join("admin.token"))?,
            ca_pem: ca.certificate,
        })
    }

    /// The CA certificate as PEM, for `kube-root-ca.crt`.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The administrator's bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A kubeconfig for the administrator; `server` is a URL such as `https://127.0.0.1:6443`.
    pub fn kubeconfig(&self, server: &str) -> String {
        let ca = BASE64_STANDARD.encode(&self.ca_pem);
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: shelf\nclusters:\n- name: shelf\n  \
             cluster:\n    server: {server}\n    certificate-authority-data: {ca}\ncontexts:\n\
             - name: shelf\n  context:\n    cluster: shelf\n    user: shelf-admin\n    \
             namespace: default\nusers:\n- name: shelf-admin\n  user:\n    token: {}\n",
            self.token
        )
    }

    /// The administrator's client certificate and key as PEM, for clients that prefer them.
    pub fn admin(&self) -> (&str, &str) {
        (&self.admin.certificate, &self.admin.key)
    }

    pub(crate) fn server_chain(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
        let bad = |error: rustls::pki_types::pem::Error| Error::Tls { reason: error.to_string() };
        let certificate = CertificateDer::from_pem_slice(self.server.certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(self.server.key.as_bytes());
        Ok((vec![certificate.map_err(bad)?], key.map_err(bad)?))
    }

    pub(crate) fn ca(&self) -> Result<CertificateDer<'static>, Error> {
        CertificateDer::from_pem_slice(self.ca_pem.as_bytes())
            .map_err(|error| Error::Tls { reason: error.to_string() })
    }
}

fn file(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::File { operation, path, source }
}

fn made(path: &Path) -> impl Fn(rcgen::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Certificate { path: path.clone(), source }
}

/// Reads a file; `None` when it is not there.
fn read(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file("read", path)(error)),
    }
}

/// Writes a secret: whole or not at all, for the owner only.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    let staged = PathBuf::from(format!("{}.new", path.display()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut out = options.open(&staged).map_err(file("write", &staged))?;
    out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(file("write", &staged))?;
    std::fs::rename(&staged, path).map_err(file("write", path))
}

fn token(path: &Path) -> Result<String, Error> {
    if let Some(text) = read(path)?.map(|text| text.trim().to_owned())
        && text.len() >= 32
    {
        return Ok(text);
    }
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    let token = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    write(path, &token)?;
    Ok(token)
}

/// The CA, and whether it was made just now.
fn authority(directory: &Path) -> Result<(Pair, bool), Error> {
    let (path, key_path) = (directory.join("ca.crt"), directory.join("ca.key"));
    if let (Some(certificate), Some(key)) = (read(&path)?, read(&key_path)?)
        && KeyPair::from_pem(&key).is_ok_and(|key| fits(&certificate, &key, &[]))
    {
        return Ok((Pair { certificate, key }, false));
    }
    let mut params = dated(CA_YEARS);
    params.distinguished_name.push(DnType::CommonName, "shelf");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let key = KeyPair::generate().map_err(made(&path))?;
    let certificate = params.self_signed(&key).map_err(made(&path))?.pem();
    let key = key.serialize_pem();
    write(&key_path, &key)?;
    write(&path, &certificate)?;
    Ok((Pair { certificate, key }, true))
}

/// A certificate of the CA: the one on disk while it is good, else a new one.
fn issued(
    directory: &Path,
    name: &str,
    params: &CertificateParams,
    ca: &Pair,
    renew: bool,
) -> Result<Pair, Error> {
    let path = directory.join(format!("{name}.crt"));
    let key_path = directory.join(format!("{name}.key"));
    if !renew
        && let (Some(certificate), Some(key)) = (read(&path)?, read(&key_path)?)
        && KeyPair::from_pem(&key)
            .is_ok_and(|key| fits(&certificate, &key, &params.subject_alt_names))
    {
        return Ok(Pair { certificate, key });
    }
    let ca_key = KeyPair::from_pem(&ca.key).map_err(made(&path))?;
    let issuer = Issuer::from_ca_cert_pem(&ca.certificate, ca_key).map_err(made(&path))?;
    let key = KeyPair::generate().map_err(made(&path))?;
    let certificate = params.signed_by(&key, &issuer).map_err(made(&path))?.pem();
    let key = key.serialize_pem();
    write(&key_path, &key)?;
    write(&path, &certificate)?;
    Ok(Pair { certificate, key })
}

/// Parameters valid from yesterday (clocks differ) for some years.
fn dated(years: i32) -> CertificateParams {
    let day = |timestamp: Timestamp, years: i32| {
        let date = timestamp.to_zoned(TimeZone::UTC).date();
        let number = |part: i8| u8::try_from(part).unwrap_or(1);
        // The 29th of February does not exist in every year.
        let day = number(date.day()).min(28);
        rcgen::date_time_ymd(i32::from(date.year()) + years, number(date.month()), day)
    };
    let now = Timestamp::now();
    let yesterday = now.checked_sub(24.hours()).unwrap_or(now);
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = day(yesterday, 0);
    params.not_after = day(now, years);
    params
}

fn leaf(
    name: &str,
    group: Option<&str>,
    purpose: ExtendedKeyUsagePurpose,
) -> Result<CertificateParams, Error> {
    let mut params = dated(LEAF_YEARS);
    if let Some(group) = group {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    Ok(params)
}

fn alt_names(addresses: &[IpAddr], names: &[String]) -> Result<Vec<SanType>, Error> {
    let local = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let mut list: Vec<SanType> = Vec::new();
    for address in local.iter().chain(addresses) {
        let name = SanType::IpAddress(*address);
        if !list.contains(&name) {
            list.push(name);
        }
    }
    for name in NAMES.iter().copied().chain(names.iter().map(String::as_str)) {
        let name = name.try_into().map_err(made(Path::new(name)))?;
        let name = SanType::DnsName(name);
        if !list.contains(&name) {
            list.push(name);
        }
    }
    Ok(list)
}

/// Whether a certificate is of this key, has time left, and covers these names.
fn fits(pem: &str, key: &KeyPair, names: &[SanType]) -> bool {
    let Ok(der) = CertificateDer::from_pem_slice(pem.as_bytes()) else { return false };
    let Ok((_, certificate)) = X509Certificate::from_der(&der) else { return false };
    let left = certificate.validity().not_after.timestamp() - Timestamp::now().as_second();
    if left < RENEW_SECONDS || certificate.public_key().raw != key.subject_public_key_info() {
        return false;
    }
    let found: Vec<SanType> = match certificate.subject_alternative_name() {
        Ok(Some(extension)) => extension.value.general_names.iter().filter_map(alt_name).collect(),
        _ => Vec::new(),
    };
    names.iter().all(|name| found.contains(name))
}

fn alt_name(name: &GeneralName<'_>) -> Option<SanType> {
    match name {
        GeneralName::DNSName(text) => Some(SanType::DnsName((*text).try_into().ok()?)),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            Some(SanType::IpAddress(address.ok()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_reused_and_new_names_are_added() {
        let directory = tempfile::tempdir().unwrap();
        let first = Pki::open(directory.path(), &[], &[]).unwrap();
        let second = Pki::open(directory.path(), &[], &[]).unwrap();
        assert_eq!(first.server.certificate, second.server.certificate);
        assert_eq!(first.admin.certificate, second.admin.certificate);
        assert_eq!(first.token, second.token);
        let address = "192.0.2.9".parse().unwrap();
        let third = Pki::open(directory.path(), &[address], &["shelf.test".into()]).unwrap();
        assert_eq!(first.ca_pem, third.ca_pem);
        assert_eq!(first.admin.certificate, third.admin.certificate);
        assert_ne!(first.server.certificate, third.server.certificate);
        for entry in std::fs::read_dir(directory.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_lost_authority_renews_everything() {
        let directory = tempfile::tempdir().unwrap();
        let first = Pki::open(directory.path(), &[], &[]).unwrap();
        std::fs::remove_file(directory.path().join("ca.key")).unwrap();
        let second = Pki::open(directory.path(), &[], &[]).unwrap();
        assert_ne!(first.ca_pem, second.ca_pem);
        assert_ne!(first.server.certificate, second.server.certificate);
        assert_ne!(first.admin.certificate, second.admin.certificate);
    }
}
