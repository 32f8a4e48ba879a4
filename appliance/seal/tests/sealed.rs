//! Owns: what opens a sealed body: one key, one kind, one device, not one bit changed.
//! Never: a network, a file.
//! Called by: cargo test.

use parloir_issuer::example::{DEVICE, Example, id};
use parloir_pass::{Bytes32, Typ};
use parloir_seal::{Code, UnsealKey, sealed};

fn key() -> UnsealKey {
    Example::default().box_seal().unwrap()
}

fn open(kind: Typ, device: &parloir_pass::Id, key: &UnsealKey, body: &[u8]) -> Result<Vec<u8>, Code> {
    sealed::open(kind, device, key, body).map_err(|r| r.code)
}

#[test]
fn opens_for_the_one_it_is_for() {
    let body = sealed::seal(Typ::Grant, &DEVICE, &key().public(), b"the grant").unwrap();
    assert_eq!(body.len(), sealed::ENC + 9 + sealed::TAG);
    assert_eq!(open(Typ::Grant, &DEVICE, &key(), &body).as_deref(), Ok(b"the grant".as_slice()));
    let again = sealed::seal(Typ::Grant, &DEVICE, &key().public(), b"the grant").unwrap();
    assert_ne!(body, again, "a fresh ephemeral key each time");
}

#[test]
fn refuses_another_box_kind_device_or_bit() {
    let body = sealed::seal(Typ::Grant, &DEVICE, &key().public(), b"the grant").unwrap();
    let other = UnsealKey::new(&[99; 32]).unwrap();
    assert_eq!(open(Typ::Grant, &DEVICE, &other, &body), Err(Code::CannotUnseal), "sealed to another box");
    assert_eq!(open(Typ::Grant, &id(1), &key(), &body), Err(Code::CannotUnseal), "aad of another device");
    for kind in Typ::ALL.into_iter().filter(|k| *k != Typ::Grant) {
        assert_eq!(open(kind, &DEVICE, &key(), &body), Err(Code::CannotUnseal), "{kind}");
    }
    for at in 0..body.len() * 8 {
        // The top bit of an X25519 coordinate is masked by RFC 7748 section 5, but HPKE binds the bytes: it must still not open.
        let mut changed = body.clone();
        changed[at / 8] ^= 1 << (at % 8);
        assert_eq!(open(Typ::Grant, &DEVICE, &key(), &changed), Err(Code::CannotUnseal), "bit {at}");
    }
    for cut in 0..body.len() {
        assert_eq!(open(Typ::Grant, &DEVICE, &key(), &body[..cut]), Err(Code::CannotUnseal), "{cut} bytes");
    }
}

#[test]
fn sizes_and_weak_receivers() {
    let most = vec![7; sealed::MAX_PLAIN];
    let body = sealed::seal(Typ::Receipt, &DEVICE, &key().public(), &most).unwrap();
    assert_eq!(open(Typ::Receipt, &DEVICE, &key(), &body), Ok(most));
    let seal = |to: Bytes32, len| sealed::seal(Typ::Receipt, &DEVICE, &to, &vec![7; len]).map_err(|r| r.code);
    assert_eq!(seal(key().public(), sealed::MAX_PLAIN + 1), Err(Code::TooLarge));
    assert_eq!(open(Typ::Receipt, &DEVICE, &key(), &vec![0; 64 * 1024]), Err(Code::TooLarge));
    assert_eq!(seal(Bytes32([0; 32]), 1), Err(Code::WeakKey), "a point of small order: everybody would know the secret");
    assert_eq!(open(Typ::Grant, &DEVICE, &key(), &[0; 64]), Err(Code::CannotUnseal));
}
