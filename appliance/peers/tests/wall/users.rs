//! Owns: doing something with the network as another user of the box.
//! Never: changes more than the thread that does it.
//! Called by: the tests.
#![allow(unsafe_code, reason = "one thread takes another user's id for the moment in which it makes a socket")]

use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, SockaddrIn, bind, connect, getsockname, socket};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};

/// As in `systemd/cells.toml`; what it does not name, the tests have of their own.
pub const LINK: u32 = 803;
pub const CALL: u32 = 805;
pub const UPDATER: u32 = 809;
pub const NETWORK: u32 = 811;
/// Everybody else on the box, root among them.
pub const OTHERS: [u32; 8] = [0, 801, 802, 804, 806, 807, 808, 65534];

/// Runs `act` on a thread of that user: a socket keeps the user who made it.
pub fn as_user<T: Send>(uid: u32, act: impl FnOnce() -> T + Send) -> T {
    let changed = move || {
        // SAFETY: plain numbers; the raw call changes this thread alone, and the thread ends here.
        let changed = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
        assert_eq!(changed, 0);
        act()
    };
    std::thread::scope(|scope| scope.spawn(changed).join()).expect("the user's thread")
}

/// A socket for datagrams of that user; port 0 for any.
pub fn datagrams(uid: u32, port: u16) -> UdpSocket {
    let socket = as_user(uid, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).expect("a socket"));
    socket.set_nonblocking(true).unwrap();
    socket.set_broadcast(true).unwrap();
    socket
}

/// Begins a connection as that user; answers its socket and its own port. The kernel's word on it is not believed: the wire is looked at.
pub fn dial(uid: u32, to: SocketAddrV4) -> (OwnedFd, u16) {
    as_user(uid, || {
        let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_NONBLOCK, None).unwrap();
        bind(socket.as_raw_fd(), &SockaddrIn::new(0, 0, 0, 0, 0)).unwrap();
        let port = getsockname::<SockaddrIn>(socket.as_raw_fd()).unwrap().port();
        let _ = connect(socket.as_raw_fd(), &SockaddrIn::from(to));
        (socket, port)
    })
}

/// Sends an echo request by a raw socket, as root.
pub fn ping(to: &str) {
    let socket = socket(AddressFamily::Inet, SockType::Raw, SockFlag::empty(), SockProtocol::Icmp).expect("root's raw socket");
    let to = SockaddrIn::from(SocketAddrV4::new(to.parse().unwrap(), 0));
    let echo = [8, 0, 0xf7, 0xfe, 0, 1, 0, 0];
    let _ = nix::sys::socket::sendto(socket.as_raw_fd(), &echo, &to, nix::sys::socket::MsgFlags::empty());
}
