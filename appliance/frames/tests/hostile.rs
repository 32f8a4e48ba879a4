//! How it would be broken: a captured call process sends the screen a ring that it shrinks afterwards (SIGBUS in the screen), a file
//! of the disk instead of a memfd, slots outside the ring, the same slot twice, several descriptors, or rubbish. And the other way: a
//! captured screen returns slots that it does not have, so that call writes where the screen reads.
//! What holds: every one of these ends the channel with `Broken`, before a byte of the mapping is read.
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair};
use parloir_frames::{FrameError, FrameReceiver, FrameSender, Picture, Stream};
use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

const SLOT: u32 = 8192;

fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap()
}

fn memfd(size: i64, seals: SealFlag) -> OwnedFd {
    let fd = memfd_create(c"hostile", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap();
    nix::unistd::ftruncate(&fd, size).unwrap();
    fcntl(&fd, FcntlArg::F_ADD_SEALS(seals)).unwrap();
    fd
}

fn good_memfd() -> OwnedFd {
    memfd(i64::from(SLOT) * 4, SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL)
}

fn send(socket: &OwnedFd, bytes: &[u8], fds: &[RawFd]) {
    let rights = [ControlMessage::ScmRights(fds)];
    let control = if fds.is_empty() { &[][..] } else { &rights[..] };
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(bytes)], control, MsgFlags::empty(), None).unwrap();
}

fn ring(slot_bytes: u32, slots: u8) -> [u8; 64] {
    let mut m = [0; 64];
    m[..4].copy_from_slice(&[1, 1, 0, slots]);
    m[8..12].copy_from_slice(&slot_bytes.to_le_bytes());
    m
}

fn frame(slot: u8, width: u16, height: u16, ring: u32) -> [u8; 64] {
    let mut m = [0; 64];
    m[..4].copy_from_slice(&[1, 2, 0, slot]);
    m[4..8].copy_from_slice(&ring.to_le_bytes());
    m[8..10].copy_from_slice(&width.to_le_bytes());
    m[10..12].copy_from_slice(&height.to_le_bytes());
    m
}

/// Sends what `attack` sends to a receiver and asserts that the channel is given up for it.
fn broken(name: &str, attack: impl FnOnce(&OwnedFd)) {
    let (tx, rx) = pair();
    attack(&tx);
    let answer = FrameReceiver::new(rx).receive().map(|f| f.is_some());
    assert!(matches!(answer, Err(FrameError::Broken(_))), "{name}: {answer:?}");
}

#[test]
fn the_pattern_of_these_attacks_is_accepted_when_it_is_honest() {
    let (tx, rx) = pair();
    send(&tx, &ring(SLOT, 4), &[good_memfd().as_raw_fd()]);
    send(&tx, &frame(3, 64, 64, 0), &[]);
    let got = FrameReceiver::new(rx).receive().unwrap().expect("a frame");
    assert_eq!(got.y().len(), 64 * 64);
}

#[test]
fn rings_that_could_change_under_the_screen_are_refused() {
    let all = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    let size = i64::from(SLOT) * 4;
    for (name, seals) in [
        ("no seals", SealFlag::empty()),
        ("may shrink", SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL),
        ("may grow", SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL),
        ("may be sealed further", SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW),
    ] {
        broken(name, |tx| send(tx, &ring(SLOT, 4), &[memfd(size, seals).as_raw_fd()]));
    }
    broken("shorter than it says", |tx| send(tx, &ring(SLOT, 4), &[memfd(size - 1, all).as_raw_fd()]));
    broken("longer than it says", |tx| send(tx, &ring(SLOT, 4), &[memfd(size + 1, all).as_raw_fd()]));
    broken("no file", |tx| send(tx, &ring(SLOT, 4), &[]));
    let disk = std::fs::File::open("/proc/self/exe").unwrap();
    broken("a file of the disk", |tx| send(tx, &ring(SLOT, 4), &[disk.as_raw_fd()]));
    broken("a socket", |tx| send(tx, &ring(SLOT, 4), &[tx.as_raw_fd()]));
    broken("two files", |tx| send(tx, &ring(SLOT, 4), &[good_memfd().as_raw_fd(), good_memfd().as_raw_fd()]));
    broken("five slots", |tx| send(tx, &ring(SLOT, 5), &[good_memfd().as_raw_fd()]));
    broken("no slots", |tx| send(tx, &ring(SLOT, 0), &[good_memfd().as_raw_fd()]));
    broken("empty slots", |tx| send(tx, &ring(0, 4), &[good_memfd().as_raw_fd()]));
    broken("giant slots", |tx| send(tx, &ring(u32::MAX, 4), &[good_memfd().as_raw_fd()]));
}

#[test]
fn frames_outside_their_ring_are_refused() {
    let honest = |tx: &OwnedFd| send(tx, &ring(SLOT, 4), &[good_memfd().as_raw_fd()]);
    for (name, message) in [
        ("slot past the ring", frame(4, 64, 64, 0)),
        ("slot 255", frame(255, 64, 64, 0)),
        ("larger than its slot", frame(3, 128, 64, 0)),
        ("empty", frame(0, 0, 64, 0)),
        ("larger than any", frame(0, 1921, 1, 0)),
        ("another ring", frame(0, 64, 64, 1)),
    ] {
        broken(name, |tx| {
            honest(tx);
            send(tx, &message, &[]);
        });
    }
    broken("before its ring", |tx| send(tx, &frame(0, 64, 64, 0), &[]));
    broken("with a file", |tx| {
        honest(tx);
        send(tx, &frame(0, 64, 64, 0), &[good_memfd().as_raw_fd()]);
    });
    broken("a slot twice", |tx| {
        honest(tx);
        send(tx, &frame(1, 64, 64, 0), &[]);
        send(tx, &frame(1, 64, 64, 0), &[]);
    });
    broken("a return", |tx| send(tx, &[&[1, 3][..], &[0; 62]].concat(), &[]));
    broken("too long", |tx| send(tx, &[1; 65], &[]));
    broken("too short", |tx| send(tx, &[1; 8], &[]));
}

#[test]
fn random_messages_never_do_more_than_break_the_channel() {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..20_000 {
        let (tx, rx) = pair();
        let mut rx = FrameReceiver::new(rx);
        send(&tx, &ring(SLOT, 4), &[good_memfd().as_raw_fd()]);
        for _ in 0..4 {
            let mut m = frame((random() % 6) as u8, (random() % 130) as u16, (random() % 130) as u16, (random() % 8 == 0).into());
            m[(random() % 64) as usize] ^= if random() % 4 == 0 { random() as u8 } else { 0 };
            send(&tx, &m, &[]);
        }
        if let Ok(Some(f)) = rx.receive() {
            assert_eq!(f.y().len(), usize::from(f.width()) * usize::from(f.height()));
            assert_eq!(f.u().len(), f.v().len());
        }
    }
}

#[test]
fn a_flooding_sender_does_not_keep_the_screen() {
    let (tx, rx) = pair();
    let mut rx = FrameReceiver::new(rx);
    let fd = good_memfd();
    // More rings than one call takes: it comes back, and the next call goes on.
    for _ in 0..100 {
        send(&tx, &ring(SLOT, 4), &[fd.as_raw_fd()]);
    }
    assert!(rx.receive().unwrap().is_none());
    assert!(rx.receive().unwrap().is_none());
    send(&tx, &frame(0, 64, 64, 0), &[]);
    assert!(rx.receive().unwrap().is_some());
}

#[test]
fn a_screen_that_returns_what_it_does_not_hold_is_refused_by_call() {
    let planes = [0; 64 * 64];
    let picture = Picture { width: 64, height: 64, y: &planes, y_stride: 64, u: &planes, v: &planes, c_stride: 32 };
    for (name, message) in [
        ("not out", [&[1, 3, 0, 2][..], &[0; 60]].concat()),
        ("no such slot", [&[1, 3, 0, 9][..], &[0; 60]].concat()),
        ("a frame", frame(0, 64, 64, 0).to_vec()),
        ("rubbish", vec![7; 64]),
    ] {
        let (a, b) = pair();
        let mut tx = FrameSender::new(a);
        tx.send(Stream::Far, 0, &picture).unwrap();
        send(&b, &message, &[]);
        assert!(matches!(tx.send(Stream::Far, 0, &picture), Err(FrameError::Broken(_))), "{name}");
    }
}

/// How it was broken: with more descriptors beside a message than the receiver had room for, the kernel cut the list and the receiver
/// dropped the message without closing those that had arrived. A captured call process could so leave its open camera node in the
/// screen, where it outlives the lease, and two descriptors more at each new channel until the screen has none left.
#[test]
fn no_descriptor_of_a_refused_message_stays_open() {
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let (fd, before) = (good_memfd(), count());
    for n in [2, 3, 5, 200].into_iter().cycle().take(100) {
        broken("many descriptors", |tx| send(tx, &ring(SLOT, 4), &vec![fd.as_raw_fd(); n]));
    }
    // Other tests of this binary open descriptors at the same time, but not a hundred.
    assert!(count() < before + 100, "{} descriptors are open, {before} were", count());
}
