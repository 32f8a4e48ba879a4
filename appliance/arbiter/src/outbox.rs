//! Owns: what waits to be carried to the facility, until the courier says that the broker has it.
//! Never: more than its bound of what can be made anew; a receipt is never dropped.
//! Called by: run.

use parloir_pass::Id;
use std::collections::BTreeMap;

/// Most items that are no receipts; the oldest goes first.
const MAX: usize = 32;
/// Most receipts that a courier has and has not acknowledged: any number may wait, and the queue to the bus is bounded.
const WINDOW: usize = 32;

/// What an item is, which says when it may be dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matter {
    /// The question of a call: of no use after it.
    Ask(Id),
    /// The box's half of a call's short code: of no use after it.
    Reveal(Id),
    /// A code: only the newest counts, and none that nobody waits for.
    SignIn,
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
            Self::Reveal(_) => "reveal",
            Self::SignIn => "sign-in",
            Self::Time => "time-request",
            Self::Ring => "ring",
            Self::Ended => "ended",
            Self::Receipt(_) => "receipt",
        }
    }
}

/// One item.
#[derive(Debug)]
struct Item {
    matter: Matter,
    body: Vec<u8>,
    /// The courier that is attached now has it and has not acknowledged it yet.
    said: bool,
}

impl Item {
    const fn is_receipt(&self) -> bool {
        matches!(self.matter, Matter::Receipt(_))
    }
}

/// Items by the number that the courier quotes.
#[derive(Debug)]
pub struct Outbox {
    next: u64,
    items: BTreeMap<u64, Item>,
}

impl Outbox {
    /// Empty. `start` is random, so that a late `Sent` for an earlier arbiter's item does not hit one of ours.
    #[must_use]
    pub fn new(start: u32) -> Self {
        Self { next: u64::from(start) << 32 | 1, items: BTreeMap::new() }
    }

    /// Adds an item and gives its number.
    pub fn push(&mut self, matter: Matter, body: Vec<u8>) -> u64 {
        if matches!(matter, Matter::Time | Matter::SignIn) {
            self.items.retain(|_, item| item.matter != matter);
        }
        let id = self.next;
        self.next += 1;
        self.items.insert(id, Item { matter, body, said: false });
        if self.items.values().filter(|item| !item.is_receipt()).count() > MAX {
            let oldest = self.items.iter().find(|(_, item)| !item.is_receipt()).map(|(id, _)| *id);
            oldest.map(|id| self.items.remove(&id));
        }
        id
    }

    /// The oldest item that the courier may have now: what a call waits for before receipts, and of receipts no more at once than
    /// [`WINDOW`].
    #[must_use]
    pub fn next_to_say(&self) -> Option<(u64, &'static str, Vec<u8>)> {
        let on_the_way = self.items.values().filter(|item| item.said && item.is_receipt()).count();
        let waiting = |receipt: bool| self.items.iter().find(move |(_, item)| !item.said && item.is_receipt() == receipt);
        let (id, item) = waiting(false).or_else(|| waiting(true).filter(|_| on_the_way < WINDOW))?;
        Some((*id, item.matter.kind(), item.body.clone()))
    }

    /// The courier has it.
    pub fn said(&mut self, id: u64) {
        if let Some(item) = self.items.get_mut(&id) {
            item.said = true;
        }
    }

    /// Another courier, or the same one anew: it gets everything.
    pub fn say_anew(&mut self) {
        self.items.values_mut().for_each(|item| item.said = false);
    }

    /// The broker has it; gives what it was.
    pub fn sent(&mut self, id: u64) -> Option<Matter> {
        self.items.remove(&id).map(|item| item.matter)
    }

    /// Nobody waits for what a code brings.
    pub fn forget_sign_in(&mut self) {
        self.items.retain(|_, item| item.matter != Matter::SignIn);
    }

    /// The call is over: its question is nobody's any more, and its code either.
    pub fn forget_ask(&mut self, call: &Id) {
        self.items.retain(|_, item| ![Matter::Ask(*call), Matter::Reveal(*call)].contains(&item.matter));
    }
}

#[cfg(test)]
mod tests {
    use super::{Matter, Outbox};
    use parloir_pass::Id;

    /// All that a courier gets that acknowledges nothing.
    fn all(outbox: &mut Outbox) -> Vec<(u64, &'static str, Vec<u8>)> {
        std::iter::from_fn(|| outbox.next_to_say().inspect(|(id, ..)| outbox.said(*id))).collect()
    }

    #[test]
    fn an_item_waits_until_sent_and_only_once() {
        let mut outbox = Outbox::new(7);
        let a = outbox.push(Matter::Receipt("r".into()), vec![1]);
        assert_eq!(all(&mut outbox), vec![(a, "receipt", vec![1])]);
        assert_eq!(all(&mut outbox), vec![]);
        outbox.say_anew();
        assert_eq!(all(&mut outbox), vec![(a, "receipt", vec![1])]);
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
        assert_eq!(all(&mut outbox).into_iter().map(|(_, k, b)| (k, b)).collect::<Vec<_>>(), vec![("time-request", vec![3])]);
    }

    #[test]
    fn the_bound_drops_the_oldest_but_never_a_receipt() {
        let mut outbox = Outbox::new(0);
        let receipt = outbox.push(Matter::Receipt("r".into()), vec![]);
        let first = outbox.push(Matter::Ended, vec![]);
        for _ in 0..super::MAX {
            outbox.push(Matter::Ended, vec![]);
        }
        let kept: Vec<u64> = all(&mut outbox).into_iter().map(|w| w.0).collect();
        assert!(kept.contains(&receipt) && !kept.contains(&first) && kept.len() == super::MAX + 1);
    }

    /// How it was broken: all that waited was put into the bounded queue to the bus at once; of 300 receipts the last 44 found no room,
    /// and were not sent again before the next `Attach`. And a question waited behind all of them.
    #[test]
    fn any_number_of_receipts_goes_a_window_at_a_time_and_a_question_before_them() {
        let mut outbox = Outbox::new(0);
        let mut receipts: Vec<u64> = (0..300).map(|n| outbox.push(Matter::Receipt(n.to_string()), vec![])).collect();
        let on_the_way: Vec<u64> = all(&mut outbox).into_iter().map(|w| w.0).collect();
        assert_eq!(on_the_way, receipts[..super::WINDOW]);
        let ask = outbox.push(Matter::Ask(Id([1; 16])), vec![]);
        assert_eq!(all(&mut outbox).into_iter().map(|w| w.0).collect::<Vec<_>>(), [ask]);
        let mut sent = Vec::new();
        let mut waiting = std::collections::VecDeque::from(on_the_way);
        while let Some(id) = waiting.pop_front() {
            assert!(outbox.sent(id).is_some());
            sent.push(id);
            waiting.extend(all(&mut outbox).into_iter().map(|w| w.0));
        }
        receipts.sort_unstable();
        assert_eq!(sent, receipts);
    }
}
