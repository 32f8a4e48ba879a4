//! The frame channel between two honest ends: pictures arrive whole, the newest wins, nobody waits.
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use parloir_frames::{FrameError, FrameReceiver, FrameSender, Picture, Sent, Stream};

fn pair() -> (FrameSender, FrameReceiver) {
    let (a, b) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    (FrameSender::new(a), FrameReceiver::new(b))
}

/// Planes of one value each, with `pad` bytes after every row.
struct Plain {
    planes: [Vec<u8>; 3],
    width: u16,
    height: u16,
    pad: usize,
}

impl Plain {
    fn new(width: u16, height: u16, pad: usize, values: [u8; 3]) -> Self {
        let (w, h) = (usize::from(width), usize::from(height));
        let plane = |w: usize, h: usize, v: u8| {
            let mut rows = Vec::new();
            for _ in 0..h {
                rows.extend(std::iter::repeat_n(v, w));
                rows.extend(std::iter::repeat_n(0xEE, pad));
            }
            rows
        };
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        Self { planes: [plane(w, h, values[0]), plane(cw, ch, values[1]), plane(cw, ch, values[2])], width, height, pad }
    }
    fn picture(&self) -> Picture<'_> {
        let w = usize::from(self.width);
        let [y, u, v] = &self.planes;
        let (y_stride, c_stride) = (w + self.pad, w.div_ceil(2) + self.pad);
        Picture { width: self.width, height: self.height, y, y_stride, u, v, c_stride }
    }
}

#[test]
fn a_picture_arrives_whole_and_without_its_padding() {
    let (mut tx, mut rx) = pair();
    for (width, height, pad) in [(1280, 720, 0), (321, 181, 7), (1, 1, 0), (1920, 1088, 64)] {
        let plain = Plain::new(width, height, pad, [10, 20, 30]);
        assert_eq!(tx.send(Stream::Far, 42, &plain.picture()).unwrap(), Sent::Yes);
        let frame = rx.receive().unwrap().expect("a frame");
        assert_eq!((frame.width(), frame.height(), frame.pts_ns(), frame.stream()), (width, height, 42, Stream::Far));
        assert_eq!(frame.y().len(), usize::from(width) * usize::from(height));
        assert!(frame.y().iter().all(|b| *b == 10) && frame.u().iter().all(|b| *b == 20) && frame.v().iter().all(|b| *b == 30));
    }
}

#[test]
fn the_newest_frame_of_each_stream_wins_and_the_others_free_their_slots() {
    let (mut tx, mut rx) = pair();
    let (far, own) = (Plain::new(64, 64, 0, [1, 2, 3]), Plain::new(32, 18, 0, [4, 5, 6]));
    for _ in 0..3 {
        assert_eq!(tx.send(Stream::Far, 0, &far.picture()).unwrap(), Sent::Yes);
    }
    assert_eq!(tx.send(Stream::SelfView, 0, &own.picture()).unwrap(), Sent::Yes);
    let first = rx.receive().unwrap().unwrap();
    let second = rx.receive().unwrap().unwrap();
    assert_eq!((first.stream(), first.seq()), (Stream::Far, 2));
    assert_eq!((second.stream(), second.seq()), (Stream::SelfView, 0));
    assert!(rx.receive().unwrap().is_none());
    // Two of four slots came back, the third is held, the fourth was never used.
    for _ in 0..3 {
        assert_eq!(tx.send(Stream::Far, 0, &far.picture()).unwrap(), Sent::Yes);
    }
    assert_eq!(tx.send(Stream::Far, 0, &far.picture()).unwrap(), Sent::Dropped);
}

#[test]
fn a_receiver_that_reads_nothing_never_stops_the_sender() {
    let (mut tx, rx) = pair();
    let plain = Plain::new(64, 64, 0, [1, 2, 3]);
    let sent = (0..1000).filter(|_| tx.send(Stream::Far, 0, &plain.picture()).unwrap() == Sent::Yes).count();
    assert_eq!(sent, 4);
    drop(rx);
    assert!(matches!(tx.send(Stream::Far, 0, &plain.picture()), Err(FrameError::Closed)));
}

#[test]
fn a_thousand_frames_pass_and_a_change_of_size_keeps_the_old_frame_readable() {
    let (mut tx, mut rx) = pair();
    let mut held = None;
    for n in 0..1000_u32 {
        let size = if n % 100 < 50 { (640, 360) } else { (1280, 720) };
        let plain = Plain::new(size.0, size.1, 0, [(n % 251) as u8, 2, 3]);
        assert_eq!(tx.send(Stream::Far, u64::from(n), &plain.picture()).unwrap(), Sent::Yes, "frame {n}");
        let frame = rx.receive().unwrap().unwrap();
        assert_eq!((frame.seq(), frame.width(), frame.y()[0]), (u64::from(n), size.0, (n % 251) as u8));
        held = Some(frame);
    }
    drop(tx);
    assert!(matches!(rx.receive(), Err(FrameError::Closed)));
    assert_eq!(held.unwrap().y()[0], (999 % 251) as u8);
}

#[test]
fn frames_that_waited_are_shown_before_the_end() {
    let (mut tx, mut rx) = pair();
    tx.send(Stream::Far, 0, &Plain::new(16, 16, 0, [1, 2, 3]).picture()).unwrap();
    drop(tx);
    assert!(rx.receive().unwrap().is_some());
    assert!(matches!(rx.receive(), Err(FrameError::Closed)));
}

#[test]
fn a_picture_shorter_than_it_says_is_refused_before_the_copy() {
    let (mut tx, _rx) = pair();
    let plain = Plain::new(64, 64, 0, [1, 2, 3]);
    let good = plain.picture();
    for bad in [
        Picture { y: &good.y[1..], ..good },
        Picture { v: &good.v[..good.v.len() - 1], ..good },
        Picture { y_stride: 63, ..good },
        Picture { c_stride: usize::MAX, ..good },
        Picture { width: 0, ..good },
        Picture { height: 1089, ..good },
    ] {
        assert!(matches!(tx.send(Stream::Far, 0, &bad), Err(FrameError::Broken(_))), "{}x{}", bad.width, bad.height);
    }
}
