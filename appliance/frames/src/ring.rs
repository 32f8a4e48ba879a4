//! Owns: the memfd of a ring and its mapping; the only `unsafe` of this crate.
//! Never: reads a length, an index or a dimension out of shared memory.
//! Called by: the sender (makes, writes) and the receiver (checks, reads) beside it.
#![allow(unsafe_code, reason = "shared memory is mapped here and nowhere else")]

use crate::FrameError;
use core::num::NonZeroUsize;
use core::ptr::NonNull;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use std::os::fd::{AsFd, OwnedFd};

/// Without these a sender could shrink the file under the reader (SIGBUS), grow it, or take the seals off again.
const SEALS: SealFlag = SealFlag::F_SEAL_SHRINK.union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_SEAL);

/// A mapping of a whole ring.
pub struct Mapping {
    at: NonNull<u8>,
    bytes: NonZeroUsize,
}

// SAFETY: the mapping is plain memory that no thread owns; access is by the methods below, whose receivers say who may write.
unsafe impl Send for Mapping {}
// SAFETY: as above; `&Mapping` only reads.
unsafe impl Sync for Mapping {}

/// Makes a sealed memfd of `bytes` and maps it for writing.
pub fn create(bytes: usize) -> Result<(OwnedFd, Mapping), FrameError> {
    let fd = memfd_create(c"parloir-frames", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let size = i64::try_from(bytes).map_err(|_| FrameError::Broken("ring too large"))?;
    nix::unistd::ftruncate(&fd, size)?;
    let mapping = Mapping::new(&fd, bytes, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)?;
    // From here on this mapping alone can write; whoever gets the descriptor can only read (memfd_create(2), Linux 5.1).
    fcntl(&fd, FcntlArg::F_ADD_SEALS(SEALS | SealFlag::F_SEAL_FUTURE_WRITE))?;
    Ok((fd, mapping))
}

/// Checks a memfd that somebody else made, and maps it for reading.
pub fn open(fd: &OwnedFd, bytes: usize) -> Result<Mapping, FrameError> {
    let seals = fcntl(fd, FcntlArg::F_GET_SEALS).map_err(|_| FrameError::Broken("the ring is not a memfd"))?;
    if !SealFlag::from_bits_retain(seals).contains(SEALS) {
        return Err(FrameError::Broken("the ring is not sealed against shrinking"));
    }
    let size = nix::sys::stat::fstat(fd)?.st_size;
    if usize::try_from(size) != Ok(bytes) {
        return Err(FrameError::Broken("the ring's size is not what its message says"));
    }
    Mapping::new(fd, bytes, ProtFlags::PROT_READ)
}

impl Mapping {
    fn new(fd: impl AsFd, bytes: usize, prot: ProtFlags) -> Result<Self, FrameError> {
        let bytes = NonZeroUsize::new(bytes).ok_or(FrameError::Broken("an empty ring"))?;
        // SAFETY: a new mapping at an address of the kernel's choice; the file is `bytes` long and sealed against shrinking (by
        // `create` before anybody else has it, checked by `open`), so every page of the mapping stays backed.
        let at = unsafe { mmap(None, bytes, prot, MapFlags::MAP_SHARED, fd, 0)? };
        Ok(Self { at: at.cast(), bytes })
    }

    /// The bytes from `start`, `len` long. The other process may change them meanwhile: the caller only turns them into pixels.
    pub fn read(&self, start: usize, len: usize) -> Option<&[u8]> {
        if start.checked_add(len)? > self.bytes.get() {
            return None;
        }
        // SAFETY: inside the mapping, which lives as long as `self`, and every bit pattern is a `u8`. A hostile sender can write while
        // we read; no branch or index depends on these bytes (they are pixel values), so the worst is a torn picture.
        Some(unsafe { core::slice::from_raw_parts(self.at.as_ptr().add(start), len) })
    }

    /// The same for writing; only for mappings of [`create`].
    pub fn write(&mut self, start: usize, len: usize) -> Option<&mut [u8]> {
        if start.checked_add(len)? > self.bytes.get() {
            return None;
        }
        // SAFETY: inside the mapping, made writable by `create`; `&mut self` keeps other slices of this process away. The receiver maps
        // it read-only and does not own the slot until its notice.
        Some(unsafe { core::slice::from_raw_parts_mut(self.at.as_ptr().add(start), len) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: address and length are those of `mmap`; no slice outlives `self`.
        let _ = unsafe { munmap(self.at.cast(), self.bytes.get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_gets_the_ring_can_only_read_it() {
        let (fd, mut mapping) = create(4096).expect("a ring");
        mapping.write(0, 1).expect("inside")[0] = 7;
        assert!(Mapping::new(&fd, 4096, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE).is_err(), "a second writer");
        assert!(nix::unistd::write(&fd, &[1]).is_err(), "written through the descriptor");
        let reader = open(&fd, 4096).expect("a reader");
        assert_eq!(reader.read(0, 1), Some(&[7][..]));
    }
}
