//! Owns: the way a visit takes through gate: key, prepare, ticket, doors, close.
//! Never: a mock of gate; it is the real binary, or the real function.
//! Called by: `cargo test -p parloir-gate --features bench`.

use std::os::unix::fs::MetadataExt;
use std::time::Instant;

use parloir_wire::gate::GateRefusal::NoLease;
use parloir_wire::gate::{FromGate, ShutReason, ToGate};
use parloir_wire::keys::{Key, Motion};

use crate::harness::{LEASE, SOON, Setup, World, in_time, wait_dead};

#[test]
fn key_then_ticket_then_doors_then_close() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let serial = world.press_ok(&arbiter);
    let end = arbiter.prepare(LEASE, serial);
    let nonce = arbiter.expect(|m| if let FromGate::Prepared { nonce, .. } = m { Some(nonce) } else { None });
    let pid = world.born();
    assert_eq!(world.report(), "begin 7 1");
    assert!(world.clip_holders().is_empty(), "a door is open before the ticket");

    arbiter.send(&world.sign(&world.ticket(nonce)));
    arbiter.opened();
    let inode = |name: &str| std::fs::metadata(world.dir.join(name)).expect("there").ino();
    assert_eq!(world.report(), format!("door 1 {}", inode("camera.y4m")));
    assert_eq!(world.report(), format!("door 2 {}", inode("microphone.wav")));
    assert_eq!(world.clip_holders(), [pid], "only the call process may have the camera, gate keeps no copy");
    let mut said = [0; 8];
    assert_eq!(nix::unistd::read(&end, &mut said), Ok(4), "the arbiter's socketpair reaches the call process");

    arbiter.send(&ToGate::Close { lease: LEASE });
    assert_eq!(arbiter.shut().0, ShutReason::Asked);
    assert_eq!(world.clip_holders(), [0u32; 0], "after Shut nobody has the camera");
    wait_dead(pid);
}

#[test]
fn close_names_the_lease() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let pid = world.open(&arbiter, 60);
    arbiter.send(&ToGate::Close { lease: [8; 16] });
    assert_eq!(arbiter.refused(), ([8; 16], NoLease));
    assert_eq!(world.clip_holders(), [pid]);
}

#[test]
fn close_is_done_in_time() {
    in_time(SOON, || {
        let world = World::new(Setup::default());
        let arbiter = world.ready_arbiter();
        world.open(&arbiter, 60);
        let asked = Instant::now();
        arbiter.send(&ToGate::Close { lease: LEASE });
        arbiter.shut();
        let took = asked.elapsed();
        assert_eq!(world.clip_holders(), [0u32; 0]);
        took
    });
}

#[test]
fn a_second_lease_follows_the_first() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    for _ in 0..2 {
        world.open(&arbiter, 60);
        arbiter.send(&ToGate::Close { lease: LEASE });
        assert_eq!(arbiter.shut().0, ShutReason::Asked);
    }
}

#[test]
fn only_the_keys_of_the_remote_enter() {
    let world = World::new(Setup::default());
    let arbiter = world.arbiter();
    // KEY_SYSRQ, KEY_LEFTCTRL, KEY_F1, then events that are no keys, then a value that is no motion.
    for code in [99, 29, 59] {
        world.event(1, code, 1);
    }
    world.event(4, 4, 1);
    world.event(2, Key::Ok.evdev(), 1);
    world.event(1, Key::Ok.evdev(), 3);
    // No event at all, half an event.
    world.datagram(&[]);
    world.datagram(&[1; 11]);
    world.press(Key::Back, Motion::Down);
    world.press(Key::Back, Motion::Repeat);
    world.press(Key::Back, Motion::Up);
    for (serial, motion) in [(1, Motion::Down), (2, Motion::Repeat), (3, Motion::Up)] {
        let press = arbiter.expect(|m| if let FromGate::Key(press) = m { Some(press) } else { None });
        assert_eq!((press.serial, press.key, press.motion), (serial, Key::Back, motion));
    }
}
