//! Owns: the command line: `--flag value` pairs, each with the device's own default or a refusal that names it.
//! Never: reads a file or the environment.
//! Called by: `main`.

use std::path::PathBuf;

use parloir_wire::Id;

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
    /// Input event devices of the enrolled remote.
    pub remotes: Vec<PathBuf>,
    /// Device nodes of the camera.
    pub camera_nodes: Vec<PathBuf>,
    /// Device nodes of the microphone.
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
    let (mut device, mut site, mut arbiter_uid) = (None, None, None);
    let mut config = Config {
        device: [0; 16],
        site: [0; 16],
        roots: "/usr/lib/parloir/roots.bin".into(),
        state: "/var/lib/parloir/gate".into(),
        socket: "/run/parloir/gate.sock".into(),
        arbiter_uid: 0,
        call_socket: "/run/parloir/call.sock".into(),
        call_slice: "/sys/fs/cgroup/parloir.slice/parloir-call.slice".into(),
        call_uid: 0,
        remotes: Vec::new(),
        camera_nodes: Vec::new(),
        microphone_nodes: Vec::new(),
        lamp: None,
        #[cfg(feature = "bench")]
        bench: crate::bench::Flags::default(),
    };
    while let Some(flag) = words.next() {
        let value = words.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--device" => device = Some(id(&flag, &value)?),
            "--site" => site = Some(id(&flag, &value)?),
            "--roots" => config.roots = value.into(),
            "--state" => config.state = value.into(),
            "--socket" => config.socket = value.into(),
            "--arbiter-uid" => arbiter_uid = Some(uid(&flag, &value)?),
            "--call-socket" => config.call_socket = value.into(),
            "--call-slice" => config.call_slice = value.into(),
            "--call-uid" => config.call_uid = uid(&flag, &value)?,
            "--remote" => config.remotes.push(value.into()),
            "--camera-node" => config.camera_nodes.push(value.into()),
            "--microphone-node" => config.microphone_nodes.push(value.into()),
            "--lamp" => config.lamp = Some(value.into()),
            #[cfg(feature = "bench")]
            _ if config.bench.take(&flag, &value) => {}
            _ => return Err(format!("unknown flag {flag}; gate takes only what its unit file shows")),
        }
    }
    config.device = device.ok_or("--device is missing: 32 hexadecimal digits")?;
    config.site = site.ok_or("--site is missing: 32 hexadecimal digits")?;
    config.arbiter_uid = arbiter_uid.ok_or("--arbiter-uid is missing: the arbiter's user by number")?;
    let nodes = !config.camera_nodes.is_empty() || !config.microphone_nodes.is_empty();
    if nodes && config.call_uid == 0 {
        return Err("--call-uid is missing or 0: device nodes are given to the call process's own user only".into());
    }
    Ok(config)
}

fn id(flag: &str, text: &str) -> Result<Id, String> {
    let number = (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok()).flatten();
    number
        .filter(|_| text.bytes().all(|b| b.is_ascii_hexdigit()))
        .map(u128::to_be_bytes)
        .ok_or_else(|| format!("{flag} {text}: not 32 hexadecimal digits"))
}

fn uid(flag: &str, text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{flag} {text}: not a user by number"))
}
