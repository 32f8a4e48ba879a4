//! Owns: every visit ends with a receipt that holds both sides' word (promise 4): its figures.
//! Never: a signature.
//! Called by: cargo test.

mod bed;
use bed::*;
use parloir_core::call::Kind;
use parloir_core::*;
use parloir_pass::*;

#[test]
fn the_count_is_the_time_in_which_both_decoded() {
    let mut bed = Bed::new();
    bed.joining();
    bed.pass(500);
    bed.own(true);
    bed.pass(700);
    bed.far(true);
    bed.good_visit(30_000);
    bed.end();
    bed.far_with(|s| s.last = true);
    let effects = bed.shut();
    let receipt = receipt(&effects).expect("a receipt");
    assert_eq!((receipt.seconds_counted, receipt.gaps.len()), (30, 0));
    assert_eq!((receipt.first_decoded_here_ms, receipt.first_decoded_there_ms), (Some(500), Some(1200)));
    assert_eq!((receipt.reason.as_str(), receipt.wall_start), ("PersonEnded", NOON));
    assert_eq!(receipt.visitor_statement.as_deref(), Some(format!("jws-{}", bed.count).as_str()), "the last word");
    assert_eq!(receipt.check(), Ok(()));
}

#[test]
fn a_stop_counts_from_when_it_was_and_not_from_when_it_was_told() {
    let mut bed = Bed::new();
    bed.live();
    bed.good_visit(10_000);
    bed.pass(2_000);
    let at_ms = bed.now - 2_000;
    bed.fact(CallFact::Decoding { on: false, at_ms });
    assert_eq!(bed.state.counted_ms(Now { mono_ms: bed.now }), 10_000);
}

#[test]
fn a_far_stop_counts_from_the_decoded_time_that_it_states() {
    let mut bed = Bed::new();
    bed.live();
    bed.good_visit(10_000);
    bed.pass(2_300);
    bed.far_with(|s| (s.decoding, s.decoded_ms) = (false, 10_300));
    assert_eq!(bed.state.counted_ms(Now { mono_ms: bed.now }), 10_300);
}

#[test]
fn a_far_stop_before_ours_takes_back_what_was_counted_since() {
    let mut bed = Bed::new();
    bed.live();
    bed.good_visit(10_000);
    bed.pass(2_500);
    let at_ms = bed.now - 1_500;
    bed.fact(CallFact::Decoding { on: false, at_ms });
    assert_eq!(bed.state.counted_ms(Now { mono_ms: bed.now }), 11_000);
    bed.far_with(|s| (s.decoding, s.decoded_ms) = (false, 10_200));
    assert_eq!(bed.state.counted_ms(Now { mono_ms: bed.now }), 10_200);
}

#[test]
fn call_cannot_claim_time_before_the_admission_or_after_now() {
    for claim in [0, u64::MAX] {
        let mut bed = Bed::new();
        bed.joining();
        bed.pass(1_000);
        bed.fact(CallFact::Decoding { on: true, at_ms: claim });
        bed.far_with(|s| (s.decoding, s.decoded_ms) = (true, u64::MAX));
        assert!(bed.state.counted_ms(Now { mono_ms: bed.now }) <= 1_000);
    }
}

#[test]
fn gaps_are_listed_and_lost_seconds_shown() {
    let mut bed = Bed::new();
    bed.live();
    bed.good_visit(10_000);
    bed.own(false);
    for _ in 0..5 {
        bed.pass(1_000);
        bed.far(true);
    }
    bed.own(true);
    bed.good_visit(10_000);
    bed.end();
    bed.far_with(|s| s.last = true);
    let effects = bed.shut();
    let receipt = receipt(&effects).expect("a receipt");
    assert_eq!(receipt.gaps, [Gap { from_ms: 10_000, to_ms: 15_000 }]);
    assert_eq!((receipt.seconds_counted, bed.outcome().seconds_lost), (20, 5));
}

#[test]
fn the_end_waits_for_gate_and_visitor_at_most_3_s() {
    let mut bed = Bed::new();
    bed.live();
    let effects = bed.end();
    let call = bed.call_id();
    assert!(effects.contains(&Effect::SendEnded { call, reason: "PersonEnded" }));
    assert!(effects.contains(&Effect::CloseRoute { call }));
    assert_eq!(closes(&effects), 1, "the doors do not wait");
    assert!(receipt(&bed.shut()).is_none());
    let effects = bed.far_with(|s| s.last = true);
    let made = receipt(&effects).expect("both words are here");
    assert_eq!(made.visitor_statement.as_deref(), Some("jws-2"));
    assert!(bed.outcome().both_sides && bed.outcome().camera_shut);

    let mut bed = Bed::new();
    bed.live();
    bed.end();
    bed.shut();
    bed.pass(2_999);
    assert_eq!(bed.state.call_kind(), Kind::Closing);
    let effects = bed.pass(1);
    assert_eq!(receipt(&effects).and_then(|r| r.visitor_statement.as_deref()), Some("jws-1"), "the last one that came");
}

#[test]
fn the_record_is_written_every_5_s_and_closed_with_the_receipt() {
    let mut bed = Bed::new();
    bed.live();
    let effects = bed.good_visit(30_000);
    let records = effects.iter().filter_map(|e| match e {
        Effect::OpenVisitRecord { receipt } => Some(receipt.seconds_counted),
        _ => None,
    });
    let records = records.collect::<Vec<_>>();
    assert_eq!(records, [5, 10, 15, 20, 25, 30]);
    bed.end();
    bed.far_with(|s| s.last = true);
    let effects = bed.shut();
    let call = bed.call_id();
    assert!(effects.contains(&Effect::CloseVisitRecord { call }));
}

#[test]
fn a_visit_that_a_crash_cut_off_gets_its_receipt_after_the_start() {
    for (rebooted, reason) in [(true, "PowerLost"), (false, "Fault")] {
        let mut bed = Bed::new();
        bed.live();
        let effects = bed.good_visit(10_000);
        let record = effects.into_iter().rev().find_map(|e| match e {
            Effect::OpenVisitRecord { receipt } => Some(receipt),
            _ => None,
        });
        let mut later = Bed::bare();
        let effects = later.step(Event::Recovered { receipt: record.expect("a record"), rebooted });
        let made = receipt(&effects).expect("a receipt");
        assert_eq!((made.reason.as_str(), made.seconds_counted, made.check()), (reason, 10, Ok(())));
        assert_eq!(later.state.call_kind(), Kind::Idle, "a restart grants nothing");
    }
}

#[test]
fn frames_of_a_call_process_that_died_count_too() {
    let mut bed = Bed::new();
    bed.live();
    let progress = |frames_decoded| CallFact::Progress {
        frames_decoded,
        width: 1280,
        height: 720,
        target_kbps: 2000,
        loss_permille: 0,
        rtt_ms: 20,
    };
    bed.fact(progress(300));
    let lease = bed.call_id();
    bed.gate(GateFact::CallGone { lease });
    bed.gate(GateFact::Relaunched { lease });
    bed.fact(progress(200));
    bed.end();
    bed.far_with(|s| s.last = true);
    let effects = bed.shut();
    let receipt = receipt(&effects).expect("a receipt");
    assert_eq!((receipt.frames_decoded, receipt.width, receipt.height), (500, 1280, 720));
}

/// How it was broken: a captured call process reports the largest number of pictures, dies, and does so again; the sum overflowed, which
/// in a build with checks ends the arbiter and in one without makes the receipt say that nothing was seen.
#[test]
fn no_number_of_pictures_overflows() {
    let mut bed = Bed::new();
    bed.live();
    let lie =
        CallFact::Progress { frames_decoded: u64::MAX, width: 640, height: 480, target_kbps: 1, loss_permille: 0, rtt_ms: 0 };
    bed.fact(lie);
    let lease = bed.call_id();
    bed.gate(GateFact::CallGone { lease });
    bed.gate(GateFact::Relaunched { lease });
    bed.fact(lie);
    bed.end();
    bed.far_with(|s| s.last = true);
    assert_eq!(receipt(&bed.shut()).expect("a receipt").frames_decoded, u64::MAX);
}
