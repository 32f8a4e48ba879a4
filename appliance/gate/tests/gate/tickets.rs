//! Owns: S2 at gate: no door without a ticket that the door key signed for this box, this nonce, this lease.
//! Each test ends with what the call process was given: nothing.
//! Never: a mock of gate; it is the real binary, or the real function.
//! Called by: `cargo test -p parloir-gate --features bench`.

use std::time::Duration;

use ed25519_dalek::{Signer, SigningKey};
use parloir_wire::gate::GateRefusal::{NoDoorKey, NoFreshKey, NoLease, TicketBinding, TicketForm, TicketSignature};
use parloir_wire::gate::{FromGate, GateRefusal, ShutReason, ToGate};
use parloir_wire::ticket::{self, Kind, Ticket};
use parloir_wire::{CAMERA, Id, door_record};

use crate::harness::{Arbiter, LEASE, SITE, Setup, World, sign_with};

fn assert_refused(world: &World, arbiter: &Arbiter, open: &ToGate, why: GateRefusal) {
    arbiter.send(open);
    assert_eq!(arbiter.refused(), (LEASE, why), "{open:?}");
    assert!(world.clip_holders().is_empty());
}

/// A prepared lease whose call process has told all it has to tell.
fn prepared(world: &World, arbiter: &Arbiter) -> Id {
    let nonce = world.prepare(arbiter);
    world.born();
    assert_eq!(world.report(), "begin 7 1");
    nonce
}

#[test]
fn every_bit_of_a_ticket_counts() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let nonce = prepared(&world, &arbiter);
    let ToGate::Open { ticket: good } = world.sign(&world.ticket(nonce)) else { unreachable!() };
    for bit in 0..ticket::SIZE * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        arbiter.send(&ToGate::Open { ticket: bad });
        let (lease, why) = arbiter.refused();
        assert!(lease == LEASE && matches!(why, TicketSignature | TicketForm), "bit {bit}: {why:?}");
    }
    assert!(world.clip_holders().is_empty());
    world.assert_no_report();
    arbiter.send(&ToGate::Open { ticket: good });
    arbiter.opened();
    world.doors_given();
}

#[test]
fn a_well_signed_ticket_for_something_else_opens_nothing() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let nonce = prepared(&world, &arbiter);
    let good = world.ticket(nonce);
    let zero = [0; 16];
    let others = [
        Ticket { device: [0xD2; 16], ..good },
        Ticket { nonce: [1; 16], ..good },
        Ticket { nonce: zero, ..good },
        Ticket { lease: [8; 16], ..good },
        Ticket { lease: zero, ..good },
        Ticket { nonce: zero, lease: zero, ..good },
        // A standing ticket answers no nonce and no lease.
        Ticket { kind: Kind::Always, ..good },
        Ticket { kind: Kind::Myself, nonce: zero, ..good },
        Ticket { kind: Kind::Always, lease: zero, ..good },
        Ticket { kind: Kind::Always, nonce: zero, lease: zero, device: [0xD2; 16], ..good },
    ];
    for other in others {
        assert_refused(&world, &arbiter, &world.sign(&other), TicketBinding);
    }
    world.assert_no_report();
}

#[test]
fn a_ticket_signed_by_another_key_or_for_another_purpose_opens_nothing() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let nonce = prepared(&world, &arbiter);
    let ticket = world.ticket(nonce);
    let stranger = SigningKey::from_bytes(&[66; 32]);
    assert_refused(&world, &arbiter, &sign_with(&stranger, &ticket), TicketSignature);
    assert_refused(&world, &arbiter, &sign_with(&world.roots[0], &ticket), TicketSignature);
    let body = ticket.body();
    for message in [body.to_vec(), [&door_record::CONTEXT[..], &body].concat()] {
        let ticket = Box::new(Ticket::join(&body, &world.door.sign(&message).to_bytes()));
        assert_refused(&world, &arbiter, &ToGate::Open { ticket }, TicketSignature);
    }
    world.assert_no_report();
}

/// The drill of a stolen door key (docs/keys.md): after the next record a ticket by it opens nothing, and one by the new key does.
#[test]
fn a_new_record_ends_the_old_keys_tickets() {
    let mut world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let old = std::mem::replace(&mut world.door, SigningKey::from_bytes(&[77; 32]));
    arbiter.send(&ToGate::DoorRecord { record: Box::new(world.record(2, SITE, &[0, 1])) });
    arbiter.expect(|m| matches!(m, FromGate::RecordKept { revision: 2 }).then_some(()));
    let nonce = prepared(&world, &arbiter);
    assert_refused(&world, &arbiter, &sign_with(&old, &world.ticket(nonce)), TicketSignature);
    arbiter.send(&world.sign(&world.ticket(nonce)));
    arbiter.opened();
}

#[test]
fn a_ticket_opens_one_lease() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let nonce = prepared(&world, &arbiter);
    let ticket = world.sign(&world.ticket(nonce));
    arbiter.send(&ticket);
    arbiter.opened();
    world.doors_given();
    arbiter.send(&ticket);
    assert_eq!(arbiter.refused(), (LEASE, NoLease), "while it is open");
    arbiter.send(&ToGate::Close { lease: LEASE });
    assert_eq!(arbiter.shut().0, ShutReason::Asked);
    arbiter.send(&ticket);
    assert_eq!(arbiter.refused(), ([0; 16], NoLease), "after the lease");
    let again = prepared(&world, &arbiter);
    assert_ne!(again, nonce, "a nonce is fresh");
    assert_refused(&world, &arbiter, &ticket, TicketBinding);
    world.assert_no_report();
}

#[test]
fn without_a_door_key_record_no_ticket_is_good() {
    let world = World::new(Setup::default());
    let arbiter = world.arbiter();
    let nonce = prepared(&world, &arbiter);
    assert_refused(&world, &arbiter, &world.sign(&world.ticket(nonce)), NoDoorKey);
    world.assert_no_report();
}

#[test]
fn a_voice_ticket_opens_the_microphone_only() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let nonce = prepared(&world, &arbiter);
    let voice = Ticket { media: parloir_wire::MICROPHONE, ..world.ticket(nonce) };
    arbiter.send(&world.sign(&voice));
    arbiter.expect(|m| matches!(m, FromGate::Opened { media: 2, .. }).then_some(()));
    assert!(world.report().starts_with("door 2 "));
    world.assert_no_report();
    assert!(world.clip_holders().is_empty());
}

#[test]
fn a_standing_ticket_needs_the_press_to_be_fresh_still() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let standing = |kind| world.sign(&Ticket { kind, media: CAMERA, nonce: [0; 16], lease: [0; 16], ..world.ticket([1; 16]) });
    prepared(&world, &arbiter);
    std::thread::sleep(Duration::from_millis(2050));
    assert_refused(&world, &arbiter, &standing(Kind::Always), NoFreshKey);
    world.assert_no_report();
    arbiter.send(&ToGate::Close { lease: LEASE });
    assert_eq!(arbiter.shut().0, ShutReason::Asked);
    for kind in [Kind::Always, Kind::Myself] {
        prepared(&world, &arbiter);
        arbiter.send(&standing(kind));
        arbiter.expect(|m| matches!(m, FromGate::Opened { media: CAMERA, .. }).then_some(()));
        assert!(world.report().starts_with("door 1 "));
        arbiter.send(&ToGate::Close { lease: LEASE });
        assert_eq!(arbiter.shut().0, ShutReason::Asked);
    }
}
