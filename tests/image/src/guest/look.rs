//! Owns: files, sockets and mounts of the guest as the kernel tells them.
//! Never: opens what it looks at.
//! Called by: guest.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use nix::sys::stat::{major, minor};

use super::proc;
use crate::talk::{Mount, Node, Socket};

/// A file, links not followed.
///
/// # Errors
/// There is none.
pub fn stat(path: &str) -> io::Result<Node> {
    let meta = fs::symlink_metadata(path)?;
    let kind = match meta.file_type() {
        kind if kind.is_dir() => "directory",
        kind if kind.is_symlink() => "link",
        kind if kind.is_char_device() => "char",
        kind if kind.is_block_device() => "block",
        kind if kind.is_socket() => "socket",
        kind if kind.is_fifo() => "pipe",
        _ => "file",
    };
    Ok(Node {
        kind: kind.to_owned(),
        uid: meta.uid(),
        gid: meta.gid(),
        mode: meta.mode() & 0o7777,
        size: meta.size(),
        device: (major(meta.rdev()), minor(meta.rdev())),
        to: fs::read_link(path).map(|to| to.display().to_string()).unwrap_or_default(),
    })
}

/// Names in a directory.
///
/// # Errors
/// It is none.
pub fn list(path: &str) -> io::Result<Vec<String>> {
    let mut names: Vec<String> =
        fs::read_dir(path)?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// All sockets of this network, with who has them.
#[must_use]
pub fn sockets() -> Vec<Socket> {
    let holders = holders();
    let mut all = Vec::new();
    for kind in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"] {
        all.extend(lines(kind).filter_map(|line| internet(kind, &line)));
    }
    all.extend(lines("unix").filter_map(|line| unix(&line)));
    all.extend(lines("packet").filter_map(|line| packet(&line)));
    for socket in &mut all {
        socket.holders = holders.get(&socket.inode).cloned().unwrap_or_default();
    }
    all
}

fn lines(kind: &str) -> impl Iterator<Item = String> {
    let text = fs::read_to_string(format!("/proc/net/{kind}")).unwrap_or_default();
    text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>().into_iter()
}

/// Which processes have which socket, by its inode.
fn holders() -> BTreeMap<u64, Vec<(u32, String)>> {
    let mut all: BTreeMap<u64, Vec<(u32, String)>> = BTreeMap::new();
    for pid in proc::pids() {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned();
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let to = fs::read_link(entry.path()).map(|to| to.display().to_string()).unwrap_or_default();
            let inode = to.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')?.parse().ok());
            if let Some(inode) = inode {
                all.entry(inode).or_default().push((pid, name.clone()));
            }
        }
    }
    all
}

fn internet(kind: &str, line: &str) -> Option<Socket> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    // Numbers of include/net/tcp_states.h.
    let state = match *words.get(3)? {
        "01" => "ESTABLISHED",
        "02" => "SYN_SENT",
        "06" => "TIME_WAIT",
        "07" => "CLOSE",
        "0A" => "LISTEN",
        other => other,
    };
    Some(Socket {
        kind: kind.to_owned(),
        local: address(words.get(1)?)?,
        remote: address(words.get(2)?)?,
        state: state.to_owned(),
        inode: words.get(9)?.parse().ok()?,
        holders: Vec::new(),
    })
}

/// `0100007F:0CEA` is 127.0.0.1:3306: words of the machine's order in hexadecimal.
fn address(text: &str) -> Option<String> {
    let (host, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words = host.as_bytes().chunks(8).map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok());
    let bytes: Vec<u8> = words.collect::<Option<Vec<u32>>>()?.into_iter().flat_map(u32::to_ne_bytes).collect();
    let ip: IpAddr = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => Ipv4Addr::from(four).into(),
        Err(_) => Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?).into(),
    };
    Some(std::net::SocketAddr::new(ip, port).to_string())
}

fn unix(line: &str) -> Option<Socket> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    Some(Socket {
        kind: "unix".to_owned(),
        local: words.get(7).copied().unwrap_or_default().to_owned(),
        // The flag of a socket that listens (net/unix/af_unix.c, __SO_ACCEPTCON).
        state: if words.get(3)? == &"00010000" { "LISTEN" } else { words.get(5)? }.to_owned(),
        inode: words.get(6)?.parse().ok()?,
        ..Socket::default()
    })
}

fn packet(line: &str) -> Option<Socket> {
    let inode = line.split_ascii_whitespace().last()?.parse().ok()?;
    Some(Socket { kind: "packet".to_owned(), inode, ..Socket::default() })
}

/// Mounts that a process sees.
///
/// # Errors
/// There is no such process.
pub fn mounts(pid: u32) -> io::Result<Vec<Mount>> {
    Ok(fs::read_to_string(format!("/proc/{pid}/mountinfo"))?.lines().filter_map(mount).collect())
}

/// A line of proc_pid_mountinfo(5).
fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let (left, right): (Vec<&str>, Vec<&str>) = (left.split(' ').collect(), right.split(' ').collect());
    let options = left.get(5)?.split(',').chain(right.get(2)?.split(','));
    Some(Mount {
        at: (*left.get(4)?).to_owned(),
        kind: (*right.first()?).to_owned(),
        source: (*right.get(1)?).to_owned(),
        options: options.map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_kernel_is_read() {
        assert_eq!(address("0100007F:0CEA").as_deref(), Some("127.0.0.1:3306"));
        assert_eq!(address("00000000000000000000000001000000:0016").as_deref(), Some("[::1]:22"));
        assert_eq!(address("nonsense"), None);
    }

    #[test]
    fn a_listening_socket_is_found_with_its_holder() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let local = listener.local_addr().expect("its address").to_string();
        let all = sockets();
        let ours = all.iter().find(|socket| socket.local == local).expect("it is there");
        assert_eq!(ours.state, "LISTEN");
        assert!(ours.holders.iter().any(|(pid, _)| *pid == std::process::id()));
    }

    #[test]
    fn a_mount_has_the_options_of_both_kinds() {
        let line = "36 35 254:4 / /var/lib/parloir rw,nosuid,nodev,noexec shared:1 - ext4 /dev/vda5 rw,errors=remount-ro";
        let mount = mount(line).expect("a mount");
        assert_eq!((mount.at.as_str(), mount.kind.as_str()), ("/var/lib/parloir", "ext4"));
        assert!(mount.options.iter().any(|option| option == "noexec"));
    }
}
