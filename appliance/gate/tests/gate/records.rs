//! Owns: whose tickets gate believes: k of n roots, this site, never an older record, also after a power cut.
//! Never: a mock of gate; it is the real binary, or the real function.
//! Called by: `cargo test -p parloir-gate --features bench`.

use ed25519_dalek::{Signer, SigningKey};
use parloir_gate::config::parse;
use parloir_gate::tickets::Tickets;
use parloir_wire::door_record::{self, DoorRecord, ROOTS};
use parloir_wire::gate::GateRefusal::{NoDoorKey, RecordOld, RecordSignature};
use parloir_wire::gate::{FromGate, GateRefusal, ToGate};

use crate::harness::{Arbiter, LEASE, SITE, Setup, World};

fn offer(arbiter: &Arbiter, record: [u8; door_record::SIZE]) -> Result<u64, GateRefusal> {
    arbiter.send(&ToGate::DoorRecord { record: Box::new(record) });
    arbiter.expect(|m| match m {
        FromGate::RecordKept { revision } => Some(Ok(revision)),
        FromGate::Refused { lease, why } => Some(Err(why)).filter(|_| lease == [0; 16]),
        _ => None,
    })
}

#[test]
fn two_of_three_roots_must_sign() {
    let world = World::new(Setup::default());
    let arbiter = world.arbiter();
    for too_few in [&[][..], &[0], &[1], &[2]] {
        assert_eq!(offer(&arbiter, world.record(1, SITE, too_few)), Err(RecordSignature), "{too_few:?}");
    }
    // One root twice is still one root.
    let mut twice = world.record(1, SITE, &[0]);
    twice.copy_within(64..128, 128);
    assert_eq!(offer(&arbiter, twice), Err(RecordSignature));
    let nonce = world.prepare(&arbiter);
    arbiter.send(&world.sign(&world.ticket(nonce)));
    assert_eq!(arbiter.refused(), (LEASE, NoDoorKey), "no refused record is believed");
    for (revision, enough) in [(1, &[0, 1][..]), (2, &[1, 2]), (3, &[0, 1, 2])] {
        assert_eq!(offer(&arbiter, world.record(revision, SITE, enough)), Ok(revision));
    }
}

#[test]
fn every_bit_of_a_record_counts() {
    let world = World::new(Setup::default());
    let arbiter = world.arbiter();
    let good = world.record(1, SITE, &[0, 1, 2]);
    for bit in 0..door_record::SIZE * 8 {
        let mut bad = good;
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(offer(&arbiter, bad), Err(RecordSignature), "bit {bit}");
    }
    assert_eq!(offer(&arbiter, good), Ok(1));
}

#[test]
fn a_record_of_another_site_or_of_strangers_is_refused() {
    let mut world = World::new(Setup::default());
    let arbiter = world.arbiter();
    assert_eq!(offer(&arbiter, world.record(1, [0x52; 16], &[0, 1, 2])), Err(RecordSignature));
    world.roots = (0..ROOTS as u8).map(|n| SigningKey::from_bytes(&[n + 40; 32])).collect();
    assert_eq!(offer(&arbiter, world.record(1, SITE, &[0, 1, 2])), Err(RecordSignature));
}

#[test]
fn an_older_record_is_refused_also_after_a_restart() {
    let mut world = World::new(Setup::default());
    let (older, newer) = (world.record(6, SITE, &[0, 1]), world.record(7, SITE, &[0, 1]));
    let arbiter = world.arbiter();
    assert_eq!(offer(&arbiter, older), Ok(6));
    assert_eq!(offer(&arbiter, newer), Ok(7));
    assert_eq!(offer(&arbiter, older), Err(RecordOld));
    assert_eq!(offer(&arbiter, newer), Ok(7), "a retained document comes again");
    drop(arbiter);

    world.restart_gate();
    let arbiter = Arbiter::connect(&world.dir.join("gate.sock"));
    let revision = arbiter.expect(|m| if let FromGate::Hello { revision, .. } = m { Some(revision) } else { None });
    assert_eq!(revision, 7, "Hello tells the floor");
    assert_eq!(offer(&arbiter, older), Err(RecordOld));
    // The same revision with another key is another record.
    let kept = std::mem::replace(&mut world.door, SigningKey::from_bytes(&[77; 32]));
    assert_eq!(offer(&arbiter, world.record(7, SITE, &[0, 1])), Err(RecordOld));
    world.door = kept;
    // Without the record having come again, its tickets are good.
    world.open(&arbiter, 60);
}

#[test]
fn a_record_that_cannot_be_kept_is_not_believed() {
    let world = World::new(Setup::default());
    let arbiter = world.arbiter();
    std::fs::remove_dir_all(world.dir.join("state")).expect("state");
    assert_eq!(offer(&arbiter, world.record(1, SITE, &[0, 1])), Err(GateRefusal::NoState));
    let nonce = world.prepare(&arbiter);
    arbiter.send(&world.sign(&world.ticket(nonce)));
    assert_eq!(arbiter.refused(), (LEASE, NoDoorKey));
}

/// A key of small order, under which one signature fits many messages (RFC 8032, section 5.1.7; here the neutral element).
const WEAK: [u8; 32] = {
    let mut key = [0; 32];
    key[0] = 1;
    key
};

#[test]
fn a_weak_door_key_is_refused_though_the_roots_signed_it() {
    let world = World::new(Setup::default());
    let arbiter = world.arbiter();
    let body = DoorRecord { site: SITE, door_key: WEAK, revision: 1 }.body();
    let message = [&door_record::CONTEXT[..], &body].concat();
    let signatures = [0, 1, 2].map(|root: usize| Some(world.roots[root].sign(&message).to_bytes()));
    assert_eq!(offer(&arbiter, DoorRecord::join(&body, &signatures)), Err(RecordSignature));
}

#[test]
fn gate_does_not_start_on_root_keys_that_are_no_quorum() {
    let keys: Vec<_> = (1..=4).map(|n| SigningKey::from_bytes(&[n; 32]).verifying_key().to_bytes()).collect();
    let file = |k: u8, n: u8, keys: &[[u8; 32]]| [&[k, n], keys.concat().as_slice()].concat();
    let path = std::env::temp_dir().join(format!("parloir-gate-roots-{}", std::process::id()));
    let load = |bytes: Vec<u8>| {
        std::fs::write(&path, bytes).expect("roots");
        let id = "00112233445566778899aabbccddeeff";
        let roots = path.display().to_string();
        let words =
            ["--device", id, "--site", id, "--arbiter-uid", "7", "--call-uid", "8", "--roots", &roots, "--state", "/nowhere"];
        Tickets::load(&parse(words.iter().map(|word| (*word).to_owned())).expect("config")).is_ok()
    };
    assert!(load(file(2, 3, &keys[..3])) && load(file(1, 1, &keys[..1])) && load(file(3, 3, &keys[1..])));
    assert!(!load(file(2, 3, &[keys[0], keys[1], keys[0]])), "one root twice");
    assert!(!load(file(2, 3, &[keys[0], keys[1], WEAK])), "a weak root");
    assert!(!load(file(0, 3, &keys[..3])) && !load(file(4, 3, &keys[..3])), "no quorum");
    assert!(!load(file(2, 4, &keys)), "more roots than a record has slots");
    assert!(!load(file(2, 3, &keys[..2])) && !load(file(2, 2, &keys[..3])) && !load(vec![]) && !load(vec![1, 1, 5]), "lengths");
    std::fs::remove_file(path).expect("clean up");
}

/// How it was broken: a courier that was taken over delivers the genuine record again and again; each time gate wrote it to the disk and
/// waited for that, which wears the flash out and can cost gate its own watchdog, and with it the visit.
#[test]
fn the_same_record_again_is_not_written_again() {
    use std::os::unix::fs::MetadataExt as _;
    let world = World::new(Setup::default());
    let arbiter = world.arbiter();
    let file = || std::fs::metadata(world.dir.join("state/door-record")).expect("a kept record").ino();
    assert_eq!(offer(&arbiter, world.record(3, SITE, &[0, 1])), Ok(3));
    let first = file();
    assert_eq!(offer(&arbiter, world.record(3, SITE, &[0, 1])), Ok(3));
    assert_eq!(file(), first);
    assert_eq!(offer(&arbiter, world.record(4, SITE, &[0, 1])), Ok(4));
    assert_ne!(file(), first);
}
