//! Owns: what may be asked, and how the asking goes: contact, window, network, gate, nonce.
//! Never: a grant (see grant.rs).
//! Called by: cargo test.

mod bed;
use bed::*;
use parloir_core::call::Kind;
use parloir_core::refusal::Next;
use parloir_core::*;
use parloir_pass::*;

fn refusal_of(change: impl FnOnce(&mut Bed)) -> Refusal {
    let mut bed = Bed::new();
    change(&mut bed);
    let effects = bed.place();
    assert_eq!(bed.state.call_kind(), Kind::Idle);
    let answer = effects.into_iter().find_map(|e| match e {
        Effect::Reply { answer: Err(refusal), .. } => Some(refusal),
        _ => None,
    });
    answer.expect("a refusal")
}

fn entitled(bed: &mut Bed, change: impl FnOnce(&mut Contact)) {
    let mut document = entitlement();
    document.revision += 1;
    change(&mut document.contacts[0]);
    bed.step(Event::Entitlement(Box::new(document)));
}

#[test]
fn outside_the_window_it_says_when() {
    let window = Window { from: NOON + 100, to: NOON + 200 };
    let refusal = refusal_of(|bed| entitled(bed, |c| c.windows = vec![Window { from: NOON - 10, to: NOON }, window]));
    assert_eq!(refusal, Refusal { code: Code::OutsideWindow, next: Next::Window { from: window.from, to: window.to } });
}

#[test]
fn each_rule_has_its_code() {
    assert_eq!(refusal_of(|bed| entitled(bed, |c| c.outgoing = false)).code, Code::NotOutgoing);
    assert_eq!(refusal_of(|bed| entitled(bed, |c| c.media = Media::Voice)).code, Code::MediaNotAllowed);
    assert_eq!(refusal_of(|bed| entitled(bed, |c| c.class = Class::Lawyer)).code, Code::ClassNotAllowed);
    assert_eq!(refusal_of(|bed| entitled(bed, |c| c.id = Id([7; 16]))).code, Code::NoContact);
    let offline = Event::Online { up: false, fresh: Id([0x75; 16]) };
    assert_eq!(refusal_of(|bed| drop(bed.step(offline))).code, Code::Offline);
    assert_eq!(refusal_of(|bed| drop(bed.gate(GateFact::Gone))).code, Code::GateAbsent);
}

#[test]
fn before_the_documents_nothing_can_be_asked() {
    let mut bed = Bed::bare();
    bed.gate(GateFact::Hello { device: DEVICE });
    bed.attach(screen());
    bed.focus(screen());
    let effects = bed.place();
    assert_eq!(refused(&effects), Some(Code::NotReady));
}

#[test]
fn a_gate_of_another_box_is_no_gate() {
    let mut bed = Bed::new();
    bed.gate(GateFact::Gone);
    let effects = bed.gate(GateFact::Hello { device: Id([1; 16]) });
    assert_eq!(ledger_refusals(&effects), [Code::GateForeign]);
    assert_eq!(refused(&bed.place()), Some(Code::GateAbsent));
}

#[test]
fn the_view_says_beforehand_what_place_would_say() {
    let mut bed = Bed::new();
    entitled(&mut bed, |c| c.outgoing = false);
    let view = bed.state.view();
    let why: Vec<_> = view.contacts.iter().map(|c| c.why_not).collect();
    assert_eq!(why, [Some(Code::NotOutgoing), None]);
}

#[test]
fn the_ask_says_what_was_pressed_and_made() {
    let mut bed = Bed::new();
    let ask = bed.ask();
    assert_eq!((ask.call, ask.contact, ask.person), (bed.call_id(), ANA, PERSON));
    assert_eq!((ask.gate_nonce, ask.certificate, ask.media), (GATE_NONCE, OWN, Media::Video));
}

#[test]
fn certificate_and_process_may_come_in_either_order() {
    let mut bed = Bed::new();
    bed.place();
    let call = bed.call_id();
    let first = bed.gate(GateFact::Prepared { lease: call, nonce: GATE_NONCE });
    assert!(!first.iter().any(|e| matches!(e, Effect::SendAsk(_))));
    let second = bed.step(Event::CertificateMade { call, fingerprint: OWN, commitment: COMMITMENT });
    let start = second.iter().position(|e| *e == Effect::StartCallChannels { call });
    let ask = second.iter().position(|e| matches!(e, Effect::SendAsk(_)));
    assert!(start < ask && start.is_some());
}

#[test]
fn nobody_answers_within_60_s() {
    let mut bed = Bed::new();
    bed.ask();
    bed.pass(59_999);
    assert_eq!(bed.state.call_kind(), Kind::Asking);
    let effects = bed.pass(1);
    assert_eq!(closes(&effects), 1);
    bed.shut();
    assert_eq!((bed.outcome().code, bed.state.view().phase), ("NoAnswer", view::Phase::Refused));
}

#[test]
fn a_process_that_does_not_start_ends_the_asking() {
    let mut bed = Bed::new();
    bed.place();
    bed.pass(10_000);
    bed.shut();
    assert_eq!(bed.outcome().code, "CallNotStarted");
    assert_eq!(bed.outcome().receipt, None, "nothing was asked of anybody");
}

#[test]
fn gate_refuses_the_serial() {
    let mut bed = Bed::new();
    bed.place();
    let lease = bed.call_id();
    let effects = bed.gate(GateFact::Refused { lease, why: GateRefusal::NoFreshKey });
    assert_eq!(bed.state.call_kind(), Kind::Closing);
    assert_eq!(ledger_refusals(&effects), [Code::NoFreshKey]);
    bed.pass(3000);
    assert_eq!(bed.outcome().code, "NoFreshKey");
}

#[test]
fn the_person_takes_it_back() {
    let mut bed = Bed::new();
    bed.ask();
    let effects = bed.end();
    assert_eq!(closes(&effects), 1);
    let effects = bed.shut();
    assert_eq!(
        receipt(&effects).map(|r| r.reason.as_str()),
        Some("PersonEnded"),
        "the facility was asked, so there is a receipt"
    );
    assert_eq!(bed.state.view().phase, view::Phase::Home, "and no page to dismiss");
}

#[test]
fn while_one_call_lasts_there_is_no_second() {
    let mut bed = Bed::new();
    bed.ask();
    assert_eq!(refused(&bed.place()), Some(Code::Busy));
}

#[test]
fn doors_that_gate_has_not_shut_keep_the_next_call_away() {
    let mut bed = Bed::new();
    bed.live();
    bed.end();
    bed.pass(3000);
    assert_eq!(bed.state.call_kind(), Kind::Idle);
    assert!(!bed.outcome().camera_shut, "gate has not said so");
    assert_eq!(refused(&bed.place()), Some(Code::DoorsNotShut));
}

#[test]
fn a_late_word_that_the_doors_are_shut_is_shown() {
    let mut bed = Bed::new();
    bed.live();
    bed.end();
    bed.pass(3000);
    assert!(!bed.outcome().camera_shut);
    let lease = bed.call_id();
    bed.gate(GateFact::Shut { lease, reason: ShutReason::Asked, took_ms: 3100 });
    assert!(bed.outcome().camera_shut);
}
