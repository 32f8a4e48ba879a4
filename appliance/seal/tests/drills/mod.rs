//! Owns: the drills of `docs/keys.md` for what the roots vouch for: a key is replaced, a key is lost or stolen, a root is lost, a box is lost.
//! Never: a network, a file.
//! Called by: keyring.rs, whose program it shares.

use crate::{TRUSTED, code};
use parloir_issuer::example::{DEVICE, Example, SITE};
use parloir_issuer::{Secret, authority, sign};
use parloir_pass::{Authority, Role, Typ};
use parloir_seal::{BoxKey, Code, Keyring, PublicKey, Roots, UnsealKey, jws, sealed};

/// The site's Authority of a later revision, with these keys of one role and all others as they were.
fn with_keys(site: &Example, role: Role, keys: &[&Secret], revision: u64) -> Authority {
    let mut authority = site.authority().unwrap();
    let like = authority.keys.iter().find(|key| key.role == role).unwrap().clone();
    authority.keys.retain(|key| key.role != role);
    authority.keys.extend(keys.iter().map(|secret| parloir_pass::AuthorityKey { key: secret.public(), ..like.clone() }));
    authority.revision = revision;
    authority
}

fn ring(site: &Example, authority_: &Authority) -> Keyring {
    let json = authority(authority_, &[&site.roots[0], &site.roots[1]]).unwrap();
    Keyring::open(json.as_bytes(), &site.roots().unwrap(), &SITE, 0).unwrap()
}

/// First both, for as long as papers of the old key are about; then the new one alone, which is also the answer to a stolen key.
#[test]
fn a_role_key_is_replaced_without_a_gap_and_a_stolen_one_is_worth_nothing_after() {
    let site = Example::default();
    let new = Secret::new(&[91; 32]);
    for (role, old) in [
        (Role::Policy, &site.policy),
        (Role::Entitlement, &site.entitlement),
        (Role::Grant, &site.grant),
        (Role::Deny, &site.deny),
    ] {
        let by = |ring: &Keyring, key: &Secret| match role {
            Role::Policy => ring.policy(sign(&site.policy(), key).unwrap().as_bytes(), TRUSTED, 0).map(drop),
            Role::Entitlement => ring.entitlement(sign(&site.person(), key).unwrap().as_bytes(), &DEVICE, TRUSTED, 0).map(drop),
            Role::Grant => ring.grant(sign(&site.grant(), key).unwrap().as_bytes(), &DEVICE, TRUSTED).map(drop),
            _ => ring.deny(sign(&site.deny(), key).unwrap().as_bytes(), TRUSTED).map(drop),
        };
        let before = ring(&site, &site.authority().unwrap());
        assert_eq!((by(&before, old), code(by(&before, &new))), (Ok(()), Code::UnknownKey), "{role}");
        let both = ring(&site, &with_keys(&site, role, &[old, &new], 4));
        assert_eq!((by(&both, old), by(&both, &new)), (Ok(()), Ok(())), "{role}");
        let after = ring(&site, &with_keys(&site, role, &[&new], 5));
        assert_eq!((code(by(&after, old)), by(&after, &new)), (Code::UnknownKey, Ok(())), "{role}");
    }
}

/// Whoever has the stolen key and an old Authority brings a box back to neither: the box keeps the highest revision that it saw.
#[test]
fn an_authority_from_before_the_replacement_is_refused() {
    let site = Example::default();
    let old = authority(&site.authority().unwrap(), &[&site.roots[0], &site.roots[1]]).unwrap();
    let seen = site.roots().unwrap().authority(old.as_bytes(), &SITE, 5).unwrap_err();
    assert_eq!(seen.code, Code::OldRevision);
}

/// Root 0 is gone. The next image has another in its place; until every box runs it, the two that are left sign, and both images believe them.
#[test]
fn a_lost_root_is_replaced_by_the_next_image_and_the_two_others_go_on() {
    let site = Example::default();
    let [lost, b, c] = &site.roots;
    let new = Secret::new(&[92; 32]);
    let mut bytes = vec![2, 3];
    [&new, b, c].iter().for_each(|root| bytes.extend_from_slice(&root.public().0));
    let (old_image, new_image) = (site.roots().unwrap(), Roots::parse(&bytes).unwrap());
    let read = |image: &Roots, signers: &[&Secret]| {
        let json = authority(&site.authority().unwrap(), signers).unwrap();
        image.authority(json.as_bytes(), &SITE, 0).map(drop).map_err(|refused| refused.code)
    };
    assert_eq!((read(&old_image, &[b, c]), read(&new_image, &[b, c])), (Ok(()), Ok(())));
    assert_eq!(read(&new_image, &[&new, b]), Ok(()), "the new one counts");
    // Who found the lost root and stole one more rules boxes of the old image, and no box of the new one.
    assert_eq!((read(&old_image, &[lost, b]), read(&new_image, &[lost, b])), (Ok(()), Err(Code::NotEnoughRoots)));
}

/// A box is lost, or its keys may have been read: what replaces it has keys of its own, and papers for one are none for the other.
#[test]
fn a_replaced_box_shares_nothing_with_the_one_before() {
    let site = Example::default();
    let (ask, unseal) = (BoxKey::new(&[93; 32]), UnsealKey::new(&[94; 32]).unwrap());
    let (old_ask, old_unseal) = (BoxKey::new(&[95; 32]), UnsealKey::new(&[96; 32]).unwrap());
    let question = old_ask.sign_ask(&site.ask()).unwrap();
    let judged = |key: &BoxKey| jws::verify::<parloir_pass::Ask>(question.as_bytes(), &PublicKey::new(&key.public()).unwrap());
    assert!(judged(&old_ask).is_ok() && judged(&ask).is_err());
    let paper = sealed::seal(Typ::Entitlement, &DEVICE, &unseal.public(), b"a paper").unwrap();
    assert!(sealed::open(Typ::Entitlement, &DEVICE, &unseal, &paper).is_ok());
    assert!(sealed::open(Typ::Entitlement, &DEVICE, &old_unseal, &paper).is_err());
}
