//! A line that is cut and comes back: what is told, what leaves meanwhile, and how long it takes until both ends see again, without a
//! word of signalling. Each end reaches the relay through a forwarder of its own; both are cut. The test does what the arbiter would: held
//! while nothing is decoded.
//!
//! Measured with GStreamer 1.22, libnice 0.1.21 and Chromium: our side keeps its session; Chromium says `disconnected` after some 7 s, forgets
//! its pair after some 17 s and comes back only if its page adds our candidates again, changed (page.html does it as the visitor's page).
mod support;

use parloir_shell::BootTime;
use parloir_wire::lease::{Fact, Plan, ToCall};
use std::time::{Duration, Instant};
use support::{Browser, Call, Forwarder, Relay, alone};

struct Rig {
    call: Call,
    browser: Browser,
    lines: [Forwarder; 2],
    _relay: Relay,
}

impl Rig {
    fn live(change: impl Fn(Plan) -> Plan, browser_script: &str) -> Self {
        let relay = Relay::start();
        let mut browser = Browser::start();
        browser.now(browser_script);
        let lines = [Forwarder::to(relay.port), Forwarder::to(relay.port)];
        let password = browser.relay_through(&relay, &lines[1]);
        let call = Call::start();
        call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
        call.open_doors();
        let plan = Call::plan(browser.prepare(), Some(relay.through(&password, &lines[0])));
        call.order(&ToCall::Plan(Box::new(change(plan))));
        browser.carry(&call, 15.0, || call.count(|f| matches!(f, Fact::Decoding { on: true, .. })) > 0);
        browser.carry(&call, 3.0, || false);
        Self { call, browser, lines, _relay: relay }
    }

    fn cut(&self, cut: bool) {
        self.lines.iter().for_each(|line| line.cut(cut));
    }

    fn page(&self, what: &str) -> f64 {
        self.browser.figures()[what].as_f64().unwrap_or(0.0)
    }

    /// Waits until a figure of the page grows.
    fn grows(&self, what: &str, limit: Duration) -> Duration {
        let (before, began) = (self.page(what), Instant::now());
        while self.page(what) <= before {
            assert!(began.elapsed() < limit, "{what} does not grow within {limit:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        began.elapsed()
    }

    /// Cuts, and checks what is told of it; answers when the line was cut.
    fn cut_is_told(&self) {
        self.call.seen.lock().unwrap().facts.clear();
        let (cut_ns, began) = (BootTime::now_ns(), Instant::now());
        self.cut(true);
        let Fact::Decoding { at_ns, .. } =
            self.call.wait_for("Decoding off", 5, |f| matches!(f, Fact::Decoding { on: false, .. }))
        else {
            unreachable!("asked for")
        };
        let (told, last) = (began.elapsed().as_secs_f64(), (at_ns as f64 - cut_ns as f64) / 1e9);
        eprintln!("told {told:.2} s after the cut; last unit {last:.2} s after it");
        // What was in the jitter buffer is still decoded.
        assert!((1.7..2.9).contains(&told) && (-0.3..0.6).contains(&last), "told {told} s, last {last} s");
        self.call.order(&ToCall::Hold { held: true });
    }

    /// Ends the cut and answers how long it took until we decoded again.
    fn back(&self) -> Duration {
        self.call.seen.lock().unwrap().facts.clear();
        self.cut(false);
        let back = Instant::now();
        self.call.wait_for("Decoding on", 8, |f| matches!(f, Fact::Decoding { on: true, .. }));
        let took = back.elapsed();
        self.call.order(&ToCall::Hold { held: false });
        took
    }
}

#[test]
fn a_cut_of_twenty_seconds_is_over_five_seconds_after_it_is_over() {
    let _alone = alone();
    let rig = Rig::live(|plan| plan, "0");
    rig.cut_is_told();
    std::thread::sleep(Duration::from_secs(18));
    eprintln!("page at the end of the cut: {}", rig.browser.now("return pc.connectionState"));
    let here = rig.back();
    let back = Instant::now();
    rig.grows("decoded", Duration::from_secs(8));
    let there = here + back.elapsed();
    eprintln!("decoding again after {here:?} here, {there:?} there");
    assert!(here < Duration::from_secs(5) && there < Duration::from_secs(5), "{here:?} here, {there:?} there");
    assert_eq!(rig.call.take_signals().len(), 0, "nothing was said by signalling");
    let (frames, began) = (rig.page("decoded"), Instant::now());
    std::thread::sleep(Duration::from_secs(3));
    let rate = (rig.page("decoded") - frames) / began.elapsed().as_secs_f64();
    assert!(rate > 10.0, "the page sees {rate} frames a second after the cut");
}

#[test]
fn held_is_silence_on_the_wire_and_its_end_a_key_picture_at_once() {
    let _alone = alone();
    let rig = Rig::live(|plan| plan, "0");
    for _ in 0..3 {
        rig.call.order(&ToCall::Hold { held: true });
        std::thread::sleep(Duration::from_millis(200));
        let (keys, before) = (rig.page("key_frames"), rig.lines[0].media_up());
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(rig.lines[0].media_up(), before, "RTP leaves while held");
        rig.call.order(&ToCall::Hold { held: false });
        let took = rig.grows("decoded", Duration::from_secs(3));
        eprintln!("a picture {took:?} after the end of held");
        assert!(took < Duration::from_millis(500), "{took:?}");
        assert!(rig.page("key_frames") > keys, "not from a key picture");
    }
}

#[test]
fn a_visit_of_sound_is_held_and_resumed_by_its_sound() {
    let _alone = alone();
    let voice = |plan| Plan { width: 0, height: 0, fps: 0, max_kbps: 0, start_kbps: 0, min_kbps: 0, ..plan };
    let rig = Rig::live(voice, "window.voice = true");
    rig.cut_is_told();
    std::thread::sleep(Duration::from_secs(2));
    let here = rig.back();
    let there = rig.grows("energy", Duration::from_secs(5));
    eprintln!("sound again after {here:?} here, {there:?} later there");
    assert!(here + there < Duration::from_secs(5));
    assert_eq!(rig.page("video_bytes"), 0.0, "a picture left");
    assert_eq!(rig.call.seen.lock().unwrap().far_frames, 0);
}
