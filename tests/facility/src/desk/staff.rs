//! Owns: what staff may say at the console: no to somebody, what the box says of itself, and on a bench, what this facility shall do wrong.
//! Never: a yes.
//! Called by: the desk.

use super::{Desk, MAX_DENIED, Now, Output, Wrong, event};
use crate::tamper::Tamper;
use crate::visit::{Admission, Visit};
use clap::ValueEnum as _;
use parloir_link::topic::{MAX_BODY, Way, find};
use parloir_pass::{DenyTarget, Id};
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;

/// One line of the console.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// From now on, no.
    Deny {
        /** To whom or what. */
        target: DenyTarget,
        /** Of staff for the person; may be empty. */
        #[serde(default)]
        words: String,
        /** Stable code; `Revoked` if it is not given. */
        #[serde(default = "revoked")]
        code: String,
    },
    /// Each grant from now on is made wrong in this way; empty: right again.
    Tamper {
        /** Name, as of `--tamper`. */
        how: String,
    },
    /// Whether live grants are renewed.
    Beats {
        /** They are. */
        on: bool,
    },
    /// What the box says of itself, into a file.
    Diagnose {
        /** Where; what is there is replaced. */
        file: PathBuf,
    },
    /// Whoever is signed in at the box is not any more.
    SignOut {},
    /// Bytes of a test to the box; only with `--tamperable`.
    Send {
        /** A kind that goes down. */
        kind: String,
        /** The body. */
        hex: String,
    },
}

fn revoked() -> String {
    "Revoked".to_owned()
}

impl Desk {
    pub(super) fn staff(&mut self, now: Now, order: Order) -> Result<Vec<Output>, Wrong> {
        match order {
            Order::Deny { target, words, code } => self.revoke(now, target, &words, &code),
            Order::Beats { on } => {
                self.beats_on = on;
                Ok(vec![event("console", json!({"do": "beats", "on": on, "error": null}))])
            }
            Order::Tamper { how } => {
                self.settings.tamper = if how.is_empty() { None } else { Some(Tamper::from_str(&how, false)?) };
                Ok(vec![event("console", json!({"do": "tamper", "how": how, "error": null}))])
            }
            Order::Diagnose { file } => self.diagnose(now, file),
            Order::SignOut {} => self.end_session(),
            Order::Send { kind, hex } => self.send(&kind, &hex),
        }
    }

    fn revoke(&mut self, now: Now, target: DenyTarget, words: &str, code: &str) -> Result<Vec<Output>, Wrong> {
        let mut out = vec![self.deny(target, words, code)?, event("denied-by-staff", json!({"target": target, "code": code}))];
        match target {
            DenyTarget::Ring(ring) => {
                if let Some(contact) = self.ring.as_ref().filter(|r| r.ring == ring).map(|r| r.contact) {
                    // The box has its no already; a second one about the same ring changes nothing.
                    out.extend(self.cancel(now, &contact, code)?);
                }
            }
            DenyTarget::Ask(nonce) => {
                let call = self.visits.iter().find(|v| v.ask.nonce == nonce && v.admission().is_none()).map(|v| v.ask.call);
                out.extend(call.map_or(Ok(Vec::new()), |call| self.miss(&call, code))?);
            }
            // The box alone knows whether it is the session of now; this facility forgets it.
            DenyTarget::SignIn { nonce, .. } => self.forget_session(&nonce),
            DenyTarget::Grant(_) | DenyTarget::Contact(_) | DenyTarget::Person(_) | DenyTarget::Device(_) => {
                self.denied.retain(|known| *known != target);
                if self.denied.len() >= MAX_DENIED {
                    self.denied.remove(0);
                }
                self.denied.push(target);
                let caller = self.ring.as_ref().map(|r| r.contact).filter(|c| self.is_denied(c));
                out.extend(caller.map_or(Ok(Vec::new()), |contact| self.cancel(now, &contact, code))?);
            }
        }
        self.changed = true;
        Ok(out)
    }

    /// Whether staff said no to this contact, the person or the box.
    pub(super) fn is_denied(&self, contact: &Id) -> bool {
        let person = self.site.whose(contact).map(|person| DenyTarget::Person(person.person));
        let all = [DenyTarget::Contact(*contact), DenyTarget::Device(self.site.device)].into_iter().chain(person);
        all.into_iter().any(|target| self.denied.contains(&target))
    }

    /// Whether staff said no to this visit, by whatever it names. Whoever carries the no may keep it back; what the visit needs of us
    /// to go on, it gets no more.
    pub(super) fn is_stopped(&self, visit: &Visit) -> bool {
        let granted = |a: &Admission| self.denied.contains(&DenyTarget::Grant(a.grant));
        self.is_denied(&visit.ask.contact) || visit.admissions().any(granted)
    }

    fn send(&self, kind: &str, hex: &str) -> Result<Vec<Output>, Wrong> {
        if !self.settings.tamperable {
            return Err("bytes of your own: start with --tamperable, on a bench".into());
        }
        let kind = find(Way::Down, kind).ok_or("no kind of this name goes down")?;
        if !hex.is_ascii() || !hex.len().is_multiple_of(2) || hex.len() > 2 * MAX_BODY {
            return Err("not hex digits in pairs, or more than a body holds".into());
        }
        let body: Result<Vec<u8>, _> = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16)).collect();
        Ok(vec![Output::Publish { kind, body: body? }, event("console", json!({"do": "send", "kind": kind.name, "error": null}))])
    }
}
