//! Owns: how often the ledger hears the same from somebody who can say it without end: once a minute, with a count of those between.
//! Never: leaves out the refusal that ends a call, or the first of its kind.
//! Called by: effects.

use parloir_core::Code;
use parloir_core::effect::Entry;
use parloir_pass::Id;
use std::collections::BTreeMap;

/// The same within this time is counted, not written.
const QUIET_NS: u64 = 60_000_000_000;
/// Beyond this many, those whose minute is over are forgotten.
const MAX: usize = 256;

/// What was written, and when. A screen, courier or call process that was taken over can speak a thousand times a second; it must not
/// fill the disk by it.
#[derive(Debug, Default)]
pub struct Repeats {
    seen: BTreeMap<String, (u64, u64)>,
}

impl Repeats {
    /// Whether to write this one down: `Some` with the number of those that were not since the last, or `None` to count it only.
    pub fn write(&mut self, entry: &Entry, now_ns: u64) -> Option<u64> {
        let Some(what) = repeatable(entry) else { return Some(0) };
        if self.seen.len() >= MAX {
            self.seen.retain(|_, (at, _)| now_ns.saturating_sub(*at) < QUIET_NS);
        }
        match self.seen.get_mut(&what) {
            Some((at, left_out)) if now_ns.saturating_sub(*at) < QUIET_NS => {
                *left_out += 1;
                None
            }
            _ => Some(self.seen.insert(what, (now_ns, 0)).map_or(0, |(_, left_out)| left_out)),
        }
    }
}

/// What makes two entries the same, for those that others can bring about at will: a refusal that concerns no call or that a genuine
/// old document earns each time it is delivered again, and what a call process complains of.
fn repeatable(entry: &Entry) -> Option<String> {
    match entry {
        Entry::Refused { code, call, person } => {
            let stray =
                matches!(code, Code::GrantStray | Code::StatementStray | Code::AgainStray | Code::RingStray | Code::RingOld);
            (stray || *call == Id::default()).then(|| format!("{} {person}", code.name()))
        }
        // What the updater says, and how often it asks for a lease, is its own affair.
        Entry::MaintenanceBegan { stage, .. } => Some(format!("maintenance {}", stage.word())),
        Entry::MaintenanceOver { why } => Some(format!("maintenance over {why}")),
        Entry::Update { word, .. } => Some(format!("update {}", word.name())),
        Entry::Trouble { call, what } => Some(format!("{call} {what:?}")),
        Entry::Asked { .. }
        | Entry::Admitted { .. }
        | Entry::DoorsOpened { .. }
        | Entry::DoorsShut { .. }
        | Entry::Rang { .. }
        | Entry::Answered { .. }
        | Entry::RingOver { .. }
        | Entry::AskedAgain { .. }
        | Entry::Regranted { .. }
        | Entry::Relaunched { .. }
        | Entry::Ended { .. }
        | Entry::SignedIn { .. }
        | Entry::SignedOut { .. }
        | Entry::Denied(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX, QUIET_NS, Repeats};
    use parloir_core::effect::Entry;
    use parloir_core::{Code, Trouble};
    use parloir_pass::Id;

    const CALL: Id = Id([7; 16]);

    fn refused(code: Code, call: Id) -> Entry {
        Entry::Refused { code, call, person: Id::default() }
    }

    #[test]
    fn the_first_of_each_code_is_written_and_the_rest_counted() {
        let (mut repeats, fresh) = (Repeats::default(), refused(Code::NoFreshKey, Id::default()));
        assert_eq!(repeats.write(&fresh, 5), Some(0));
        assert_eq!(repeats.write(&fresh, 6), None);
        assert_eq!(repeats.write(&refused(Code::NoContact, Id::default()), 6), Some(0));
        assert_eq!(repeats.write(&fresh, 4 + QUIET_NS), None);
        assert_eq!(repeats.write(&fresh, 5 + QUIET_NS), Some(2));
        assert_eq!(repeats.write(&fresh, 6 + QUIET_NS), None);
    }

    /// How it was broken: a courier that was taken over delivers one genuine statement or grant of an earlier moment again and again,
    /// or a call process sends `Trouble` a hundred times a second; each was refused or noted with the id of its call, so each was a row
    /// of a ledger that is never shortened, with a write to the disk of its own. What holds: one row in a minute.
    #[test]
    fn an_old_document_or_a_complaint_again_and_again_is_one_row_in_a_minute() {
        let mut repeats = Repeats::default();
        for entry in [
            refused(Code::StatementStray, CALL),
            refused(Code::GrantStray, CALL),
            refused(Code::AgainStray, CALL),
            refused(Code::RingStray, CALL),
            Entry::Trouble { call: CALL, what: Trouble::Signalling },
        ] {
            let rows = (0..1000).filter(|n| repeats.write(&entry, *n).is_some()).count();
            assert_eq!(rows, 1, "{entry:?}");
        }
    }

    #[test]
    fn the_refusal_that_ends_a_call_is_always_written() {
        let mut repeats = Repeats::default();
        assert!((0..10).all(|n| repeats.write(&refused(Code::NoAnswer, CALL), n) == Some(0)));
        assert!((0..10).all(|n| repeats.write(&Entry::Admitted { call: CALL, grant: CALL }, n) == Some(0)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut repeats = Repeats::default();
        for n in 0..4 * MAX as u128 {
            let complaint = Entry::Trouble { call: Id(n.to_le_bytes()), what: Trouble::Camera };
            assert_eq!(repeats.write(&complaint, n as u64 * QUIET_NS), Some(0));
            assert!(repeats.seen.len() <= MAX);
        }
    }
}
