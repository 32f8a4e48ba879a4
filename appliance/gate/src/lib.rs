//! Owns: the doors of camera and microphone, the remote, and the life of the call process (design sections 1, 2 and 4).
//! Never: D-Bus, a parser of anything but fixed-size messages, policy, network, async; it believes signatures and keys, not the arbiter.
//! Called by: the arbiter over gate's socket; started by systemd, or by the bench's supervisor.
//!
//! | File | Holds |
//! | --- | --- |
//! | [`config`] | the command line |
//! | [`run`] | the poll loop: what happened, what follows |
//! | [`lease`] | the states of a lease, pure |
//! | [`tickets`] | door key record and door tickets, by signature |
//! | [`keys`] | serials of key motions; which of them is fresh consent |
//! | [`doors`] | the remote, camera, microphone, their switches, the lamp |
//! | [`launch`] | the call process: started by a connection, killed by its cgroup |
//! | [`socket`] | sequenced packets with fds; the clock; systemd |
//! | `bench` | bench doors, with the feature of that name; the image build refuses it |

/// A line for the journal, with its priority (`sd-daemon(3)`): 5 is a notice, 4 an odd world, 3 our fault.
/// A journal that is gone is no reason to end a visit.
macro_rules! say {
    ($priority:literal, $($text:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("<{}>gate: {}\n", $priority, format_args!($($text)*)));
    }};
}

#[cfg(feature = "bench")]
pub mod bench;
pub mod config;
pub mod doors;
pub mod keys;
pub mod launch;
pub mod lease;
pub mod run;
pub mod socket;
pub mod tickets;
