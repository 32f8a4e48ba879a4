//! Owns: how a server's certificate is judged by a box that does not know what day it is: everything but its dates.
//! Never: another authority, another name, a signature that does not fit; those stay as rustls judges them.
//! Called by: [`crate::client`].
//!
//! A box without a battery begins in 1970; the facility's time statement comes over the very connection that a wrong clock would refuse
//! (docs/adr/0011-a-time-for-tls.md). Certificates are judged at an instant at which all of the chain was good; without one the chain is refused.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::VerifierBuilderError;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;
use std::time::Duration;

/// Most instants that are tried: both ends of every certificate of a chain of three, and the clock's own.
const TRIES: usize = 7;

/// See the module.
#[derive(Debug)]
pub struct AnyDay(Arc<WebPkiServerVerifier>);

impl AnyDay {
    /// Believes these roots.
    ///
    /// # Errors
    /// There are none.
    pub fn new(roots: RootCertStore, provider: Arc<CryptoProvider>) -> Result<Self, VerifierBuilderError> {
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().map(Self)
    }
}

/// The end of validity that an instant lies beyond.
fn nearest(why: &Error) -> Option<UnixTime> {
    match why {
        Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => Some(*not_after),
        Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }) => Some(*not_before),
        _ => None,
    }
}

impl ServerCertVerifier for AnyDay {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judge = |at| self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, at);
        let mut verdict = judge(now);
        let mut at = None;
        for _ in 0..TRIES {
            let Err(why) = &verdict else { break };
            at = nearest(why);
            let Some(at) = at else { break };
            verdict = judge(at);
        }
        if let (Ok(_), Some(at)) = (&verdict, at) {
            let days = Duration::from_secs(at.as_secs().abs_diff(now.as_secs())).as_secs() / 86_400;
            tracing::info!(days, "by this clock the server's certificate is out of date; dates are not judged here");
        }
        verdict
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
