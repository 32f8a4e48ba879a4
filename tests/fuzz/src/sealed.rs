//! Owns: the target of sealed bodies.
//! Never: a body that opens by luck.
//! Called by: the fuzzer.
//!
//! Holds: what was sealed opens to the same bytes, for that kind, device and key alone; a body with any changed byte does not open.

use crate::bytes::Bytes;
use crate::documents::WORLD;
use parloir_issuer::example::{DEVICE, id};
use parloir_pass::Typ;
use parloir_seal::sealed::{ENC, MAX_PLAIN, TAG, open, seal};

/// See the module.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let (mode, kind) = (bytes.u8() % 2, Typ::ALL[usize::from(bytes.u8()) % Typ::ALL.len()]);
    let ours = WORLD.example.box_seal().expect("a key");
    if mode == 0 {
        if let Ok(plain) = open(kind, &DEVICE, &ours, bytes.0) {
            assert_eq!(plain.len(), bytes.0.len() - ENC - TAG);
            refused_when_changed(kind, bytes.0, usize::from(plain.first().copied().unwrap_or(0)));
        }
        return;
    }
    let (at, longer) = (usize::from(bytes.u16()), bytes.u8());
    let plain = bytes.0.repeat(1 + usize::from(longer % 16));
    match seal(kind, &DEVICE, &ours.public(), &plain) {
        Ok(body) => {
            assert!(plain.len() <= MAX_PLAIN);
            assert_eq!(open(kind, &DEVICE, &ours, &body).as_deref(), Ok(plain.as_slice()));
            refused_when_changed(kind, &body, at);
        }
        Err(_) => assert!(plain.len() > MAX_PLAIN),
    }
}

fn refused_when_changed(kind: Typ, body: &[u8], at: usize) {
    let (ours, other) = (WORLD.example.box_seal().expect("a key"), WORLD.example.facility_seal().expect("a key"));
    let mut changed = body.to_vec();
    let at = at % changed.len();
    // The highest bit of an X25519 point is not part of it (RFC 7748, section 5); HPKE binds the bytes as sent all the same.
    changed[at] ^= 0x80;
    assert!(open(kind, &DEVICE, &ours, &changed).is_err(), "byte {at}");
    assert!(open(kind, &DEVICE, &ours, &body[..body.len() - 1]).is_err());
    assert!(open(kind, &id(1), &ours, body).is_err(), "another device");
    assert!(open(kind, &DEVICE, &other, body).is_err(), "another key");
    let another = if kind == Typ::Ask { Typ::Grant } else { Typ::Ask };
    assert!(open(another, &DEVICE, &ours, body).is_err(), "another kind");
}
