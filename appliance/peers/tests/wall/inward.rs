//! Owns: what enters the box: the answers of its peers, and of routers that a packet is too large.
//! Never: a packet that the kernel would not take anyhow.
//! Called by: cargo test.

use crate::outward::{BOX_ENV, RELAYS};
use crate::packet::{icmp, tcp, udp};
use crate::users::{CALL, LINK, NETWORK, datagrams, dial};
use crate::world::{OWN, World, inside};
use nix::sys::socket::sockopt;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::AsFd as _;

const RELAY: &str = "10.77.0.1:3478";
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 9, 1, 1);

fn place(text: &str) -> SocketAddrV4 {
    text.parse().unwrap()
}

fn own(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(OWN.parse().unwrap(), port)
}

fn set(world: &mut World) {
    world.write("box.env", BOX_ENV);
    world.write("relays", RELAYS);
    world.start_peers();
    world.holds("call_udp", &["10.77.0.1 . 3478"]);
    world.holds("link_tcp", &["10.77.0.1 . 8883"]);
}

/// Whether a word from there reaches the socket. What is written into the wire has gone through the kernel when the write returns.
fn hears(world: &World, socket: &UdpSocket, from: &str) -> bool {
    let port = socket.local_addr().unwrap().port();
    world.wire.put(&udp(place(from), own(port), b"an answer"));
    socket.recv(&mut [0; 64]).is_ok()
}

#[test]
fn nobody_connects_to_the_box_and_it_answers_nobody() {
    inside("inward::nobody_connects_to_the_box_and_it_answers_nobody", |mut world| {
        set(&mut world);
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8080)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let dropped = world.counted("dropped_in");
        let from = ["10.77.0.1:8883", "10.77.0.1:3478", "10.77.0.1:40000", "10.9.1.77:40000", "10.9.1.1:67"];
        for from in from {
            for (port, flags) in [(8080, 2), (8080, 18), (8080, 16), (9, 2), (22, 2)] {
                world.wire.put(&tcp(place(from), own(port), (1, 1), flags));
            }
            world.wire.put(&udp(place(from), own(9), b"is somebody there"));
            world.wire.put(&udp(place(from), own(68), b"an offer that nobody asked for"));
            world.wire.put(&icmp(*place(from).ip(), *own(0).ip(), 8, 0, 1, b"ping"));
        }
        assert_eq!(world.seen(), [], "not even a refusal: the box is not there");
        assert!(listener.accept().is_err());
        assert_eq!(world.counted("dropped_in") - dropped, 8 * from.len() as u64);
    });
}

#[test]
fn a_relay_is_heard_when_it_was_spoken_to_and_from_no_other_port() {
    inside("inward::a_relay_is_heard_when_it_was_spoken_to_and_from_no_other_port", |mut world| {
        set(&mut world);
        let call = datagrams(CALL, 6000);
        assert!(!hears(&world, &call, RELAY), "before call has said anything");
        call.send_to(b"a word", RELAY).unwrap();
        assert_eq!(world.seen().len(), 1);
        assert!(hears(&world, &call, RELAY) && hears(&world, &call, RELAY));
        for other in ["10.77.0.1:3479", "10.77.0.1:8883", "10.77.0.2:3478", "10.9.1.77:3478"] {
            assert!(!hears(&world, &call, other), "{other}");
        }
    });
}

/// RFC 2131: a lease is renewed with the server that gave it, and the server answers to the box's own address.
#[test]
fn a_lease_is_renewed_with_the_server_that_was_asked() {
    inside("inward::a_lease_is_renewed_with_the_server_that_was_asked", |mut world| {
        let client = datagrams(NETWORK, 68);
        assert!(!hears(&world, &client, "10.9.1.1:67"), "an answer that nobody asked for");
        client.send_to(b"renew", "10.9.1.1:67").unwrap();
        assert!(!hears(&world, &client, "10.9.1.66:67"), "another server");
        assert!(!hears(&world, &client, "10.9.1.1:68"), "another port");
        assert!(hears(&world, &client, "10.9.1.1:67"));
        drop(client);
        assert_eq!(world.seen().len(), 1);
        let stranger = datagrams(804, 68);
        let _ = stranger.send_to(b"renew", "10.9.1.1:67");
        assert!(datagrams(NETWORK, 0).send_to(b"renew", "10.9.1.1:67").is_err(), "another port of our own");
        drop(stranger);
        assert_eq!(world.seen(), []);
    });
}

#[test]
fn the_broker_accepts_links_connection() {
    inside("inward::the_broker_accepts_links_connection", |mut world| {
        set(&mut world);
        let (stream, port) = dial(LINK, place("10.77.0.1:8883"));
        let asked = world.seen();
        let number = u32::from_be_bytes(asked[0].bytes[24..28].try_into().unwrap());
        world.wire.put(&tcp(place("10.77.0.1:8883"), own(port), (7, number + 1), 18));
        let answered = world.seen();
        assert_eq!((answered.len(), answered[0].bytes[33] & 0x17), (1, 0x10), "acknowledged: {answered:?}");
        assert!(nix::sys::socket::getpeername::<nix::sys::socket::SockaddrIn>(std::os::fd::AsRawFd::as_raw_fd(&stream)).is_ok());
    });
}

/// Without it a visit through a tunnel of the facility would freeze as soon as pictures are larger than its packets.
#[test]
fn a_router_may_say_that_a_packet_is_too_large_and_nothing_else() {
    inside("inward::a_router_may_say_that_a_packet_is_too_large_and_nothing_else", |mut world| {
        set(&mut world);
        let call = datagrams(CALL, 6000);
        call.connect(RELAY).unwrap();
        call.send(b"a word").unwrap();
        let sent = world.seen().remove(0).bytes;
        let mtu = || nix::sys::socket::getsockopt(&call.as_fd(), sockopt::IpMtu).unwrap();
        assert_eq!(mtu(), 1500);
        let dropped = world.counted("dropped_in");
        // Port and host unreachable, redirect, time exceeded: call would give up, or turn to another router.
        for (kind, code) in [(3, 3), (3, 1), (3, 13), (5, 1), (11, 0), (4, 0)] {
            world.wire.put(&icmp(ROUTER, *own(0).ip(), kind, code, 0, &sent));
        }
        // About a datagram that nobody sent.
        let never = udp(own(6001), place(RELAY), b"a word");
        world.wire.put(&icmp(ROUTER, *own(0).ip(), 3, 4, 1000, &never));
        assert_eq!((mtu(), world.counted("dropped_in") - dropped), (1500, 7));
        assert!(call.take_error().unwrap().is_none());
        world.wire.put(&icmp(ROUTER, *own(0).ip(), 3, 4, 1000, &sent));
        assert_eq!(mtu(), 1000);
    });
}

#[test]
fn nothing_goes_through_the_box_to_somewhere_else() {
    inside("inward::nothing_goes_through_the_box_to_somewhere_else", |mut world| {
        set(&mut world);
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        for to in [RELAY, "10.77.0.1:8883", "10.9.1.77:3478"] {
            world.wire.put(&udp(place("10.9.1.66:3478"), place(to), b"pass it on"));
        }
        assert_eq!(world.seen(), []);
        assert_eq!(world.counted("dropped_forward"), 3);
    });
}
