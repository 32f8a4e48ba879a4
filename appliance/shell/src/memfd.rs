//! Owns: sealed memory files: bytes that whoever receives them can read but nobody can change any more.
//! Never: maps memory (frames does, after the check here).
//! Called by: arbiter (certificates), call (certificates), frames and ui (pictures).
#![forbid(unsafe_code)]

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};

/// The seals that make bytes final: no write, no growth, no shrinking, no further seal.
#[must_use]
pub fn final_seals() -> SealFlag {
    SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL
}

/// A sealed memory file that holds `bytes`, close-on-exec. `name` is for `/proc` only.
///
/// # Errors
/// What the kernel refuses.
pub fn sealed(name: &CStr, bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd = memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    file.rewind()?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(final_seals()))?;
    Ok(file.into())
}

/// Whether at least `wanted` seals are set. A pipe, a socket or a plain file has none and is refused.
///
/// # Errors
/// `InvalidData` when a seal is missing, the kernel's own when `fd` cannot be sealed at all.
pub fn check_seals(fd: impl AsFd, wanted: SealFlag) -> io::Result<()> {
    let set = SealFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GET_SEALS)?);
    if set.contains(wanted) {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "memory file: a seal is missing, so its bytes could still change"))
    }
}

/// The bytes of a finally sealed memory file of at most `max` bytes.
///
/// # Errors
/// As [`check_seals`]; `InvalidData` when it is longer than `max`.
pub fn read_sealed(fd: OwnedFd, max: u64) -> io::Result<Vec<u8>> {
    check_seals(&fd, final_seals())?;
    let mut file = File::from(fd);
    if file.metadata()?.len() > max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "memory file: longer than its bound"));
    }
    // The offset is shared with the sender: start from our own.
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{check_seals, final_seals, read_sealed, sealed};
    use nix::sys::memfd::{MFdFlags, memfd_create};
    use std::fs::File;
    use std::io::Write as _;

    #[test]
    fn sealed_bytes_come_back_and_cannot_change() {
        let fd = sealed(c"test", b"hello").unwrap();
        let mut file = File::from(fd.try_clone().unwrap());
        assert!(file.write_all(b"x").is_err());
        assert!(file.set_len(1).is_err());
        assert_eq!(read_sealed(fd, 16).unwrap(), b"hello");
    }

    #[test]
    fn unsealed_long_or_foreign_files_are_refused() {
        let open = memfd_create(c"open", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap();
        assert!(read_sealed(open, 16).is_err());
        assert!(read_sealed(sealed(c"long", &[0; 17]).unwrap(), 16).is_err());
        let null = File::open("/dev/null").unwrap();
        assert!(check_seals(&null, final_seals()).is_err());
    }
}
