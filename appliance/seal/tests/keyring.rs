//! Owns: which key may sign what, for whom, for how long and until when.
//! Never: a network, a file.
//! Called by: cargo test.

mod drills;

use parloir_issuer::example::{CALL, DEVICE, Example, NOW, SITE, id};
use parloir_issuer::{Secret, sign, ticket};
use parloir_pass::{AuthorityKey, Class, Document, Grant, Id, Media, Role};
use parloir_seal::{Clock, Code, Keyring, Refused, ticket as check};
use parloir_wire::ticket::{Kind, Ticket};

const TRUSTED: Clock = Clock::Unix(NOW);

fn keyring(site: &Example) -> Keyring {
    Keyring::open(site.authority_json().unwrap().as_bytes(), &site.roots().unwrap(), &SITE, 0).unwrap()
}

fn code<T>(result: Result<T, Refused>) -> Code {
    result.err().expect("must be refused").code
}

fn grant(site: &Example, change: impl FnOnce(&mut Grant)) -> Result<Grant, Refused> {
    let mut grant = site.grant();
    change(&mut grant);
    keyring(site).grant(sign(&grant, &site.grant)?.as_bytes(), &DEVICE, TRUSTED)
}

#[test]
fn every_document_by_its_own_key() {
    let site = Example::default();
    let ring = keyring(&site);
    let by = |compact: Result<String, Refused>| compact.unwrap().into_bytes();
    assert_eq!(ring.policy(&by(sign(&site.policy(), &site.policy)), TRUSTED, 7), Ok(site.policy()));
    assert_eq!(ring.entitlement(&by(sign(&site.person(), &site.entitlement)), &DEVICE, TRUSTED, 12), Ok(site.person()));
    assert_eq!(ring.grant(&by(sign(&site.grant(), &site.grant)), &DEVICE, TRUSTED), Ok(site.grant()));
    assert_eq!(ring.beat(&by(sign(&site.beat(), &site.grant)), &site.grant(), TRUSTED), Ok(site.beat()));
    assert_eq!(ring.deny(&by(sign(&site.deny(), &site.deny)), TRUSTED), Ok(site.deny()));
    assert_eq!(ring.time(&by(sign(&site.time(), &site.grant)), &DEVICE, &site.time().nonce), Ok(site.time()));
    assert_eq!(check::check(&site.grant(), &site.ask()).unwrap().longest_run_s, 2100);
}

/// Each kind by the key of each other role, and by a key that nobody named.
#[test]
fn a_key_signs_for_its_one_role() {
    let site = Example::default();
    let ring = keyring(&site);
    fn tried<D: Document>(ring: &Keyring, document: &D, role: Role, key: &Secret) {
        let compact = sign(document, key).unwrap();
        let read = ring.verify::<D>(compact.as_bytes(), TRUSTED);
        if role == D::TYP.role() {
            assert!(read.is_ok(), "{} by {role}", D::TYP);
        } else {
            assert_eq!(code(read), Code::WrongRole, "{} by {role}", D::TYP);
        }
    }
    let keys = [
        (Role::Policy, &site.policy),
        (Role::Entitlement, &site.entitlement),
        (Role::Grant, &site.grant),
        (Role::Door, &site.door),
        (Role::Deny, &site.deny),
    ];
    for (role, key) in keys {
        tried(&ring, &site.policy(), role, key);
        tried(&ring, &site.person(), role, key);
        tried(&ring, &site.grant(), role, key);
        tried(&ring, &site.time(), role, key);
        tried(&ring, &site.beat(), role, key);
        tried(&ring, &site.deny(), role, key);
        tried(&ring, &site.ask(), role, key);
        tried(&ring, &site.statement(), role, key);
        tried(&ring, &site.receipt().unwrap(), role, key);
    }
    for stranger in [&site.visitor, &site.roots[0], &Secret::new(&[10; 32])] {
        let compact = sign(&site.grant(), stranger).unwrap();
        assert_eq!(code(ring.grant(compact.as_bytes(), &DEVICE, TRUSTED)), Code::UnknownKey);
    }
}

#[test]
fn keys_end_on_their_last_day_only_by_a_trusted_clock() {
    let site = Example::default();
    let ring = keyring(&site);
    let compact = sign(&site.policy(), &site.policy).unwrap();
    let last = site.authority().unwrap().keys[0].not_after;
    let read = |clock| ring.policy(compact.as_bytes(), clock, 0);
    assert!(read(Clock::Unix(last)).is_ok());
    assert_eq!(code(read(Clock::Unix(last + 1))), Code::KeyExpired);
    assert!(read(Clock::Untrusted).is_ok());
    let grant = sign(&site.grant(), &site.grant).unwrap();
    assert_eq!(code(ring.grant(grant.as_bytes(), &DEVICE, Clock::Unix(last + 1))), Code::KeyExpired);
    // Who did not sign cannot say that it is only the date.
    let other = sign(&site.deny(), &site.deny).unwrap();
    let (body, _) = grant.rsplit_once('.').unwrap();
    let bent = format!("{body}.{}", other.rsplit_once('.').unwrap().1);
    assert_eq!(code(ring.grant(bent.as_bytes(), &DEVICE, Clock::Unix(last + 1))), Code::BadSignature);
    // A time statement is judged by its own time: an expired key cannot set the clock, forwards or back into its life.
    let mut time = site.time();
    time.unix_ms = (last + 1) * 1000;
    let compact = sign(&time, &site.grant).unwrap();
    assert_eq!(code(ring.time(compact.as_bytes(), &DEVICE, &time.nonce)), Code::KeyExpired);
}

#[test]
fn a_ring_is_by_a_grant_key_for_its_class_and_for_this_box() {
    let site = Example::default();
    let ring = keyring(&site);
    let read = |change: &dyn Fn(&mut parloir_pass::Ring), key| {
        let mut document = site.ring();
        change(&mut document);
        ring.ring(sign(&document, key).unwrap().as_bytes(), &DEVICE, TRUSTED)
    };
    assert_eq!(read(&|_| (), &site.grant), Ok(site.ring()));
    assert_eq!(code(read(&|_| (), &site.deny)), Code::WrongRole);
    assert_eq!(code(read(&|r| r.class = Class::Lawyer, &site.grant)), Code::KeyBounds);
    assert_eq!(code(read(&|r| r.device = id(0xb1), &site.grant)), Code::NotForThisBox);
    assert_eq!(code(read(&|r| r.site = id(0x52), &site.grant)), Code::NotForThisSite);
}

#[test]
fn the_grant_keys_bounds_hold() {
    let site = Example::default();
    let long = |g: &mut Grant| {
        g.lease_s = 3601;
        g.ticket = ticket(&ticket_for(g), &Example::default().door);
    };
    assert_eq!(code(grant(&site, long)), Code::KeyBounds);
    assert_eq!(code(grant(&site, |g| g.class = Class::Lawyer)), Code::KeyBounds);
    assert_eq!(code(grant(&site, |g| g.slot_s = 0)), Code::MalformedDocument);
    assert_eq!(code(grant(&site, |g| g.device = id(0xb1))), Code::NotForThisBox);
    assert_eq!(code(grant(&site, |g| g.site = id(0x52))), Code::NotForThisSite);
}

fn ticket_for(grant: &Grant) -> Ticket {
    Ticket {
        kind: Kind::Nonce,
        media: check::mask(grant.media),
        device: grant.device.0,
        nonce: id(0x72).0,
        lease: grant.call.0,
        longest_run_s: grant.lease_s,
    }
}

/// Grant key and door key are bounded each by itself: one that may does not lend its right to the other.
#[test]
fn each_keys_own_bounds_are_asked() {
    let site = Example::default();
    let compact = sign(&site.grant(), &site.grant).unwrap();
    let read = |role: Role, change: &dyn Fn(&mut AuthorityKey)| {
        let mut authority = site.authority().unwrap();
        authority.keys.iter_mut().filter(|k| k.role == role).for_each(change);
        let json = parloir_issuer::authority(&authority, &[&site.roots[0], &site.roots[1]]).unwrap();
        let ring = Keyring::open(json.as_bytes(), &site.roots().unwrap(), &SITE, 0).unwrap();
        let grant = ring.grant(compact.as_bytes(), &DEVICE, TRUSTED).map(drop).map_err(|r| r.code);
        let beat = sign(&site.beat(), &site.grant).unwrap();
        let beat = ring.beat(beat.as_bytes(), &site.grant(), TRUSTED).map(drop).map_err(|r| r.code);
        (grant, beat)
    };
    let (bounds, expired) = (Err(Code::KeyBounds), Err(Code::KeyExpired));
    assert_eq!(read(Role::Grant, &|k| k.longest_s = 2100), (Ok(()), Ok(())));
    assert_eq!(read(Role::Grant, &|k| k.longest_s = 2099), (bounds, Ok(())));
    assert_eq!(read(Role::Door, &|k| k.longest_s = 2099), (bounds, Ok(())));
    assert_eq!(read(Role::Grant, &|k| k.classes = vec![Class::Lesson]), (bounds, bounds));
    assert_eq!(read(Role::Door, &|k| k.classes = vec![Class::Lesson]), (bounds, Ok(())));
    assert_eq!(read(Role::Grant, &|k| k.not_after = NOW - 1), (expired, expired));
    assert_eq!(read(Role::Door, &|k| k.not_after = NOW - 1), (expired, Ok(())));
}

/// The grant is good and rightly signed; only its ticket is not.
#[test]
fn a_ticket_that_does_not_say_what_its_grant_says() {
    let site = Example::default();
    let with = |change: &dyn Fn(&mut Ticket), key: &Secret| {
        grant(&site, |g| {
            let mut t = ticket_for(g);
            change(&mut t);
            g.ticket = ticket(&t, key);
        })
    };
    assert!(with(&|_| (), &site.door).is_ok());
    assert_eq!(code(with(&|_| (), &site.grant)), Code::BadTicket, "signed by the grant key");
    assert_eq!(code(with(&|t| t.device = id(1).0, &site.door)), Code::BadTicket);
    assert_eq!(code(with(&|t| t.lease = id(1).0, &site.door)), Code::BadTicket);
    assert_eq!(code(with(&|t| t.media = 1, &site.door)), Code::BadTicket);
    assert_eq!(code(with(&|t| t.longest_run_s += 1, &site.door)), Code::BadTicket);
    assert_eq!(code(with(&|t| t.longest_run_s = 3601, &site.door)), Code::KeyBounds);
    assert_eq!(code(with(&|t| t.kind = Kind::Always, &site.door)), Code::BadTicket);
    assert_eq!(code(with(&|t| t.kind = Kind::Myself, &site.door)), Code::BadTicket);
    let voice = grant(&site, |g| g.media = Media::Voice);
    assert_eq!(code(voice), Code::BadTicket, "a voice call with a ticket for the camera");
    for bit in 0..1024 {
        let flipped = grant(&site, |g| g.ticket.0[bit / 8] ^= 1 << (bit % 8));
        assert_eq!(code(flipped), Code::BadTicket, "bit {bit}");
    }
}

#[test]
fn a_ticket_for_another_press_is_refused() {
    let site = Example::default();
    let mut ask = site.ask();
    ask.gate_nonce = id(0x74);
    assert_eq!(code(check::check(&site.grant(), &ask)), Code::BadTicket);
}

#[test]
fn whom_and_what_a_document_is_for() {
    let site = Example::default();
    let ring = keyring(&site);
    let other = id(0xb1);
    let person = sign(&site.person(), &site.entitlement).unwrap();
    assert_eq!(code(ring.entitlement(person.as_bytes(), &other, TRUSTED, 0)), Code::NotForThisBox);
    assert_eq!(code(ring.entitlement(person.as_bytes(), &DEVICE, TRUSTED, 13)), Code::OldRevision);
    let policy = sign(&site.policy(), &site.policy).unwrap();
    assert_eq!(code(ring.policy(policy.as_bytes(), TRUSTED, 8)), Code::OldRevision);
    let time = sign(&site.time(), &site.grant).unwrap();
    assert_eq!(code(ring.time(time.as_bytes(), &DEVICE, &id(0x74))), Code::NotForThisCall);
    assert_eq!(code(ring.time(time.as_bytes(), &other, &site.time().nonce)), Code::NotForThisBox);
    let beat = sign(&site.beat(), &site.grant).unwrap();
    let live = |grant_id: Id, device| {
        let mut grant = site.grant();
        (grant.grant, grant.device) = (grant_id, device);
        ring.beat(beat.as_bytes(), &grant, TRUSTED)
    };
    assert_eq!(code(live(id(0x62), DEVICE)), Code::NotForThisCall);
    assert_eq!(code(live(id(0x61), other)), Code::NotForThisBox);
    let mut deny = site.deny();
    deny.site = id(0x52);
    assert_eq!(code(ring.deny(sign(&deny, &site.deny).unwrap().as_bytes(), TRUSTED)), Code::NotForThisSite);
    let mut policy = site.policy();
    policy.site = id(0x52);
    assert_eq!(code(ring.policy(sign(&policy, &site.policy).unwrap().as_bytes(), TRUSTED, 0)), Code::NotForThisSite);
}

/// A grant with one bit changed anywhere, as a carrier could change it.
#[test]
fn a_grant_with_one_bit_changed_is_refused() {
    let site = Example::default();
    let ring = keyring(&site);
    let compact = sign(&site.grant(), &site.grant).unwrap().into_bytes();
    for at in 0..compact.len() {
        let mut changed = compact.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(ring.grant(&changed, &DEVICE, TRUSTED).is_err(), "byte {at}");
    }
    assert_eq!(ring.grant(&compact, &DEVICE, TRUSTED).unwrap().call, CALL);
}
