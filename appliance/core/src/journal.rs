//! Owns: what a journal needs of the core: a state that can be written down and taken up again, and effects as a text to compare.
//! Never: a format (arbiter writes JSON, parloirctl reads it); the view, which follows from the rest.
//! Called by: arbiter (keeps a journal), parloirctl (replays one).

use crate::effect::Effect;
use crate::state::State;
use parloir_pass::Receipt;

impl State {
    /// A state that was read from a journal, with what was not written down.
    #[must_use]
    pub fn restored(mut self) -> Self {
        // Before its first step a state shows nothing; that step says that the view is another one.
        if self.at > 0 {
            self.shown = self.project();
        }
        self
    }
}

/// The effects of one step as a text: two steps that did the same have the same one. Ids stand in it by their first digits; a visitor's
/// statement by its being there, so that a journal need not hold it.
#[must_use]
pub fn told(effects: &[Effect]) -> String {
    effects.iter().map(|effect| format!("{:?};", without_statements(effect))).collect()
}

fn without_statements(effect: &Effect) -> Effect {
    let strip = |receipt: &Receipt| {
        let mut receipt = receipt.clone();
        receipt.visitor_statement.iter_mut().chain(&mut receipt.earlier_statements).for_each(String::clear);
        Box::new(receipt)
    };
    match effect {
        Effect::MakeReceipt { receipt } => Effect::MakeReceipt { receipt: strip(receipt) },
        Effect::OpenVisitRecord { receipt } => Effect::OpenVisitRecord { receipt: strip(receipt) },
        other => other.clone(),
    }
}

/// A code or a rule: a text of this release, which is not made anew but found.
pub(crate) mod word {
    use crate::refusal::{Code, EndReason};
    use serde::de::{Error, Unexpected};
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(word: &&'static str, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(word)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<&'static str, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        let codes = Code::ALL.iter().flat_map(|code| [code.name(), code.rule()]);
        let ends = EndReason::ALL.iter().flat_map(|end| [end.name(), end.rule()]);
        let known = codes.chain(ends).chain([""]).find(|known| *known == text);
        known.ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &"a code or a rule of this release"))
    }
}
