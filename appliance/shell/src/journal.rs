//! Owns: a line for the journal that carries a stable code: its message id, by which the catalogue explains it (`journalctl -x`).
//! Never: blocks, or loses a line: what the journal does not take goes to stderr as every other line.
//! Called by: log; the printer of `systemd/catalog`.
#![forbid(unsafe_code)]

use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// Where the journal takes whole entries (systemd.io/JOURNAL_NATIVE_PROTOCOL).
pub const SOCKET: &str = "/run/systemd/journal/socket";

/// Longest code that is looked up; none of ours is longer.
const LONGEST: usize = 40;

/// The 128-bit message id of a code: 32 hex digits, the same for ever, as a UUID of version 8 (RFC 9562) from the FNV-1a hash of the
/// name that the bus has for it.
#[must_use]
pub fn message_id(code: &str) -> String {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0100_0000_0000_0000_0000_013b;
    let name = format!("org.parloir.Error.{code}");
    let hash = name.bytes().fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    let (version, variant) = (0xf_u128 << 76, 0b11_u128 << 62);
    format!("{:032x}", (hash & !version & !variant) | (8 << 76) | (0b10 << 62))
}

/// The code that a text names as `[org.parloir.Error.Code]`, the last one if it names several.
#[must_use]
pub fn code_in(text: &str) -> Option<&str> {
    let (_, after) = text.rsplit_once("[org.parloir.Error.")?;
    after.split_once(']').map(|(code, _)| code).filter(|code| is_code(code))
}

/// Whether it could be one.
#[must_use]
pub fn is_code(word: &str) -> bool {
    !word.is_empty() && word.len() <= LONGEST && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Sends a line of the process `name` with its code; whether the journal took it.
#[must_use]
pub fn send(socket: &Path, name: &str, priority: u8, line: &str, code: &str) -> bool {
    let Ok(from) = UnixDatagram::unbound() else { return false };
    let sent = from.set_nonblocking(true).and_then(|()| from.send_to(entry(name, priority, line, code).as_bytes(), socket));
    sent.is_ok()
}

/// The line holds no line break (log sees to that), so every field is one line.
fn entry(name: &str, priority: u8, line: &str, code: &str) -> String {
    let id = message_id(code);
    format!("MESSAGE={line}\nPRIORITY={priority}\nSYSLOG_IDENTIFIER=parloir-{name}\nMESSAGE_ID={id}\nPARLOIR_CODE={code}\n")
}

#[cfg(test)]
mod tests {
    use super::{code_in, message_id, send};
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn an_id_is_a_uuid_that_never_changes() {
        // Printed once and kept: a catalogue in the field knows these.
        assert_eq!(message_id("Denied"), "c3a19011173f85238697f053b5ff7813");
        assert_ne!(message_id("Denied"), message_id("Offline"));
        let id = message_id("Storage");
        assert_eq!((id.len(), &id[12..13]), (32, "8"));
        assert!(matches!(&id[16..17], "8" | "9" | "a" | "b"), "{id}");
    }

    #[test]
    fn a_code_is_found_where_a_message_ends_with_it() {
        assert_eq!(code_in("disk: no [org.parloir.Error.Storage]"), Some("Storage"));
        assert_eq!(code_in("[org.parloir.Error.A] then [org.parloir.Error.B]: more"), Some("B"));
        for none in
            ["plain", "[org.parloir.Error.]", "[org.parloir.Error.x\\n]", "[org.parloir.Error.open", "org.parloir.Error.A]"]
        {
            assert_eq!(code_in(none), None, "{none}");
        }
        assert_eq!(code_in(&format!("[org.parloir.Error.{}]", "a".repeat(41))), None);
    }

    #[test]
    fn an_entry_reaches_the_journals_socket_and_nobody_waits_for_it() {
        let directory = std::env::temp_dir().join(format!("parloir-journal-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("socket");
        assert!(!send(&path, "x", 4, "nobody listens", "Denied"));
        let journal = UnixDatagram::bind(&path).unwrap();
        assert!(send(&path, "link", 4, "no way", "NoBroker"));
        let mut bytes = [0; 512];
        let length = journal.recv(&mut bytes).unwrap();
        let told = std::str::from_utf8(&bytes[..length]).unwrap();
        let id = message_id("NoBroker");
        assert_eq!(
            told,
            format!("MESSAGE=no way\nPRIORITY=4\nSYSLOG_IDENTIFIER=parloir-link\nMESSAGE_ID={id}\nPARLOIR_CODE=NoBroker\n")
        );
        // A journal that does not read: the line is refused, not waited for.
        assert!((0..100_000).any(|_| !send(&path, "link", 4, "no way", "NoBroker")));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
