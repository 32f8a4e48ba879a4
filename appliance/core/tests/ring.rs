//! Owns: incoming calls: when it rings, which press answers, and what everybody is told when nobody does.
//! Never: opens a door; an answered call goes the way of a placed one (asking.rs, grant.rs, visit.rs).
//! Called by: cargo test.

mod bed;
use bed::*;
use parloir_core::call::Kind;
use parloir_core::camera::Kind as Doors;
use parloir_core::effect::Entry;
use parloir_core::*;
use parloir_pass::*;

const RING: Id = Id([0x81; 16]);

fn ring() -> Ring {
    Ring {
        v: 1,
        site: SITE,
        device: DEVICE,
        ring: RING,
        person: PERSON,
        contact: ANA,
        class: Class::Family,
        media: Media::Video,
        at: NOON,
    }
}

fn said(effects: &[Effect]) -> Vec<RingState> {
    let state = |e: &Effect| match e {
        Effect::SendRing { state, .. } => Some(*state),
        _ => None,
    };
    effects.iter().filter_map(state).collect()
}

fn over(code: Code) -> Vec<RingState> {
    vec![RingState::Over(code)]
}

fn to_gate(effects: &[Effect]) -> usize {
    effects.iter().filter(|e| matches!(e, Effect::Gate(_))).count()
}

fn ringing() -> Bed {
    let mut bed = Bed::new();
    let effects = bed.step(Event::Ring(ring()));
    assert_eq!((bed.state.call_kind(), said(&effects)), (Kind::Ringing, vec![RingState::Ringing]));
    bed
}

fn answer_as(bed: &mut Bed, caller: Owner, ring: Id, video: bool, serial: u64) -> Vec<Effect> {
    bed.calls += 1;
    let fresh = Fresh { call: bed.call_id(), nonce: Id([0x40 + bed.calls; 16]), receipt: Id([0x80 + bed.calls; 16]) };
    let request = bed.request();
    bed.step(Event::Answer { request, caller, ring, video, serial, fresh })
}

/// A press now, and the answer that quotes it.
fn answer(bed: &mut Bed) -> Vec<Effect> {
    bed.press(Stroke::OkDown);
    quote(bed, screen(), RING, true)
}

/// An answer that quotes the last press.
fn quote(bed: &mut Bed, caller: Owner, ring: Id, video: bool) -> Vec<Effect> {
    let serial = bed.serial;
    answer_as(bed, caller, ring, video, serial)
}

fn decline(bed: &mut Bed, ring: Id) -> Vec<Effect> {
    let request = bed.request();
    bed.step(Event::Decline { request, caller: screen(), ring })
}

fn deny(target: DenyTarget, code: &str) -> Event {
    Event::Deny(Box::new(Deny { v: 1, site: SITE, target, words: String::new(), code: code.to_owned() }))
}

#[test]
fn it_rings_with_every_door_shut_and_nothing_asked() {
    let mut bed = Bed::new();
    let effects = bed.step(Event::Ring(ring()));
    assert_eq!((to_gate(&effects), bed.state.camera_kind()), (0, Doors::Shut));
    assert!(effects.contains(&Effect::Ledger(Entry::Rang { ring: RING, person: PERSON, contact: ANA })));
    let view = bed.state.view();
    let call = view.call.expect("the call that rings");
    assert_eq!((view.phase, call.id, call.name.as_str(), call.media.as_str()), (view::Phase::Ringing, RING, "Ana", "video"));
    assert!(call.incoming && !call.camera && !call.microphone);
    assert_eq!((call.seconds_left, call.recorded_by.as_str(), call.price.as_str()), (1800, "", ""));
}

#[test]
fn while_it_rings_the_screen_says_what_the_policy_says() {
    let mut bed = Bed::new();
    let mut rules = policy();
    rules.revision += 1;
    (rules.classes[0].recording, rules.classes[0].price) = (true, "1 EUR".to_owned());
    bed.step(Event::Policy(Box::new(rules)));
    bed.step(Event::Ring(ring()));
    let call = bed.state.view().call.expect("a call");
    assert_eq!((call.recorded_by.as_str(), call.watched_by.as_str(), call.price.as_str()), ("North", "", "1 EUR"));
}

#[test]
fn what_may_not_ring_is_refused_by_name_and_the_facility_is_told() {
    let other = |change: fn(&mut Ring)| {
        let mut ring = ring();
        change(&mut ring);
        ring
    };
    for (code, ring) in [
        (Code::NoContact, other(|r| r.contact = SITE)),
        (Code::NoContact, other(|r| r.person = SITE)),
        (Code::ClassNotAllowed, other(|r| r.class = Class::Lawyer)),
        (Code::RingOld, other(|r| r.at -= 61)),
        (Code::RingOld, other(|r| r.at += 61)),
        (Code::RingOld, other(|r| r.at = i64::MIN)),
    ] {
        let mut bed = Bed::new();
        let effects = bed.step(Event::Ring(ring));
        assert_eq!((said(&effects), ledger_refusals(&effects)), (over(code), vec![code]), "{ring:?}");
        assert_eq!((bed.state.verdict(), bed.state.call_kind()), (Some(code), Kind::Idle));
    }
    let mut bed = Bed::new();
    assert_eq!(said(&bed.step(Event::Ring(other(|r| r.at -= 60)))), [RingState::Ringing]);
}

#[test]
fn a_ring_for_another_box_is_dropped_without_a_word() {
    let mut bed = Bed::new();
    for ring in [Ring { device: SITE, ..ring() }, Ring { site: DEVICE, ..ring() }] {
        let effects = bed.step(Event::Ring(ring));
        assert_eq!((said(&effects), ledger_refusals(&effects)), (vec![], vec![Code::DocumentSite]));
    }
    assert_eq!(said(&bed.step(Event::Ring(ring()))), [RingState::Ringing], "and is not remembered");
}

#[test]
fn entitlement_window_deny_network_clock_gate_and_screen_each_forbid_it() {
    type Change = fn(&mut Bed);
    let lists = |bed: &mut Bed, change: fn(&mut Contact)| {
        let mut person = entitlement();
        person.revision += 1;
        change(&mut person.contacts[0]);
        bed.step(Event::Entitlement(Box::new(person)));
    };
    let voice: Change = |bed| drop(bed.step(Event::Entitlement(Box::new(voice_only()))));
    let changes: [(Code, Change); 5] = [
        (Code::Denied, |bed| drop(bed.step(deny(DenyTarget::Contact(ANA), "Revoked")))),
        (Code::Offline, |bed| drop(bed.step(Event::Online { up: false, fresh: SITE }))),
        (Code::GateAbsent, |bed| drop(bed.gate(GateFact::Gone))),
        (Code::NoScreen, |bed| drop(bed.step(Event::OwnerGone { owner: screen() }))),
        (Code::MediaNotAllowed, voice),
    ];
    for (code, change) in changes {
        let mut bed = Bed::new();
        change(&mut bed);
        assert_eq!(said(&bed.step(Event::Ring(ring()))), over(code));
    }
    let mut bed = Bed::new();
    lists(&mut bed, |ana| ana.incoming = false);
    assert_eq!(said(&bed.step(Event::Ring(ring()))), over(Code::NotIncoming));
    let mut bed = Bed::new();
    lists(&mut bed, |ana| ana.windows = vec![Window { from: NOON + 60, to: NOON + 120 }]);
    assert_eq!(said(&bed.step(Event::Ring(ring()))), over(Code::OutsideWindow));
    let mut bed = Bed::untimed();
    assert_eq!(said(&bed.step(Event::Ring(ring()))), over(Code::ClockUnknown), "an unknown clock shortens");
}

fn voice_only() -> Entitlement {
    let mut person = entitlement();
    person.revision += 1;
    person.contacts[0].media = Media::Voice;
    person
}

#[test]
fn it_never_disturbs_a_call_nor_another_ring_but_covers_an_outcome() {
    for enter in [
        |bed: &mut Bed| {
            bed.ask();
        },
        Bed::joining,
        Bed::live,
    ] {
        let mut bed = Bed::new();
        enter(&mut bed);
        let before = bed.state.call_kind();
        assert_eq!((said(&bed.step(Event::Ring(ring()))), bed.state.call_kind()), (over(Code::Busy), before));
    }
    let mut bed = ringing();
    let second = Ring { ring: SITE, contact: BEN, ..ring() };
    assert_eq!(said(&bed.step(Event::Ring(second))), over(Code::Busy));
    assert_eq!(bed.state.view().call.map(|call| call.contact), Some(ANA));

    let mut bed = Bed::new();
    bed.live();
    bed.end();
    assert_eq!(said(&bed.step(Event::Ring(ring()))), over(Code::Busy), "closing is a call");
    bed.far_with(|s| s.last = true);
    bed.shut();
    assert_eq!(bed.state.view().phase, view::Phase::Ended);
    bed.step(Event::Ring(Ring { ring: SITE, ..ring() }));
    assert_eq!((bed.state.view().phase, bed.state.view().outcome), (view::Phase::Ringing, None));
    decline(&mut bed, SITE);
    assert_eq!(bed.state.view().phase, view::Phase::Ended, "what was on the screen before comes back");
}

/// How it was broken: a courier that was taken over delivers one genuine ring again and again. What holds: a box rings once for it.
#[test]
fn a_ring_that_comes_again_is_dropped() {
    let mut bed = ringing();
    let effects = bed.step(Event::Ring(ring()));
    assert_eq!((said(&effects), ledger_refusals(&effects)), (vec![], vec![Code::RingStray]), "the first goes its own way");
    decline(&mut bed, RING);
    bed.pass(59_000);
    let effects = bed.step(Event::Ring(ring()));
    assert_eq!((said(&effects), bed.state.call_kind()), (vec![], Kind::Idle));
    bed.pass(100_000);
    assert_eq!(said(&bed.step(Event::Ring(ring()))), over(Code::RingOld), "forgotten when it is too old to ring");
}

/// How it was broken: the person presses OK on something else just as the ringing screen comes up, and the press answers the call. What
/// holds: a press counts from 0.7 s after it began to ring; the ring goes on.
#[test]
fn a_press_that_was_meant_for_something_else_answers_nothing() {
    let mut bed = Bed::new();
    bed.press(Stroke::OkDown);
    let before = bed.serial;
    bed.step(Event::Ring(ring()));
    assert_eq!(refused(&answer_as(&mut bed, screen(), RING, true, before)), Some(Code::NoFreshKey));
    bed.pass(699);
    bed.press(Stroke::OkDown);
    let early = bed.serial;
    bed.pass(500);
    assert_eq!(refused(&answer_as(&mut bed, screen(), RING, true, early)), Some(Code::NoFreshKey), "pressed early, quoted late");
    assert_eq!(bed.state.call_kind(), Kind::Ringing);

    let mut bed = ringing();
    bed.pass(700);
    assert_eq!(refused(&answer(&mut bed)), None);
    assert_eq!(bed.state.call_kind(), Kind::Asking);
}

#[test]
fn only_a_fresh_ok_of_this_screen_answers_this_ring() {
    let mut bed = ringing();
    bed.pass(2_000);
    bed.press(Stroke::OtherDown);
    assert_eq!(refused(&quote(&mut bed, screen(), RING, true)), Some(Code::NoFreshKey));
    bed.press(Stroke::OkDown);
    assert_eq!(refused(&quote(&mut bed, other(), RING, true)), Some(Code::NotScreen));
    assert_eq!(refused(&quote(&mut bed, screen(), SITE, true)), Some(Code::NoCall));
    bed.pass(1_001);
    assert_eq!(refused(&quote(&mut bed, screen(), RING, true)), Some(Code::NoFreshKey), "a second is over");
    assert_eq!(bed.state.call_kind(), Kind::Ringing, "and it rings on");
}

#[test]
fn an_answer_goes_the_way_of_a_placed_call() {
    let mut bed = ringing();
    bed.pass(1_000);
    let effects = answer(&mut bed);
    assert_eq!(said(&effects), [RingState::Answered]);
    let (call, serial) = (bed.call_id(), bed.serial);
    let at = |wanted: &Effect| effects.iter().position(|e| e == wanted).expect("an effect");
    let prepare = at(&Effect::Gate(ToGate::Prepare { lease: call, serial }));
    assert!(at(&Effect::Ledger(Entry::Answered { ring: RING, call })) < prepare);
    assert_eq!(bed.state.view().call.map(|call| call.incoming), Some(true));
    let ask = bed.prepare();
    assert_eq!((ask.ring, ask.regrant, ask.media), (Some(RING), None, Media::Video));
    let (grant, ticket) = good_grant(&ask);
    assert_eq!(opens(&bed.grant_event(grant, ticket)), 1);
    assert_eq!(bed.state.call_kind(), Kind::Joining);
}

#[test]
fn who_may_only_call_in_may_be_answered_and_not_called() {
    let mut bed = Bed::new();
    let mut person = entitlement();
    person.revision += 1;
    person.contacts[0].outgoing = false;
    bed.step(Event::Entitlement(Box::new(person)));
    assert_eq!(refused(&bed.place()), Some(Code::NotOutgoing));
    bed.step(Event::Ring(ring()));
    bed.pass(1_100);
    answer(&mut bed);
    let ask = bed.prepare();
    let (grant, ticket) = good_grant(&ask);
    assert_eq!(opens(&bed.grant_event(grant, ticket)), 1);
}

#[test]
fn sound_may_answer_a_picture_and_not_the_other_way_round() {
    let mut bed = ringing();
    bed.pass(1_000);
    bed.press(Stroke::OkDown);
    quote(&mut bed, screen(), RING, false);
    assert_eq!(bed.prepare().media, Media::Voice);

    let mut bed = Bed::new();
    bed.step(Event::Ring(Ring { media: Media::Voice, ..ring() }));
    bed.pass(1_000);
    assert_eq!(refused(&answer(&mut bed)), Some(Code::MediaNotAllowed));
    assert_eq!(bed.state.call_kind(), Kind::Ringing);
}

#[test]
fn declining_needs_no_key_and_shows_nothing() {
    for by_end in [false, true] {
        let mut bed = ringing();
        let effects = if by_end { bed.end() } else { decline(&mut bed, RING) };
        assert_eq!((said(&effects), refused(&effects)), (over(Code::RingDeclined), None));
        assert!(effects.contains(&Effect::Ledger(Entry::RingOver { ring: RING, code: Code::RingDeclined })));
        assert_eq!((bed.state.view().phase, bed.state.call_kind()), (view::Phase::Home, Kind::Idle));
        assert_eq!(refused(&decline(&mut bed, RING)), Some(Code::NoCall));
    }
    let mut bed = ringing();
    assert_eq!(refused(&decline(&mut bed, SITE)), Some(Code::NoCall));
    assert_eq!(bed.state.call_kind(), Kind::Ringing);
}

#[test]
fn after_45_s_the_person_is_told_who_called_and_may_call_back() {
    let mut bed = ringing();
    bed.pass(44_999);
    assert_eq!(bed.state.call_kind(), Kind::Ringing);
    let effects = bed.pass(1);
    assert_eq!(said(&effects), over(Code::RingMissed));
    let (view, outcome) = (bed.state.view(), bed.outcome());
    assert_eq!((view.phase, outcome.code, outcome.name.as_str()), (view::Phase::Refused, "RingMissed", "Ana"));
    assert!(outcome.camera_shut && outcome.receipt.is_none());
    let ana = view.contacts.iter().find(|c| c.id == ANA).expect("Ana");
    assert_eq!(ana.why_not, None, "call back");
    assert_eq!(refused(&bed.place()), None);
}

#[test]
fn a_caller_who_gives_up_is_told_whenever_it_comes() {
    let gone = || deny(DenyTarget::Ring(RING), "CallerGone");
    let mut bed = ringing();
    assert_eq!(said(&bed.step(gone())), over(Code::CallerGone));
    assert_eq!((bed.outcome().code, bed.outcome().name.as_str()), ("CallerGone", "Ana"));
    assert!(bed.step(gone()).is_empty(), "over is over");

    let mut bed = Bed::new();
    assert!(bed.step(gone()).is_empty());
    assert_eq!(said(&bed.step(Event::Ring(ring()))), [], "taken back before it came");
    assert_eq!(bed.state.call_kind(), Kind::Idle);

    let mut bed = ringing();
    bed.pass(1_000);
    answer(&mut bed);
    bed.prepare();
    bed.step(gone());
    bed.shut();
    assert_eq!((bed.state.view().phase, bed.outcome().code), (view::Phase::Refused, "CallerGone"));
}

#[test]
fn staff_can_stop_it_with_words() {
    for (target, code, shown) in [
        (DenyTarget::Ring(RING), "Whatever", "CallerGone"),
        (DenyTarget::Contact(ANA), "Revoked", "Denied"),
        (DenyTarget::Person(PERSON), "Revoked", "Denied"),
        (DenyTarget::Device(DEVICE), "Revoked", "Denied"),
    ] {
        let mut bed = ringing();
        let words = "Please ask the office.".to_owned();
        bed.step(Event::Deny(Box::new(Deny { v: 1, site: SITE, target, words, code: code.to_owned() })));
        assert_eq!((bed.outcome().code, bed.outcome().staff_words.as_str()), (shown, "Please ask the office."));
    }
    let mut bed = ringing();
    bed.step(deny(DenyTarget::Contact(BEN), "Revoked"));
    assert_eq!(bed.state.call_kind(), Kind::Ringing);
}

#[test]
fn without_gate_or_screen_it_ends_and_is_a_missed_call() {
    let lost: [(Code, fn(&mut Bed) -> Vec<Effect>); 3] = [
        (Code::GateAbsent, |bed| bed.gate(GateFact::Gone)),
        (Code::NoScreen, |bed| bed.step(Event::OwnerGone { owner: screen() })),
        (Code::Stopping, |bed| bed.step(Event::Stopping)),
    ];
    for (code, lose) in lost {
        let mut bed = ringing();
        assert_eq!(said(&lose(&mut bed)), over(code));
        assert_eq!((bed.state.call_kind(), bed.outcome().code), (Kind::Idle, "RingMissed"));
    }
}

#[test]
fn what_is_not_allowed_any_more_when_it_is_answered_is_said() {
    let mut bed = ringing();
    bed.pass(1_000);
    bed.step(Event::Online { up: false, fresh: SITE });
    assert_eq!(bed.state.call_kind(), Kind::Ringing, "a short gap of the network ends nothing");
    let effects = answer(&mut bed);
    assert_eq!((refused(&effects), said(&effects)), (Some(Code::Offline), over(Code::Offline)));
    assert_eq!((bed.state.view().phase, bed.outcome().code, to_gate(&effects)), (view::Phase::Refused, "Offline", 0));
}

#[test]
fn a_ring_for_who_was_moved_meanwhile_is_not_answered_by_the_next_person() {
    let mut bed = ringing();
    bed.pass(1_000);
    bed.step(Event::Entitlement(Box::new(Entitlement { revision: 8, person: SITE, ..entitlement() })));
    let effects = answer(&mut bed);
    assert_eq!((refused(&effects), said(&effects), to_gate(&effects)), (Some(Code::NoContact), over(Code::NoContact), 0));
}

#[test]
fn an_answer_that_leads_to_no_question_is_told_as_the_rings_end() {
    let mut bed = ringing();
    bed.pass(1_000);
    answer(&mut bed);
    let call = bed.call_id();
    assert_eq!(said(&bed.step(Event::CertificateFailed { call })), over(Code::Internal));

    let mut bed = ringing();
    bed.pass(1_000);
    answer(&mut bed);
    assert_eq!(said(&bed.end()), over(Code::RingDeclined));

    let mut bed = ringing();
    bed.pass(1_000);
    answer(&mut bed);
    bed.prepare();
    assert_eq!(said(&bed.end()), [], "once it was asked the facility knows the call");
}

#[test]
fn a_stopping_arbiter_takes_nothing_new() {
    let mut bed = Bed::new();
    bed.live();
    let effects = bed.step(Event::Stopping);
    assert_eq!((closes(&effects), bed.state.call_kind()), (1, Kind::Closing));
    bed.far_with(|s| s.last = true);
    let effects = bed.shut();
    assert_eq!(receipt(&effects).map(|r| r.reason.clone()), Some("BoxStopped".to_owned()));
    assert_eq!(said(&bed.step(Event::Ring(ring()))), over(Code::Stopping));
    assert_eq!(refused(&bed.place()), Some(Code::Stopping));
    assert!(bed.step(Event::Stopping).iter().all(|e| *e == Effect::ViewChanged));
}
