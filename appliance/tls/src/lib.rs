//! Owns: how a process of the box proves who it is to the facility and believes who answers: TLS 1.3 only, our certificate, one authority.
//! Never: a connection, a name or password, the machine's own list of authorities.
//! Called by: link (to the broker), updater (to the update server).
#![forbid(unsafe_code)]

pub mod dates;

use dates::AnyDay;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Who we are to a server of the facility, as PEM files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Who signs the server's certificate. The machine's own list of authorities is not used.
    pub ca: PathBuf,
    /// Our certificate; its common name is who the server takes us for.
    pub cert: PathBuf,
    /// Our key.
    pub key: PathBuf,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum Unready {
    /// A PEM file.
    #[error("{}: {why}: provision this box again [org.parloir.Error.LinkIdentity]", path.display())]
    Pem {
        /** Which. */
        path: PathBuf,
        /** What is wrong with it. */
        why: String,
    },
    /// The files do not fit together.
    #[error("certificate and key of the link: {0}: provision this box again [org.parloir.Error.LinkIdentity]")]
    Tls(#[from] rustls::Error),
}

/// TLS 1.3 only, by ring, with our certificate, believing one authority, on any day ([`AnyDay`]).
///
/// # Errors
/// See [`Unready`].
pub fn client(identity: &Identity) -> Result<Arc<ClientConfig>, Unready> {
    client_by(identity, Arc::new(DefaultTimeProvider))
}

/// The same by another clock.
///
/// # Errors
/// See [`Unready`].
pub fn client_by(identity: &Identity, clock: Arc<dyn TimeProvider>) -> Result<Arc<ClientConfig>, Unready> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&identity.ca)? {
        roots.add(certificate)?;
    }
    let key = PrivateKeyDer::from_pem_file(&identity.key).map_err(|e| pem(&identity.key, &e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        AnyDay::new(roots, Arc::clone(&provider)).map_err(|e| Unready::Pem { path: identity.ca.clone(), why: e.to_string() })?;
    let config = ClientConfig::builder_with_details(provider, clock)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(certificates(&identity.cert)?, key)?;
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unready> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let list = read.map_err(|e| pem(path, &e))?;
    if list.is_empty() {
        return Err(Unready::Pem { path: path.to_owned(), why: "holds no certificate".to_owned() });
    }
    Ok(list)
}

fn pem(path: &Path, why: &rustls::pki_types::pem::Error) -> Unready {
    Unready::Pem { path: path.to_owned(), why: why.to_string() }
}
