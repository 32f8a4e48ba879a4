//! Two packets in a hundred lost each way on our leg to the relay, by a seeded forwarder: retransmission keeps the picture moving.
mod support;

use parloir_wire::lease::{Fact, ToCall};
use std::time::Duration;
use support::{Browser, Call, Forwarder, Relay, alone};

#[test]
fn two_percent_of_loss_leaves_a_picture_that_moves_both_ways() {
    let _alone = alone();
    let relay = Relay::start();
    let mut browser = Browser::start();
    let password = browser.relay(&relay);
    let call = Call::start();
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    call.open_doors();
    let line = Forwarder::to(relay.port);
    line.lose(20);
    let through = relay.through(&password, &line);
    call.order(&ToCall::Plan(Box::new(Call::plan(browser.prepare(), Some(through)))));
    browser.carry(&call, 15.0, || call.seen.lock().unwrap().far_frames > 0);
    browser.carry(&call, 3.0, || false);
    let look = || (browser.figures(), call.seen.lock().unwrap().far_frames);
    let (page, ours) = look();
    std::thread::sleep(Duration::from_secs(10));
    let (page_after, ours_after) = look();
    let theirs = page_after["decoded"].as_f64().unwrap() - page["decoded"].as_f64().unwrap();
    let here = ours_after - ours;
    eprintln!("in 10 s: page {theirs} frames, here {here}; {page_after}\n{:?}", call.seen.lock().unwrap().progress());
    // A third of the frame rate on any machine; without retransmission it is a tenth.
    assert!(theirs > 100.0 && here > 100, "the picture does not hold at 2 % loss");
}
