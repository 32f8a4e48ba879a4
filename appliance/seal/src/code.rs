//! Owns: the short authentication code of a private visit: the box's commitment, and the number that both screens show (ADR 27).
//! Never: compares two codes (two people do, aloud); keeps or sends a half.
//! Called by: arbiter (makes both), tests of the facility; `tests/facility/page/code.js` is the other end.

use parloir_pass::{Bytes32, Id};
use sha2::{Digest as _, Sha256};

/// How many codes there are: six digits.
pub const CODES: u32 = 1_000_000;

// Every part has a fixed length and each purpose its own words, so that no two inputs are the same bytes.
const COMMITMENT: &[u8] = b"parloir/v1/commitment";
const CODE: &[u8] = b"parloir/v1/code";

/// What the box shows at first: it binds the box to its half, its certificate and the call, and tells nobody the half.
#[must_use]
pub fn commitment(call: &Id, box_certificate: &Bytes32, half: &Bytes32) -> Bytes32 {
    Bytes32(hash(COMMITMENT, &[&call.0, &box_certificate.0, &half.0]))
}

/// The code: of the call, both certificates and both halves. Below [`CODES`]; of 2^64 values the first 551,616 codes have one more than the
/// others, which is nothing.
#[must_use]
pub fn code(call: &Id, certificates: (&Bytes32, &Bytes32), halves: (&Bytes32, &Bytes32)) -> u32 {
    let ((of_box, of_visitor), (box_half, visitor_half)) = (certificates, halves);
    let hash = hash(CODE, &[&call.0, &of_box.0, &of_visitor.0, &box_half.0, &visitor_half.0]);
    let first: [u8; 8] = core::array::from_fn(|i| hash[i]);
    (u64::from_be_bytes(first) % u64::from(CODES)) as u32
}

fn hash(purpose: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(purpose);
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::{CODES, code, commitment};
    use parloir_pass::{Bytes32, Id};

    const CALL: Id = Id([0xca; 16]);
    const OF_BOX: Bytes32 = Bytes32([0xb0; 32]);
    const OF_VISITOR: Bytes32 = Bytes32([0xfa; 32]);
    const BOX_HALF: Bytes32 = Bytes32([1; 32]);
    const VISITOR_HALF: Bytes32 = Bytes32([2; 32]);

    fn example(change: impl FnOnce(&mut [Bytes32; 4], &mut Id)) -> u32 {
        let (mut parts, mut call) = ([OF_BOX, OF_VISITOR, BOX_HALF, VISITOR_HALF], CALL);
        change(&mut parts, &mut call);
        code(&call, (&parts[0], &parts[1]), (&parts[2], &parts[3]))
    }

    /// The visitor's page makes the same of the same: `the_page_makes_the_same_code` in the facility's tests.
    #[test]
    fn the_example_of_both_ends() {
        assert_eq!(example(|_, _| ()), 17259);
        assert_eq!(commitment(&CALL, &OF_BOX, &BOX_HALF).to_string(), "wrVfURwdfdt8pmYivIDFF5SKs0KHKKUr1rNmF1itSrA");
    }

    #[test]
    fn every_part_counts_and_no_two_can_change_places() {
        let whole = example(|_, _| ());
        for at in 0..4 {
            assert_ne!(example(|parts, _| parts[at].0[31] ^= 1), whole, "part {at}");
        }
        assert_ne!(example(|_, call| call.0[0] ^= 1), whole);
        assert_ne!(example(|parts, _| parts.swap(0, 1)), whole, "an answer that is only turned round");
        assert_ne!(example(|parts, _| parts.swap(2, 3)), whole);
        let bound = commitment(&CALL, &OF_BOX, &BOX_HALF);
        assert_ne!(commitment(&CALL, &OF_VISITOR, &BOX_HALF), bound);
        assert_ne!(commitment(&CALL, &OF_BOX, &VISITOR_HALF), bound);
        assert_ne!(commitment(&Id([0; 16]), &OF_BOX, &BOX_HALF), bound);
    }

    /// Whoever stands between and may choose a half before knowing the other meets the code as often as chance says, and no more often.
    #[test]
    fn who_does_not_know_a_half_meets_the_code_by_chance_alone() {
        let (mut met, tries) = ([0_u32; 100], 100_000_u32);
        for n in 0..tries {
            let mut half = [0; 32];
            half[..4].copy_from_slice(&n.to_le_bytes());
            met[(code(&CALL, (&OF_BOX, &OF_VISITOR), (&Bytes32(half), &VISITOR_HALF)) / (CODES / 100)) as usize] += 1;
        }
        assert!(met.iter().all(|n| (800..1200).contains(n)), "no hundredth of the codes is preferred: {met:?}");
    }
}
