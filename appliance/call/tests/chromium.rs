//! A visit with a real browser: both ends see and hear, through host candidates and through a relay.
mod support;

use parloir_wire::lease::{Fact, ToCall};
use std::time::Duration;
use support::{Browser, Call, alone};

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn both_ends_see_and_hear_directly() {
    let _alone = alone();
    let browser = Browser::start();
    let call = Call::start();
    visit(&browser, &call, None);
}

fn visit(browser: &Browser, call: &Call, relay: Option<parloir_wire::lease::Relay>) {
    let far = browser.prepare();
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    call.open_doors();
    call.order(&ToCall::Plan(Box::new(Call::plan(far, relay))));
    let planned = parloir_shell::BootTime::now_ns();
    browser.carry(call, 15.0, || call.seen.lock().unwrap().far_frames > 0);
    call.wait_for("FarVerified", 1, |f| *f == Fact::FarVerified { fingerprint: far });
    let Fact::FirstPicture { at_ns, codec, .. } = call.wait_for("FirstPicture", 1, |f| matches!(f, Fact::FirstPicture { .. })) else {
        unreachable!()
    };
    assert_eq!(codec, "H264");
    eprintln!("first picture {} ms after the plan", (at_ns - planned) / 1_000_000);
    browser.carry(call, 5.0, || false);
    let (mut theirs, mut ours) = (vec![], vec![]);
    let mut last = (browser.figures()["decoded"].as_f64().unwrap(), call.seen.lock().unwrap().far_frames as f64, std::time::Instant::now());
    let (cpu, began) = (call.cpu(), last.2);
    for _ in 0..10 {
        std::thread::sleep(Duration::from_secs(1));
        let (f, n) = (browser.figures(), call.seen.lock().unwrap().far_frames as f64);
        let s = last.2.elapsed().as_secs_f64();
        let d = f["decoded"].as_f64().unwrap();
        theirs.push((d - last.0) / s);
        ours.push((n - last.1) / s);
        last = (d, n, std::time::Instant::now());
    }
    let f = browser.figures();
    let seen = call.seen.lock().unwrap();
    eprintln!("page {f}\nown {:?}\nfar counters {:?} self {} {:?}", seen.progress(), seen.far_counters, seen.self_frames, seen.self_size);
    eprintln!("fps theirs {theirs:.1?} ours {ours:.1?}");
    eprintln!("cpu {:.1} % pss {} KiB", 100.0 * (call.cpu() - cpu).as_secs_f64() / began.elapsed().as_secs_f64(), call.pss_kib());
    assert!(median(theirs) >= 25.0 && median(ours) >= 25.0);
    assert_eq!((f["width"].as_u64(), f["height"].as_u64(), f["codec"].as_str()), (Some(1280), Some(720), Some("video/H264")));
    assert_eq!((seen.far_size, seen.self_size), ((1280, 720), (320, 180)));
    assert!(f["energy"].as_f64().unwrap() > 0.001, "the page heard nothing");
    assert!(seen.loudest() > -5000, "we heard nothing: {}", seen.loudest());
}
