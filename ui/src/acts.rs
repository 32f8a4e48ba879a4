//! Owns: what can be chosen on the screens with choices, the likeliest first: the choice that gets the focus.
//! Never: does it (keys, screen), says it (slint/words/steps.slint).
//! Called by: present.

use crate::codes::{After, Offer};
use crate::shown::Act;

/// Of somebody who calls.
#[must_use]
pub fn ringing(sound_only: bool) -> Vec<Act> {
    if sound_only { vec![Act::AnswerVoice, Act::Decline] } else { vec![Act::Answer, Act::AnswerVoice, Act::Decline] }
}

/// Of somebody who calls, before anybody has said who they are.
#[must_use]
pub fn ringing_for_somebody() -> Vec<Act> {
    vec![Act::SignIn, Act::Decline]
}

/// After a refusal. `possible`: the arbiter would ask for a call with this person now; `video`: with a picture too.
#[must_use]
pub fn refused(offer: Offer, possible: bool, video: bool) -> Vec<Act> {
    let mut acts = match (possible, offer) {
        (false, _) | (true, Offer::Back) => vec![],
        (true, Offer::Again) => vec![Act::Again],
        (true, Offer::Voice) => vec![Act::Voice],
        (true, Offer::AgainOrVoice) if video => vec![Act::Again, Act::Voice],
        (true, Offer::AgainOrVoice) => vec![Act::Again],
        (true, Offer::CallBack) => vec![Act::CallBack],
    };
    acts.push(Act::Back);
    acts
}

/// After a visit.
#[must_use]
pub fn ended(after: After, possible: bool) -> Vec<Act> {
    match (possible, after) {
        (false, _) | (true, After::Done) => vec![Act::Done],
        (true, After::DoneOrAgain) => vec![Act::Done, Act::CallAgain],
        (true, After::AgainOrDone) => vec![Act::CallAgain, Act::Done],
    }
}

/// Whether a choice leads to a call.
#[must_use]
pub const fn calls(act: Act) -> bool {
    match act {
        Act::Again | Act::CallAgain | Act::CallBack | Act::Voice => true,
        Act::Back | Act::Done | Act::Answer | Act::AnswerVoice | Act::Decline | Act::SignIn => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{calls, ended, refused, ringing};
    use crate::codes::{After, Offer};
    use crate::shown::Act;

    const OFFERS: [Offer; 5] = [Offer::Back, Offer::Again, Offer::Voice, Offer::AgainOrVoice, Offer::CallBack];

    #[test]
    fn a_ring_asks_one_question_and_can_always_be_declined() {
        assert_eq!(ringing(false), [Act::Answer, Act::AnswerVoice, Act::Decline]);
        assert_eq!(ringing(true), [Act::AnswerVoice, Act::Decline], "who calls without a picture is not offered one");
    }

    #[test]
    fn nothing_is_offered_that_the_arbiter_would_refuse_and_back_is_always_there() {
        for offer in OFFERS {
            assert_eq!(refused(offer, false, true), [Act::Back], "{offer:?}");
            assert_eq!(refused(offer, true, true).last(), Some(&Act::Back), "{offer:?}");
        }
        for after in [After::Done, After::DoneOrAgain, After::AgainOrDone] {
            assert_eq!(ended(after, false), [Act::Done], "{after:?}");
            assert!(ended(after, true).contains(&Act::Done), "{after:?}");
        }
    }

    #[test]
    fn each_offer_leads_where_its_sentence_says() {
        assert_eq!(refused(Offer::CallBack, true, true), [Act::CallBack, Act::Back]);
        assert_eq!(refused(Offer::AgainOrVoice, true, true), [Act::Again, Act::Voice, Act::Back]);
        assert_eq!(refused(Offer::AgainOrVoice, true, false), [Act::Again, Act::Back], "already without a picture");
        assert_eq!(ended(After::AgainOrDone, true), [Act::CallAgain, Act::Done]);
        assert!(refused(Offer::Back, true, true).iter().all(|a| !calls(*a)));
    }
}
