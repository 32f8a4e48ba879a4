//! Owns: the one comparison that makes a far end *the* far end: its certificate with those of the plan; and our own certificate's reading.
//! Never: believes a session description; nothing in SDP takes part.
//! Called by: pipeline, at the moment the DTLS handshake shows the far certificate.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use parloir_wire::lease::Fingerprint;
use sha2::{Digest, Sha256};

/// Most bytes of a certificate in PEM; P-256 needs about 600.
pub const MAX_PEM: usize = 16 * 1024;

/// What was found about the far end's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the plan's.
    Granted(Fingerprint),
    /// It is another one, or none that can be read. Zeros: not readable.
    Refused(Fingerprint),
}

/// Compares the certificate that the far end has shown with those that the plan names.
#[must_use]
pub fn judge(shown_pem: &str, granted: &[Fingerprint]) -> Verdict {
    match fingerprint(shown_pem) {
        Some(shown) if granted.contains(&shown) => Verdict::Granted(shown),
        Some(shown) => Verdict::Refused(shown),
        None => Verdict::Refused([0; 32]),
    }
}

/// SHA-256 over the DER bytes (RFC 8122) of the one certificate in `pem`; `None` when there is none or more than one.
#[must_use]
pub fn fingerprint(pem: &str) -> Option<Fingerprint> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    if pem.len() > MAX_PEM || pem.matches(BEGIN).count() != 1 {
        return None;
    }
    let (_, rest) = pem.split_once(BEGIN)?;
    let (body, _) = rest.split_once(END)?;
    let text: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let der = BASE64_STANDARD.decode(text).ok().filter(|der| !der.is_empty())?;
    Some(Sha256::digest(der).into())
}

/// As in SDP: upper-case hex pairs with colons (RFC 8122, section 5).
#[must_use]
pub fn colons(fingerprint: &Fingerprint) -> String {
    fingerprint.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(der: &[u8]) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64_STANDARD.encode(der))
    }

    #[test]
    fn only_a_granted_certificate_is_granted() {
        let (ana, eve) = (pem(b"ana"), pem(b"eve"));
        let granted = [fingerprint(&pem(b"other")).unwrap(), fingerprint(&ana).unwrap()];
        assert_eq!(judge(&ana, &granted), Verdict::Granted(granted[1]));
        assert_eq!(judge(&eve, &granted), Verdict::Refused(fingerprint(&eve).unwrap()));
        assert_eq!(judge(&ana, &[]), Verdict::Refused(granted[1]));
    }

    #[test]
    fn what_cannot_be_read_is_refused_even_if_zeros_are_granted() {
        for bad in [
            "",
            "rubbish",
            "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\n%%\n-----END CERTIFICATE-----",
        ] {
            assert_eq!(judge(bad, &[[0; 32]]), Verdict::Refused([0; 32]), "{bad}");
        }
    }

    #[test]
    fn two_certificates_are_none() {
        let two = pem(b"ana") + &pem(b"eve");
        assert_eq!(fingerprint(&two), None);
    }

    #[test]
    fn the_hash_is_over_der_not_over_text() {
        // SHA-256 of "abc", FIPS 180-2 appendix B.1.
        let abc = fingerprint(&pem(b"abc")).unwrap();
        assert!(colons(&abc).starts_with("BA:78:16:BF:8F:01:CF:EA"));
    }
}
