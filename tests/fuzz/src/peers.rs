//! Owns: the target of the firewall's two files: `box.env` and the arbiter's list, in whatever network the box is.
//! Never: the firewall.
//! Called by: the fuzzer.
//!
//! Holds: what is opened is named by a file, is no neighbour and no special address, and what nft is told holds nothing but numbers.

use crate::bytes::Bytes;
use parloir_peers::files::{self, Host, MAX_FILE, MAX_RELAYS};
use parloir_peers::judge::{Net, Place};
use parloir_peers::{judge, kernel};
use std::net::Ipv4Addr;

/// See the module.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mask = u32::MAX.checked_shl(u32::from(bytes.u8() % 33)).unwrap_or(0);
    let net = Net { address: Ipv4Addr::from_bits(bytes.u32()), mask: Ipv4Addr::from_bits(mask) };
    let nets = if bytes.u8() == 0 { vec![] } else { vec![net] };
    let env = bytes.some(MAX_FILE + 1);
    let broker = files::broker(env).ok();
    let updates = files::updates(env).ok().flatten();
    let relays = files::relays(bytes.0).unwrap_or_default();
    assert!(relays.len() <= MAX_RELAYS && (relays.is_empty() || bytes.0.len() <= MAX_FILE));
    for wish in &relays {
        let again = files::relays(format!("{wish}\n").as_bytes());
        assert_eq!(again.as_deref(), Ok(std::slice::from_ref(wish)), "a line says what it said");
    }
    let (peers, refused) = judge(broker.as_ref(), updates.as_ref(), &relays, &nets);
    let open = peers.link_tcp.len() + peers.updater_tcp.len() + peers.call_udp.len() + peers.call_tcp.len();
    assert!(open + refused.len() <= relays.len() + usize::from(broker.is_some()) + usize::from(updates.is_some()));
    assert!(!nets.is_empty() || open == 0, "nothing is opened before the box has an address");
    let named: Vec<_> = broker.iter().chain(&updates).chain(&relays).collect();
    for place in peers.link_tcp.iter().chain(&peers.updater_tcp).chain(&peers.call_udp).chain(&peers.call_tcp) {
        assert!(named.iter().any(|w| w.host == Host::V4(place.0) && w.port == place.1), "{place:?} is named by nobody");
        far(place, net);
    }
    let told = kernel::transaction(&peers);
    let words = told.split([' ', '\n', '.', ',']).filter(|w| !w.is_empty());
    let known =
        ["flush", "add", "set", "element", "inet", "parloir", "link_tcp", "updater_tcp", "call_udp", "call_tcp", "{", "}"];
    for word in words {
        assert!(known.contains(&word) || word.parse::<u16>().is_ok(), "{told}");
    }
    assert_eq!(told.matches("{").count(), told.matches("add element").count());
}

fn far((address, port): &Place, net: Net) {
    assert!(*port != 0 && !address.is_loopback() && !address.is_multicast() && !address.is_broadcast());
    assert!(!address.is_unspecified() && !address.is_link_local() && address.octets()[0] < 224);
    let near = net.mask.to_bits() & address.to_bits() == net.mask.to_bits() & net.address.to_bits();
    assert!(!near, "{address} is a neighbour of {net:?}");
}
