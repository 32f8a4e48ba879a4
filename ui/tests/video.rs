//! Owns: the pictures' way from the frame channel into the mailbox: the newest, at most 30 a second, whatever the sender is.
//! Never: a screen.
//! Called by: cargo test.

use parloir_frames::{FrameSender, Picture, Sent, Stream};
use parloir_ui::video::{self, Mailbox};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

struct Shown {
    mailbox: Arc<Mailbox>,
    woken: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

fn start() -> (FrameSender, Shown) {
    let (ours, theirs) = parloir_shell::fds::pair().unwrap();
    (FrameSender::new(theirs), show(ours))
}

fn show(end: OwnedFd) -> Shown {
    let (mailbox, woken) = (Arc::new(Mailbox::default()), Arc::new(AtomicUsize::new(0)));
    let (inside, count) = (mailbox.clone(), woken.clone());
    let wake = move || {
        count.fetch_add(1, Ordering::SeqCst);
    };
    let thread = std::thread::spawn(move || video::run(end, &inside, &wake));
    Shown { mailbox, woken, thread }
}

fn send(sender: &mut FrameSender, stream: Stream, width: u16, height: u16, luma: u8) -> Sent {
    let (w, h) = (usize::from(width), usize::from(height));
    let (y, c) = (vec![luma; w * h], vec![128; w.div_ceil(2) * h.div_ceil(2)]);
    let picture = Picture { width, height, y: &y, y_stride: w, u: &c, v: &c, c_stride: w.div_ceil(2) };
    sender.send(stream, 0, &picture).unwrap()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn both_pictures_arrive_in_colour() {
    let (mut sender, shown) = start();
    send(&mut sender, Stream::Far, 640, 360, 235);
    send(&mut sender, Stream::SelfView, 320, 180, 16);
    until("two wakes", || shown.woken.load(Ordering::SeqCst) == 2);
    let (far, own) = shown.mailbox.take();
    let (far, own) = (far.unwrap(), own.unwrap());
    assert_eq!((far.width(), far.height(), own.width(), own.height()), (640, 360, 320, 180));
    let white = far.as_slice()[640 * 180 + 320];
    assert!(white.r > 250 && white.g > 250 && white.b > 250, "limited range is stretched: {white:?}");
    let pixels = own.as_slice();
    assert_eq!(pixels[0].a, 0, "the corner is cut");
    assert_eq!((pixels[320 * 90 + 160].a, pixels[320 * 90 + 160].r), (255, 0));
    drop(sender);
    shown.thread.join().unwrap();
}

#[test]
fn odd_and_changing_sizes_are_shown() {
    let (mut sender, shown) = start();
    for (width, height) in [(1, 1), (1279, 719), (3, 1088), (1920, 1), (641, 361)] {
        assert_eq!(send(&mut sender, Stream::Far, width, height, 100), Sent::Yes);
        assert_eq!(send(&mut sender, Stream::SelfView, width, height, 100), Sent::Yes);
        until("the picture of this size", || {
            let (far, own) = shown.mailbox.take();
            let right = |w: u32, h: u32| (w, h) == (width.into(), height.into());
            // Each may come alone: that it comes is what counts.
            far.is_some_and(|p| right(p.width(), p.height())) || own.is_some_and(|p| right(p.width(), p.height()))
        });
    }
    drop(sender);
    shown.thread.join().unwrap();
}

#[test]
fn a_flood_becomes_thirty_a_second_and_the_newest_wins() {
    let (mut sender, shown) = start();
    let (start, mut taken) = (Instant::now(), 0);
    let mut luma = 16;
    while start.elapsed() < Duration::from_secs(1) {
        luma = if luma >= 230 { 16 } else { luma + 1 };
        send(&mut sender, Stream::Far, 64, 64, luma);
        taken += usize::from(shown.mailbox.take().0.is_some());
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!((20..=33).contains(&taken), "{taken} in a second");
    std::thread::sleep(Duration::from_millis(100));
    send(&mut sender, Stream::Far, 64, 64, 235);
    until("the last picture is the last that was sent", || shown.mailbox.take().0.is_some_and(|p| p.as_slice()[2000].r > 250));
    drop(sender);
    shown.thread.join().unwrap();
}

#[test]
fn what_is_no_frame_channel_ends_it_without_a_picture() {
    for message in [&b"x"[..], &[0xff; 64], &[0; 64], &[0xaa; 300]] {
        let (ours, theirs) = parloir_shell::fds::pair().unwrap();
        let shown = show(ours);
        parloir_shell::fds::send(&theirs, message, &[]).unwrap();
        shown.thread.join().unwrap();
        assert!(shown.mailbox.take().0.is_none());
        assert_eq!(shown.woken.load(Ordering::SeqCst), 0);
    }
}
