//! Owns: identifiers and key bytes as they stand in JSON: 16 bytes as 32 lower-case hex digits, keys as base64url without padding (RFC 4648 section 5).
//! Never: makes a random one (seal does); accepts a second spelling of the same bytes.
//! Called by: every document.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Broken;

/// A 16-byte identifier: 32 lower-case hex digits in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Id(pub [u8; 16]);

/// 32 bytes: a public key, a thumbprint, a fingerprint. base64url in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Bytes32(pub [u8; 32]);

/// A door ticket as it lies in a grant. base64url in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ticket128(pub [u8; 128]);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// The first eight digits: enough to tell two apart in a log, not enough to look one up.
impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|b| write!(f, "{b:02x}"))?;
        f.write_str("..")
    }
}

impl FromStr for Id {
    type Err = Broken;
    fn from_str(text: &str) -> Result<Self, Broken> {
        let digits = text.as_bytes();
        let mut out = [0; 16];
        let exact = digits.len() == 32 && out.iter_mut().zip(digits.chunks_exact(2)).all(|(byte, pair)| read_pair(byte, pair));
        if exact { Ok(Self(out)) } else { Err(Broken::new("MalformedDocument", "id", "not 32 lower-case hex digits")) }
    }
}

fn read_pair(byte: &mut u8, pair: &[u8]) -> bool {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    match (digit(pair[0]), digit(pair[1])) {
        (Some(high), Some(low)) => {
            *byte = high << 4 | low;
            true
        }
        _ => false,
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn to_base64url(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |g, b| g << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            out.push(char::from(ALPHABET[(group >> (18 - 6 * i) & 63) as usize]));
        }
    }
    out
}

/// Strict: exact length, no padding, unused bits zero, so that bytes have one spelling.
fn from_base64url<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut out = [0; N];
    if text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    let (mut group, mut bits, mut at) = (0_u32, 0, 0);
    for c in text.bytes() {
        let value = u32::try_from(ALPHABET.iter().position(|a| *a == c)?).ok()?;
        group = group << 6 | value;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            *out.get_mut(at)? = (group >> bits & 0xff) as u8;
            at += 1;
        }
    }
    (at == N && group & ((1 << bits) - 1) == 0).then_some(out)
}

macro_rules! base64url {
    ($name:ident, $bytes:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&to_base64url(&self.0))
            }
        }
        /// The first eight characters.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}..", to_base64url(&self.0[..6]))
            }
        }
        impl FromStr for $name {
            type Err = Broken;
            fn from_str(text: &str) -> Result<Self, Broken> {
                from_base64url(text).map(Self).ok_or(Broken::new(
                    "MalformedDocument",
                    "bytes",
                    concat!("not ", $bytes, " bytes in base64url without padding"),
                ))
            }
        }
    };
}
base64url!(Bytes32, "32");
base64url!(Ticket128, "128");

macro_rules! as_text {
    ($name:ident, $expect:literal, $pattern:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expect)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str("another text"), &self))
                    }
                }
                from.deserialize_str(Text)
            }
        }
        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $expect, "pattern": $pattern })
            }
        }
    };
}
as_text!(Id, "16 bytes as 32 lower-case hex digits", "^[0-9a-f]{32}$");
as_text!(Bytes32, "32 bytes in base64url without padding (RFC 4648 section 5)", "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$");
as_text!(Ticket128, "128 bytes in base64url without padding (RFC 4648 section 5)", "^[A-Za-z0-9_-]{170}[AEIMQUYcgkosw048]$");
