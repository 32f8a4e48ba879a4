//! Owns: which of the peers that the files name may be reached: far hosts by their IPv4 address, and nobody near.
//! Never: a file, the kernel.
//! Called by: the binary, the fuzzer.

use crate::files::{Host, Transport, Wish};
use crate::refusal::{Code, Refused};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// A network that the box is in: its own address there, and the mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Net {
    /// The box's address.
    pub address: Ipv4Addr,
    /// The network's mask.
    pub mask: Ipv4Addr,
}

impl Net {
    fn holds(&self, other: Ipv4Addr) -> bool {
        self.address.to_bits() & self.mask.to_bits() == other.to_bits() & self.mask.to_bits()
    }
}

/// An address and a port.
pub type Place = (Ipv4Addr, u16);

/// What is opened: the elements of the firewall's sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// Where link's user may open a TCP connection: the broker.
    pub link_tcp: BTreeSet<Place>,
    /// Where the updater's user may open a TCP connection: the update server.
    pub updater_tcp: BTreeSet<Place>,
    /// Where call's user may send datagrams: relays.
    pub call_udp: BTreeSet<Place>,
    /// Where call's user may open a TCP connection: relays.
    pub call_tcp: BTreeSet<Place>,
}

/// What of the files' wishes is opened for a box in these networks, and why the rest is not. Without a network nothing is: whether a
/// peer is near cannot be said before the box has an address.
#[must_use]
pub fn judge(broker: Option<&Wish>, updates: Option<&Wish>, relays: &[Wish], nets: &[Net]) -> (Peers, Vec<Refused>) {
    let (mut peers, mut refused) = (Peers::default(), Vec::new());
    if nets.is_empty() {
        return (peers, refused);
    }
    for (name, wish, set) in [("broker", broker, &mut peers.link_tcp), ("update server", updates, &mut peers.updater_tcp)] {
        match wish.map(|wish| (wish, place(wish, nets))) {
            Some((_, Ok(place))) => drop(set.insert(place)),
            Some((wish, Err(code))) => refused.push(Refused::new(code, format!("{name} {wish}"))),
            None => {}
        }
    }
    for wish in relays {
        match place(wish, nets) {
            Ok(place) => {
                let set = match wish.transport {
                    Transport::Udp => &mut peers.call_udp,
                    Transport::Tcp => &mut peers.call_tcp,
                };
                set.insert(place);
            }
            Err(code) => refused.push(Refused::new(code, format!("relay {wish}"))),
        }
    }
    (peers, refused)
}

fn place(wish: &Wish, nets: &[Net]) -> Result<Place, Code> {
    let address = match wish.host {
        Host::V4(address) => address,
        Host::V6(_) => return Err(Code::PeerIpv6),
        Host::Name(_) => return Err(Code::PeerName),
    };
    if wish.port == 0 {
        return Err(Code::PeerPort);
    }
    if is_reserved(address) {
        return Err(Code::PeerReserved);
    }
    if nets.iter().any(|net| net.holds(address)) {
        return Err(Code::PeerNear);
    }
    Ok((address, wish.port))
}

/// Addresses of RFC 6890 at which no single far host can be: this network, loopback, link-local, multicast, reserved, broadcast.
fn is_reserved(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    first == 0 || address.is_loopback() || address.is_link_local() || first >= 224
}

#[cfg(test)]
mod tests {
    use super::{Net, judge};
    use crate::files::{broker, relays, updates};
    use crate::refusal::Code;

    const LAN: Net = Net { address: std::net::Ipv4Addr::new(10, 9, 1, 2), mask: std::net::Ipv4Addr::new(255, 255, 255, 0) };

    fn codes(text: &str, nets: &[Net]) -> Vec<Code> {
        judge(None, None, &relays(text.as_bytes()).unwrap(), nets).1.into_iter().map(|r| r.code).collect()
    }

    #[test]
    fn a_far_host_is_opened_for_the_one_who_needs_it() {
        let wish = broker(b"PARLOIR_BROKER=10.77.0.1:8883\n").unwrap();
        let list = relays(b"udp 10.77.0.1 3478\ntcp 10.77.0.1 5349\nudp 10.77.0.1 3478\n").unwrap();
        let server = updates(b"PARLOIR_UPDATES=10.77.0.1:8443\n").unwrap();
        let (peers, refused) = judge(Some(&wish), server.as_ref(), &list, &[LAN]);
        assert!(refused.is_empty());
        let far = std::net::Ipv4Addr::new(10, 77, 0, 1);
        assert_eq!(peers.link_tcp.into_iter().collect::<Vec<_>>(), [(far, 8883)]);
        assert_eq!(peers.updater_tcp.into_iter().collect::<Vec<_>>(), [(far, 8443)]);
        assert_eq!(peers.call_udp.into_iter().collect::<Vec<_>>(), [(far, 3478)]);
        assert_eq!(peers.call_tcp.into_iter().collect::<Vec<_>>(), [(far, 5349)]);
    }

    #[test]
    fn without_an_address_of_its_own_a_box_opens_nothing() {
        let wish = broker(b"PARLOIR_BROKER=10.77.0.1:8883\n").unwrap();
        let (peers, refused) = judge(Some(&wish), None, &relays(b"udp 10.77.0.1 3478\n").unwrap(), &[]);
        assert_eq!((peers, refused), Default::default());
    }

    #[test]
    fn names_other_families_special_addresses_and_neighbours_are_refused_each_by_itself() {
        for (host, code) in [
            ("relay.example", Code::PeerName),
            ("10.77.0.1.", Code::PeerName),
            ("10.77.1", Code::PeerName),
            ("010.77.0.1", Code::PeerName),
            ("2001:db8::1", Code::PeerIpv6),
            ("::ffff:10.77.0.1", Code::PeerIpv6),
            ("0.0.0.0", Code::PeerReserved),
            ("0.1.2.3", Code::PeerReserved),
            ("127.0.0.1", Code::PeerReserved),
            ("127.8.8.8", Code::PeerReserved),
            ("169.254.1.1", Code::PeerReserved),
            ("224.0.0.251", Code::PeerReserved),
            ("239.255.255.250", Code::PeerReserved),
            ("240.0.0.1", Code::PeerReserved),
            ("255.255.255.255", Code::PeerReserved),
            ("10.9.1.2", Code::PeerNear),
            ("10.9.1.1", Code::PeerNear),
            ("10.9.1.77", Code::PeerNear),
            ("10.9.1.255", Code::PeerNear),
            ("10.9.1.0", Code::PeerNear),
        ] {
            assert_eq!(codes(&format!("udp {host} 3478\nudp 10.77.0.1 1\n"), &[LAN]), [code], "{host}");
        }
        assert_eq!(codes("udp 10.77.0.1 0\n", &[LAN]), [Code::PeerPort]);
        assert_eq!(codes("udp 10.9.0.255 1\nudp 10.9.2.0 1\n", &[LAN]), []);
    }

    /// A site that keeps its cells apart by leases of one address has no neighbours, so broker and relay may stand in the same range.
    #[test]
    fn a_lease_of_one_address_has_no_neighbours() {
        let alone = Net { mask: std::net::Ipv4Addr::BROADCAST, ..LAN };
        assert_eq!(codes("udp 10.9.1.1 3478\n", &[alone]), []);
        assert_eq!(codes("udp 10.9.1.2 3478\n", &[alone]), [Code::PeerNear]);
        assert_eq!(codes("udp 10.9.1.1 3478\n", &[alone, LAN]), [Code::PeerNear]);
    }

    #[test]
    fn broker_and_update_server_are_judged_as_a_relay_is() {
        let wish = broker(b"PARLOIR_BROKER=10.9.1.1:8883\n").unwrap();
        let (peers, refused) = judge(Some(&wish), Some(&wish), &[], &[LAN]);
        assert!(peers.link_tcp.is_empty() && peers.updater_tcp.is_empty());
        let named: Vec<String> = refused.iter().map(|r| r.to_string().split(':').next().unwrap().to_owned()).collect();
        assert_eq!(named, ["broker tcp 10.9.1.1 8883", "update server tcp 10.9.1.1 8883"]);
    }
}
