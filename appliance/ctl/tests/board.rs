//! Owns: that a board.toml is taken or refused with its place, what board.env it becomes, and that the emulated board's rules name
//! exactly the links that its board.toml has.
//! Never: a device. `UPDATE=1 cargo test -p parloir-ctl --test board` writes docs/board.schema.json anew.
//! Called by: cargo test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use parloir_seal::random;

const WHOLE: &str = r#"
name = "tv-9"
remotes = ["/dev/parloir/remote"]
lamps = ["/sys/class/leds/camera:red/brightness"]
[camera]
nodes = ["/dev/parloir/camera", "/dev/parloir/camera-control"]
width = 1280
height = 720
fps = 30
door = { kind = "usb", port = "/sys/bus/usb/devices/1-1.2" }
[microphone]
nodes = ["/dev/parloir/microphone"]
device = "plughw:CARD=mic,DEV=0"
door = { kind = "driver", driver = "/sys/bus/usb/drivers/snd-usb-audio", device = "1-1.3:1.0" }
[loudspeaker]
device = "hdmi:CARD=tv,DEV=0"
"#;

fn tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Exit status, standard output, standard error.
fn ctl(args: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_parloirctl")).arg("board").args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
}

/// What a command says of a board.
fn of(command: &str, board: &[u8]) -> (i32, String, String) {
    let file = std::env::temp_dir().join(format!("parloir-board-{}.toml", random::id().unwrap()));
    fs::write(&file, board).unwrap();
    let said = ctl(&[command, file.to_str().unwrap()]);
    fs::remove_file(&file).unwrap();
    said
}

fn refusal(board: &str) -> String {
    let (status, out, err) = of("check", board.as_bytes());
    assert_eq!((status, out.as_str()), (1, ""), "taken: {board}");
    let (place, cause) = err.split_once(".toml").unwrap();
    assert!(place.starts_with("parloirctl: board ") && err.lines().count() == 1, "{err}");
    let end = "; correct it; parloirctl board check --help shows a whole one [org.parloir.Error.BoardRefused]\n";
    cause.strip_suffix(end).unwrap_or_else(|| panic!("{err}")).to_owned()
}

#[test]
fn a_board_becomes_the_words_of_three_units() {
    let (status, env, err) = of("render", WHOLE.as_bytes());
    assert_eq!((status, err.as_str()), (0, ""));
    let lines: Vec<_> = env.lines().collect();
    assert_eq!(lines[0], "# Board tv-9, written by parloirctl board render.");
    let port = "/sys/bus/usb/devices/1-1.2/authorized";
    let driver = "/sys/bus/usb/drivers/snd-usb-audio";
    assert_eq!(
        lines[1],
        format!(
            "PARLOIR_GATE_BOARD=\"--remote /dev/parloir/remote --camera-node /dev/parloir/camera \
             --camera-node /dev/parloir/camera-control --camera-switch {port},1,{port},0 --microphone-node /dev/parloir/microphone \
             --microphone-switch {driver}/bind,1-1.3:1.0,{driver}/unbind,1-1.3:1.0 --lamp /sys/class/leds/camera:red/brightness\""
        )
    );
    assert_eq!(lines[2], "PARLOIR_ARBITER_BOARD=\"--picture 1280x720@30\"");
    let call = "--camera /dev/parloir/camera --microphone plughw:CARD=mic,DEV=0 --loudspeaker hdmi:CARD=tv,DEV=0";
    assert_eq!(lines[3], format!("PARLOIR_CALL_BOARD=\"{call}\""));
    assert_eq!(lines.len(), 4);
}

/// Gate itself takes the words, and finds in them the doors that the board has.
#[test]
fn gate_takes_the_words() {
    for board in [WHOLE.to_owned(), qemu("board.toml"), qemu("board-usb.toml")] {
        let (_, env, _) = of("render", board.as_bytes());
        let words = env.lines().find_map(|line| line.strip_prefix("PARLOIR_GATE_BOARD=\"")?.strip_suffix('"')).unwrap();
        let id = "00112233445566778899aabbccddeeff";
        let unit = ["--device", id, "--site", id, "--arbiter-uid", "802", "--call-uid", "805"];
        let config = parloir_gate::config::parse(unit.into_iter().chain(words.split(' ')).map(str::to_owned)).unwrap();
        assert!(!config.remotes.is_empty() && config.doors.iter().all(|(_, nodes, _)| !nodes.is_empty()), "{words}");
        let switches = |kind: &str| board.lines().filter(|line| line.starts_with("door =") && line.contains(kind)).count();
        let thrown: usize = config.doors.iter().map(|(.., switches)| switches.len()).sum();
        assert_eq!(thrown, switches("\"usb\"") + switches("\"driver\"") + switches("\"switch\""));
    }
}

#[test]
fn what_is_not_a_board_is_refused_at_its_place() {
    let with = |old: &str, new: &str| {
        assert!(WHOLE.contains(old), "{old}");
        refusal(&WHOLE.replacen(old, new, 1))
    };
    assert_eq!(
        with("lamps", "lamp"),
        ":4: unknown field `lamp`, expected one of `name`, `remotes`, `lamps`, `camera`, `microphone`, `loudspeaker`"
    );
    assert_eq!(with("fps = 30", "fps = 300"), ":9: invalid value: integer `300`, expected u8");
    assert!(with("fps = 30", "fps = 30\nformat = \"yuyv\"").contains("unknown field `format`"));
    assert!(with("fps = 30\n", "").contains("missing field `fps`"));
    assert!(with("kind = \"usb\"", "kind = \"none\"").contains("unknown variant `none`"));
    assert!(with("kind = \"usb\"", "kind = \"usb\", path = \"/sys/bus/x\"").contains("unknown field `path`"));
    assert!(with("name = ", "name").starts_with(":2: "));
    assert_eq!(with("tv-9", "TV 9"), ": name is 'TV 9', not 1 to 32 of a-z, 0-9 and -");
    assert_eq!(with("[\"/dev/parloir/remote\"]", "[]"), ": remotes are 0, not 1 to 8");
    assert_eq!(with("width = 1280", "width = 1281"), ": camera.width is 1281, not even and 160 to 1920");
    assert_eq!(with("fps = 30", "fps = 1"), ": camera.fps is 1, not 5 to 60");
    for path in ["/dev/../etc/shadow", "/dev//x", "/etc/shadow", "dev/x", "/dev/", "/dev/./x"] {
        let cause = with("\"/dev/parloir/camera\"", &format!("\"{path}\""));
        assert_eq!(cause, format!(": camera.nodes is '{path}', not a plain path below /dev/"));
    }
    assert_eq!(
        with("/dev/parloir/microphone", "/dev/parloir/camera"),
        ": microphone.nodes: /dev/parloir/camera is named twice; a node has one door"
    );
    let roots = "/sys/bus/ or /sys/class/ or /sys/devices/";
    let port = with("/sys/bus/usb/devices/1-1.2", "/sys/kernel/debug");
    assert_eq!(port, format!(": camera.door.port is '/sys/kernel/debug', not a plain path below {roots}"));
    // What would become another word of gate's command line, or another part of its switch.
    for bad in ["1 --lamp /x", "1,/sys/bus/x,0", "1\\\"", "$A", ""] {
        assert!(with("1-1.3:1.0", bad).starts_with(": microphone.door.device is '"), "{bad}");
        assert!(with("plughw:CARD=mic,DEV=0", &bad.replace(',', " ")).starts_with(": microphone.device is '"), "{bad}");
    }
    let shutter = with(
        "kind = \"usb\", port = \"/sys/bus/usb/devices/1-1.2\"",
        "kind = \"switch\", path = \"/sys/class/leds/s/brightness\", open = \"0\", shut = \"0\"",
    );
    assert_eq!(shutter, ": camera.door: open and shut are both '0'");
    assert_eq!(refusal("name = \"x\"\nremotes = [\"/dev/r\"]\n"), ": neither camera nor microphone: no visit can be made");
    let long = format!("{WHOLE}# {}", "x".repeat(16 * 1024));
    assert_eq!(refusal(&long), format!(": {} bytes, more than 16384", long.len()));
    assert!(of("check", &[b'#', 0xff]).2.contains(": not UTF-8; "));
    let (status, _, err) = ctl(&["check", "/nowhere/board.toml"]);
    assert!(status == 1 && err.ends_with("[org.parloir.Error.File]\n"), "{err}");
}

#[test]
fn check_says_what_shut_means() {
    let (status, said, _) = of("check", WHOLE.as_bytes());
    assert_eq!(status, 0);
    assert!(
        said.contains("camera 1280x720 at 30/s; shut: the nodes are gone: /sys/bus/usb/devices/1-1.2 is not authorized\n"),
        "{said}"
    );
    let (_, said, _) = of("check", qemu("board.toml").as_bytes());
    assert!(said.contains("shut: the nodes belong to root; the device itself stays on\n"), "{said}");
    assert!(said.contains("no lamp: "), "{said}");
}

/// The example that `--help` shows is a board, with each of the doors that it shows.
#[test]
fn the_help_shows_a_whole_one() {
    let (_, help, _) = ctl(&["check", "--help"]);
    let part = |from: &str, to: &str| help.split(from).nth(1).unwrap().split(to).next().unwrap().to_owned();
    let example = part("parloirctl board schema):\n", "What is switched beside");
    let doors = part("the nodes' owner:\n", "Usage:");
    let doors: Vec<_> = doors.lines().map(str::trim).filter(|line| line.starts_with("door = ")).collect();
    assert_eq!(doors.len(), 4);
    for door in doors {
        let board: Vec<_> = example.lines().map(|line| if line.trim().starts_with("door = ") { door } else { line }).collect();
        let (status, out, err) = of("check", board.join("\n").as_bytes());
        assert_eq!((status, err.as_str()), (0, ""), "{board:#?}");
        assert!(out.starts_with("board qemu: "));
    }
}

#[test]
fn the_schema_in_the_tree_is_what_the_code_says() {
    let (status, fresh, _) = ctl(&["schema"]);
    assert_eq!(status, 0);
    let file = tree("docs/board.schema.json");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &fresh).unwrap();
    }
    assert!(fs::read_to_string(&file).unwrap_or_default() == fresh, "UPDATE=1 writes docs/board.schema.json anew");
}

fn qemu(file: &str) -> String {
    fs::read_to_string(tree("systemd/boards/qemu").join(file)).unwrap()
}

/// Each /dev/parloir link of the emulated board's two files is made by its udev rules, and they make no other but those of HDMI-CEC.
#[test]
fn the_emulated_boards_rules_make_its_links() {
    let rules = qemu("udev/61-parloir-board.rules");
    let made: BTreeSet<_> =
        rules.match_indices("SYMLINK+=\"").map(|(at, key)| rules[at + key.len()..].split('"').next().unwrap()).collect();
    let boards = qemu("board.toml") + &qemu("board-usb.toml");
    let named: BTreeSet<_> = boards.split('"').filter_map(|word| word.strip_prefix("/dev/")).collect();
    let by_hand = BTreeSet::from(["parloir/cec", "parloir/cec-tv"]);
    assert_eq!(made, named.union(&by_hand).copied().collect());
}
