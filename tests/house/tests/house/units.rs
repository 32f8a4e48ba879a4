//! Owns: that units, users, directories and firewall of `systemd/` give each cell what `systemd/cells.toml` says, and nothing more.
//! Never: believes a comparison that has not been seen to fail: every kind of difference is planted once.
//! Called by: the house tests.

use std::collections::BTreeSet;

use parloir_bench::cells::Cells;
use parloir_house::units::{Files, Unit, differences, milliseconds, unit};
use parloir_house::{files, root, text};

fn cells() -> Cells {
    Cells::read(&root().join("systemd/cells.toml")).expect("cells.toml is read")
}

/// `systemd/` as it would be installed. Links are left out: they name files that are there anyway.
fn systemd() -> Files {
    let own = files().into_iter().filter(|path| !root().join(path).is_symlink());
    own.filter_map(|path| Some((path.strip_prefix("systemd").ok()?.display().to_string(), text(&path)))).collect()
}

#[test]
fn units_users_directories_and_firewall_are_what_the_cells_have() {
    let found: Vec<String> = differences(&cells(), &systemd()).iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// A fault: file, what stands there, what shall stand there, and where the difference must be told.
type Fault = (&'static str, &'static str, &'static str, &'static str);

const FAULTS: &[Fault] = &[
    ("units/parloir-gate.service", "User=parloir-gate", "User=root", "parloir-gate.service User="),
    ("units/parloir-gate.service", "[Service]", "[Service]\nGroup=video", "parloir-gate.service Group="),
    ("units/parloir-link.service", "[Service]", "[Service]\nSupplementaryGroups=video", "SupplementaryGroups="),
    ("units/parloir-ui.service", "SupplementaryGroups=parloir-screen", "", "parloir-ui.service SupplementaryGroups="),
    ("units/parloir-gate.service", "--arbiter-uid 802", "--arbiter-uid 804", "parloir-gate.service ExecStart="),
    ("units/parloir-gate.service", "--call-uid 805 $", "--call-uid 805 --bench-camera /x $", "ExecStart="),
    ("units/parloir-link.service", "${PARLOIR_BROKER}", "$PARLOIR_BROKER", "ExecStart="),
    ("units/parloir-gate.service", "MemoryMax=16M", "MemoryMax=1G", "MemoryMax="),
    ("units/parloir-gate.service", "WatchdogSec=2s", "WatchdogSec=20s", "WatchdogSec="),
    ("units/parloir-arbiter.service", "WatchdogSec=10s", "", "WatchdogSec="),
    ("units/parloir-ui.service", "Restart=always", "Restart=no", "Restart="),
    ("units/parloir-link.service", "RestartSec=1s", "RestartSec=1min", "RestartSec="),
    ("units/parloir-gate.service", "DeviceAllow=char-13 r", "DeviceAllow=char-13 rw", "DeviceAllow="),
    ("units/parloir-gate.service", "DeviceAllow=char-13 r", "DeviceAllow=char-13 r\nDeviceAllow=/dev/video0 r", "DeviceAllow="),
    ("units/parloir-arbiter.service", "PrivateDevices=yes", "PrivateDevices=no", "PrivateDevices="),
    ("units/parloir-gate.service", "AmbientCapabilities=CAP_CHOWN", "AmbientCapabilities=CAP_SYS_ADMIN CAP_CHOWN", "Ambient"),
    ("units/parloir-ui.service", "CapabilityBoundingSet=", "CapabilityBoundingSet=CAP_SYS_ADMIN", "CapabilityBoundingSet="),
    ("units/parloir-ui.service", "PrivateUsers=yes", "PrivateUsers=no", "PrivateUsers="),
    (
        "units/parloir-ui.service",
        "RestrictAddressFamilies=AF_UNIX",
        "RestrictAddressFamilies=AF_UNIX AF_INET",
        "AddressFamilies=",
    ),
    ("units/parloir-arbiter.service", "PrivateNetwork=yes", "", "PrivateNetwork="),
    ("units/parloir-link.service", "IPAddressDeny=localhost link-local", "IPAddressDeny=", "IPAddressDeny="),
    ("units/parloir-link.service", "Requires=dbus.socket", "", "parloir-link.service Requires"),
    ("units/parloir-gate.service", "Wants=parloir-call.socket", "Requires=dbus.socket", "parloir-gate.service Requires"),
    ("units/parloir-ui.service", "dbus.service parloir-arbiter.service", "dbus.service", "parloir-ui.service After"),
    (
        "units/parloir-gate.service",
        "ReadWritePaths=/run/parloir/gate",
        "ReadWritePaths=/run/parloir /run/parloir/gate",
        "ReadWrite",
    ),
    ("units/parloir-call@.service", "TemporaryFileSystem=/run/parloir/call/run", "TemporaryFileSystem=/run/x", "TemporaryFile"),
    ("units/parloir-ui.service", "NoExecPaths=/", "", "NoExecPaths="),
    ("units/parloir-call@.service", "NoExecPaths=", "ExecPaths=/run/parloir/call/run\nNoExecPaths=", "ExecPaths="),
    ("units/parloir-ui.service", "InaccessiblePaths=/var/lib/parloir", "InaccessiblePaths=/x", "InaccessiblePaths"),
    ("units/parloir-gate.service", "RequiresMountsFor=/var/lib/parloir", "", "RequiresMountsFor"),
    ("units/parloir-ui.service", "[Service]", "[Service]\nEnvironmentFile=/var/lib/parloir/box.env", "EnvironmentFile"),
    ("units/parloir-.service.d/cell.conf", "DevicePolicy=closed", "DevicePolicy=auto", "DevicePolicy="),
    ("units/parloir-call.socket", "SocketMode=0600", "SocketMode=0666", "SocketMode="),
    ("units/parloir-call.socket", "SocketUser=parloir-gate", "SocketUser=parloir-ui", "SocketUser="),
    ("units/parloir-call.socket", "Accept=yes", "Accept=no", "Accept="),
    ("units/parloir-call.socket", "ListenSequentialPacket=/run/parloir/call/socket", "ListenStream=9000", "Listen"),
    ("sysusers.d/parloir.conf", "parloir-gate 801", "parloir-gate 811", "sysusers.d/parloir.conf u!"),
    ("sysusers.d/parloir.conf", "u! parloir-link", "m parloir-link video\nu! parloir-link", "other lines"),
    ("sysusers.d/parloir.conf", "u! parloir-link", "u! parloir-extra 899 \"x\" / /usr/sbin/nologin\nu! parloir-link", "u!"),
    ("sysusers.d/parloir.conf", "/usr/sbin/nologin", "/bin/sh", "home and shell"),
    ("sysusers.d/parloir.conf", "g parloir-screen", "g parloir-all", "sysusers.d/parloir.conf g"),
    (
        "tmpfiles.d/parloir.conf",
        "/run/parloir/gate 0755 parloir-gate parloir-gate",
        "/run/parloir/gate 0755 parloir-ui parloir-ui",
        "d`",
    ),
    ("units/parloir-updater.service", "${PARLOIR_UPDATES}", "10.0.0.1:1", "ExecStart="),
    ("nftables/parloir.nft", "define updater = 809", "define updater = 0", "skuid"),
    ("nftables/parloir.nft", "define link = 803", "define link = 804", "skuid"),
    ("nftables/parloir.nft", "chain in {", "chain in {\nmeta skuid 0 accept", "skuid"),
    ("tmpfiles.d/parloir.conf", "0700 parloir-arbiter parloir-arbiter", "0770 parloir-arbiter parloir-ui", "user and group"),
];

#[test]
fn every_kind_of_difference_is_seen() {
    let (cells, tree) = (cells(), systemd());
    let mut unseen = Vec::new();
    for (file, from, to, told) in FAULTS {
        let mut planted = tree.clone();
        let text = planted.get_mut(*file).unwrap_or_else(|| panic!("{file} is not there"));
        assert!(text.contains(from), "{file} does not say `{from}`");
        *text = text.replacen(from, to, 1);
        let found: Vec<String> = differences(&cells, &planted).iter().map(ToString::to_string).collect();
        if !found.iter().any(|line| line.contains(told.trim_end_matches('`'))) {
            unseen.push(format!("{file}: `{to}` instead of `{from}`: {found:?}"));
        }
    }
    assert!(unseen.is_empty(), "{unseen:#?}");
}

#[test]
fn a_unit_more_or_less_is_seen() {
    let (cells, tree) = (cells(), systemd());
    for (name, remove) in
        [("parloir-extra.service", false), ("extra.service", false), ("parloir-x.socket", false), ("parloir-ui.service", true)]
    {
        let mut planted = tree.clone();
        let path = format!("units/{name}");
        if remove {
            planted.remove(&path)
        } else {
            planted.insert(path, "[Service]\nExecStart=/x\n".to_owned())
        };
        let found = differences(&cells, &planted);
        assert!(found.iter().any(|d| d.at.contains("services and sockets")), "{name}: {found:?}");
    }
}

/// cell.conf is read after a unit, so what stands in it must stand nowhere else: a unit that says something else would mislead.
#[test]
fn no_unit_says_again_what_all_cells_have() {
    let tree = systemd();
    let common = &tree["units/parloir-.service.d/cell.conf"];
    let lists = ["ExecPaths", "UnsetEnvironment"];
    let keys: BTreeSet<&str> =
        common.lines().filter_map(|l| l.split_once('=')).map(|(key, _)| key).filter(|key| !lists.contains(key)).collect();
    assert!(keys.len() > 20 && keys.contains("NoNewPrivileges"), "{keys:?}");
    for (path, text) in tree.iter().filter(|(path, _)| path.starts_with("units/") && path.ends_with(".service")) {
        let again: Vec<&str> = text.lines().filter(|l| l.split_once('=').is_some_and(|(key, _)| keys.contains(key))).collect();
        assert!(again.is_empty(), "{path}: {again:?} stands in cell.conf");
    }
    let link = root().join("systemd/units/parloir-@.service.d/cell.conf");
    assert_eq!(
        std::fs::read_link(&link).expect("the template has it too"),
        std::path::Path::new("../parloir-.service.d/cell.conf")
    );
}

#[test]
fn every_unit_says_what_it_owns_and_what_it_never_has() {
    let tree = systemd();
    for (path, text) in tree.iter().filter(|(path, _)| path.starts_with("units/")) {
        let head: String = text.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(head.contains("# Owns: "), "{path}: its head says not what it owns");
        assert!(!path.ends_with(".service") || head.contains("# Never: "), "{path}: its head says not what it never has");
    }
}

#[test]
fn what_a_unit_says_is_read_as_systemd_reads_it() {
    let parsed = Unit::parse("# A=0\n[Service]\nA=1\nA=2\n;A=3\nB=x y\nB=\nB=z\nC=a \\\n  b\n");
    assert_eq!((parsed.last("A"), parsed.last("none")), ("2", ""));
    assert_eq!(parsed.words("B"), BTreeSet::from(["z".to_owned()]));
    assert_eq!(parsed.words("C").len(), 2);
    assert_eq!(["100ms", "2s", "1min", "2", "x"].map(milliseconds), [Some(100), Some(2000), Some(60_000), None, None]);
    assert_eq!(unit(&systemd(), "parloir-gate.service").last("NoNewPrivileges"), "yes");
}

/// Every unit in `systemd/masked` once, and none that the box needs.
#[test]
fn masked_units_are_no_units_of_ours() {
    let tree = systemd();
    let masked: Vec<&str> = tree["masked"].lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(masked.iter().collect::<BTreeSet<_>>().len(), masked.len(), "one is named twice");
    for name in &masked {
        assert!(!tree.contains_key(&format!("units/{name}")), "{name} is ours");
        let names = |text: &String| {
            Unit::parse(text).words("Wants").contains(*name) || Unit::parse(text).words("Requires").contains(*name)
        };
        assert!(!tree.values().any(names), "{name} is wanted by a unit of ours");
    }
    for never in [
        "emergency.service",
        "rescue.service",
        "debug-shell.service",
        "getty@.service",
        "serial-getty@.service",
        "ctrl-alt-del.target",
    ] {
        assert!(masked.contains(&never), "{never} can start");
    }
}
