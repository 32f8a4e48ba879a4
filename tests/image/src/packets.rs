//! Owns: what left a guest, as its wire was recorded: a pcap file taken apart into who was spoken to.
//! Never: looks into what was said.
//! Called by: the tests of whole boxes.

use std::collections::BTreeMap;

/// Bytes of the file's header and of each packet's.
const HEADERS: (usize, usize) = (24, 16);
/// Hardware addresses and type of an Ethernet frame.
const ETHERNET: usize = 14;
/// The first address of a network card that QEMU makes: what has it as its source, the guest sent.
const GUEST: [u8; 3] = [0x52, 0x54, 0x00];

/// Whom the guest spoke to, as `udp 10.77.0.1:3478`, `arp`, `ipv6 …` or the number of what it is, with the number of packets.
#[must_use]
pub fn destinations(pcap: &[u8]) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    let mut rest = pcap.get(HEADERS.0..).unwrap_or_default();
    while let Some(length) = rest.get(8..12).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes) {
        let end = HEADERS.1 + length as usize;
        let Some(frame) = rest.get(HEADERS.1..end) else { break };
        if frame.get(6..9) == Some(&GUEST) {
            *all.entry(destination(frame)).or_default() += 1;
        }
        rest = &rest[end..];
    }
    all
}

fn destination(frame: &[u8]) -> String {
    let kind = frame.get(12..ETHERNET).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]));
    match (kind, &frame[ETHERNET.min(frame.len())..]) {
        (0x0806, _) => "arp".to_owned(),
        (0x86dd, _) => "ipv6".to_owned(),
        (0x0800, packet) => internet(packet).unwrap_or_else(|| "a broken IPv4 packet".to_owned()),
        _ => format!("ethernet {kind:#06x}"),
    }
}

/// RFC 791: header length in words, protocol, destination; then the ports, where the protocol has some.
fn internet(packet: &[u8]) -> Option<String> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let to: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    let to = std::net::Ipv4Addr::from(to);
    let name = match packet.get(9)? {
        6 => "tcp",
        17 => "udp",
        other => return Some(format!("protocol {other} to {to}")),
    };
    let port = packet.get(header + 2..header + 4)?;
    Some(format!("{name} {to}:{}", u16::from_be_bytes([port[0], port[1]])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut file = vec![0; HEADERS.0];
        for frame in frames {
            file.extend([[0; 4], [0; 4], (frame.len() as u32).to_le_bytes(), [0; 4]].concat());
            file.extend(frame);
        }
        file
    }

    fn frame(from: [u8; 3], kind: u16, packet: &[u8]) -> Vec<u8> {
        [&[0; 6][..], &from, &[0; 3], &kind.to_be_bytes(), packet].concat()
    }

    #[test]
    fn what_the_guest_sent_is_counted_by_whom_it_was_for_and_what_it_got_is_not() {
        let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 2, 15, 10, 77, 0, 1];
        packet.extend([0x80, 0, 0x0d, 0x96, 0, 8, 0, 0]);
        let sent = frame(GUEST, 0x0800, &packet);
        let file = recorded(&[sent.clone(), frame([2, 0, 0], 0x0800, &packet), sent, frame(GUEST, 0x86dd, &[])]);
        let told: Vec<(String, u64)> = destinations(&file).into_iter().collect();
        assert_eq!(told, [("ipv6".to_owned(), 1), ("udp 10.77.0.1:3478".to_owned(), 2)]);
        assert_eq!(destinations(&file[..file.len() - 1]).len(), 1, "a file that was cut");
    }
}
