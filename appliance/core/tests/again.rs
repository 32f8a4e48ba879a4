//! Owns: what is lost and comes back in a visit: a page that is reloaded, another grant, a call process that died or hangs; the seconds to
//! the millisecond throughout.
//! Never: sleeps; time is an argument.
//! Called by: cargo test.

mod bed;
use bed::*;
use parloir_core::call::Kind;
use parloir_core::camera::Kind as Doors;
use parloir_core::effect::Entry;
use parloir_core::*;
use parloir_pass::*;

const SECOND: Id = Id([0x68; 16]);
const SECOND_FAR: Bytes32 = Bytes32([0x22; 32]);

fn plans(effects: &[Effect]) -> Vec<(u32, Bytes32)> {
    let plan = |e: &Effect| match e {
        Effect::SendToCall { message: ToCall::Plan { generation, far, .. }, .. } => Some((*generation, far[0])),
        _ => None,
    };
    effects.iter().filter_map(plan).collect()
}

fn ended(effects: &[Effect]) -> Option<EndReason> {
    effects.iter().find_map(|e| match e {
        Effect::Ledger(Entry::Ended { reason, .. }) => Some(*reason),
        _ => None,
    })
}

fn relaunches(effects: &[Effect]) -> usize {
    effects.iter().filter(|e| matches!(e, Effect::Gate(ToGate::Relaunch { .. }))).count()
}

fn counted(bed: &Bed) -> u64 {
    bed.state.counted_ms(Now { mono_ms: bed.now })
}

fn hint(bed: &mut Bed, nonce: u8) -> Vec<Effect> {
    let call = bed.call_id();
    bed.step(Event::AskAgain { call, fresh: Id([nonce; 16]) })
}

fn asked(effects: &[Effect]) -> Option<Ask> {
    effects.iter().find_map(|e| match e {
        Effect::SendAsk(ask) => Some((**ask).clone()),
        _ => None,
    })
}

/// The facility's answer for 300 s of slot and 400 of lease, to another page.
fn second_grant(ask: &Ask) -> (Grant, TicketFacts) {
    let (mut grant, mut ticket) = good_grant(ask);
    (grant.grant, grant.parties[0].certificate) = (SECOND, SECOND_FAR);
    (grant.slot_s, grant.lease_s, ticket.longest_run_s) = (300, 400, 400);
    (grant, ticket)
}

fn second_page_is_there(bed: &mut Bed) {
    bed.fact(CallFact::FarVerified { fingerprint: SECOND_FAR });
    bed.own(true);
    (bed.count, bed.decoded_ms) = (0, 0);
    bed.far(true);
}

/// A visit whose page came back with another certificate, and was granted again.
fn regranted() -> Bed {
    let mut bed = Bed::new();
    bed.live();
    bed.good_visit(60_000);
    bed.own(false);
    let ask = asked(&hint(&mut bed, 0x99)).expect("a question");
    let (grant, ticket) = second_grant(&ask);
    let effects = bed.grant_event(grant, ticket);
    assert_eq!(plans(&effects), [(2, SECOND_FAR)]);
    bed
}

#[test]
fn a_page_that_starts_anew_is_offered_anew_and_resumes() {
    let mut bed = Bed::new();
    bed.live();
    bed.good_visit(10_000);
    let effects = bed.fact(CallFact::FarAgain);
    assert_eq!((bed.state.call_kind(), plans(&effects)), (Kind::Held, vec![(2, FAR)]));
    assert_eq!(bed.state.camera_kind(), Doors::Open, "the doors stay");
    bed.pass(1_000);
    bed.own(true);
    bed.far(true);
    assert_eq!(bed.state.call_kind(), Kind::Held, "nothing of an end that is not verified is decoded");
    assert_eq!(bed.state.view().call.map(|call| call.camera), Some(false));
    bed.verified();
    bed.own(true);
    assert_eq!(bed.state.call_kind(), Kind::Live);
}

#[test]
fn a_page_that_starts_anew_without_end_is_offered_to_eight_times() {
    let mut bed = Bed::new();
    bed.live();
    let offers: usize = (0..20).map(|_| plans(&bed.fact(CallFact::FarAgain)).len()).sum();
    assert_eq!((offers, bed.state.call_kind()), (8, Kind::Held));
    let mut bed = Bed::new();
    bed.joining();
    assert_eq!((plans(&bed.fact(CallFact::FarAgain)), bed.state.call_kind()), (vec![(2, FAR)], Kind::Joining));
}

/// How it was broken: a call process that lies says, between the grant and gate's `Opened`, that it has verified the far end and decodes it;
/// with the visitor's word the visit was live, and the clock ran, before any door was open. Found by the exploration.
#[test]
fn nothing_is_verified_before_the_doors_are_open() {
    let mut bed = Bed::new();
    bed.granted();
    bed.verified();
    bed.own(true);
    bed.far(true);
    assert_eq!(bed.state.call_kind(), Kind::Joining);
    bed.opened();
    assert_eq!(bed.state.call_kind(), Kind::Joining);
    bed.verified();
    bed.own(true);
    assert_eq!(bed.state.call_kind(), Kind::Live);
}

#[test]
fn nothing_counts_before_the_far_end_is_verified() {
    let mut bed = Bed::new();
    bed.granted();
    bed.opened();
    bed.own(true);
    bed.fact(CallFact::FirstPicture { at_ms: bed.now });
    bed.far(true);
    assert_eq!(bed.state.call_kind(), Kind::Joining);
    bed.end();
    let effects = bed.shut();
    assert_eq!(receipt(&effects).map(|r| r.first_decoded_here_ms), None, "still waiting for the visitor's last word");
    let effects = bed.far_with(|s| s.last = true);
    assert_eq!(receipt(&effects).map(|r| r.first_decoded_here_ms), Some(None));
}

#[test]
fn the_seconds_are_right_to_the_millisecond_through_cut_reload_and_relaunch() {
    let mut bed = Bed::new();
    bed.live();
    bed.good_visit(10_000);
    // A cut of 20 s: the last picture was 300 ms after the last word, call notices 2 s later, the page says so when it is back.
    bed.pass(300);
    let cut = bed.now;
    bed.pass(2_000);
    bed.fact(CallFact::Decoding { on: false, at_ms: cut });
    assert_eq!((bed.state.call_kind(), counted(&bed)), (Kind::Held, 10_300));
    bed.pass(17_700);
    bed.own(true);
    bed.decoded_ms += 300;
    bed.far(true);
    assert_eq!((bed.state.call_kind(), counted(&bed)), (Kind::Live, 10_000), "its word was missing from 10 s on");
    bed.good_visit(5_000);
    assert_eq!(counted(&bed), 15_000);
    // A reload, 400 ms after its last word.
    bed.pass(400);
    bed.fact(CallFact::FarAgain);
    assert_eq!(counted(&bed), 15_000, "a page that starts anew saw nothing since its last word");
    bed.pass(1_500);
    bed.verified();
    bed.own(true);
    bed.pass(250);
    bed.far(true);
    bed.good_visit(5_000);
    assert_eq!(counted(&bed), 20_000);
    // The call process dies 600 ms after the last word, and the next one decodes 1 s later.
    bed.pass(600);
    let lease = bed.call_id();
    bed.gate(GateFact::CallGone { lease });
    assert_eq!(counted(&bed), 20_600);
    bed.pass(1_000);
    bed.gate(GateFact::Relaunched { lease });
    bed.verified();
    bed.own(true);
    bed.decoded_ms += 600;
    bed.far(true);
    assert_eq!(bed.state.call_kind(), Kind::Live);
    bed.good_visit(4_000);
    assert_eq!(counted(&bed), 24_600);
    bed.end();
    bed.far_with(|s| s.last = true);
    let receipt = receipt(&bed.shut()).cloned().expect("a receipt");
    assert_eq!((receipt.seconds_counted, receipt.gaps.len()), (25, 3));
    let gaps: Vec<u64> = receipt.gaps.iter().map(|gap| gap.to_ms - gap.from_ms).collect();
    assert_eq!(gaps, [20_000, 2_150, 1_000]);
}

#[test]
fn a_silent_call_process_is_started_again_and_counts_until_its_last_word() {
    let mut bed = Bed::new();
    bed.live();
    bed.good_visit(10_000);
    bed.breath();
    for _ in 0..3 {
        bed.pass_in_silence(1_000);
        bed.decoded_ms += 1_000;
        bed.far(true);
    }
    assert_eq!(relaunches(&bed.pass_in_silence(999)), 0);
    let effects = bed.pass_in_silence(1);
    assert_eq!((relaunches(&effects), bed.state.call_kind(), bed.state.camera_kind()), (1, Kind::Held, Doors::Restarting));
    assert_eq!(counted(&bed), 10_000);
    let lease = bed.call_id();
    bed.gate(GateFact::CallGone { lease });
    assert_eq!(bed.state.camera_kind(), Doors::Restarting, "a death that crossed our word is answered by the same Relaunched");
    let effects = bed.gate(GateFact::Relaunched { lease });
    assert_eq!((plans(&effects).len(), bed.state.camera_kind()), (1, Doors::Open));
    bed.verified();
    bed.own(true);
    bed.far(true);
    assert_eq!(bed.state.call_kind(), Kind::Live);
}

#[test]
fn a_call_process_that_is_silent_for_the_fourth_time_ends_it() {
    let mut bed = Bed::new();
    bed.joining();
    let lease = bed.call_id();
    for _ in 0..3 {
        assert_eq!(relaunches(&bed.pass_in_silence(4_000)), 1);
        bed.gate(GateFact::Relaunched { lease });
    }
    let effects = bed.pass_in_silence(4_000);
    assert_eq!((ended(&effects), closes(&effects)), (Some(EndReason::CallFailed), 1));
}

#[test]
fn a_hint_makes_the_box_ask_the_same_with_a_fresh_nonce() {
    let mut bed = Bed::new();
    let first = {
        let ask = bed.ask();
        let (grant, ticket) = good_grant(&ask);
        bed.grant_event(grant, ticket);
        bed.opened();
        ask
    };
    let effects = hint(&mut bed, 0x99);
    let again = Ask { nonce: Id([0x99; 16]), regrant: Some(GRANT), ..first };
    assert_eq!(asked(&effects), Some(again));
    assert!(effects.contains(&Effect::Ledger(Entry::AskedAgain { call: bed.call_id(), count: 1 })));
}

/// How it was broken: the hint is not signed, so a courier that was taken over can send it without end. What holds: at most four questions
/// a visit, 5 s apart, one at a time, for the call that goes on.
#[test]
fn hints_are_few_and_far_between() {
    let mut bed = Bed::new();
    bed.live();
    bed.good_visit(1_000);
    let stray = |effects: Vec<Effect>| {
        assert_eq!((asked(&effects), ledger_refusals(&effects)), (None, vec![Code::AgainStray]));
    };
    stray(bed.step(Event::AskAgain { call: SITE, fresh: SITE }));
    let ask = asked(&hint(&mut bed, 1)).expect("the first");
    stray(hint(&mut bed, 2));
    let no =
        |nonce| Deny { v: 1, site: SITE, target: DenyTarget::Ask(nonce), words: String::new(), code: "VisitorAbsent".to_owned() };
    bed.step(Event::Deny(Box::new(no(ask.nonce))));
    assert_eq!(bed.state.call_kind(), Kind::Live, "no other grant: the visit stays what it was");
    bed.good_visit(4_000);
    stray(hint(&mut bed, 3));
    bed.good_visit(1_000);
    for nonce in 4..7 {
        let ask = asked(&hint(&mut bed, nonce)).expect("up to the fourth");
        bed.good_visit(6_000);
        stray(hint(&mut bed, 9));
        bed.step(Event::Deny(Box::new(no(ask.nonce))));
    }
    stray(hint(&mut bed, 8));
    for kind in [Kind::Idle, Kind::Asking, Kind::Closing] {
        let mut bed = Bed::new();
        if kind != Kind::Idle {
            bed.ask();
        }
        if kind == Kind::Closing {
            bed.end();
        }
        assert_eq!(bed.state.call_kind(), kind);
        stray(hint(&mut bed, 1));
    }
}

#[test]
fn another_grant_for_the_time_that_is_left_goes_on() {
    let mut bed = Bed::new();
    bed.live();
    bed.good_visit(60_000);
    let ask = asked(&hint(&mut bed, 0x99)).expect("a question");
    let (grant, ticket) = second_grant(&ask);
    let effects = bed.grant_event(grant, ticket);
    let call = bed.call_id();
    assert!(effects.contains(&Effect::Ledger(Entry::Regranted { call, grant: SECOND, replaced: GRANT })));
    assert!(!effects.iter().any(|e| matches!(e, Effect::Gate(_))), "gate is not asked again");
    assert_eq!((plans(&effects), bed.state.call_kind(), counted(&bed)), (vec![(2, SECOND_FAR)], Kind::Held, 60_000));
    bed.fact(CallFact::FarVerified { fingerprint: FAR });
    assert_eq!(bed.state.call_kind(), Kind::Held, "a late word about the old page neither ends it nor counts");
    bed.pass(1_000);
    second_page_is_there(&mut bed);
    assert_eq!((bed.state.call_kind(), counted(&bed)), (Kind::Live, 60_000));
    assert_eq!(bed.state.view().call.map(|call| call.seconds_left), Some(300));
    bed.good_visit(10_000);
    assert_eq!(counted(&bed), 70_000);
}

#[test]
fn a_second_grant_that_was_kept_back_renews_from_its_question() {
    let mut bed = Bed::new();
    bed.live();
    bed.good_visit(60_000);
    bed.beats = 0;
    let ask = asked(&hint(&mut bed, 0x99)).expect("a question");
    let at = bed.now;
    let mut effects = Vec::new();
    for _ in 0..50 {
        effects.extend(bed.pass(1_000));
        bed.far(true);
    }
    let (grant, ticket) = second_grant(&ask);
    bed.grant_event(grant, ticket);
    second_page_is_there(&mut bed);
    for _ in 0..60 {
        if bed.state.call_kind() != Kind::Closing && bed.state.call_kind() != Kind::Idle {
            effects.extend(bed.pass(1_000));
            bed.far(true);
        }
    }
    assert_eq!(ended(&effects), Some(EndReason::BeatMissing));
    assert!(bed.now - at <= 82_000, "{} ms after the question: an interval and the grace, from there", bed.now - at);
}

#[test]
fn the_new_slot_and_lease_end_it() {
    let mut bed = regranted();
    second_page_is_there(&mut bed);
    bed.beats = 0;
    let mut effects = Vec::new();
    for _ in 0..300 {
        effects.extend(bed.pass(1_000));
        bed.decoded_ms += 1_000;
        bed.far(true);
        bed.beats += u64::from((bed.now / 1_000).is_multiple_of(20));
        let (count, grant) = ((bed.now - bed.admitted) / 20_000, SECOND);
        bed.step(Event::Beat(Beat { v: 1, device: DEVICE, grant, count }));
    }
    assert_eq!(ended(&effects), Some(EndReason::SlotOver));
    bed.far_with(|s| s.last = true);
    assert_eq!(receipt(&bed.shut()).map(|r| r.seconds_counted), Some(360));

    let mut bed = regranted();
    let lease_over = bed.pass(60_001);
    assert_eq!(ended(&lease_over), Some(EndReason::BeatMissing), "beats count from the new grant");
}

#[test]
fn another_grant_extends_nothing() {
    let ways: [(&str, fn(&mut Grant)); 3] = [
        ("540 s are left of the slot", |g| (g.slot_s, g.lease_s) = (541, 600)),
        ("660 s are left of the lease", |g| (g.slot_s, g.lease_s) = (500, 661)),
        ("the same grant again", |g| g.grant = GRANT),
    ];
    for (why, bend) in ways {
        let mut bed = Bed::new();
        bed.live();
        bed.good_visit(60_000);
        let ask = asked(&hint(&mut bed, 0x99)).expect("a question");
        let (mut grant, mut ticket) = second_grant(&ask);
        bend(&mut grant);
        ticket.longest_run_s = grant.lease_s;
        let effects = bed.grant_event(grant, ticket);
        assert_eq!((plans(&effects), bed.state.call_kind()), (vec![], Kind::Live), "{why}");
        assert_eq!(ledger_refusals(&effects).len(), 1, "{why}");
        assert!(bed.state.verdict().is_some(), "{why}");
    }
}

#[test]
fn the_first_grant_again_is_stray_and_ends_nothing() {
    let mut bed = Bed::new();
    let ask = bed.ask();
    let (grant, ticket) = good_grant(&ask);
    bed.grant_event(grant.clone(), ticket);
    bed.opened();
    let question = asked(&hint(&mut bed, 0x99)).expect("a question");
    let effects = bed.grant_event(grant, ticket);
    assert_eq!((ledger_refusals(&effects), bed.state.call_kind()), (vec![Code::GrantStray], Kind::Joining));
    let (grant, ticket) = second_grant(&question);
    assert_eq!(plans(&bed.grant_event(grant, ticket)), [(2, SECOND_FAR)], "the question is still pending");
}

#[test]
fn what_binds_the_first_grant_binds_the_second() {
    let ways: [(Code, fn(&mut Grant, &mut TicketFacts)); 6] = [
        (Code::GrantPerson, |g, _| g.person = SITE),
        (Code::GrantContact, |g, _| g.contact = BEN),
        (Code::GrantMedia, |g, _| g.media = Media::Voice),
        (Code::GrantCertificate, |g, _| g.box_certificate = FAR),
        (Code::GrantTicket, |_, t| t.nonce = SITE),
        (Code::GrantTicket, |_, t| t.lease = SITE),
    ];
    for (code, bend) in ways {
        let mut bed = Bed::new();
        bed.live();
        let ask = asked(&hint(&mut bed, 0x99)).expect("a question");
        let (mut grant, mut ticket) = second_grant(&ask);
        bend(&mut grant, &mut ticket);
        let effects = bed.grant_event(grant, ticket);
        assert_eq!((ledger_refusals(&effects), bed.state.call_kind()), (vec![code], Kind::Live), "{code:?}");
        let (grant, ticket) = second_grant(&ask);
        assert_eq!(plans(&bed.grant_event(grant, ticket)), [], "a nonce is answered once");
    }
}

#[test]
fn an_unanswered_question_leaves_the_visit_as_it_was() {
    let mut bed = Bed::new();
    bed.live();
    bed.good_visit(1_000);
    let ask = asked(&hint(&mut bed, 0x99)).expect("a question");
    let effects = bed.good_visit(60_000);
    assert_eq!(ledger_refusals(&effects), [Code::NoAnswer]);
    assert_eq!(bed.state.call_kind(), Kind::Live);
    let (grant, ticket) = second_grant(&ask);
    assert_eq!(ledger_refusals(&bed.grant_event(grant, ticket)), [Code::GrantStray], "too late");

    let mut bed = Bed::new();
    bed.live();
    bed.own(false);
    hint(&mut bed, 0x99);
    let mut effects = bed.pass(30_000);
    bed.beat();
    effects.extend(bed.pass(30_000));
    assert_eq!(ended(&effects), Some(EndReason::MediaLost), "held ends when it would have ended");
}

#[test]
fn after_another_grant_the_far_side_has_the_whole_wait_once_more() {
    let mut bed = Bed::new();
    bed.live();
    bed.own(false);
    bed.pass(50_000);
    let ask = asked(&hint(&mut bed, 0x99)).expect("a question");
    let (grant, ticket) = second_grant(&ask);
    bed.grant_event(grant, ticket);
    bed.pass(59_000);
    assert_eq!(bed.state.call_kind(), Kind::Held);
    second_page_is_there(&mut bed);
    assert_eq!(bed.state.call_kind(), Kind::Live);
}

#[test]
fn a_foreign_certificate_ends_it_under_the_second_grant_too() {
    let mut bed = regranted();
    let effects = bed.fact(CallFact::FarVerified { fingerprint: OWN });
    assert_eq!((ended(&effects), closes(&effects)), (Some(EndReason::FarCertificate), 1));
}

#[test]
fn a_deny_of_either_grant_ends_it_and_a_beat_of_the_first_renews_nothing() {
    for grant in [GRANT, SECOND] {
        let mut bed = regranted();
        let deny = Deny { v: 1, site: SITE, target: DenyTarget::Grant(grant), words: String::new(), code: "Revoked".to_owned() };
        assert_eq!(ended(&bed.step(Event::Deny(Box::new(deny)))), Some(EndReason::Revoked));
    }
    let mut bed = regranted();
    let beat = Beat { v: 1, device: DEVICE, grant: GRANT, count: 99 };
    assert_eq!(ledger_refusals(&bed.step(Event::Beat(beat))), [Code::BeatStray]);
}

#[test]
fn the_receipt_holds_every_grant_and_the_last_word_under_each() {
    let mut bed = regranted();
    second_page_is_there(&mut bed);
    bed.good_visit(5_000);
    bed.end();
    bed.far_with(|s| s.last = true);
    let receipt = receipt(&bed.shut()).cloned().expect("a receipt");
    assert_eq!((receipt.grant, receipt.regrants.as_slice()), (Some(GRANT), [SECOND].as_slice()));
    assert_eq!(receipt.earlier_statements, ["jws-61"]);
    assert_eq!(receipt.visitor_statement.as_deref(), Some("jws-7"));
    assert_eq!((receipt.seconds_counted, receipt.check()), (65, Ok(())));
}

/// A deadline that is over when a document comes ends the call first; that is not the document's refusal.
#[test]
fn a_late_deadline_is_not_taken_for_the_documents_refusal() {
    let mut bed = Bed::new();
    bed.ask();
    bed.now += 60_000;
    let effects = bed.step(Event::Policy(Box::new(SitePolicy { revision: 6, ..policy() })));
    assert_eq!(ledger_refusals(&effects), [Code::NoAnswer]);
    assert_eq!(bed.state.verdict(), None, "the policy was taken");
    bed.step(Event::Policy(Box::new(SitePolicy { revision: 1, ..policy() })));
    assert_eq!(bed.state.verdict(), Some(Code::DocumentOld));
    let mut bed = Bed::new();
    bed.live();
    hint(&mut bed, 0x99);
    for _ in 0..59 {
        bed.pass(1_000);
        bed.far(true);
    }
    bed.beat();
    bed.now += 1_000;
    let effects = bed.step(Event::Policy(Box::new(SitePolicy { revision: 6, ..policy() })));
    assert_eq!((ledger_refusals(&effects), bed.state.verdict()), (vec![Code::NoAnswer], None), "nor for another grant");
    let mut bed = Bed::new();
    let ask = bed.ask();
    let (mut grant, ticket) = good_grant(&ask);
    grant.person = SITE;
    bed.grant_event(grant, ticket);
    assert_eq!(bed.state.verdict(), Some(Code::GrantPerson), "what ends an asking is refused too");
    let mut bed = Bed::new();
    let ask = bed.ask();
    let deny = Deny { v: 1, site: SITE, target: DenyTarget::Ask(ask.nonce), words: String::new(), code: "NoBooking".to_owned() };
    bed.step(Event::Deny(Box::new(deny)));
    assert_eq!(bed.state.verdict(), None, "a revocation is taken; what it refuses is the call");
}

#[test]
fn one_press_hangs_up_in_every_state() {
    let ways: [(&str, fn(&mut Bed)); 8] = [
        ("preparing", |bed| drop(bed.place())),
        ("asked", |bed| {
            bed.ask();
        }),
        ("opening", |bed| drop(bed.granted())),
        ("joining", Bed::joining),
        ("live", Bed::live),
        ("held", |bed| {
            bed.live();
            bed.own(false);
        }),
        ("regranting", |bed| {
            bed.live();
            hint(bed, 0x99);
        }),
        ("restarting", |bed| {
            bed.live();
            bed.pass_in_silence(4_000);
        }),
    ];
    for (state, enter) in ways {
        let mut bed = Bed::new();
        enter(&mut bed);
        // A courier that was taken over says whatever it may meanwhile.
        for _ in 0..50 {
            let call = bed.call_id();
            let request = bed.request();
            bed.step(Event::Signalling { request, call });
            hint(&mut bed, 0x77);
            bed.step(Event::Unverified { typ: Typ::Beat });
        }
        let effects = bed.end();
        assert_eq!((closes(&effects), bed.state.call_kind()), (1, Kind::Closing), "{state}");
        let by = bed.state.deadline().expect("a deadline");
        assert!(by <= bed.now + 3_000, "{state}: over within 3 s whatever anybody does");
        bed.pass(3_000);
        assert_eq!(bed.state.call_kind(), Kind::Idle, "{state}");
    }
}

#[test]
fn a_visit_that_a_crash_cut_off_is_told_with_its_name() {
    let mut bed = Bed::new();
    bed.live();
    bed.good_visit(10_000);
    let effects = bed.pass(6_000);
    let record = effects.iter().rev().find_map(|e| match e {
        Effect::OpenVisitRecord { receipt } => Some(receipt.clone()),
        _ => None,
    });
    let record = record.expect("a record every 5 s");
    for (rebooted, code) in [(false, "Fault"), (true, "PowerLost")] {
        let mut bed = Bed::bare();
        bed.step(Event::Recovered { receipt: record.clone(), rebooted });
        let view = bed.state.view();
        let outcome = view.outcome.expect("an outcome");
        assert_eq!((view.phase, outcome.code, outcome.name.as_str(), outcome.camera_shut), (view::Phase::Ended, code, "", false));
        bed.step(Event::Entitlement(Box::new(entitlement())));
        bed.gate(GateFact::Hello { device: DEVICE });
        let outcome = bed.outcome();
        assert_eq!((outcome.name.as_str(), outcome.camera_shut, outcome.both_sides), ("Ana", true, true));
        assert_eq!((outcome.seconds_counted, outcome.receipt), (record.seconds_counted, Some(record.receipt)));
    }
}
