//! Owns: the JSON forms that link itself reads and writes: `signal`, `status`.
//! Never: a signed document; those pass as bytes.
//! Called by: [`crate::direct`], [`crate::run`], the facility (the other end of `signal`).

use parloir_wire::codec::refused;
use parloir_wire::signal::{MAX_CANDIDATE, MAX_SDP, Signal};
use parloir_wire::{Id, Refused};
use serde::{Deserialize, Serialize};

/// The only version.
pub const VERSION: u32 = 1;
/// Most bytes of a signal body: an SDP with every byte escaped is longer, and is refused.
pub const MAX_SIGNAL: usize = 48 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    v: u32,
    call: String,
    generation: u32,
    kind: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sdp: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mline: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    candidate: Option<String>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Name {
    Offer,
    Answer,
    Candidate,
    Bye,
    Again,
}

/// The body of a `signal` about `call`.
#[must_use]
pub fn write_signal(call: &Id, signal: &Signal) -> Vec<u8> {
    let empty = |generation: &u32, kind| Body {
        v: VERSION,
        call: crate::topic::Hex(call).to_string(),
        generation: *generation,
        kind,
        sdp: None,
        mline: None,
        candidate: None,
    };
    let body = match signal {
        Signal::Offer { generation, sdp } => Body { sdp: Some(sdp.clone()), ..empty(generation, Name::Offer) },
        Signal::Answer { generation, sdp } => Body { sdp: Some(sdp.clone()), ..empty(generation, Name::Answer) },
        Signal::Candidate { generation, mline, candidate } => {
            Body { mline: Some(*mline), candidate: Some(candidate.clone()), ..empty(generation, Name::Candidate) }
        }
        Signal::Bye { generation } => empty(generation, Name::Bye),
        Signal::Again { generation } => empty(generation, Name::Again),
    };
    // A struct of text and numbers always has a JSON form.
    serde_json::to_vec(&body).unwrap_or_default()
}

/// Reads the body of a `signal`.
///
/// # Errors
/// Not JSON of this form, another version, a member too many or missing, a text over its bound.
pub fn read_signal(bytes: &[u8]) -> Result<(Id, Signal), Refused> {
    if bytes.len() > MAX_SIGNAL {
        return Err(refused("signal", "longer than 48 KiB"));
    }
    let body: Body = serde_json::from_slice(bytes).map_err(|_| refused("signal", "not the JSON of docs/mqtt.md"))?;
    if body.v != VERSION {
        return Err(refused("signal version", "unknown"));
    }
    let call = read_id(&body.call).ok_or(refused("signal call", "not 32 lower-case hex digits"))?;
    let generation = body.generation;
    let signal = match (body.kind, body.sdp, body.mline, body.candidate) {
        (Name::Offer, Some(sdp), None, None) => Signal::Offer { generation, sdp: bounded(sdp, MAX_SDP, "offer")? },
        (Name::Answer, Some(sdp), None, None) => Signal::Answer { generation, sdp: bounded(sdp, MAX_SDP, "answer")? },
        (Name::Candidate, None, Some(mline), Some(candidate)) => {
            Signal::Candidate { generation, mline, candidate: bounded(candidate, MAX_CANDIDATE, "candidate")? }
        }
        (Name::Bye, None, None, None) => Signal::Bye { generation },
        (Name::Again, None, None, None) => Signal::Again { generation },
        (Name::Offer | Name::Answer | Name::Candidate | Name::Bye | Name::Again, ..) => {
            return Err(refused("signal", "members that do not belong to its kind"));
        }
    };
    Ok((call, signal))
}

/// The body of a `status`.
#[must_use]
pub fn write_status(online: bool) -> Vec<u8> {
    format!(r#"{{"v":{VERSION},"online":{online}}}"#).into_bytes()
}

/// 16 bytes of 32 lower-case hex digits.
#[must_use]
pub fn read_id(text: &str) -> Option<Id> {
    let nibble = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut id = [0; 16];
    if pairs.len() != id.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in id.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(id)
}

fn bounded(text: String, max: usize, what: &'static str) -> Result<String, Refused> {
    if text.len() > max { Err(refused(what, "text longer than its bound")) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::{read_id, read_signal, write_signal, write_status};
    use parloir_wire::signal::{MAX_CANDIDATE, MAX_SDP, Signal};

    const CALL: [u8; 16] = [0x0f; 16];

    #[test]
    fn every_signal_comes_back() {
        for s in [
            Signal::Offer { generation: 1, sdp: "v=0\r\n".into() },
            Signal::Answer { generation: 2, sdp: "v=0\r\n\u{e9}".into() },
            Signal::Candidate { generation: u32::MAX, mline: 0, candidate: "candidate:1 1 udp 1 10.0.0.1 9 typ relay".into() },
            Signal::Candidate { generation: 1, mline: 1, candidate: String::new() },
            Signal::Bye { generation: 0 },
            Signal::Again { generation: 3 },
        ] {
            assert_eq!(read_signal(&write_signal(&CALL, &s)).unwrap(), (CALL, s));
        }
    }

    #[test]
    fn what_is_not_exactly_a_signal_is_refused() {
        let call = "0f".repeat(16);
        let ok = format!(r#"{{"v":1,"call":"{call}","generation":1,"kind":"bye"}}"#);
        assert!(read_signal(ok.as_bytes()).is_ok());
        for (from, to) in [
            (r#""v":1"#, r#""v":2"#),
            (r#""kind":"bye""#, r#""kind":"bye","sdp":"x""#),
            (r#""kind":"bye""#, r#""kind":"offer""#),
            (r#""kind":"bye""#, r#""kind":"candidate","mline":0"#),
            (r#""kind":"bye""#, r#""kind":"bye","extra":1"#),
            (r#""kind":"bye""#, r#""kind":"again","sdp":"x""#),
            (r#""kind":"bye""#, r#""kind":"BYE""#),
            ("0f0f", "0F0F"),
            ("0f0f", "0f"),
            (r#""generation":1"#, r#""generation":-1"#),
            (r#""generation":1"#, r#""generation":4294967296"#),
        ] {
            let bad = ok.replacen(from, to, 1);
            assert_ne!(bad, ok);
            assert!(read_signal(bad.as_bytes()).is_err(), "{bad}");
        }
        let long = Signal::Offer { generation: 1, sdp: "x".repeat(MAX_SDP + 1) };
        assert!(read_signal(&write_signal(&CALL, &long)).is_err());
        let long = Signal::Candidate { generation: 1, mline: 0, candidate: "x".repeat(MAX_CANDIDATE + 1) };
        assert!(read_signal(&write_signal(&CALL, &long)).is_err());
        assert!(read_signal(&[b' '; 48 * 1024 + 1]).unwrap_err().why.contains("48 KiB"));
    }

    #[test]
    fn ids_are_32_lower_case_hex_digits() {
        assert_eq!(read_id(&"a0".repeat(16)), Some([0xa0; 16]));
        for bad in ["", "a", &"a0".repeat(15), &"a0".repeat(17), &"A0".repeat(16), &"g0".repeat(16), &"\u{e9}".repeat(16)] {
            assert_eq!(read_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn status_is_json() {
        assert_eq!(write_status(true), br#"{"v":1,"online":true}"#);
    }
}
