//! Owns: the screen killed in every phase comes back where it was within 2 s, with pictures again; told to end, it ends.
//! Never: a window; the arbiter is played by a service of the same contract that notes what it is asked.
//! Called by: cargo test.

mod common;
#[path = "common/played.rs"]
mod played;

use parloir_bus::view::{Phase, View};
use parloir_wire::keys::Key;
use played::{Asked, Bus, Played, Screen};
use std::time::{Duration, Instant};

/// Design, the table of rooms: restarted within 2 s on the same screen.
const BACK: Duration = Duration::from_secs(2);

fn phases() -> Vec<(&'static str, View)> {
    let in_call = |phase| common::in_call(phase, common::call());
    vec![
        ("starting", common::starting()),
        ("home", common::home()),
        ("ringing", common::ringing()),
        ("asking", in_call(Phase::Asking)),
        ("joining", in_call(Phase::Joining)),
        ("live", in_call(Phase::Live)),
        ("held", in_call(Phase::Held)),
        ("closing", in_call(Phase::Closing)),
        ("ended", common::ended("MediaLost")),
        ("refused", common::refused("RingMissed")),
    ]
}

#[tokio::test]
async fn killed_in_every_phase_it_comes_back_on_the_same_screen() {
    let bus = Bus::start();
    let mut arbiter = Played::start(&bus, common::home()).await;
    let mut screen = Screen::start(&bus);
    arbiter.expect(Asked::Attach).await;
    for (name, view) in phases() {
        arbiter.change(view.clone()).await;
        screen.picture(name).await;
        // SIGKILL.
        drop(screen);
        let killed = Instant::now();
        screen = Screen::start(&bus);
        arbiter.expect(Asked::Attach).await;
        arbiter.expect(Asked::Focus).await;
        if matches!(view.phase, Phase::Joining | Phase::Live | Phase::Held) {
            arbiter.expect(Asked::Frames).await;
        }
        screen.picture(name).await;
        let took = killed.elapsed();
        println!("{name}: back after {} ms", took.as_millis());
        assert!(took < BACK, "{name}: back after {took:?}");
    }
    screen.stop();
}

#[tokio::test]
async fn killed_in_a_visit_it_shows_the_far_side_again() {
    let bus = Bus::start();
    let mut arbiter = Played::start(&bus, common::in_call(Phase::Live, common::call())).await;
    for luma in [200, 90] {
        let screen = Screen::start(&bus);
        arbiter.expect(Asked::Attach).await;
        arbiter.expect(Asked::Frames).await;
        screen.picture("live").await;
        arbiter.send_far(luma);
        tokio::time::sleep(Duration::from_millis(300)).await;
        screen.ask_for_picture();
        let latest = screen.picture("live-latest").await;
        let middle = latest.as_slice()[360 * 1280 + 640];
        // Limited range: 16 is black, 235 white.
        let expected = ((i32::from(luma) - 16) * 255 / 219).unsigned_abs();
        assert!(expected.abs_diff(middle.r.into()) < 8, "{luma}: {middle:?}");
        drop(screen);
    }
}

#[tokio::test]
async fn a_ring_is_answered_by_one_press_declined_by_another_and_deaf_at_first() {
    let bus = Bus::start();
    let mut arbiter = Played::start(&bus, common::home()).await;
    let screen = Screen::start(&bus);
    arbiter.expect(Asked::Focus).await;
    screen.picture("home").await;
    arbiter.change(common::ringing()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    // Meant for somebody on the home screen.
    arbiter.press(Key::Ok, 70).await;
    arbiter.press(Key::Back, 71).await;
    screen.picture("ringing").await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert!(arbiter.nothing_more(), "a press of the first moment neither answers nor declines");
    arbiter.press(Key::Ok, 72).await;
    arbiter.expect(Asked::Answer("5e".into(), "video".into(), 72)).await;
    arbiter.press(Key::Right, 73).await;
    arbiter.press(Key::Ok, 74).await;
    arbiter.expect(Asked::Answer("5e".into(), "voice".into(), 74)).await;
    arbiter.press(Key::Back, 75).await;
    arbiter.expect(Asked::Decline("5e".into())).await;
    arbiter.change(common::refused("CallerGone")).await;
    screen.picture("refused").await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    arbiter.press(Key::Ok, 76).await;
    arbiter.expect(Asked::Dismiss).await;
    arbiter.expect(Asked::Place("b2".into(), "voice".into(), 76)).await;
    screen.stop();
}

#[tokio::test]
async fn another_ring_is_another_question() {
    let bus = Bus::start();
    let mut arbiter = Played::start(&bus, common::ringing()).await;
    let screen = Screen::start(&bus);
    arbiter.expect(Asked::Focus).await;
    screen.picture("ringing").await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    // The first caller gave up and another one rings in the same moment: the press was for the first.
    arbiter.change(common::with_call(common::ringing(), |c| (c.id, c.contact) = ("6f".into(), "c3".into()))).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    arbiter.press(Key::Ok, 80).await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert!(arbiter.nothing_more(), "the press was meant for the first ring");
    arbiter.press(Key::Ok, 81).await;
    arbiter.expect(Asked::Answer("6f".into(), "video".into(), 81)).await;
    screen.stop();
}
