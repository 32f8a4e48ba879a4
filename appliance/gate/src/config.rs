//! Owns: the command line: `--flag value` pairs, each with the device's own default or a refusal that names it.
//! Never: reads a file or the environment.
//! Called by: `main`.

use std::path::PathBuf;

use parloir_wire::Id;

const FLAGS: &str = "--device --site --roots --state --socket --arbiter-uid --call-socket --call-slice --call-uid \
                     --remote --camera-node --microphone-node --lamp";

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
    /// Device nodes of the camera; the flag may come again.
    pub camera_nodes: Vec<PathBuf>,
    /// Device nodes of the microphone; the flag may come again.
    pub microphone_nodes: Vec<PathBuf>,
    /// `brightness` of the lamp's LED (sysfs).
    pub lamp: Option<PathBuf>,
    /// Bench doors.
    #[cfg(feature = "bench")]
    pub bench: crate::bench::Flags,
}

/// # Errors
/// An unknown flag, a flag without a value or with a bad one, a flag that must be there and is not; in words for the journal.
pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Config, String> {
    let mut given = Vec::new();
    #[cfg(feature = "bench")]
    let mut bench = crate::bench::Flags::default();
    while let Some(flag) = words.next() {
        let value = words.next().ok_or_else(|| format!("{flag} needs a value"))?;
        #[cfg(feature = "bench")]
        if bench.take(&flag, &value) {
            continue;
        }
        if !FLAGS.split(' ').any(|known| known == flag) {
            return Err(format!("unknown flag {flag}; gate takes {FLAGS}"));
        }
        given.push((flag, value));
    }
    let all = |flag| given.iter().filter(move |(f, _)| f == flag).map(|(_, value)| value);
    let paths = |flag| all(flag).map(PathBuf::from).collect();
    let path = |flag, default: &str| all(flag).last().map_or(default, String::as_str).into();
    let needed = |flag| all(flag).last().ok_or_else(|| format!("{flag} is missing"));
    let id =
        |flag| needed(flag).and_then(|text| parse_id(text).ok_or_else(|| format!("{flag} {text}: not 32 hexadecimal digits")));
    let uid = |flag| needed(flag).and_then(|text| text.parse().map_err(|_| format!("{flag} {text}: not a user by number")));
    let nodes = given.iter().any(|(flag, _)| flag.ends_with("-node"));
    Ok(Config {
        device: id("--device")?,
        site: id("--site")?,
        roots: path("--roots", "/usr/lib/parloir/roots.bin"),
        state: path("--state", "/var/lib/parloir/gate"),
        socket: path("--socket", "/run/parloir/gate.sock"),
        arbiter_uid: uid("--arbiter-uid")?,
        call_socket: path("--call-socket", "/run/parloir/call.sock"),
        call_slice: path("--call-slice", "/sys/fs/cgroup/parloir.slice/parloir-call.slice"),
        call_uid: if nodes { uid("--call-uid")? } else { 0 },
        remotes: paths("--remote"),
        camera_nodes: paths("--camera-node"),
        microphone_nodes: paths("--microphone-node"),
        lamp: all("--lamp").last().map(PathBuf::from),
        #[cfg(feature = "bench")]
        bench,
    })
}

fn parse_id(text: &str) -> Option<Id> {
    let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(u128::to_be_bytes)
}
