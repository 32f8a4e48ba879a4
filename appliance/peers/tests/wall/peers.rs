//! Owns: what parloir-peers opens and shuts while the files, the box's address and the firewall change under it.
//! Never: a restart of it, but where that is the test.
//! Called by: cargo test.

use crate::outward::{BOX_ENV, RELAYS};
use crate::packet::udp;
use crate::users::{CALL, LINK, datagrams, dial};
use crate::world::{OWN, World, inside};
use std::net::SocketAddrV4;

fn call_reaches(world: &mut World, to: &str) -> bool {
    let socket = datagrams(CALL, 0);
    let _ = socket.send_to(b"a word", to);
    !world.seen().is_empty()
}

fn link_reaches(world: &mut World, to: &str) -> bool {
    let _stream = dial(LINK, to.parse().unwrap());
    !world.seen().is_empty()
}

#[test]
fn a_relay_that_the_policy_takes_back_is_cut_in_the_running_visit() {
    inside("peers::a_relay_that_the_policy_takes_back_is_cut_in_the_running_visit", |mut world| {
        world.write("box.env", BOX_ENV);
        world.write("relays", RELAYS);
        world.start_peers();
        world.holds("call_udp", &["10.77.0.1 . 3478"]);
        let call = datagrams(CALL, 6000);
        let own = SocketAddrV4::new(OWN.parse().unwrap(), 6000);
        let (old, new) = ("10.77.0.1:3478", "10.78.0.1:3478");
        let speaks = |world: &mut World, with: &str| {
            let _ = call.send_to(b"a word", with);
            let left = world.seen().len() == 1;
            world.wire.put(&udp(with.parse().unwrap(), own, b"an answer"));
            (left, call.recv(&mut [0; 64]).is_ok())
        };
        assert_eq!(speaks(&mut world, old), (true, true));
        world.write("relays", "udp 10.78.0.1 3478\n");
        world.holds("call_udp", &["10.78.0.1 . 3478"]);
        world.holds("call_tcp", &[]);
        assert_eq!(speaks(&mut world, old), (false, false), "the kernel still knows the connection");
        assert_eq!(speaks(&mut world, new), (true, true));
        std::fs::remove_file(world.dir.join("relays")).unwrap();
        world.holds("call_udp", &[]);
        assert_eq!(speaks(&mut world, new), (false, false));
    });
}

#[test]
fn what_can_be_no_peer_is_refused_in_words_and_the_rest_is_open() {
    inside("peers::what_can_be_no_peer_is_refused_in_words_and_the_rest_is_open", |mut world| {
        world.write("box.env", BOX_ENV);
        let list = "udp 10.9.1.77 3478\nudp relay.example 3478\nudp 127.0.0.1 3478\nudp 224.0.0.251 5353\ntcp 255.255.255.255 1\n\
                    udp 2001:db8::1 3478\nudp 10.77.0.1 0\nudp 10.77.0.1 3478\n";
        world.write("relays", list);
        world.start_peers();
        world.holds("call_udp", &["10.77.0.1 . 3478"]);
        world.logged(&["relay udp 10.9.1.77 3478: A peer lies in the box's own network", "[org.parloir.Error.PeerNear]"]);
        world.logged(&["relay udp relay.example 3478", "PeerName", "PeerReserved", "PeerIpv6", "PeerPort"]);
        for to in ["10.9.1.77:3478", "127.0.0.1:3478", "224.0.0.251:5353"] {
            assert!(!call_reaches(&mut world, to), "{to}");
        }
        assert!(call_reaches(&mut world, "10.77.0.1:3478"));
    });
}

#[test]
fn a_file_that_is_wrong_shuts_what_it_names_and_nothing_else() {
    inside("peers::a_file_that_is_wrong_shuts_what_it_names_and_nothing_else", |mut world| {
        world.write("box.env", BOX_ENV);
        world.write("relays", RELAYS);
        world.start_peers();
        world.holds("call_udp", &["10.77.0.1 . 3478"]);
        world.write("relays", "udp 10.77.0.1 3478\nudp 10.77.0.1 3478; accept\n");
        world.holds("call_udp", &[]);
        world.logged(&["RelaysFile"]);
        assert!(!call_reaches(&mut world, "10.77.0.1:3478") && link_reaches(&mut world, "10.77.0.1:8883"));
        world.write("relays", RELAYS);
        world.holds("call_udp", &["10.77.0.1 . 3478"]);
        world.write("box.env", "PARLOIR_BROKER=broker.example:8883\n");
        world.holds("link_tcp", &[]);
        world.logged(&["broker tcp broker.example 8883", "PeerName"]);
        assert!(call_reaches(&mut world, "10.77.0.1:3478") && !link_reaches(&mut world, "10.77.0.1:8883"));
        world.write("box.env", "PARLOIR_BROKER=10.9.1.1:8883\n");
        world.logged(&["broker tcp 10.9.1.1 8883", "PeerNear"]);
        assert!(!link_reaches(&mut world, "10.9.1.1:8883"));
    });
}

/// Peers are judged against the box's own network, so a new lease is a new judgement.
#[test]
fn a_box_without_an_address_is_shut_and_a_new_address_is_judged_anew() {
    inside("peers::a_box_without_an_address_is_shut_and_a_new_address_is_judged_anew", |mut world| {
        world.write("box.env", BOX_ENV);
        world.write("relays", "udp 10.88.0.1 3478\n");
        crate::world::run("ip", &["-4", "address", "flush", "dev", "wire0"]);
        world.start_peers();
        world.logged(&["shut: the box has no address"]);
        world.holds("link_tcp", &[]);
        world.address(OWN, 24);
        world.holds("link_tcp", &["10.77.0.1 . 8883"]);
        world.holds("call_udp", &["10.88.0.1 . 3478"]);
        // Moved into the relay's network: what is there may be a cell.
        world.address("10.88.0.2", 16);
        world.holds("call_udp", &[]);
        world.logged(&["relay udp 10.88.0.1 3478: A peer lies"]);
        assert!(!call_reaches(&mut world, "10.88.0.1:3478") && link_reaches(&mut world, "10.77.0.1:8883"));
        // A lease of one address has no neighbours.
        world.address("10.88.0.2", 32);
        world.holds("call_udp", &["10.88.0.1 . 3478"]);
    });
}

#[test]
fn peers_that_cannot_be_set_leave_the_box_shut_and_it_says_so() {
    inside("peers::peers_that_cannot_be_set_leave_the_box_shut_and_it_says_so", |mut world| {
        world.write("box.env", BOX_ENV);
        world.write("relays", RELAYS);
        for nft in ["/bin/false", "/nonexistent/nft"] {
            world.start_peers_with(nft);
            assert!(!world.peers_ended(), "the service manager starts it again");
            world.logged(&[nft, "[org.parloir.Error.NotSet]"]);
            assert!(!call_reaches(&mut world, "10.77.0.1:3478") && !link_reaches(&mut world, "10.77.0.1:8883"));
        }
        // The firewall loaded again is shut until peers is started again, as PartOf= does.
        world.start_peers();
        world.holds("call_udp", &["10.77.0.1 . 3478"]);
        world.load();
        assert!(!call_reaches(&mut world, "10.77.0.1:3478") && !link_reaches(&mut world, "10.77.0.1:8883"));
    });
}
