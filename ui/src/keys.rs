//! Owns: what a key means on each screen: one exhaustive table from (screen, key, focus) to an intent.
//! Never: does it, or remembers a key; what happened comes back in the view.
//! Called by: screen, the tests.

use crate::focus::Focus;
use crate::present::Shown;
use crate::shown::{Act, Screen};
use parloir_wire::keys::{Key, KeyPress, Motion};

/// What is to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Nothing: the key has no meaning here.
    Nothing,
    /// The focus moves.
    Move(Focus),
    /// A call; the arbiter says whether it may be.
    Place {
        /// Contact id.
        contact: String,
        /// `video` or `voice`.
        media: String,
        /// The outcome of the last call is read.
        dismiss: bool,
    },
    /// The call of somebody who rings.
    Answer {
        /// Id of the ring.
        ring: String,
        /// `video` or `voice`.
        media: String,
    },
    /// Not this ring.
    Decline {
        /// Its id.
        ring: String,
    },
    /// The end of the call.
    End,
    /// What may leave the box.
    Let {
        /// Pictures.
        camera: bool,
        /// Sound.
        microphone: bool,
    },
    /// The outcome is read.
    Dismiss,
    /// Somebody of the cell wants to enter their code.
    SignIn {
        /// By their tag.
        tag: u8,
    },
    /// Who is signed in goes.
    SignOut,
}

/// A press within this time after a change of screens was meant for the screen before, milliseconds.
pub const SETTLE_MS: u64 = 700;

/// What a press means. `since_ms` is how long the screen stood when the key was pressed, and `before` which one it replaced.
#[must_use]
pub fn intent(shown: &Shown, focus: Focus, press: &KeyPress, before: Screen, since_ms: u64) -> Intent {
    let arrow = matches!(press.key, Key::Left | Key::Right);
    match press.motion {
        Motion::Down => {}
        Motion::Repeat if arrow => {}
        Motion::Repeat | Motion::Up => return Intent::Nothing,
    }
    if since_ms < SETTLE_MS && strays(before, shown.screen, press.key) {
        Intent::Nothing
    } else {
        meaning(shown, focus, press.key)
    }
}

/// Whether a second press of a key could be taken for something else on the screen that the first one brought.
/// Hanging up is never delayed.
fn strays(before: Screen, now: Screen, key: Key) -> bool {
    match now {
        Screen::Starting | Screen::Closing | Screen::Live | Screen::Held | Screen::Code | Screen::Checking => false,
        Screen::SignIn => key == Key::Ok && before != Screen::Starting,
        // Whatever was meant for the screen that the ring covered: it neither answers nor declines.
        Screen::Ringing => true,
        Screen::Asking | Screen::Joining => key == Key::Ok,
        Screen::Home => matches!(key, Key::Ok | Key::Back) && before != Screen::Starting,
        Screen::Ended | Screen::Refused => matches!(key, Key::Ok | Key::Back | Key::Home),
    }
}

fn meaning(shown: &Shown, focus: Focus, key: Key) -> Intent {
    match (shown.screen, key) {
        (Screen::Starting | Screen::Closing | Screen::Code, _) => Intent::Nothing,
        // The facility is being asked; whoever does not want to wait leaves.
        (Screen::Checking, Key::Back) | (Screen::Home, Key::Back) if shown.shared => Intent::SignOut,
        (Screen::SignIn, Key::Ok) => {
            shown.signs.get(focus.index).map_or(Intent::Nothing, |(tag, _)| Intent::SignIn { tag: *tag })
        }
        (Screen::SignIn | Screen::Home | Screen::Ringing | Screen::Ended | Screen::Refused, Key::Left | Key::Right) => {
            Intent::Move(focus.moved(shown, key == Key::Right))
        }
        (Screen::Home, Key::Ok) => shown.people.get(focus.index).map_or(Intent::Nothing, |p| Intent::Place {
            contact: p.contact.clone(),
            media: p.media.clone(),
            dismiss: false,
        }),
        (Screen::Asking | Screen::Joining, Key::Ok | Key::Back) | (Screen::Live | Screen::Held, Key::Back) => Intent::End,
        (Screen::Live | Screen::Held, Key::Ok) => Intent::Let { camera: shown.call.camera, microphone: !shown.call.microphone },
        (Screen::Live | Screen::Held, Key::Up) if !shown.call.sound_only => {
            Intent::Let { camera: !shown.call.camera, microphone: shown.call.microphone }
        }
        (Screen::Ringing | Screen::Ended | Screen::Refused, Key::Ok) => {
            shown.choices.get(focus.index).map_or(Intent::Nothing, |act| chosen(shown, *act))
        }
        (Screen::Ringing, Key::Back) => Intent::Decline { ring: shown.call_id.clone() },
        (Screen::Ended | Screen::Refused, Key::Back | Key::Home) => Intent::Dismiss,
        (
            Screen::SignIn
            | Screen::Checking
            | Screen::Home
            | Screen::Ringing
            | Screen::Ended
            | Screen::Refused
            | Screen::Asking
            | Screen::Joining
            | Screen::Live
            | Screen::Held,
            _,
        ) => Intent::Nothing,
    }
}

fn chosen(shown: &Shown, act: Act) -> Intent {
    let ring = || shown.call_id.clone();
    match act {
        Act::Back | Act::Done => Intent::Dismiss,
        Act::Again | Act::CallAgain | Act::CallBack => again(shown, None),
        Act::Voice => again(shown, Some("voice")),
        Act::Answer => Intent::Answer { ring: ring(), media: "video".into() },
        Act::AnswerVoice => Intent::Answer { ring: ring(), media: "voice".into() },
        Act::Decline => Intent::Decline { ring: ring() },
        Act::SignIn => Intent::SignIn { tag: shown.rings_for },
    }
}

fn again(shown: &Shown, media: Option<&str>) -> Intent {
    shown.people.iter().find(|p| p.contact == shown.outcome_contact).map_or(Intent::Dismiss, |p| Intent::Place {
        contact: p.contact.clone(),
        media: media.unwrap_or(&p.media).to_owned(),
        dismiss: true,
    })
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
