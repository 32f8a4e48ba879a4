//! Owns: that no bytes make a parser panic, and that only what was signed verifies.
//! Never: judges the reason (the other tests do).
//! Called by: cargo test.

use parloir_issuer::example::{DEVICE, Example, SITE};
use parloir_issuer::sign;
use parloir_pass::{Entitlement, Grant, Parcel, Receipt, SitePolicy, Statement, Typ};
use parloir_seal::{Clock, Keyring, PublicKey, Roots, jws, sealed, ticket};
use proptest::prelude::*;

/// Everything that takes bytes from outside, on the same bytes.
fn take_all(bytes: &[u8]) {
    let site = Example::default();
    let roots = site.roots().unwrap();
    let ring = Keyring::open(site.authority_json().unwrap().as_bytes(), &roots, &SITE, 0).unwrap();
    let key = PublicKey::new(&site.visitor.public()).unwrap();
    let _ = jws::claim(bytes);
    let _ = jws::verify::<Statement>(bytes, &key);
    let _ = jws::payload::<Grant>(bytes);
    let _ = jws::payload::<Entitlement>(bytes);
    let _ = jws::payload::<SitePolicy>(bytes);
    let _ = jws::payload::<Receipt>(bytes);
    let _ = serde_json::from_slice::<Parcel>(bytes);
    let _ = Roots::parse(bytes);
    let _ = roots.authority(bytes, &SITE, 0);
    let _ = roots.door_record(bytes);
    let _ = ring.grant(bytes, &DEVICE, Clock::Untrusted);
    let _ = sealed::open(Typ::Grant, &DEVICE, &site.box_seal().unwrap(), bytes);
    if let Ok(fixed) = bytes.try_into() {
        let _ = ticket::verify(&parloir_pass::Ticket128(fixed), &key);
    }
}

/// Real documents, to be damaged.
fn seeds() -> Vec<Vec<u8>> {
    let site = Example::default();
    let receipt = site.receipt().unwrap();
    let json = |value: Result<Vec<u8>, serde_json::Error>| value.unwrap();
    vec![
        sign(&site.grant(), &site.grant).unwrap().into_bytes(),
        sign(&site.statement(), &site.visitor).unwrap().into_bytes(),
        site.authority_json().unwrap().into_bytes(),
        json(serde_json::to_vec(&site.grant())),
        json(serde_json::to_vec(&site.person())),
        json(serde_json::to_vec(&site.policy())),
        json(serde_json::to_vec(&receipt)),
        site.door_record().to_vec(),
        site.ticket().0.to_vec(),
        site.roots().unwrap().to_bytes(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(2), ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        take_all(&bytes);
    }

    #[test]
    fn damaged_documents(which in 0_usize..10, at in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(), byte in any::<u8>(), insert in any::<bool>()) {
        let mut bytes = seeds().swap_remove(which);
        let at = at.index(bytes.len());
        if insert { bytes.insert(at, byte) } else { bytes[at] = byte }
        take_all(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        take_all(&bytes);
    }

    #[test]
    fn json_of_the_right_letters(text in r#"[{}\[\]",:\\0-9a-z. ]{0,200}"#) {
        take_all(text.as_bytes());
    }
}
