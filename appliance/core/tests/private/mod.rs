//! Owns: a private visit: what the Ask commits to, when this box shows its half, what both screens show, and that nobody hears, renews or resumes it
//! under another grant.
//! Never: what every class has in common.
//! Called by: grant.rs, whose program it shares.

use crate::bed::*;
use parloir_core::call::Kind;
use parloir_core::*;
use parloir_pass::*;

/// A box whose contact Ana is a lawyer, by every document.
fn lawyers() -> Bed {
    box_of(Class::Lawyer)
}

/// A box whose contact Ana is of this class, by every document.
fn box_of(class: Class) -> Bed {
    let mut bed = Bed::new();
    let mut documents = (authority(), policy(), entitlement());
    documents.0.keys.iter_mut().for_each(|key| key.classes = vec![class]);
    documents.0.revision += 1;
    documents.1.classes[0].class = class;
    documents.1.revision += 1;
    documents.2.contacts[0].class = class;
    documents.2.revision += 1;
    bed.step(Event::Authority(Box::new(documents.0)));
    bed.step(Event::Policy(Box::new(documents.1)));
    bed.step(Event::Entitlement(Box::new(documents.2)));
    bed
}

fn reveals(effects: &[Effect]) -> usize {
    effects.iter().filter(|e| matches!(e, Effect::SendReveal { .. })).count()
}

fn code(bed: &Bed) -> String {
    bed.state.view().call.map(|call| call.code).unwrap_or_default()
}

#[test]
fn the_box_commits_at_first_and_shows_its_half_when_the_grant_is_taken() {
    let mut bed = lawyers();
    let ask = bed.ask();
    assert_eq!((ask.class, ask.commitment), (Class::Lawyer, Some(COMMITMENT)));
    let (grant, ticket) = good_grant(&ask);
    let effects = bed.grant_event(grant, ticket);
    assert_eq!((bed.state.call_kind(), reveals(&effects)), (Kind::Joining, 1));
    assert!(effects.contains(&Effect::SendReveal { call: ask.call }));
}

#[test]
fn in_every_other_class_there_is_nothing_to_show() {
    let mut bed = Bed::new();
    assert_eq!(bed.ask().commitment, None);
    let mut bed = Bed::new();
    assert_eq!(reveals(&bed.granted()), 0);
    bed.opened();
    bed.verified();
    assert_eq!(code(&bed), "");
}

#[test]
fn both_screens_show_six_digits_only_while_the_far_end_is_the_granted_one() {
    let mut bed = lawyers();
    bed.granted();
    bed.opened();
    assert_eq!(code(&bed), "", "nobody was verified yet");
    bed.verified();
    assert_eq!(code(&bed), "007319");
    bed.own(true);
    bed.far(true);
    assert_eq!((bed.state.call_kind(), code(&bed)), (Kind::Live, "007319".to_owned()));
    // The page lost its session: the next one has to show its certificate first.
    bed.fact(CallFact::FarAgain);
    assert_eq!((bed.state.call_kind(), code(&bed)), (Kind::Held, String::new()));
    bed.verified();
    assert_eq!(code(&bed), "007319", "the same ends, the same code");
    bed.end();
    assert_eq!(code(&bed), "");
}

/// What a grant of a private class may not say, or must; and what the person's screen is told.
#[test]
fn a_grant_that_lets_anybody_hear_is_refused_with_a_code_of_its_own() {
    type Change = fn(&mut Grant);
    let changes: [(&str, Change); 5] = [
        ("recorded", |g| g.recorded_by = "the prison".to_owned()),
        ("watched", |g| g.watched_by = "the prison".to_owned()),
        ("another route", |g| g.route = Route::Engine),
        ("without the page's half", |g| g.parties[0].code_nonce = None),
        ("a second party", |g| {
            let other = Party { certificate: OWN, statement_key: OWN, ..g.parties[0].clone() };
            g.parties.push(other);
        }),
    ];
    for (what, change) in changes {
        let mut bed = lawyers();
        let ask = bed.ask();
        let (mut grant, ticket) = good_grant(&ask);
        change(&mut grant);
        let effects = bed.grant_event(grant, ticket);
        assert_eq!(bed.state.verdict(), Some(Code::GrantPrivate), "{what}");
        assert_eq!((opens(&effects), reveals(&effects), closes(&effects)), (0, 0, 1), "{what}");
        bed.shut();
        assert_eq!(bed.outcome().code, "GrantPrivate", "{what}");
    }
}

/// The arbiter could make no code, whatever the reason: no visit is called private that cannot be shown to be.
#[test]
fn no_code_no_visit() {
    let mut bed = lawyers();
    let ask = bed.ask();
    let (grant, ticket) = good_grant(&ask);
    let effects = bed.step(Event::Grant { grant: Box::new(grant), key: GRANT_KEY, ticket, code: None });
    assert_eq!((bed.state.verdict(), opens(&effects)), (Some(Code::GrantPrivate), 0));
}

#[test]
fn it_runs_to_its_end_without_a_beat() {
    let mut bed = lawyers();
    bed.live();
    // Longer than interval and grace of the policy's rule.
    for _ in 0..150 {
        bed.pass(1000);
        bed.far(true);
    }
    assert_eq!(bed.state.call_kind(), Kind::Live);
    assert!(bed.state.view().call.is_some_and(|call| !call.renewal_late));
    let mut effects = Vec::new();
    while bed.state.call_kind() == Kind::Live {
        effects = bed.pass(1000);
        bed.far(true);
    }
    let ended = |e: &Effect| matches!(e, Effect::Ledger(effect::Entry::Ended { reason: EndReason::SlotOver, .. }));
    assert!(effects.iter().any(ended), "{effects:?}");
}

#[test]
fn a_revocation_still_ends_it() {
    let mut bed = lawyers();
    bed.live();
    let deny = Deny { v: 1, site: SITE, target: DenyTarget::Contact(ANA), words: String::new(), code: "Revoked".to_owned() };
    assert_eq!(closes(&bed.step(Event::Deny(Box::new(deny)))), 1);
}

/// How it could be broken: the box has shown its half, so whoever stands between could choose a page's half for which the next code is the
/// one that he wants. There is no next code.
#[test]
fn no_second_page_comes_into_a_private_visit() {
    let mut bed = lawyers();
    bed.live();
    let effects = bed.step(Event::AskAgain { call: bed.call_id(), fresh: Id([9; 16]) });
    assert!(!effects.iter().any(|e| matches!(e, Effect::SendAsk(_))));
    assert_eq!(bed.state.verdict(), Some(Code::AgainStray));
    assert_eq!(bed.state.call_kind(), Kind::Live);
}

#[test]
fn every_private_class_is_as_a_lawyers_and_no_other_has_a_code() {
    for class in Class::ALL.into_iter().filter(|class| class.is_supported() && *class != Class::Family) {
        let mut bed = box_of(class);
        bed.live();
        assert_eq!(code(&bed), if class.is_private() { "007319" } else { "" }, "{class}");
        // Longer than interval and grace of the policy's rule, without a beat.
        for _ in 0..150 {
            bed.pass(1000);
            bed.far(true);
        }
        assert_eq!(bed.state.call_kind() == Kind::Live, class.is_private(), "{class}");
    }
}

/// The doors are open, and what is behind them stays in the call process: it is told so with its plan, before anybody can be connected.
#[test]
fn in_a_lesson_nobody_sees_the_cell_before_the_person_turns_the_camera_on() {
    let mut bed = box_of(Class::Lesson);
    bed.granted();
    let call = bed.call_id();
    let off = Effect::SendToCall { call, message: ToCall::Let { camera: false, microphone: true } };
    let effects = bed.opened();
    let at = |wanted: &dyn Fn(&Effect) -> bool| effects.iter().position(wanted).unwrap();
    let plan = at(&|e| matches!(e, Effect::SendToCall { message: ToCall::Plan { .. }, .. }));
    assert!(plan < at(&|e| *e == off) && at(&|e| *e == off) < at(&|e| matches!(e, Effect::OpenRoute { .. })));
    bed.fact(CallFact::Lets { camera: false, microphone: true });
    bed.verified();
    bed.own(true);
    bed.far(true);
    let seen = |bed: &Bed| bed.state.view().call.map(|call| (call.camera, call.microphone));
    assert_eq!((bed.state.call_kind(), seen(&bed)), (Kind::Live, Some((false, true))));
    let on = |bed: &mut Bed, serial| {
        let request = bed.request();
        bed.step(Event::Let { request, caller: screen(), camera: true, microphone: true, serial })
    };
    assert_eq!(refused(&on(&mut bed, 0)), Some(Code::NoFreshKey), "the screen alone shows nobody");
    bed.press(Stroke::OtherDown);
    let serial = bed.serial;
    assert_eq!(refused(&on(&mut bed, serial)), None);
    assert_eq!(seen(&bed), Some((true, true)));
}
