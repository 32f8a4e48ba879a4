//! Owns: what a code means, in words that hold for staff and for the person in the cell alike: what was not possible, and what to do now.
//! Never: a code's rule or the operator's hint (core has them), or the screen's own sentences (ui has them, in each language).
//! Called by: explain.

/// What was not possible, and what to do now.
pub struct Words {
    /// One sentence.
    pub what: &'static str,
    /// One sentence.
    pub next: &'static str,
}

const AGAIN: &str = "Try again; if it stays so, tell staff.";
const STAFF: &str = "Staff can say why, and what would have to change.";
const NOTHING: &str = "Nothing needs to be done.";
const BOX: &str = "The operator has to look at the box.";
const FACILITY: &str = "The operator of the facility's system has to look at what it sent.";
const UPDATE: &str = "Nothing needs to be done: the update waits and tries again.";

/// The words of a code; `None` for one that this release does not know.
#[must_use]
pub fn of(code: &str) -> Option<Words> {
    let (what, next) =
        calls(code).or_else(|| sign_in(code)).or_else(|| grants(code)).or_else(|| ends(code)).or_else(|| documents(code))?;
    Some(Words { what, next })
}

fn calls(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code {
        "NotScreen" => ("The screen was starting again and could not be used.", AGAIN),
        "NoFreshKey" => ("A call begins only with a press of OK in that very second, and there was none.", "Press OK again."),
        "Busy" => ("Another call was not over yet; there can be one at a time.", "Wait for its end."),
        "DoorsNotShut" => {
            ("Camera and microphone of the call before were still being shut.", "Wait a moment; if it stays so, tell staff.")
        }
        "GateAbsent" => ("The part that guards camera and microphone was not running.", BOX),
        "GateForeign" => ("The part that guards camera and microphone is set up for another box.", BOX),
        "Offline" => (
            "The box had no connection to the facility.",
            "It connects again by itself; if it stays so, the operator has to look at the network.",
        ),
        "NotReady" => (
            "The rules or the list of contacts had not come yet.",
            "They come by themselves; if they do not, the facility has to send them.",
        ),
        "NoContact" => ("That contact is not on the person's list.", STAFF),
        "NotOutgoing" => ("That contact may call the cell; the cell may not call them.", STAFF),
        "NotIncoming" => ("The cell may call that contact; they may not call the cell.", STAFF),
        "MediaNotAllowed" => ("Only sound is allowed with that contact.", "Call with sound only."),
        "ClassNotAllowed" => ("The site's rules do not allow this kind of call.", STAFF),
        "OutsideWindow" => {
            ("It was outside of the hours in which that contact may be called.", "The screen shows the next hours.")
        }
        "Denied" => ("Staff have said no to this person, contact, box or call.", STAFF),
        "Stopping" => ("The box was being stopped.", "Wait until it has started again."),
        "NoCall" => ("There was no call to which this could apply.", NOTHING),
        "NoScreen" => ("No screen was there that could ring.", BOX),
        "ClockUnknown" => ("The box did not know the time yet.", "The time comes with the connection to the facility."),
        "RingOld" => (
            "Somebody called, but the message took more than a minute.",
            "Call again; if it stays so, compare the facility's clock.",
        ),
        "RingStray" => ("The same ring came twice; it rang once.", NOTHING),
        "RingMissed" => ("Somebody called and nobody answered within 45 seconds.", "Call back."),
        "RingDeclined" => ("Somebody called and the person did not take it.", NOTHING),
        "CallerGone" => ("Somebody called and gave up before anybody answered.", "Call back."),
        "NoAnswer" => ("Nobody answered within a minute.", "Try again later."),
        "VisitorDeclined" => ("The visitor said that they cannot talk now.", "Try again later."),
        "VisitorAbsent" => ("The visitor has not opened the link.", "Try again later; the visitor needs the link."),
        "NotEntitled" => ("The facility says that this visit is not allowed now.", STAFF),
        "NoBooking" => ("The facility has no booking for this visit now.", "Staff can book one."),
        "FacilityRefused" => ("The facility said no and gave no reason that this box knows.", STAFF),
        "Storage" => ("The box could not write down that a visit begins, and without that no camera opens.", BOX),
        "NoDevice" => ("Camera or microphone could not be opened.", "Look at the cables; try with sound only."),
        "CallNotStarted" => ("The part that makes the call did not start.", AGAIN),
        "Updating" => ("The box was being updated.", "Wait until it is done, half an hour at most."),
        "InVisit" | "Ringing" | "Booked" => ("An update had to wait, because a visit goes on, rings or is booked.", UPDATE),
        "Internal" => ("A defect of this software; everything was shut.", "Report it with this export."),
        _ => return None,
    })
}

fn sign_in(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code {
        "SignInFirst" => ("Nobody was signed in at this TV.", "The person enters their code first."),
        "NoSignIn" => ("No code could be entered: somebody was signed in, or no such person is in this cell.", AGAIN),
        "WrongCode" => ("The code was not the right one.", "Wait as long as the screen says, then enter it again."),
        "SignInLocked" => (
            "After wrong codes no other one is looked at for a while.",
            "Wait as long as the screen says; staff can give a new code.",
        ),
        "EntitlementStray" => ("A list of contacts came that was for no code of that moment; it was thrown away.", NOTHING),
        _ => return None,
    })
}

fn grants(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code {
        "GrantNotGenuine" | "GrantKey" | "GrantTicket" | "TicketRefused" => {
            ("The permission that came could not be proven to be the facility's, so nothing opened.", FACILITY)
        }
        "GrantStray" => ("A permission came that answers no question of this box; it was not used.", NOTHING),
        "GrantDevice" | "GrantPerson" | "GrantContact" | "GrantCertificate" => {
            ("The permission that came was for another box, person, contact or call, so nothing opened.", FACILITY)
        }
        "GrantClass" | "GrantMedia" | "GrantDuration" | "GrantPrice" | "GrantRoute" | "GrantRelay" | "GrantDirect" => {
            ("The permission that came was not within the site's rules, so nothing opened.", FACILITY)
        }
        "GrantParties" => ("The permission that came named nobody, too many or one twice, so nothing opened.", FACILITY),
        "GrantRecording" => {
            ("The permission that came said recorded or watched where that is forbidden, so nothing opened.", FACILITY)
        }
        "GrantPrivate" => ("The permission that came would not have kept a private call private, so nothing opened.", FACILITY),
        "NoDoorKey" => (
            "The box has no key by which it could believe a permission for the camera.",
            "The facility has to send the door key record.",
        ),
        _ => return None,
    })
}

fn ends(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code {
        "PersonEnded" => ("The person ended the visit.", NOTHING),
        "VisitorLeft" => ("The visitor left.", NOTHING),
        "SlotOver" => ("The time of the visit was used up.", NOTHING),
        "LeaseOver" => ("The longest time that camera and microphone may be open was over.", NOTHING),
        "Revoked" => ("Staff ended the visit.", STAFF),
        "BeatMissing" => {
            ("The facility did not say go on for too long, so the visit ended.", "Try again when the connection holds.")
        }
        "MediaLost" => {
            ("Picture and sound stopped and did not come back within a minute.", "Try again; the time was not counted.")
        }
        "NeverConnected" => ("The two ends did not see each other within a minute.", AGAIN),
        "FarCertificate" => (
            "The far end was not the one that was allowed; nothing was sent or shown.",
            "The visitor opens the link again; if it stays so, tell the operator.",
        ),
        "CallFailed" => ("The part that makes the call failed too often.", "Try again, and tell the operator."),
        "GateLost" | "GateShut" => ("The part that guards camera and microphone shut them by its own rule.", BOX),
        "ScreenGone" => ("The screen was gone for more than five seconds.", BOX),
        "BoxStopped" => ("The box was stopped during the visit.", "Try again when it runs."),
        "PowerLost" => ("The box lost power or started again during the visit.", "Try again; what was counted until then stays."),
        "Fault" => ("The software stopped during the visit; everything was shut.", "Try again, and report it with this export."),
        _ => return None,
    })
}

fn documents(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code {
        "AgainStray" | "TimeStray" | "BeatStray" | "StatementStray" => {
            ("A message came that fits nothing of now; it was thrown away.", NOTHING)
        }
        "DocumentSite" => ("A document for another site or box came; it was thrown away.", FACILITY),
        "DocumentOld" => ("An older document came than one before; the newer one stays.", FACILITY),
        "DocumentForged" => ("A document came that the facility has not signed; it was thrown away.", FACILITY),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::of;
    use parloir_core::{Code, EndReason};

    #[test]
    fn every_code_of_the_core_has_words() {
        let codes = Code::ALL.iter().map(|c| c.name()).chain(EndReason::ALL.iter().map(|c| c.name()));
        let without: Vec<_> = codes.filter(|code| of(code).is_none()).collect();
        assert!(without.is_empty(), "words.rs: {without:?}");
    }

    #[test]
    fn words_are_sentences_without_the_words_of_the_trade() {
        for code in Code::ALL.iter().map(|c| c.name()).chain(EndReason::ALL.iter().map(|c| c.name())) {
            let words = of(code).unwrap();
            for text in [words.what, words.next] {
                assert!(text.ends_with('.') && text.len() <= 120, "{code}: {text}");
                for word in ["nonce", "JWS", "TURN", "MQTT", "daemon", "lease", "gate", "arbiter", "broker"] {
                    assert!(!text.split(|c: char| !c.is_alphabetic()).any(|w| w == word), "{code}: {word}");
                }
            }
        }
    }
}
