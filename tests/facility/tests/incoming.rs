//! Incoming calls at the desk, without IO: who may ring, what the box is told, what the page is told, and that nothing is granted by it.

mod paper;

use paper::{Bench, NOON_S, bench};
use parloir_facility::page::{Said, Says};
use parloir_pass::{Deny, DenyTarget, Id, Media, Ring, Typ};
use parloir_seal::Clock;
use serde_json::json;

/// The first contact's page rings the cell.
fn rung(b: &mut Bench) -> Ring {
    let out = b.from_page(0, Said::Call {});
    let ring = b.opened(Typ::Ring, out.sent("ring"));
    let ring = b.keyring().ring(&ring, &b.site().device, Clock::Unix(NOON_S)).unwrap();
    assert!(matches!(&out.says[..], [(1, Says::Calling { ring: r, rings: false, .. })] if *r == ring.ring), "{out:?}");
    ring
}

fn word(b: &mut Bench, ring: &Ring, state: &str, code: &str) -> Vec<Says> {
    let body = json!({"v": 1, "ring": ring.ring, "state": state, "code": code}).to_string();
    b.from_box("ring", body.into_bytes()).says.into_iter().map(|(_, says)| says).collect()
}

/// What the box is told of a ring's end.
fn denied(b: &Bench, out: &paper::Out) -> (DenyTarget, String) {
    let deny: Deny = b.verify(&b.opened(Typ::Deny, out.sent("deny")));
    (deny.target, deny.code)
}

#[test]
fn a_ring_is_answered_by_a_question_and_granted_only_when_the_page_joins() {
    let mut b = bench("ring", None);
    let ring = rung(&mut b);
    let person = b.site().person;
    assert_eq!((ring.person, ring.contact, ring.media), (person.person, person.contacts[0].id, Media::Video));
    assert_eq!(ring.at, NOON_S);
    assert!(matches!(&word(&mut b, &ring, "ringing", "")[..], [Says::Calling { rings: true, .. }]));
    assert!(matches!(&word(&mut b, &ring, "answered", "")[..], [Says::Calling { .. }]));
    let mut ask = b.ask();
    ask.ring = Some(ring.ring);
    let out = b.send_ask(&ask);
    assert!(out.sent.is_empty(), "no grant before the page joins");
    assert!(matches!(&out.says[..], [(1, Says::Ringing(r))] if r.ring == Some(ring.ring)), "{out:?}");
    b.join(&ask).sent("grant");
    assert!(
        word(&mut b, &ring, "over", "RingMissed").is_empty(),
        "what the box says of a ring that was answered changes nothing"
    );
}

#[test]
fn a_question_about_another_ring_is_refused() {
    let mut b = bench("stray-ring", None);
    let mut ask = b.ask();
    ask.ring = Some(Id([7; 16]));
    let out = b.send_ask(&ask);
    assert_eq!(b.verify::<Deny>(out.sent("deny")).code, "CallerGone", "nobody rings");
    rung(&mut b);
    let mut ask = b.ask();
    ask.ring = Some(Id([7; 16]));
    let out = b.send_ask(&ask);
    assert_eq!(b.verify::<Deny>(out.sent("deny")).code, "CallerGone", "another ring");
    assert!(out.says.is_empty());
}

#[test]
fn the_caller_gives_up_by_a_press_or_by_being_gone() {
    let mut b = bench("gives-up", None);
    let ring = rung(&mut b);
    let out = b.from_page(0, Said::Cancel {});
    assert_eq!(denied(&b, &out), (DenyTarget::Ring(ring.ring), "CallerGone".to_owned()));
    assert!(matches!(&out.says[..], [(1, Says::Waiting { call: true, .. })]), "{out:?}");
    assert!(b.from_page(0, Said::Cancel {}).refused().contains("nothing rings"));
    assert!(matches!(&b.from_page(0, Said::Call {}).says[..], [(1, Says::NotReached { why, .. })] if why == "TooSoon"));

    b.after(5000);
    let ring = rung(&mut b);
    word(&mut b, &ring, "ringing", "");
    b.step(parloir_facility::desk::Input::Closed { page: 1 });
    assert!(b.after(4900).sent.is_empty(), "a reload takes less than that");
    let out = b.after(200);
    assert_eq!(denied(&b, &out), (DenyTarget::Ring(ring.ring), "CallerGone".to_owned()));
}

#[test]
fn a_reload_while_it_rings_goes_on_ringing() {
    let mut b = bench("ring-reload", None);
    let ring = rung(&mut b);
    word(&mut b, &ring, "ringing", "");
    b.step(parloir_facility::desk::Input::Closed { page: 1 });
    b.after(3000);
    let out = b.open(0, 1, "a");
    assert!(matches!(&out.says[..], [(1, Says::Calling { ring: r, rings: true, .. })] if *r == ring.ring));
    assert!(b.after(5000).sent.is_empty(), "the page is back");
    // Another window of the link disturbs nothing.
    let out = b.open(0, 8, "b");
    assert!(matches!(&out.says[..], [(8, Says::Elsewhere)]));
}

#[test]
fn every_end_of_a_ring_reaches_the_page_with_its_code() {
    for code in ["RingMissed", "RingDeclined", "Busy", "OutsideWindow", "RingOld"] {
        let mut b = bench(&format!("end-{code}"), None);
        let ring = rung(&mut b);
        let says = word(&mut b, &ring, "over", code);
        assert!(matches!(&says[..], [Says::NotReached { why, .. }] if why == code), "{says:?}");
    }
    let mut b = bench("end-silent", None);
    rung(&mut b);
    assert!(b.after(9_900).sent.is_empty());
    let out = b.after(200);
    assert!(matches!(&out.says[..], [(1, Says::NotReached { why, .. })] if why == "Offline"), "{out:?}");
    assert_eq!(denied(&b, &out).1, "Offline", "a box that comes back late does not ring for nobody");

    let mut b = bench("end-forever", None);
    let ring = rung(&mut b);
    word(&mut b, &ring, "ringing", "");
    let out = b.after(53_000);
    assert!(matches!(&out.says[..], [(1, Says::NotReached { why, .. })] if why == "RingMissed"));
}

#[test]
fn busy_is_told_kindly_and_the_visit_is_not_disturbed() {
    let (mut b, ..) = Bench::granted("busy");
    let out = b.from_page(1, Said::Call {});
    assert!(out.sent.is_empty(), "nothing reaches the cell: {out:?}");
    assert!(matches!(&out.says[..], [(2, Says::NotReached { why, .. })] if why == "Busy"));
    let mut b = bench("busy-ring", None);
    rung(&mut b);
    let out = b.from_page(1, Said::Call {});
    assert!(out.sent.is_empty() && matches!(&out.says[..], [(2, Says::NotReached { why, .. })] if why == "Busy"), "{out:?}");
    assert!(b.from_page(0, Said::Call {}).refused().contains("called twice"));
}

#[test]
fn who_may_not_call_has_no_button_and_is_refused() {
    let mut b = bench("no-button", None);
    let call_of = |b: &mut Bench, contact: usize| {
        let out = b.open(contact, contact as u64 + 1, "a");
        let Says::Waiting { call, .. } = out.says[0].1 else { panic!("{out:?}") };
        call
    };
    assert!(call_of(&mut b, 0) && !call_of(&mut b, 2), "Rui's hours are tomorrow evening");
    let out = b.from_page(2, Said::Call {});
    assert!(out.sent.is_empty() && matches!(&out.says[..], [(3, Says::NotReached { why, .. })] if why == "OutsideWindow"));
    // His window opens while the page waits: 31 hours later, at 19:00 the next day.
    let out = b.after(31 * 3600 * 1000);
    assert!(matches!(&out.says[..], [(3, Says::Waiting { call: true, .. })]), "{out:?}");
    // A voice contact rings for sound only.
    let out = b.from_page(1, Said::Call {});
    let ring = b.opened(Typ::Ring, out.sent("ring"));
    assert_eq!(b.keyring().ring(&ring, &b.site().device, Clock::Unix(NOON_S)).unwrap().media, Media::Voice);
}

#[test]
fn words_about_rings_that_are_none_change_nothing() {
    let mut b = bench("ring-words", None);
    let ring = rung(&mut b);
    for bad in [
        json!({"v": 2, "ring": ring.ring, "state": "over", "code": ""}),
        json!({"v": 1, "ring": ring.ring, "state": "gone", "code": ""}),
        json!({"v": 1, "ring": ring.ring, "state": "over", "code": "<b>"}),
        json!({"v": 1, "ring": ring.ring, "state": "over", "code": "A".repeat(65)}),
        json!({"v": 1, "ring": ring.ring, "state": "over", "code": "", "more": 1}),
        json!({"v": 1, "ring": "x", "state": "over", "code": ""}),
    ] {
        b.from_box("ring", bad.to_string().into_bytes()).refused();
    }
    let stray = Ring { ring: Id([9; 16]), ..ring };
    assert!(word(&mut b, &stray, "over", "RingMissed").is_empty());
    assert!(matches!(&word(&mut b, &ring, "over", "RingMissed")[..], [Says::NotReached { .. }]), "it rang all the while");
}

#[test]
fn a_ring_outlives_a_restart_of_the_facility() {
    let mut b = bench("ring-restart", None);
    let ring = rung(&mut b);
    word(&mut b, &ring, "ringing", "");
    b.restart(2000);
    let out = b.open(0, 1, "a");
    assert!(matches!(&out.says[..], [(1, Says::Calling { rings: true, .. })]), "{out:?}");
    let mut ask = b.ask();
    ask.ring = Some(ring.ring);
    assert!(matches!(&b.send_ask(&ask).says[..], [(1, Says::Ringing(_))]));
}

#[test]
fn a_box_that_begins_anew_rings_no_more_and_the_caller_is_told() {
    let mut b = bench("ring-anew", None);
    let ring = rung(&mut b);
    word(&mut b, &ring, "ringing", "");
    let out = b.from_box("time-request", json!({"v": 1, "nonce": Id([9; 16])}).to_string().into_bytes());
    assert_eq!(denied(&b, &out), (DenyTarget::Ring(ring.ring), "Offline".to_owned()));
    assert!(matches!(&out.says[..], [(1, Says::NotReached { why, .. })] if why == "Offline"), "{out:?}");
}
