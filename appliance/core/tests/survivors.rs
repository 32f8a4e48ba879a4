//! Owns: cases that no test had, shown by a changed line of the core that no test noticed (`scripts/mutants`, docs/mutants.md).
//! Never: tests a line; each says what a person or a facility would have seen.
//! Called by: cargo test.

mod bed;

use bed::*;
use parloir_core::*;
use parloir_pass::*;

#[test]
fn the_screen_is_told_when_a_contact_can_be_called() {
    let mut bed = Bed::new();
    let hours = |bed: &Bed| {
        let contact = bed.state.view().contacts[0].clone();
        (contact.window_from, contact.window_to)
    };
    assert_eq!(hours(&bed), (NOON - 3600, NOON + 7200));
    let mut later = entitlement();
    later.contacts[0].windows = vec![Window { from: NOON + 900, to: NOON + 1800 }];
    bed.step(Event::Entitlement(Box::new(later)));
    assert_eq!(hours(&bed), (NOON + 900, NOON + 1800), "the next one, while none is open");
    assert_eq!(hours(&Bed::untimed()), (0, 0), "unknown as long as nobody has told the time");
}

#[test]
fn a_grant_for_more_media_than_were_asked_for_is_told_apart() {
    let mut bed = Bed::new();
    bed.press(Stroke::OkDown);
    bed.place_with(screen(), ANA, false, bed.serial);
    let ask = bed.prepare();
    let (mut grant, mut ticket) = good_grant(&ask);
    (grant.media, ticket.camera) = (Media::Video, true);
    assert_eq!(opens(&bed.grant_event(grant, ticket)), 0);
    assert_eq!(bed.state.verdict(), Some(Code::GrantMedia));
}

#[test]
fn a_time_request_that_nobody_answers_is_made_again() {
    let mut bed = Bed::untimed();
    let due = bed.state.deadline().expect("a deadline, with the broker there");
    assert_eq!(due, bed.now + 10_000);
    bed.now = due;
    let effects = bed.step(Event::Tick { fresh: Id([0x73; 16]) });
    assert!(effects.iter().any(|e| matches!(e, Effect::SendTimeRequest { nonce } if *nonce == Id([0x73; 16]))), "{effects:?}");
}

#[test]
fn a_class_for_which_nobody_may_sign_is_refused_before_anything_is_asked() {
    let mut bed = Bed::new();
    let mut keys = authority();
    keys.keys.retain(|key| key.role != Role::Grant || key.classes != [Class::Family]);
    bed.step(Event::Authority(Box::new(keys)));
    assert_eq!(refused(&bed.place()), Some(Code::ClassNotAllowed));
}

#[test]
fn a_class_without_pictures_is_called_by_sound_alone() {
    let mut bed = Bed::new();
    let mut rules = policy();
    rules.classes[0].video = false;
    bed.step(Event::Policy(Box::new(rules)));
    assert_eq!(refused(&bed.place()), Some(Code::MediaNotAllowed));
    bed.press(Stroke::OkDown);
    assert_eq!(refused(&bed.place_with(screen(), ANA, false, bed.serial)), None);
}

#[test]
fn the_courier_gets_the_signalling_of_this_call_and_of_no_other() {
    let mut bed = Bed::new();
    bed.joining();
    for (call, code) in [(Id([0xee; 16]), Some(Code::NoCall)), (bed.call_id(), None)] {
        let request = bed.request();
        assert_eq!(refused(&bed.step(Event::Signalling { request, call })), code);
    }
}

#[test]
fn after_the_visitors_last_word_there_is_no_other() {
    let mut bed = Bed::new();
    bed.live();
    bed.end();
    bed.far_with(|s| s.last = true);
    assert_eq!(ledger_refusals(&bed.far_with(|s| s.last = true)), [Code::StatementStray]);
}

#[test]
fn the_first_picture_is_never_older_than_the_admission() {
    let mut bed = Bed::new();
    let ask = bed.ask();
    bed.pass(2_000);
    let (grant, ticket) = good_grant(&ask);
    bed.grant_event(grant, ticket);
    bed.opened();
    bed.verified();
    bed.fact(CallFact::FirstPicture { at_ms: 0 });
    bed.end();
    let effects = bed.shut();
    let made = receipt(&effects).expect("a receipt");
    assert_eq!((made.admitted_ms, made.first_decoded_here_ms), (Some(2_000), Some(2_000)));
}

#[test]
fn a_slot_is_never_counted_beyond_its_end() {
    let mut bed = Bed::new();
    bed.live();
    bed.good_visit(598_000);
    bed.far(false);
    bed.pass(4_000);
    // It says that it has decoded for all of this time: by its own word the slot was over two seconds ago.
    bed.far_with(|s| (s.decoding, s.decoded_ms) = (true, 602_000));
    bed.pass(1_000);
    bed.far_with(|s| s.last = true);
    let effects = bed.shut();
    assert_eq!(receipt(&effects).map(|r| r.seconds_counted), Some(600));
}

#[test]
fn a_ring_of_another_class_than_the_contacts_does_not_ring() {
    let mut bed = Bed::new();
    let mut rules = policy();
    rules.classes.push(ClassRule { class: Class::Lawyer, ..rules.classes[0].clone() });
    bed.step(Event::Policy(Box::new(rules)));
    let ring = |class| {
        let (site, device, ring, person) = (SITE, DEVICE, Id([0x81; 16]), PERSON);
        Event::Ring(Ring { v: 1, site, device, ring, person, contact: ANA, class, media: Media::Video, at: NOON })
    };
    assert_eq!(ledger_refusals(&bed.step(ring(Class::Lawyer))), [Code::ClassNotAllowed]);
}

#[test]
fn a_contact_whose_class_changes_while_it_rings_is_not_answered_under_the_old_one() {
    let mut bed = Bed::new();
    let mut rules = policy();
    rules.classes.push(ClassRule { class: Class::Lawyer, ..rules.classes[0].clone() });
    bed.step(Event::Policy(Box::new(rules)));
    let (site, device, ring, person, class) = (SITE, DEVICE, Id([0x81; 16]), PERSON, Class::Family);
    bed.step(Event::Ring(Ring { v: 1, site, device, ring, person, contact: ANA, class, media: Media::Video, at: NOON }));
    bed.pass(1_000);
    let mut changed = Entitlement { revision: 8, ..entitlement() };
    changed.contacts[0].class = Class::Lawyer;
    bed.step(Event::Entitlement(Box::new(changed)));
    bed.press(Stroke::OkDown);
    bed.calls += 1;
    let fresh = Fresh { call: bed.call_id(), nonce: Id([0x41; 16]), receipt: Id([0x81; 16]) };
    let (request, serial) = (bed.request(), bed.serial);
    let effects = bed.step(Event::Answer { request, caller: screen(), ring, video: true, serial, fresh });
    assert_eq!(refused(&effects), Some(Code::NoContact));
}

#[test]
fn a_box_that_stops_or_whose_doors_are_not_shut_is_not_changed() {
    let free = Entitlement { bookings: Vec::new(), ..entitlement() };
    let begin = |bed: &mut Bed| {
        let request = bed.request();
        let version = "1.2.3".to_owned();
        refused(&bed.step(Event::Begin { request, caller: updater(), stage: Stage::Install, version }))
    };
    let mut bed = Bed::new();
    bed.step(Event::Entitlement(Box::new(free.clone())));
    bed.live();
    bed.end();
    bed.pass(4_000);
    assert_eq!(bed.state.call_kind(), call::Kind::Idle, "the receipt is made without gate's word");
    assert_eq!(begin(&mut bed), Some(Code::DoorsNotShut));
    let mut bed = Bed::new();
    bed.step(Event::Entitlement(Box::new(free)));
    bed.step(Event::Stopping);
    assert_eq!(begin(&mut bed), Some(Code::Stopping));
}
