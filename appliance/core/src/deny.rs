//! Owns: the revocations that stand. Deny wins over every allow.
//! Never: forgets one to make room: when it is full, everything is denied.
//! Called by: guard (asks), documents (adds).

use parloir_pass::{DenyTarget, Id};
use std::collections::BTreeSet;

/// Most standing revocations.
const MAX_STANDING: usize = 1024;

/// Revocations that stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct DenySet {
    standing: BTreeSet<DenyTarget>,
    full: bool,
}

impl DenySet {
    /// Adds one; whether it is new. A deny of an ask is an answer, not a revocation: a nonce lives in memory for 60 s and then is dead.
    pub(crate) fn add(&mut self, target: DenyTarget) -> bool {
        if matches!(target, DenyTarget::Ask(_) | DenyTarget::Ring(_)) || self.standing.contains(&target) {
            return false;
        }
        if self.standing.len() >= MAX_STANDING {
            self.full = true;
            return false;
        }
        self.standing.insert(target)
    }

    pub(crate) fn names_contact(&self, device: Id, person: Id, contact: Id) -> bool {
        let hit = |target| self.standing.contains(&target);
        self.full || hit(DenyTarget::Device(device)) || hit(DenyTarget::Person(person)) || hit(DenyTarget::Contact(contact))
    }

    pub(crate) fn names_grant(&self, grant: Id) -> bool {
        self.full || self.standing.contains(&DenyTarget::Grant(grant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_it_is_full_everything_is_denied() {
        let mut set = DenySet::default();
        let id = |n: usize| Id((n as u128).to_le_bytes());
        let none = Id([0xff; 16]);
        for n in 0..MAX_STANDING {
            assert!(set.add(DenyTarget::Contact(id(n))));
        }
        assert!(!set.names_contact(none, none, none) && !set.names_grant(none));
        assert!(!set.add(DenyTarget::Contact(id(MAX_STANDING))));
        assert!(set.names_contact(none, none, none) && set.names_grant(none));
    }
}
