//! Owns: the words in which the updater reports how an update goes, and what of it stands on the screen.
//! Never: believes them: they change the ledger and one sentence, nothing else.
//! Called by: turn (`Maintenance1.Report`), project, tables (prints them), the updater's tests (compare with its codes).

use crate::effect::{Answer, Effect, Entry};
use crate::event::Request;
use crate::turn::Turn;

macro_rules! words {
    ($($name:ident, $failed:literal, $meaning:literal;)+) => {
        /// How an update goes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum Word { $(#[doc = $meaning] $name,)+ }
        impl Word {
            /// All, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// The word itself.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
            /// Whether the update came to nothing: then it stands on the home screen.
            #[must_use]
            pub const fn failed(self) -> bool {
                match self { $(Self::$name => $failed),+ }
            }
            /// What it means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning),+ }
            }
            /// The word with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.name() == name)
            }
        }
    };
}

words! {
    Offered, false, "The facility offers an update; it is being fetched.";
    Installed, false, "It lies in the other slot; the box starts into it next.";
    Blessed, false, "It runs, and has what the version before had.";
    FellBack, true, "It ran and was not good enough; the version before runs again.";
    UpdateOffer, true, "The server's offer is not one bundle with size, version and hash.";
    UpdateHash, true, "What came has another hash than was promised.";
    UpdateSize, true, "What came has another size than was promised.";
    UpdateNoRoom, true, "The bundle does not fit onto the data partition.";
    UpdateSignature, true, "No key that this box believes has signed it.";
    UpdateCompatible, true, "It is for another kind of board.";
    UpdateDamaged, true, "It is cut short or changed.";
    UpdatePlain, true, "Its format is plain, which a box does not take.";
    UpdateOlder, true, "It is older than a version that was kept on this box.";
    UpdateVersion, true, "Its version is none, or not the offer's.";
    UpdateInstall, true, "It could not be written into the other slot.";
    UpdateInterrupted, true, "The power was cut in each of its installations.";
    UpdateNotHealthy, true, "It lacked something that the version before had.";
    UpdateSilent, true, "It ended before it could say why.";
    UpdateFailedBefore, true, "It failed here before, and waits for an operator.";
}

/// What is known of the last update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum LastUpdate {
    Fine,
    Failed(Word),
}

impl LastUpdate {
    /// The word that the view carries; empty when there is nothing to say.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Fine => "",
            Self::Failed(word) => word.name(),
        }
    }
}

impl Turn<'_> {
    pub(crate) fn report(&mut self, request: Request, version: String, word: Word) {
        self.state.update = if word.failed() { LastUpdate::Failed(word) } else { LastUpdate::Fine };
        self.push(Effect::Ledger(Entry::Update { word, version }));
        self.push(Effect::Reply { request, answer: Ok(Answer::Done) });
    }
}
