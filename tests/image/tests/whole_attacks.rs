//! Owns: that what an attacker tries on a whole box fails: from inside as every user, from outside by its plugs, its disk and firmware.
//! Never: a mock; a boot for one attack where one boot will do for many (`attacks/` has the courses).
//! Called by: `scripts/test image`.

mod attacks;

use std::sync::OnceLock;

use attacks::home::{self, open_but};
use attacks::{played, sealed, strings, visit};
use serde_json::{Value, json};

fn at_home() -> Option<&'static Value> {
    static REPORT: OnceLock<Option<Value>> = OnceLock::new();
    REPORT.get_or_init(|| played("a_box_is_attacked_at_home", home::course)).as_ref()
}

fn in_a_visit() -> Option<&'static Value> {
    static REPORT: OnceLock<Option<Value>> = OnceLock::new();
    REPORT.get_or_init(|| played("a_box_is_attacked_in_a_visit", visit::course)).as_ref()
}

fn before_it_starts() -> Option<&'static Value> {
    static REPORT: OnceLock<Option<Value>> = OnceLock::new();
    REPORT.get_or_init(|| played("a_box_is_attacked_before_it_starts", sealed::course)).as_ref()
}

/// An attack's findings; it must have been tried.
fn part<'a>(report: &'a Value, name: &str) -> &'a Value {
    let part = &report[name];
    assert!(!part.is_null() && part["not_tried"].is_null(), "{name} was not tried: {part}");
    part
}

fn each(part: &Value) -> impl Iterator<Item = (&String, &Value)> {
    part.as_object().into_iter().flatten()
}

#[test]
fn a_box_is_attacked_at_home() {
    let Some(report) = at_home() else { return };
    assert_eq!(report["whole"], json!(true), "the course did not come to its end");
    assert_eq!(report["opened"], json!(0), "a door was opened though there was no visit");
    assert_eq!(part(report, "ledger")["whole"], json!(true), "{}", report["ledger"]["why"]);
}

#[test]
fn a_box_is_attacked_in_a_visit() {
    let Some(report) = in_a_visit() else { return };
    assert_eq!(report["whole"], json!(true), "the course did not come to its end");
    assert_eq!(part(report, "ledger")["whole"], json!(true), "{}", report["ledger"]["why"]);
}

#[test]
fn a_box_is_attacked_before_it_starts() {
    let Some(report) = before_it_starts() else { return };
    assert_eq!(report["whole"], json!(true), "the course did not come to its end: {report}");
}

#[test]
fn at_home_every_process_is_what_cells_toml_says() {
    let Some(report) = at_home() else { return };
    let running = part(report, "running");
    assert!(running["processes"].as_array().is_some_and(|list| list.len() >= 8), "{running}");
    assert_eq!(running["differences"], json!([]));
}

#[test]
fn in_a_visit_every_process_is_what_cells_toml_says() {
    let Some(report) = in_a_visit() else { return };
    assert_eq!(part(report, "running")["differences"], json!([]));
}

/// How: every node in `/dev` that sees, hears or is a disk, by each of its names; nodes of one's own made with a camera's number; the
/// switches in sysfs; what others have open in `/proc`, and their memory.
#[test]
fn nobody_opens_a_camera_outside_a_visit() {
    let Some(report) = at_home() else { return };
    let eyes = part(report, "eyes");
    // The same look finds something for root, so it can find.
    assert!(strings(&eyes["root"]["done"]).iter().any(|what| what.starts_with("/dev/snd/")), "{}", eyes["root"]);
    for (who, came) in each(eyes).filter(|(who, _)| *who != "root") {
        assert!(came["tries"].as_u64() > Some(20), "{who}: {came}");
        let allowed: &[&str] = match who.as_str() {
            // The loudspeaker is no sensor: it is call's for good.
            "parloir-call" => &["/dev/snd/controlC", "/dev/snd/pcmC", "/dev/snd/by-path/"],
            "parloir-cec" => &["/dev/cec", "/dev/parloir/cec"],
            _ if who.starts_with("parloir-gate in") => GATES,
            _ => &[],
        };
        let open = open_but(came, allowed);
        assert!(open.is_empty(), "{who} opened {open:?}");
    }
    let hears: Vec<&str> = strings(&eyes["parloir-call"]["done"])
        .into_iter()
        .filter(|what| what.starts_with("/dev/snd/pcm") && what.ends_with('c'))
        .collect();
    assert!(hears.is_empty(), "call's user has a microphone outside a visit: {hears:?}");
}

/// What gate may open: the remote, and the switches of its doors. Without its capabilities, which the try does not have, not even those.
const GATES: &[&str] = &["/dev/input/"];

#[test]
fn nobody_else_opens_the_camera_in_a_visit() {
    let Some(report) = in_a_visit() else { return };
    let eyes = part(report, "eyes");
    let openers: Vec<&str> = eyes["openers"].as_array().into_iter().flatten().flat_map(strings).collect();
    assert!(!openers.is_empty() && openers.iter().all(|name| *name == "parloir-call"), "{openers:?}");
    for (who, came) in each(&eyes["as"]) {
        let open = open_but(came, if who == "parloir-cec" { &["/dev/cec", "/dev/parloir/cec"] } else { &[] });
        assert!(open.is_empty(), "{who} opened {open:?}");
    }
}

/// How: systemd is asked to start a call process, to kill gate, to give more devices, to run a unit of one's own, to reboot; then the
/// sockets of gate and call.
#[test]
fn no_user_starts_a_call_process_or_orders_systemd() {
    let Some(report) = at_home() else { return };
    let orders = part(report, "orders");
    for (who, came) in each(orders).filter(|(who, _)| *who != "root") {
        for order in came["manager"].as_array().into_iter().flatten() {
            assert_ne!(order["came"], json!("done"), "{who}: {order}");
        }
        for socket in came["sockets"].as_array().expect("tries") {
            assert_ne!(socket["came"], json!("done"), "{who}: {socket}");
        }
    }
    // The socket is there: root reaches it.
    assert_ne!(orders["root"]["sockets"][0]["came"], json!("ENOENT"), "{}", orders["root"]);
}

#[test]
fn a_taken_screen_dials_nobody_without_a_key() {
    let Some(report) = at_home() else { return };
    let dial = part(report, "dial");
    assert_eq!(dial["came"]["contact"], json!(true), "it had nobody to dial: {dial}");
    let answers = strings(&dial["came"]["answers"]);
    assert!(answers.len() >= 5 && answers.iter().all(|answer| answer.contains("NoFreshKey")), "{answers:?}");
    assert_eq!(dial["opened"], json!(0));
}

#[test]
fn a_genuine_grant_that_nobody_asked_for_opens_nothing() {
    let Some(report) = at_home() else { return };
    let grant = part(report, "grant");
    let carrier = grant["parloir-link in parloir-link.service"]["came"].as_str().unwrap_or_default();
    assert!(carrier.contains("GrantStray"), "the carrier was told {grant}");
    for (who, came) in each(grant).filter(|(who, _)| *who != "opened") {
        assert_ne!(came["came"], json!("done"), "{who}");
    }
    assert_eq!(grant["opened"], json!(0));
}

/// How: the arbiter is stopped, and somebody with its user speaks to gate: with a ticket that the door key signed, and without.
#[test]
fn a_ticket_without_a_key_opens_nothing_at_gate() {
    let Some(report) = at_home() else { return };
    let door = part(report, "door");
    for side in ["with_ticket", "without"] {
        let answers = strings(&door[side]["answers"]);
        assert!(answers.contains(&"Refused NoFreshKey"), "{side}: {}", door[side]);
        assert!(answers.iter().all(|answer| answer.starts_with("Refused") || *answer == "hung up"), "{side}: {answers:?}");
    }
    assert_eq!((&door["calls"], &door["opened"]), (&json!(0), &json!(0)));
}

#[test]
fn the_root_cannot_be_written_by_anybody() {
    let Some(report) = at_home() else { return };
    for (who, came) in each(part(report, "root")) {
        for place in came["write"].as_array().expect("tries") {
            assert_ne!(place["came"], json!("done"), "{who}: {place}");
        }
        for what in came["mount"].as_array().expect("tries") {
            // Root may take the flag off the mount; the file system below stays what it is, and so does the verified device.
            let only_a_flag = who == "root" && what["what"].as_str().is_some_and(|what| what.starts_with("mount "));
            assert!(only_a_flag || what["came"] != "done", "{who}: {what}");
        }
    }
}

/// How: both are plugged in by QEMU; then SysRq, Ctrl-Alt-Del and a change of terminal are typed on the keyboard.
#[test]
fn a_usb_keyboard_and_a_usb_stick_stay_strangers() {
    let Some(report) = at_home() else { return };
    let usb = part(report, "usb");
    let count = |when: &str| usb[when]["devices"].as_array().map_or(0, Vec::len);
    assert!(count("after") > count("before"), "nothing was plugged in: {usb}");
    for when in ["after", "still"] {
        assert_eq!(usb[when]["bound"], usb["before"]["bound"], "a driver was bound");
        assert_eq!(usb[when]["inputs"], usb["before"]["inputs"], "there are new keys");
        assert_eq!(usb[when]["disks"], json!([]), "there is a disk");
    }
    assert_eq!(usb["same_boot"], json!(true), "a key rebooted the box");
    assert_eq!(usb["phase"], json!("home"));
}

/// How: a keyboard that does come in (uinput, as root), with the remote's own name and with another's, types what kernels, consoles and
/// login managers act on.
#[test]
fn no_key_reaches_sysrq_or_a_terminal() {
    let Some(report) = at_home() else { return };
    let keys = part(report, "keys");
    for (name, came) in each(&keys["came"]) {
        assert!(came["node"].as_str().is_some_and(|node| node.starts_with("/dev/input/event")), "{name}: {came}");
    }
    assert_eq!(keys["same_boot"], json!(true), "a key rebooted the box");
    assert_eq!(keys["terminal"][0], keys["terminal"][1], "a key changed the terminal");
    assert_eq!(keys["sysrq"], json!("0"));
    assert!(keys["colours"].as_u64() > Some(20), "the screen shows something else: {keys}");
}

/// What is no reach: the kernel's no, or silence.
fn reached(came: &Value) -> bool {
    matches!(came.as_str(), Some("done" | "answered" | "sent" | "ECONNREFUSED"))
}

#[test]
fn nobody_reaches_more_than_cells_toml_says() {
    let Some(report) = at_home() else { return };
    for (who, targets) in each(part(report, "reach")) {
        for (target, came) in each(targets) {
            if who.is_empty() && matches!(target.as_str(), "raw" | "packet") {
                // Root may make such a socket; no process of ours is root.
                continue;
            }
            let may = match who.as_str() {
                "parloir-link in parloir-link.service" => target == "broker",
                "parloir-call" => target == "relay",
                // It only may speak to the kernel about its filter.
                _ => false,
            };
            assert_eq!(reached(came), may, "{who} and {target}: {came}");
        }
    }
    let wire = part(report, "wire");
    assert_eq!(wire["stray"], json!([]), "packets that nobody may send: {}", wire["talks"]);
    assert_eq!((&wire["broker"], &wire["relay"]), (&json!(true), &json!(true)), "the capture saw nothing: {wire}");
}

#[test]
fn call_reaches_its_relay_and_nobody_else_in_a_visit() {
    let Some(report) = in_a_visit() else { return };
    let reach = part(report, "reach");
    for (target, came) in each(&reach["reached"]) {
        assert_eq!(reached(came), target == "relay", "{target}: {came}");
    }
    for tries in ["writes", "sockets"] {
        for came in reach[tries].as_array().expect("tries") {
            assert_ne!(came["came"], json!("done"), "{came}");
        }
    }
    let wire = part(report, "wire");
    assert_eq!(wire["stray"], json!([]), "packets that nobody may send: {}", wire["talks"]);
}

#[test]
fn a_stopped_screen_does_not_keep_a_visit() {
    let Some(report) = in_a_visit() else { return };
    let stopped = part(report, "stopped_screen");
    assert_eq!(stopped["reason"], json!("PersonEnded"), "{stopped}");
    assert_eq!(stopped["call_lives"], json!(false));
    assert!(stopped["seconds"].as_f64().is_some_and(|seconds| seconds < 5.0), "one press: {stopped}");
    let after = part(report, "after");
    for node in after["nodes"].as_array().expect("nodes") {
        assert_eq!((&node["uid"], &node["mode"], &node["openers"]), (&json!(0), &json!(0o600), &json!(0)), "{node}");
    }
    assert_eq!(after["receipt"]["verified"], json!(true), "{}", after["receipt"]);
}

#[test]
fn the_data_partition_holds_what_is_written_down_and_nothing_else() {
    let Some(report) = in_a_visit() else { return };
    let known = [
        "box.env",
        "keys/box/",
        "keys/tls/",
        "gate/door-record",
        "arbiter/arbiter.db",
        "arbiter/floors",
        "keys/updater/",
        "updater/",
        "rauc/",
    ];
    let files = part(report, "data").as_array().expect("files");
    assert!(files.iter().any(|file| file["path"] == "arbiter/arbiter.db"), "{files:?}");
    for file in files {
        let path = file["path"].as_str().unwrap_or_default();
        assert!(known.iter().any(|start| path.starts_with(start)), "{file} is written down nowhere");
        let secret = path.ends_with(".key") || path.starts_with("keys/box/");
        assert!(!secret || file["mode"].as_u64().is_some_and(|mode| mode & 0o077 == 0), "{file} is open to others");
    }
}

#[test]
fn a_full_data_partition_opens_nothing_and_says_so() {
    let Some(report) = at_home() else { return };
    let full = part(report, "full");
    assert!(full["filled"]["bytes"].as_u64() > Some(1 << 20), "{full}");
    assert_eq!(full["refused"]["phase"], json!("refused"), "{full}");
    let reasons = full["refused"]["reasons"].as_array().expect("reasons");
    assert!(reasons.iter().any(|reason| reason[0] == "Storage"), "{reasons:?}");
    assert_eq!(full["opened"], json!(0));
    assert_eq!(full["again"], json!("asking"), "with room again: {full}");
}

#[test]
fn a_box_in_1970_comes_home_and_learns_the_time() {
    let Some(report) = at_home() else { return };
    let clock = part(report, "clock");
    assert!(clock["own_year"].as_f64().is_some_and(|year| year < 1971.0), "{clock}");
    assert_eq!((&clock["phase"], &clock["attached"]), (&json!("home"), &json!(true)));
}

#[test]
fn a_visit_is_held_in_2100() {
    let Some(report) = in_a_visit() else { return };
    let clock = part(report, "clock");
    assert!(clock["own_year"].as_f64().is_some_and(|year| year > 2090.0), "{clock}");
    let receipt = &part(report, "after")["receipt"];
    assert!(receipt["seconds_counted"].as_f64() > Some(1.0), "{receipt}");
}

/// How: a byte in the middle of the arbiter's program is changed on the disk. The box restarts (which ends the machine here) as soon as
/// the kernel reads that block, and the program never ran.
#[test]
fn a_changed_byte_of_the_root_never_runs() {
    let Some(report) = before_it_starts() else { return };
    let changed = part(report, "changed");
    assert_eq!(changed["ended"], json!(true), "{changed}");
    assert!(strings(&changed["console"]).iter().any(|line| line.contains("corrupt")), "{changed}");
    assert_eq!((&changed["ran"], &changed["attached"]), (&json!(false), &json!(false)), "{changed}");
}

#[test]
fn the_product_lets_no_probe_in() {
    let Some(report) = before_it_starts() else { return };
    let product = part(report, "product");
    assert_eq!(product["came"], json!("attached"), "{product}");
    assert!(product["colours"].as_u64() > Some(20), "nothing on the TV: {product}");
    assert_eq!((&product["greeted"], &product["journal"]), (&json!(false), &json!(0)), "{product}");
}

#[test]
fn a_command_line_of_the_firmware_is_refused() {
    let Some(report) = before_it_starts() else { return };
    let firmware = part(report, "firmware");
    assert_eq!(firmware["ended"], json!(true), "{firmware}");
    assert!(strings(&firmware["console"]).iter().any(|line| line.contains("command line")), "{firmware}");
    assert_eq!(firmware["attached"], json!(false));
}
