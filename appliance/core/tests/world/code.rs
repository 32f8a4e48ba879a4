//! Owns: a slow, obvious twin of the session: it writes down each press of a code and who may be named, and counts anew each time.
//! Never: shares code with the machine; it sees events, effects and the view.
//! Called by: watch.rs, after each step.

use crate::bed::*;
use parloir_core::effect::Entry;
use parloir_core::view::{Phase, View};
use parloir_core::*;
use parloir_pass::Id;

/// What the twin saw of the code of now.
#[derive(Clone, Debug, Default)]
pub struct Code {
    /// Of the code that is entered or was sent last.
    pub nonce: Id,
    tag: u8,
    /// Since it began: each press, and when.
    presses: Vec<Stroke>,
    /// Who may be named: who was signed in, and not out.
    person: Option<Id>,
}

impl Code {
    pub fn whose(&self) -> Id {
        if self.tag == 2 { OTHER } else { PERSON }
    }

    pub fn follow(&mut self, _now: u64, event: &Event, effects: &[Effect], view: &View) {
        if let Event::SignIn { tag, nonce, .. } = event
            && view.phase == Phase::Code
            && effects.iter().any(|e| matches!(e, Effect::Reply { answer: Ok(_), .. }))
        {
            (self.nonce, self.tag) = (*nonce, *tag);
            self.presses.clear();
        }
        if let Event::Gate(GateFact::Key(press)) = event {
            self.presses.push(press.stroke);
        }
        for effect in effects {
            match effect {
                Effect::SendSignIn { nonce, tag, code } => {
                    assert_eq!((*nonce, *tag), (self.nonce, self.tag), "another code than the one that was begun");
                    assert_eq!(code.0.to_vec(), self.entered(), "other digits than were pressed");
                }
                Effect::Ledger(Entry::SignedIn { person }) => {
                    let Event::Entitlement(document) = event else { panic!("signed in by {event:?}") };
                    let answers = (document.answers, document.person) == (Some(self.nonce), *person);
                    assert!(answers && *person == self.whose(), "signed in by what answers nothing");
                    self.person = Some(*person);
                }
                Effect::Ledger(Entry::SignedOut { person, .. }) => {
                    assert_eq!(self.person.take(), Some(*person), "signed out who was not in");
                }
                _ => {}
            }
        }
        let shared = view.sign_in.is_some();
        let named = if self.person == Some(PERSON) { "M." } else { "K." };
        assert!(!shared || view.person.is_empty() == self.person.is_none(), "named without a code, or not with one");
        assert!(!shared || view.person.is_empty() || view.person == named, "another is named than who signed in");
    }

    /// The digits that the presses mean: all of them once more, from the first.
    fn entered(&self) -> Vec<u8> {
        let (mut digits, mut taken, mut turned) = (Vec::new(), 0, 0);
        for stroke in &self.presses {
            match stroke {
                Stroke::Step(by) => turned += usize::from(by.0),
                Stroke::BackDown => {
                    digits.pop();
                    turned = 0;
                }
                Stroke::Digit(digit) => digits.push(digit.0),
                Stroke::OkDown => digits.push(((usize::from(DIAL[taken % 16] % 10) + turned) % 10) as u8),
                Stroke::OtherDown | Stroke::NotDown | Stroke::DigitUp => {}
            }
            if matches!(stroke, Stroke::Digit(_) | Stroke::OkDown) {
                (taken, turned) = (taken + 1, 0);
            }
        }
        digits
    }
}
