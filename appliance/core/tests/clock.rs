//! Owns: an untrusted clock shortens, never extends (requirements S9), and documents do not go back.
//! Never: reads a clock.
//! Called by: cargo test.

mod bed;
use bed::*;
use parloir_core::call::Kind;
use parloir_core::*;
use parloir_pass::*;

fn time(nonce: u8, device: Id) -> Event {
    Event::Time(Time { v: 1, device, nonce: Id([nonce; 16]), unix_ms: NOON * 1000 })
}

#[test]
fn time_is_believed_only_as_an_answer_to_our_question() {
    let mut bed = Bed::untimed();
    for event in [time(0x70, DEVICE), time(0x71, SITE)] {
        assert_eq!(ledger_refusals(&bed.step(event)), [Code::TimeStray]);
        assert_eq!(bed.state.wall(Now { mono_ms: bed.now }), Wall::Unknown);
    }
    bed.now += 2_000;
    bed.step(time(0x71, DEVICE));
    assert_eq!(bed.state.wall(Now { mono_ms: bed.now + 500 }), Wall::Trusted(NOON * 1000 + 500));
    assert_eq!(ledger_refusals(&bed.step(time(0x71, DEVICE))), [Code::TimeStray], "once");
}

#[test]
fn an_answer_that_took_longer_than_10_s_is_not_believed_and_asked_again() {
    let mut bed = Bed::untimed();
    let effects = bed.pass(10_000);
    assert!(effects.contains(&Effect::SendTimeRequest { nonce: Id([0x72; 16]) }));
    assert_eq!(ledger_refusals(&bed.step(time(0x71, DEVICE))), [Code::TimeStray]);
}

#[test]
fn an_answer_that_comes_late_is_not_believed_though_nobody_asked_again() {
    for (late, wall) in [(10_000, Wall::Trusted(NOON * 1000)), (10_001, Wall::Unknown)] {
        let mut bed = Bed::untimed();
        bed.now += late;
        bed.step(time(0x71, DEVICE));
        assert_eq!(bed.state.wall(Now { mono_ms: bed.now }), wall);
    }
}

#[test]
fn without_a_clock_the_lease_has_no_make_good() {
    let mut bed = Bed::untimed();
    bed.live();
    let mut effects = Vec::new();
    for _ in 0..700 {
        effects.extend(bed.pass(500));
        bed.own(false);
        effects.extend(bed.pass(500));
        bed.own(true);
        bed.far(true);
        bed.beat();
    }
    let receipt = receipt(&effects).expect("a receipt");
    assert_eq!((receipt.reason.as_str(), receipt.wall_start), ("LeaseOver", 0));
    assert!(receipt.ended_ms <= 600_000 + 3_000, "the slot's 600 s and not the lease's 720");
}

#[test]
fn without_a_clock_the_facility_alone_judges_a_window_but_none_at_all_is_no() {
    let mut bed = Bed::untimed();
    assert_eq!(refused(&bed.place()), None);
    let mut bed = Bed::untimed();
    let mut document = entitlement();
    document.revision += 1;
    document.contacts[0].windows.clear();
    bed.step(Event::Entitlement(Box::new(document)));
    assert_eq!(refused(&bed.place()), Some(Code::OutsideWindow));
}

#[test]
fn time_that_goes_back_is_taken_as_standing_still() {
    let mut bed = Bed::new();
    bed.live();
    bed.good_visit(5_000);
    bed.now -= 4_000;
    bed.far(true);
    assert_eq!(bed.state.call_kind(), Kind::Live);
    assert_eq!(bed.state.counted_ms(Now { mono_ms: bed.now + 4_000 }), 5_000);
}

#[test]
fn a_sleep_of_the_arbiter_ends_what_was_over_at_its_own_time() {
    let mut bed = Bed::new();
    bed.live();
    bed.now += 3_600_000;
    let effects = bed.step(Event::Tick { fresh: Id([1; 16]) });
    assert_eq!((closes(&effects), bed.state.call_kind()), (1, Kind::Idle));
    let receipt = receipt(&effects).expect("a receipt");
    assert_eq!(receipt.seconds_counted, 0, "the visitor's last word was at the start");
    assert_eq!((receipt.reason.as_str(), receipt.ended_ms), ("BeatMissing", 60_000));
}

#[test]
fn documents_do_not_go_back_and_are_for_this_box() {
    let mut bed = Bed::new();
    let mut old = policy();
    old.revision -= 1;
    assert_eq!(ledger_refusals(&bed.step(Event::Policy(Box::new(old)))), [Code::DocumentOld]);
    let mut foreign = entitlement();
    foreign.device = SITE;
    assert_eq!(ledger_refusals(&bed.step(Event::Entitlement(Box::new(foreign)))), [Code::DocumentSite]);
    let mut foreign = authority();
    foreign.site = DEVICE;
    assert_eq!(ledger_refusals(&bed.step(Event::Authority(Box::new(foreign)))), [Code::DocumentSite]);
    let effects = bed.step(Event::Policy(Box::new(policy())));
    assert!(ledger_refusals(&effects).is_empty(), "a retained document comes again at every reconnect");
}

#[test]
fn floors_hold_over_a_restart() {
    let mut bed = Bed::bare();
    bed.state = State::new(Settings { floors: state::Floors { policy: 6, ..state::Floors::default() }, ..settings() });
    assert_eq!(ledger_refusals(&bed.step(Event::Policy(Box::new(policy())))), [Code::DocumentOld]);
}

#[test]
fn an_incoming_call_is_refused_honestly() {
    let mut bed = Bed::new();
    let effects = bed.step(Event::Unverified { typ: Typ::Ring });
    assert_eq!(ledger_refusals(&effects), [Code::DocumentForged]);
}
