//! Owns: what leaves the box, by user, peer, port and protocol.
//! Never: takes an error of a socket for a proof.
//! Called by: cargo test.

use crate::packet::{TCP, UDP};
use crate::users::{CALL, LINK, NETWORK, OTHERS, UPDATER, as_user, datagrams, dial, ping};
use crate::world::{World, inside};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv6Addr, SocketAddrV4, UdpSocket};

pub const BOX_ENV: &str = "PARLOIR_DEVICE=00\nPARLOIR_BROKER=10.77.0.1:8883\nPARLOIR_UPDATES=10.77.0.1:443\n";
pub const RELAYS: &str = "udp 10.77.0.1 3478\ntcp 10.77.0.1 5349\n";

/// The facility's host with its ports, a neighbour in the next cell, the router, a stranger, everybody.
const PLACES: [&str; 14] = [
    "10.77.0.1:8883",
    "10.77.0.1:3478",
    "10.77.0.1:5349",
    "10.77.0.1:443",
    "10.77.0.1:22",
    "10.77.0.1:53",
    "10.77.0.1:123",
    "10.9.1.77:8883",
    "10.9.1.77:3478",
    "10.9.1.1:53",
    "192.0.2.1:3478",
    "10.9.1.255:3478",
    "255.255.255.255:67",
    "224.0.0.251:5353",
];

type Try = (u32, u8, SocketAddrV4);

/// Everybody tries everything; answers who got through, as the wire shows it by the ports of the sockets.
fn who_gets_through(world: &mut World) -> BTreeSet<Try> {
    let (mut tries, mut open) = (BTreeMap::new(), Vec::new());
    for uid in OTHERS.into_iter().chain([LINK, CALL, UPDATER, NETWORK]) {
        for to in PLACES.map(|place| place.parse().unwrap()) {
            let socket = datagrams(uid, 0);
            let _ = socket.send_to(b"a word", to);
            tries.insert((UDP, socket.local_addr().unwrap().port()), (uid, UDP, to));
            let (stream, port) = dial(uid, to);
            tries.insert((TCP, port), (uid, TCP, to));
            // Kept, so that no port is used twice.
            open.push((socket, stream));
        }
    }
    let mut through = BTreeSet::new();
    for packet in world.seen() {
        let of = tries.get(&(packet.protocol(), packet.from().port()));
        let of = *of.unwrap_or_else(|| panic!("nobody sent this: {packet:?}"));
        assert_eq!(packet.to(), of.2);
        through.insert(of);
    }
    through
}

fn through(uid: u32, protocol: u8, to: &str) -> Try {
    (uid, protocol, to.parse().unwrap())
}

#[test]
fn before_peers_are_set_nobody_reaches_anything() {
    inside("outward::before_peers_are_set_nobody_reaches_anything", |mut world| {
        assert_eq!(who_gets_through(&mut world), BTreeSet::new());
        assert!(world.counted("dropped_out") >= 12 * 14, "what is dropped is counted");
    });
}

#[test]
fn each_user_reaches_its_own_peer_and_nobody_else_anything() {
    inside("outward::each_user_reaches_its_own_peer_and_nobody_else_anything", |mut world| {
        world.write("box.env", BOX_ENV);
        world.write("relays", RELAYS);
        world.start_peers();
        world.holds("link_tcp", &["10.77.0.1 . 8883"]);
        world.holds("updater_tcp", &["10.77.0.1 . 443"]);
        world.holds("call_udp", &["10.77.0.1 . 3478"]);
        world.holds("call_tcp", &["10.77.0.1 . 5349"]);
        let wanted = [
            through(LINK, TCP, "10.77.0.1:8883"),
            through(UPDATER, TCP, "10.77.0.1:443"),
            through(CALL, UDP, "10.77.0.1:3478"),
            through(CALL, TCP, "10.77.0.1:5349"),
        ];
        assert_eq!(who_gets_through(&mut world), wanted.into());
    });
}

/// A name server is asked over the same ports by tunnels too; ping is a way out for a raw socket, and IPv6 one that no rule names.
#[test]
fn no_ping_no_ipv6_and_no_word_over_the_loopback() {
    inside("outward::no_ping_no_ipv6_and_no_word_over_the_loopback", |mut world| {
        world.write("box.env", BOX_ENV);
        world.write("relays", RELAYS);
        world.start_peers();
        world.holds("call_udp", &["10.77.0.1 . 3478"]);
        // What the kernel would send by itself as soon as an interface is up: router solicitations, multicast reports.
        assert_eq!(world.seen(), []);
        ping("10.77.0.1");
        assert_eq!(world.seen(), [], "ping, as root by a raw socket");
        for uid in [0, LINK, CALL, UPDATER, NETWORK] {
            let socket = as_user(uid, || UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).expect("a socket"));
            for to in ["[2001:db8::1]:3478", "[::ffff:10.77.0.1]:443", "[ff02::1]:5353", "[fe80::1%1]:3478"] {
                let _ = socket.send_to(b"a word", to);
            }
            assert_eq!(world.seen(), [], "IPv6 as {uid}");
        }
        // The same relay, spoken to by a socket of both families, is the same relay.
        let socket = as_user(CALL, || UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).expect("a socket"));
        socket.send_to(b"a word", "[::ffff:10.77.0.1]:3478").unwrap();
        assert_eq!(world.seen().len(), 1);

        let (ears, mouth) = (datagrams(804, 5000), datagrams(CALL, 0));
        for to in ["127.0.0.1:5000", "10.9.1.2:5000"] {
            let _ = mouth.send_to(b"a word", to);
            assert!(ears.recv(&mut [0; 9]).is_err(), "from call to the screen by {to}");
        }
    });
}

/// One connection after the other to the same place: conntrack knows it, and still only link's own packets pass.
#[test]
fn another_user_does_not_pass_in_the_shadow_of_a_connection() {
    inside("outward::another_user_does_not_pass_in_the_shadow_of_a_connection", |mut world| {
        world.write("box.env", BOX_ENV);
        world.write("relays", RELAYS);
        world.start_peers();
        world.holds("call_udp", &["10.77.0.1 . 3478"]);
        let relay = "10.77.0.1:3478";
        let call = datagrams(CALL, 6000);
        call.send_to(b"a word", relay).unwrap();
        assert_eq!(world.seen().len(), 1);
        drop(call);
        let other = datagrams(804, 6000);
        let _ = other.send_to(b"a word", relay);
        assert_eq!(world.seen(), []);
    });
}
