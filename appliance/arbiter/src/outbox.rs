//! Owns: what waits to be carried to the facility, until the courier says that the broker has it.
//! Never: more than its bound of what can be made anew; a receipt is never dropped.
//! Called by: run.

use parloir_pass::Id;
use std::collections::BTreeMap;

/// Most items that are no receipts; the oldest goes first.
const MAX: usize = 32;

/// What an item is, which says when it may be dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matter {
    /// The question of a call: of no use after it.
    Ask(Id),
    /// A time request: only the newest counts.
    Time,
    /// How a ring goes.
    Ring,
    /// A call is over.
    Ended,
    /// A receipt, in the database under this id until acknowledged.
    Receipt(String),
}

impl Matter {
    /// Last part of its topic.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Ask(_) => "ask",
            Self::Time => "time-request",
            Self::Ring => "ring",
            Self::Ended => "ended",
            Self::Receipt(_) => "receipt",
        }
    }
}

/// Items by the number that the courier quotes.
#[derive(Debug)]
pub struct Outbox {
    next: u64,
    items: BTreeMap<u64, (Matter, Vec<u8>)>,
}

impl Outbox {
    /// Empty. `start` is random, so that a late `Sent` for an earlier arbiter's item does not hit one of ours.
    #[must_use]
    pub fn new(start: u32) -> Self {
        Self { next: u64::from(start) << 32 | 1, items: BTreeMap::new() }
    }

    /// Adds an item and gives its number.
    pub fn push(&mut self, matter: Matter, body: Vec<u8>) -> u64 {
        if matter == Matter::Time {
            self.items.retain(|_, (m, _)| *m != Matter::Time);
        }
        let id = self.next;
        self.next += 1;
        self.items.insert(id, (matter, body));
        let droppable = |(m, _): &(Matter, Vec<u8>)| !matches!(m, Matter::Receipt(_));
        if self.items.values().filter(|i| droppable(i)).count() > MAX {
            let oldest = self.items.iter().find(|(_, i)| droppable(i)).map(|(id, _)| *id);
            oldest.map(|id| self.items.remove(&id));
        }
        id
    }

    /// The broker has it; gives what it was.
    pub fn sent(&mut self, id: u64) -> Option<Matter> {
        self.items.remove(&id).map(|(matter, _)| matter)
    }

    /// The call is over: its question is nobody's any more.
    pub fn forget_ask(&mut self, call: &Id) {
        self.items.retain(|_, (matter, _)| *matter != Matter::Ask(*call));
    }

    /// All that waits, oldest first.
    pub fn waiting(&self) -> impl Iterator<Item = (u64, &'static str, &[u8])> {
        self.items.iter().map(|(id, (matter, body))| (*id, matter.kind(), body.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Matter, Outbox};
    use parloir_pass::Id;

    #[test]
    fn an_item_waits_until_sent_and_only_once() {
        let mut outbox = Outbox::new(7);
        let a = outbox.push(Matter::Receipt("r".into()), vec![1]);
        assert_eq!(outbox.waiting().collect::<Vec<_>>(), vec![(a, "receipt", &[1][..])]);
        assert_eq!(outbox.sent(a + 1), None);
        assert_eq!(outbox.sent(a), Some(Matter::Receipt("r".into())));
        assert_eq!(outbox.sent(a), None);
        assert_eq!(a >> 32, 7);
    }

    #[test]
    fn only_the_newest_time_request_and_no_ask_of_a_call_that_is_over() {
        let mut outbox = Outbox::new(0);
        outbox.push(Matter::Time, vec![1]);
        outbox.push(Matter::Ask(Id([1; 16])), vec![2]);
        outbox.push(Matter::Time, vec![3]);
        outbox.forget_ask(&Id([1; 16]));
        assert_eq!(outbox.waiting().map(|(_, k, b)| (k, b.to_vec())).collect::<Vec<_>>(), vec![("time-request", vec![3])]);
    }

    #[test]
    fn the_bound_drops_the_oldest_but_never_a_receipt() {
        let mut outbox = Outbox::new(0);
        let receipt = outbox.push(Matter::Receipt("r".into()), vec![]);
        let first = outbox.push(Matter::Ended, vec![]);
        for _ in 0..super::MAX {
            outbox.push(Matter::Ended, vec![]);
        }
        let kept: Vec<u64> = outbox.waiting().map(|w| w.0).collect();
        assert!(kept.contains(&receipt) && !kept.contains(&first) && kept.len() == super::MAX + 1);
    }
}
