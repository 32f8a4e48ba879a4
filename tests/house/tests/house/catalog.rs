//! Owns: the journal's catalogue `systemd/catalog/parloir.catalog`: for every stable code what it means and what an operator does.
//! Never: a code that nothing says, or a code without an entry.
//! Called by: the house tests. To print it anew: `UPDATE=1 cargo test -p parloir-house --test house catalog`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use parloir_core::refusal::{Code, EndReason};
use parloir_house::{files, root, text};
use parloir_shell::journal::{is_code, message_id};

const FILE: &str = "systemd/catalog/parloir.catalog";

/// Rooms whose messages reach the box's journal.
const ROOMS: &[&str] =
    &["arbiter", "bus", "call", "frames", "kms", "link", "pass", "peers", "seal", "shell", "still", "tls", "updater"];

/// Codes that stand in a message only; the message says what happened. Those of core, seal and peers have a table of their own.
const SAID: &[(&str, &str)] = &[
    ("BadKey", "A key file of the box has another form; provision the box again."),
    (
        "BeatTooSlow",
        "The policy's renewals are further apart than its grace allows; correct the policy and run parloirctl lint-policy.",
    ),
    ("BrokerRefused", "The broker let this box in and refused what it asked for; look at the broker's access list."),
    (
        "ChannelClosed",
        "The other end of the frame channel is gone: screen or call ended. The picture comes back by itself, or the visit ends.",
    ),
    (
        "ClassNotSupported",
        "The policy has a class of call that this release does not know; correct the policy or update the box.",
    ),
    ("Clip", "The clip that stands for the camera cannot be read. On a box this does not happen: a bench build was installed."),
    ("DirectCandidatesRefused", "A grant allows direct candidates, which only a bench may; issue it with a relay."),
    ("GraceTooShort", "The policy's grace is shorter than two renewals; correct the policy and run parloirctl lint-policy."),
    ("GrantBadParties", "A grant names no party, more than three, or one twice; look at the issuer."),
    ("GrantNotEntitled", "A grant gives more than the entitlement; look at the issuer."),
    ("GrantNotForThisAsk", "A grant answers another question of this box; look at the issuer."),
    ("GrantOutsideAuthority", "A grant's key may not sign for this class, or for so long; look at the site's Authority."),
    ("GrantOutsidePolicy", "A grant gives what the site's policy forbids; look at the issuer and the policy."),
    (
        "Io",
        "The operating system refused a file or a socket; the message names it. If it stays after a restart, replace the box.",
    ),
    ("LeaseEnded", "A media process outlived its lease and ended; nothing is to be done."),
    (
        "LedgerBroken",
        "A row of the ledger does not follow from the one before: somebody changed the data partition. Export it for the inspector.",
    ),
    ("LinkAddress", "The broker's address is not HOST:PORT; look at box.env."),
    ("LinkIdentity", "Certificate or key of the box cannot be used; provision the box again."),
    ("MakeGoodTooLong", "The policy makes good more than a visit may last; correct the policy and run parloirctl lint-policy."),
    ("MalformedArgument", "A process called the arbiter with an argument of another form; the message names its user."),
    (
        "MalformedMessage",
        "A message between two processes of the box has another form. Report it: either a defect, or one of them was taken over.",
    ),
    (
        "MonitoringWithoutRoute",
        "The policy watches a class on a route that cannot be watched; correct the policy and run parloirctl lint-policy.",
    ),
    (
        "NoBroker",
        "The broker cannot be reached or does not prove who it is; it is tried again. Look at network, broker and certificates.",
    ),
    ("NoBus", "The system bus cannot be used; look at dbus.service. The process is started again."),
    ("NoClass", "The policy allows no class of call; correct the policy if that is not meant."),
    ("NoKey", "A key file of the box is not there; provision the box again."),
    ("NoRelay", "The policy names no relay, so no visit can have media; correct the policy."),
    ("NotCourier", "A process other than link called what only link may call; the message names its user."),
    ("OddZone", "The policy's time zone has no name of the IANA time zone database; correct the policy."),
    ("OpenKey", "A secret file of the box can be read by others; provision the box again."),
    ("Pipeline", "The media pipeline failed; the visit is held and tried again. If it repeats, look at camera and sound."),
    ("Plan", "The media process was given a plan outside its bounds; look at the board's picture and the policy's relays."),
    (
        "PrivateClassCode",
        "A grant of a private class lacks the visitor's half of the short code; look at the facility's and the page's release.",
    ),
    ("PrivateClassParties", "A grant of a private class names more than one far party; this release makes such calls with one."),
    ("PrivateClassRecorded", "The policy records or watches a class that is private; correct the policy."),
    ("PrivateClassRoute", "A grant of a private class names another route than direct; only that one is end to end."),
    ("ReceiptDoesNotHold", "A receipt counts more than its statements say; report it."),
    (
        "RecordingWithoutRoute",
        "The policy records a class on a route that cannot record; correct the policy and run parloirctl lint-policy.",
    ),
    (
        "RelayAddress",
        "The policy names a relay otherwise than by IPv4 address and port; a box asks no name server. Correct the policy.",
    ),
    ("RelayUrl", "The policy names a relay in a form that the firewall does not know; give it as turn:address:port."),
    (
        "RelaysUnsaid",
        "The arbiter could not tell the firewall the policy's relays; look at /run/parloir/arbiter and its disk space.",
    ),
    (
        "Sandbox",
        "The media process could not lock itself in and ended before the visit; look at the kernel (Landlock, seccomp) and at the unit.",
    ),
    ("Signalling", "The far side's offer or answer has another form or another certificate; look at the visitor's page."),
    ("SlotTooLong", "The policy's visit is longer than a lease may be; correct the policy."),
    ("SlotTooShort", "The policy's visit is too short to connect; correct the policy."),
    (
        "StorageUnreadable",
        "The database could not be read and was set aside; an inspector can still look at it. The box began a new one.",
    ),
    ("StorageVersion", "The database was written by a newer release; install that release."),
    (
        "UpdateRauc",
        "RAUC does not answer as it should; look at parloir-rauc.service. Nothing is installed or kept until it does.",
    ),
    ("UpdateReport", "The update server does not take a report of this box and it was dropped; look at the server's log."),
    (
        "UpdateServer",
        "The update server cannot be reached, does not prove who it is, or does not know this box; it is asked again. Look at network, server and certificates.",
    ),
    (
        "UpdateStorage",
        "A file of the updater could not be read or written; look at the data partition. What was under way begins anew.",
    ),
    ("TooMany", "A process asked for more than it may at once; the message names its user."),
    (
        "WrongCaller",
        "A process called an interface that is not its own; the bus policy should not have let it through. Report it.",
    ),
];

/// Name, subject and text of every code; who comes first explains it.
fn entries() -> BTreeMap<String, (String, String)> {
    let mut all = BTreeMap::new();
    let mut add = |name: &str, kind: &str, hint: &str| {
        all.entry(name.to_owned()).or_insert((kind.to_owned(), hint.to_owned()));
    };
    Code::ALL.iter().for_each(|code| add(code.name(), &format!("refused by the rule {}", code.rule()), code.hint()));
    EndReason::ALL.iter().for_each(|end| add(end.name(), "the end of a visit", end.hint()));
    parloir_updater::Code::ALL.iter().for_each(|code| add(code.name(), "an update was refused or has failed", code.hint()));
    parloir_peers::refusal::Code::ALL.iter().for_each(|code| add(code.name(), "the firewall opens less", code.hint()));
    for code in parloir_seal::Code::ALL {
        add(code.name(), "a document was refused", &sentence(code.next_step()));
    }
    SAID.iter().for_each(|(name, hint)| add(name, "said by a process of the box", hint));
    all
}

/// What the updater may report is what the arbiter takes: a word that it does not know is refused, and ledger and screen stay silent.
#[test]
fn every_code_of_the_updater_is_a_word_of_its_reports() {
    use parloir_core::update::Word;
    let words: BTreeSet<_> = Word::ALL.iter().map(|word| word.name()).filter(|name| name.starts_with("Update")).collect();
    let codes: BTreeSet<_> = parloir_updater::Code::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(words, codes);
    assert!(parloir_updater::Code::ALL.iter().all(|code| Word::from_name(code.name()).is_some_and(Word::failed)));
}

/// The tables know nothing of each other; one code in two of them would explain something else.
#[test]
fn no_two_tables_have_one_code() {
    let core = Code::ALL.iter().map(|code| code.name()).chain(EndReason::ALL.iter().map(|end| end.name()));
    let peers = parloir_peers::refusal::Code::ALL.iter().map(|code| code.name());
    let seal = parloir_seal::Code::ALL.iter().map(|code| code.name());
    let mut seen = BTreeSet::new();
    let updater = parloir_updater::Code::ALL.iter().map(|code| code.name());
    for name in core.chain(peers).chain(seal).chain(updater).chain(SAID.iter().map(|(name, _)| *name)) {
        assert!(seen.insert(name), "{name} stands in two tables");
    }
    let own: BTreeSet<&str> = parloir_peers::refusal::Code::ALL.iter().map(|code| code.name()).collect();
    for path in files().iter().filter(|path| path.starts_with("appliance") && !path.starts_with("appliance/peers")) {
        let both: Vec<String> = said_in(&text(path)).into_iter().filter(|code| own.contains(code.as_str())).collect();
        assert!(both.is_empty(), "{} says {both:?}, which the firewall's table explains", path.display());
    }
}

fn sentence(words: &str) -> String {
    let (first, rest) = words.split_at(1);
    format!("{}{rest}.", first.to_uppercase())
}

fn print() -> String {
    let mut out = String::from(
        "# What the stable codes of Parloir mean, for `journalctl --catalog`; an entry has the code as PARLOIR_CODE.\n\
         # Printed by tests/house from the codes; a test compares. To print it anew:\n\
         # UPDATE=1 cargo test -p parloir-house --test house catalog\n",
    );
    for (name, (kind, hint)) in entries() {
        let id = message_id(&name);
        let _ = write!(out, "\n-- {id}\nSubject: Parloir: {name}, {kind}\nDefined-By: Parloir\n\n{hint}\n");
    }
    out
}

#[test]
fn the_catalogue_is_printed_from_the_codes() {
    let printed = print();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(root().join(FILE), &printed).expect("the catalogue is written");
    }
    assert!(text(Path::new(FILE)) == printed, "{FILE} is not what the codes say: UPDATE=1 prints it anew");
}

#[test]
fn every_message_id_is_of_one_code() {
    let ids: BTreeSet<String> = entries().keys().map(|name| message_id(name)).collect();
    assert_eq!(ids.len(), entries().len());
    for (name, (_, hint)) in entries() {
        assert!(is_code(&name), "{name}: no code");
        assert!(hint.ends_with('.') && !hint.contains('\n') && !hint.starts_with("-- "), "{name}: {hint}");
    }
}

/// Codes in the text of a source file: in a message, as a field of an event, as the first word of an error or a rule.
fn said_in(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let marks = ["[org.parloir.Error.", "code = \"", "code: \"", "BusError::new(\"", "Broken::new(\"", "need(", "find("];
    for mark in marks {
        for (at, _) in source.match_indices(mark) {
            let after = &source[at + mark.len()..];
            let statement = after.split(';').next().unwrap_or_default();
            // A rule's code stands behind its condition.
            let word = if mark.ends_with('(') { quoted_code(statement) } else { Some(leading(after)) };
            found.extend(word.filter(|word| is_code(word) && word.starts_with(char::is_uppercase)).map(str::to_owned));
        }
    }
    found
}

fn leading(text: &str) -> &str {
    text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default()
}

fn quoted_code(statement: &str) -> Option<&str> {
    statement.split('"').skip(1).step_by(2).find(|word| is_code(word) && word.starts_with(char::is_uppercase))
}

#[test]
fn every_code_that_a_process_of_the_box_says_has_an_entry_and_no_entry_is_idle() {
    let ours = |path: &&std::path::PathBuf| {
        let rooms = ROOMS.iter().any(|room| path.starts_with(format!("appliance/{room}/src")));
        (rooms || path.starts_with("ui/src")) && path.extension().is_some_and(|e| e == "rs")
    };
    let mut said = BTreeSet::new();
    for path in files().iter().filter(ours) {
        let source = text(path);
        let product = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        // `Code` and `X` stand for a code in a sentence about codes.
        said.extend(said_in(product).into_iter().filter(|code| !["Code", "X"].contains(&code.as_str())));
    }
    assert!(said.len() > 40, "only {} codes were found", said.len());
    let entries = entries();
    let without: Vec<&String> = said.iter().filter(|code| !entries.contains_key(*code)).collect();
    assert!(without.is_empty(), "these have no entry: {without:?}");
    let idle: Vec<&str> = SAID.iter().map(|(name, _)| *name).filter(|name| !said.contains(*name)).collect();
    assert!(idle.is_empty(), "nothing says these: {idle:?}");
}

#[test]
fn codes_are_found_wherever_they_are_said() {
    let source = r#"warn!(code = "One", "x"); #[error("y [org.parloir.Error.Two]")] need(a && b("z"), "Three", "field", "rule")
        Broken::new("Four", "f", "r"); BusError::new("Five", x); code = code.name(); find(true, "Six", "p", "w"); need(x, other);"#;
    assert_eq!(said_in(source).into_iter().collect::<Vec<_>>(), ["Five", "Four", "One", "Six", "Three", "Two"]);
}
