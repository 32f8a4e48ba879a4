//! Owns: what a hostile peer of gate's socket can do: nothing, and it stops nothing.
//! Never: a mock of gate; it is the real binary, or the real function.
//! Called by: `cargo test -p parloir-gate --features bench`.

use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use parloir_gate::socket;
use parloir_wire::gate::GateRefusal::Malformed;
use parloir_wire::gate::{FromGate, SIZE, ToGate};

use crate::harness::{Arbiter, LEASE, Setup, World, as_nobody, eventually, own_uid};

fn fds_of(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("fds").count()
}

#[test]
fn malformed_messages_are_refused_and_leak_no_fd() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let serial = world.press_ok(&arbiter);
    let before = fds_of(world.gate_pid());
    let null = std::fs::File::open("/dev/null").expect("null");
    let fd = null.as_raw_fd();
    let prepare = ToGate::Prepare { lease: LEASE, serial }.encode();
    let nameless = ToGate::Prepare { lease: [0; 16], serial }.encode();
    let mut later = prepare;
    later[0] = 2;
    let mut padded = prepare;
    padded[SIZE - 1] = 1;
    let longer = [&prepare[..], &[0]].concat();
    let wrong: [(&[u8], &[i32]); 11] = [
        (&[0], &[]),
        (&prepare[..SIZE - 1], &[fd]),
        (&longer, &[fd]),
        (&later, &[fd]),
        (&padded, &[fd]),
        (&prepare, &[]),
        (&prepare, &[fd, fd]),
        (&prepare, &[fd; 253]),
        (&nameless, &[fd]),
        (&ToGate::Close { lease: LEASE }.encode(), &[fd]),
        (&ToGate::Heartbeat { count: 1 }.encode(), &[fd]),
    ];
    for (bytes, fds) in wrong {
        arbiter.send_raw(bytes, fds);
        assert_eq!(arbiter.refused(), ([0; 16], Malformed));
    }
    eventually("every fd that nobody expected is closed", || fds_of(world.gate_pid()) == before);
    // And gate goes on, with the same press.
    let _end = arbiter.prepare(LEASE, serial);
    arbiter.expect(|m| matches!(m, FromGate::Prepared { .. }).then_some(()));
}

#[test]
fn one_arbiter_at_a_time_and_the_next_after_it() {
    let world = World::new(Setup::default());
    let first = world.arbiter();
    let second = socket::dial(&world.dir.join("gate.sock")).expect("connection");
    eventually("a second arbiter is hung up on", || socket::ready(&second).contains(nix::poll::PollFlags::POLLHUP));
    assert!(matches!(socket::receive(&second, &mut [0; SIZE]), Ok((0, _))), "it was told something");
    drop(first);
    let next = Arbiter::connect(&world.dir.join("gate.sock"));
    next.expect(|m| matches!(m, FromGate::Hello { .. }).then_some(()));
}

#[test]
fn another_user_is_not_served() {
    let world = World::new(Setup { arbiter_uid: Some(own_uid() + 1), ..Setup::default() });
    let stranger = socket::dial(&world.dir.join("gate.sock"));
    if let Ok(stranger) = stranger {
        eventually("another user is hung up on", || socket::ready(&stranger).contains(nix::poll::PollFlags::POLLHUP));
        assert!(matches!(socket::receive(&stranger, &mut [0; SIZE]), Ok((0, _))), "it was told something");
    }
}

/// As root: by the socket's mode and, with that out of the way, by gate itself. Otherwise the mode cannot be narrow, and the
/// test above is the wall.
#[test]
fn nobody_cannot_connect() {
    let world = World::new(Setup::default());
    let path = world.dir.join("gate.sock");
    let file = std::fs::metadata(&path).expect("socket");
    assert_eq!((file.mode() & 0o777, file.uid()), (0o600, own_uid()));
    if own_uid() == 0 {
        assert_eq!(as_nobody(&path), 1, "the mode lets nobody in");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).expect("mode");
        assert_eq!(as_nobody(&path), 2, "gate serves nobody");
    }
}
