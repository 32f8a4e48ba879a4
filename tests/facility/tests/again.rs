//! A page that comes back, at the desk, without IO: the same window, another window, another certificate; and the receipt of such a visit.

mod paper;

use paper::{Bench, NOON_S, VISITOR, receipt, statement};
use parloir_facility::desk::Input;
use parloir_facility::page::Says;
use parloir_issuer::{Secret, sign};
use parloir_pass::{Ask, Beat, Bytes32, Deny, DenyTarget, Grant, Receipt};
use parloir_seal::{Clock, random};
use serde_json::{Value, json};

const OTHER: Bytes32 = Bytes32([0xfb; 32]);
const OTHER_KEY: [u8; 32] = [8; 32];

/// What the box asks when it was told `again`.
fn asks_again(ask: &Ask, live: &Grant) -> Ask {
    Ask { nonce: random::id().unwrap(), regrant: Some(live.grant), ..ask.clone() }
}

/// The answer to that question.
fn granted_again(b: &mut Bench, again: &Ask) -> Grant {
    let out = b.send_ask(again);
    grant_of(b, &out, again)
}

fn grant_of(b: &Bench, out: &paper::Out, ask: &Ask) -> Grant {
    let grant = b.keyring().grant(&b.unsealed(out.sent("grant")), &ask.device, Clock::Unix(NOON_S)).unwrap();
    parloir_seal::ticket::check(&grant, ask).unwrap();
    grant
}

/// A visit in which the visitor saw 90 s in 100 s, and the page came back with another certificate.
fn strange_page(name: &str) -> (Bench, Ask, Grant, Ask) {
    let (mut b, ask, grant) = Bench::granted(name);
    b.after(100_000);
    b.state(&statement(ask.call, 90, 90_000), &VISITOR);
    b.step(Input::Closed { page: 1 });
    let out = b.open(0, 1, "a");
    assert!(matches!(&out.says[..], [(1, Says::Admitted { resumed: true, count: 90, .. })]));
    let out = b.join_as(&ask, OTHER, &OTHER_KEY);
    let hint: Value = serde_json::from_slice(out.sent("again")).unwrap();
    assert_eq!(hint, json!({"v": 1, "call": ask.call}));
    assert!(out.says.is_empty(), "nothing is promised");
    let again = asks_again(&ask, &grant);
    (b, ask, grant, again)
}

#[test]
fn another_certificate_gets_another_grant_for_the_time_that_is_left() {
    let (mut b, ask, first, again) = strange_page("regrant");
    let out = b.send_ask(&again);
    let second = grant_of(&b, &out, &again);
    assert_ne!(second.grant, first.grant);
    assert_eq!(
        (second.call, second.person, second.contact, second.box_certificate),
        (first.call, first.person, first.contact, first.box_certificate)
    );
    assert_eq!((second.parties[0].certificate, second.parties[0].statement_key), (OTHER, Secret::new(&OTHER_KEY).public()));
    // 90 s were seen and 4 may have been counted without being said; of the lease 100 s are gone, and 10 are kept back.
    assert_eq!((second.slot_s, second.lease_s), (1800 - 94, 2100 - 110));
    assert!(
        matches!(&out.says[..], [(1, Says::Admitted { resumed: false, certificate: OTHER, count: 0, ringing, .. })] if ringing.slot_s == 1706)
    );
    assert!(b.send_ask(&again).sent.is_empty(), "the broker may deliver twice");

    // Beats and statements are the new grant's from here.
    let out = b.after(20_000);
    let beat: Beat = b.verify(out.sent("beat"));
    assert_eq!((beat.grant, beat.count), (second.grant, 1));
    assert!(b.state(&statement(ask.call, 91, 91_000), &VISITOR).refused().contains("UnknownKey"));
    b.state(&statement(ask.call, 1, 900), &OTHER_KEY).sent("statement");
}

#[test]
fn a_question_for_another_grant_is_answered_only_while_a_page_waits_for_it() {
    let (mut b, ask, grant) = Bench::granted("regrant-alone");
    let again = asks_again(&ask, &grant);
    let refused = |b: &mut Bench, again: &Ask, why: &str| {
        let out = b.send_ask(again);
        let deny: Deny = b.verify(out.sent("deny"));
        assert_eq!((deny.target, deny.code.as_str()), (DenyTarget::Ask(again.nonce), "NotEntitled"), "{why}");
    };
    refused(&mut b, &again, "no page asked for it");
    let (mut b, ask, grant, again) = strange_page("regrant-wrong");
    let wrong = |b: &mut Bench, why: &str, change: &dyn Fn(&mut Ask)| {
        let mut wrong = asks_again(&ask, &grant);
        change(&mut wrong);
        refused(b, &wrong, why);
    };
    wrong(&mut b, "another grant", &|a| a.regrant = Some(parloir_pass::Id([1; 16])));
    wrong(&mut b, "another certificate of the box", &|a| a.certificate = Bytes32([1; 32]));
    wrong(&mut b, "another press of gate", &|a| a.gate_nonce = parloir_pass::Id([1; 16]));
    wrong(&mut b, "another call", &|a| a.call = parloir_pass::Id([1; 16]));
    granted_again(&mut b, &again);
    refused(&mut b, &asks_again(&ask, &grant), "the grant that it names is replaced");
}

#[test]
fn the_box_is_told_again_while_it_does_not_ask_but_not_for_ever() {
    let (mut b, ..) = strange_page("hints");
    let hints = (0..300).filter(|_| b.after(200).sent.iter().any(|(kind, _)| *kind == "again")).count();
    assert_eq!(hints, 7, "one more every 7 s, 8 in all");
}

#[test]
fn five_pages_are_too_many_and_no_time_left_is_none() {
    let (mut b, ask, mut grant) = Bench::granted("five");
    for n in 1..=5_u8 {
        b.after(10_000);
        let out = b.join_as(&ask, Bytes32([n; 32]), &[n; 32]);
        if n == 5 {
            assert!(out.refused().contains("too often"));
            break;
        }
        let again = asks_again(&ask, &grant);
        grant = granted_again(&mut b, &again);
    }
    let (mut b, ask, _) = Bench::granted("no-time");
    b.after(1_800_000);
    b.state(&statement(ask.call, 1800, 1_795_000), &VISITOR);
    assert!(b.join_as(&ask, OTHER, &OTHER_KEY).refused().contains("no time left"));
}

/// How it was broken: the link was opened a second time, and the visit in the first window died.
#[test]
fn a_second_window_gets_elsewhere_and_the_visit_goes_on() {
    let (mut b, ask, _) = Bench::granted("second");
    let out = b.open(0, 8, "another");
    assert!(matches!(&out.says[..], [(8, Says::Elsewhere)]), "{out:?}");
    assert!(out.dropped.is_empty());
    let strange = b.step(Input::Page {
        page: 8,
        said: parloir_facility::page::Said::Join {
            call: ask.call,
            certificate: OTHER,
            statement_key: Secret::new(&OTHER_KEY).public(),
            code_nonce: None,
        },
    });
    assert!(strange.refused().contains("not the one"));
    b.step(Input::Closed { page: 8 });
    b.state(&statement(ask.call, 1, 900), &VISITOR).sent("statement");
    // When the first is gone, the next may go on.
    b.step(Input::Closed { page: 1 });
    let out = b.open(0, 9, "another");
    assert!(matches!(&out.says[..], [(9, Says::Admitted { resumed: true, .. })]));
    // Outside of a visit the newest window is the one.
    let out = b.open(1, 10, "another");
    assert!(matches!(&out.says[..], [(2, Says::Elsewhere), (10, Says::Waiting { .. })]), "{out:?}");
}

fn long_receipt(ask: &Ask, grants: [&Grant; 2], counted: u32, words: [String; 2]) -> Receipt {
    let [earlier, last] = words;
    Receipt {
        regrants: vec![grants[1].grant],
        earlier_statements: vec![earlier],
        ended_ms: 300_000,
        ..receipt(ask, Some(grants[0].grant), counted, Some(last))
    }
}

#[test]
fn a_receipt_is_judged_by_all_that_the_visitor_said() {
    let (mut b, ask, first, again) = strange_page("sum");
    let second = granted_again(&mut b, &again);
    let by = |decoded_ms, key: &[u8; 32]| sign(&statement(ask.call, 90, decoded_ms), &Secret::new(key)).unwrap();
    let (one, two) = (by(90_000, &VISITOR), by(60_000, &OTHER_KEY));
    let mut judge = |receipt: Receipt| {
        let out = b.send_receipt(&receipt);
        (out.event("receipt")["verified"].as_bool().unwrap(), out.event("receipt")["error"].to_string())
    };
    let (grants, words) = ([&first, &second], [one.clone(), two.clone()]);
    let (holds, why) = judge(long_receipt(&ask, grants, 150, words.clone()));
    assert!(holds, "{why}");
    let good = long_receipt(&ask, grants, 150, words.clone());
    for (what, receipt) in [
        ("counts more than was seen in both", long_receipt(&ask, grants, 160, words.clone())),
        ("the words change places", long_receipt(&ask, grants, 150, [two.clone(), one.clone()])),
        ("the same word twice", long_receipt(&ask, grants, 150, [two.clone(), two.clone()])),
        ("a later grant that was not given", Receipt { regrants: vec![parloir_pass::Id([1; 16])], ..good.clone() }),
        ("the grants change places", Receipt { grant: Some(second.grant), regrants: vec![first.grant], ..good.clone() }),
    ] {
        assert!(!judge(Receipt { receipt: random::id().unwrap(), ..receipt }).0, "{what}");
    }
}

#[test]
fn a_receipt_without_the_regrant_that_the_box_refused_still_holds() {
    let (mut b, ask, first, again) = strange_page("refused-regrant");
    b.send_ask(&again);
    let one = sign(&statement(ask.call, 90, 90_000), &Secret::new(&VISITOR)).unwrap();
    let out = b.send_receipt(&Receipt { ended_ms: 200_000, ..receipt(&ask, Some(first.grant), 90, Some(one)) });
    assert_eq!(out.event("receipt")["verified"], true, "{out:?}");
}

#[test]
fn a_visit_that_staff_ended_gets_no_other_grant() {
    let (mut b, _, first, again) = strange_page("regrant-denied");
    b.step(Input::Staff(serde_json::from_value(json!({"do": "deny", "target": {"grant": first.grant}})).unwrap()));
    let out = b.send_ask(&again);
    assert!(!out.sent.iter().any(|(kind, _)| *kind == "grant"), "granted after the no");
    assert_eq!(b.verify::<Deny>(out.sent("deny")).target, DenyTarget::Ask(again.nonce));
}
