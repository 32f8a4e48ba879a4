//! Owns: bodies that only one receiver can read: HPKE (RFC 9180) base mode, X25519-HKDF-SHA256, HKDF-SHA256, ChaCha20-Poly1305.
//! Never: says who sealed it (base mode does not; the JWS inside does).
//! Called by: arbiter, facility, parloirctl.
//!
//! `info` is `parloir/v1/` and the name of the kind, `aad` the 16 bytes of the device id, the body `enc` (32 bytes) and the ciphertext.

use hpke::{Deserializable, HpkeError, Kem, OpModeR, OpModeS, Serializable};
use hpke::{aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::X25519HkdfSha256};
use parloir_pass::receipt::{MAX_REGRANTS, MAX_STATEMENT};
use parloir_pass::{Bytes32, Id, Typ};

use crate::{Code, Refused, UnsealKey, jws, random};

/// Bytes of the encapsulated key before the ciphertext.
pub const ENC: usize = 32;
/// Bytes that the ciphertext is longer than the plain text (Poly1305 tag).
pub const TAG: usize = 16;
/// Most plain bytes: a receipt's parcel holds its JWS, and beside it the statement under each grant of the visit.
pub const MAX_PLAIN: usize = jws::MAX + (1 + MAX_REGRANTS) * MAX_STATEMENT + 1024;

type Suite = X25519HkdfSha256;

fn info(kind: Typ) -> Vec<u8> {
    format!("parloir/v1/{kind}").into_bytes()
}

/// Seals plain bytes of a kind, about a device, to a public key.
///
/// # Errors
/// `TooLarge`, `WeakKey` (of the receiver), `NoRandom`.
pub fn seal(kind: Typ, device: &Id, to: &Bytes32, plain: &[u8]) -> Result<Vec<u8>, Refused> {
    if plain.len() > MAX_PLAIN {
        return Err(Refused::new(Code::TooLarge, kind.name(), "plain text", "more than 43 KiB"));
    }
    let weak = |_: HpkeError| Refused::new(Code::WeakKey, kind.name(), "receiver's X25519 key", "cannot be sealed to");
    let key = <Suite as Kem>::PublicKey::from_bytes(&to.0).map_err(weak)?;
    // hpke panics where the kernel gives no random bytes: ask it first, so that the answer is a refusal.
    random::bytes::<32>()?;
    let (enc, cipher) =
        hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, Suite>(&OpModeS::Base, &key, &info(kind), plain, &device.0)
            .map_err(weak)?;
    Ok([enc.to_bytes().as_slice(), &cipher].concat())
}

/// Opens a body of a kind, about a device.
///
/// # Errors
/// `TooLarge`; `CannotUnseal`, which does not say why: the reason would be an oracle.
pub fn open(kind: Typ, device: &Id, key: &UnsealKey, body: &[u8]) -> Result<Vec<u8>, Refused> {
    if body.len() > ENC + MAX_PLAIN + TAG {
        return Err(Refused::new(Code::TooLarge, kind.name(), "sealed body", "more than 43 KiB"));
    }
    open_suite(&info(kind), &device.0, key, body).ok_or_else(|| {
        Refused::new(Code::CannotUnseal, kind.name(), "sealed body", "not sealed to this key for this kind and device")
    })
}

fn open_suite(info: &[u8], aad: &[u8], key: &UnsealKey, body: &[u8]) -> Option<Vec<u8>> {
    let (enc, cipher) = body.split_at_checked(ENC)?;
    let enc = <Suite as Kem>::EncappedKey::from_bytes(enc).ok()?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Suite>(&OpModeR::Base, &key.0, &enc, info, cipher, aad).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
    }

    /// RFC 9180 appendix A.2.1: base mode, X25519-HKDF-SHA256, HKDF-SHA256, ChaCha20-Poly1305, sequence number 0.
    #[test]
    fn rfc_9180_appendix_a_2_1() {
        let secret: [u8; 32] = hex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb").try_into().unwrap();
        let key = UnsealKey::new(&secret).unwrap();
        assert_eq!(key.public().0.to_vec(), hex("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a"));
        let mut body = hex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a");
        body.extend(hex("1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"));
        let plain = open_suite(b"Ode on a Grecian Urn", b"Count-0", &key, &body);
        assert_eq!(plain.as_deref(), Some(b"Beauty is truth, truth beauty".as_slice()));
    }
}
