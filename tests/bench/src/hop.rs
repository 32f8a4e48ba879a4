//! Owns: one direction of a line between two networks: delay, rate, loss and a cut, for packets as values.
//! Never: a clock, a descriptor, a thread: time and packets are arguments, the same seed loses the same packets.
//! Called by: the tunnels, which carry packets between network namespaces.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a rate-limited line keeps before it drops: about what a cheap router holds.
const QUEUE: Duration = Duration::from_millis(300);

/// What a line does to packets, in each direction alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Impairment {
    /// Nothing passes; what was under way is lost.
    pub cut: bool,
    /// Added to every packet's way.
    pub delay: Duration,
    /// Of a million packets, so many are lost.
    pub loss_ppm: u32,
    /// Bits per second of IP packets; 0: no limit.
    pub rate_bps: u64,
}

/// One direction.
#[derive(Debug)]
pub struct Hop {
    seed: u64,
    /// When the last packet will have left the slowest wire.
    free: Option<Instant>,
    under_way: VecDeque<(Instant, Vec<u8>)>,
    /// Packets that came out.
    pub passed: u64,
    /// Packets that did not.
    pub lost: u64,
}

impl Hop {
    /// An empty direction whose losses follow from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, free: None, under_way: VecDeque::new(), passed: 0, lost: 0 }
    }

    /// A packet enters.
    pub fn enter(&mut self, now: Instant, packet: Vec<u8>, line: &Impairment) {
        // Drawn for every packet, so that what is lost does not depend on the other settings.
        let unlucky = self.draw() < u64::from(line.loss_ppm);
        let start = self.free.map_or(now, |free| free.max(now));
        if line.cut || unlucky || start - now > QUEUE {
            self.lost += 1;
            return;
        }
        let bits = packet.len() as u64 * 8;
        let wire = bits.saturating_mul(1_000_000_000).checked_div(line.rate_bps).map_or(Duration::ZERO, Duration::from_nanos);
        self.free = Some(start + wire);
        let due = start + wire + line.delay;
        // A delay that became shorter overtakes nobody.
        let due = self.under_way.back().map_or(due, |(last, _)| due.max(*last));
        self.under_way.push_back((due, packet));
    }

    /// The next packet that has arrived by now.
    pub fn leave(&mut self, now: Instant, line: &Impairment) -> Option<Vec<u8>> {
        if line.cut {
            self.lost += self.under_way.len() as u64;
            self.under_way.clear();
            self.free = None;
        }
        if self.under_way.front()?.0 > now {
            return None;
        }
        self.passed += 1;
        self.under_way.pop_front().map(|(_, packet)| packet)
    }

    /// When the next packet arrives.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.under_way.front().map(|(due, _)| *due)
    }

    /// A number below a million, by SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
    const fn draw(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_packet_takes_its_delay_and_no_less() {
        let (start, line) = (Instant::now(), Impairment { delay: 40 * MS, ..Impairment::default() });
        let mut hop = Hop::new(1);
        hop.enter(start, vec![1], &line);
        hop.enter(start + MS, vec![2], &Impairment::default());
        assert_eq!(hop.due(), Some(start + 40 * MS));
        assert_eq!(hop.leave(start + 39 * MS, &line), None);
        assert_eq!(hop.leave(start + 40 * MS, &line), Some(vec![1]));
        assert_eq!(hop.leave(start + 40 * MS, &line), Some(vec![2]), "later, but it overtakes nobody");
        assert_eq!((hop.due(), hop.passed, hop.lost), (None, 2, 0));
    }

    #[test]
    fn a_cut_loses_what_comes_and_what_was_under_way() {
        let (start, cut) = (Instant::now(), Impairment { cut: true, ..Impairment::default() });
        let slow = Impairment { delay: 100 * MS, ..Impairment::default() };
        let mut hop = Hop::new(1);
        hop.enter(start, vec![1], &slow);
        assert_eq!(hop.leave(start, &cut), None);
        hop.enter(start, vec![2], &cut);
        assert_eq!(hop.leave(start + 200 * MS, &slow), None, "none of them comes back with the line");
        hop.enter(start + 200 * MS, vec![3], &Impairment::default());
        assert_eq!(hop.leave(start + 200 * MS, &slow), Some(vec![3]));
        assert_eq!(hop.lost, 2);
    }

    #[test]
    fn a_rate_is_kept_and_what_the_queue_cannot_hold_is_dropped() {
        // 1250 bytes at 1 Mbit/s take 10 ms.
        let (start, line) = (Instant::now(), Impairment { rate_bps: 1_000_000, ..Impairment::default() });
        let mut hop = Hop::new(1);
        for _ in 0..100 {
            hop.enter(start, vec![0; 1250], &line);
        }
        let mut out = 0;
        while hop.leave(start + 100 * MS, &line).is_some() {
            out += 1;
        }
        assert_eq!(out, 10);
        assert_eq!(hop.lost, 100 - 31, "300 ms wait, one is on the wire");
    }

    #[test]
    fn the_same_seed_loses_the_same_packets_and_about_as_many_as_asked() {
        let (start, line) = (Instant::now(), Impairment { loss_ppm: 20_000, ..Impairment::default() });
        let run = |seed| {
            let mut hop = Hop::new(seed);
            (0..10_000u32).for_each(|n| hop.enter(start, n.to_be_bytes().to_vec(), &line));
            std::iter::from_fn(|| hop.leave(start, &line)).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        assert!((9_700..9_900).contains(&run(7).len()), "{}", run(7).len());
    }
}
