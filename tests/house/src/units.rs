//! Owns: what `systemd/` says about each cell, and where that is not what `systemd/cells.toml` says.
//! Never: takes the word of one side: what stands on either side only is a difference.
//! Called by: the house tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use parloir_bench::cells::{Cell, Cells, Policy, Start, fill};

/// Where our programs lie on the box.
pub const PROGRAMS: &str = "/usr/libexec/parloir";

/// Services that are no cell's, because they have to be root, and why; docs/adr/0023 has the choice.
pub const ROOT: &[(&str, &str)] = &[
    ("parloir-rauc.service", "RAUC writes partitions, and mounts a bundle's content"),
    ("parloir-restart.service", "a restart of the box is the first process's to do"),
    ("parloir-trial@.service", "the way back from a version that is not well, whatever became of all the others"),
];

/// The files of `systemd/`, by their path below it.
pub type Files = BTreeMap<String, String>;

/// A unit file: its settings in order, those of the files that every cell gets behind its own.
#[derive(Clone, Debug, Default)]
pub struct Unit(Vec<(String, String, String)>);

impl Unit {
    /// Reads settings; comments and continuation lines as systemd.syntax(7) has them.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (mut settings, mut section) = (Vec::new(), String::new());
        let lines = text.replace("\\\n", " ");
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.to_owned();
            } else if let Some((key, value)) = line.split_once('=') {
                settings.push((section.clone(), key.trim().to_owned(), value.trim().to_owned()));
            }
        }
        Self(settings)
    }

    /// Every value of a setting, in order.
    pub fn all<'a, 'k>(&'a self, key: &'k str) -> impl Iterator<Item = &'a str> + use<'a, 'k> {
        self.0.iter().filter(move |(_, name, _)| *name == key).map(|(.., value)| value.as_str())
    }

    /// The one that counts where a setting has one value.
    #[must_use]
    pub fn last(&self, key: &str) -> &str {
        self.all(key).last().unwrap_or_default()
    }

    /// Words of a setting that is a list: an empty value clears it.
    #[must_use]
    pub fn words(&self, key: &str) -> BTreeSet<String> {
        let mut words = BTreeSet::new();
        for value in self.all(key) {
            if value.is_empty() {
                words.clear();
            }
            words.extend(value.split_whitespace().map(str::to_owned));
        }
        words
    }
}

/// What differs; prints as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// File and setting.
    pub at: String,
    /// What cells.toml asks for.
    pub wanted: String,
    /// What stands there.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "systemd/{}: `{}`, but cells.toml asks for `{}`", self.at, self.found, self.wanted)
    }
}

/// Collects differences.
#[derive(Default)]
pub(crate) struct Book(pub Vec<Difference>);

impl Book {
    pub fn same<T: PartialEq + fmt::Debug>(&mut self, at: &str, found: &T, wanted: &T) {
        if found != wanted {
            self.0.push(Difference { at: at.to_owned(), wanted: format!("{wanted:?}"), found: format!("{found:?}") });
        }
    }
}

/// A unit of ours with the file that all cells get.
#[must_use]
pub fn unit(files: &Files, name: &str) -> Unit {
    let text = |path: &str| files.get(path).cloned().unwrap_or_default();
    Unit::parse(&(text(&format!("units/{name}")) + "\n" + &text("units/parloir-.service.d/cell.conf")))
}

/// The units in which a cell runs: name and command line.
#[must_use]
pub fn services(cell: &Cell) -> Vec<(String, Vec<String>)> {
    let at = if cell.start == Start::Socket { "@" } else { "" };
    let binary = if cell.binary.starts_with('/') { cell.binary.clone() } else { format!("{PROGRAMS}/{}", cell.binary) };
    let arguments = [&cell.arguments.device, &cell.arguments.on_box, &cell.arguments.board].into_iter().flatten().cloned();
    let own = (format!("parloir-{}{at}.service", cell.name), std::iter::once(binary).chain(arguments).collect());
    std::iter::once(own).chain(cell.variants.iter().map(|v| (v.unit.clone(), v.command.clone()))).collect()
}

/// The placeholders of cells.toml, as units write them.
#[must_use]
pub fn on_the_box(cells: &Cells) -> BTreeMap<String, String> {
    let fixed = [
        ("run", "/run/parloir"),
        ("state", "/var/lib/parloir"),
        ("keys", "/var/lib/parloir/keys"),
        ("image", "/usr/lib/parloir"),
        ("programs", PROGRAMS),
        ("device", "${PARLOIR_DEVICE}"),
        ("site", "${PARLOIR_SITE}"),
        ("broker", "${PARLOIR_BROKER}"),
        ("updates", "${PARLOIR_UPDATES}"),
    ];
    let uids = cells.cell.iter().map(|cell| (format!("uid:{}", cell.user), cell.uid.to_string()));
    fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).chain(uids).collect()
}

/// Everything in which units and cells.toml differ, both ways.
#[must_use]
pub fn differences(cells: &Cells, files: &Files) -> Vec<Difference> {
    let mut book = Book::default();
    let values = on_the_box(cells);
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for cell in &cells.cell {
        for (name, command) in services(cell) {
            let text = fill(&command.join(" "), &values).unwrap_or_else(|why| why.to_string());
            one(&mut book, cell, &Named { name: &name, unit: unit(files, &name) }, &text, cells);
            wanted.insert(name);
        }
        if cell.start == Start::Socket {
            let name = format!("parloir-{}.socket", cell.name);
            socket(&mut book, cells, cell, &name, &unit(files, &name), &values);
            wanted.insert(name);
        }
    }
    let ours = |path: &str| path.strip_prefix("units/").filter(|name| !name.contains('/')).map(str::to_owned);
    wanted.extend(ROOT.iter().map(|(name, _)| (*name).to_owned()).filter(|name| files.contains_key(&format!("units/{name}"))));
    let found: BTreeSet<String> = files
        .keys()
        .filter_map(|path| ours(path))
        .filter(|name| name.ends_with(".service") || name.ends_with(".socket"))
        .collect();
    book.same("units: services and sockets", &found, &wanted);
    super::users::differences(&mut book, cells, files, &values);
    book.0
}

struct Named<'a> {
    name: &'a str,
    unit: Unit,
}

impl Named<'_> {
    fn at(&self, key: &str) -> String {
        format!("units/{} {key}=", self.name)
    }

    /// One value.
    fn is(&self, book: &mut Book, key: &str, wanted: &str) {
        book.same(&self.at(key), &self.unit.last(key), &wanted);
    }

    /// A list, whatever its order.
    fn lists<I: IntoIterator<Item = S>, S: Into<String>>(&self, book: &mut Book, key: &str, wanted: I) {
        book.same(&self.at(key), &self.unit.words(key), &wanted.into_iter().map(Into::into).collect());
    }

    fn yes(&self, book: &mut Book, key: &str, wanted: bool) {
        book.same(&self.at(key), &(self.unit.last(key) == "yes"), &wanted);
    }
}

fn one(book: &mut Book, cell: &Cell, unit: &Named<'_>, command: &str, cells: &Cells) {
    unit.is(book, "User", &cell.user);
    unit.is(book, "Slice", if cell.start == Start::Socket { "parloir-call.slice" } else { "parloir.slice" });
    unit.lists(book, "SupplementaryGroups", &cell.groups);
    unit.is(book, "Group", "");
    unit.is(book, "ExecStart", command);
    unit.is(book, "MemoryMax", &format!("{}M", cell.memory_mb));
    life(book, cell, unit);
    let capabilities: BTreeSet<String> = cell.capabilities.device.iter().map(|name| format!("CAP_{name}")).collect();
    unit.lists(book, "CapabilityBoundingSet", capabilities.clone());
    unit.lists(book, "AmbientCapabilities", capabilities.clone());
    // Rights over others' files and over the network mean nothing in a user namespace of one's own.
    unit.yes(book, "PrivateUsers", capabilities.is_empty());
    devices(book, cell, unit);
    network(book, cell, unit);
    let after: BTreeSet<String> = cell.after.iter().map(|name| format!("parloir-{name}.service")).collect();
    let found: BTreeSet<String> =
        unit.unit.words("After").into_iter().filter(|name| name.starts_with("parloir-") && name.ends_with(".service")).collect();
    let known = |name: &str| cells.named(name.trim_start_matches("parloir-").trim_end_matches(".service")).is_some();
    book.same(&unit.at("After"), &found.into_iter().filter(|name| known(name)).collect(), &after);
    files_of(book, cell, unit, command, &on_the_box(cells));
}

/// Start, end, and what follows an end.
fn life(book: &mut Book, cell: &Cell, unit: &Named<'_>) {
    let own = unit.name.trim_end_matches(".service").trim_end_matches('@') == format!("parloir-{}", cell.name);
    if !own {
        return; // A variant has a life of its own.
    }
    unit.is(book, "Type", if cell.start == Start::Once { "oneshot" } else { "notify" });
    let ms = |key: &str| milliseconds(unit.unit.last(key));
    book.same(&unit.at("WatchdogSec"), &ms("WatchdogSec"), &Some(cell.restart.watchdog_ms).filter(|ms| *ms > 0));
    let (policy, delay) = match cell.restart.policy {
        Policy::Always => ("always", Some(cell.restart.delay_ms)),
        Policy::Failure => ("on-failure", Some(cell.restart.delay_ms)),
        Policy::Never => ("no", None),
    };
    unit.is(book, "Restart", policy);
    book.same(&unit.at("RestartSec"), &ms("RestartSec"), &delay);
}

/// A time span of systemd.time(7), as far as our units use it.
#[must_use]
pub fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().ok()?;
    match &text[digits..] {
        "ms" => Some(number),
        "s" => Some(number * 1000),
        "min" => Some(number * 60_000),
        _ => None,
    }
}

fn devices(book: &mut Book, cell: &Cell, unit: &Named<'_>) {
    let wanted: BTreeSet<String> =
        cell.devices.iter().filter(|d| !d.allow.is_empty()).map(|d| format!("{} {}", d.class, d.allow)).collect();
    let found: BTreeSet<String> = unit.unit.all("DeviceAllow").map(str::to_owned).collect();
    book.same(&unit.at("DeviceAllow"), &found, &wanted);
    unit.is(book, "DevicePolicy", "closed");
    unit.yes(book, "PrivateDevices", cell.devices.is_empty());
}

/// Families of sockets, the network's namespace, and what may come in.
fn network(book: &mut Book, cell: &Cell, unit: &Named<'_>) {
    let reaches = |what: &str| cell.network.iter().any(|n| n == what);
    // What runs once and speaks to nobody has no socket at all; the others speak at least to systemd and the journal.
    let alone = cell.start == Start::Once && cell.network.is_empty() && cell.sockets.is_empty();
    let mut families = vec![if alone { "none" } else { "AF_UNIX" }];
    let far = reaches("broker") || reaches("relay") || reaches("updates");
    if far {
        families.extend(["AF_INET", "AF_INET6"]);
    }
    if reaches("relay") || reaches("filter") {
        families.push("AF_NETLINK");
    }
    unit.lists(book, "RestrictAddressFamilies", families);
    unit.yes(book, "PrivateNetwork", cell.network.is_empty());
    let denied = if far { "localhost link-local multicast" } else { "any" };
    unit.is(book, "IPAddressDeny", denied);
    let bus = !(cell.bus.owns.is_empty() && cell.bus.calls.is_empty());
    for key in ["Requires", "After"] {
        book.same(&unit.at(key), &unit.unit.words(key).contains("dbus.socket"), &bus);
    }
}

/// What it may write, whether it sees the data partition, and where its variables come from.
fn files_of(book: &mut Book, cell: &Cell, unit: &Named<'_>, command: &str, values: &BTreeMap<String, String>) {
    let wanted: BTreeSet<String> = cell.writes.iter().map(|path| fill(path, values).unwrap_or_default()).collect();
    let mut found = unit.unit.words("ReadWritePaths");
    // A file system of its own in memory, unless it is there to hide what lies below.
    let own = unit.unit.all("TemporaryFileSystem").filter(|value| !value.ends_with(":ro"));
    let own: Vec<String> = own.map(|value| value.split(':').next().unwrap_or_default().to_owned()).collect();
    // Code that is made at run time must be executable in its own file system, which an exception at the same path would replace.
    book.same(&unit.at("NoExecPaths"), &unit.unit.words("NoExecPaths").contains("/"), &own.is_empty());
    let replaced = own.iter().any(|path| unit.unit.words("ExecPaths").contains(path));
    book.same(&unit.at("ExecPaths"), &replaced, &false);
    found.extend(own);
    book.same(&unit.at("ReadWritePaths, TemporaryFileSystem"), &found, &wanted);
    let data = command.contains("/var/lib/parloir") || command.contains("${PARLOIR_");
    book.same(&unit.at("RequiresMountsFor"), &unit.unit.words("RequiresMountsFor").contains("/var/lib/parloir"), &data);
    let hidden = unit.unit.words("InaccessiblePaths");
    let hidden = ["/var/lib/parloir", "-/var/lib/parloir", "-/var"].iter().any(|path| hidden.contains(*path));
    book.same(&unit.at("InaccessiblePaths"), &hidden, &!data);
    let mut from: Vec<&str> = Vec::new();
    if command.contains("${PARLOIR_") {
        from.push("/var/lib/parloir/box.env");
    }
    if !cell.arguments.board.is_empty() {
        from.push("/usr/lib/parloir/board.env"); // After box.env, so that the data partition cannot overrule the image.
    }
    book.same(&unit.at("EnvironmentFile"), &unit.unit.all("EnvironmentFile").collect(), &from);
}

fn socket(book: &mut Book, cells: &Cells, cell: &Cell, name: &str, unit: &Unit, values: &BTreeMap<String, String>) {
    let accepted: Vec<_> = cell.sockets.iter().filter(|socket| socket.role == "accepts").collect();
    let paths: Vec<String> = accepted.iter().filter_map(|socket| fill(&socket.path, values).ok()).collect();
    book.same(
        &format!("units/{name} ListenSequentialPacket="),
        &unit.all("ListenSequentialPacket").collect(),
        &paths.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let listens: BTreeSet<&str> = unit.0.iter().map(|(_, key, _)| key.as_str()).filter(|key| key.starts_with("Listen")).collect();
    book.same(&format!("units/{name} Listen*="), &listens, &BTreeSet::from(["ListenSequentialPacket"]));
    let peer = accepted.first().and_then(|socket| cells.named(&socket.peer)).map_or("nobody", |peer| peer.user.as_str());
    for (key, wanted) in [("SocketUser", peer), ("SocketGroup", peer), ("SocketMode", "0600"), ("Accept", "yes")] {
        book.same(&format!("units/{name} {key}="), &unit.last(key), &wanted);
    }
}
