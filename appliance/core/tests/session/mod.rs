//! Owns: who is known at a shared TV: code, facility's answer, end of the session; and that nobody else learns anything meanwhile.
//! Never: a real code; digits are keys here.
//! Called by: consent.rs.

use crate::bed::*;
use parloir_core::call::Kind;
use parloir_core::effect::Entry;
use parloir_core::session::Kind as Session;
use parloir_core::view::{Phase, View};
use parloir_core::*;
use parloir_pass::*;

fn sent(effects: &[Effect]) -> Option<[u8; 6]> {
    effects.iter().find_map(|e| match e {
        Effect::SendSignIn { code, .. } => Some(code.0),
        _ => None,
    })
}

fn routed(effects: &[Effect]) -> bool {
    effects.iter().any(|e| matches!(e, Effect::RouteKey { .. }))
}

/// Whatever a screen, or who took it over, could read.
fn names_nobody(view: &View) {
    let text = format!("{view:?}");
    for secret in ["M.", "K.", "Ana", "Ben", "Carl"] {
        assert!(!text.contains(&format!("\"{secret}\"")), "{secret} in {text}");
    }
    assert!(view.contacts.is_empty() && view.next_visit.is_none() && view.person.is_empty());
}

fn place(bed: &mut Bed, contact: Id) -> Option<Code> {
    bed.press(Stroke::OkDown);
    refused(&bed.place_with(screen(), contact, true, bed.serial))
}

#[test]
fn a_policy_that_asks_for_codes_forgets_who_was_there() {
    let mut bed = Bed::new();
    assert_eq!(bed.state.view().person, "M.");
    let effects = bed.step(Event::Entitlement(Box::new(answer_to(SITE, OTHER))));
    assert_eq!(ledger_refusals(&effects), [Code::EntitlementStray], "nobody was asked for a code");
    bed.step(Event::Policy(Box::new(shared_policy())));
    names_nobody(&bed.state.view());
    assert_eq!(bed.state.view().phase, Phase::Starting, "nobody is known to live here");
    bed.step(Event::Agenda(Box::new(agenda())));
    assert_eq!(bed.state.view().phase, Phase::SignIn);
    // What the broker retained from before answers nothing.
    let effects = bed.step(Event::Entitlement(Box::new(entitlement())));
    assert_eq!(ledger_refusals(&effects), [Code::EntitlementStray]);
    assert_eq!(place(&mut bed, ANA), Some(Code::SignInFirst));
    names_nobody(&bed.state.view());
}

#[test]
fn a_code_by_digit_keys_goes_to_the_facility_and_to_nobody_else() {
    let mut bed = Bed::shared();
    bed.begin_code(1);
    assert_eq!(bed.state.view().phase, Phase::Code);
    let first = bed.type_code("31415");
    assert!(!routed(&first) && sent(&first).is_none());
    assert_eq!(bed.state.view().sign_in.unwrap().dots, 5);
    let last = bed.type_code("9");
    assert_eq!(sent(&last), Some([3, 1, 4, 1, 5, 9]));
    assert_eq!((bed.state.view().phase, routed(&last)), (Phase::Checking, false));
    // Not in a log, and not in a journal.
    assert!(!format!("{last:?}").contains("3, 1, 4"));
    assert!(!format!("{:?}", bed.state).contains("3, 1, 4"));
    names_nobody(&bed.state.view());
    let nonce = bed.sign_in_nonce();
    let effects = bed.step(Event::Entitlement(Box::new(answer_to(nonce, PERSON))));
    assert!(effects.contains(&Effect::Ledger(Entry::SignedIn { person: PERSON })));
    let view = bed.state.view();
    assert_eq!((view.phase, view.person.as_str(), view.contacts.len()), (Phase::Home, "M.", 2));
}

#[test]
fn by_arrows_a_digit_is_told_by_where_the_dial_began_and_how_often_was_pressed() {
    let mut bed = Bed::shared();
    bed.begin_code(1);
    let (mut code, mut effects) = (Vec::new(), Vec::new());
    for steps in [0_u8, 3, 9, 1, 5, 0] {
        let shown = bed.state.view();
        let start = shown.sign_in.as_ref().unwrap().start;
        let forward = steps < 6;
        for _ in 0..if forward { steps } else { 10 - steps } {
            effects.extend(bed.press(Stroke::Step(Hidden(if forward { 1 } else { 9 }))));
            assert_eq!(bed.state.view(), shown, "the screen shows no step");
        }
        code.push((start + steps) % 10);
        effects.extend(bed.press(Stroke::OkDown));
    }
    assert!(!routed(&effects));
    assert_eq!(sent(&effects).unwrap().to_vec(), code);
}

#[test]
fn back_takes_a_digit_back_and_then_leaves() {
    let mut bed = Bed::shared();
    bed.begin_code(1);
    bed.type_code("99");
    let start = bed.state.view().sign_in.unwrap().start;
    bed.press(Stroke::BackDown);
    let shown = bed.state.view().sign_in.unwrap();
    assert_eq!((shown.dots, shown.start), (1, start), "a dial that was shown is shown again, and no digit was dialled with it");
    bed.press(Stroke::BackDown);
    bed.press(Stroke::BackDown);
    assert_eq!(bed.state.view().phase, Phase::SignIn);
    // A digit that nobody asked for goes nowhere.
    assert!(!routed(&bed.type_code("5")) && routed(&bed.press(Stroke::OtherDown)));
    assert!(!routed(&bed.press(Stroke::DigitUp)) && routed(&bed.press(Stroke::Step(Hidden(1)))));
}

#[test]
fn only_the_screen_with_a_fresh_ok_and_a_tag_of_the_cell_begins() {
    let mut bed = Bed::shared();
    let begin = |bed: &mut Bed, caller: Owner, tag, serial| {
        let request = bed.request();
        refused(&bed.step(Event::SignIn { request, caller, tag, serial, nonce: SITE, dial: Hidden(DIAL) }))
    };
    bed.press(Stroke::OkDown);
    let serial = bed.serial;
    assert_eq!(begin(&mut bed, other(), 1, serial), Some(Code::NotScreen));
    assert_eq!(begin(&mut bed, screen(), 1, serial + 1), Some(Code::NoFreshKey));
    assert_eq!(begin(&mut bed, screen(), 3, serial), Some(Code::NoSignIn), "nobody has the tag");
    assert_eq!(begin(&mut bed, screen(), 1, serial), Some(Code::NoFreshKey), "used up");
    assert_eq!(refused(&bed.begin_code(1)), None);
    let free = &mut Bed::new();
    assert_eq!(refused(&free.begin_code(1)), Some(Code::NoSignIn), "the site asks for none");
    let request = bed.request();
    assert_eq!(refused(&bed.step(Event::SignOut { request, caller: other() })), Some(Code::NotScreen));
    bed.signed_in_from_entry();
    assert_eq!(refused(&bed.begin_code(2)), Some(Code::NoSignIn), "somebody is signed in");
}

impl Bed {
    fn signed_in_from_entry(&mut self) {
        let nonce = self.sign_in_nonce();
        self.type_code("314159");
        self.step(Event::Entitlement(Box::new(answer_to(nonce, PERSON))));
        assert_eq!(self.state.session_kind(), Session::Open);
    }
}

#[test]
fn another_persons_entitlement_or_another_codes_opens_nothing() {
    let mut bed = Bed::shared();
    bed.begin_code(1);
    let nonce = bed.sign_in_nonce();
    let stray = |bed: &mut Bed, answer: Entitlement| {
        let effects = bed.step(Event::Entitlement(Box::new(answer)));
        assert_eq!(ledger_refusals(&effects), [Code::EntitlementStray]);
        names_nobody(&bed.state.view());
    };
    stray(&mut bed, answer_to(nonce, PERSON));
    bed.type_code("314159");
    stray(&mut bed, answer_to(nonce, OTHER));
    stray(&mut bed, answer_to(SITE, PERSON));
    stray(&mut bed, entitlement());
    bed.step(Event::Entitlement(Box::new(answer_to(nonce, PERSON))));
    assert_eq!(bed.state.session_kind(), Session::Open);
    // The session's own may come anew, nobody else's.
    let anew = Entitlement { revision: 8, contacts: vec![contact(ANA, "Ana")], ..answer_to(nonce, PERSON) };
    bed.step(Event::Entitlement(Box::new(anew)));
    assert_eq!(bed.state.view().contacts.len(), 1);
    let effects = bed.step(Event::Entitlement(Box::new(Entitlement { revision: 9, ..answer_to(nonce, OTHER) })));
    assert_eq!(ledger_refusals(&effects), [Code::EntitlementStray]);
    assert_eq!(bed.state.view().person, "M.");
}

#[test]
fn the_facility_says_no_and_for_how_long() {
    let mut bed = Bed::shared();
    bed.begin_code(1);
    bed.type_code("000000");
    let nonce = bed.sign_in_nonce();
    let effects = bed.step(no_to(nonce, 30, "WrongCode"));
    assert_eq!((ledger_refusals(&effects), bed.state.verdict()), (vec![Code::WrongCode], None));
    let view = bed.state.view();
    let shown = view.sign_in.unwrap();
    assert_eq!((view.phase, shown.told), (Phase::SignIn, "WrongCode"));
    assert_eq!(shown.people[0].locked_until, bed.now + 30_000);
    assert_eq!(refused(&bed.begin_code(1)), Some(Code::SignInLocked));
    assert_eq!(refused(&bed.begin_code(2)), None, "the other person of the cell does not wait for it");
    bed.press(Stroke::BackDown);
    bed.pass(30_000);
    assert_eq!(refused(&bed.begin_code(1)), None);
    // An old no changes nothing.
    bed.step(no_to(nonce, 600, "WrongCode"));
    assert_eq!(bed.state.view().phase, Phase::Code);
    bed.type_code("000000");
    bed.step(no_to(bed.sign_in_nonce(), 0, "Whatever"));
    assert_eq!(bed.state.view().sign_in.unwrap().told, "FacilityRefused");
}

#[test]
fn a_code_without_an_answer_or_left_alone_is_over() {
    let mut bed = Bed::shared();
    bed.begin_code(1);
    bed.type_code("31");
    bed.pass(59_000);
    assert_eq!(bed.state.view().phase, Phase::Code);
    bed.pass(1000);
    assert_eq!(bed.state.view().phase, Phase::SignIn);
    bed.begin_code(1);
    bed.type_code("314159");
    let nonce = bed.sign_in_nonce();
    let effects = bed.pass(20_000);
    assert!(effects.contains(&Effect::ForgetSignIn));
    assert_eq!(bed.state.view().sign_in.unwrap().told, "NoAnswer");
    let late = bed.step(Event::Entitlement(Box::new(answer_to(nonce, PERSON))));
    assert_eq!(ledger_refusals(&late), [Code::EntitlementStray]);
    bed.begin_code(1);
    bed.step(Event::OwnerGone { owner: screen() });
    assert_eq!(bed.state.session_kind(), Session::Closed);
}

#[test]
fn a_session_ends_by_key_when_idle_and_when_the_facility_ends_it() {
    type End = fn(&mut Bed) -> Vec<Effect>;
    let ends: [(End, &str); 4] = [
        (
            |bed| {
                let request = bed.request();
                bed.step(Event::SignOut { request, caller: screen() })
            },
            "Left",
        ),
        (|bed| bed.pass(300_000), "TimeUp"),
        (|bed| bed.step(no_to(bed.sign_in_nonce(), 0, "Revoked")), "Denied"),
        (|bed| bed.step(Event::Policy(Box::new(SitePolicy { revision: 7, ..policy() }))), "PolicyFree"),
    ];
    for (end, why) in ends {
        let mut bed = Bed::shared();
        bed.signed_in(1, PERSON);
        bed.pass(299_000);
        bed.press(Stroke::OtherDown);
        bed.pass(299_000);
        assert_eq!(bed.state.view().person, "M.", "a key says that somebody is there");
        bed.press(Stroke::NotDown);
        let effects = end(&mut bed);
        assert!(effects.contains(&Effect::Ledger(Entry::SignedOut { person: PERSON, why })), "{why}: {effects:?}");
        names_nobody(&bed.state.view());
        bed.signed_in_if_asked(why);
    }
}

impl Bed {
    /// Who comes next sees their own, and nothing of who was there.
    fn signed_in_if_asked(&mut self, why: &str) {
        if why == "PolicyFree" {
            return;
        }
        self.signed_in(2, OTHER);
        let view = self.state.view();
        assert_eq!((view.person.as_str(), view.contacts[0].name.as_str(), view.contacts.len()), ("K.", "Carl", 1));
        assert!(view.outcome.is_none());
        assert_eq!(place(self, ANA), Some(Code::NoContact));
    }
}

#[test]
fn who_is_in_a_visit_stays_signed_in_and_who_is_signed_out_ends_it() {
    let mut bed = Bed::shared();
    bed.signed_in(1, PERSON);
    bed.live();
    bed.good_visit(400_000);
    assert_eq!((bed.state.call_kind(), bed.state.session_kind()), (Kind::Live, Session::Open));
    let effects = bed.step(no_to(Id([0x21; 16]), 0, "Revoked"));
    assert_eq!(closes(&effects), 1, "every door is shut with it");
    names_nobody(&bed.state.view());
    bed.shut();
    bed.pass(3000);
    let outcome = bed.outcome();
    assert_eq!((outcome.code, outcome.name.as_str(), outcome.receipt), ("Revoked", "", None));
    names_nobody(&bed.state.view());
    bed.signed_in(2, OTHER);
    assert!(bed.state.view().outcome.is_none(), "nothing of the other person's visit");
}

fn ring(person: Id, contact: Id) -> Event {
    let (class, media) = (Class::Family, Media::Video);
    let (v, site, device) = (1, SITE, DEVICE);
    Event::Ring(Ring { v, site, device, ring: Id([0x81; 16]), person, contact, class, media, at: NOON })
}

fn answer(bed: &mut Bed) -> Option<Code> {
    bed.press(Stroke::OkDown);
    let (request, serial) = (bed.request(), bed.serial);
    let fresh = Fresh { call: Id([1; 16]), nonce: Id([2; 16]), receipt: Id([3; 16]) };
    let event = Event::Answer { request, caller: screen(), ring: Id([0x81; 16]), video: true, serial, fresh };
    refused(&bed.step(event))
}

#[test]
fn a_ring_names_nobody_before_its_person_has_signed_in() {
    let mut bed = Bed::shared();
    bed.step(ring(PERSON, ANA));
    let view = bed.state.view();
    let call = view.call.clone().unwrap();
    assert_eq!((view.phase, call.name.as_str(), call.contact, call.class.as_str()), (Phase::Ringing, "", Id([0; 16]), ""));
    assert_eq!(view.sign_in.as_ref().unwrap().rings_for, 1, "whom it is for, by their sign");
    names_nobody(&view);
    bed.pass(1000);
    assert_eq!(answer(&mut bed), Some(Code::SignInFirst));
    assert_eq!(bed.state.call_kind(), Kind::Ringing, "it goes on");
    bed.signed_in(1, PERSON);
    let view = bed.state.view();
    assert_eq!((view.phase, view.call.unwrap().name.as_str()), (Phase::Ringing, "Ana"));
    assert_eq!(answer(&mut bed), Some(Code::NoFreshKey), "what was pressed for the code answers nothing");
    bed.pass(800);
    assert_eq!(answer(&mut bed), None);
    assert_eq!(bed.state.call_kind(), Kind::Asking);
}

#[test]
fn a_ring_for_another_or_for_nobody_of_the_cell() {
    let mut bed = Bed::shared();
    assert_eq!(ledger_refusals(&bed.step(ring(STRANGER, ANA))), [Code::NoContact]);
    bed.signed_in(2, OTHER);
    let mut two = Bed::shared();
    two.step(ring(PERSON, ANA));
    two.signed_in(2, OTHER);
    assert_eq!(two.state.call_kind(), Kind::Idle, "it rings no more for who is not there");
    assert_eq!((two.state.view().phase, two.state.view().outcome), (Phase::Home, None), "and is no matter of theirs");
}

#[test]
fn a_missed_ring_tells_who_comes_next_nothing() {
    let mut bed = Bed::shared();
    bed.step(ring(PERSON, ANA));
    bed.pass(45_000);
    assert_eq!((bed.outcome().code, bed.outcome().name.as_str(), bed.outcome().contact), ("RingMissed", "", Id([0; 16])));
    bed.signed_in(1, PERSON);
    assert!(bed.state.view().outcome.is_none());
}

#[test]
fn the_updater_waits_for_a_visit_of_the_cell_that_nobody_is_signed_in_for() {
    let mut bed = Bed::shared();
    assert_eq!(bed.state.may_maintain(), Ok(()));
    let bookings = vec![Slot { tag: 2, from: NOON + 900, to: NOON + 1800 }];
    bed.step(Event::Agenda(Box::new(Agenda { bookings, revision: 3, ..agenda() })));
    assert_eq!(bed.state.may_maintain(), Err(Code::Booked));
}
