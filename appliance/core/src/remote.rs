//! Owns: the table of the machine `Remote`: who holds the keys, and which presses are still consent.
//! Never: which key means what on a screen.
//! Called by: the events about keys and focus, `Place`, `Answer` and `Let` (quote a serial), tables, invariants.
//!
//! Consent is a key, not a message: a serial counts once, within a second of its routing, and only from the holder it was routed to.

use crate::call::named;
use crate::event::{Owner, Stroke};
use crate::time::CONSENT_MS;

named! {
    /// The states.
    Kind {
        /// Nobody gets keys.
        Free,
        /// A holder gets keys; no press of the last second is unused.
        Focused,
        /// A holder gets keys; at least one press of the last second is unused.
        Armed,
    }
}

named! {
    /// What happened, with the guard's outcome in its name.
    Cause {
        /// The screen takes the keys.
        FocusTaken,
        /// Somebody who is not the screen wants them.
        FocusRefused,
        /// The holder left the bus, closed its socket, or is no longer the screen.
        HolderGone,
        /// A key went down and was routed to the holder.
        Pressed,
        /// A key was released or repeated.
        Released,
        /// The holder quoted the serial of a fresh press, and others are left.
        Quoted,
        /// The holder quoted the last fresh one.
        QuotedLast,
        /// A serial was quoted that is no fresh press of this caller.
        QuoteRefused,
        /// A key that belongs to a code: it goes to nobody but the arbiter.
        Withheld,
        /// A second is over for the last fresh press.
        Faded,
    }
}

/// The table.
#[must_use]
#[rustfmt::skip]
pub const fn next(state: Kind, cause: Cause) -> Kind {
    use Cause::*;
    use Kind::*;
    match (state, cause) {
        (Free, FocusTaken) => Focused,
        (Free, FocusRefused | HolderGone | Pressed | Released | Withheld | Quoted | QuotedLast | QuoteRefused | Faded) => Free,

        (Focused, HolderGone) => Free,
        (Focused, Pressed) => Armed,
        (Focused, FocusTaken | FocusRefused | Released | Withheld | Quoted | QuotedLast | QuoteRefused | Faded) => Focused,

        (Armed, HolderGone) => Free,
        (Armed, FocusTaken | QuotedLast | Faded) => Focused,
        (Armed, FocusRefused | Pressed | Released | Withheld | Quoted | QuoteRefused) => Armed,
    }
}

/// A state with what it owns.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Remote {
    Free,
    Focused {
        holder: Owner,
    },
    /// Fresh unused presses, oldest first, never none.
    Armed {
        holder: Owner,
        presses: Vec<FreshPress>,
    },
}

/// A press that is still consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct FreshPress {
    pub serial: u64,
    pub ok: bool,
    pub at: u64,
}

impl FreshPress {
    fn serves(&self, needs: Needs) -> bool {
        match needs {
            Needs::Ok => self.ok,
            Needs::OkSince(from) => self.ok && self.at >= from,
            Needs::AnyKey => true,
        }
    }
}

/// Most fresh presses kept; a person cannot press more in a second.
const MAX_PRESSES: usize = 32;

/// Which presses count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// An OK press: to place a call.
    Ok,
    /// An OK press at or after this moment: to answer a call, and not what was on the screen before it.
    OkSince(u64),
    /// Any press: to switch camera or microphone on again in a running visit.
    AnyKey,
}

impl Remote {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Free => Kind::Free,
            Self::Focused { .. } => Kind::Focused,
            Self::Armed { .. } => Kind::Armed,
        }
    }

    pub(crate) fn holder(&self) -> Option<&Owner> {
        match self {
            Self::Free => None,
            Self::Focused { holder } | Self::Armed { holder, .. } => Some(holder),
        }
    }

    /// The state after a cause; `holder` and `presses` are what the new state owns, if it owns any.
    fn after(before: Kind, cause: Cause, holder: Owner, presses: Vec<FreshPress>) -> Self {
        match next(before, cause) {
            Kind::Free => Self::Free,
            Kind::Focused => Self::Focused { holder },
            Kind::Armed => Self::Armed { holder, presses },
        }
    }

    /// A new holder; what the old one had pressed is no consent any more.
    pub(crate) fn take(&mut self, holder: Owner) -> Cause {
        *self = Self::after(self.kind(), Cause::FocusTaken, holder, Vec::new());
        Cause::FocusTaken
    }

    pub(crate) fn drop_holder(&mut self) -> Cause {
        if let Some(holder) = self.holder().cloned() {
            *self = Self::after(self.kind(), Cause::HolderGone, holder, Vec::new());
        }
        Cause::HolderGone
    }

    /// A key moved: whom it is routed to, if anybody holds the keys.
    pub(crate) fn press(&mut self, now: u64, serial: u64, stroke: Stroke) -> (Cause, Option<Owner>) {
        let before = self.kind();
        let (holder, mut presses) = match core::mem::replace(self, Self::Free) {
            Self::Free => return (Cause::Released, None),
            Self::Focused { holder } => (holder, Vec::new()),
            Self::Armed { holder, presses } => (holder, presses),
        };
        let fresh = |ok| FreshPress { serial, ok, at: now };
        let cause = match stroke {
            Stroke::NotDown | Stroke::DigitUp => Cause::Released,
            Stroke::OkDown => {
                presses.push(fresh(true));
                Cause::Pressed
            }
            Stroke::BackDown | Stroke::Digit(_) | Stroke::Step(_) | Stroke::OtherDown => {
                presses.push(fresh(false));
                Cause::Pressed
            }
        };
        if presses.len() > MAX_PRESSES {
            presses.remove(0);
        }
        let to = holder.clone();
        *self = Self::after(before, cause, holder, presses);
        (cause, Some(to))
    }

    /// Forgets presses whose second is over.
    pub(crate) fn fade(&mut self, now: u64) -> Option<Cause> {
        let Self::Armed { holder, presses } = self else { return None };
        presses.retain(|press| now <= press.at.saturating_add(CONSENT_MS));
        if !presses.is_empty() {
            return None;
        }
        let holder = holder.clone();
        *self = Self::after(Kind::Armed, Cause::Faded, holder, Vec::new());
        Some(Cause::Faded)
    }

    /// Uses a serial up. Call [`Remote::fade`] before.
    pub(crate) fn quote(&mut self, caller: &Owner, serial: u64, needs: Needs) -> Cause {
        let Self::Armed { holder, presses } = self else { return Cause::QuoteRefused };
        let counts = |press: &FreshPress| press.serial == serial && press.serves(needs);
        let Some(at) = presses.iter().position(counts).filter(|_| holder == caller) else { return Cause::QuoteRefused };
        presses.remove(at);
        if !presses.is_empty() {
            return Cause::Quoted;
        }
        let holder = holder.clone();
        *self = Self::after(Kind::Armed, Cause::QuotedLast, holder, Vec::new());
        Cause::QuotedLast
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Nothing of the core lets the holder be another than the screen; this holds even if something did.
    #[test]
    fn a_press_is_consent_for_its_holder_only() {
        let (holder, other) = (Owner("a".to_owned()), Owner("b".to_owned()));
        let mut remote = Remote::Free;
        remote.take(holder.clone());
        remote.press(0, 1, Stroke::OkDown);
        assert_eq!(remote.quote(&other, 1, Needs::Ok), Cause::QuoteRefused);
        assert_eq!(remote.quote(&holder, 1, Needs::Ok), Cause::QuotedLast);
    }
}
