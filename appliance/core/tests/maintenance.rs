//! Owns: when the box may be changed: never in a call, a ring or a booked visit, never for longer than it may, never by who is gone.
//! Never: an installation.
//! Called by: cargo test.

mod bed;
use bed::*;
use parloir_core::call::Kind;
use parloir_core::effect::Entry;
use parloir_core::maintenance::Kind as Changed;
use parloir_core::update::Word;
use parloir_core::view::Phase;
use parloir_core::*;
use parloir_pass::*;

fn begin(bed: &mut Bed, stage: Stage) -> Vec<Effect> {
    let request = bed.request();
    bed.step(Event::Begin { request, caller: updater(), stage, version: "1.2.3".to_owned() })
}

/// At home, and no visit is booked.
fn free() -> Bed {
    let mut bed = Bed::new();
    bed.step(Event::Entitlement(Box::new(Entitlement { bookings: Vec::new(), ..entitlement() })));
    bed
}

/// Being changed.
fn changing(stage: Stage) -> Bed {
    let mut bed = free();
    let effects = begin(&mut bed, stage);
    assert!(effects.iter().any(|e| matches!(e, Effect::HandLease { holder, .. } if *holder == updater())), "{effects:?}");
    bed
}

fn taken_back(effects: &[Effect]) -> bool {
    effects.iter().any(|e| matches!(e, Effect::TakeLease { .. }))
}

fn ring() -> Ring {
    let (ring, class, media) = (Id([0x81; 16]), Class::Family, Media::Video);
    Ring { v: 1, site: SITE, device: DEVICE, ring, person: PERSON, contact: ANA, class, media, at: NOON }
}

#[test]
fn a_call_in_any_state_is_not_disturbed() {
    let ways: [(fn(&mut Bed), Code); 6] = [
        (|bed| drop(bed.step(Event::Ring(ring()))), Code::Ringing),
        (|bed| drop(bed.place()), Code::Busy),
        (Bed::joining, Code::InVisit),
        (Bed::live, Code::InVisit),
        (
            |bed| {
                bed.live();
                bed.own(false);
            },
            Code::InVisit,
        ),
        (
            |bed| {
                bed.live();
                bed.end();
            },
            Code::Busy,
        ),
    ];
    for (enter, code) in ways {
        for stage in [Stage::Install, Stage::Restart] {
            let mut bed = free();
            enter(&mut bed);
            let before = bed.state.call_kind();
            assert_eq!(bed.state.may_maintain(), Err(code), "{before:?}");
            let effects = begin(&mut bed, stage);
            assert_eq!((refused(&effects), bed.state.call_kind()), (Some(code), before), "{before:?}");
            assert_eq!(ledger_refusals(&effects), [code], "written down once");
            assert_eq!((bed.state.maintenance_kind(), taken_back(&effects)), (Changed::Idle, false));
        }
    }
}

#[test]
fn a_booked_visit_is_left_half_an_hour_before_it_until_its_end() {
    for (at, may) in
        [(NOON - 1_201, true), (NOON - 1_200, false), (NOON + 900, false), (NOON + 1_199, false), (NOON + 1_200, true)]
    {
        // Ana's is from 12:10 to 12:20.
        let mut bed = Bed::untimed();
        bed.time_said(at);
        let effects = begin(&mut bed, Stage::Install);
        assert_eq!(refused(&effects), (!may).then_some(Code::Booked), "{} s from noon", at - NOON);
    }
}

#[test]
fn without_a_clock_nobody_knows_when_a_booked_visit_begins() {
    let mut bed = Bed::bare();
    bed.gate(GateFact::Hello { device: DEVICE });
    assert!(refused(&begin(&mut bed, Stage::Install)).is_none(), "nobody is known who could have booked one");
    bed.step(Event::LeaseDropped { owner: updater() });
    bed.step(Event::Entitlement(Box::new(entitlement())));
    assert_eq!(refused(&begin(&mut bed, Stage::Install)), Some(Code::ClockUnknown));
}

#[test]
fn a_box_without_gate_can_be_mended() {
    let mut bed = free();
    bed.gate(GateFact::Gone);
    assert!(refused(&begin(&mut bed, Stage::Install)).is_none());
}

#[test]
fn while_it_lasts_nobody_calls_and_nothing_rings_and_the_screen_says_why() {
    for (stage, word) in [(Stage::Install, "installing"), (Stage::Restart, "restarting")] {
        let mut bed = changing(stage);
        let view = bed.state.view();
        assert_eq!((view.phase, view.maintenance), (Phase::Home, word));
        assert!(view.contacts.iter().all(|contact| contact.why_not == Some(Code::Updating)));
        let effects = bed.place();
        assert_eq!(refused(&effects), Some(Code::Updating));
        assert!(!effects.iter().any(|e| matches!(e, Effect::Gate(_))));
        let effects = bed.step(Event::Ring(ring()));
        assert!(effects.contains(&Effect::SendRing { ring: ring().ring, state: RingState::Over(Code::Busy) }), "{effects:?}");
        assert_eq!(bed.state.call_kind(), Kind::Idle);
        let effects = begin(&mut bed, Stage::Restart);
        assert_eq!((refused(&effects), taken_back(&effects)), (Some(Code::Updating), false), "one at a time");
        let effects = bed.step(Event::LeaseDropped { owner: updater() });
        assert!(taken_back(&effects));
        assert!(refused(&bed.place()).is_none(), "and then at once");
    }
}

#[test]
fn a_restart_is_told_to_who_still_reads_how_the_last_visit_ended() {
    let mut bed = free();
    bed.live();
    bed.end();
    bed.shut();
    bed.pass(3_000);
    assert_eq!(bed.state.view().phase, Phase::Ended);
    begin(&mut bed, Stage::Install);
    assert_eq!(bed.state.view().phase, Phase::Ended, "nothing hurries");
    bed.step(Event::LeaseDropped { owner: updater() });
    begin(&mut bed, Stage::Restart);
    assert_eq!((bed.state.view().phase, bed.state.view().maintenance), (Phase::Home, "restarting"));
    bed.step(Event::LeaseDropped { owner: updater() });
    assert_eq!(bed.state.view().phase, Phase::Ended, "it did not come to it");
}

#[test]
fn it_is_taken_back_when_its_time_is_over_its_holder_gone_or_the_arbiter_stopped() {
    for (stage, longest_ms) in [(Stage::Install, 30 * 60_000), (Stage::Restart, 3 * 60_000)] {
        let mut bed = changing(stage);
        assert!(!taken_back(&bed.pass(longest_ms - 1)));
        assert!(taken_back(&bed.pass(1)), "{stage:?}");
        assert_eq!(bed.state.maintenance_kind(), Changed::Idle);
        let mut bed = changing(stage);
        assert!(!taken_back(&bed.step(Event::OwnerGone { owner: other() })), "another's going is no matter");
        assert!(taken_back(&bed.step(Event::OwnerGone { owner: updater() })), "in the same step");
    }
    assert!(taken_back(&changing(Stage::Install).step(Event::Stopping)));
    let mut bed = changing(Stage::Restart);
    assert!(!taken_back(&bed.step(Event::Stopping)), "this is what it was for");
    assert_eq!(bed.state.view().maintenance, "restarting", "and the screen says so until the end");
}

#[test]
fn a_visit_that_is_booked_meanwhile_is_not_kept_waiting() {
    let booked = |from_s: i64| {
        let bookings = vec![Booking { contact: ANA, from: NOON + from_s, to: NOON + from_s + 600 }];
        Event::Entitlement(Box::new(Entitlement { bookings, revision: 8, ..entitlement() }))
    };
    let mut bed = changing(Stage::Install);
    assert!(!taken_back(&bed.step(booked(1_900))), "after its longest time");
    assert!(taken_back(&bed.step(booked(1_200))));
}

#[test]
fn a_failed_update_stands_on_the_screen_until_a_better_one_comes() {
    let mut bed = free();
    for word in Word::ALL {
        let request = bed.request();
        let effects = bed.step(Event::Report { request, version: "1.2.3".to_owned(), word: *word });
        let row = Effect::Ledger(Entry::Update { word: *word, version: "1.2.3".to_owned() });
        assert!(effects.contains(&row), "{effects:?}");
        let shown = bed.state.view().update;
        assert_eq!(shown, if word.failed() { word.name() } else { "" });
        assert_eq!(Word::from_name(word.name()), Some(*word));
    }
}
