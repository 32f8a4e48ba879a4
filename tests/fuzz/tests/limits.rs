//! Every limit of every parser, printed from the constants that hold it, is `docs/limits.md`; and what is at its bounds fits through the next.
//!
//! `UPDATE=1 cargo test -p parloir-fuzz --test limits` writes the page.

use parloir_issuer::example::{DEVICE, Example, id};
use parloir_issuer::{Secret, sign};
use parloir_pass::{Gap, Parcel, Typ};
use parloir_seal::{jws, sealed};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- printed by tests/fuzz/tests/limits.rs; a test compares -->\n";

struct Row {
    what: &'static str,
    most: u64,
    unit: &'static str,
    beyond: &'static str,
    place: &'static str,
}

fn row(what: &'static str, most: impl TryInto<u64>, unit: &'static str, beyond: &'static str, place: &'static str) -> Row {
    Row { what, most: most.try_into().unwrap_or(u64::MAX), unit, beyond, place }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A constant that is its room's own affair, read from the source: numbers with `*` and `<<` between.
fn own(what: &'static str, unit: &'static str, beyond: &'static str, place: &'static str) -> Row {
    let (file, name) = place.split_once("::").unwrap();
    let text = std::fs::read_to_string(root().join(file)).unwrap();
    let head = format!("const {name}: ");
    let (_, rest) = text.split_once(&head).unwrap_or_else(|| panic!("{place} is gone: mend this list"));
    let (_, expression) = rest.split(';').next().unwrap().split_once('=').unwrap();
    Row { what, most: value(expression), unit, beyond, place }
}

fn value(expression: &str) -> u64 {
    let number = |text: &str| text.trim().replace('_', "").parse::<u64>().unwrap_or_else(|_| panic!("{text} is no number"));
    match expression.split_once("<<") {
        Some((some, shift)) => number(some) << number(shift),
        None => expression.split('*').map(number).product(),
    }
}

/// A word of the broker's configuration.
fn broker(what: &'static str, unit: &'static str, beyond: &'static str, word: &'static str) -> Row {
    let text = std::fs::read_to_string(root().join("systemd/broker/mosquitto.conf.in")).unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix(word)).unwrap_or_else(|| panic!("{word} is gone"));
    Row { what, most: line.trim().parse().unwrap(), unit, beyond, place: "systemd/broker/mosquitto.conf.in" }
}

fn documents() -> Vec<Row> {
    use parloir_pass::{authority, grant, person, policy, receipt, words};
    use parloir_wire::{door_record, ticket};
    let [seal, pass] = ["appliance/seal", "appliance/pass"];
    vec![
        row("a signed document, before anything else is looked at", jws::MAX, "bytes", "refused", seal),
        row("braces and brackets within each other", jws::MAX_DEPTH, "levels", "refused", seal),
        row("signatures of an Authority", parloir_seal::roots::MAX_SIGNATURES, "", "refused", seal),
        row("roots", door_record::ROOTS, "", "refused", seal),
        row("a sealed body, opened", sealed::MAX_PLAIN, "bytes", "refused before it is opened", seal),
        row("a visitor's statement", receipt::MAX_STATEMENT, "bytes", "refused", seal),
        row("a shown name", words::MAX_NAME, "characters", "refused; so are control characters and turned text", pass),
        row("a sentence", words::MAX_SENTENCE, "characters", "refused", pass),
        row("an address of a relay", words::MAX_URL, "bytes", "refused", pass),
        row("a relay's user or password", grant::MAX_CREDENTIAL, "bytes", "refused", pass),
        row("keys of an Authority", authority::MAX_KEYS, "", "refused", pass),
        row("relays of a policy", policy::MAX_RELAYS, "", "refused", pass),
        row("contacts of a person, windows of a contact, bookings", person::MAX_LIST, "each", "refused", pass),
        row("far parties of a grant", grant::MAX_PARTIES, "", "refused", pass),
        row("relays of a grant", grant::MAX_RELAYS, "", "refused", pass),
        row("gaps of a receipt", receipt::MAX_GAPS, "", "refused; core merges the shortest", pass),
        row("grants of a visit that replace another", receipt::MAX_REGRANTS, "", "refused", pass),
        row("a door key record", door_record::SIZE, "bytes, exactly", "refused", "appliance/wire"),
        row("a door ticket", ticket::SIZE, "bytes, exactly", "refused", "appliance/wire"),
    ]
}

fn messages() -> Vec<Row> {
    use parloir_frames as frames;
    use parloir_wire::{gate, keys, lease, signal, start};
    let [wire, room] = ["appliance/wire", "appliance/frames"];
    vec![
        row("a message between arbiter and gate", gate::SIZE, "bytes, exactly", "refused", wire),
        row("a message between arbiter and call", lease::MAX, "bytes", "refused", wire),
        row("far parties of a plan", lease::MAX_PARTIES, "", "refused", wire),
        row("relays of a plan", lease::MAX_RELAYS, "", "refused", wire),
        own(
            "facts of a call process in a second",
            "",
            "the call process is hung up on",
            "appliance/arbiter/src/visit.rs::MAX_FACTS",
        ),
        row("a signalling message between link and call", signal::MAX, "bytes", "refused", wire),
        row("a start message", start::SIZE, "bytes, exactly", "refused", wire),
        row("a routed key", keys::SIZE, "bytes, exactly", "refused", wire),
        own(
            "fresh presses that may still be consent",
            "",
            "the oldest is forgotten",
            "appliance/core/src/remote.rs::MAX_PRESSES",
        ),
        row("a certificate with its key", parloir_call::verify::MAX_PEM, "bytes", "refused", "appliance/call"),
        row("a message of the frame channel", frames::MESSAGE_BYTES, "bytes, exactly", "the channel is dropped", room),
        row("slots of a ring", frames::SLOTS, "exactly", "the channel is dropped", room),
        row("a picture's width", frames::MAX_WIDTH, "pixels", "the channel is dropped", room),
        row("a picture's height", frames::MAX_HEIGHT, "pixels", "the channel is dropped", room),
        own("messages of the frame channel in one look", "", "wait for the next", "appliance/frames/src/receiver.rs::BURST"),
        own(
            "descriptors beside a message",
            "",
            "all are closed, the message is refused",
            "appliance/shell/src/fds.rs::KERNEL_MAX_FDS",
        ),
    ]
}

fn signalling() -> Vec<Row> {
    use parloir_call::sdp;
    use parloir_link::{broker as connection, direct, message, outbox, run, topic};
    use parloir_wire::signal;
    let [call, link] = ["appliance/call", "appliance/link"];
    vec![
        row("a session description", signal::MAX_SDP, "bytes", "refused", "appliance/wire"),
        row("its lines", sdp::MAX_LINES, "", "refused", call),
        row("a line of it", sdp::MAX_LINE, "bytes", "refused", call),
        row("candidates in it", sdp::MAX_CANDIDATES, "", "refused", call),
        row("a candidate", signal::MAX_CANDIDATE, "bytes", "refused", "appliance/wire"),
        row("candidates of a generation, each way", direct::MAX_CANDIDATES, "", "dropped", link),
        row("a `signal` as JSON", message::MAX_SIGNAL, "bytes", "dropped", link),
        row("a body over MQTT", topic::MAX_BODY, "bytes", "dropped; the broker refuses it", link),
        row("an MQTT packet", connection::MAX_PACKET, "bytes", "the connection ends", link),
        row("bodies under way to us", connection::MAX_RECEIVE, "", "the broker waits (MQTT 5, receive maximum)", link),
        row("denials held for an arbiter that is away", run::MAX_HELD, "", "the oldest is dropped, with a warning", link),
        row("signals that wait for their call's route", run::MAX_EARLY, "", "the oldest is dropped", link),
        own("signals that wait for a call process", "", "dropped, with a warning", "appliance/link/src/signalling.rs::WAITING"),
        row("signals that wait for the broker", outbox::MAX_WAITING, "", "the oldest is dropped, with a warning", link),
        own("calls to the arbiter that wait for the one before", "", "link waits", "appliance/link/src/courier.rs::WAITING"),
        broker("a body at the broker", "bytes", "refused", "message_size_limit"),
        broker("a packet at the broker", "bytes", "the connection ends", "max_packet_size"),
        broker("bodies that wait at the broker for one client", "", "dropped", "max_queued_messages"),
    ]
}

fn arbiter() -> Vec<Row> {
    vec![
        row(
            "box.env, and the list of relays for the firewall",
            parloir_peers::files::MAX_FILE,
            "bytes",
            "nothing in it is opened",
            "appliance/peers",
        ),
        row("relays in that list", parloir_peers::files::MAX_RELAYS, "", "none is opened", "appliance/peers"),
        row("an array of bytes in a D-Bus call", parloir_bus::MAX_DOCUMENT, "bytes", "refused", "appliance/bus"),
        own("a kind of document in a D-Bus call", "bytes", "refused", "appliance/arbiter/src/bus.rs::MAX_KIND"),
        own("callers known at once", "", "the oldest is asked for again", "appliance/arbiter/src/bus.rs::MAX_KNOWN"),
        own("questions of one user that wait", "", "refused at the door", "appliance/arbiter/src/bus.rs::MAX_WAITING"),
        own("a hint to ask again", "bytes", "refused", "appliance/arbiter/src/documents.rs::MAX_HINT"),
        own("items for the facility that are no receipts", "", "the oldest is dropped", "appliance/arbiter/src/outbox.rs::MAX"),
        own("receipts under way to the facility", "", "the others wait, any number", "appliance/arbiter/src/outbox.rs::WINDOW"),
        own("rings remembered", "", "refused", "appliance/core/src/ring.rs::MOST_RINGS"),
        own("revocations that stand", "", "the oldest goes", "appliance/core/src/deny.rs::MAX_STANDING"),
        own("grants denied in one call", "", "the oldest goes", "appliance/core/src/deny.rs::MAX_GRANTS"),
        own(
            "different complaints in a minute",
            "",
            "those of earlier minutes are forgotten",
            "appliance/arbiter/src/repeats.rs::MAX",
        ),
        own(
            "ledger lines that wait for a disk",
            "",
            "counted, and the number written",
            "appliance/arbiter/src/store.rs::MAX_ROWS",
        ),
        own("the file of floors", "bytes", "set aside", "appliance/arbiter/src/floors.rs::MAX"),
    ]
}

fn facility() -> Vec<Row> {
    let page = "tests/facility";
    vec![
        row(
            "a message of the page's websocket, either way",
            parloir_facility::page::MAX,
            "bytes",
            "the websocket is closed",
            page,
        ),
        own("what a page says of its trouble", "bytes", "refused", "tests/facility/src/page.rs::MAX_TROUBLE"),
        own("a codec's name", "bytes", "refused", "tests/facility/src/page.rs::MAX_CODEC"),
        own("what a window calls itself", "bytes", "refused", "tests/facility/src/web.rs::MAX_TAB"),
        own("messages of a page at once", "", "the websocket is closed", "tests/facility/src/web.rs::BURST"),
        own("websockets", "", "refused", "tests/facility/src/office.rs::MAX_PAGES"),
        own("websockets of one link", "", "refused", "tests/facility/src/office.rs::MAX_PAGES_OF_LINK"),
        own("visits that the desk knows", "", "the oldest that is over goes", "tests/facility/src/desk.rs::MAX_VISITS"),
        own("revocations that the desk remembers", "", "the oldest goes", "tests/facility/src/desk.rs::MAX_DENIED"),
    ]
}

fn updates() -> Vec<Row> {
    vec![
        own(
            "a body of the update server, but the bundle",
            "bytes",
            "not read on; asked again",
            "appliance/updater/src/ddi.rs::MAX_BODY",
        ),
        own("a path of a link of it", "bytes", "taken for no link", "appliance/updater/src/ddi.rs::MAX_PATH"),
        own("bytes that the disk keeps free", "bytes", "the bundle is not fetched", "appliance/updater/src/download.rs::RESERVE"),
        own("downloads that came wrong", "and one more", "the offer is refused", "appliance/updater/src/download.rs::ANEW"),
        own("requests for a bundle that is not there", "", "the offer is refused", "appliance/updater/src/download.rs::MISSING"),
        own(
            "installations of a bundle that were cut off",
            "",
            "it is remembered as failed",
            "appliance/updater/src/run.rs::MAX_TRIES",
        ),
        own("reports that wait", "", "the oldest that ends nothing is dropped", "appliance/updater/src/store.rs::MAX_QUEUE"),
        own("bundles that are remembered as failed", "", "the oldest is forgotten", "appliance/updater/src/store.rs::MAX_FAILED"),
        own("a file of the updater", "bytes", "taken as if it were not there", "appliance/updater/src/store.rs::MAX_FILE"),
        own("the log of a failed trial", "bytes", "not read on", "appliance/updater/src/acts.rs::MAX_LOG"),
        own("lines of it that are reported", "", "the last ones are", "appliance/updater/src/acts.rs::TAIL"),
        own("a body that a box sends", "bytes", "refused (413)", "tests/facility/src/ddi/web.rs::MAX_BODY"),
        own("attributes of a box", "", "refused (429)", "tests/facility/src/ddi/web.rs::MAX_ATTRIBUTES"),
        own("an attribute's name, and its value", "bytes", "refused (400)", "tests/facility/src/ddi/web.rs::MAX_ATTRIBUTE"),
        own("reports of an action", "", "refused (429), but its end", "tests/facility/src/ddi/rollout.rs::MAX_FEEDBACKS"),
        own("details of a report", "", "refused (429)", "tests/facility/src/ddi/rollout.rs::MAX_DETAILS"),
        own(
            "actions that the server knows",
            "",
            "the oldest that is over goes",
            "tests/facility/src/ddi/rollout.rs::MAX_ACTIONS",
        ),
        own("messages of a history", "", "the newest are given", "tests/facility/src/ddi/says.rs::MAX_HISTORY"),
        own("a message of a history", "characters", "made two", "tests/facility/src/ddi/says.rs::MAX_MESSAGE"),
        own("handshakes at once", "", "the next waits", "tests/facility/src/ddi/door.rs::MAX_HANDSHAKES"),
    ]
}

fn page() -> String {
    let mut text = String::from(BEGIN);
    let parts = [
        ("Documents", documents()),
        ("Messages between processes", messages()),
        ("Signalling and MQTT", signalling()),
        ("The arbiter: D-Bus, memory, disk", arbiter()),
        ("The facility: page and desk", facility()),
        ("Updates: the box's side and the facility's", updates()),
    ];
    for (title, rows) in parts {
        write!(text, "\n## {title}\n\n| What | At most | Beyond it | Held by |\n| --- | --- | --- | --- |\n").unwrap();
        for r in rows {
            let most = format!("{} {}", r.most, r.unit);
            writeln!(text, "| {} | {} | {} | `{}` |", r.what, most.trim(), r.beyond, r.place).unwrap();
        }
    }
    text
}

#[test]
fn the_page_holds_every_limit() {
    let path = root().join("docs/limits.md");
    let old = std::fs::read_to_string(&path).unwrap();
    let (head, printed) = old.split_once(BEGIN).expect("docs/limits.md: the marker");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, format!("{head}{}", page())).unwrap();
        return;
    }
    assert_eq!(format!("{BEGIN}{printed}"), page(), "UPDATE=1 cargo test -p parloir-fuzz --test limits");
}

/// How it was broken: a visitor who reloads the page four times, pads each statement with spaces to its bound and stops the media again and again
/// made a receipt that the box could sign and not seal, so nobody ever got it.
#[test]
fn the_longest_receipt_can_be_sealed_and_published() {
    let example = Example::default();
    let statement = sign(&example.statement(), &example.visitor).unwrap();
    // As long as a page may make it: spaces are allowed in what is signed.
    let long = format!("{statement}{}", "A".repeat(parloir_pass::receipt::MAX_STATEMENT - statement.len()));
    let mut receipt = example.receipt().unwrap();
    receipt.visitor_statement = Some(long.clone());
    receipt.earlier_statements = vec![long.clone(); parloir_pass::receipt::MAX_REGRANTS];
    receipt.regrants = vec![id(0xff); parloir_pass::receipt::MAX_REGRANTS];
    let gap = |n: u64| Gap { from_ms: 10_000_000 + n, to_ms: 10_000_000 + n };
    receipt.gaps = (0..parloir_pass::receipt::MAX_GAPS as u64).map(gap).collect();
    let signed = sign(&receipt, &Secret::new(&[10; 32])).unwrap();
    let parcel = Parcel { receipt: signed, visitor: Some(long), earlier: receipt.earlier_statements };
    let plain = serde_json::to_vec(&parcel).unwrap();
    let body = sealed::seal(Typ::Receipt, &DEVICE, &example.facility_seal().unwrap().public(), &plain);
    let body = body.unwrap_or_else(|e| panic!("a parcel of {} bytes: {e}", plain.len()));
    assert!(body.len() <= parloir_link::topic::MAX_BODY, "{} bytes", body.len());
}
