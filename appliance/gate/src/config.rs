//! Owns: the command line: `--flag value` pairs, each with the device's own default or a refusal that names it.
//! Never: reads a file or the environment.
//! Called by: `main`.

use std::path::{Path, PathBuf};

use parloir_wire::{CAMERA, Id, MICROPHONE};

/// What gate is told at its start.
#[derive(Debug)]
pub struct Config {
    /// This box.
    pub device: Id,
    /// Its site.
    pub site: Id,
    /// Root keys: bytes k and n, then n Ed25519 public keys; part of the read-only image.
    pub roots: PathBuf,
    /// Directory of the door key record that is kept.
    pub state: PathBuf,
    /// Where the arbiter connects.
    pub socket: PathBuf,
    /// The only user that may.
    pub arbiter_uid: u32,
    /// Connecting here starts a call process.
    pub call_socket: PathBuf,
    /// Control group of the call process (cgroup v2).
    pub call_slice: PathBuf,
    /// User of the call process, who is given the device nodes.
    pub call_uid: u32,
    /// Input event devices of the enrolled remote; the flag may come again.
    pub remotes: Vec<PathBuf>,
    /// Camera and microphone.
    pub doors: [Door; 2],
    /// `brightness` of the lamp's LED (sysfs); the flag may come again.
    pub lamps: Vec<PathBuf>,
    /// Bench doors.
    #[cfg(feature = "bench")]
    pub bench: crate::bench::Flags,
}

/// A door's bit in a ticket's mask; its device nodes, which the call process is given; its switches: attributes in sysfs (USB
/// `authorized`, a driver's `bind` and `unbind`, an LED) as path and value to open, path and value to shut. Either may be several.
pub type Door = (u8, Vec<PathBuf>, Vec<[String; 4]>);

/// # Errors
/// An unknown flag, a flag without a value or with a bad one, a flag that must be there and is not; in words for the journal.
pub fn parse(words: impl Iterator<Item = String>) -> Result<Config, String> {
    let words: Vec<_> = words.collect();
    let (pairs, rest) = words.as_chunks();
    rest.first().map_or(Ok(()), |flag| Err(format!("{flag} needs a value")))?;
    let mut given = pairs.to_vec();
    let mut all = |flag| given.extract_if(.., |[name, _]| name == flag).map(|[_, value]| value.into()).collect::<Vec<PathBuf>>();
    let mut door = |bit, node, by| Ok::<_, String>((bit, all(node), all(by).into_iter().map(switch).collect::<Result<_, _>>()?));
    let camera = door(CAMERA, "--camera-node", "--camera-switch")?;
    let doors = [camera, door(MICROPHONE, "--microphone-node", "--microphone-switch")?];
    let mut one = |flag, default: &str| all(flag).pop().unwrap_or_else(|| default.into());
    let config = Config {
        device: id("--device", &one("--device", ""))?,
        site: id("--site", &one("--site", ""))?,
        roots: one("--roots", "/usr/lib/parloir/roots.bin"),
        state: one("--state", "/var/lib/parloir/gate"),
        socket: one("--socket", "/run/parloir/gate.sock"),
        arbiter_uid: uid("--arbiter-uid", &one("--arbiter-uid", ""))?,
        call_socket: one("--call-socket", "/run/parloir/call.sock"),
        call_slice: one("--call-slice", "/sys/fs/cgroup/parloir.slice/parloir-call.slice"),
        call_uid: uid("--call-uid", &one("--call-uid", ""))?,
        remotes: all("--remote"),
        doors,
        lamps: all("--lamp"),
        #[cfg(feature = "bench")]
        bench: crate::bench::Flags::take(&mut all),
    };
    given.first().map_or(Ok(config), |[flag, _]| Err(format!("unknown flag {flag}; gate takes only what its unit file shows")))
}

fn switch(text: PathBuf) -> Result<[String; 4], String> {
    let parts: Vec<_> = text.to_string_lossy().split(',').map(str::to_owned).collect();
    parts.try_into().map_err(|parts| format!("a switch is PATH,VALUE,PATH,VALUE, to open and to shut, not {parts:?}"))
}

fn id(flag: &str, text: &Path) -> Result<Id, String> {
    let digits = text.to_str().filter(|text| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()));
    let number = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
    number.map(u128::to_be_bytes).ok_or_else(|| format!("{flag} is needed: 32 hexadecimal digits, not '{}'", text.display()))
}

fn uid(flag: &str, text: &Path) -> Result<u32, String> {
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("{flag} is needed: a user by number, not '{}'", text.display()))
}
