//! Owns: the real screen process against a real bus: attach, keys in, requests out, pictures, the arbiter's return, the end.
//! Never: a window; the arbiter is played by a service of the same contract that notes what it is asked.
//! Called by: cargo test.

mod common;
#[path = "common/played.rs"]
mod played;

use parloir_bus::view::{Call, Phase, View};
use parloir_wire::keys::Key;
use played::{Asked, Bus, Played, Screen};
use std::time::Duration;

#[tokio::test]
async fn a_visit_by_keys_alone() {
    let bus = Bus::start();
    let mut arbiter = Played::start(&bus, common::home()).await;
    let screen = Screen::start(&bus);
    arbiter.expect(Asked::Attach).await;
    arbiter.expect(Asked::Focus).await;
    arbiter.expect(Asked::Drawn).await;
    screen.picture("home").await;

    arbiter.press(Key::Ok, 42).await;
    arbiter.expect(Asked::Place("a1".into(), "video".into(), 42)).await;
    arbiter.change(common::in_call(Phase::Asking, common::call())).await;
    screen.picture("asking").await;

    arbiter.change(common::in_call(Phase::Joining, common::call())).await;
    arbiter.expect(Asked::Frames).await;
    arbiter.change(common::in_call(Phase::Live, common::call())).await;
    screen.picture("live").await;
    arbiter.send_far(200);
    tokio::time::sleep(Duration::from_millis(300)).await;
    screen.ask_for_picture();
    let latest = screen.picture("live-latest").await;
    let middle = latest.as_slice()[360 * 1280 + 640];
    assert!(middle.r > 200 && middle.g > 200 && middle.b > 200, "the far picture is in the middle: {middle:?}");

    arbiter.press(Key::Ok, 50).await;
    arbiter.expect(Asked::Let(true, false, 50)).await;
    // Before the view says that it has happened: the second press does not undo the first.
    arbiter.press(Key::Up, 51).await;
    arbiter.expect(Asked::Let(false, false, 51)).await;
    arbiter.press(Key::Back, 52).await;
    arbiter.expect(Asked::End).await;

    arbiter.change(common::ended("PersonEnded")).await;
    screen.picture("ended").await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    arbiter.press(Key::Ok, 60).await;
    arbiter.expect(Asked::Dismiss).await;
    screen.stop();
}

/// What was seen of a private visit goes with the process: it ends when the end stands on the screen, and the next one begins there.
#[tokio::test]
async fn a_screen_that_showed_a_private_visit_ends_after_it_and_no_other_does() {
    let bus = Bus::start();
    let lawyer = || Call { class: "lawyer".into(), code: "017259".into(), ..common::call() };
    let mut arbiter = Played::start(&bus, common::in_call(Phase::Live, lawyer())).await;
    let screen = Screen::start(&bus);
    arbiter.expect(Asked::Attach).await;
    screen.picture("live").await;
    arbiter.change(common::in_call(Phase::Closing, lawyer())).await;
    screen.picture("closing").await;
    arbiter.change(common::ended("PersonEnded")).await;
    screen.picture("ended").await;
    screen.ends().await;
    let next = Screen::start(&bus);
    arbiter.expect(Asked::Attach).await;
    next.picture("ended").await;
    next.stop();
}

#[tokio::test]
async fn the_frame_channel_is_asked_for_again() {
    let bus = Bus::start();
    let mut arbiter = Played::start(&bus, common::in_call(Phase::Live, common::call())).await;
    let screen = Screen::start(&bus);
    arbiter.expect(Asked::Attach).await;
    arbiter.expect(Asked::Frames).await;
    arbiter.cut_frames();
    // The view changes at least every second in a visit.
    tokio::time::sleep(Duration::from_millis(700)).await;
    arbiter.change(common::in_call(Phase::Live, Call { seconds_left: 7, ..common::call() })).await;
    arbiter.expect(Asked::Frames).await;
    arbiter.send_far(40);
    screen.stop();
}

#[tokio::test]
async fn the_arbiter_returns() {
    let bus = Bus::start();
    let mut arbiter = Played::start(&bus, common::home()).await;
    let screen = Screen::start(&bus);
    arbiter.expect(Asked::Attach).await;
    screen.picture("home").await;
    arbiter.leave().await;
    screen.picture("starting").await;
    // A successor starts to count from the beginning.
    let mut successor = Played::start(&bus, View { revision: 1, ..common::ended("Fault") }).await;
    successor.expect(Asked::Attach).await;
    successor.expect(Asked::Focus).await;
    successor.expect(Asked::Drawn).await;
    screen.picture("ended").await;
    screen.stop();
}

#[tokio::test]
async fn an_idle_screen_costs_next_to_nothing() {
    let bus = Bus::start();
    let mut arbiter = Played::start(&bus, common::home()).await;
    let screen = Screen::start(&bus);
    arbiter.expect(Asked::Attach).await;
    screen.picture("home").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = screen.cpu();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let used = screen.cpu() - before;
    println!("idle: {used:?} of CPU in 5 s");
    assert!(used <= Duration::from_millis(50), "1 % of a core at most, unoptimised: {used:?} in 5 s");
    screen.stop();
}

#[tokio::test]
async fn a_live_screen_leaves_the_machine_to_the_call() {
    let bus = Bus::start();
    let mut arbiter = Played::start(&bus, common::in_call(Phase::Live, common::call())).await;
    let screen = Screen::start(&bus);
    arbiter.expect(Asked::Frames).await;
    screen.picture("live").await;
    let (mut before, mut used) = (screen.cpu(), Duration::ZERO);
    let mut pace = tokio::time::interval(Duration::from_nanos(33_333_333));
    for frame in 0..150_u8 {
        pace.tick().await;
        arbiter.send_both(frame);
        if frame == 29 {
            before = screen.cpu();
        }
        used = screen.cpu() - before;
    }
    println!("live: {used:?} of CPU for 120 far and own pictures in 4 s");
    assert!(used <= Duration::from_millis(1600), "40 % of a core at most, unoptimised: {used:?} in 4 s");
    screen.stop();
}
