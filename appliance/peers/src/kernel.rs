//! Owns: the two ways to the kernel: the box's own addresses from it, and the sets' elements to it, by `nft`, in one transaction.
//! Never: a rule; anything but the elements of the three sets.
//! Called by: the binary.

use crate::judge::{Net, Peers, Place};
use crate::refusal::{Code, Refused};
use nix::net::if_::InterfaceFlags;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The firewall's table.
const TABLE: &str = "inet parloir";

/// The networks that the box is in, its loopback aside.
///
/// # Errors
/// [`Code::NoInterfaces`].
pub fn own_nets() -> Result<Vec<Net>, Refused> {
    let all = nix::ifaddrs::getifaddrs().map_err(|errno| Refused::new(Code::NoInterfaces, errno.to_string()))?;
    let far = all.filter(|i| !i.flags.contains(InterfaceFlags::IFF_LOOPBACK));
    let mut nets: Vec<Net> = far
        .filter_map(|i| {
            let v4 = |socket: Option<nix::sys::socket::SockaddrStorage>| Some(socket?.as_sockaddr_in()?.ip());
            Some(Net { address: v4(i.address)?, mask: v4(i.netmask)? })
        })
        .collect();
    nets.sort_unstable();
    Ok(nets)
}

/// What `nft` is told: the sets hold these peers and no other, from one moment to the next.
#[must_use]
pub fn transaction(peers: &Peers) -> String {
    let mut text = String::new();
    let sets = [
        ("link_tcp", &peers.link_tcp),
        ("updater_tcp", &peers.updater_tcp),
        ("call_udp", &peers.call_udp),
        ("call_tcp", &peers.call_tcp),
    ];
    for (set, places) in sets {
        let _ = writeln!(text, "flush set {TABLE} {set}");
        if !places.is_empty() {
            let _ = writeln!(text, "add element {TABLE} {set} {{ {} }}", elements(places));
        }
    }
    text
}

fn elements(places: &BTreeSet<Place>) -> String {
    places.iter().map(|(address, port)| format!("{address} . {port}")).collect::<Vec<_>>().join(", ")
}

/// Sets the peers.
///
/// # Errors
/// [`Code::NotSet`]; the sets are then as they were.
pub fn set(nft: &Path, peers: &Peers) -> Result<(), Refused> {
    let no = |what: String| Refused::new(Code::NotSet, what);
    let mut command = Command::new(nft);
    command.args(["-f", "-"]).env_clear().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| no(format!("{}: {error}", nft.display())))?;
    let told = child.stdin.take().map_or(Ok(()), |mut input| input.write_all(transaction(peers).as_bytes()));
    let done = child.wait_with_output().map_err(|error| no(format!("{}: {error}", nft.display())))?;
    if !done.status.success() {
        let why: String = String::from_utf8_lossy(&done.stderr).lines().next().unwrap_or_default().chars().take(200).collect();
        return Err(no(format!("{} ended with {}: {why}", nft.display(), done.status)));
    }
    told.map_err(|error| no(format!("{}: {error}", nft.display())))
}

#[cfg(test)]
mod tests {
    use super::{set, transaction};
    use crate::judge::Peers;
    use crate::refusal::Code;
    use std::net::Ipv4Addr;
    use std::path::Path;

    #[test]
    fn each_set_is_emptied_and_filled_in_one_transaction() {
        let far = Ipv4Addr::new(10, 77, 0, 1);
        let peers = Peers {
            link_tcp: [(far, 8883)].into(),
            updater_tcp: [(far, 8443)].into(),
            call_udp: [(far, 3478), (far, 3479)].into(),
            call_tcp: [].into(),
        };
        assert_eq!(
            transaction(&peers),
            "flush set inet parloir link_tcp\n\
             add element inet parloir link_tcp { 10.77.0.1 . 8883 }\n\
             flush set inet parloir updater_tcp\n\
             add element inet parloir updater_tcp { 10.77.0.1 . 8443 }\n\
             flush set inet parloir call_udp\n\
             add element inet parloir call_udp { 10.77.0.1 . 3478, 10.77.0.1 . 3479 }\n\
             flush set inet parloir call_tcp\n"
        );
    }

    #[test]
    fn a_firewall_that_does_not_take_them_is_said() {
        for nft in ["/nonexistent/nft", "/bin/false"] {
            assert_eq!(set(Path::new(nft), &Peers::default()).unwrap_err().code, Code::NotSet, "{nft}");
        }
    }
}
