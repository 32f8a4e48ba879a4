//! Owns: a keyboard of our own in the guest (uinput): the keys that an enrolled remote, or one that says it is, could send.
//! Never: a key that stays down.
//! Called by: acts.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use parloir_wire::keys::EVENT;
use serde_json::{Value, json};

use super::said;

mod ioctl {
    // linux/uinput.h
    nix::ioctl_none!(create, b'U', 1);
    nix::ioctl_none!(destroy, b'U', 2);
    nix::ioctl_write_int!(set_evbit, b'U', 100);
    nix::ioctl_write_int!(set_keybit, b'U', 101);
}

/// `struct uinput_user_dev` of linux/uinput.h: name, bus, vendor, product, version, and what a keyboard leaves zero.
const DESCRIPTION: usize = 80 + 8 + 4 + 4 * 64 * 4;
const NAME: usize = 80;
const BUS_VIRTUAL: u16 = 6;
const EV_SYN: u16 = 0;
const EV_KEY: u16 = 1;

/// Names of keys that a remote has no business with, and of some that it has; linux/input-event-codes.h.
const KEYS: [(&str, u16); 14] = [
    ("esc", 1),
    ("b", 48),
    ("enter", 28),
    ("leftctrl", 29),
    ("leftalt", 56),
    ("f1", 59),
    ("f2", 60),
    ("delete", 111),
    ("sysrq", 99),
    ("power", 116),
    ("restart", 408),
    ("sleep", 142),
    ("ok", 352),
    ("up", 103),
];

/// Makes a keyboard of that name and presses each word's keys, `leftalt+sysrq+b`, all down and then all up; it is gone at the end.
/// Says which node of `/dev/input` it was, and whether somebody had grabbed it.
pub fn type_on(name: &str, words: &[&str]) -> Value {
    let mut chords = Vec::new();
    for word in words {
        let codes: Option<Vec<u16>> =
            word.split('+').map(|key| KEYS.iter().find(|(known, _)| *known == key).map(|(_, code)| *code)).collect();
        match codes {
            Some(codes) => chords.push(codes),
            None => return json!({ "wrong": format!("{word} is no chord of {:?}", KEYS.map(|(known, _)| known)) }),
        }
    }
    match pressed(name, &chords) {
        Ok((node, grabbed)) => json!({ "node": node, "grabbed": grabbed, "chords": chords.len() }),
        Err(why) => json!({ "wrong": said(&why) }),
    }
}

#[allow(unsafe_code)]
fn made(name: &str) -> io::Result<File> {
    let mut device = OpenOptions::new().write(true).open("/dev/uinput")?;
    let fd = device.as_raw_fd();
    // SAFETY: the three requests take their argument by value and touch no memory of ours; the fd is open as long as `device` is.
    unsafe {
        ioctl::set_evbit(fd, u64::from(EV_KEY))?;
        for (_, code) in KEYS {
            ioctl::set_keybit(fd, u64::from(code))?;
        }
    }
    let mut description = [0; DESCRIPTION];
    for (to, from) in description[..NAME - 1].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    description[NAME..NAME + 2].copy_from_slice(&BUS_VIRTUAL.to_ne_bytes());
    device.write_all(&description)?;
    // SAFETY: as above; the request has no argument.
    unsafe { ioctl::create(fd) }?;
    Ok(device)
}

fn pressed(name: &str, chords: &[Vec<u16>]) -> io::Result<(String, bool)> {
    let mut device = made(name)?;
    let node = node(name);
    // udev names it, gate looks for its remotes.
    sleep(Duration::from_secs(2));
    let grabbed = node.as_ref().is_some_and(|node| is_grabbed(node));
    for chord in chords {
        for code in chord {
            say(&mut device, *code, 1)?;
        }
        sleep(Duration::from_millis(80));
        for code in chord.iter().rev() {
            say(&mut device, *code, 0)?;
        }
        sleep(Duration::from_millis(400));
    }
    gone(&device);
    Ok((node.map(|path| path.display().to_string()).unwrap_or_default(), grabbed))
}

#[allow(unsafe_code)]
fn gone(device: &File) {
    // SAFETY: the request has no argument; the fd is open as long as `device` is. A failure means that it is gone already.
    let _ = unsafe { ioctl::destroy(device.as_raw_fd()) };
}

fn say(device: &mut File, code: u16, value: i32) -> io::Result<()> {
    device.write_all(&event(EV_KEY, code, value))?;
    device.write_all(&event(EV_SYN, 0, 0))
}

/// `struct input_event` with its time zero: the kernel puts its own.
fn event(kind: u16, code: u16, value: i32) -> [u8; EVENT] {
    let mut bytes = [0; EVENT];
    let at = EVENT - 8;
    bytes[at..at + 2].copy_from_slice(&kind.to_ne_bytes());
    bytes[at + 2..at + 4].copy_from_slice(&code.to_ne_bytes());
    bytes[at + 4..].copy_from_slice(&value.to_ne_bytes());
    bytes
}

/// `/dev/input/eventN` of the newest device of that name.
fn node(name: &str) -> Option<PathBuf> {
    let inputs = std::fs::read_dir("/sys/class/input").ok()?.flatten();
    let mut numbers: Vec<u32> = inputs
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.strip_prefix("event")?.parse().ok()?;
            let text = std::fs::read_to_string(entry.path().join("device/name")).ok()?;
            (text.trim() == name).then_some(number)
        })
        .collect();
    numbers.sort_unstable();
    numbers.last().map(|number| PathBuf::from(format!("/dev/input/event{number}")))
}

/// Whether another process has it alone (EVIOCGRAB): then ours is refused.
#[allow(unsafe_code)]
fn is_grabbed(node: &std::path::Path) -> bool {
    mod grab {
        nix::ioctl_write_int!(eviocgrab, b'E', 0x90);
    }
    let Ok(file) = File::open(node) else { return false };
    // SAFETY: EVIOCGRAB takes its argument by value; the fd is open as long as `file` is, and its close lets the grab go.
    let tried = unsafe { grab::eviocgrab(file.as_raw_fd(), 1) };
    tried == Err(nix::errno::Errno::EBUSY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_what_gate_reads() {
        use parloir_wire::keys::{Key, Motion, from_event};
        assert_eq!(from_event(&event(EV_KEY, 352, 1)), Some((Key::Ok, Motion::Down)));
        assert_eq!(from_event(&event(EV_KEY, 99, 1)), None, "SysRq is no key of the remote");
    }

    #[test]
    fn a_key_that_is_not_known_is_not_pressed() {
        assert!(type_on("x", &["leftalt+moon"])["wrong"].is_string());
    }
}
