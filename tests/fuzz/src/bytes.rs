//! Owns: reading choices off a fuzzer's input.
//! Never: runs out: what is not there is zero.
//! Called by: the targets.

/// What is left of an input.
#[derive(Clone, Copy)]
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// One byte.
    pub fn u8(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }
    /// Two bytes.
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }
    /// Four bytes.
    pub fn u32(&mut self) -> u32 {
        u32::from(self.u16()) | u32::from(self.u16()) << 16
    }
    /// Eight bytes.
    pub fn u64(&mut self) -> u64 {
        u64::from(self.u32()) | u64::from(self.u32()) << 32
    }
    /// `N` bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.u8())
    }
    /// At most `max` bytes, as many as a length of two bytes says.
    pub fn some(&mut self, max: usize) -> &'a [u8] {
        let wanted = usize::from(self.u16()).min(max).min(self.0.len());
        let (head, rest) = self.0.split_at(wanted);
        self.0 = rest;
        head
    }
    /// Text of at most `max` bytes; what is not UTF-8 is replaced.
    pub fn text(&mut self, max: usize) -> String {
        String::from_utf8_lossy(self.some(max)).into_owned()
    }
    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
