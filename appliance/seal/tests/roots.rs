//! Owns: k of n: how many roots must sign, and how nobody can count one twice.
//! Never: a network, a file.
//! Called by: cargo test.

use parloir_issuer::example::{Example, SITE, id};
use parloir_issuer::{Secret, authority, door_record};
use parloir_pass::{Authority, AuthorityKey, Bytes32, Class, Role};
use parloir_seal::{Code, Keyring, Refused, Roots};
use parloir_wire::door_record::DoorRecord;
use serde_json::Value;

fn signed(roots: &[&Secret]) -> String {
    authority(&Example::default().authority().unwrap(), roots).unwrap()
}

fn read(json: &str) -> Result<Authority, Refused> {
    Example::default().roots().unwrap().authority(json.as_bytes(), &SITE, 0)
}

fn code(json: &str) -> Code {
    read(json).expect_err("must be refused").code
}

#[test]
fn two_of_three_must_sign() {
    let [a, b, c] = &Example::default().roots;
    let stranger = Secret::new(&[77; 32]);
    let expected = Example::default().authority().unwrap();
    for good in [vec![a, b], vec![b, a], vec![a, c], vec![b, c], vec![a, b, c], vec![&stranger, a, c], vec![a, c, &stranger]] {
        assert_eq!(read(&signed(&good)), Ok(expected.clone()));
    }
    for few in [vec![], vec![a], vec![c], vec![a, &stranger], vec![&stranger, &Secret::new(&[78; 32])]] {
        let json = signed(&few);
        let seen = code(&json);
        assert!(matches!(seen, Code::NotEnoughRoots), "{seen:?}");
    }
    assert_eq!(code(&signed(&[a, a])), Code::NotEnoughRoots, "the same root twice");
    assert_eq!(code(&signed(&[a, b, a])), Code::NotEnoughRoots);
    assert_eq!(code(&signed(&[a, b, c, &stranger, &stranger, &stranger, &stranger])), Code::TooLarge);
}

fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut json: Value = serde_json::from_str(&Example::default().authority_json().unwrap()).unwrap();
    change(&mut json);
    json.to_string()
}

#[test]
fn forms_that_are_no_authority() {
    assert!(read(&changed(|_| ())).is_ok());
    assert_eq!(code(&changed(|j| j["header"] = Value::from("x"))), Code::MalformedDocument);
    assert_eq!(code(&changed(|j| j["signatures"][0]["header"] = serde_json::json!({"alg": "none"}))), Code::MalformedDocument);
    let first = changed(|j| {
        let other = j["signatures"][1]["signature"].clone();
        j["signatures"][0]["signature"] = other;
    });
    assert_eq!(code(&first), Code::BadSignature);
    let swapped = changed(|j| {
        let other = j["signatures"][1]["protected"].clone();
        j["signatures"][0]["protected"] = other;
    });
    assert_eq!(code(&swapped), Code::BadSignature);
    assert_eq!(code(&changed(|j| j["payload"] = Value::from(""))), Code::BadSignature);
    assert_eq!(code(&"x".repeat(32 * 1024 + 1)), Code::TooLarge);
    assert_eq!(code("{}"), Code::MalformedDocument);
    // A root key that signs a compact document makes no Authority of it.
    let site = Example::default();
    let compact = parloir_issuer::sign(&site.authority().unwrap(), &site.roots[0]).unwrap();
    assert_eq!(code(&compact), Code::MalformedDocument);
    let policy = parloir_issuer::sign(&site.policy(), &site.roots[0]).unwrap();
    let parts: Vec<_> = policy.split('.').collect();
    let other_typ = serde_json::json!({ "payload": parts[1], "signatures": [{ "protected": parts[0], "signature": parts[2] }] });
    assert_eq!(code(&other_typ.to_string()), Code::WrongTyp);
}

/// Every byte of the JSON changed by one bit: refused, or (white space and the like, which is not signed) says the same.
#[test]
fn one_bit_changed_never_changes_what_it_says() {
    let site = Example::default();
    let json = site.authority_json().unwrap().into_bytes();
    let roots = site.roots().unwrap();
    for at in 0..json.len() * 8 {
        let mut changed = json.clone();
        changed[at / 8] ^= 1 << (at % 8);
        if let Ok(read) = roots.authority(&changed, &SITE, 0) {
            assert_eq!(read, site.authority().unwrap(), "bit {at}");
        }
    }
}

#[test]
fn site_and_revision_floor() {
    let site = Example::default();
    let (json, roots) = (site.authority_json().unwrap(), site.roots().unwrap());
    let open = |site, floor| Keyring::open(json.as_bytes(), &roots, &site, floor).map(drop).map_err(|r| r.code);
    assert_eq!(open(SITE, 3), Ok(()), "the same revision may come again");
    assert_eq!(open(SITE, 4), Err(Code::OldRevision));
    assert_eq!(open(id(0x52), 0), Err(Code::NotForThisSite));
}

#[test]
fn an_authority_keeps_one_key_one_role() {
    let site = Example::default();
    let with = |change: &dyn Fn(&mut Authority)| {
        let mut document = site.authority().unwrap();
        change(&mut document);
        authority(&document, &[&site.roots[0], &site.roots[1]]).map_err(|r| r.code)
    };
    let extra = |role, key, classes: Vec<Class>, longest_s| AuthorityKey { role, key, classes, longest_s, not_after: i64::MAX };
    let new = Secret::new(&[50; 32]).public();
    assert!(with(&|_| ()).is_ok());
    assert_eq!(
        with(&|a| a.keys.push(extra(Role::Deny, site.policy.public(), vec![], 0))),
        Err(Code::WrongRole),
        "a key stands twice"
    );
    for role in [Role::Root, Role::Box, Role::Visitor] {
        assert_eq!(with(&|a| a.keys.push(extra(role, new, vec![], 0))), Err(Code::WrongRole));
    }
    assert_eq!(with(&|a| a.keys.push(extra(Role::Grant, new, vec![], 60))), Err(Code::MalformedDocument));
    assert_eq!(with(&|a| a.keys.push(extra(Role::Policy, new, vec![Class::Family], 60))), Err(Code::MalformedDocument));
    assert_eq!(with(&|a| a.v = 2), Err(Code::UnknownVersion));
    let weak = with(&|a| a.keys.push(extra(Role::Deny, Bytes32([0; 32]), vec![], 0))).unwrap();
    assert_eq!(code(&weak), Code::WeakKey);
}

#[test]
fn roots_bin() {
    let site = Example::default();
    let good = site.roots().unwrap().to_bytes();
    assert_eq!(Roots::parse(&good).unwrap(), site.roots().unwrap());
    let bad = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Roots::parse(&bytes).map_err(|r| r.code)
    };
    assert_eq!(bad(&|b| b[0] = 0), Err(Code::MalformedDocument), "nobody needs to sign");
    assert_eq!(bad(&|b| b[0] = 4), Err(Code::MalformedDocument));
    assert_eq!(bad(&|b| b[1] = 2), Err(Code::MalformedDocument));
    assert_eq!(bad(&|b| b.push(0)), Err(Code::MalformedDocument));
    assert_eq!(bad(&|b| b.truncate(1)), Err(Code::MalformedDocument));
    assert_eq!(bad(&|b| b.copy_within(2..34, 34)), Err(Code::MalformedDocument), "a root stands twice");
    assert_eq!(bad(&|b| b[2..34].fill(0)), Err(Code::WeakKey));
}

#[test]
fn door_records() {
    let site = Example::default();
    let roots = site.roots().unwrap();
    let record = DoorRecord { site: SITE.0, door_key: site.door.public().0, revision: 3 };
    let read = |bytes: &[u8]| roots.door_record(bytes).map_err(|r| r.code);
    assert_eq!(read(&site.door_record()), Ok(record));
    let [a, b, c] = &site.roots;
    assert_eq!(read(&door_record(&record, [Some(a), None, None])), Err(Code::NotEnoughRoots));
    assert_eq!(read(&door_record(&record, [Some(a), Some(a), None])), Err(Code::BadSignature), "one root in two slots");
    assert_eq!(read(&door_record(&record, [Some(b), Some(c), None])), Err(Code::BadSignature));
    let weak = DoorRecord { door_key: [0; 32], ..record };
    assert_eq!(read(&door_record(&weak, [Some(a), Some(b), None])), Err(Code::WeakKey));
    let good = site.door_record();
    for at in 0..256 * 8 {
        let mut changed = good;
        changed[at / 8] ^= 1 << (at % 8);
        assert!(read(&changed).is_err(), "bit {at}");
    }
    assert_eq!(read(&good[..255]), Err(Code::MalformedDocument));
}
