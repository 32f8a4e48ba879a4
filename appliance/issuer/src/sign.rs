//! Owns: signatures: compact JWS by any key, an Authority by k roots, door tickets, door key records.
//! Never: judges who ought to sign what (seal does, and refuses).
//! Called by: provision, facility, tests.

use core::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use ed25519_dalek::{Signer, SigningKey};
use parloir_pass::{Authority, Bytes32, Document, Ticket128};
use parloir_seal::roots::{General, RootSignature};
use parloir_seal::{Code, Refused, jws, random};
use parloir_wire::door_record::{self, DoorRecord};
use parloir_wire::ticket::{self, Ticket};

/// An Ed25519 secret key (RFC 8032). Wiped when dropped.
pub struct Secret(SigningKey);

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// `NoRandom`.
    pub fn generate() -> Result<Self, Refused> {
        Ok(Self::new(&random::bytes()?))
    }

    /// From 32 bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(bytes))
    }

    /// The 32 bytes, for its file.
    #[must_use]
    pub fn bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Its public key.
    #[must_use]
    pub fn public(&self) -> Bytes32 {
        Bytes32(self.0.verifying_key().to_bytes())
    }

    /// The signature over bytes.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A document as a compact JWS.
///
/// # Errors
/// A bound of the document; `TooLarge`.
pub fn sign<D: Document>(document: &D, key: &Secret) -> Result<String, Refused> {
    let input = jws::signing_input(document, &key.public())?;
    let signature = key.sign(input.as_bytes());
    Ok(jws::join(&input, &signature))
}

/// An Authority in the general JSON serialization (RFC 7515 section 7.2.1), signed by each of the roots given.
///
/// # Errors
/// A bound of the document; `TooLarge`.
pub fn authority(document: &Authority, roots: &[&Secret]) -> Result<String, Refused> {
    let mut general = General { payload: String::new(), signatures: Vec::new() };
    for root in roots {
        let input = jws::signing_input(document, &root.public())?;
        let signature = BASE64URL.encode(root.sign(input.as_bytes()));
        let (protected, payload) = input.split_once('.').unwrap_or_default();
        payload.clone_into(&mut general.payload);
        general.signatures.push(RootSignature { protected: protected.to_owned(), signature });
    }
    serde_json::to_string(&general)
        .map_err(|_| Refused::new(Code::MalformedDocument, "authority", "document", "cannot be written"))
}

/// A door ticket, signed.
#[must_use]
pub fn ticket(ticket: &Ticket, door: &Secret) -> Ticket128 {
    let body = ticket.body();
    let signature = door.sign(&[ticket::CONTEXT.as_slice(), &body].concat());
    Ticket128(Ticket::join(&body, &signature))
}

/// A door key record, signed by the roots given; the slot of a root is its place in `roots.bin`.
#[must_use]
pub fn door_record(record: &DoorRecord, roots: [Option<&Secret>; door_record::ROOTS]) -> [u8; door_record::SIZE] {
    let body = record.body();
    let message = [door_record::CONTEXT.as_slice(), &body].concat();
    let signatures = roots.map(|root| root.map(|r| r.sign(&message)));
    DoorRecord::join(&body, &signatures)
}
