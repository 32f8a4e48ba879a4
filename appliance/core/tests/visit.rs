//! Owns: the visit: joining, live, held, and every way in which it ends.
//! Never: sleeps; time is an argument.
//! Called by: cargo test.

mod bed;
use bed::*;
use parloir_core::call::Kind;
use parloir_core::camera::Kind as Doors;
use parloir_core::*;
use parloir_pass::*;

fn ended(effects: &[Effect]) -> Option<EndReason> {
    effects.iter().find_map(|e| match e {
        Effect::Ledger(Entry::Ended { reason, .. }) => Some(*reason),
        _ => None,
    })
}

fn holds(effects: &[Effect]) -> Vec<bool> {
    let hold = |e: &Effect| match e {
        Effect::SendToCall { message: ToCall::Hold { held }, .. } => Some(*held),
        _ => None,
    };
    effects.iter().filter_map(hold).collect()
}

fn plans(effects: &[Effect]) -> Vec<u32> {
    let plan = |e: &Effect| match e {
        Effect::SendToCall { message: ToCall::Plan { generation, .. }, .. } => Some(*generation),
        _ => None,
    };
    effects.iter().filter_map(plan).collect()
}

#[test]
fn plan_and_route_wait_for_the_open_door() {
    let mut bed = Bed::new();
    let granted = bed.granted();
    assert!(plans(&granted).is_empty(), "a forged ticket must not bring media");
    let opened = bed.opened();
    let call = bed.call_id();
    assert_eq!(plans(&opened), [1]);
    assert!(opened.contains(&Effect::OpenRoute { call }));
}

#[test]
fn a_ticket_that_gate_refuses_ends_it_with_a_reason() {
    for why in [GateRefusal::TicketSignature, GateRefusal::TicketBinding, GateRefusal::TicketForm] {
        let mut bed = Bed::new();
        bed.granted();
        let lease = bed.call_id();
        let effects = bed.gate(GateFact::Refused { lease, why });
        assert_eq!((closes(&effects), plans(&effects).len(), bed.state.camera_kind()), (1, 0, Doors::Shutting));
        bed.shut();
        assert_eq!((bed.state.view().phase, bed.outcome().code), (view::Phase::Refused, "TicketRefused"));
    }
}

#[test]
fn both_must_decode() {
    let mut bed = Bed::new();
    bed.joining();
    bed.own(true);
    assert_eq!(bed.state.call_kind(), Kind::Joining);
    bed.far(true);
    assert_eq!(bed.state.call_kind(), Kind::Live);
}

#[test]
fn a_joining_that_sees_nobody_ends_after_60_s() {
    let mut bed = Bed::new();
    bed.joining();
    bed.own(true);
    for _ in 0..2 {
        bed.pass(20_000);
        bed.beat();
    }
    let effects = bed.pass(20_000);
    assert_eq!(ended(&effects), Some(EndReason::NeverConnected));
}

#[test]
fn media_that_stops_here_holds_everything_and_comes_back() {
    let mut bed = Bed::new();
    bed.live();
    let effects = bed.own(false);
    assert_eq!((bed.state.call_kind(), holds(&effects)), (Kind::Held, vec![true]), "nothing leaves the box");
    assert_eq!(bed.state.camera_kind(), Doors::Open);
    let effects = bed.own(true);
    assert_eq!((bed.state.call_kind(), holds(&effects)), (Kind::Live, vec![false]));
}

#[test]
fn a_far_side_that_is_there_but_does_not_see_us_is_still_sent_to() {
    let mut bed = Bed::new();
    bed.live();
    let effects = bed.far(false);
    assert_eq!((bed.state.call_kind(), holds(&effects)), (Kind::Held, vec![]), "only our media can bring it back");
    bed.far(true);
    assert_eq!(bed.state.call_kind(), Kind::Live);
}

#[test]
fn a_missing_statement_holds_after_3_s() {
    let mut bed = Bed::new();
    bed.live();
    bed.pass(2_999);
    assert_eq!(bed.state.call_kind(), Kind::Live);
    bed.pass(1);
    assert_eq!(bed.state.call_kind(), Kind::Held);
    assert_eq!(bed.state.counted_ms(Now { mono_ms: bed.now }), 0, "it counts as decoding until its last word");
}

#[test]
fn held_lasts_60_s() {
    let mut bed = Bed::new();
    bed.live();
    bed.own(false);
    for _ in 0..3 {
        bed.pass(19_999);
        bed.far(true);
        bed.beat();
    }
    assert_eq!(bed.state.call_kind(), Kind::Held);
    let effects = bed.pass(3);
    assert_eq!((ended(&effects), closes(&effects)), (Some(EndReason::MediaLost), 1));
}

#[test]
fn a_cut_of_30_s_does_not_end_it() {
    let mut bed = Bed::new();
    bed.live();
    bed.good_visit(10_000);
    bed.own(false);
    bed.pass(30_000);
    assert_eq!(bed.state.call_kind(), Kind::Held);
    bed.own(true);
    bed.far(true);
    assert_eq!(bed.state.call_kind(), Kind::Live);
}

#[test]
fn a_connection_that_fails_is_offered_anew_at_most_eight_times() {
    let mut bed = Bed::new();
    bed.live();
    let mut generations = Vec::new();
    for _ in 0..10 {
        generations.extend(plans(&bed.fact(CallFact::Trouble(Trouble::NotConnected))));
    }
    assert_eq!(bed.state.call_kind(), Kind::Held);
    assert_eq!(generations, [2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_far_certificate_that_is_not_the_granted_one_ends_it() {
    let foreign = CallFact::FarVerified { fingerprint: OWN };
    for fact in [foreign, CallFact::Trouble(Trouble::FarCertificate)] {
        let mut bed = Bed::new();
        bed.joining();
        let effects = bed.fact(fact);
        assert_eq!((ended(&effects), closes(&effects)), (Some(EndReason::FarCertificate), 1));
        bed.shut();
        assert_eq!(bed.outcome().code, "FarCertificate");
    }
}

#[test]
fn the_slot_ends_by_the_fair_clock() {
    let mut bed = Bed::new();
    bed.live();
    let effects = bed.good_visit(599_000);
    assert_eq!(ended(&effects), None);
    bed.pass(999);
    assert_eq!(bed.state.call_kind(), Kind::Live);
    let effects = bed.pass(1);
    assert_eq!(ended(&effects), Some(EndReason::SlotOver));
    bed.far_with(|s| s.last = true);
    let effects = bed.shut();
    assert_eq!(receipt(&effects).map(|r| r.seconds_counted), Some(600));
}

#[test]
fn lost_seconds_are_made_good_until_the_lease_ends() {
    let mut bed = Bed::new();
    bed.live();
    let mut effects = Vec::new();
    // 30 s of every 60 are lost: the slot of 600 s would need 1200 s, the lease has 720.
    for _ in 0..30 {
        effects.extend(bed.good_visit(30_000));
        if bed.state.call_kind() == Kind::Live {
            bed.own(false);
            effects.extend(bed.pass(15_000));
            bed.beat();
            effects.extend(bed.pass(15_000));
            bed.own(true);
            bed.far(true);
        }
    }
    assert_eq!(ended(&effects), Some(EndReason::LeaseOver));
    let receipt = receipt(&effects).expect("a receipt");
    assert_eq!((receipt.seconds_counted, receipt.gaps.len()), (360, 12));
}

#[test]
fn a_missing_beat_ends_the_visit_after_the_grace_and_is_told_before() {
    let mut bed = Bed::new();
    bed.live();
    let mut effects = Vec::new();
    for second in 1..=60 {
        effects.extend(bed.pass(1000));
        bed.far(true);
        let late = bed.state.view().call.is_some_and(|call| call.renewal_late);
        assert!(late == (31..60).contains(&second), "second {second}");
    }
    assert_eq!(ended(&effects), Some(EndReason::BeatMissing));
}

#[test]
fn only_a_growing_beat_of_this_grant_and_box_renews() {
    let mut bed = Bed::new();
    bed.live();
    bed.beat();
    let stale = Beat { v: 1, device: DEVICE, grant: GRANT, count: 1 };
    for beat in [stale, Beat { device: SITE, count: 9, ..stale }, Beat { grant: SITE, count: 9, ..stale }] {
        let effects = bed.step(Event::Beat(beat));
        assert_eq!(ledger_refusals(&effects), [Code::BeatStray]);
    }
}

#[test]
fn a_deny_of_ask_grant_contact_person_or_box_cuts_a_live_visit() {
    for n in 0..5 {
        let mut bed = Bed::new();
        bed.live();
        let nonce = Id([0x41; 16]);
        let target = [
            DenyTarget::Ask(nonce),
            DenyTarget::Grant(GRANT),
            DenyTarget::Contact(ANA),
            DenyTarget::Person(PERSON),
            DenyTarget::Device(DEVICE),
        ][n];
        let deny = Deny { v: 1, site: SITE, target, words: "Please ask the office.".to_owned(), code: "Revoked".to_owned() };
        let effects = bed.step(Event::Deny(Box::new(deny)));
        assert_eq!((ended(&effects), closes(&effects)), (Some(EndReason::Revoked), 1), "{target:?}");
        let kept = effects.contains(&Effect::KeepDeny(target));
        assert_eq!(kept, n > 1, "an answer to one ask is no revocation, and a grant is dead with its call");
        bed.pass(3000);
        bed.shut();
        assert_eq!(bed.outcome().staff_words, "Please ask the office.");
        let again = bed.place();
        assert_eq!(refused(&again), (n > 1).then_some(Code::Denied), "{target:?}");
    }
}

#[test]
fn a_denied_grant_is_dead_with_its_call() {
    let mut bed = Bed::new();
    for _ in 0..100 {
        assert_eq!(opens(&bed.granted()), 1, "a grant answers one nonce, so an earlier denial says nothing about this one");
        let deny = Deny { v: 1, site: SITE, target: DenyTarget::Grant(GRANT), words: String::new(), code: "Revoked".to_owned() };
        assert_eq!(ended(&bed.step(Event::Deny(Box::new(deny)))), Some(EndReason::Revoked));
        bed.shut();
        assert_eq!(bed.state.call_kind(), Kind::Idle);
    }
}

/// How it was broken: a courier that was taken over delivers one genuine revocation, or one old answer to an ask, again and again; each
/// was a row of a ledger that is never shortened. What holds: what changes nothing is not written down.
#[test]
fn a_deny_that_comes_again_is_one_row() {
    let mut bed = Bed::new();
    bed.live();
    for (target, rows) in [(DenyTarget::Contact(BEN), 1), (DenyTarget::Ask(BEN), 0), (DenyTarget::Grant(GRANT), 1)] {
        let deny = Deny { v: 1, site: SITE, target, words: String::new(), code: "Revoked".to_owned() };
        let effects: Vec<Effect> = (0..9).flat_map(|_| bed.step(Event::Deny(Box::new(deny.clone())))).collect();
        let written = effects.iter().filter(|e| matches!(e, Effect::Ledger(Entry::Denied(_)))).count();
        assert_eq!(written, rows, "{target:?}");
    }
    assert_eq!(bed.state.call_kind(), Kind::Closing);
}

#[test]
fn a_deny_that_comes_before_its_grant_wins() {
    let mut bed = Bed::new();
    let ask = bed.ask();
    bed.step(Event::DenyRestored(DenyTarget::Grant(GRANT)));
    let (grant, ticket) = good_grant(&ask);
    let effects = bed.grant_event(grant, ticket);
    assert_eq!((opens(&effects), ledger_refusals(&effects)), (0, vec![Code::Denied]));
}

#[test]
fn the_facilitys_no_names_its_reason() {
    let words = ["VisitorDeclined", "VisitorAbsent", "NotEntitled", "NoBooking", "Whatever"];
    for (code, shown) in
        words.into_iter().zip(["VisitorDeclined", "VisitorAbsent", "NotEntitled", "NoBooking", "FacilityRefused"])
    {
        let mut bed = Bed::new();
        let ask = bed.ask();
        let deny = Deny { v: 1, site: SITE, target: DenyTarget::Ask(ask.nonce), words: String::new(), code: code.to_owned() };
        bed.step(Event::Deny(Box::new(deny)));
        bed.shut();
        assert_eq!((bed.state.view().phase, bed.outcome().code), (view::Phase::Refused, shown));
    }
}

#[test]
fn a_deny_of_another_site_or_another_call_does_nothing() {
    let mut bed = Bed::new();
    bed.live();
    let deny =
        |site, target| Event::Deny(Box::new(Deny { v: 1, site, target, words: String::new(), code: "Revoked".to_owned() }));
    bed.step(deny(PERSON, DenyTarget::Device(DEVICE)));
    bed.step(deny(SITE, DenyTarget::Contact(BEN)));
    bed.step(deny(SITE, DenyTarget::Grant(BEN)));
    assert_eq!(bed.state.call_kind(), Kind::Live);
}

#[test]
fn gate_that_is_lost_ends_it_and_is_not_told_to_close() {
    let mut bed = Bed::new();
    bed.live();
    let effects = bed.gate(GateFact::Gone);
    assert_eq!((ended(&effects), closes(&effects)), (Some(EndReason::GateLost), 0));
    bed.pass(3000);
    assert!(!bed.outcome().camera_shut, "nobody has said so");
}

#[test]
fn a_gate_that_is_lost_while_closing_is_not_waited_for() {
    let mut bed = Bed::new();
    bed.live();
    bed.end();
    bed.far_with(|s| s.last = true);
    assert_eq!(bed.state.call_kind(), Kind::Closing);
    bed.gate(GateFact::Gone);
    assert_eq!((bed.state.call_kind(), bed.outcome().camera_shut), (Kind::Idle, false));
}

#[test]
fn a_gate_that_restarts_has_no_doors_open() {
    let mut bed = Bed::new();
    bed.live();
    let effects = bed.gate(GateFact::Hello { device: DEVICE });
    assert_eq!((ended(&effects), bed.state.camera_kind()), (Some(EndReason::GateLost), Doors::Shut));
}

#[test]
fn doors_that_gate_shuts_by_itself_end_it() {
    for (reason, end) in [
        (ShutReason::RunOver, EndReason::LeaseOver),
        (ShutReason::HeartbeatLost, EndReason::GateShut),
        (ShutReason::CallEnded, EndReason::CallFailed),
    ] {
        let mut bed = Bed::new();
        bed.live();
        let lease = bed.call_id();
        let effects = bed.gate(GateFact::Shut { lease, reason, took_ms: 5 });
        assert_eq!(ended(&effects), Some(end));
    }
}

#[test]
fn a_call_process_that_dies_is_started_again_three_times() {
    let mut bed = Bed::new();
    bed.live();
    let lease = bed.call_id();
    for n in 1..=3 {
        let effects = bed.gate(GateFact::CallGone { lease });
        assert_eq!((bed.state.call_kind(), bed.state.camera_kind()), (Kind::Held, Doors::Restarting));
        assert!(effects.contains(&Effect::Gate(ToGate::Relaunch { lease })));
        let effects = bed.gate(GateFact::Relaunched { lease });
        assert_eq!((plans(&effects), holds(&effects)), (vec![n + 1], vec![true]));
        assert!(effects.contains(&Effect::OpenRoute { call: lease }), "link and screen ask for their ends again");
        bed.fact(CallFact::FarVerified { fingerprint: FAR });
        bed.own(true);
        bed.far(true);
        assert_eq!(bed.state.call_kind(), Kind::Live);
    }
    let effects = bed.gate(GateFact::CallGone { lease });
    assert_eq!((ended(&effects), closes(&effects)), (Some(EndReason::CallFailed), 1));
}

#[test]
fn what_a_dead_call_process_said_is_not_heard() {
    let mut bed = Bed::new();
    bed.live();
    let lease = bed.call_id();
    bed.gate(GateFact::CallGone { lease });
    bed.own(true);
    assert_eq!(bed.state.call_kind(), Kind::Held);
}

#[test]
fn the_muted_camera_stays_muted_after_a_restart_of_call() {
    let mut bed = Bed::new();
    bed.live();
    let request = bed.request();
    bed.step(Event::Let { request, caller: screen(), camera: false, microphone: true, serial: 0 });
    let lease = bed.call_id();
    bed.gate(GateFact::CallGone { lease });
    let effects = bed.gate(GateFact::Relaunched { lease });
    let muted = Effect::SendToCall { call: lease, message: ToCall::Let { camera: false, microphone: true } };
    assert!(effects.contains(&muted));
}

#[test]
fn a_screen_that_comes_back_within_5_s_finds_its_visit() {
    let mut bed = Bed::new();
    bed.live();
    bed.step(Event::OwnerGone { owner: screen() });
    assert_eq!(bed.state.remote_kind(), parloir_core::remote::Kind::Free, "keys are lost in the same step");
    bed.good_visit(4_000);
    bed.attach(other());
    bed.good_visit(4_000);
    assert_eq!(bed.state.call_kind(), Kind::Live);
}

#[test]
fn a_visit_that_no_screen_shows_ends_after_5_s_and_an_asking_at_once() {
    let mut bed = Bed::new();
    bed.live();
    bed.step(Event::OwnerGone { owner: screen() });
    let effects = bed.good_visit(5_000);
    assert_eq!((ended(&effects), closes(&effects)), (Some(EndReason::ScreenGone), 1));

    let mut bed = Bed::new();
    bed.ask();
    let effects = bed.step(Event::OwnerGone { owner: screen() });
    assert_eq!((ended(&effects), closes(&effects)), (Some(EndReason::ScreenGone), 1));
}

#[test]
fn the_visitor_leaves() {
    let mut bed = Bed::new();
    bed.live();
    let effects = bed.far_with(|s| s.last = true);
    assert_eq!(ended(&effects), Some(EndReason::VisitorLeft));
    let effects = bed.shut();
    assert!(receipt(&effects).is_some(), "nothing more to wait for");
}

#[test]
fn of_two_parties_one_may_leave() {
    let mut bed = Bed::new();
    let ask = bed.ask();
    let (mut grant, ticket) = good_grant(&ask);
    grant.parties.push(Party {
        name: "Eva".to_owned(),
        certificate: Bytes32([8; 32]),
        statement_key: Bytes32([9; 32]),
        code_nonce: None,
    });
    bed.grant_event(grant, ticket);
    bed.opened();
    bed.verified();
    bed.own(true);
    let says = |bed: &mut Bed, party, count, decoding, last| {
        let call = bed.call_id();
        let statement = Statement {
            v: 1,
            call,
            count,
            decoding,
            decoded_ms: 0,
            frames: 0,
            width: 0,
            height: 0,
            first_frame_ms: 0,
            sound_heard: false,
            last,
        };
        bed.step(Event::Statement { party, statement, jws: format!("party-{party}") })
    };
    says(&mut bed, 1, 1, true, false);
    assert_eq!(bed.state.call_kind(), Kind::Live, "one that sees us is enough");
    says(&mut bed, 0, 1, true, false);
    says(&mut bed, 1, 2, false, true);
    assert_eq!(bed.state.call_kind(), Kind::Live);
    let effects = says(&mut bed, 0, 2, false, true);
    assert_eq!(ended(&effects), Some(EndReason::VisitorLeft));
}

#[test]
fn only_a_newer_statement_of_this_call_and_a_known_party_counts() {
    let mut bed = Bed::new();
    bed.live();
    let effects = bed.far_with(|s| s.call = SITE);
    assert_eq!(ledger_refusals(&effects), [Code::StatementStray]);
    let effects = bed.far_with(|s| s.count = 1);
    assert_eq!(ledger_refusals(&effects), [Code::StatementStray], "replayed");
    assert_eq!(bed.state.call_kind(), Kind::Live);
}

#[test]
fn the_view_shows_the_camera_only_when_pictures_can_leave() {
    let camera = |bed: &Bed| bed.state.view().call.is_some_and(|call| call.camera);
    let mut bed = Bed::new();
    bed.granted();
    assert!(!camera(&bed));
    bed.opened();
    assert!(!camera(&bed), "the far side is not verified");
    bed.fact(CallFact::FarVerified { fingerprint: FAR });
    assert!(camera(&bed));
    bed.fact(CallFact::Lets { camera: false, microphone: true });
    assert!(camera(&bed), "a call process that was taken over cannot say that less leaves than the person lets out");
    bed.fact(CallFact::Lets { camera: true, microphone: true });
    bed.press(Stroke::OtherDown);
    bed.let_out(false);
    assert!(camera(&bed), "pressed, not yet so");
    bed.fact(CallFact::Lets { camera: false, microphone: true });
    assert!(!camera(&bed));
    bed.let_out(true);
    bed.fact(CallFact::Lets { camera: true, microphone: true });
    assert!(camera(&bed));
    bed.own(true);
    bed.far(true);
    bed.own(false);
    assert!(!camera(&bed), "held");
    bed.own(true);
    bed.fact(CallFact::Trouble(Trouble::Camera));
    assert!(!camera(&bed), "broken, and the ledger says so");
}

/// How it was broken: a courier that was taken over keeps a live visit's beats back and delivers them one by one, each just before the
/// grace is over; so a revocation that it keeps back too ended the visit only with its slot. What holds: a beat stands for the intervals
/// that the facility let pass before it, not for the time of its coming.
#[test]
fn beats_cannot_be_saved_up() {
    let mut bed = Bed::new();
    bed.live();
    let granted = bed.now;
    // The facility said ten beats, 200 s; then it stopped, because somebody was denied. All ten were kept back and are doled out.
    let mut effects = Vec::new();
    for count in 1..=10 {
        for _ in 0..55 {
            if bed.state.call_kind() == Kind::Live {
                effects.extend(bed.pass(1_000));
                bed.far(true);
            }
        }
        bed.step(Event::Beat(Beat { v: 1, device: DEVICE, grant: GRANT, count }));
    }
    assert_eq!(ended(&effects), Some(EndReason::BeatMissing));
    let lived = bed.now - granted;
    assert!(lived <= 10 * 20_400 + 60_000, "{lived} ms: not longer than the beats that were said, and the grace");
    assert!(lived < 100_000, "{lived} ms: one beat an interval is what it takes");

    // What comes in time, or late but counted by the facility's clock, renews.
    let mut bed = Bed::new();
    bed.live();
    let visit = |bed: &mut Bed, seconds: u64| {
        for _ in 0..seconds {
            bed.pass(1_000);
            bed.far(true);
        }
        bed.state.call_kind()
    };
    visit(&mut bed, 50);
    bed.step(Event::Beat(Beat { v: 1, device: DEVICE, grant: GRANT, count: 2 }));
    assert_eq!(visit(&mut bed, 50), Kind::Live, "two intervals of 20.4 s and the 60 s of patience: until 100.8 s");
    assert_eq!(visit(&mut bed, 1), Kind::Closing);
}
