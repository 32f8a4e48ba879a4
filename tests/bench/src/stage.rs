//! Owns: the set of a run: directories, keys, clips, parts and cells, started in the order a site would start them.
//! Never: runs a visit on it.
//! Called by: demo, the side-by-side bench, the tests that need a whole appliance.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::Sender;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cells::Cells;
use crate::demo::PLACE_WITHOUT_KEY;
use crate::lines::Event;
use crate::network::{self, Network, Place};
use crate::parts::{configure, free_port, free_row, wait_for, wait_for_port};
use crate::supervisor::{Part, Supervisor, listen_for_gate};
use crate::walls::{self, RUN, Users, room, show};

/// UDP ports that the relay may hand out. What a killed call process or a closed page took comes back after ten minutes only (RFC 8656,
/// 600 s), and a run may play a hundred visits in them.
const RELAY_PORTS: u16 = 600;

/// The binaries that every role must be able to execute.
const BINARIES: [&str; 8] = [
    "parloir-gate",
    "parloir-arbiter",
    "parloir-link",
    "parloir-ui",
    "parloir-call",
    "parloirctl",
    "parloir-facility",
    "parloir-bench",
];

/// What a set is made of.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Root of the source tree: `systemd/` and `tests/bench/parts/` are read from it.
    pub tree: PathBuf,
    /// Where the binaries are.
    pub bin: PathBuf,
    /// Where clips are kept between runs.
    pub cache: PathBuf,
    /// Where logs and pictures go.
    pub out: PathBuf,
    /// No window.
    pub headless: bool,
    /// Cell, site and visitor each in a network of its own; else all are on loopback.
    pub apart: bool,
    /// What the facility shall do wrong.
    pub tamper: Option<String>,
    /// More arguments for `parloir-facility`.
    pub facility: Vec<String>,
    /// More arguments for `parloirctl init`.
    pub init: Vec<String>,
}

/// A set that stands.
pub struct Stage {
    /// Its processes.
    pub supervisor: Supervisor,
    /// The cell's camera as gate opens it: a link to the clip, so that it can be taken away.
    pub camera: PathBuf,
    /// The visitor's clip.
    pub visitor_camera: PathBuf,
    /// The visitor's sound.
    pub visitor_sound: PathBuf,
    /// Where the screen saves its pictures.
    pub pictures: PathBuf,
    /// Gate's bench door for keys.
    pub remote: PathBuf,
    /// Port of the facility's HTTPS.
    pub https: u16,
    /// The lines between cell, site and visitor, where networks are apart.
    pub network: Option<Network>,
    /// Where broker, relay and page are.
    address: &'static str,
    broker: u16,
    relay: u16,
}

impl Stage {
    /// Sets the stage up to the facility; the cells follow with [`Stage::start_box`].
    ///
    /// # Errors
    /// Anything is missing or does not start; the message names it.
    pub fn set(wanted: &Wanted, events: Sender<Event>) -> io::Result<Self> {
        let cells = Cells::read(&wanted.tree.join("systemd/cells.toml")).map_err(io::Error::other)?;
        let users = Users::of(&cells);
        let xauthority = std::env::var_os("XAUTHORITY").and_then(|path| fs::read(path).ok());
        walls::furnish(&users)?;
        for name in BINARIES {
            let from = wanted.bin.join(name);
            if !from.exists() {
                return Err(io::Error::other(format!("{} is not built: cargo build --workspace", from.display())));
            }
            show(&from, &format!("bin/{name}"))?;
        }
        let mut supervisor =
            Supervisor::new(cells, users, Path::new(RUN).join("bin"), wanted.out.join("logs"), events, wanted.headless);
        supervisor.apart = wanted.apart;
        let mut stage = Self {
            supervisor,
            camera: Path::new(RUN).join("clip/camera"),
            visitor_camera: show(&wanted.cache.join("visitor.y4m"), "clip/visitor.y4m")?,
            visitor_sound: show(&wanted.cache.join("visitor.wav"), "clip/visitor.wav")?,
            pictures: PathBuf::new(),
            remote: Path::new(RUN).join("bench/remote"),
            https: free_port()?,
            network: wanted.apart.then(Network::lay).transpose()?,
            address: if wanted.apart { network::SITE } else { "127.0.0.1" },
            broker: 0,
            relay: 0,
        };
        std::os::unix::fs::symlink(show(&wanted.cache.join("cell.y4m"), "clip/cell.y4m")?, &stage.camera)?;
        let microphone = show(&wanted.cache.join("cell.wav"), "clip/cell.wav")?;
        stage.rooms(xauthority)?;
        stage.ports()?;
        stage.keys(&wanted.init)?;
        let values = &mut stage.supervisor.values;
        values.insert("camera".into(), stage.camera.display().to_string());
        values.insert("microphone".into(), microphone.display().to_string());
        values.insert("pictures".into(), stage.pictures.display().to_string());
        stage.bus(&wanted.tree)?;
        stage.broker(&wanted.tree)?;
        stage.relay(&wanted.tree)?;
        stage.facility(wanted)?;
        registry(&wanted.cache, stage.supervisor.user("parloir-call")?)?;
        Ok(stage)
    }

    /// Directories, each of the user that writes there.
    fn rooms(&mut self, xauthority: Option<Vec<u8>>) -> io::Result<()> {
        for (name, user, mode) in [
            ("gate", "parloir-gate", 0o755),
            ("bench", "parloir-gate", 0o755),
            ("state/gate", "parloir-gate", 0o700),
            ("state/arbiter", "parloir-arbiter", 0o700),
            ("bus", "parloir-bus", 0o755),
            ("broker", "parloir-broker", 0o700),
            ("relay", "parloir-relay", 0o700),
            ("facility", "parloir-facility", 0o700),
            ("facility/state", "parloir-facility", 0o700),
            ("visitor", "parloir-visitor", 0o700),
            ("ui", "parloir-ui", 0o700),
            ("kiosk", "parloir-kiosk", 0o700),
        ] {
            room(name, Some(self.supervisor.user(user)?), mode)?;
        }
        self.pictures = room("pictures", Some(self.supervisor.user("parloir-ui")?), 0o755)?;
        room("call", None, 0o755)?;
        if let Some(cookie) = xauthority {
            let path = Path::new(RUN).join("ui/xauthority");
            fs::write(&path, cookie)?;
            chown(&path, Some(self.supervisor.user("parloir-ui")?), None)?;
            self.supervisor.environment("ui", "XAUTHORITY", &path.display().to_string());
        }
        for name in ["DISPLAY", "SLINT_BACKEND", "SLINT_SCALE_FACTOR"] {
            if let Ok(value) = std::env::var(name) {
                self.supervisor.environment("ui", name, &value);
            }
        }
        Ok(())
    }

    /// Ports of broker and relay, before the keys: the signed policy names the relay.
    fn ports(&mut self) -> io::Result<()> {
        let (broker, relay, first) = (free_port()?, free_port()?, free_row(RELAY_PORTS)?);
        for (name, value) in [
            ("broker-port", broker.to_string()),
            ("broker", format!("{}:{broker}", self.address)),
            ("turn-port", relay.to_string()),
            ("turn", format!("{}:{relay}", self.address)),
            ("relay-first", first.to_string()),
            ("relay-last", (first + RELAY_PORTS - 1).to_string()),
        ] {
            self.supervisor.values.insert(name.to_owned(), value);
        }
        (self.broker, self.relay) = (broker, relay);
        Ok(())
    }

    /// New keys for every run, each readable for the one role that needs it.
    fn keys(&mut self, more: &[String]) -> io::Result<()> {
        let keys = room("keys", None, 0o755)?;
        let made = Command::new(Path::new(RUN).join("bin/parloirctl"))
            .args(["init", "--dir"])
            .arg(&keys)
            .args(["--relay", &format!("turn:{}:{}?transport=udp", self.address, self.relay), "--name", self.address])
            .args(more)
            .output()?;
        if !made.status.success() {
            return Err(io::Error::other(format!("parloirctl init: {}", String::from_utf8_lossy(&made.stderr).trim())));
        }
        for (files, user) in [
            ("site", "parloir-facility"),
            ("box", "parloir-arbiter"),
            ("tls/box.key", "parloir-link"),
            ("tls/broker.key", "parloir-broker"),
            ("tls/facility.key", "parloir-facility"),
            ("tls/https.key", "parloir-facility"),
        ] {
            give(&keys.join(files), self.supervisor.user(user)?)?;
        }
        fs::set_permissions(keys.join("roots"), fs::Permissions::from_mode(0o700))?;
        for name in ["device", "site"] {
            let id = fs::read_to_string(keys.join(format!("box/{name}.id")))?;
            self.supervisor.values.insert(name.to_owned(), id.trim().to_owned());
        }
        // Root keys are part of the box's read-only image; here they lie beside the others.
        for name in ["keys", "image"] {
            self.supervisor.values.insert(name.into(), keys.display().to_string());
        }
        Ok(())
    }

    /// Fills a template for `user`; `more` are the words of this template alone.
    fn configured(&self, template: &Path, name: &str, user: &str, more: &[(&str, &str)]) -> io::Result<String> {
        let to = Path::new(RUN).join(name);
        let mut values = self.supervisor.values.clone();
        values.extend(more.iter().map(|(word, value)| ((*word).to_owned(), (*value).to_owned())));
        values.extend([("user".to_owned(), user.to_owned()), ("address".to_owned(), self.address.to_owned())]);
        configure(template, &to, &values)?;
        chown(&to, Some(self.supervisor.user(user)?), None)?;
        fs::set_permissions(&to, fs::Permissions::from_mode(0o600))?;
        Ok(to.display().to_string())
    }

    fn part(&mut self, name: &'static str, user: &'static str, command: Vec<String>, kept: bool) -> io::Result<u32> {
        let place = kept.then_some(Place::Site);
        self.supervisor.part(Part { name, user, command, environment: Vec::new(), kept, hears: false, place })
    }

    fn wait_for(&self, what: &str, port: u16) -> io::Result<()> {
        match &self.network {
            Some(network) => wait_for(what, || network.accepts(port)),
            None => wait_for_port(what, port),
        }
    }

    fn bus(&mut self, tree: &Path) -> io::Result<()> {
        show(&tree.join("systemd/dbus"), "etc/dbus")?;
        let config = self.configured(&tree.join("tests/bench/parts/bus.conf"), "etc/bus.conf", "parloir-bus", &[])?;
        let command = words(&["dbus-daemon", "--nofork", "--nopidfile", "--nosyslog", "--config-file", &config]);
        self.part("bus", "parloir-bus", command, false)?;
        let socket = Path::new(RUN).join("bus/socket");
        wait_for("the bus", || socket.exists())
    }

    fn broker(&mut self, tree: &Path) -> io::Result<()> {
        let acl = self.configured(&tree.join("systemd/broker/acl.in"), "etc/acl", "parloir-broker", &[])?;
        let (tls, state) = (format!("{RUN}/keys/tls"), format!("{RUN}/broker"));
        let more = [("acl", acl.as_str()), ("tls", &tls), ("state", &state)];
        let template = tree.join("systemd/broker/mosquitto.conf.in");
        let config = self.configured(&template, "etc/mosquitto.conf", "parloir-broker", &more)?;
        self.part("broker", "parloir-broker", words(&["mosquitto", "-c", &config]), true)?;
        self.wait_for("the broker", self.broker)
    }

    fn relay(&mut self, tree: &Path) -> io::Result<()> {
        let mut secret = [0u8; 24];
        io::Read::read_exact(&mut fs::File::open("/dev/urandom")?, &mut secret)?;
        let secret: String = secret.iter().map(|b| format!("{b:02x}")).collect();
        self.supervisor.values.insert("turn-secret".into(), secret.clone());
        let path = Path::new(RUN).join("facility/turn-secret");
        fs::write(&path, secret)?;
        give(&path, self.supervisor.user("parloir-facility")?)?;
        let state = format!("{RUN}/relay");
        let more = [("state", state.as_str()), ("realm", "parloir.bench"), ("allocations", "64"), ("deny-cells", "")];
        let template = tree.join("systemd/relay/turnserver.conf.in");
        let config = self.configured(&template, "etc/turnserver.conf", "parloir-relay", &more)?;
        if self.network.is_none() {
            // The one override of the bench: everything is on loopback then, which the relay's own file refuses.
            let both = fs::read_to_string(&config)? + &fs::read_to_string(tree.join("tests/bench/parts/relay-loopback.conf"))?;
            fs::write(&config, both)?;
        }
        self.part("relay", "parloir-relay", words(&["turnserver", "-c", &config]), true)?;
        self.wait_for("the relay", self.relay)
    }

    fn facility(&mut self, wanted: &Wanted) -> io::Result<()> {
        let value = |name: &str| self.supervisor.values.get(name).cloned().unwrap_or_default();
        let (https, binary) = (format!("{}:{}", self.address, self.https), format!("{RUN}/bin/parloir-facility"));
        let (secret, state) = (format!("{RUN}/facility/turn-secret"), format!("{RUN}/facility/state"));
        let mut command = words(&[&binary, "--dir", &value("keys"), "--broker", &value("broker"), "--https", &https]);
        command.extend(words(&["--turn", &value("turn"), "--turn-secret", &secret, "--state", &state]));
        if let Some(kind) = wanted.tamper.as_deref().filter(|kind| *kind != PLACE_WITHOUT_KEY) {
            command.extend(words(&["--tamper", kind]));
        }
        command.extend(wanted.facility.iter().cloned());
        let (name, user) = ("facility", "parloir-facility");
        let place = Some(Place::Site);
        self.supervisor.part(Part { name, user, command, environment: Vec::new(), kept: true, hears: true, place })?;
        self.wait_for("the facility", self.https)
    }

    /// Starts the cells that start with the box.
    ///
    /// # Errors
    /// One cannot be started.
    pub fn start_box(&mut self) -> io::Result<()> {
        let gate = self.supervisor.user("parloir-gate")?;
        listen_for_gate(&Path::new(RUN).join("call/socket"), gate, self.supervisor.events())?;
        self.supervisor.cell("gate")?;
        let socket = Path::new(RUN).join("gate/socket");
        wait_for("gate", || socket.exists())?;
        for name in ["arbiter", "link", "ui"] {
            self.supervisor.cell(name)?;
        }
        Ok(())
    }

    /// Credentials of the relay in the form that a page's `RTCPeerConnection` takes.
    ///
    /// # Errors
    /// The relay was not started.
    pub fn relay_for(&self, user: &str) -> io::Result<serde_json::Value> {
        let secret = self.supervisor.values.get("turn-secret").ok_or_else(|| io::Error::other("no relay runs"))?;
        let urls = vec![format!("turn:{}:{}?transport=udp", self.address, self.relay)];
        let relays = parloir_facility::turn::Relays { urls, secret: secret.clone().into_bytes() };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?.as_secs();
        let given = relays.credentials(user, i64::try_from(now).unwrap_or(0) + 3600);
        Ok(serde_json::json!({ "urls": given[0].url, "username": given[0].user, "credential": given[0].password }))
    }

    /// Numbers of the users that are the box.
    #[must_use]
    pub fn box_users(&self) -> Vec<(String, u32)> {
        let cells = ["gate", "arbiter", "link", "ui", "call"];
        cells
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), self.supervisor.user(&format!("parloir-{name}")).ok()?)))
            .collect()
    }

    /// As the screen's user: what a screen that was taken over would do.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn place_without_key(&mut self) -> io::Result<u32> {
        let environment = vec![("DBUS_SYSTEM_BUS_ADDRESS".to_owned(), format!("unix:path={RUN}/bus/socket"))];
        let command = words(&[&format!("{RUN}/bin/parloir-bench"), "rogue"]);
        let (name, user) = ("rogue", "parloir-ui");
        self.supervisor.part(Part { name, user, command, environment, kept: false, hears: false, place: None })
    }

    /// Starts a real browser as the visitor, as a user of its own.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn visitor(&mut self, url: &str) -> io::Result<u32> {
        self.visitor_with(url, &[])
    }

    /// As [`Stage::visitor`], with more arguments: one that stays after an end takes orders for the next visit.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn visitor_with(&mut self, url: &str, more: &[&str]) -> io::Result<u32> {
        let (camera, sound) = (self.visitor_camera.display().to_string(), self.visitor_sound.display().to_string());
        let out = format!("{RUN}/visitor");
        let ca = self.supervisor.values.get("keys").map(|keys| format!("{keys}/tls/https.pem")).unwrap_or_default();
        let binary = format!("{RUN}/bin/parloir-bench");
        let mut command = words(&[
            &binary,
            "visitor",
            "--url",
            url,
            "--camera",
            &camera,
            "--sound",
            &sound,
            "--out",
            &out,
            "--certificate",
            &ca,
        ]);
        command.extend(words(more));
        let environment = vec![("HOME".to_owned(), out.clone()), ("TMPDIR".to_owned(), out)];
        let (name, user, place) = ("visitor", "parloir-visitor", Some(Place::Visitor));
        self.supervisor.part(Part { name, user, command, environment, kept: false, hears: true, place })
    }
}

/// GStreamer's list of plugins: call's sandbox may not scan for them. Kept between runs, refreshed when plugins change.
fn registry(cache: &Path, user: u32) -> io::Result<()> {
    let kept = cache.join("gstreamer-registry.bin");
    let done = Command::new(Path::new(RUN).join("bin/parloir-call")).arg("--registry").env("GST_REGISTRY", &kept).output()?;
    if !done.status.success() {
        return Err(io::Error::other(format!("parloir-call --registry: {}", String::from_utf8_lossy(&done.stderr).trim())));
    }
    let to = Path::new(RUN).join("call/registry.bin");
    fs::copy(&kept, &to)?;
    chown(&to, Some(user), Some(user))
}

/// Where clips are kept between runs: the user's cache directory (XDG Base Directory).
///
/// # Errors
/// The environment names none.
pub fn cache() -> io::Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .ok_or_else(|| io::Error::other("neither XDG_CACHE_HOME nor HOME is set: nowhere to keep the clips"))?;
    Ok(base.join("parloir/clip-v1"))
}

/// Makes the clips unless an earlier run has left them.
///
/// # Errors
/// The disk is full or not writable.
pub fn clips(cache: &Path) -> io::Result<()> {
    use parloir_clip::Flavour;
    fs::create_dir_all(cache)?;
    for (name, flavour) in [("cell", Flavour::Cell), ("visitor", Flavour::Visitor)] {
        for ending in ["y4m", "wav"] {
            let (path, part) = (cache.join(format!("{name}.{ending}")), cache.join(format!("{name}.{ending}.part")));
            if path.exists() {
                continue;
            }
            if ending == "y4m" {
                println!("making the clip of the {name} (once, 415 MB)");
                parloir_clip::write_y4m(&part, flavour)?;
            } else {
                parloir_clip::write_wav(&part, flavour)?;
            }
            fs::rename(part, path)?;
        }
    }
    Ok(())
}

/// Gives a file, or a directory with its files, to a user.
fn give(path: &Path, user: u32) -> io::Result<()> {
    chown(path, Some(user), Some(user))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), user)?;
        }
    }
    Ok(())
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}
