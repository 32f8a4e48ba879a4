//! Owns: the hash of a ledger row, by which each row holds all that came before it.
//! Never: a row's meaning, a database.
//! Called by: arbiter (writes and checks), parloirctl (checks an export).

use parloir_pass::export::LedgerRow;
use sha2::{Digest as _, Sha256};

/// What every row's hash covers first, so that no other hash of this product is one.
const CONTEXT: &[u8] = b"parloir-ledger-row\0";

/// SHA-256 over the previous hash and the row in one spelling: fixed-size integers little-endian, texts after their 32-bit length.
/// `seq` counts from 1; before the first row the hash is zeros.
#[must_use]
pub fn row_hash(seq: u64, previous: &[u8; 32], row: &LedgerRow) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(CONTEXT);
    hash.update(previous);
    hash.update(seq.to_le_bytes());
    hash.update(row.at_ns.to_le_bytes());
    hash.update(row.wall_s.to_le_bytes());
    for text in [&row.boot, &row.event, &row.call, &row.detail] {
        hash.update(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().into()
}
