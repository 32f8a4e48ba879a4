//! Owns: public keys that may be believed, thumbprints, and the two secret keys of a box.
//! Never: prints a secret, reads a file, or signs anything but an Ask, a SignIn, a Receipt and an Export.
//! Called by: jws, keyring, arbiter, facility, the issuer.

use core::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use hpke::{Deserializable, Kem, Serializable, kem::X25519HkdfSha256};
use parloir_pass::{Ask, Bytes32, Document, Export, Receipt, SignIn};
use sha2::{Digest, Sha256};

use crate::{Code, Refused, jws};

/// An Ed25519 public key (RFC 8032) of full order, in the one spelling of its point.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    thumbprint: Bytes32,
}

impl PublicKey {
    /// Takes 32 bytes.
    ///
    /// # Errors
    /// `WeakKey`: no point, a point of small order, or a second spelling (y not below 2^255 - 19).
    pub fn new(bytes: &Bytes32) -> Result<Self, Refused> {
        let refused = |cause| Refused::new(Code::WeakKey, "key", "Ed25519 public key", cause);
        let [low, middle @ .., high] = bytes.0;
        if low >= 0xed && high & 0x7f == 0x7f && middle == [0xff; 30] {
            return Err(refused("not the canonical spelling of its point"));
        }
        let key = VerifyingKey::from_bytes(&bytes.0).map_err(|_| refused("no point of the curve"))?;
        if key.is_weak() {
            return Err(refused("a point of small order"));
        }
        Ok(Self { key, thumbprint: thumbprint(bytes) })
    }

    /// The 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> Bytes32 {
        Bytes32(self.key.to_bytes())
    }

    /// RFC 7638 thumbprint: what `kid` says.
    #[must_use]
    pub const fn thumbprint(&self) -> Bytes32 {
        self.thumbprint
    }

    /// Strict verification: canonical s and R, no small order.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?})", self.bytes())
    }
}

/// RFC 7638 thumbprint (SHA-256) of an Ed25519 public key as a JWK (RFC 8037).
#[must_use]
pub fn thumbprint(key: &Bytes32) -> Bytes32 {
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{key}"}}"#);
    Bytes32(Sha256::digest(jwk.as_bytes()).into())
}

/// The box's ask-and-receipt key (Ed25519). Wiped when dropped.
pub struct BoxKey(SigningKey);

impl BoxKey {
    /// From the 32 secret bytes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// Its public key.
    #[must_use]
    pub fn public(&self) -> Bytes32 {
        Bytes32(self.0.verifying_key().to_bytes())
    }

    /// Signs an Ask.
    ///
    /// # Errors
    /// A bound of the document, before anything is signed.
    pub fn sign_ask(&self, ask: &Ask) -> Result<String, Refused> {
        self.sign(ask)
    }

    /// Signs a code.
    ///
    /// # Errors
    /// A bound of the document, before anything is signed.
    pub fn sign_sign_in(&self, sign_in: &SignIn) -> Result<String, Refused> {
        self.sign(sign_in)
    }

    /// Signs a Receipt.
    ///
    /// # Errors
    /// A bound of the document, before anything is signed.
    pub fn sign_receipt(&self, receipt: &Receipt) -> Result<String, Refused> {
        self.sign(receipt)
    }

    /// Signs a page of a diagnostics export.
    ///
    /// # Errors
    /// A bound of the document, before anything is signed; `TooLarge`: leave some of it to the next page.
    pub fn sign_export(&self, export: &Export) -> Result<String, Refused> {
        self.sign(export)
    }

    fn sign<D: Document>(&self, document: &D) -> Result<String, Refused> {
        let input = jws::signing_input(document, &self.public())?;
        let signature = self.0.sign(input.as_bytes()).to_bytes();
        Ok(jws::join(&input, &signature))
    }
}

impl fmt::Debug for BoxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxKey(secret)")
    }
}

/// An X25519 key (RFC 7748) that opens what was sealed to it: the box's, or the facility's.
pub struct UnsealKey(pub(crate) <X25519HkdfSha256 as Kem>::PrivateKey);

impl UnsealKey {
    /// From the 32 secret bytes.
    ///
    /// # Errors
    /// `WeakKey`: never for 32 random bytes.
    pub fn new(secret: &[u8; 32]) -> Result<Self, Refused> {
        let key = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(secret);
        key.map(Self).map_err(|_| Refused::new(Code::WeakKey, "key", "X25519 secret key", "not 32 bytes of a key"))
    }

    /// Its public key.
    #[must_use]
    pub fn public(&self) -> Bytes32 {
        let mut out = [0; 32];
        X25519HkdfSha256::sk_to_pk(&self.0).write_exact(&mut out);
        Bytes32(out)
    }
}

impl fmt::Debug for UnsealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnsealKey(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};

    fn secret() -> [u8; 32] {
        BASE64URL.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap().try_into().unwrap()
    }

    /// RFC 8037 appendix A.1 to A.5: key, thumbprint, signature, verification.
    #[test]
    fn rfc_8037_appendix_a() {
        let public: Bytes32 = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".parse().unwrap();
        let key = BoxKey::new(&secret());
        assert_eq!(key.public(), public);
        let checked = PublicKey::new(&public).unwrap();
        assert_eq!(checked.thumbprint().to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert_eq!(BASE64URL.encode(key.0.sign(input.as_bytes()).to_bytes()), signature);
        let signature: [u8; 64] = BASE64URL.decode(signature).unwrap().try_into().unwrap();
        assert!(checked.verifies(input.as_bytes(), &signature));
    }

    /// The eight points of small order and their second spellings (as listed with RFC 7748's security considerations), and y not below p.
    #[test]
    fn weak_and_misspelt_keys_are_refused() {
        let hex = |text: &str| {
            let bytes: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect();
            Bytes32(bytes.try_into().unwrap())
        };
        let weak = [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ];
        for key in weak {
            assert_eq!(PublicKey::new(&hex(key)).map_err(|r| r.code), Err(Code::WeakKey), "{key}");
        }
        // y = 3 + p: a point of full order in its second spelling. 0x03 itself is on the curve.
        let (one, twin) = (
            Bytes32({
                let mut b = [0; 32];
                b[0] = 3;
                b
            }),
            Bytes32({
                let mut b = [0xff; 32];
                b[0] = 0xf0;
                b[31] = 0x7f;
                b
            }),
        );
        assert!(PublicKey::new(&one).is_ok());
        assert_eq!(PublicKey::new(&twin).map_err(|r| r.code), Err(Code::WeakKey));
        assert!(VerifyingKey::from_bytes(&twin.0).is_ok(), "the library alone would take it");
    }

    /// R of small order (the neutral point, s = k·a): RFC 8032 would let it pass, so that one key holder can make a signature that other
    /// verifiers judge otherwise. And s + L, the second spelling of a good signature.
    #[test]
    fn signatures_that_only_some_verifiers_take_are_refused() {
        let hex = |text: &str| {
            (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect::<Vec<_>>()
        };
        let key = SigningKey::from_bytes(&[42; 32]);
        let checked = PublicKey::new(&Bytes32(key.verifying_key().to_bytes())).unwrap();
        let small_r: [u8; 64] = hex(concat!(
            "0100000000000000000000000000000000000000000000000000000000000000",
            "224901c2c0d00637e1bf1b5953d6a8427fd3d88704d9562ba71a812fe608fc0b"
        ))
        .try_into()
        .unwrap();
        let lenient = ed25519_dalek::Verifier::verify(&checked.key, b"a visit", &Signature::from_bytes(&small_r));
        assert!(lenient.is_ok(), "the lenient check would take it");
        assert!(!checked.verifies(b"a visit", &small_r));

        let good = key.sign(b"a visit").to_bytes();
        assert!(checked.verifies(b"a visit", &good));
        let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        let (mut twin, mut carry) = (good, 0_u16);
        for (byte, add) in twin[32..].iter_mut().zip(order) {
            carry += u16::from(*byte) + u16::from(add);
            *byte = carry as u8;
            carry >>= 8;
        }
        assert!(!checked.verifies(b"a visit", &twin));
    }

    #[test]
    fn secrets_do_not_print() {
        let shown = format!("{:?} {:?}", BoxKey::new(&secret()), UnsealKey::new(&secret()).unwrap());
        assert_eq!(shown, "BoxKey(secret) UnsealKey(secret)");
    }
}
