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
