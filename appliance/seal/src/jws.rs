//! Owns: the one form of a compact JWS (RFC 7515 section 7.1) with EdDSA (RFC 8037) that this house knows.
//! Never: an algorithm by the header's choice, a key by the document's choice, a payload before its signature.
//! Called by: keys, keyring, roots, the issuer, facility, parloirctl.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use parloir_pass::{Bytes32, Document, Id, Statement, Typ, receipt::MAX_STATEMENT};
use serde::Deserialize;
use serde_json::Value;

use crate::keys::thumbprint;
use crate::{Code, PublicKey, Refused};

/// Most bytes of a JWS, judged before anything else.
pub const MAX: usize = 32 * 1024;
/// Most levels of braces and brackets in a payload; the deepest of ours has 3.
pub const MAX_DEPTH: usize = 8;

/// What a header claims, not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Kind.
    pub typ: Typ,
    /// Thumbprint of the key.
    pub kid: Bytes32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
}

/// Verifies a document by one given key and checks its own bounds. Whom it is for is the caller's question.
///
/// # Errors
/// The first check that fails, in the order of the crate's header.
pub fn verify<D: Document>(compact: &[u8], key: &PublicKey) -> Result<D, Refused> {
    let parts = split(compact, D::TYP, MAX)?;
    let claim = header_claim(&parts, D::TYP)?;
    if claim.kid != key.thumbprint() {
        return Err(Refused::new(Code::UnknownKey, D::TYP.name(), "header.kid", "signed by another key than the expected one"));
    }
    verify_parts(&parts, key)
}

/// What the header claims. Proves nothing; for choosing a key and for diagnostics.
///
/// # Errors
/// `TooLarge`, `MalformedDocument`, `BadHeader`.
pub fn claim(compact: &[u8]) -> Result<Claim, Refused> {
    let parts = split_any(compact, "document", MAX)?;
    read_header(&parts, "document")
}

/// Verifies a visitor's Statement by the key that the grant names, and that it is about this call. Its `count` is the caller's to compare.
///
/// # Errors
/// As [`verify`]; `TooLarge` above 2048 bytes; `NotForThisCall`.
pub fn statement(compact: &[u8], key: &Bytes32, call: &Id) -> Result<Statement, Refused> {
    split(compact, Typ::Statement, MAX_STATEMENT)?;
    let statement: Statement = verify(compact, &PublicKey::new(key)?)?;
    if statement.call != *call {
        return Err(Refused::new(Code::NotForThisCall, "statement", "payload.call", "about another call"));
    }
    Ok(statement)
}

/// The bytes of the only header for a kind and a key.
#[must_use]
pub fn header(typ: Typ, key: &Bytes32) -> String {
    header_of(typ, &thumbprint(key))
}

fn header_of(typ: Typ, kid: &Bytes32) -> String {
    format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"{}"}}"#, typ.header())
}

/// Header and payload as they are signed (RFC 7515 section 5.1), after the document's own bounds were checked.
///
/// # Errors
/// A broken bound; `TooLarge`.
pub fn signing_input<D: Document>(document: &D, key: &Bytes32) -> Result<String, Refused> {
    let thing = D::TYP.name();
    document.check().map_err(|b| Refused::rule(thing, b))?;
    let payload = serde_json::to_vec(document).map_err(|e| Refused::json(thing, &e))?;
    let input = format!("{}.{}", BASE64URL.encode(header(D::TYP, key)), BASE64URL.encode(payload));
    if input.len() + 1 + 86 > MAX {
        return Err(Refused::new(Code::TooLarge, thing, "document", "more than 32 KiB"));
    }
    Ok(input)
}

/// The compact form of a signing input and its signature.
#[must_use]
pub fn join(input: &str, signature: &[u8; 64]) -> String {
    format!("{input}.{}", BASE64URL.encode(signature))
}

/// The three parts of a JWS, still in base64url.
pub(crate) struct Parts<'a> {
    pub header: &'a str,
    pub payload: &'a str,
    pub signature: &'a str,
}

fn split_any<'a>(compact: &'a [u8], thing: &'static str, max: usize) -> Result<Parts<'a>, Refused> {
    if compact.len() > max {
        return Err(Refused::new(Code::TooLarge, thing, "document", format!("more than {max} bytes")));
    }
    let malformed = || Refused::new(Code::MalformedDocument, thing, "document", "not three parts in base64url with two dots");
    let text = core::str::from_utf8(compact).map_err(|_| malformed())?;
    let mut parts = text.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(payload), Some(signature), None) => Ok(Parts { header, payload, signature }),
        _ => Err(malformed()),
    }
}

pub(crate) fn split(compact: &[u8], typ: Typ, max: usize) -> Result<Parts<'_>, Refused> {
    split_any(compact, typ.name(), max)
}

/// What the header claims, if it is exactly the header that we would write, and of the expected kind.
pub(crate) fn header_claim(parts: &Parts<'_>, typ: Typ) -> Result<Claim, Refused> {
    let claim = read_header(parts, typ.name())?;
    if claim.typ == typ {
        Ok(claim)
    } else {
        Err(Refused::new(Code::WrongTyp, typ.name(), "header.typ", format!("a document of kind {}", claim.typ)))
    }
}

fn read_header(parts: &Parts<'_>, thing: &'static str) -> Result<Claim, Refused> {
    let bad = |cause| Refused::new(Code::BadHeader, thing, "header", cause);
    let bytes = decode(parts.header, thing, "header")?;
    let header: Header<'_> = serde_json::from_slice(&bytes).map_err(|_| bad("not exactly the members alg, kid, typ"))?;
    if header.alg != "EdDSA" {
        return Err(bad("alg is not EdDSA"));
    }
    let typ = Typ::from_header(header.typ).ok_or_else(|| bad("typ is none of ours"))?;
    let kid = header.kid.parse().map_err(|_| bad("kid is no thumbprint"))?;
    if header_of(typ, &kid).as_bytes() != bytes {
        return Err(bad("other bytes than the one spelling of this header"));
    }
    Ok(Claim { typ, kid })
}

/// Signature, then payload. The header was judged by [`header_claim`], its `kid` by the caller.
pub(crate) fn verify_parts<D: Document>(parts: &Parts<'_>, key: &PublicKey) -> Result<D, Refused> {
    let thing = D::TYP.name();
    verify_signature(parts, key, thing)?;
    payload(&decode(parts.payload, thing, "payload")?)
}

pub(crate) fn verify_signature(parts: &Parts<'_>, key: &PublicKey, thing: &'static str) -> Result<(), Refused> {
    let bytes = decode(parts.signature, thing, "signature")?;
    let signature: [u8; 64] =
        bytes.try_into().map_err(|_| Refused::new(Code::BadSignature, thing, "signature", "not 64 bytes"))?;
    let mut input = String::with_capacity(parts.header.len() + 1 + parts.payload.len());
    input.push_str(parts.header);
    input.push('.');
    input.push_str(parts.payload);
    if key.verifies(input.as_bytes(), &signature) {
        Ok(())
    } else {
        Err(Refused::new(Code::BadSignature, thing, "signature", "does not fit the key and the bytes"))
    }
}

/// A payload whose signature holds, or the plain source of a document that shall be signed: depth, version, members, bounds.
///
/// # Errors
/// `MalformedDocument`, `UnknownVersion`, a bound.
pub fn payload<D: Document>(json: &[u8]) -> Result<D, Refused> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let thing = D::TYP.name();
    if depth(json) > MAX_DEPTH {
        return Err(Refused::new(Code::MalformedDocument, thing, "payload", "nested deeper than 8 levels"));
    }
    let version: Version = serde_json::from_slice(json).map_err(|e| Refused::json(thing, &e))?;
    if version.v != parloir_pass::VERSION {
        return Err(Refused::new(Code::UnknownVersion, thing, "payload.v", "this release knows version 1 only"));
    }
    let document: D = serde_json::from_slice(json).map_err(|e| Refused::json(thing, &e))?;
    // serde alone takes an array for an object and an absent member for null: what was signed must be what we would write, but for order and spaces.
    let (told, ours): (Value, Value) =
        (serde_json::from_slice(json).unwrap_or_default(), serde_json::to_value(&document).unwrap_or_default());
    if told != ours {
        return Err(Refused::new(
            Code::MalformedDocument,
            thing,
            "payload",
            "another form than the schema's, such as an array for an object",
        ));
    }
    document.check().map_err(|b| Refused::rule(thing, b))?;
    Ok(document)
}

/// Deepest nesting of braces and brackets outside of strings.
fn depth(json: &[u8]) -> usize {
    let (mut now, mut most, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => now += 1,
            b'}' | b']' if !in_text => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

/// Strict base64url: no padding, no stray bits, no other alphabet.
pub(crate) fn decode(text: &str, thing: &'static str, place: &'static str) -> Result<Vec<u8>, Refused> {
    BASE64URL.decode(text).map_err(|_| Refused::new(Code::MalformedDocument, thing, place, "not base64url without padding"))
}
