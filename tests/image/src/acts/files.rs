//! Owns: tries on files: every way that leads to a camera, a microphone or a disk; writing where nothing may be written; a full disk.
//! Never: reads a frame; that a node opened is enough.
//! Called by: acts.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, mknod};
use serde_json::{Value, json};

use super::word;

/// Where the kernel and udev put nodes that see, hear, type, or are a disk.
const PLACES: [&str; 11] = [
    "/dev",
    "/dev/snd",
    "/dev/input",
    "/dev/input/by-path",
    "/dev/input/by-id",
    "/dev/v4l/by-path",
    "/dev/v4l/by-id",
    "/dev/parloir",
    "/dev/mapper",
    "/dev/disk/by-partlabel",
    "/dev/bus/usb/001",
];
/// How such nodes begin in `/dev`; in the other places every node counts.
const NAMES: [&str; 19] = [
    "video",
    "media",
    "v4l-subdev",
    "vbi",
    "radio",
    "swradio",
    "cec",
    "uinput",
    "uhid",
    "mem",
    "port",
    "kmsg",
    "vd",
    "sd",
    "dm-",
    "hidraw",
    "fb",
    "vcs",
    "tty0",
];
/// Classes of sysfs whose `dev` files name a node that could be made anew elsewhere.
const CLASSES: [&str; 4] = ["video4linux", "media", "sound", "input"];

/// Every way to a camera, a microphone, the remote or a disk: which were open, and how the others said no.
pub fn eyes() -> Value {
    let nodes = nodes();
    let mut tries: Vec<(String, String)> = nodes.iter().map(|path| (path.display().to_string(), open(path))).collect();
    tries.extend(made_anew());
    tries.extend(switches());
    tries.extend(through_others(&nodes));
    summary(&tries)
}

/// What was done, and counts of each way to say no; the names of the tries that a reader may look for.
fn summary(tries: &[(String, String)]) -> Value {
    let mut counts = std::collections::BTreeMap::new();
    for (_, came) in tries {
        *counts.entry(came.clone()).or_insert(0u32) += 1;
    }
    let done: Vec<&str> = tries.iter().filter(|(_, came)| came == "done").map(|(what, _)| what.as_str()).collect();
    let refused: Vec<&str> = tries.iter().filter(|(_, came)| came != "done").map(|(what, _)| what.as_str()).collect();
    json!({ "tries": tries.len(), "done": done, "refused": refused, "counts": counts })
}

fn nodes() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for place in PLACES {
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let wanted = place != "/dev" || NAMES.iter().any(|start| name.starts_with(start));
            if wanted && fs::metadata(entry.path()).is_ok_and(|meta| !meta.is_dir()) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// To read and write, or to read.
fn open(path: &Path) -> String {
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
    let both = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
    word(both.or_else(|_| OpenOptions::new().read(true).custom_flags(flags).open(path)))
}

/// Nodes of one's own with a camera's number, wherever one may write.
fn made_anew() -> Vec<(String, String)> {
    let mut tries = Vec::new();
    for class in CLASSES {
        for entry in fs::read_dir(format!("/sys/class/{class}")).into_iter().flatten().flatten() {
            let Ok(text) = fs::read_to_string(entry.path().join("dev")) else { continue };
            let Some((major, minor)) = text.trim().split_once(':').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)))
            else {
                continue;
            };
            for place in ["/tmp", "/run", "/dev/shm", "/var/tmp"] {
                let path = PathBuf::from(place).join(format!("attack-{}", std::process::id()));
                let device = nix::sys::stat::makedev(major, minor);
                let made = mknod(&path, SFlag::S_IFCHR, Mode::from_bits_truncate(0o600), device).map_err(io::Error::from);
                let came = if made.is_ok() { open(&path) } else { word(made) };
                let _ = fs::remove_file(&path);
                tries.push((format!("mknod {place} {class} {}", text.trim()), came));
            }
        }
    }
    tries
}

/// The switches in sysfs that would bring a camera or a USB device to life.
fn switches() -> Vec<(String, String)> {
    let mut tries = Vec::new();
    for bus in ["usb", "platform", "pci"] {
        tries.push(try_write(&format!("/sys/bus/{bus}/drivers_probe")));
        for entry in fs::read_dir(format!("/sys/bus/{bus}/drivers")).into_iter().flatten().flatten() {
            for switch in ["bind", "unbind", "new_id"] {
                let path = entry.path().join(switch);
                if path.exists() {
                    tries.push(try_write(&path.display().to_string()));
                }
            }
        }
    }
    for entry in fs::read_dir("/sys/bus/usb/devices").into_iter().flatten().flatten() {
        for switch in ["authorized", "authorized_default"] {
            let path = entry.path().join(switch);
            if path.exists() {
                tries.push(try_write(&path.display().to_string()));
            }
        }
    }
    for path in ["/proc/sysrq-trigger", "/proc/sys/kernel/sysrq", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/core_pattern"] {
        tries.push(try_write(path));
    }
    tries
}

/// Opened for writing, and nothing written: that it may be is enough.
fn try_write(path: &str) -> (String, String) {
    (format!("write {path}"), word(OpenOptions::new().write(true).open(path)))
}

/// What another process has open, by `/proc`: the descriptors that are such a node, and the memory of whoever has one.
fn through_others(nodes: &[PathBuf]) -> Vec<(String, String)> {
    let mut tries = Vec::new();
    let own = std::process::id().to_string();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = process.file_name().to_string_lossy().into_owned();
        if pid == own || !pid.bytes().all(|digit| digit.is_ascii_digit()) || fs::read_link(process.path().join("exe")).is_err() {
            // The kernel's own threads have no file, and what we may not look at has none for us: only the memory is tried there.
            if pid.bytes().all(|digit| digit.is_ascii_digit()) && pid != own {
                let user = fs::metadata(process.path()).map(|meta| std::os::unix::fs::MetadataExt::uid(&meta)).unwrap_or(0);
                if user != nix::unistd::getuid().as_raw() {
                    tries
                        .push((format!("memory of {pid}"), word(OpenOptions::new().read(true).open(process.path().join("mem")))));
                }
            }
            continue;
        }
        for fd in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            let leads = fs::read_link(fd.path()).unwrap_or_default();
            if nodes.contains(&leads) {
                tries.push((format!("{} of {pid}", leads.display()), open(&fd.path())));
            }
        }
    }
    tries
}

/// Opens each path, and says of each what came.
pub fn open_all(paths: &[&str]) -> Value {
    json!(paths.iter().map(|path| json!({ "path": path, "came": open(Path::new(path)) })).collect::<Vec<_>>())
}

/// Tries to write into each path: a directory by a new file, a file by opening it to append, a missing one by making it.
pub fn write_all(paths: &[&str]) -> Value {
    let came = |path: &str| {
        let place = Path::new(path);
        if place.is_dir() {
            let new = place.join(format!("attack-{}", std::process::id()));
            let made = OpenOptions::new().write(true).create_new(true).open(&new);
            if made.is_ok() {
                let _ = fs::remove_file(&new);
            }
            return word(made);
        }
        word(OpenOptions::new().append(true).create(true).open(place))
    };
    json!(paths.iter().map(|path| json!({ "path": path, "came": came(path) })).collect::<Vec<_>>())
}

/// Tries to have the root writable: mounted again, mounted over, and the verified device written.
pub fn mounts() -> Value {
    let none = None::<&str>;
    let again = mount(none, "/", none, MsFlags::MS_REMOUNT | MsFlags::MS_BIND, none).map_err(io::Error::from);
    let whole = mount(none, "/", none, MsFlags::MS_REMOUNT, none).map_err(io::Error::from);
    let root = word(OpenOptions::new().append(true).create(true).open("/usr/lib/parloir/attack"));
    let mut tries = vec![
        json!({ "what": "mount the root again, writable", "came": word(again) }),
        json!({ "what": "mount the root's file system again, writable", "came": word(whole) }),
        json!({ "what": "then make a file in it", "came": root }),
    ];
    for entry in fs::read_dir("/dev/mapper").into_iter().flatten().flatten() {
        let path = entry.path();
        if path.ends_with("control") {
            continue;
        }
        let written = OpenOptions::new().write(true).open(&path).and_then(|mut device| {
            device.write_all(&[0; 4096])?;
            device.sync_all()
        });
        tries.push(json!({ "what": format!("write {}", path.display()), "came": word(written) }));
    }
    json!(tries)
}

/// Fills the file system of a directory, but for that many bytes, with a file `attack-full`.
pub fn fill(directory: &str, leave: u64) -> Value {
    let path = Path::new(directory).join("attack-full");
    let full = || -> io::Result<u64> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        let (chunk, mut written) = (vec![0x55; 256 * 1024], 0u64);
        // Ever smaller, until not one more byte goes in.
        for size in [chunk.len(), 4096, 512, 1] {
            while let Ok(n @ 1..) = file.write(&chunk[..size]) {
                written += n as u64;
            }
        }
        file.set_len(written.saturating_sub(leave))?;
        file.sync_all()?;
        Ok(written)
    };
    match full() {
        Ok(bytes) => json!({ "file": path, "bytes": bytes }),
        Err(why) => json!({ "file": path, "wrong": super::said(&why) }),
    }
}

/// Takes away what [`fill`] left.
pub fn unfill(directory: &str) -> Value {
    let path = Path::new(directory).join("attack-full");
    json!({ "file": path, "came": word(fs::remove_file(&path)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_written_is_told_from_what_may_not() {
        let dir = std::env::temp_dir().display().to_string();
        let came = write_all(&[dir.as_str(), "/no/such/place/file"]);
        assert_eq!(came[0]["came"], "done", "{came}");
        assert_ne!(came[1]["came"], "done", "{came}");
    }

    #[test]
    fn the_eyes_say_what_they_tried() {
        let seen = eyes();
        let tried = seen["tries"].as_u64().expect("a number");
        let parts = [&seen["done"], &seen["refused"]].map(|list| list.as_array().map_or(0, Vec::len) as u64);
        assert_eq!(tried, parts.iter().sum::<u64>(), "{seen}");
    }
}
