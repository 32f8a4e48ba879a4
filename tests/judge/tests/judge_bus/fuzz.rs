//! Owns: hostile calls by everybody: each role's user and a stranger, each method of the contract, half of them with something wrong.
//! Never: a method that is not in the XML; a right that is not in `cells.toml`.
//! Called by: cargo test.
//!
//! `PARLOIR_SEED` (1) says which calls, `PARLOIR_CALLS` how many of each caller (`scripts/soak judge`).

use crate::doors::{Ended, gate_binary, press_ok};
use crate::facility;
use crate::house::{ARBITER, CALL, GATE, House, LIMIT, LINK, STRANGER, UI, UPDATER, inside_for};
use crate::visit::Stand;
use parloir_arbiter::ledger::{FILE, Ledger};
use parloir_bench::supervisor::pidfd;
use parloir_judge::client::{Answer, Client};
use parloir_judge::contract::{self, Method};
use parloir_judge::dice::Dice;
use parloir_judge::hostile::{Case, Dictionary, case};
use parloir_judge::marshal::{self, Message, NO_REPLY};
use parloir_shell::fds;
use parloir_wire::start::{self, Start};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::process::Command;
use std::time::Duration;

/// Who calls. Those without a right come first, the screen last: it leaves the box as a person sees it.
const CALLERS: [(&str, u32); 8] = [
    ("stranger", STRANGER),
    ("root", 0),
    ("parloir-gate", GATE),
    ("parloir-call", CALL),
    ("parloir-arbiter", ARBITER),
    ("parloir-updater", UPDATER),
    ("parloir-link", LINK),
    ("parloir-ui", UI),
];
/// Calls of each without more said.
const CALLS: usize = 1500;
/// Most rows that the ledger may have after it, whatever was said: the same within a minute is one. A call that a person's key asked for
/// adds its own.
const ROWS: u64 = 100;
const ROWS_OF_A_CALL: u64 = 10;
/// Most that the arbiter's memory may grow by, in KiB.
const GROWTH: u64 = 48 * 1024;
/// What the bus itself and the library say to a message that is no call of the contract.
const STRAY: [&str; 6] = ["AccessDenied", "UnknownMethod", "UnknownObject", "UnknownInterface", "InvalidArgs", "LimitsExceeded"];
/// What the arbiter may say before it asks the bus who calls.
const FORMAL: [&str; 3] = ["MalformedArgument", "TooLarge", "TooMany"];

/// Codes of the arbiter, for calls without form, and of seal, for documents that do not verify. `Internal` is none: it would be our defect.
const OWN: &str = "MalformedArgument TooLarge TooMany NotCourier UnknownKind WrongTyp WrongRole WeakKey UnknownVersion UnknownKey \
    OldRevision NotForThisSite NotForThisCall NotForThisBox NotEnoughRoots MalformedDocument KeyExpired KeyBounds CannotUnseal BadTicket \
    BadSignature BadHeader";

/// Whoever may be screen or courier becomes it: what follows reaches deeper.
pub fn take_seats(client: &mut Client) {
    for (interface, method) in [("Calls1", "Attach"), ("Remote1", "Focus"), ("Courier1", "Attach")] {
        let interface = format!("org.parloir.{interface}");
        client.ask(&Message::call(parloir_bus::NAME, parloir_bus::PATH, &interface, method), None);
    }
}

/// A number of the environment.
pub fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn nobody_breaks_it_and_no_door_opens() {
    besiege("fuzz::nobody_breaks_it_and_no_door_opens", true, CALLS);
}

/// The second wall: a policy file that was lost lets everybody through to the arbiter, which knows by itself who calls.
#[test]
fn nobody_gets_further_where_the_bus_policy_is_lost() {
    besiege("fuzz::nobody_gets_further_where_the_bus_policy_is_lost", false, CALLS / 3);
}

fn besiege(name: &'static str, policy: bool, calls: usize) {
    let gate = gate_binary();
    let seed = setting("PARLOIR_SEED", 1);
    let calls = setting("PARLOIR_CALLS", calls as u64) as usize;
    let limit = Duration::from_secs(120 + calls as u64);
    let said = inside_for(name, limit, |house| async move {
        if !policy {
            house.open_policy().await;
        }
        let stand = Stand::set(house, &gate).await;
        let before = memory(&stand.house);
        let mut siege = Siege::lay(stand, seed, policy);
        for (name, uid) in CALLERS {
            siege.by(name, uid, calls).await;
            if siege.rights.get(name).is_some_and(|may| !may.is_empty()) {
                siege.stand.recover().await;
            }
        }
        let grown = memory(&siege.stand.house).saturating_sub(before);
        siege.no_door();
        // What sees no door open sees one that is: the visit that everybody must still be able to make.
        let mut visit = siege.stand.visit().await;
        assert!(!siege.stand.watchers().is_empty(), "an open door is not seen");
        siege.stand.screen.calls.end().await.unwrap();
        visit.gone().await;
        drop(visit);
        siege.no_door();
        siege.stand.screen.until(|v| v.outcome.as_ref().is_some_and(|o| o.camera_shut)).await;
        let wall = if policy { "our policy" } else { "no policy" };
        println!("judge: {wall}, seed {seed}: {}", siege.report(grown));
        assert!(grown < GROWTH, "the arbiter's memory grew by {grown} KiB");
    });
    said.lines().filter(|line| line.starts_with("judge: ")).for_each(|line| println!("{line}"));
}

/// Resident memory of the arbiter, KiB.
fn memory(house: &House) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", house.arbiter_pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

struct Siege {
    stand: Stand,
    methods: Vec<Method>,
    rights: BTreeMap<String, Vec<String>>,
    /// Codes of `docs/refusals.md`, and those of the arbiter and of seal that are not core's.
    codes: BTreeSet<String>,
    words: Dictionary,
    dice: Dice,
    seed: u64,
    /// Whether the bus has our policy.
    policy: bool,
    presses: u64,
    /// Call processes that gate asked for: nothing but sleepers, and no door ever comes.
    prepared: Vec<(Ended, OwnedFd)>,
    asked_for: usize,
    said: usize,
    tally: BTreeMap<String, BTreeMap<String, usize>>,
}

impl Siege {
    fn lay(stand: Stand, seed: u64, policy: bool) -> Self {
        let tree = House::tree();
        let methods = contract::methods(&tree).unwrap();
        let rights = contract::rights(&tree).unwrap();
        for (user, _) in rights.iter().filter(|(_, may)| !may.is_empty()) {
            assert!(CALLERS.iter().any(|(name, _)| name == user), "{user} may call and does not attack here");
        }
        let words = dictionary(&stand.house);
        Self {
            stand,
            methods,
            rights,
            codes: codes(),
            words,
            dice: Dice::new(seed),
            seed,
            policy,
            presses: 0,
            prepared: Vec::new(),
            asked_for: 0,
            said: 0,
            tally: BTreeMap::new(),
        }
    }

    fn client(&self, uid: u32) -> Client {
        Client::greet(self.stand.house.stream(uid), uid, LIMIT).expect("the bus greets")
    }

    async fn by(&mut self, name: &str, uid: u32, calls: usize) {
        let may = self.rights.get(name).cloned().unwrap_or_default();
        let mut client = self.client(uid);
        for turn in 0..calls {
            if turn % 100 == 0 {
                take_seats(&mut client);
            }
            if turn % 10 == 0 {
                self.look();
            }
            if turn % 25 == 0 {
                // Somebody presses OK now and then, and nobody is kept from guessing its serial.
                press_ok(&self.stand.house);
                self.presses += 1;
                self.words.numbers.push(self.presses);
            }
            let case = case(&mut self.dice, &self.methods, &may, &self.words);
            self.said += 1;
            if !case.broken.is_empty() {
                self.broken(uid, &case);
                continue;
            }
            let null = (case.message.fds > 0).then(|| File::open("/dev/null").unwrap());
            let answer = client.ask(&case.message, null.as_ref().map(|file| file.as_raw_fd()));
            if answer == Answer::Gone {
                client = self.client(uid);
            }
            self.judge(name, &may, &case, answer);
        }
        self.alive();
    }

    /// Bytes that are no message any more, on a connection of their own: the bus ends it, or waits for more.
    fn broken(&self, uid: u32, case: &Case) {
        let mut bytes = case.message.encode(2);
        for at in &case.broken {
            let at = at % bytes.len();
            bytes[at] = !bytes[at];
        }
        let _ = self.client(uid).send_bytes(&bytes);
    }

    fn judge(&mut self, name: &str, may: &[String], case: &Case, answer: Answer) {
        let message = &case.message;
        let what = || format!("seed {}: {name} says {message:.400?}", self.seed);
        let allowed = message.interface.as_ref().is_some_and(|interface| may.contains(interface));
        let wants = message.kind == marshal::CALL && message.flags & NO_REPLY == 0;
        let word = match answer {
            Answer::Silence => panic!("no answer; {}", what()),
            Answer::Gone => {
                assert!(!case.formed, "the bus hung up; {}", what());
                "(hung up)".to_owned()
            }
            _ if !wants => "(no answer wanted)".to_owned(),
            Answer::Done => {
                let look = self.may_look(name, message.interface.as_deref());
                assert!(allowed && case.formed || look, "it was done; {}", what());
                "done".to_owned()
            }
            Answer::Error(error) => self.refused(&error, allowed, name, &what()),
        };
        *self.tally.entry(name.to_owned()).or_default().entry(word).or_default() += 1;
    }

    /// A second process of the arbiter's user may look at the introspection; without a policy everybody may, at what a library serves.
    fn may_look(&self, name: &str, interface: Option<&str>) -> bool {
        let look = "org.freedesktop.DBus.Introspectable";
        if self.policy {
            name == "parloir-arbiter" && interface == Some(look)
        } else {
            interface.is_none_or(|i| i.starts_with("org.freedesktop."))
        }
    }

    /// A refusal has a stable code; who has no right hears it from the bus, or where that has no policy, from the arbiter.
    fn refused(&self, error: &str, allowed: bool, name: &str, what: &str) -> String {
        if let Some(code) = error.strip_prefix(parloir_bus::error::PREFIX) {
            let wrong = !allowed && !self.policy && code == "WrongCaller";
            assert!(self.codes.contains(code) || wrong, "{code} is no code of ours; {what}");
            assert!(allowed || wrong || !self.policy && FORMAL.contains(&code), "it came as far as the core; {what}");
            return code.to_owned();
        }
        let short = error.strip_prefix("org.freedesktop.DBus.Error.").unwrap_or(error);
        // The library's word for a call without an interface, which our policy keeps away.
        assert!(STRAY.contains(&short) || !self.policy && short == "Failed", "{error}; {what}");
        assert!(allowed || !self.policy || short == "AccessDenied" || name == "parloir-arbiter", "{error}; {what}");
        format!("({short})")
    }

    /// Plays the start of call processes, and sees that no door is handed to one.
    fn look(&mut self) {
        while let Ok(start) = fds::accept(&self.stand.calls) {
            let process = Ended(Command::new("sleep").arg("600").spawn().unwrap());
            let pid = process.0.id();
            let fd = pidfd(pid).unwrap();
            let _ = fds::send(&start, &Start::Spawned { pid }.encode(), &[fd.as_fd()]);
            self.asked_for += 1;
            self.prepared.push((process, start));
        }
        let seed = self.seed;
        self.prepared.retain(|(_, start)| {
            while let Ok(message) = fds::recv(start, start::SIZE, 2) {
                let Some(message) = message else { return false };
                assert!(!matches!(Start::decode(&message.bytes), Ok(Start::Door { .. })), "seed {seed}: a door without a grant");
            }
            true
        });
        self.no_door();
    }

    fn no_door(&self) {
        assert_eq!(self.stand.watchers(), Vec::<u32>::new(), "seed {}: somebody holds the camera", self.seed);
    }

    /// The arbiter runs, met no defect of its own, and holds no more descriptors than it needs.
    fn alive(&mut self) {
        assert!(self.stand.house.arbiter_lives(), "seed {}: the arbiter is gone", self.seed);
        let log = self.stand.house.log();
        assert!(!log.contains("panicked") && !log.contains(" ERROR "), "seed {}: {log}", self.seed);
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.stand.house.arbiter_pid())).unwrap().count();
        assert!(open < 64, "seed {}: {open} descriptors", self.seed);
    }

    fn report(&mut self, grown: u64) -> String {
        self.stand.house.kill_arbiter();
        let state = self.stand.house.dir.join("state");
        let (rows, _) = Ledger::open(&state).unwrap().check().unwrap();
        let size = std::fs::metadata(state.join(FILE)).unwrap().len();
        let most = ROWS + ROWS_OF_A_CALL * self.asked_for as u64;
        assert!(rows <= most && size < 1 << 20, "{rows} rows, {size} bytes");
        // The test's own name stands before what it prints first.
        println!();
        for (name, tally) in &self.tally {
            let words: Vec<String> = tally.iter().map(|(word, count)| format!("{word} {count}")).collect();
            println!("judge: {name}: {}", words.join(", "));
        }
        format!(
            "{} hostile messages, {} OK presses, {} call processes prepared, no door, ledger {rows} rows of {size} bytes, arbiter grew by {grown} KiB",
            self.said, self.presses, self.asked_for
        )
    }
}

/// Codes in the first column of the printed tables, and those outside of core, which its page only mentions.
fn codes() -> BTreeSet<String> {
    let page = std::fs::read_to_string(House::tree().join("docs/refusals.md")).unwrap();
    let first = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    page.lines().filter_map(first).chain(OWN.split_whitespace().map(str::to_owned)).collect()
}

/// What such a caller knows: every word of the contract, ids that exist, and genuine documents.
fn dictionary(house: &House) -> Dictionary {
    let site = &house.site;
    let list = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    // The first may be called now; the others show the refusals.
    let ana = std::iter::repeat_n(&site.person.contacts[0], 8);
    let contacts: Vec<String> = ana.chain(&site.person.contacts).map(|contact| contact.id.to_string()).collect();
    let rings: Vec<_> = (0..3).map(|_| facility::ring(site)).collect();
    let kinds = "authority policy entitlement door-record grant deny beat time statement agenda ask receipt ring sign-in export signal \
        again ended";
    let words = [
        ("contact", contacts),
        ("ring", rings.iter().map(|ring| ring.ring.to_string()).collect()),
        ("media", list("video voice")),
        ("kind", list(kinds)),
        ("stage", list("install restart")),
        ("version", list("1.0.0 0.9.9-rc.1")),
        ("word", list("Blessed FellBack Offered Installed UpdateHash")),
        ("call", vec![site.person.person.to_string(), site.device.to_string(), site.site.to_string()]),
    ];
    let mut bodies = vec![site.authority.to_vec(), site.policy_jws.to_vec(), site.door_record.to_vec()];
    bodies.push(facility::entitlement(site, &site.person));
    bodies.push(facility::beat(site, site.device, 1));
    bodies.extend(rings.iter().map(|ring| facility::seal(site, ring, &site.grant)));
    Dictionary { words: words.map(|(name, words)| (name.to_owned(), words)).into(), numbers: Vec::new(), bodies }
}
