//! Owns: random bytes from the kernel.
//! Never: a generator of its own.
//! Called by: arbiter (ids, nonces), sealed, the issuer.

use parloir_pass::Id;

use crate::{Code, Refused};

/// `N` random bytes.
///
/// # Errors
/// `NoRandom`: the kernel gave none.
pub fn bytes<const N: usize>() -> Result<[u8; N], Refused> {
    let mut out = [0; N];
    getrandom::fill(&mut out).map_err(|e| Refused::new(Code::NoRandom, "random bytes", "getrandom", e.to_string()))?;
    Ok(out)
}

/// A random id: of a call, a grant, a receipt, or a nonce.
///
/// # Errors
/// `NoRandom`.
pub fn id() -> Result<Id, Refused> {
    bytes().map(Id)
}
