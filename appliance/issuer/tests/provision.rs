//! Owns: that a provisioned site works with itself: every document verifies by what is in the tree, and nothing is overwritten.
//! Never: a fixed directory.
//! Called by: cargo test.

mod policies;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use parloir_issuer::{Fault, Options, Site, files, provision, sign};
use parloir_pass::{Id, Media, Typ};
use parloir_seal::{BoxKey, Clock, Keyring, PublicKey, Roots, UnsealKey, jws, random, sealed};

const NOW: i64 = 1_796_133_600;

/// A directory that goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("parloir-issuer-{}", random::id().unwrap())))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn options() -> Options {
    Options { relays: vec!["turn:127.0.0.1:3478?transport=udp".into()], now: NOW, zone_minutes: 60, ..Options::default() }
}

fn files_under(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { out.extend(files_under(&path)) } else { out.push(path) }
    }
    out
}

#[test]
fn the_box_believes_its_site_and_the_site_its_box() {
    let dir = Dir::new();
    let site = provision(&dir.0, &options()).unwrap();
    let at = |path: &str| files::read(&dir.0.join(path)).unwrap();

    // As the box does at its start, with nothing but its own files and what travels.
    let roots = Roots::parse(&at("box/roots.bin")).unwrap();
    let ring = Keyring::open(&at("site/authority.json"), &roots, &site.site, 1).unwrap();
    let clock = Clock::Unix(NOW);
    let policy = ring.policy(&at("site/policy.jws"), clock, 1).unwrap();
    assert_eq!(policy.relays, options().relays);
    assert_eq!(roots.door_record(&at("site/door-record.bin")).unwrap().door_key, site.door.public().0);
    let unseal = UnsealKey::new(&files::read_32(&dir.0.join("box/unseal.key")).unwrap()).unwrap();
    let compact = sign(&site.person, &site.entitlement).unwrap();
    let body = sealed::seal(Typ::Entitlement, &site.device, &site.box_seal, compact.as_bytes()).unwrap();
    let opened = sealed::open(Typ::Entitlement, &site.device, &unseal, &body).unwrap();
    assert_eq!(ring.entitlement(&opened, &site.device, clock, 1).unwrap(), site.person);

    // And back.
    let mut ask = parloir_issuer::example::Example::default().ask();
    (ask.site, ask.device) = (site.site, site.device);
    let key = BoxKey::new(&files::read_32(&dir.0.join("box/ask.key")).unwrap());
    let body = sealed::seal(Typ::Ask, &site.device, &ring.facility_seal(), key.sign_ask(&ask).unwrap().as_bytes()).unwrap();
    let opened = sealed::open(Typ::Ask, &site.device, &site.seal, &body).unwrap();
    assert_eq!(jws::verify::<parloir_pass::Ask>(&opened, &PublicKey::new(&site.box_key).unwrap()).unwrap(), ask);
}

#[test]
fn the_example_person_can_call_two_now_and_one_tomorrow_evening() {
    let dir = Dir::new();
    // 00:30 at the site, 23:30 of the day before in UTC: days are the site's.
    let now = NOW - NOW % 86_400 + 86_400 - 1800;
    let site = provision(&dir.0, &Options { now, ..options() }).unwrap();
    let [ana, mother, rui] = site.person.contacts.as_slice() else { panic!("three contacts") };
    assert_eq!((ana.media, mother.media, rui.media), (Media::Video, Media::Voice, Media::Video));
    for contact in [ana, mother] {
        assert!((0..13 * 86_400).step_by(600).all(|s| contact.open_window(now + s).is_some()), "without a gap");
    }
    assert_eq!(rui.open_window(now), None);
    let next = rui.next_window(now).unwrap();
    let local = |unix: i64| (unix + 3600).rem_euclid(86_400);
    assert_eq!((local(next.from), local(next.to)), (19 * 3600, 21 * 3600));
    assert!(next.from - now < 2 * 86_400);
    let booking = site.person.next_booking(now).unwrap();
    assert_eq!(booking.contact, ana.id);
    assert!((1..=900).contains(&(booking.from - now)));
}

#[test]
fn secrets_are_for_their_owner_and_never_overwritten() {
    let dir = Dir::new();
    let device = Id([7; 16]);
    let site = provision(&dir.0, &Options { device: Some(device), ..options() }).unwrap();
    assert_eq!(site.device, device);
    let files = files_under(&dir.0);
    let secrets: Vec<_> = files.iter().filter(|p| p.extension().is_some_and(|e| e == "key")).collect();
    assert_eq!(secrets.len(), 3 + 6 + 2 + 5 + 2, "{secrets:?}");
    for path in secrets {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
    let before: Vec<_> = files.iter().map(|p| fs::read(p).unwrap()).collect();
    let refused = provision(&dir.0, &options());
    assert!(matches!(refused, Err(Fault::File { .. })), "{refused:?}");
    let after: Vec<_> = files.iter().map(|p| fs::read(p).unwrap()).collect();
    assert!(before == after, "a refused init changed a file");
    assert!(fs::read_to_string(dir.0.join("tls/box.pem")).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
}

#[test]
fn a_site_without_its_root_secrets_still_loads() {
    let dir = Dir::new();
    provision(&dir.0, &options()).unwrap();
    fs::remove_dir_all(dir.0.join("roots")).unwrap();
    assert!(Site::load(&dir.0).is_ok());
}

#[test]
fn a_policy_that_cannot_be_kept_is_refused_before_the_first_file() {
    let dir = Dir::new();
    let refused = provision(&dir.0, &Options { relays: vec![], ..options() }).unwrap_err();
    assert_eq!(refused.code(), "PolicyRefused");
    assert!(refused.to_string().contains("NoRelay"), "{refused}");
    assert!(!dir.0.exists());
}
