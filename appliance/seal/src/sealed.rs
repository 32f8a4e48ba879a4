//! Owns: bodies that only one receiver can read: HPKE (RFC 9180) base mode, X25519-HKDF-SHA256, HKDF-SHA256, ChaCha20-Poly1305.
//! Never: says who sealed it (base mode does not; the JWS inside does).
//! Called by: arbiter, facility, parloirctl.
//!
//! `info` is `parloir/v1/` and the name of the kind, `aad` the 16 bytes of the device id, the body `enc` (32 bytes) and the ciphertext.

use hpke::{Deserializable, HpkeError, Kem, OpModeR, OpModeS, Serializable};
use hpke::{aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::X25519HkdfSha256};
use parloir_pass::{Bytes32, Id, Typ};

use crate::{Code, Refused, UnsealKey, jws, random};

/// Bytes of the encapsulated key before the ciphertext.
pub const ENC: usize = 32;
/// Bytes that the ciphertext is longer than the plain text (Poly1305 tag).
pub const TAG: usize = 16;
/// Most plain bytes: a receipt's parcel holds two JWS.
pub const MAX_PLAIN: usize = jws::MAX + 4 * 1024;

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
        return Err(Refused::new(Code::TooLarge, kind.name(), "plain text", "more than 36 KiB"));
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
        return Err(Refused::new(Code::TooLarge, kind.name(), "sealed body", "more than 36 KiB"));
    }
    open_suite(&info(kind), &device.0, key, body)
        .ok_or_else(|| Refused::new(Code::CannotUnseal, kind.name(), "sealed body", "not sealed to this key for this kind and device"))
}

fn open_suite(info: &[u8], aad: &[u8], key: &UnsealKey, body: &[u8]) -> Option<Vec<u8>> {
    let (enc, cipher) = body.split_at_checked(ENC)?;
    let enc = <Suite as Kem>::EncappedKey::from_bytes(enc).ok()?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Suite>(&OpModeR::Base, &key.0, &enc, info, cipher, aad).ok()
}
