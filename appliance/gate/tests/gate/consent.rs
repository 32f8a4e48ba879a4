//! Owns: S1 at gate: no call process without an OK press that gate itself stamped, fresh, and not used before (ADR 4).
//! Never: a mock of gate; it is the real binary, or the real function.
//! Called by: `cargo test -p parloir-gate --features bench`.

use std::time::Duration;

use parloir_wire::gate::GateRefusal::{Busy, NoFreshKey};
use parloir_wire::gate::{FromGate, ShutReason, ToGate};
use parloir_wire::keys::{Key, Motion};

use crate::harness::{Arbiter, LEASE, Setup, World};

fn assert_no_consent(world: &World, arbiter: &Arbiter, serial: u64) {
    let _end = arbiter.prepare(LEASE, serial);
    assert_eq!(arbiter.refused(), (LEASE, NoFreshKey));
    world.assert_no_report();
}

#[test]
fn prepare_without_a_key_starts_nothing() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    for serial in [0, 1, u64::MAX] {
        assert_no_consent(&world, &arbiter, serial);
    }
}

#[test]
fn a_press_is_stale_after_two_seconds() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let serial = world.press_ok(&arbiter);
    std::thread::sleep(Duration::from_millis(2050));
    assert_no_consent(&world, &arbiter, serial);
}

#[test]
fn a_press_is_consent_once() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let serial = world.press_ok(&arbiter);
    let _end = arbiter.prepare(LEASE, serial);
    arbiter.expect(|m| matches!(m, FromGate::Prepared { .. }).then_some(()));
    arbiter.send(&ToGate::Close { lease: LEASE });
    assert_eq!(arbiter.shut().0, ShutReason::Asked);
    let _end = arbiter.prepare(LEASE, serial);
    assert_eq!(arbiter.refused(), (LEASE, NoFreshKey));
}

#[test]
fn only_the_press_of_ok_is_consent() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    for (key, motion) in
        [(Key::Ok, Motion::Repeat), (Key::Ok, Motion::Up), (Key::Back, Motion::Down), (Key::Digit1, Motion::Down)]
    {
        world.press(key, motion);
        let serial = arbiter.key(motion);
        assert_no_consent(&world, &arbiter, serial);
    }
}

#[test]
fn a_busy_gate_does_not_use_the_press_up() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    world.prepare(&arbiter);
    let serial = world.press_ok(&arbiter);
    let _end = arbiter.prepare([8; 16], serial);
    assert_eq!(arbiter.refused(), ([8; 16], Busy));
    arbiter.send(&ToGate::Close { lease: LEASE });
    assert_eq!(arbiter.shut().0, ShutReason::Asked);
    let _end = arbiter.prepare([8; 16], serial);
    arbiter.expect(|m| matches!(m, FromGate::Prepared { lease, .. } if lease == [8; 16]).then_some(()));
}
