//! Owns: explain, show, ledger and replay on the real binary: exports of a box that refused, and exports that were tampered with.
//! Never: a box (the arbiter's tests have one).
//! Called by: cargo test. `UPDATE=1 cargo test -p parloir-ctl --test export` writes docs/explain.md anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use parloir_core::state::Floors;
use parloir_core::{Code, Event, Now, Settings, State, journal::told};
use parloir_issuer::example::{CALL, DEVICE, Example, NOW, SITE};
use parloir_pass::export::{Fact, JournalPage, LedgerPage, LedgerRow, Occurrence, Told};
use parloir_pass::{Bytes32, Export, Id};
use parloir_seal::{ledger::row_hash, random};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const BOOT: &str = "b7b7b7b7-b7b7-b7b7-b7b7-b7b7b7b7b7b7";

struct Bench(PathBuf);

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Exit status, stdout, stderr.
type Said = (i32, String, String);

impl Bench {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("parloir-export-{}", random::id().unwrap()));
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("ask.pub"), Example::default().box_key().public().0).unwrap();
        Self(dir)
    }

    fn write(&self, pages: &[Export]) {
        let key = Example::default().box_key();
        let lines: Vec<String> = pages.iter().map(|page| key.sign_export(page).unwrap()).collect();
        fs::write(self.0.join("box.export"), lines.join("\n") + "\n").unwrap();
    }

    /// A command line as it stands in the docs, in a directory with box.export and ask.pub.
    fn run(&self, line: &str) -> Said {
        let args: Vec<&str> = line.split(' ').skip(1).collect();
        let out = Command::new(env!("CARGO_BIN_EXE_parloirctl")).args(args).current_dir(&self.0).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
    }

    fn said(&self, line: &str) -> String {
        let (status, stdout, stderr) = self.run(&format!("parloirctl {line}"));
        assert_eq!(status, 0, "{line}: {stderr}");
        stdout
    }

    fn refused(&self, line: &str) -> String {
        let (status, stdout, stderr) = self.run(&format!("parloirctl {line}"));
        assert_eq!((status, stdout.as_str()), (1, ""), "{line}: {stderr}");
        stderr
    }
}

/// The refusals of docs/explain.md: code, how often, whether it concerns the call.
const TEN: [(&str, u64, bool); 10] = [
    ("NoFreshKey", 3, false),
    ("OutsideWindow", 2, false),
    ("Offline", 4, false),
    ("Busy", 1, false),
    ("MediaNotAllowed", 1, false),
    ("Denied", 1, false),
    ("VisitorAbsent", 1, true),
    ("GrantRecording", 1, true),
    ("NoDevice", 1, true),
    ("BeatMissing", 1, true),
];

const HEAD: &str = "# Why a box said no: ten answers

Printed by `appliance/ctl/tests/export.rs`, which runs each command on an export of a box that refused in these ways, and compared. To print it anew:
`UPDATE=1 cargo test -p parloir-ctl --test export`. How an export is made and what is in it: [diagnostics.md](diagnostics.md).

`What happened` and `What to do` hold for staff and for the person in the cell; `Operator` is for whoever looks after the box. Every other code of
[refusals.md](refusals.md) has such an answer too. `--json` gives the same as one JSON value.
";

fn row(at_ms: u64, event: &str, call: &str, detail: String) -> LedgerRow {
    let word = str::to_owned;
    LedgerRow { boot: word(BOOT), at_ns: at_ms * 1_000_000, wall_s: 0, event: word(event), call: word(call), detail }
}

/// A box that said no in ten ways, one a minute.
fn box_that_refused() -> Export {
    let (mut export, word) = (Example::default().export(), str::to_owned);
    let mut rows = vec![row(2_000, "started", "", word("version=0.1.0"))];
    (export.codes, export.recent) = (Vec::new(), Vec::new());
    for ((code, times, of_call), n) in TEN.into_iter().zip(1..) {
        let (last_ms, call) = (n * 60_000, of_call.then_some(CALL));
        let first_ms = last_ms - (times - 1) * 1_000;
        export.codes.push(Told { code: word(code), times, first_ms, last_ms });
        export.recent.push(Occurrence { at_ms: last_ms, wall: NOW - 660 + 60 * n.cast_signed(), code: word(code), call });
        let (event, key) = if Code::from_name(code).is_some() { ("refused", "code") } else { ("ended", "reason") };
        rows.push(row(first_ms, event, &call.map_or_else(String::new, |c| c.to_string()), format!("{key}={code}")));
    }
    (export.at_ms, export.started_ms) = (660_000, 2_000);
    export.facts = vec![Fact { name: word("online"), holds: false, since_ms: 170_000 }];
    export.ledger = Some(page(1, [0; 32], rows));
    export
}

fn page(from: u64, previous: [u8; 32], rows: Vec<LedgerRow>) -> LedgerPage {
    let head = rows.iter().zip(from..).fold(previous, |head, (row, seq)| row_hash(seq, &head, row));
    let last = from + rows.len() as u64 - 1;
    LedgerPage { from, previous: Bytes32(previous), rows, last, head: Bytes32(head) }
}

#[test]
fn the_ten_refusals_in_the_docs_are_what_the_command_says() {
    let bench = Bench::new();
    bench.write(&[box_that_refused()]);
    let mut text = String::from(HEAD);
    for (code, ..) in TEN {
        let line = format!("parloirctl explain box.export --box-key ask.pub --code {code}");
        let (status, stdout, stderr) = bench.run(&line);
        assert_eq!(status, 0, "{stderr}");
        text += &format!("\n## {code}\n\n```console\n$ {line}\n{stdout}```\n");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/explain.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == text,
        "docs/explain.md is not what the command says; UPDATE=1 writes it anew"
    );
}

#[test]
fn explain_finds_the_last_the_call_and_what_the_ledger_has_of_earlier_starts() {
    let bench = Bench::new();
    let mut export = box_that_refused();
    let mut old = row(5_000, "refused", "", "code=Offline left_out=9".to_owned());
    (old.boot, old.wall_s) = ("00000000-0000-0000-0000-000000000001".to_owned(), NOW - 86_400);
    let mut rows = export.ledger.take().unwrap().rows;
    rows.insert(0, old);
    export.ledger = Some(page(1, [0; 32], rows));
    bench.write(&[export]);
    let explain = |more: &str| -> Value {
        serde_json::from_str(&bench.said(&format!("explain box.export --box-key ask.pub --json{more}"))).unwrap()
    };
    assert_eq!(explain("")[0]["code"], "BeatMissing", "what was told last");
    let offline = &explain(" --code Offline")[0];
    assert_eq!((&offline["times"], &offline["rule"]), (&json!(14), &json!("online")));
    assert_eq!(
        (&offline["first"]["utc"], &offline["last"]["utc"]),
        (&json!("2026-11-30T14:00:00Z"), &json!("2026-12-01T13:52:00Z"))
    );
    assert_eq!((&offline["now"]["fact"], &offline["now"]["holds"]), (&json!("online"), &json!(false)));
    let call = explain(&format!(" --call {}", &CALL.to_string()[..8]));
    let codes: Vec<_> = call.as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["VisitorAbsent", "GrantRecording", "NoDevice", "BeatMissing"]);
    assert_eq!(explain(" --all").as_array().unwrap().len(), TEN.len());
    assert!(bench.refused("explain box.export --box-key ask.pub --code NoRoute").contains("NothingFound"));
}

#[test]
fn show_says_how_the_box_is_in_words_and_as_json() {
    let bench = Bench::new();
    bench.write(&[box_that_refused()]);
    let text = bench.said("show box.export --box-key ask.pub");
    for part in ["Call Idle", "online     no  since 2026-12-01T13:51:50Z", "ledger     11 rows from number 1 on"] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let told: Value = serde_json::from_str(&bench.said("show box.export --box-key ask.pub --json")).unwrap();
    assert_eq!((&told["ledger"]["rows"], &told["pages"], &told["machines"]["call"]), (&json!(11), &json!(1), &json!("Idle")));
}

/// Rows in as many pages as there are numbers.
fn pages(sizes: &[usize]) -> Vec<Export> {
    let (mut from, mut previous) = (1, [0; 32]);
    let total = sizes.iter().sum::<usize>() as u64;
    let all = sizes.iter().map(|size| {
        let rows = (0..*size as u64).map(|n| row(from * 1000 + n, "asked", "", format!("serial={n}"))).collect();
        let made = page(from, previous, rows);
        (from, previous) = (made.last + 1, made.head.0);
        Export { ledger: Some(made), ..Example::default().export() }
    });
    let mut all: Vec<Export> = all.collect();
    for export in &mut all {
        let ledger = export.ledger.as_mut().unwrap();
        (ledger.last, ledger.head) = (total, Bytes32(previous));
    }
    all
}

#[test]
fn a_whole_ledger_holds_and_every_tampered_one_does_not() {
    let bench = Bench::new();
    let verify = "ledger verify box.export --box-key ask.pub";
    bench.write(&pages(&[50, 50, 20]));
    assert!(bench.said(verify).starts_with("holds: rows 1 to 120, head "));
    assert_eq!(bench.said("ledger export box.export --box-key ask.pub").lines().count(), 120);

    for (at, row) in [(0, 0), (0, 49), (1, 0), (2, 19)] {
        let mut changed = pages(&[50, 50, 20]);
        changed[at].ledger.as_mut().unwrap().rows[row].detail = "serial=7777".to_owned();
        bench.write(&changed);
        assert!(bench.refused(verify).contains("[org.parloir.Error.LedgerBroken]"), "{at} {row}");
    }
    let mut without = pages(&[50, 50, 20]);
    without[1].ledger.as_mut().unwrap().rows.remove(10);
    bench.write(&without);
    assert!(bench.refused(verify).contains("ExportDoesNotHold"));
    let mut cut = pages(&[50, 50, 20]);
    cut[2].ledger.as_mut().unwrap().rows.pop();
    bench.write(&cut);
    let told: Value = serde_json::from_str(&bench.said(&format!("{verify} --json"))).unwrap();
    assert_eq!((&told["to"], &told["not_in_export_after"]), (&json!(119), &json!(1)), "what is not there is said");
    bench.write(&pages(&[50, 50, 20])[1..]);
    assert!(bench.said(verify).contains("not in this export: 50 rows before, 0 after"));
}

#[test]
fn a_receipt_of_another_ledger_is_found() {
    let bench = Bench::new();
    let (site, all) = (Example::default(), pages(&[30]));
    let ledger = all[0].ledger.clone().unwrap();
    bench.write(&all);
    let head = ledger.rows[..12].iter().zip(1..).fold([0; 32], |head, (row, seq)| row_hash(seq, &head, row));
    let write = |head| {
        let receipt = parloir_pass::Receipt { ledger_head: Bytes32(head), ..site.receipt().unwrap() };
        fs::write(bench.0.join("receipt.jws"), site.box_key().sign_receipt(&receipt).unwrap()).unwrap();
    };
    let verify = "ledger verify box.export --box-key ask.pub --receipt receipt.jws";
    write(head);
    assert!(bench.said(verify).contains("receipts whose head is a row of it: 1"));
    write([9; 32]);
    assert!(bench.refused(verify).contains("LedgerBroken"));
}

#[test]
fn what_is_not_the_boxs_or_not_whole_is_no_export() {
    let bench = Bench::new();
    let show = "show box.export --box-key ask.pub";
    let other = parloir_issuer::Secret::new(&[3; 32]);
    fs::write(bench.0.join("box.export"), parloir_issuer::sign(&Example::default().export(), &other).unwrap()).unwrap();
    assert!(bench.refused(show).contains("UnknownKey"));
    fs::write(bench.0.join("box.export"), "").unwrap();
    assert!(bench.refused(show).contains("no page in it"));
    let mut two = pages(&[5, 5]);
    two[1].request = Id([1; 16]);
    bench.write(&two);
    assert!(bench.refused(show).contains("more than one export"));
    let mut swapped = pages(&[5, 5]);
    swapped.swap(0, 1);
    bench.write(&swapped);
    assert!(bench.refused(show).contains("ExportDoesNotHold"));
}

/// A journal as the arbiter writes it, of steps that the core takes here.
fn journal(release: &str) -> String {
    let mut core = State::new(Settings { device: DEVICE, site: SITE, bench_direct: false, floors: Floors::default() });
    let mut text = json!({ "v": 1, "release": release, "state": core }).to_string() + "\n";
    let site = Example::default();
    let events = [
        Event::Authority(Box::new(site.authority().unwrap())),
        Event::Policy(Box::new(site.policy())),
        Event::Entitlement(Box::new(site.person())),
        Event::Online { up: true, fresh: Id([4; 16]) },
        Event::Tick { fresh: Id([5; 16]) },
        Event::Gate(parloir_core::GateFact::Hello { device: DEVICE }),
    ];
    for (event, at) in events.into_iter().zip((1000..).step_by(500)) {
        let line = serde_json::to_string(&event).unwrap();
        let effects = core.step(Now { mono_ms: at }, event);
        let did = Sha256::digest(told(&effects))[..8].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        text += &format!("{{\"at\":{at},\"event\":{line},\"did\":\"{did}\"}}\n");
    }
    text
}

fn with_journal(text: &str) -> Vec<Export> {
    let (total, digest) = (text.len() as u64, Bytes32(Sha256::digest(text).into()));
    let mut all = Vec::new();
    for (n, piece) in text.as_bytes().chunks(1000).enumerate() {
        let text = String::from_utf8(piece.to_vec()).unwrap();
        let journal = Some(JournalPage { from: n as u64 * 1000, total, digest, text });
        all.push(Export { ledger: None, journal, ..Example::default().export() });
    }
    all
}

#[test]
fn a_journal_replays_to_the_same_effects_or_says_which_step_did_not() {
    let bench = Bench::new();
    let release = env!("CARGO_PKG_VERSION");
    let replay = "replay box.export --box-key ask.pub";
    bench.write(&with_journal(&journal(release)));
    assert!(bench.said(replay).starts_with("same: 6 steps, "));
    let steps = bench.said(&format!("{replay} --steps --json"));
    let last: Value = serde_json::from_str(steps.lines().nth(5).unwrap()).unwrap();
    assert_eq!((&last["event"], &last["camera"], &last["call"]), (&json!("Gate Hello"), &json!("Shut"), &json!("Idle")));

    // A word of the history changed: the box did something else than what follows from it.
    bench.write(&with_journal(&journal(release).replace("\"up\":true", "\"up\":false")));
    let said = bench.refused(replay);
    assert!(said.contains("step 4 (Online at 2500 ms)") && said.contains("ReplayDiffers"), "{said}");
    bench.write(&with_journal(&journal("9.9.9")));
    assert!(bench.refused(replay).contains("ReleaseDiffers"));
    bench.write(&with_journal(&journal(release))[..2]);
    assert!(bench.refused(replay).contains("the journal is not whole"));
    bench.write(&[box_that_refused()]);
    assert!(bench.refused(replay).contains("no journal"));
}

#[test]
fn the_commands_and_the_members_on_the_page_are_all_there() {
    let bench = Bench::new();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = fs::read_to_string(docs.join("diagnostics.md")).unwrap();
    let mut all = with_journal(&journal(env!("CARGO_PKG_VERSION")));
    all[0].ledger = pages(&[20])[0].ledger.take();
    bench.write(&all);
    let commands: Vec<&str> = page.split('`').filter(|code| code.starts_with("parloirctl ")).collect();
    assert_eq!(commands.len(), 5);
    for line in commands {
        let (status, _, stderr) = bench.run(line);
        assert_eq!(status, 0, "{line}: {stderr}");
    }
    let schema: Value = serde_json::from_str(&fs::read_to_string(docs.join("schema/export.json")).unwrap()).unwrap();
    let table = page.split("| Member |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows = table.lines().skip(2).map(|row| row.split('|').nth(1).unwrap());
    let mut told: Vec<&str> = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    told.sort_unstable();
    let mut members: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(told, members);
}
