//! Owns: codes: whether one is its person's, how long nobody looks at another after wrong ones, and who is signed in at the box.
//! Never: says a code, or how many tries are left; looks at one while its person waits (it would tell whether it was right).
//! Called by: the desk.

use super::{Desk, Now, Output, Wrong, event, publish};
use parloir_issuer::sign;
use parloir_pass::{DenyTarget, Entitlement, Id, SignIn, Typ};
use parloir_seal::{jws, sealed};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// After the first wrong code, the second, and so on, seconds; after more of them the last. A right one begins anew.
const WAITS_S: [u32; 6] = [5, 15, 60, 300, 900, 3600];

/// What is known of codes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Codes {
    by_tag: BTreeMap<u8, Tries>,
    session: Option<Session>,
    /// Of the last code: a body may come twice.
    last: Option<Id>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tries {
    /// In a row.
    wrong: usize,
    /// Monotonic ms.
    until_ms: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Session {
    person: Id,
    nonce: Id,
}

impl Codes {
    /// Instants are those of another clock now.
    pub(super) fn shift(&mut self, by: impl Fn(&mut u64)) {
        self.by_tag.values_mut().for_each(|tries| by(&mut tries.until_ms));
    }
}

impl Desk {
    pub(super) fn sign_in(&mut self, now: Now, body: &[u8]) -> Result<Vec<Output>, Wrong> {
        let plain = sealed::open(Typ::SignIn, &self.site.device, &self.site.seal, body)?;
        let asked: SignIn = jws::verify(&plain, &self.box_key)?;
        if (asked.site, asked.device) != (self.site.site, self.site.device) {
            return Err("a code of another box".into());
        }
        if self.codes.last == Some(asked.nonce) {
            return Ok(Vec::new());
        }
        self.codes.last = Some(asked.nonce);
        self.changed = true;
        let Some(one) = self.site.people.iter().find(|one| one.tag == asked.tag).filter(|_| self.policy.sign_in) else {
            return self.no_to(&asked, 0, "NotEntitled");
        };
        let person = one.entitlement.clone();
        let tries = self.codes.by_tag.entry(asked.tag).or_default();
        if now.mono_ms < tries.until_ms {
            let wait_s = u32::try_from((tries.until_ms - now.mono_ms).div_ceil(1000)).unwrap_or(u32::MAX);
            return self.no_to(&asked, wait_s, "SignInLocked");
        }
        if !same(one.code.as_bytes(), asked.code.as_bytes()) {
            let wait_s = WAITS_S[tries.wrong.min(WAITS_S.len() - 1)];
            *tries = Tries { wrong: tries.wrong + 1, until_ms: now.mono_ms + u64::from(wait_s) * 1000 };
            return self.no_to(&asked, wait_s, "WrongCode");
        }
        *tries = Tries::default();
        if self.denied.contains(&DenyTarget::Person(person.person)) {
            return self.no_to(&asked, 0, "Revoked");
        }
        self.codes.session = Some(Session { person: person.person, nonce: asked.nonce });
        let revision = u64::try_from(now.unix_ms)?;
        let answer = Entitlement { answers: Some(asked.nonce), revision, ..person };
        let body = self.seal(Typ::Entitlement, &sign(&answer, &self.site.entitlement)?)?;
        Ok(vec![publish("person", body)?, told(asked.tag, "", 0)])
    }

    fn no_to(&self, asked: &SignIn, wait_s: u32, code: &str) -> Result<Vec<Output>, Wrong> {
        Ok(vec![self.deny(DenyTarget::SignIn { nonce: asked.nonce, wait_s }, "", code)?, told(asked.tag, code, wait_s)])
    }

    /// Whether the box may speak for this person now.
    pub(super) fn is_there(&self, person: &Id) -> bool {
        !self.policy.sign_in || self.codes.session.as_ref().is_some_and(|session| session.person == *person)
    }

    /// Staff ends whoever is signed in, a visit of theirs with it.
    pub(super) fn end_session(&mut self) -> Result<Vec<Output>, Wrong> {
        let session = self.codes.session.take().ok_or("nobody is signed in")?;
        self.changed = true;
        let target = DenyTarget::SignIn { nonce: session.nonce, wait_s: 0 };
        Ok(vec![self.deny(target, "", "Revoked")?, event("console", json!({"do": "sign-out", "error": null}))])
    }

    pub(super) fn forget_session(&mut self, nonce: &Id) {
        self.codes.session.take_if(|session| session.nonce == *nonce);
    }

    /// Whom a page of this contact is for.
    pub(super) fn person_name(&self, contact: &Id) -> String {
        self.site.whose(contact).map(|person| person.name.clone()).unwrap_or_default()
    }
}

/// In a time that does not depend on where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn told(tag: u8, code: &str, wait_s: u32) -> Output {
    event("sign-in", json!({"tag": tag, "taken": code.is_empty(), "code": code, "wait_s": wait_s}))
}
