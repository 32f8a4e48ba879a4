//! A re-call: a plan of a higher generation makes a new session. Doors, camera, screen and certificate stay; the far certificate is judged
//! anew; nothing of the session before it is left, however often.
mod support;

use parloir_wire::lease::{Fact, Fingerprint, Plan, ToCall, Trouble};
use parloir_wire::signal::Signal;
use std::time::{Duration, Instant};
use support::{Browser, Call, alone};

/// Orders the next generation and carries signals until it is verified and decoded; answers how long that took.
fn recall(browser: &Browser, call: &Call, plan: &Plan) -> Duration {
    call.seen.lock().unwrap().facts.clear();
    let began = Instant::now();
    call.order(&ToCall::Plan(Box::new(plan.clone())));
    browser.carry(call, 10.0, || call.count(|f| matches!(f, Fact::Decoding { on: true, .. })) > 0);
    call.wait_for("Decoding on", 1, |f| matches!(f, Fact::Decoding { on: true, .. }));
    let took = began.elapsed();
    let seen = call.seen.lock().unwrap();
    let at = |wanted: &dyn Fn(&Fact) -> bool| seen.facts.iter().position(wanted).expect("fact");
    let verified = at(&|f| *f == Fact::FarVerified { fingerprint: plan.far[0] });
    assert!(verified < at(&|f| matches!(f, Fact::Decoding { on: true, .. })), "decoded before it was verified: {:?}", seen.facts);
    took
}

fn begin(browser: &Browser, far: Fingerprint) -> (Call, Plan) {
    let call = Call::start();
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    call.open_doors();
    let plan = Call::plan(far, None);
    recall(browser, &call, &plan);
    browser.carry(&call, 1.0, || false);
    (call, plan)
}

#[test]
fn a_page_that_starts_anew_resumes_with_its_certificate_and_with_another_only_by_another_plan() {
    let _alone = alone();
    let browser = Browser::start();
    let (call, plan) = begin(&browser, browser.prepare());

    // Reloaded, certificate kept.
    browser.now("window.pc.close()");
    call.say(&Signal::Again { generation: 1 });
    call.wait_for("FarAgain", 2, |f| *f == Fact::FarAgain);
    call.seen.lock().unwrap().self_gap = Duration::ZERO;
    let took = recall(&browser, &call, &Plan { generation: 2, ..plan.clone() });
    eprintln!("the same certificate: decoded {took:?} after the plan");
    browser.carry(&call, 1.0, || false);
    let gap = call.seen.lock().unwrap().self_gap;
    assert!(gap < Duration::from_millis(500), "capture stood still for {gap:?}");

    // Reloaded, certificate lost: the plan of the regrant names the new one.
    let other = browser.prepare();
    assert_ne!(other, plan.far[0]);
    let took = recall(&browser, &call, &Plan { generation: 3, far: vec![other], ..plan.clone() });
    eprintln!("another certificate: decoded {took:?} after the plan");
    assert!(browser.figures()["state"] == "connected");

    // And without a regrant it is nobody: judged anew, although this very process has seen it verified.
    call.seen.lock().unwrap().facts.clear();
    let shown = call.seen.lock().unwrap().far_frames;
    call.order(&ToCall::Plan(Box::new(Plan { generation: 4, ..plan })));
    let refused = |f: &Fact| matches!(f, Fact::Trouble { what: Trouble::FarCertificate, .. });
    browser.carry(&call, 10.0, || call.count(refused) > 0);
    call.wait_for("FarCertificate", 1, refused);
    std::thread::sleep(Duration::from_secs(1));
    let seen = call.seen.lock().unwrap();
    // A frame of the session before may have been on its way to the screen when the plan came.
    assert!(seen.far_frames <= shown + 3, "a stranger was shown");
    assert!(
        !seen.facts.iter().any(|f| matches!(f, Fact::FarVerified { .. } | Fact::Decoding { on: true, .. })),
        "{:?}",
        seen.facts
    );
}

#[test]
fn twenty_generations_leave_nothing_behind() {
    let _alone = alone();
    let browser = Browser::start();
    let (call, plan) = begin(&browser, browser.prepare());
    let mut weights = Vec::new();
    call.seen.lock().unwrap().self_gap = Duration::ZERO;
    for generation in 2..=21 {
        let took = recall(&browser, &call, &Plan { generation, ..plan.clone() });
        browser.carry(&call, 0.3, || false);
        weights.push(call.weight());
        eprintln!("generation {generation}: {took:?}, (fds, threads, PSS KiB) {:?}", weights.last());
    }
    assert!(call.seen.lock().unwrap().self_gap < Duration::from_millis(700), "capture stood still");
    // Pools of GLib and of the decoder fill in the first generations.
    let (early, late) = (weights[4], weights[19]);
    assert!(late.0 <= early.0 + 2 && late.1 <= early.1 + 2, "descriptors or threads are left: {weights:?}");
    assert!(late.2 <= early.2 + 8 * 1024, "memory is left: {weights:?}");
    let told = call.count(|f| matches!(f, Fact::Trouble { .. }));
    assert_eq!(told, 0, "{:?}", call.seen.lock().unwrap().facts);
}

/// ICE that never comes about (the first session's answer is lost) does not stand in the way of the next.
#[test]
fn a_session_that_never_connected_is_called_again() {
    let _alone = alone();
    let browser = Browser::start();
    let call = Call::start();
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    call.open_doors();
    let plan = Call::plan(browser.prepare(), None);
    call.order(&ToCall::Plan(Box::new(plan.clone())));
    call.wait_for_signal(5, |s| matches!(s, Signal::Offer { generation: 1, .. }));
    // Its candidates too: all that it said is lost.
    std::thread::sleep(Duration::from_millis(500));
    call.take_signals();
    recall(&browser, &call, &Plan { generation: 2, ..plan });
}
