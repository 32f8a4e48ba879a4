//! Owns: `parloirctl board`: what hardware a box has (board.toml), checked, and as the words that the units take (board.env).
//! Never: looks at the machine it runs on; the board it reads is another one.
//! Called by: main.
//!
//! Every path and value ends up as a word of a command line that systemd splits at blanks, and some as one that gate splits at
//! commas. So both are held to a few characters here, instead of being quoted there.

use core::fmt;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use parloir_issuer::files;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Fault;

/// Longest board.toml, bytes.
const LONGEST: usize = 16 * 1024;
/// Longest path, value or name of a device, bytes.
const LONGEST_WORD: usize = 200;
/// Most nodes of a door, and most remotes.
const MOST: usize = 8;

/// Say what hardware a box has, in the words of its units.
#[derive(clap::Subcommand)]
pub enum Command {
    Check(Check),
    Render(Render),
    /// Print the JSON Schema (2020-12) of board.toml, for editors: docs/board.schema.json.
    Schema,
}

/// Check a board.toml and say in words what it means.
///
/// FILE is TOML (its JSON Schema: parloirctl board schema):
///
///   name = "qemu"                             # a-z, 0-9 and -
///   remotes = ["/dev/parloir/remote"]         # input nodes of the enrolled remote: the only keys that enter
///   lamps = ["/sys/class/leds/x/brightness"]  # lit while a door is open; may be left out
///
///   [camera]                                  # may be left out: a box for voice alone
///   nodes = ["/dev/parloir/camera"]           # root's, and call's user's while the door is open; the first is the camera
///   width = 1280                              # the size and rate that call asks of it
///   height = 720
///   fps = 30
///   door = { kind = "usb", port = "/sys/bus/usb/devices/1-1" }
///
///   [microphone]
///   nodes = ["/dev/parloir/microphone"]
///   device = "plughw:CARD=mic,DEV=0"          # ALSA PCM of the same device
///   door = { kind = "node" }
///
///   [loudspeaker]
///   device = "plughw:CARD=hdmi,DEV=3"
///
/// What is switched beside the nodes' owner:
///
///   # A shutter, a power rail: anything with an attribute.
///   door = { kind = "switch", path = "/sys/class/leds/shutter/brightness", open = "1", shut = "0" }
///   # A USB port: `authorized`. Shut, the device has no configuration and no nodes.
///   door = { kind = "usb", port = "/sys/bus/usb/devices/1-1" }
///   # A driver: `bind` and `unbind`. Shut, the device has no driver and no nodes.
///   door = { kind = "driver", driver = "/sys/bus/usb/drivers/uvcvideo", device = "1-1:1.0" }
///   # Nothing: the owner alone.
///   door = { kind = "node" }
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Check {
    /// board.toml
    file: PathBuf,
    /// Say what it holds as JSON.
    #[arg(long)]
    json: bool,
}

/// Write board.env for the image: PARLOIR_GATE_BOARD, PARLOIR_ARBITER_BOARD and PARLOIR_CALL_BOARD.
///
/// The units read it from /usr/lib/parloir/board.env and take each as words of their command line.
#[derive(clap::Args)]
pub struct Render {
    /// board.toml
    file: PathBuf,
    /// File to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the three as JSON.
    #[arg(long, conflicts_with = "out")]
    json: bool,
}

/// Does it.
pub fn run(command: &Command) -> Result<(), Fault> {
    match command {
        Command::Schema => schema(),
        Command::Check(args) => {
            let board = read(&args.file)?;
            if args.json {
                println!("{}", json!(board));
            } else {
                print!("{board}");
            }
            Ok(())
        }
        Command::Render(args) => {
            let board = read(&args.file)?;
            if args.json {
                let [gate, arbiter, call] = board.words();
                println!(
                    "{}",
                    json!({ "PARLOIR_GATE_BOARD": gate, "PARLOIR_ARBITER_BOARD": arbiter, "PARLOIR_CALL_BOARD": call })
                );
                return Ok(());
            }
            let env = board.env();
            match &args.out {
                Some(out) => Ok(files::write(out, env)?),
                None => {
                    print!("{env}");
                    Ok(())
                }
            }
        }
    }
}

fn schema() -> Result<(), Fault> {
    let mut schema = SchemaGenerator::new(SchemaSettings::draft2020_12()).into_root_schema_for::<Board>().to_value();
    schema["$id"] = "urn:parloir:schema:v1:board".into();
    let text = serde_json::to_string_pretty(&schema);
    println!("{}", text.map_err(|e| Fault::new("board schema", e, "report this as a fault of parloirctl", "Internal"))?);
    Ok(())
}

/// What hardware a box has.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// What people call it: a-z, 0-9 and -, at most 32.
    name: String,
    /// Input nodes of the enrolled remote, 1 to 8.
    remotes: Vec<String>,
    /// `brightness` of LEDs that are lit while a door is open.
    #[serde(default)]
    lamps: Vec<String>,
    /// None on a box for voice alone.
    camera: Option<Camera>,
    microphone: Option<Microphone>,
    loudspeaker: Option<Loudspeaker>,
}

/// The camera.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Camera {
    /// Device nodes, 1 to 8; the first one is the camera's.
    nodes: Vec<String>,
    /// Pixels, even, 160 to 1920.
    width: u16,
    /// Pixels, even, 90 to 1080.
    height: u16,
    /// Pictures in a second, 5 to 60.
    fps: u8,
    /// What is switched beside the nodes' owner.
    door: Door,
}

/// The microphone.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Microphone {
    /// Device nodes, 1 to 8.
    nodes: Vec<String>,
    /// ALSA PCM of the same device.
    device: String,
    /// What is switched beside the nodes' owner.
    door: Door,
}

/// The loudspeaker; no door, because it takes nothing in.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Loudspeaker {
    /// ALSA PCM.
    device: String,
}

/// What gate switches beside the owner of a door's nodes.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Door {
    /// Nothing: whoever is root could open the device at any time.
    Node {},
    /// A USB port's `authorized`: shut, the device has no configuration and no driver.
    Usb {
        /** The device in sysfs. */
        port: String,
    },
    /// A driver's `bind` and `unbind`: shut, the device has no driver.
    Driver {
        /** The driver in sysfs. */
        driver: String,
        /** The device, as the driver's directory names it. */
        device: String,
    },
    /// Any attribute: a shutter's LED, a power rail.
    Switch {
        /** The attribute in sysfs. */
        path: String,
        /** What opens. */
        open: String,
        /** What shuts. */
        shut: String,
    },
}

/// Reads and checks a board.
fn read(file: &Path) -> Result<Board, Fault> {
    let place = file.display();
    let next = "correct it; parloirctl board check --help shows a whole one";
    let refused = |line: Option<usize>, cause: &dyn fmt::Display| {
        let line = line.map(|n| format!(":{n}")).unwrap_or_default();
        Fault::new(format_args!("board {place}{line}"), cause, next, "BoardRefused")
    };
    let bytes = files::read(file)?;
    if bytes.len() > LONGEST {
        return Err(refused(None, &format_args!("{} bytes, more than {LONGEST}", bytes.len())));
    }
    let text = String::from_utf8(bytes).map_err(|_| refused(None, &"not UTF-8"))?;
    let board: Board = toml::from_str(&text).map_err(|e| {
        let line = e.span().map(|span| 1 + text[..span.start].matches('\n').count());
        refused(line, &e.message().replace('\n', ", "))
    })?;
    board.check().map_err(|cause| refused(None, &cause))?;
    Ok(board)
}

impl Board {
    fn check(&self) -> Result<(), String> {
        let named = self.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !named || !(1..=32).contains(&self.name.len()) {
            return Err(format!("name is '{}', not 1 to 32 of a-z, 0-9 and -", self.name));
        }
        let mut seen = BTreeSet::new();
        nodes("remotes", &self.remotes, &mut seen)?;
        if self.lamps.len() > MOST {
            return Err(format!("lamps are {}, more than {MOST}", self.lamps.len()));
        }
        self.lamps.iter().try_for_each(|lamp| attribute("lamps", lamp))?;
        if self.camera.is_none() && self.microphone.is_none() {
            return Err("neither camera nor microphone: no visit can be made".into());
        }
        if let Some(camera) = &self.camera {
            nodes("camera.nodes", &camera.nodes, &mut seen)?;
            within("camera.width", camera.width, 160..=1920, true)?;
            within("camera.height", camera.height, 90..=1080, true)?;
            within("camera.fps", camera.fps.into(), 5..=60, false)?;
            camera.door.check("camera.door")?;
        }
        if let Some(microphone) = &self.microphone {
            nodes("microphone.nodes", &microphone.nodes, &mut seen)?;
            pcm("microphone.device", &microphone.device)?;
            microphone.door.check("microphone.door")?;
        }
        self.loudspeaker.iter().try_for_each(|speaker| pcm("loudspeaker.device", &speaker.device))
    }

    /// What gate, arbiter and call are told, as words of a command line.
    fn words(&self) -> [String; 3] {
        let mut gate = Words::default();
        self.remotes.iter().for_each(|remote| gate.add("--remote", remote));
        let mut call = Words::default();
        let mut arbiter = Words::default();
        if let Some(Camera { nodes, width, height, fps, door }) = &self.camera {
            nodes.iter().for_each(|node| gate.add("--camera-node", node));
            door.switch().iter().for_each(|switch| gate.add("--camera-switch", switch));
            nodes.first().into_iter().for_each(|node| call.add("--camera", node));
            arbiter.add("--picture", format_args!("{width}x{height}@{fps}"));
        }
        if let Some(Microphone { nodes, device, door }) = &self.microphone {
            nodes.iter().for_each(|node| gate.add("--microphone-node", node));
            door.switch().iter().for_each(|switch| gate.add("--microphone-switch", switch));
            call.add("--microphone", device);
        }
        self.loudspeaker.iter().for_each(|speaker| call.add("--loudspeaker", &speaker.device));
        self.lamps.iter().for_each(|lamp| gate.add("--lamp", lamp));
        [gate.0, arbiter.0, call.0]
    }

    /// board.env.
    fn env(&self) -> String {
        let (name, [gate, arbiter, call]) = (&self.name, self.words());
        format!(
            "# Board {name}, written by parloirctl board render.\nPARLOIR_GATE_BOARD=\"{gate}\"\nPARLOIR_ARBITER_BOARD=\"{arbiter}\"\n\
             PARLOIR_CALL_BOARD=\"{call}\"\n"
        )
    }
}

/// In words, for whoever checks a board before it is built into an image.
impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "board {}: {} input nodes of the remote", self.name, self.remotes.len())?;
        if let Some(Camera { width, height, fps, door, .. }) = &self.camera {
            writeln!(f, "camera {width}x{height} at {fps}/s; shut: {door}")?;
        }
        if let Some(Microphone { door, device, .. }) = &self.microphone {
            writeln!(f, "microphone {device}; shut: {door}")?;
        }
        if let Some(Loudspeaker { device }) = &self.loudspeaker {
            writeln!(f, "loudspeaker {device}")?;
        }
        match self.lamps.len() {
            0 => writeln!(f, "no lamp: nothing on the box itself shows that a door is open"),
            n => writeln!(f, "{n} lamps are lit while a door is open"),
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node {} => f.write_str("the nodes belong to root; the device itself stays on"),
            Self::Usb { port } => write!(f, "the nodes are gone: {port} is not authorized"),
            Self::Driver { driver, device } => write!(f, "the nodes are gone: {driver} lets go of {device}"),
            Self::Switch { path, shut, .. } => write!(f, "the nodes belong to root, and {path} is {shut}"),
        }
    }
}

impl Door {
    fn check(&self, place: &str) -> Result<(), String> {
        match self {
            Self::Node {} => Ok(()),
            Self::Usb { port } => attribute(&format!("{place}.port"), port),
            Self::Driver { driver, device } => {
                attribute(&format!("{place}.driver"), driver)?;
                word(&format!("{place}.device"), device, "._:-")
            }
            Self::Switch { path, open, shut } => {
                attribute(&format!("{place}.path"), path)?;
                word(&format!("{place}.open"), open, "._:-")?;
                word(&format!("{place}.shut"), shut, "._:-")?;
                if open == shut { Err(format!("{place}: open and shut are both '{open}'")) } else { Ok(()) }
            }
        }
    }

    /// As gate takes it: path and value to open, path and value to shut.
    fn switch(&self) -> Option<String> {
        match self {
            Self::Node {} => None,
            Self::Usb { port } => Some(format!("{port}/authorized,1,{port}/authorized,0")),
            Self::Driver { driver, device } => Some(format!("{driver}/bind,{device},{driver}/unbind,{device}")),
            Self::Switch { path, open, shut } => Some(format!("{path},{open},{path},{shut}")),
        }
    }
}

/// Words of a command line.
#[derive(Default)]
struct Words(String);

impl Words {
    fn add(&mut self, flag: &str, value: impl fmt::Display) {
        let blank = if self.0.is_empty() { "" } else { " " };
        self.0 += &format!("{blank}{flag} {value}");
    }
}

/// Device nodes: each below /dev, each once in the whole board.
fn nodes<'a>(place: &str, nodes: &'a [String], seen: &mut BTreeSet<&'a str>) -> Result<(), String> {
    if !(1..=MOST).contains(&nodes.len()) {
        return Err(format!("{place} are {}, not 1 to {MOST}", nodes.len()));
    }
    for node in nodes {
        below(place, node, &["/dev/"])?;
        if !seen.insert(node) {
            return Err(format!("{place}: {node} is named twice; a node has one door"));
        }
    }
    Ok(())
}

/// A path in the parts of sysfs that gate's unit may write to.
fn attribute(place: &str, path: &str) -> Result<(), String> {
    below(place, path, &["/sys/bus/", "/sys/class/", "/sys/devices/"])
}

fn below(place: &str, path: &str, roots: &[&str]) -> Result<(), String> {
    word(place, path, "/._:@+-")?;
    let plain = path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
    if plain && roots.iter().any(|root| path.starts_with(root)) {
        return Ok(());
    }
    Err(format!("{place} is '{path}', not a plain path below {}", roots.join(" or ")))
}

fn pcm(place: &str, device: &str) -> Result<(), String> {
    word(place, device, "._:=,-")
}

fn word(place: &str, text: &str, beside: &str) -> Result<(), String> {
    let allowed = text.chars().all(|c| c.is_ascii_alphanumeric() || beside.contains(c));
    if allowed && (1..=LONGEST_WORD).contains(&text.len()) {
        return Ok(());
    }
    Err(format!("{place} is '{}', not 1 to {LONGEST_WORD} of letters, digits and {beside}", text.escape_default()))
}

fn within(place: &str, value: u16, range: core::ops::RangeInclusive<u16>, even: bool) -> Result<(), String> {
    if range.contains(&value) && (!even || value.is_multiple_of(2)) {
        return Ok(());
    }
    let even = if even { "even and " } else { "" };
    Err(format!("{place} is {value}, not {even}{} to {}", range.start(), range.end()))
}
