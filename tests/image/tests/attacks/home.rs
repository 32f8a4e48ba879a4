//! Owns: the attacks on a box at its home screen, in one boot whose clock says 1970.
//! Never: a visit; the last attacks fill the disk, so nothing comes after them.
//! Called by: `whole_attacks.rs`.

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use parloir_image::{Halt, Machine, Options, Probe, Scene, Uki};
use serde_json::{Value, json};

use super::{As, Report, act, boot_id, forged, inventory, strings, users, wire};

/// For one step, under emulation.
const STEP: Duration = Duration::from_secs(120);
/// What a plugged thing gets to be noticed.
const NOTICED: Duration = Duration::from_secs(6);
/// The box's address on the wire of QEMU's own network, and its neighbours there.
pub const BOX: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 0, 2, 15);
/// Cells that are there all the time and have a unit.
pub const CELLS: [&str; 5] = ["gate", "arbiter", "link", "ui", "peers"];
/// Keys that a kernel, a console or a manager of logins would act on.
const CHORDS: [&str; 8] = [
    "leftalt+sysrq+b",
    "leftctrl+leftalt+delete",
    "leftctrl+leftalt+delete",
    "leftalt+f1",
    "leftctrl+leftalt+f2",
    "power",
    "restart",
    "sleep",
];

/// The course.
///
/// # Errors
/// The box does not come to its home screen; a single attack that cannot be tried is only noted.
pub fn course(report: &mut Report) -> Result<(), Halt> {
    let mut scene = Scene::set("attacks-at-home")?;
    let disk = scene.disk(Uki::Probe)?;
    let options = Options { clock: "1970-01-01T00:00:00".to_owned(), ..Options::new("home", &disk) };
    let (mut machine, probe) = scene.boot(&options)?;
    scene.until(&mut machine, "the facility's word to the box", STEP, |scene| scene.play.seen.attached)?;
    let m = &mut machine;
    report.note("running", inventory::compared(&probe, false));
    report.note("eyes", eyes(&probe));
    report.note("orders", orders(&probe));
    report.note("dial", dial(&mut scene, m, &probe));
    report.note("grant", grant(&scene, &probe));
    report.note("clock", clock(&mut scene, m, &probe, 86_400));
    report.note("root", root(&probe));
    report.note("usb", usb(&mut scene, m, &probe));
    report.note("keys", keys(&mut scene, m, &probe));
    report.note("reach", reach(&scene, &probe));
    report.note("door", door(&mut scene, m, &probe));
    report.note("full", full(&mut scene, m, &probe));
    report.note("ledger", Ok(parloir_image::story::ledger(&probe, &scene.out.join("state"))?));
    report.note("opened", Ok(json!(scene.play.seen.opened)));
    machine.quit();
    report.note("wire", sent(&scene, &machine));
    scene.keep()?;
    report.note("whole", Ok(json!(true)));
    Ok(())
}

fn keys_of(scene: &Scene) -> PathBuf {
    PathBuf::from(scene.play.stage.supervisor.values.get("keys").cloned().unwrap_or_default())
}

/// The box's clock is put to that time, and who asks it is started again: the box is at home and at its facility all the same.
pub fn clock(scene: &mut Scene, machine: &mut Machine, probe: &Probe, unix: i64) -> Result<Value, Halt> {
    let year = |unix: f64| 1970.0 + unix / 31_556_952.0;
    // The kernel and systemd do not believe everything that the chip says: this is where they began.
    let began = probe.clocks()?.1;
    let set = act(probe, &As::user(""), &["set-clock", &unix.to_string()])?;
    let begun = scene.journal().len();
    (scene.play.seen.attached, scene.play.seen.phase) = (false, String::new());
    probe.out(&["systemctl", "restart", "parloir-arbiter.service", "parloir-link.service"])?;
    let there = |scene: &Scene| scene.play.seen.attached && scene.play.seen.phase == "home";
    scene.until(machine, "home and facility by another clock", STEP, there)?;
    let told = scene.journal().split_off(begun).into_iter().filter(|entry| entry.text.contains("clock")).map(|entry| entry.text);
    let told: Vec<String> = told.collect();
    Ok(json!({ "began_year": year(began), "own_year": year(probe.clocks()?.1), "set": set, "told": told,
        "phase": scene.play.seen.phase, "attached": scene.play.seen.attached }))
}

/// Every way to a camera, as every user and from within every cell; as root, to see that there is something to find.
pub fn eyes(probe: &Probe) -> Result<Value, Halt> {
    let mut came = serde_json::Map::new();
    came.insert("root".to_owned(), act(probe, &As::user(""), &["eyes"])?);
    let everybody = users(probe)?;
    for who in everybody.iter().map(|user| As::user(user)).chain(CELLS.map(As::cell)) {
        came.insert(who.name(), act(probe, &who, &["eyes"])?);
    }
    Ok(Value::Object(came))
}

/// A call process, and more of anything, from systemd and by the sockets that only gate and arbiter may use.
fn orders(probe: &Probe) -> Result<Value, Halt> {
    let mut came = serde_json::Map::new();
    let sockets = ["/run/parloir/gate/socket", "/run/parloir/call/socket", "/run/systemd/private", "/run/udev/control"];
    let whos = [As::cell("ui"), As::cell("link"), As::user("parloir-call"), As::user("parloir-still")];
    for who in whos {
        let manager = act(probe, &who, &["manager"])?;
        let words: Vec<&str> = ["connect"].into_iter().chain(sockets).collect();
        came.insert(who.name(), json!({ "manager": manager, "sockets": act(probe, &who, &words)? }));
    }
    let writes = act(probe, &As::user(""), &["connect", "/run/parloir/call/socket"])?;
    came.insert("root".to_owned(), json!({ "sockets": writes }));
    Ok(Value::Object(came))
}

/// A screen that was taken over dials without a key. The real one is there again afterwards.
fn dial(scene: &mut Scene, machine: &mut Machine, probe: &Probe) -> Result<Value, Halt> {
    let came = act(probe, &As::cell("ui"), &["dial"])?;
    let ui = probe.process("parloir-ui.service")?;
    // It was replaced as the screen: its unit starts it again, or it attaches by itself; either way it ends at home.
    let _ = probe.signal(ui.pid, Signal::SIGTERM);
    scene.play.seen.phase.clear();
    scene.until(machine, "the screen after the rogue", STEP, |scene| {
        matches!(scene.play.seen.phase.as_str(), "home" | "refused")
    })?;
    Ok(json!({ "came": came, "after": scene.play.seen.phase, "opened": scene.play.seen.opened }))
}

/// A grant with every signature, that answers no question; as whoever carries documents, and as others.
fn grant(scene: &Scene, probe: &Probe) -> Result<Value, Halt> {
    let forged = forged::made(&keys_of(scene))?;
    let mut came = serde_json::Map::new();
    for who in [As::cell("link"), As::cell("ui"), As::user("parloir-call")] {
        came.insert(who.name(), act(probe, &who, &["deliver", "grant", &forged.grant])?);
    }
    came.insert("opened".to_owned(), json!(scene.play.seen.opened));
    Ok(Value::Object(came))
}

/// Writing where the root is, as everybody, and as root itself.
fn root(probe: &Probe) -> Result<Value, Halt> {
    let places = ["/", "/usr", "/etc", "/usr/lib/parloir", "/usr/libexec/parloir/parloir-gate", "/usr/lib/systemd/system"];
    let others =
        ["/etc/systemd/system", "/run/systemd/system", "/etc/ld.so.preload", "/usr/lib/parloir/roots.bin", "/boot", "/efi"];
    let words: Vec<&str> = ["write"].into_iter().chain(places).chain(others).collect();
    let mut came = serde_json::Map::new();
    for who in users(probe)?.iter().map(|user| As::user(user)).chain(CELLS.map(As::cell)) {
        let told = json!({ "write": act(probe, &who, &words)?, "mount": act(probe, &who, &["mount"])? });
        came.insert(who.name(), told);
    }
    // Last, for a root that could be written would be.
    let writes: Vec<&str> = ["write"].into_iter().chain(places).collect();
    let told = json!({ "write": act(probe, &As::user(""), &writes)?, "mount": act(probe, &As::user(""), &["mount"])? });
    came.insert("root".to_owned(), told);
    Ok(Value::Object(came))
}

/// Nodes that a plugged thing could have brought.
fn plugged(probe: &Probe) -> Result<Value, Halt> {
    let list = |path: &str| probe.list(path).unwrap_or_default();
    let devices = list("/sys/bus/usb/devices");
    let mut bound = Vec::new();
    // An interface is `1-1:1.0`; hubs of the controller itself are `1-0:1.0` and belong to the box.
    for name in devices.iter().filter(|name| name.contains(':') && !name.contains("-0:")) {
        if let Ok(driver) = probe.stat(&format!("/sys/bus/usb/devices/{name}/driver")) {
            bound.push(format!("{name}: {}", driver.to));
        }
    }
    let disks = list("/sys/class/block").into_iter().filter(|name| name.starts_with("sd")).collect::<Vec<_>>();
    let mut authorized = serde_json::Map::new();
    for name in devices.iter().filter(|name| name.contains('-') && !name.contains(':')) {
        let is = probe.text(&format!("/sys/bus/usb/devices/{name}/authorized")).unwrap_or_default();
        authorized.insert(name.clone(), json!(is));
    }
    let inputs: Vec<String> = list("/dev/input").into_iter().filter(|name| name.starts_with("event")).collect();
    Ok(json!({ "devices": devices, "authorized": authorized, "bound": bound, "inputs": inputs, "disks": disks }))
}

/// A keyboard and a stick, and keys pressed on the keyboard.
fn usb(scene: &mut Scene, machine: &mut Machine, probe: &Probe) -> Result<Value, Halt> {
    let before = plugged(probe)?;
    let boot = boot_id(probe)?;
    machine.qmp.execute("device_add", json!({ "driver": "usb-kbd", "id": "kbd", "bus": "usb.0" }))?;
    machine
        .qmp
        .execute("blockdev-add", json!({ "driver": "null-co", "node-name": "stick", "size": 16 << 20, "read-zeroes": true }))?;
    machine.qmp.execute("device_add", json!({ "driver": "usb-storage", "id": "stick", "bus": "usb.0", "drive": "stick" }))?;
    scene.play.idle(NOTICED)?;
    let after = plugged(probe)?;
    let chords: [&[&str]; 4] = [&["alt", "sysrq", "b"], &["ctrl", "alt", "delete"], &["ctrl", "alt", "f2"], &["esc"]];
    for chord in chords {
        let keys: Vec<Value> = chord.iter().map(|key| json!({ "type": "qcode", "data": key })).collect();
        machine.qmp.execute("send-key", json!({ "keys": keys, "hold-time": 100 }))?;
        scene.play.idle(Duration::from_millis(600))?;
    }
    scene.play.idle(Duration::from_secs(3))?;
    let still = plugged(probe)?;
    machine.qmp.execute("device_del", json!({ "id": "kbd" }))?;
    machine.qmp.execute("device_del", json!({ "id": "stick" }))?;
    Ok(
        json!({ "before": before, "after": after, "still": still, "same_boot": boot == boot_id(probe)?, "phase": scene.play.seen.phase }),
    )
}

/// Chords of a keyboard that does come in: one by uinput, under the remote's own name and under another's.
fn keys(scene: &mut Scene, machine: &mut Machine, probe: &Probe) -> Result<Value, Halt> {
    let boot = boot_id(probe)?;
    let terminal = |probe: &Probe| probe.text("/sys/class/tty/tty0/active").unwrap_or_else(|why| why.to_string());
    let before = terminal(probe);
    let mut came = serde_json::Map::new();
    for name in [REMOTE, "AT Translated Set 2 keyboard"] {
        let words: Vec<&str> = ["type", name].into_iter().chain(CHORDS).collect();
        came.insert(name.to_owned(), act(probe, &As::user(""), &words)?);
    }
    scene.play.idle(Duration::from_secs(3))?;
    let path = scene.out.join("after-keys.png");
    machine.screendump(&path)?;
    let colours = parloir_image::picture::Picture::read(&path)?.colours();
    Ok(json!({
        "came": came, "same_boot": boot == boot_id(probe)?, "terminal": [before, terminal(probe)],
        "sysrq": probe.text("/proc/sys/kernel/sysrq").unwrap_or_default(), "phase": scene.play.seen.phase, "colours": colours,
    }))
}

/// Name under which a board of QEMU enrols a remote (`systemd/boards/qemu`).
const REMOTE: &str = "parloir-remote";

/// A key of the remote that the board enrols beside the TV's: `ok`, or `esc` for Back.
///
/// # Errors
/// It cannot be pressed.
pub fn press(probe: &Probe, key: &str) -> Result<(), Halt> {
    let came = act(probe, &As::user(""), &["type", REMOTE, key])?;
    if came["grabbed"] == true { Ok(()) } else { Err(Halt::Failed(format!("gate did not take the remote: {came}"))) }
}

/// Targets that a cell may name: what each may reach stands in `cells.toml`.
pub fn targets(scene: &Scene) -> [(&'static str, String); 10] {
    let value = |name: &str| scene.play.stage.supervisor.values.get(name).cloned().unwrap_or_default();
    let site = value("broker").rsplit_once(':').map_or_else(String::new, |(address, _)| address.to_owned());
    [
        ("broker", format!("tcp:{}", value("broker"))),
        ("relay", format!("udp:{}", value("turn"))),
        ("relay by tcp", format!("tcp:{}", value("turn"))),
        ("facility's page", format!("tcp:{site}:{}", scene.play.stage.https)),
        ("facility, another port", format!("udp:{site}:5000")),
        ("another cell", "udp:10.77.1.9:5000".to_owned()),
        ("neighbour on the wire", "udp:10.0.2.77:5000".to_owned()),
        ("name server", "udp:10.0.2.3:53".to_owned()),
        ("all on the wire", "udp:255.255.255.255:5000".to_owned()),
        ("all, by IPv6", "udp:[ff02::1]:5000".to_owned()),
    ]
}

/// What each user reaches.
fn reach(scene: &Scene, probe: &Probe) -> Result<Value, Halt> {
    let targets = targets(scene);
    let words: Vec<&str> =
        ["reach"].into_iter().chain(targets.iter().map(|(_, target)| target.as_str())).chain(["raw", "packet"]).collect();
    let mut came = serde_json::Map::new();
    let cells = ["link", "ui", "gate", "arbiter", "peers"].map(As::cell);
    let others = ["parloir-call", "parloir-still", "nobody", ""].map(As::user);
    for who in cells.into_iter().chain(others) {
        let told = act(probe, &who, &words)?;
        let names = targets.iter().map(|(name, _)| *name).chain(["raw", "packet"]);
        let each = names.zip(told.as_array().into_iter().flatten());
        came.insert(who.name(), each.map(|(name, entry)| (name.to_owned(), entry["came"].clone())).collect());
    }
    Ok(Value::Object(came))
}

/// An arbiter that was taken over stands before gate with a genuine ticket, and nobody pressed a key.
fn door(scene: &mut Scene, machine: &mut Machine, probe: &Probe) -> Result<Value, Halt> {
    let forged = forged::made(&keys_of(scene))?;
    probe.out(&["systemctl", "stop", "parloir-arbiter.service"])?;
    let arbiter = As::user("parloir-arbiter");
    let with = act(probe, &arbiter, &["door", &forged.ticket])?;
    let without = act(probe, &arbiter, &["door"])?;
    let calls = probe.processes()?.into_iter().filter(|process| process.name == "parloir-call").count();
    probe.out(&["systemctl", "start", "parloir-arbiter.service"])?;
    scene.play.seen.phase.clear();
    scene.until(machine, "home again", STEP, |scene| scene.play.seen.phase == "home")?;
    Ok(json!({ "with_ticket": with, "without": without, "calls": calls, "opened": scene.play.seen.opened }))
}

/// A data partition without a byte left: OK is refused with a reason, nothing opens; with room again the question goes out.
fn full(scene: &mut Scene, machine: &mut Machine, probe: &Probe) -> Result<Value, Halt> {
    scene.until(machine, "home before the disk is full", STEP, |scene| scene.play.seen.phase == "home")?;
    let filled = act(probe, &As::user(""), &["fill", "/var/lib/parloir/arbiter", "0"])?;
    scene.play.seen.refused.clear();
    press(probe, "ok")?;
    let answered = |scene: &Scene| matches!(scene.play.seen.phase.as_str(), "refused" | "ended");
    scene.until(machine, "an answer to OK on a full disk", STEP, answered)?;
    let refused = json!({ "phase": scene.play.seen.phase, "reasons": scene.play.seen.refused.clone() });
    machine.screendump(&scene.out.join("full.png"))?;
    let room = act(probe, &As::user(""), &["unfill", "/var/lib/parloir/arbiter"])?;
    press(probe, "esc")?;
    scene.until(machine, "home after the refusal", STEP, |scene| scene.play.seen.phase == "home")?;
    // The arbiter looks at its disk from time to time.
    scene.play.idle(Duration::from_secs(10))?;
    press(probe, "ok")?;
    scene.until(machine, "the question with room again", STEP, |scene| scene.play.seen.phase != "home")?;
    let again = scene.play.seen.phase.clone();
    press(probe, "esc")?;
    let over = |scene: &Scene| matches!(scene.play.seen.phase.as_str(), "home" | "ended" | "refused");
    scene.until(machine, "the end of the question", STEP, over)?;
    Ok(json!({ "filled": filled, "room": room, "refused": refused, "again": again, "opened": scene.play.seen.opened }))
}

/// Who was spoken to in the whole boot.
pub fn sent(scene: &Scene, machine: &Machine) -> Result<Value, Halt> {
    let value = |name: &str| scene.play.stage.supervisor.values.get(name).cloned().unwrap_or_default();
    let bytes = std::fs::read(machine.pcap())?;
    let talks = wire::sent(&bytes, BOX);
    let told: Vec<Value> = talks
        .iter()
        .map(|(talk, count)| json!({ "kind": talk.kind, "to": format!("{}:{}", talk.to, talk.port), "packets": count }))
        .collect();
    let lease = |talk: &wire::Talk| talk.kind == "udp" && talk.port == 67;
    let named =
        |talk: &wire::Talk, kind: &str, name: &str| talk.kind == kind && format!("{}:{}", talk.to, talk.port) == value(name);
    let stray: Vec<String> = talks
        .keys()
        .filter(|talk| !(lease(talk) || talk.kind == "arp" || named(talk, "tcp", "broker") || named(talk, "udp", "turn")))
        .map(|talk| format!("{} {}:{}", talk.kind, talk.to, talk.port))
        .collect();
    let found = |kind: &str, name: &str| talks.keys().any(|talk| named(talk, kind, name));
    Ok(json!({ "talks": told, "stray": stray, "broker": found("tcp", "broker"), "relay": found("udp", "turn") }))
}

/// What was open to that user, but for what begins as one of these.
pub fn open_but(came: &Value, allowed: &[&str]) -> Vec<String> {
    strings(&came["done"])
        .into_iter()
        .filter(|what| !allowed.iter().any(|start| what.starts_with(start)))
        .map(str::to_owned)
        .collect()
}
