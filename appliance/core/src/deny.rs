//! Owns: the revocations that stand. Deny wins over every allow.
//! Never: forgets one to make room: when it is full, everything is denied.
//! Called by: guard (asks), documents (adds).

use parloir_pass::{DenyTarget, Id};
use std::collections::BTreeSet;

/// Most standing revocations.
const MAX_STANDING: usize = 1024;
/// Most grants that are denied in one call; it has five.
const MAX_GRANTS: usize = 64;

/// Revocations that stand.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct DenySet {
    standing: BTreeSet<DenyTarget>,
    full: bool,
    /// Grants that were denied while a call is asked for or goes on. A grant answers a nonce that lives in memory for 60 s, so one of
    /// another call is dead without being denied.
    of_this_call: BTreeSet<Id>,
}

impl DenySet {
    /// Adds one; whether it is new. A deny of an ask or a ring is an answer, not a revocation.
    pub(crate) fn add(&mut self, target: DenyTarget) -> bool {
        match target {
            DenyTarget::Ask(_) | DenyTarget::Ring(_) | DenyTarget::Grant(_) | DenyTarget::SignIn { .. } => return false,
            DenyTarget::Contact(_) | DenyTarget::Person(_) | DenyTarget::Device(_) => {}
        }
        if self.standing.contains(&target) {
            return false;
        }
        if self.standing.len() >= MAX_STANDING {
            self.full = true;
            return false;
        }
        self.standing.insert(target)
    }

    /// A grant is denied while there is a call; whether that is new.
    pub(crate) fn add_grant(&mut self, grant: Id) -> bool {
        let room = self.of_this_call.len() <= MAX_GRANTS;
        room && self.of_this_call.insert(grant)
    }

    /// The call is over, and every grant with it.
    pub(crate) fn forget_grants(&mut self) {
        self.of_this_call.clear();
    }

    pub(crate) fn names_contact(&self, device: Id, person: Id, contact: Id) -> bool {
        let hit = |target| self.standing.contains(&target);
        self.full || hit(DenyTarget::Device(device)) || hit(DenyTarget::Person(person)) || hit(DenyTarget::Contact(contact))
    }

    pub(crate) fn names_grant(&self, grant: Id) -> bool {
        self.full || self.of_this_call.len() > MAX_GRANTS || self.of_this_call.contains(&grant)
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

    /// How it was broken: a facility that ends every visit by a deny of its grant fills the set; after 1,024 of them everything is denied
    /// until the box is provisioned anew. What holds: a grant is remembered as long as the call that it could be for.
    #[test]
    fn denied_grants_of_finished_calls_do_not_fill_it() {
        let mut set = DenySet::default();
        let id = |n: usize| Id((n as u128).to_le_bytes());
        for n in 0..5 * MAX_STANDING {
            assert!(set.add_grant(id(n)) && set.names_grant(id(n)));
            assert!(!set.add(DenyTarget::Ask(id(n))) && !set.add(DenyTarget::Ring(id(n))) && !set.add(DenyTarget::Grant(id(n))));
            set.forget_grants();
            assert!(!set.names_grant(id(n)));
        }
        assert!(!set.names_contact(id(0), id(0), id(0)));
        for n in 0..=MAX_GRANTS {
            assert!(set.add_grant(id(n)));
        }
        assert!(set.names_grant(Id([0xff; 16])), "too many within one call deny every grant of it");
        assert!(!set.add_grant(id(MAX_GRANTS + 1)));
    }
}
