//! Owns: the reader and the writer that every message is made of, and the one error of this crate.
//! Never: allocates more than the message's own bound; panics on any input.
//! Called by: the message modules beside it.

use core::fmt;

/// Why bytes were not a message. `what` names the field, `why` the rule that it broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The message or field, in words.
    pub what: &'static str,
    /// The rule that the bytes broke.
    pub why: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [org.parloir.Error.MalformedMessage]", self.what, self.why)
    }
}

impl core::error::Error for Refused {}

/// Shorthand for a [`Refused`].
pub const fn refused(what: &'static str, why: &'static str) -> Refused {
    Refused { what, why }
}

/// Appends fields to a message.
#[derive(Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// One byte.
    pub fn u8(&mut self, v: u8) -> &mut Self {
        self.bytes.push(v);
        self
    }
    /// Two bytes.
    pub fn u16(&mut self, v: u16) -> &mut Self {
        self.raw(&v.to_le_bytes())
    }
    /// Four bytes.
    pub fn u32(&mut self, v: u32) -> &mut Self {
        self.raw(&v.to_le_bytes())
    }
    /// Eight bytes.
    pub fn u64(&mut self, v: u64) -> &mut Self {
        self.raw(&v.to_le_bytes())
    }
    /// Bytes as they are, without a length.
    pub fn raw(&mut self, v: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(v);
        self
    }
    /// A 32-bit length and the text.
    pub fn text(&mut self, v: &str) -> &mut Self {
        self.u32(u32::try_from(v.len()).unwrap_or(u32::MAX)).raw(v.as_bytes())
    }
    /// The message.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
    /// The message in a fixed size, the rest zero. Longer messages are cut: the callers' types cannot hold one.
    #[must_use]
    pub fn finish_fixed<const N: usize>(self) -> [u8; N] {
        let mut out = [0; N];
        let n = self.bytes.len().min(N);
        debug_assert!(self.bytes.len() <= N, "message longer than its fixed size");
        out[..n].copy_from_slice(&self.bytes[..n]);
        out
    }
}

/// Takes fields off a message; every method names the field for the refusal.
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Over the whole message.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }
    /// `N` bytes as they are.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Refused> {
        let (head, rest) = self.bytes.split_first_chunk::<N>().ok_or(refused(what, "message too short"))?;
        self.bytes = rest;
        Ok(*head)
    }
    /// One byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, Refused> {
        Ok(self.array::<1>(what)?[0])
    }
    /// One byte that must be 0 or 1.
    pub fn flag(&mut self, what: &'static str) -> Result<bool, Refused> {
        match self.u8(what)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(refused(what, "neither 0 nor 1")),
        }
    }
    /// Two bytes.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, Refused> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }
    /// Four bytes.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, Refused> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }
    /// Eight bytes.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, Refused> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }
    /// A text of at most `max` bytes.
    pub fn text(&mut self, max: usize, what: &'static str) -> Result<String, Refused> {
        let len = self.u32(what)? as usize;
        if len > max {
            return Err(refused(what, "text longer than its bound"));
        }
        let (head, rest) = self.bytes.split_at_checked(len).ok_or(refused(what, "message too short"))?;
        self.bytes = rest;
        core::str::from_utf8(head).map(str::to_owned).map_err(|_| refused(what, "not UTF-8"))
    }
    /// Nothing may be left.
    pub fn end(self, what: &'static str) -> Result<(), Refused> {
        if self.bytes.is_empty() { Ok(()) } else { Err(refused(what, "bytes after the end")) }
    }
    /// What is left must be zero: the padding of a fixed-size message.
    pub fn zeros(self, what: &'static str) -> Result<(), Refused> {
        if self.bytes.iter().all(|b| *b == 0) { Ok(()) } else { Err(refused(what, "padding is not zero")) }
    }
}
