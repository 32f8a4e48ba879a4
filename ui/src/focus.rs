//! Owns: where the one focus is: which page of people, which choice of the screen.
//! Never: what a choice does (keys), how the focus looks (slint/focus.slint).
//! Called by: screen, keys.

use crate::present::Shown;
use crate::shown::Screen;

/// Most people at once.
pub const PER_PAGE: usize = 5;

/// The focus. On home `index` counts all people; elsewhere the choices of the screen from the left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Focus {
    /// Which choice.
    pub index: usize,
}

impl Focus {
    /// The likeliest choice of a screen that has just come.
    #[must_use]
    pub fn first(shown: &Shown) -> Self {
        let likeliest = match shown.screen {
            Screen::Home => {
                let expected = shown.people.iter().position(|p| p.can_call && p.contact == shown.expected);
                expected.or_else(|| shown.people.iter().position(|p| p.can_call)).unwrap_or(0)
            }
            _ => 0,
        };
        Self { index: likeliest }
    }

    /// The focus after the same screen changed: on the same person, else as near as can be.
    #[must_use]
    pub fn kept(self, old: &Shown, new: &Shown) -> Self {
        if old.screen != new.screen {
            return Self::first(new);
        }
        if let Some(act) = old.choices.get(self.index) {
            // A choice that appears or goes does not push what was about to be pressed aside.
            return new.choices.iter().position(|a| a == act).map_or_else(|| Self::first(new), |index| Self { index });
        }
        let same = old.people.get(self.index).and_then(|p| new.people.iter().position(|q| q.contact == p.contact));
        match (new.screen, same) {
            (Screen::Home, Some(index)) => Self { index },
            (Screen::Home, None) if old.people.is_empty() => Self::first(new),
            _ => Self { index: self.index.min(choices(new).saturating_sub(1)) },
        }
    }

    /// One choice to the left or right; stays at the ends.
    #[must_use]
    pub fn moved(self, shown: &Shown, right: bool) -> Self {
        let last = choices(shown).saturating_sub(1);
        Self { index: if right { (self.index + 1).min(last) } else { self.index.saturating_sub(1) } }
    }

    /// Which page of people, and which place on it.
    #[must_use]
    pub const fn place(self) -> (usize, usize) {
        (self.index / PER_PAGE, self.index % PER_PAGE)
    }
}

/// How many things can be chosen with OK; every screen that has any has exactly one focus among them.
#[must_use]
pub fn choices(shown: &Shown) -> usize {
    match shown.screen {
        Screen::Starting | Screen::Closing | Screen::Code | Screen::Checking => 0,
        Screen::SignIn => shown.signs.len(),
        Screen::Home => shown.people.len(),
        Screen::Asking | Screen::Joining | Screen::Live | Screen::Held => 1,
        Screen::Ringing | Screen::Ended | Screen::Refused => shown.choices.len(),
    }
}
